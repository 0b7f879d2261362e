"""What the end-to-end tests share: the program, the corpus, and the truth of each dump.

HEAPFX names the program (`make e2e` sets it).  Expected values come from truth files alone.
"""
import contextlib
import dataclasses
import fcntl
import functools
import json
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "corpus/native"), str(ROOT / "corpus/elf")]
sys.dont_write_bytecode = True
import glibc_root  # noqa: E402
import make_cores  # noqa: E402
import synth  # noqa: E402,F401

HEAPFX = os.environ.get("HEAPFX", str(ROOT / "build/heapfx"))
SANITIZED = b"__asan_init" in pathlib.Path(HEAPFX).read_bytes() if os.path.exists(HEAPFX) else False
SLOW = 6 if SANITIZED else 1		# how much longer things may take
# Made once, shared by the plain and the sanitized run; `make clean` removes them.
CORPUS = pathlib.Path(os.environ.get("HEAPFX_CORPUS", ROOT / "build/corpus"))

# Committed dumps name libraries below the usual place of other suites' libcs.  Where there are none, what a test unpacks
# goes elsewhere: else a dump would be told with more symbols from then on, in the middle of the other tests.
if not glibc_root.cache_folder().exists():
	os.environ["HEAPFX_GLIBC_ROOTS"] = str(CORPUS / "glibc")

COMMITTED = sorted(path.parent.name for path in (ROOT / "corpus/elf").glob("*/dump.zst"))
# Under another malloc than glibc's; kept apart, for what holds of glibc's chunks does not hold there.
ALLOCATORS = sorted(path.parent.name for path in (ROOT / "corpus/allocators").glob("*/dump.zst"))
POOLS = sorted(path.parent.name for path in (ROOT / "corpus/pools").glob("*/dump.zst"))
FRESH = ["leakzoo", "leakzoo.kernel", "leakzoo.stripped", "leakzoo.static",
	"leakzoo.static-stripped", "zoo_cpp", "heapshapes", "heapshapes.kernel", "demo", "arenas64", "longchain",
	"vectors", "holders", "pins", "endings", "endings.kernel", "endings.stripped", "endings.guardless", "endings.static"]
STATES = ("reachable", "possibly-lost", "definitely-lost", "indirectly-lost")
MAPPED_DRIFTS = ("sid",)	# glibc 2.43 keeps hblkhd wrong by 16 bytes for each mremap


@dataclasses.dataclass(frozen=True)
class Dump:
	name: str
	core: pathlib.Path
	truth: pathlib.Path
	options: tuple = ()

	@property
	def drifts(self):
		return any(suite in self.name.split(".") for suite in MAPPED_DRIFTS)


@functools.lru_cache(maxsize=None)
def dump_of(name):
	"""The core and the truth of a case: unpacked or made, once."""
	if name in COMMITTED or name in ALLOCATORS or name in POOLS:
		folder = "elf" if name in COMMITTED else "allocators" if name in ALLOCATORS else "pools"
		home = ROOT / "corpus" / folder / name
		return Dump(name, unpacked(home / "dump.zst", CORPUS / folder / f"{name}.core"), home / "truth.tsv")
	case = made(make_cores.make_case, name, "native")
	return Dump(name, case.core, case.truth)


@contextlib.contextmanager
def corpus_locked():
	"""Tests run side by side, and what they share is made by one of them."""
	CORPUS.mkdir(parents=True, exist_ok=True)
	with open(CORPUS / ".lock", "wb") as lock:
		fcntl.flock(lock, fcntl.LOCK_EX)
		yield


def made(make_case, name, folder):
	"""What MAKE_CASE makes of the case, once, in that folder of the corpus; skips what cannot be made here."""
	try:
		with corpus_locked():
			return make_case(name, CORPUS / folder)
	except make_cores.CannotMake as reason:
		pytest.skip(f"cannot be made here: {reason}".splitlines()[0])


def unpacked(packed, to):
	"""TO, which is unpacked from PACKED unless it is there and newer."""
	with corpus_locked():
		if not to.exists() or to.stat().st_mtime < packed.stat().st_mtime:
			to.parent.mkdir(parents=True, exist_ok=True)
			half = to.with_name(to.name + ".half")
			subprocess.run(["zstd", "-dqf", "--long=27", "--sparse", packed, "-o", half], check=True)
			half.rename(to)
	return to


@functools.lru_cache(maxsize=2)
def truth_of(name):
	"""({address: (size, kind, state)}, {total: value})"""
	return make_cores.read_truth(dump_of(name).truth)


# --- running heapfx ------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Run:
	status: int
	out: str
	err: str
	seconds: float
	rss: int	# bytes, at its highest; pages of mapped files too


CACHE = tempfile.TemporaryDirectory(prefix="heapfx-cache-")	# not that of who runs the tests


def heapfx(*args, stdin=subprocess.DEVNULL, env=None, timeout=60, cwd=None):
	"""Runs it. Its memory is rss: columns reserve more address space than they use."""
	argv = [HEAPFX, *map(str, args)]
	started = time.monotonic()
	with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
		child = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, env=environment(env), cwd=cwd)
		rss = watch(child, started + timeout * SLOW)
		out.seek(0)
		err.seek(0)
		# A report is always valid UTF-8.
		run = Run(child.returncode, out.read().decode("utf-8"), err.read().decode("utf-8"),
			time.monotonic() - started, rss)
	assert "Sanitizer" not in run.err and "runtime error:" not in run.err, run.err
	assert run.status >= 0, f"killed by signal {-run.status}: {run.err}"
	return run


def watch(child, deadline):
	"""Waits for its end; its highest resident size. (ru_maxrss has ours, from before exec.)"""
	rss, pause = 0, 0.001
	while child.poll() is None:
		with contextlib.suppress(OSError, ValueError, IndexError):	# it may end meanwhile
			status = pathlib.Path(f"/proc/{child.pid}/status").read_text("ascii", "replace")
			rss = max(rss, int(status.split("VmHWM:")[1].split()[0]) << 10)
		if time.monotonic() > deadline:
			child.kill()
			child.wait()
			raise AssertionError(f"still running in the end: {child.args}")
		time.sleep(pause)
		pause = min(pause * 1.2, 0.01)
	return rss


def environment(extra):
	env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
	env["TERM"] = "xterm-256color"
	env["XDG_CACHE_HOME"] = CACHE.name
	env.setdefault("ASAN_OPTIONS", "detect_leaks=1:allocator_may_return_null=1")
	env.update(extra or {})
	return env


def heapfx_ok(*args, **kwargs):
	run = heapfx(*args, **kwargs)
	assert run.status == 0, f"heapfx {' '.join(map(str, args))}: status {run.status}\n{run.err}"
	return run


@functools.lru_cache(maxsize=None)
def report_text(name, *options):
	return heapfx_ok("analyze", dump_of(name).core, "--format", "json", *options, timeout=120).out


def report_of(name, *options):
	"""The report of a case, parsed anew: the caller may change it."""
	return json.loads(report_text(name, *options))


@functools.lru_cache(maxsize=2)
def blocks_of(name, *options):
	"""Every block of a case, in the order printed."""
	return parse_blocks(heapfx_ok("blocks", dump_of(name).core, *options, timeout=240).out)


def parse_blocks(out):
	blocks = json.loads(f"[{','.join(out.splitlines())}]")	# a million lines one by one take twice as long
	for block in blocks:
		block["address"] = int(block["address"], 16)
	return blocks


def used_of(blocks):
	return {b["address"]: b for b in blocks if b["state"] == "used"}


def problems_of(report):
	return report["input"]["problems"]


# --- reading a core without heapfx ------------------------------------------------------------

class Core:
	"""The memory of an ELF64 core, for expectations that no truth file has."""

	def __init__(self, path):
		with open(path, "rb") as f:	# some are large, and nearly all holes
			self.file = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
		phoff, = struct.unpack_from("<Q", self.file, 32)
		phnum, = struct.unpack_from("<H", self.file, 56)
		self.loads, self.notes = [], []
		for i in range(phnum):
			kind, _flags, offset, vaddr, _p, filesz, memsz, _a = struct.unpack_from(
				"<IIQQQQQQ", self.file, phoff + 56 * i)
			if kind == synth.PT_LOAD:
				self.loads.append((vaddr, memsz, offset, filesz))
			elif kind == synth.PT_NOTE:
				self.notes += notes_in(self.file[offset:offset + filesz])

	def read(self, address, size):
		for vaddr, _memsz, offset, filesz in self.loads:
			if vaddr <= address and size <= vaddr + filesz - address:
				return self.file[offset + address - vaddr:offset + address - vaddr + size]
		raise KeyError(hex(address))

	def dumped(self):
		return sum(filesz for *_where, filesz in self.loads)

	def virtual(self):
		return sum(memsz for _vaddr, memsz, *_rest in self.loads)

	def threads(self):
		return [struct.unpack_from("<I", desc, 32)[0]
			for kind, desc in self.notes if kind == synth.NT_PRSTATUS]

	def build_ids(self):
		"""Of every ELF header that the dump has in memory."""
		found = set()
		for _vaddr, _memsz, offset, filesz in self.loads:
			head = self.file[offset:offset + filesz]
			if head.startswith(b"\x7fELF"):
				found |= build_ids_in(head)
		return found


def notes_in(data):
	found, at = [], 0
	while at + 12 <= len(data):
		namesz, descsz, kind = struct.unpack_from("<III", data, at)
		at += 12 + (namesz + 3 & ~3)
		found.append((kind, data[at:at + descsz]))
		at += descsz + 3 & ~3
	return found


def build_ids_in(data):
	"""The GNU build id notes in the bytes of an ELF file."""
	found, mark = set(), struct.pack("<II", 20, 3) + b"GNU\0"
	at = data.find(mark)
	while at >= 0:
		found.add(data[at + len(mark):at + len(mark) + 20].hex())
		at = data.find(mark, at + 1)
	return found
