"""What the end-to-end tests of Go share: cores, their truth, and what heapfx says of them.

The cores are the committed ones, or all that `make_go_cores.py make` left in the folder HEAPFX_GO_MADE.
"""
import bisect
import collections
import dataclasses
import functools
import json
import os
import pathlib
import struct
import subprocess
import sys

import pytest

from common import CORPUS, ROOT, heapfx_ok, parse_blocks, unpacked

HOME = ROOT / "corpus/go"
sys.path.insert(0, str(HOME))
import make_go_cores  # noqa: E402

MADE = pathlib.Path(os.environ["HEAPFX_GO_MADE"]) if "HEAPFX_GO_MADE" in os.environ else None
CASES = sorted([path.stem for path in MADE.glob("*.core") if path.with_suffix(".truth").exists()]
	if MADE else [path.parent.name for path in HOME.glob("*/dump.zst")])
ZOO = [name for name in CASES if name.startswith("zoo")]
SPIN = [name for name in CASES if name.startswith("spin")]
SLACK = [name for name in CASES if name.startswith("slack") and "healthy" not in name]
REPAIRED = [name for name in CASES if name.startswith("slack") and "healthy" in name]
WAITS = [name for name in CASES if name.startswith("waits")]
COURSE = [name for name in CASES if name.startswith("course")]
PARKED = [name for name in CASES if name.startswith("parked")]
BOXES = [name for name in CASES if name.startswith("boxes")]
KEYS = [name for name in CASES if name.startswith("keys")]
LIBRARIES = [name for name in CASES if make_go_cores.CASES[name].has_library]
CGO = [name for name in CASES if name.startswith("cgo")]
MARKED = [name for name in CASES if name.endswith(".marks")]
OBJECTS = [name for name in CASES if name not in PARKED + COURSE + KEYS + BOXES]	# that note their objects, and make little else
DROPPING = [name for name in OBJECTS if not name.startswith("waits")]	# and drop some
STOPPED = [name for name in CASES if name.endswith((".marking", ".sweeping", ".stopped"))]
QUIET = [name for name in CASES if name not in MARKED + STOPPED]	# where nothing moved between truth and dump


@dataclasses.dataclass(frozen=True)
class GoDump:
	name: str
	core: pathlib.Path
	exe: pathlib.Path
	sysroot: pathlib.Path = None	# has the library of the case at its place
	library: pathlib.Path = None	# there

	@property
	def arguments(self):
		return self.core, "--exe", self.exe, *(("--sysroot", self.sysroot) if self.sysroot else ())


	@property
	def runtime(self):
		"""The file that the runtime is linked into."""
		return self.library if make_go_cores.CASES[self.name].mode == "c-shared" else self.exe


@functools.lru_cache(maxsize=None)
def go_dump(name):
	"""The core and the executable of a case, unpacked once."""
	if MADE:
		library = MADE / f"{name}.so"
		return GoDump(name, MADE / f"{name}.core", MADE / name, library=library if library.exists() else None)
	home = CORPUS / "go" / name
	made = GoDump(name, home / "core", home / "exe")
	files = [("exe.zst", made.exe), ("dump.zst", made.core)]
	if make_go_cores.CASES[name].has_library:
		library = home / "root" / truth_of(name).text["library"].lstrip("/")
		made = dataclasses.replace(made, sysroot=home / "root", library=library)
		files.append(("library.zst", library))
	for packed, path in files:
		unpacked(HOME / name / packed, path)
	return made


class Truth:
	"""What the program, the runtime and for *.marks the collector said."""

	def __init__(self, name):
		path = MADE / f"{name}.truth" if MADE else CORPUS / "go" / name / "truth.tsv"
		if not MADE:
			unpacked(HOME / name / "truth.tsv.zst", path)
		read = make_go_cores.read_truth(path)
		self.total, self.text, self.rows = read.total, read.text, read.rows
		self.objects = [(int(a, 16), int(size), kind, state)
			for a, size, kind, state in read.rows.get("object", [])]
		self.blocks = [(int(a, 16), int(size), kind, state)
			for a, size, kind, state in read.rows.get("block", [])]
		self.goroutines = {int(cells[0]): cells[1:] for cells in read.rows["goroutine"]}
		self.frames = collections.defaultdict(list)
		for goroutine, function, place in read.rows["frame"]:
			self.frames[int(goroutine)].append((function, place))
		self.marked = {int(a, 16): int(size) for a, size in read.rows.get("marked", [])}
		self.unmarked = {int(a, 16): int(size) for a, size in read.rows.get("unmarked", [])}

	def in_state(self, state):
		return [row for row in self.objects if row[3] == state]

	def allocated(self):
		"""(objects, bytes) that the heap holds."""
		if self.marked:		# a collection began after the figures were read
			both = {**self.marked, **self.unmarked}
			return len(both), sum(both.values())
		return (self.total["memstats.HeapObjects"] + self.total.get("late.objects", 0),
			self.total["memstats.HeapAlloc"] + self.total.get("late.bytes", 0))


@functools.lru_cache(maxsize=None)
def truth_of(name):
	return Truth(name)


@functools.lru_cache(maxsize=None)
def report_text(name, *options):
	return heapfx_ok("analyze", *go_dump(name).arguments, "--format", "json", *options, timeout=120).out


def report_of(name, *options):
	return json.loads(report_text(name, *options))


@functools.lru_cache(maxsize=4)
def blocks_text(name):
	return heapfx_ok("blocks", *go_dump(name).arguments, timeout=120).out


@functools.lru_cache(maxsize=4)
def used_blocks(name):
	"""Go's used blocks, by address."""
	return [b for b in parse_blocks(blocks_text(name))
		if b["state"] == "used" and b["allocator"] == "go"]


class Finder:
	"""Which block an address lies in."""

	def __init__(self, blocks):
		self.blocks = blocks
		self.starts = [b["address"] for b in blocks]

	def __call__(self, address):
		i = bisect.bisect_right(self.starts, address) - 1
		block = self.blocks[i] if i >= 0 else None
		return block if block and address < block["address"] + block["usable"] else None


@functools.lru_cache(maxsize=4)
def finder_of(name):
	return Finder(used_blocks(name))


class Patched:
	"""A sparse copy of a core, words of which may be written."""

	def __init__(self, name, path):
		subprocess.run(["cp", "--sparse=always", go_dump(name).core, path], check=True)
		path.chmod(0o644)
		self.path, self.file = path, open(path, "r+b", buffering=0)
		head = self.file.read(64)
		table = os.pread(self.file.fileno(), 56 * struct.unpack_from("<H", head, 56)[0],
			struct.unpack_from("<Q", head, 32)[0])
		self.loads = [(vaddr, offset, filesz) for kind, _f, offset, vaddr, _p, filesz, _m, _a
			in struct.iter_unpack("<IIQQQQQQ", table) if kind == 1]

	def place(self, address):
		return next((offset + address - vaddr for vaddr, offset, filesz in self.loads
			if vaddr <= address and address + 8 <= vaddr + filesz), None)

	def word(self, address):
		place = self.place(address)
		return 0 if place is None else struct.unpack("<Q", os.pread(self.file.fileno(), 8, place))[0]

	def write(self, address, value):
		os.pwrite(self.file.fileno(), struct.pack("<Q", value), self.place(address))


def built_stripped(source, folder):
	"""That program, built in the folder without symbols and debug information; skips where no toolchain can be had."""
	try:
		go, env = make_go_cores.toolchain("1.26", str(folder))
	except make_go_cores.CannotMake as reason:
		pytest.skip(str(reason))
	(folder / "main.go").write_text(source)
	subprocess.run([go, "build", "-ldflags=-s -w", "-o", folder / "program", "main.go"], check=True, env=env, cwd=folder)
	return folder / "program"
