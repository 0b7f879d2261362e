#!/usr/bin/python3
"""overwrites.py - an allocator's own words overwritten at random in an intact core, and what heapfx says.

	overwrites.py HEAPFX CORE TRUTH [--count N] [--seed S] [--keep FOLDER]

No model of any allocator: a word counts as its own if it is not zero, in writable memory that is no file's
and no stack, in nothing that the program asked for, and not what the program filled its blocks with.  So
links of free blocks, tables, caches and the libraries' variables are hit as often as they are there.

Either the used blocks are as they were, or a message names what is wrong: anything else is silent.  One
silence cannot be helped, `cut`: a link, or an item of a cache, that became 0 or leads to another block.  A
list that nothing counts ends there, or goes on there, as if it had been meant so.  `kept` is the share
of the blocks that are still listed.
"""
import argparse
import bisect
import collections
import contextlib
import dataclasses
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "elf"), str(HERE.parent / "native")]
import make_cores  # noqa: E402
import synth  # noqa: E402

WORD = struct.Struct("<Q")
FILL = 0x5a5a5a5a5a5a5a5a	# what churn.c and sparse.c write into every block
PAGE = 4096
NEAR = 8192			# a message may name the structure that the word is in
PT_NOTE, NT_PRSTATUS, NT_FILE = 4, 1, 0x46494c45
RSP = 112 + 19 * 8		# in a prstatus of x86-64


def notes_of(data):
	at = 0
	while at + 12 <= len(data):
		n_name, n_desc, kind = struct.unpack_from("<III", data, at)
		desc = at + 12 + (n_name + 3 & ~3)
		yield kind, data[desc:desc + n_desc]
		at = desc + (n_desc + 3 & ~3)


class Memory:
	"""The writable memory of a core that is no file's and no thread's stack."""

	def __init__(self, path):
		self.path = pathlib.Path(path)
		with open(path, "rb") as file:
			phoff, = WORD.unpack_from(file.read(64), 32)
			file.seek(0)
			phnum, = struct.unpack_from("<H", file.read(64), 56)
			file.seek(phoff)
			headers = [struct.unpack("<IIQQQQQQ", file.read(56)) for _i in range(phnum)]
			stacks, files = [], []
			for kind, _flags, offset, _vaddr, _p, filesz, *_rest in headers:
				if kind != PT_NOTE:
					continue
				file.seek(offset)
				for what, desc in notes_of(file.read(filesz)):
					if what == NT_PRSTATUS and len(desc) > RSP + 8:
						stacks += WORD.unpack_from(desc, RSP)
					elif what == NT_FILE:
						count, = WORD.unpack_from(desc, 0)
						files += [struct.unpack_from("<QQ", desc, 16 + 24 * i) for i in range(count)]
			self.loads = [(vaddr, vaddr + filesz, offset) for kind, flags, offset, vaddr, _p, filesz, *_r in headers
				if kind == synth.PT_LOAD and flags & 2 and filesz >= PAGE
				and not any(vaddr <= sp < vaddr + filesz for sp in stacks)
				and not any(low <= vaddr < high for low, high in files)]
			self.pages = []		# those that hold anything
			for vaddr, end, offset in self.loads:
				for at in range(vaddr, end - PAGE + 1, PAGE):
					file.seek(offset + at - vaddr)
					data = file.read(PAGE)
					if data.count(0) != PAGE and data.count(0x5a) < PAGE - 64:
						self.pages.append((at, offset + at - vaddr, data))


class Target:
	"""An intact core with its truth, and words of the allocator's own in it."""

	def __init__(self, core, truth):
		rows, _totals = make_cores.read_truth(truth)
		self.memory = Memory(core)
		self.asked = sorted((address, address + size) for address, (size, *_rest) in rows.items())
		self.mappings = [(low, high) for low, high, _offset in self.memory.loads
			if any(low <= address < high for address in rows)]

	def is_asked(self, address):
		i = bisect.bisect_right(self.asked, (address, 1 << 64)) - 1
		return i >= 0 and address < self.asked[i][1]

	def is_heap(self, address):
		"""In a mapping that has blocks of the truth."""
		return any(low <= address < high for low, high in self.mappings)

	def pick(self, rng):
		"""(address, offset in the file, value) of one word."""
		while True:
			address, offset, data = rng.choice(self.memory.pages)
			i = 8 * rng.randrange(PAGE // 8)
			value, = WORD.unpack_from(data, i)
			if value not in (0, FILL) and not self.is_asked(address + i):
				return address + i, offset + i, value


def changed(rng, value, other):
	return rng.choice((0, 0x4141414141414141, (1 << 64) - 1, value ^ 1 << rng.randrange(64), value ^ 1 << rng.randrange(16),
		value + 16 * rng.randrange(1, 64) & (1 << 64) - 1, other))


@dataclasses.dataclass(frozen=True)
class Seen:
	used: frozenset
	problems: str


def run(heapfx, core):
	done = subprocess.run([heapfx, "blocks", core, "--format", "csv", "--no-host-files"], check=True,
		stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
	rows = iter(done.stdout.splitlines())
	names = next(rows).split(",")
	address, state = names.index("address"), names.index("state")
	cells = (row.split(",") for row in rows)
	return Seen(frozenset(int(c[address], 16) for c in cells if c[state] == "used"),
		"\n".join(line for line in done.stderr.splitlines() if "heap/" in line))


@dataclasses.dataclass(frozen=True)
class Outcome:
	at: int
	old: int
	new: int
	verdict: str	# as it was; as it was, told; told; told, far; cut; SILENT
	missing: int
	invented: int
	kept: float
	problems: str


def judge(heapfx, target, intact, path, at, old, new):
	seen = run(heapfx, path)
	missing, invented = len(intact.used - seen.used), len(seen.used - intact.used)
	told = seen.problems != intact.problems
	near = any(abs(int(a, 16) - at) <= NEAR for a in re.findall(r"0x([0-9a-f]+)", seen.problems))
	if not missing and not invented:
		verdict = "as it was, told" if told else "as it was"
	elif told:
		verdict = "told" if near else "told, far"
	else:
		links = target.is_heap(old) and (not new or target.is_heap(new))
		verdict = "cut" if links else "SILENT"
	return Outcome(at, old, new, verdict, missing, invented, 1 - missing / max(1, len(intact.used)), seen.problems)


@contextlib.contextmanager
def damaged(core, offset, value):
	"""A copy of the core with one word overwritten."""
	with tempfile.TemporaryDirectory() as folder:
		path = pathlib.Path(folder) / "core"
		subprocess.run(["cp", "--sparse=always", core, path], check=True)
		with open(path, "r+b") as copy:
			copy.seek(offset)
			copy.write(WORD.pack(value))
		yield path


def experiment(heapfx, core, truth, count, seed):
	"""Yields an Outcome for each of `count` overwrites; the core itself stays as it is."""
	target = Target(core, truth)
	intact = run(heapfx, core)
	assert target.memory.pages
	rng = random.Random(seed)
	with tempfile.TemporaryDirectory() as folder:
		path = pathlib.Path(folder) / "core"
		subprocess.run(["cp", "--sparse=always", core, path], check=True)
		with open(path, "r+b", buffering=0) as copy:
			for _i in range(count):
				at, offset, old = target.pick(rng)
				new = changed(rng, old, target.pick(rng)[2])
				if new == old:
					continue
				copy.seek(offset)
				copy.write(WORD.pack(new))
				yield judge(heapfx, target, intact, path, at, old, new)
				copy.seek(offset)
				copy.write(WORD.pack(old))


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
	parser.add_argument("heapfx")
	parser.add_argument("core")
	parser.add_argument("truth")
	parser.add_argument("--count", type=int, default=200)
	parser.add_argument("--seed", type=int, default=1)
	parser.add_argument("--verbose", action="store_true", help="each that is told, too")
	options = parser.parse_args()
	table, kept = collections.Counter(), 1.0
	for o in experiment(options.heapfx, options.core, options.truth, options.count, options.seed):
		table[o.verdict] += 1
		kept = min(kept, o.kept)
		if o.verdict == "SILENT" or (options.verbose and o.verdict.startswith("told")) or o.kept < 0.5:
			print(f"{o.verdict}: {o.at:#x} {o.old:#x} -> {o.new:#x}: {o.missing} missing, {o.invented} invented | "
				f"{o.problems[:300]}")
	print(f"{pathlib.Path(options.core).name}: {', '.join(f'{v}: {n}' for v, n in sorted(table.items()))}; "
		f"least kept {100 * kept:.1f} %")
	return 1 if table["SILENT"] else 0


if __name__ == "__main__":
	sys.exit(main())
