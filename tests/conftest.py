"""The end-to-end tests need the program: without it nothing is run, and that is an error."""
import os
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
TESTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "e2e"))
sys.path.append(str(TESTS.parent / "build/python"))  # `make playwright`
import common  # noqa: E402


def pytest_sessionstart(session):
	del session
	if not os.access(common.HEAPFX, os.X_OK):
		pytest.exit(f"{common.HEAPFX} is no program: set HEAPFX or run `make e2e`", returncode=2)


@pytest.fixture(scope="session")
def leakzoo():
	"""The case that most tests of behaviour use: intact, small, committed."""
	return common.dump_of("leakzoo.bookworm").core


def pytest_collection_modifyitems(items):
	"""Case by case, after the tests of behaviour: what a large case costs to read is paid once."""
	cases = {name: i for i, name in enumerate(common.COMMITTED + common.FRESH + common.ALLOCATORS)}

	def case(item):
		callspec = getattr(item, "callspec", None)
		name = callspec.params.get("name") if callspec else None
		return name if isinstance(name, str) and name in cases else None

	items.sort(key=lambda item: cases.get(case(item), -1))
	for item in items:	# side by side: a case, or a file, is one worker's
		item.add_marker(pytest.mark.xdist_group(case(item) or item.path.name))
