"""What the end-to-end tests of types share: cores of corpus/types, committed or made on demand, and their truth."""
import functools

import pytest

from common import CORPUS, ROOT, heapfx_ok, parse_blocks
import make_cores
import make_types

COMMITTED = sorted(path.parent.name for path in (ROOT / "corpus/types").glob("*/dump.tar.zst"))


def made_case(name):
	try:
		return make_types.make_case(name, CORPUS / "types")
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))


@functools.lru_cache(maxsize=None)
def case_of(name):
	"""(arguments that name the dump, rows of the truth)"""
	if name in COMMITTED:
		home = ROOT / "corpus/types" / name
		return (home / "dump.tar.zst",), make_types.read_types(home / "types.tsv")
	made = made_case(name)
	return (made.core, "--exe", made.exe), make_types.read_types(made.types)


@functools.lru_cache(maxsize=None)
def blocks_of(name):
	return {b["address"]: b for b in parse_blocks(heapfx_ok("blocks", *case_of(name)[0]).out)}
