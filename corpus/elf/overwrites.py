#!/usr/bin/python3
"""overwrites.py - a heap's own words overwritten at random in an intact core, and what heapfx says.

	overwrites.py HEAPFX CORE TRUTH [--count N] [--seed S] [--kind KIND]... [--keep FOLDER]

One word is overwritten at a time, of a kind from KINDS.  Either heapfx lists the blocks as the truth
has them all the same, or a heap/corrupt names an address near the word: anything else is silent, and is
printed.  Three silences cannot be helped.  `unheld`: blocks that a larger size swallowed and that nothing
points to; what is left of them is what realloc() leaves when it grows a block over its neighbour.
`cut`: a link of a fast bin set to 0, before 2.32 mangled them: a list that ends there looks the same.
`aligned`: the header of an aligned mapped chunk; the one it had before it was aligned is still there.

The model of the heap comes from the core's own words and the truth, never from heapfx.
"""
import argparse
import bisect
import collections
import dataclasses
import json
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "native")]
import make_cores  # noqa: E402
import synth  # noqa: E402

WORD = struct.Struct("<Q")
PREV_INUSE, IS_MMAPPED, NON_MAIN = 1, 2, 4
CACHES = range(0x250, 0x320, 16)	# chunk sizes of per-thread caches: not overwritten here
NEAR = 4096


@dataclasses.dataclass(frozen=True)
class Chunk:
	at: int
	size: int
	state: str	# used, binned, cached, top, mapped


class Memory:
	"""The bytes of a core by address; a word can be written."""

	def __init__(self, path):
		self.file = bytearray(pathlib.Path(path).read_bytes())
		phoff, = WORD.unpack_from(self.file, 32)
		phnum, = struct.unpack_from("<H", self.file, 56)
		self.loads = []
		for i in range(phnum):
			kind, flags, offset, vaddr, _p, filesz, _memsz, _a = struct.unpack_from(
				"<IIQQQQQQ", self.file, phoff + 56 * i)
			if kind == synth.PT_LOAD and filesz:
				self.loads.append((vaddr, vaddr + filesz, offset, flags))
		self.loads.sort()
		self.starts = [load[0] for load in self.loads]

	def offset(self, address):
		load = self.loads[bisect.bisect_right(self.starts, address) - 1]
		if not load[0] <= address <= load[1] - 8:
			raise KeyError(hex(address))
		return load[2] + address - load[0]

	def word(self, address):
		return WORD.unpack_from(self.file, self.offset(address))[0]

	def end_of(self, address):
		return self.loads[bisect.bisect_right(self.starts, address) - 1][1]


class Heap:
	"""Every chunk of an intact core: from each used one on to the next, as malloc goes."""

	def __init__(self, memory, truth):
		self.memory = memory
		self.states = {address: state for address, (_size, _kind, state) in truth.items()}
		self.used = {address: memory.word(address - 8) & ~7 for address in truth}
		self.chunks = []
		seen = set()
		for address in sorted(truth):
			at = address - 16
			if memory.word(at + 8) & IS_MMAPPED:
				self.chunks.append(Chunk(at, self.used[address], "mapped"))
				continue
			while at not in seen:
				size = memory.word(at + 8) & ~7
				if size < 0x20:		# a fence post
					break
				seen.add(at)
				self.chunks.append(Chunk(at, size, self.state(at, size)))
				at += size
				if at >= memory.end_of(at - 16) - 16:
					break
		self.chunks.sort(key=lambda chunk: chunk.at)
		self.starts = {chunk.at for chunk in self.chunks}
		self.by_state = collections.defaultdict(list)
		for i, chunk in enumerate(self.chunks):
			self.by_state[chunk.state].append(i)

	def state(self, at, size):
		if at + 16 in self.used:
			return "used"
		if at + size >= self.memory.end_of(at) - 16:
			return "top"
		behind = self.memory.word(at + size + 8)
		if not behind & PREV_INUSE and self.memory.word(at + size) == size:
			return "binned"
		return "cached"

	def is_link(self, word):
		"""The address of a chunk, as it is."""
		return word in self.starts

	def next_of(self, i):
		"""The chunk right behind, or None."""
		chunk = self.chunks[i]
		if i + 1 < len(self.chunks) and self.chunks[i + 1].at == chunk.at + chunk.size:
			return i + 1
		return None

	def starts_near(self, i, most):
		"""Chunks that follow this one without a gap."""
		found = []
		while len(found) < most and (i := self.next_of(i)) is not None:
			found.append(self.chunks[i])
		return found


# --- what is overwritten ------------------------------------------------------------------------

class Unfit(Exception):
	"""This chunk does not suit the kind: another is tried."""


KINDS = {}


def kind(name, state="used", weight=1):
	"""Registers a maker: (heap, index of a chunk, random) -> (address of the word, its new value)."""
	def register(make):
		KINDS[name] = (state, make, weight)
		return make
	return register


def header_of(heap, chunk):
	return chunk.at + 8, heap.memory.word(chunk.at + 8)


def grown(heap, i, rng, most):
	chunk = heap.chunks[i]
	behind = [c for c in heap.starts_near(i, most + 1)[1:] if c.state != "top"]
	if not behind:
		raise Unfit
	at, header = header_of(heap, chunk)
	# As often a few chunks as many.
	landing = behind[min(int(len(behind) ** rng.random()), len(behind)) - 1]
	return at, landing.at - chunk.at | header & 7


@kind("larger: onto a chunk", weight=6)
def larger_onto(heap, i, rng):
	return grown(heap, i, rng, 16)


@kind("larger: onto a chunk far behind", weight=4)
def larger_far(heap, i, rng):
	return grown(heap, i, rng, 2000)


@kind("larger: onto no chunk", weight=3)
def larger_between(heap, i, rng):
	chunk = heap.chunks[i]
	at, header = header_of(heap, chunk)
	size = chunk.size + 16 * rng.randrange(1, 2000)
	starts = {c.at for c in heap.starts_near(i, 4000)}
	if chunk.at + size in starts or chunk.at + size >= heap.memory.end_of(chunk.at) - 32:
		raise Unfit
	return at, size | header & 7


@kind("larger: a binned chunk, onto a chunk", "binned", 2)
def binned_onto(heap, i, rng):
	return grown(heap, i, rng, 64)


@kind("larger: a cached chunk, onto a chunk", "cached", 2)
def cached_onto(heap, i, rng):
	return grown(heap, i, rng, 64)


def shrunk(heap, i, rng):
	chunk = heap.chunks[i]
	if chunk.size < 0x40:
		raise Unfit
	at, header = header_of(heap, chunk)
	return at, 16 * rng.randrange(2, chunk.size // 16) | header & 7


@kind("smaller", weight=4)
def smaller(heap, i, rng):
	return shrunk(heap, i, rng)


@kind("smaller: a binned chunk", "binned")
def binned_smaller(heap, i, rng):
	return shrunk(heap, i, rng)


@kind("smaller: a cached chunk", "cached")
def cached_smaller(heap, i, rng):
	return shrunk(heap, i, rng)


@kind("a NUL too much", weight=3)
def clipped(heap, i, _rng):
	at, header = header_of(heap, heap.chunks[i])
	return at, header & ~0xFF


@kind("a NUL too much behind a free chunk", "binned", 2)
def clipped_behind_free(heap, i, _rng):
	behind = heap.next_of(i)
	if behind is None or heap.chunks[behind].state != "used":
		raise Unfit
	at, header = header_of(heap, heap.chunks[behind])
	return at, header & ~0xFF


@kind("one byte too much", weight=2)
def one_byte(heap, i, rng):
	at, header = header_of(heap, heap.chunks[i])
	return at, header & ~0xFF | rng.randrange(256)


@kind("text over the size", weight=2)
def text_over(heap, i, _rng):
	return heap.chunks[i].at + 8, 0x4141414141414141


@kind("zeros over the size", weight=2)
def zeros_over(heap, i, _rng):
	return heap.chunks[i].at + 8, 0


@kind("size at the end of a binned chunk", "binned", 2)
def footer(heap, i, rng):
	chunk = heap.chunks[i]
	return chunk.at + chunk.size, rng.getrandbits(rng.choice((8, 16, 48, 64)))


@kind("fd of a binned chunk", "binned", 2)
def bin_fd(heap, i, rng):
	return heap.chunks[i].at + 16, rng.choice((0, rng.getrandbits(64), rng.choice(heap.chunks).at))


@kind("bk of a binned chunk", "binned", 2)
def bin_bk(heap, i, rng):
	return heap.chunks[i].at + 24, rng.choice((0, rng.getrandbits(64), rng.choice(heap.chunks).at))


LINK = "link of a cached chunk"


@kind(LINK, "cached", 3)
def cached_link(heap, i, rng):
	return heap.chunks[i].at + 16, rng.choice((0, rng.getrandbits(64), rng.choice(heap.chunks).at))


def flipped(heap, i, flag):
	at, header = header_of(heap, heap.chunks[i])
	return at, header ^ flag


@kind("NON_MAIN_ARENA flipped")
def flip_non_main(heap, i, _rng):
	return flipped(heap, i, NON_MAIN)


@kind("IS_MMAPPED flipped", weight=2)
def flip_mapped(heap, i, _rng):
	return flipped(heap, i, IS_MMAPPED)


@kind("PREV_INUSE flipped", weight=2)
def flip_prev(heap, i, _rng):
	return flipped(heap, i, PREV_INUSE)


@kind("PREV_INUSE set behind a binned chunk", "binned", 2)
def set_prev(heap, i, _rng):
	behind = heap.next_of(i)
	if behind is None:
		raise Unfit
	return flipped(heap, behind, PREV_INUSE)


@kind("size of top", "top", 2)
def top_size(heap, i, rng):
	at, header = header_of(heap, heap.chunks[i])
	return at, rng.choice((0, 0x4141414141414141, header ^ 16 << rng.randrange(16)))


@kind("size of a mapped chunk", "mapped")
def mapped_size(heap, i, rng):
	at, header = header_of(heap, heap.chunks[i])
	return at, rng.choice((0, 0x4141414141414141, header + 4096 * rng.randrange(1, 9), header + 16))


# --- what heapfx makes of it ----------------------------------------------------------------------

ADDRESS = re.compile(r"0x([0-9a-f]+)")


@dataclasses.dataclass(frozen=True)
class Seen:
	used: dict	# address: chunk size
	free: dict
	damage: tuple	# the words of each heap/corrupt


def run(heapfx, core):
	used, free = {}, {}
	out = subprocess.run([heapfx, "blocks", core, "--format", "csv", "--no-host-files"], check=True,
		stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
		timeout=60).stdout
	rows = iter(out.splitlines())
	names = next(rows).split(",")
	address, size, state = (names.index(name) for name in ("address", "size", "state"))
	for row in rows:
		cells = row.split(",")
		(used if cells[state] == "used" else free)[int(cells[address], 16)] = int(cells[size])
	report = json.loads(subprocess.run([heapfx, "analyze", core, "--format", "json", "--no-host-files"],
		check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
		timeout=60).stdout)
	damage = [f["message"] for f in report.get("findings", []) if f["rule"] == "heap/corrupt"]
	return Seen(used, free, tuple(damage))


def differences(heap, seen):
	"""What the listed blocks say that the truth does not; words, none if they agree."""
	found = [f"block {a:#x} missing" for a in heap.used if a not in seen.used]
	found += [f"block {a:#x} invented" for a in seen.used if a not in heap.used]
	found += [f"block {a:#x}: size {seen.used[a]:#x}, not {size:#x}" for a, size in heap.used.items()
		if seen.used.get(a, size) != size and not heap.memory.word(a - 8) & IS_MMAPPED]
	for chunk in heap.chunks:
		if chunk.state == "binned" and seen.free.get(chunk.at + 16) != chunk.size:
			found.append(f"free chunk {chunk.at:#x} missing")
	return found


def is_named(words, where, reach):
	return any(where - NEAR <= int(a, 16) <= where + NEAR or where <= int(a, 16) <= reach
		for text in words for a in ADDRESS.findall(text))


def is_unheld(heap, at, old, new):
	"""Nothing holds the start of any block that the new size has swallowed, but those blocks themselves,
	free memory and, by the truth, what is left of the process's past."""
	low, high = at - 8 + (old & ~7), at - 8 + (new & ~7)
	swallowed = [c for c in heap.chunks if low <= c.at < high]
	starts = {c.at + 16 for c in swallowed}
	if all(heap.states.get(start) in ("definitely-lost", "cycle-lost") for start in starts):
		return True
	stale = [(c.at + 16, c.at + c.size + 8) for c in heap.chunks if c.state not in ("used", "mapped")]
	stale.append((low, high))
	stale.sort()
	for first, end, offset, flags in heap.memory.loads:
		if not flags & 2:
			continue
		size = (end - first) & ~7
		words = memoryview(heap.memory.file)[offset:offset + size].cast("Q")
		for i, word in enumerate(words):
			if word in starts:
				where = first + 8 * i
				k = bisect.bisect_right(stale, (where, 1 << 64)) - 1
				if k < 0 or where >= stale[k][1]:
					return False
	return True


@dataclasses.dataclass(frozen=True)
class Outcome:
	kind: str
	at: int
	old: int
	new: int
	verdict: str	# as it was; told; both; told, blocks lost; told, no place; unheld; cut; aligned; SILENT
	differences: tuple
	damage: tuple


def experiment(heapfx, core, truth, count, seed, kinds=None):
	"""Yields an Outcome for each of `count` overwrites; the core itself stays as it is."""
	rows, _totals = make_cores.read_truth(truth)
	heap = Heap(Memory(core), rows)
	intact = run(heapfx, core)
	assert not differences(heap, intact) and not intact.damage, (differences(heap, intact), intact.damage)
	rng = random.Random(seed)
	names = [name for name, (state, _m, _w) in KINDS.items()
		if heap.by_state[state] and (not kinds or name in kinds)]
	weights = [KINDS[name][2] for name in names]
	with tempfile.NamedTemporaryFile(suffix=".core") as copy:
		copy.write(heap.memory.file)
		copy.flush()
		done = tries = 0
		while done < count and tries < 100 * count:
			tries += 1
			name, = rng.choices(names, weights)
			state, make, _weight = KINDS[name]
			i = rng.choice(heap.by_state[state])
			if heap.chunks[i].state == "cached" and heap.chunks[i].size in CACHES:
				continue
			try:
				at, new = make(heap, i, rng)
				old = heap.memory.word(at)
			except (Unfit, KeyError):
				continue
			if old == new:
				continue
			done += 1
			yield overwrite(heapfx, heap, copy, name, at, old, new)


def overwrite(heapfx, heap, copy, name, at, old, new):
	offset = heap.memory.offset(at)
	copy.seek(offset)
	copy.write(WORD.pack(new))
	copy.flush()
	seen = run(heapfx, copy.name)
	copy.seek(offset)
	copy.write(WORD.pack(old))
	copy.flush()
	found = differences(heap, seen)
	reach = at + (new & ~7) if new >> 32 == 0 else at
	named = is_named(seen.damage, at, max(reach, at + (old & ~7) if old >> 32 == 0 else at))
	if not found:
		verdict = "as it was, told" if named else "as it was"
	elif named:
		lost = any("missing" in text for text in found)
		verdict = "told, blocks lost" if lost else "told"
	else:
		grew = name != LINK and old < new and new >> 32 == 0
		verdict = "unheld" if grew and is_unheld(heap, at, old, new) else "SILENT"
		if name == LINK and new == 0 and heap.is_link(old):
			verdict = "cut"
		if old & 7 == IS_MMAPPED and heap.memory.word(at - 8):
			verdict = "aligned"
		elif old & 7 == IS_MMAPPED and seen.damage:
			verdict = "told, no place"	# mp_ counts one more than there are
	return Outcome(name, at, old, new, verdict, tuple(found), seen.damage)


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
	parser.add_argument("heapfx")
	parser.add_argument("core")
	parser.add_argument("truth")
	parser.add_argument("--count", type=int, default=100)
	parser.add_argument("--seed", type=int, default=1)
	parser.add_argument("--kind", action="append")
	parser.add_argument("--keep", help="keep the cores of silent overwrites here")
	options = parser.parse_args()
	table = collections.defaultdict(collections.Counter)
	for o in experiment(options.heapfx, options.core, options.truth, options.count, options.seed,
			options.kind):
		table[o.kind][o.verdict] += 1
		if o.verdict not in ("SILENT", "unheld") and "lost" not in o.verdict:
			continue
		print(f"{o.verdict}: {o.kind}: {o.at:#x} {o.old:#x} -> {o.new:#x}: {len(o.differences)} "
			f"differences, {'; '.join(o.differences[:2])} | {'; '.join(o.damage[:2])}")
		if options.keep and o.verdict == "SILENT":
			kept = pathlib.Path(options.keep) / f"{o.at:x}-{o.new:x}.core"
			shutil.copy(options.core, kept)
			memory = Memory(options.core)
			with open(kept, "r+b") as file:
				file.seek(memory.offset(o.at))
				file.write(WORD.pack(o.new))
	total = sum(table.values(), collections.Counter())
	for name in KINDS:
		if table[name]:
			print(f"{name:40} {', '.join(f'{v}: {n}' for v, n in sorted(table[name].items()))}")
	print(f"{'all':40} {', '.join(f'{v}: {n}' for v, n in sorted(total.items()))}")
	return 1 if total["SILENT"] else 0


if __name__ == "__main__":
	sys.exit(main())
