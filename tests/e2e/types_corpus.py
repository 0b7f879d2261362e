"""What the end-to-end tests of types share: cores of corpus/types, committed or made on demand, and their truth."""
import functools

from common import ROOT, heapfx_ok, made, parse_blocks
import make_types

COMMITTED = sorted(path.parent.name for path in (ROOT / "corpus/types").glob("*/dump.tar.zst"))


def made_case(name):
	return made(make_types.make_case, name, "types")


@functools.lru_cache(maxsize=None)
def case_of(name):
	"""(arguments that name the dump, rows of the truth)"""
	if name in COMMITTED:
		home = ROOT / "corpus/types" / name
		return (home / "dump.tar.zst",), make_types.read_types(home / "types.tsv")
	case = made_case(name)
	return (case.core, "--exe", case.exe), make_types.read_types(case.types)


@functools.lru_cache(maxsize=None)
def blocks_of(name):
	return {b["address"]: b for b in parse_blocks(heapfx_ok("blocks", *case_of(name)[0]).out)}
