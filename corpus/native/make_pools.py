#!/usr/bin/python3
"""make_pools.py - build, run and dump programs with pools of their own inside malloc or beside it.

	make_pools.py list
	make_pools.py make OUTDIR [CASE...]
	make_pools.py pack OUTDIR [CASE...]	into ../pools; without a case: the committed ones

The totals of a truth file say what each pool is (src/pool_truth.h): counted by the program, or by the
library's own hooks, never read from the structures that heapfx reads.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_cores  # noqa: E402
from make_cores import Case, CannotMake  # noqa: E402,F401

POOL_CORPUS = make_cores.HERE.parent / "pools"
SMALL = {"capture": "kernel", "stack_kib": 256}
APR = ("-I/usr/include/apr-1.0", "-DLINUX", "-D_REENTRANT")

CASES = {
	"aprs": Case("aprs", **SMALL, flags=APR, link=("-lapr-1",), about="a tree of APR's pools (libapr1-dev)"),
	"obstacks": Case("obstacks", **SMALL, coredump_filter=0x37,
		about="obstacks in a variable, in a block, on the stack; modules' files are in the core"),
	"protos": Case("protos", **SMALL, flags=("-Wno-unused-parameter",), link=("-lprotobuf",),
		about="protobuf's arenas (libprotobuf-dev)"),
	"ownpools": Case("ownpools", **SMALL, about="an arena that src/ownpools.layout describes"),
	"decoys": Case("decoys", **SMALL, flags=("-rdynamic",), coredump_filter=0x37,
		about="what looks like pools and is none; modules' files are in the core"),
}


def make_case(name, outdir):
	return make_cores.make_case(name, outdir, CASES[name])


def pack(name, outdir):
	return make_cores.pack(name, outdir, CASES[name], POOL_CORPUS, "make_pools.py")


def default_cases(what):
	if what == "pack":
		return [path.parent.name for path in sorted(POOL_CORPUS.glob("*/dump.zst"))]
	return list(CASES)


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
	parser.add_argument("what", choices=("list", "make", "pack"))
	parser.add_argument("outdir", nargs="?")
	parser.add_argument("cases", nargs=argparse.REMAINDER)
	args = parser.parse_args()
	if args.what == "list":
		for name, case in CASES.items():
			print(f"{name:24} {case.about}")
		return 0
	if not args.outdir:
		parser.error("no OUTDIR")
	return make_cores.run_cases(parser, args, CASES, default_cases, make_case, pack)


if __name__ == "__main__":
	sys.exit(main())
