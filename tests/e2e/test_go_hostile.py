"""Go cores that are cut, overwritten or of an unknown version: labelled, partial, never a crash."""
import json
import os
import random
import re
import shutil
import struct
import subprocess

import pytest

from common import SANITIZED, heapfx, parse_blocks, problems_of
from go_corpus import CASES, SLACK, Finder, go_dump, truth_of

MIB = 1 << 20
LIMITS = ("--memory", "512M", "--disk", "256M")
WHOLE = "zoo.1.26.kernel"	# small, with symbols, which say where the structures are
STATUSES = (0, 3, 4)


# --- a core that can be written to ------------------------------------------------------------

class Editable:
	"""A sparse copy of a core, with its executable's symbols."""

	def __init__(self, name, core):
		subprocess.run(["cp", "--sparse=always", go_dump(name).core, core], check=True)
		core.chmod(0o644)
		self.core, self.exe = core, go_dump(name).exe
		self.file = open(core, "r+b", buffering=0)
		head = self.file.read(64)
		phoff, = struct.unpack_from("<Q", head, 32)
		phnum, = struct.unpack_from("<H", head, 56)
		table = os.pread(self.file.fileno(), 56 * phnum, phoff)
		self.loads = [(vaddr, offset, filesz) for kind, _f, offset, vaddr, _p, filesz, _m, _a
			in struct.iter_unpack("<IIQQQQQQ", table) if kind == 1]
		self.symbols = symbols_of(self.exe)

	def offset_of(self, address, size):
		for vaddr, offset, filesz in self.loads:
			if vaddr <= address and size <= vaddr + filesz - address:
				return offset + address - vaddr
		raise KeyError(hex(address))

	def read(self, address, size):
		return os.pread(self.file.fileno(), size, self.offset_of(address, size))

	def write(self, address, data):
		os.pwrite(self.file.fileno(), data, self.offset_of(address, len(data)))

	def word(self, address):
		return struct.unpack("<Q", self.read(address, 8))[0]

	def slice(self, symbol):
		"""The words of a slice of pointers."""
		at, n, _cap = struct.unpack("<QQQ", self.read(self.symbols[symbol][0], 24))
		return struct.unpack(f"<{n}Q", self.read(at, 8 * n))


def symbols_of(exe):
	"""{name: (address, size)} of the runtime's data."""
	out = subprocess.run(["readelf", "-sW", exe], check=True, stdout=subprocess.PIPE, text=True).stdout
	found = {}
	for line in out.splitlines():
		cells = line.split()
		if len(cells) == 8 and cells[3] == "OBJECT":
			found[cells[7]] = int(cells[1], 16), int(cells[2], 0)
	return found


def all_spans(core):
	"""mheap_.allspans: the slice of about as many spans as there are, found as any reader may."""
	at, size = core.symbols["runtime.mheap_"]
	words = struct.unpack(f"<{size // 8}Q", core.read(at, size // 8 * 8))
	for i in range(len(words) - 2):
		where, n, cap = words[i:i + 3]
		if not (64 < n <= cap < 1 << 20 and cap >= 8192):
			continue
		try:
			spans = struct.unpack(f"<{n}Q", core.read(where, 8 * n))
			if all(core.word(span + 24) % 8192 == 0 for span in spans[:64]):
				return spans
		except KeyError:
			continue
	raise AssertionError("no allspans")


def noise(seed, size):
	return random.Random(seed).randbytes(size)


# Each takes a core and damages it. What stays whole is told by the name of the test that uses it.

def over_symbol(symbol, first=0, size=None):
	def damage(core, seed):
		at, whole = core.symbols[symbol]
		core.write(at + first, noise(seed, size or whole - first))
	return damage


def over_each(targets, size, step=1, first=0):
	def damage(core, seed):
		for at in targets(core)[seed % step::step]:
			core.write(at + first, noise(seed ^ at, size))
	return damage


def over_words(targets, size, value):
	def damage(core, _seed):
		for at in targets(core):
			core.write(at, struct.pack("<Q", value) * (size // 8))
	return damage


def goroutines(core):
	return core.slice("runtime.allgs")


def processors(core):
	return core.slice("runtime.allp")


def spans_point_at_each_other(core, _seed):
	"""next of every span is the span before; lists have no end."""
	spans = all_spans(core)
	for a, b in zip(spans, spans[1:] + spans[:1]):
		core.write(a, struct.pack("<QQ", b, b))


def modules_loop(core, _seed):
	"""moduledata.next is itself, wherever it stands."""
	at, size = core.symbols["runtime.firstmoduledata"]
	words = struct.unpack(f"<{size // 8}Q", core.read(at, size // 8 * 8))
	for i in range(len(words) - 8, len(words)):
		core.write(at + 8 * i, struct.pack("<Q", at))


def span_sizes_lie(core, seed):
	"""npages and elemsize of every third span, as words that could be ones."""
	chance = random.Random(seed)
	for span in all_spans(core)[::3]:
		core.write(span + 32, struct.pack("<Q", chance.choice([0, 1, 3, 1 << 20, 1 << 51, (1 << 64) - 1])))
		core.write(span + 104, struct.pack("<Q", chance.choice([0, 1, 7, 1 << 40, (1 << 64) - 1])))


DAMAGE = {
	"moduledata": over_symbol("runtime.firstmoduledata"),
	"moduledata-second-half": over_symbol("runtime.firstmoduledata", first=256),
	"modules-loop": modules_loop,
	"mheap": over_symbol("runtime.mheap_"),
	"mheap-pages": over_symbol("runtime.mheap_", first=8, size=60000),
	"mheap-tail": over_symbol("runtime.mheap_", first=65600),
	"spans": over_each(all_spans, 160),
	"spans-every-tenth": over_each(all_spans, 160, step=10),
	"spans-zero": over_words(all_spans, 160, 0),
	"spans-ones": over_words(all_spans, 160, (1 << 64) - 1),
	"spans-loop": spans_point_at_each_other,
	"spans-lie": span_sizes_lie,
	"allgs": over_symbol("runtime.allgs"),
	"goroutines": over_each(goroutines, 400),
	"goroutines-every-fifth": over_each(goroutines, 400, step=5),
	"goroutines-ones": over_words(goroutines, 400, (1 << 64) - 1),
	"processors": over_each(processors, 4096),
	"scheduler": over_symbol("runtime.sched"),
	"wait-reasons": over_symbol("runtime.waitReasonStrings"),
	"finalizers": over_symbol("runtime.finq"),
	"pools": over_symbol("sync.allPools"),
}
# Nothing is whole after these.
MUST_SAY = {"moduledata", "mheap", "mheap-tail", "spans", "spans-zero", "spans-ones", "spans-lie",
	"goroutines", "goroutines-ones"}


def run_bounded(command, core, exe, *options):
	run = heapfx(command, core, "--exe", exe, *options, *LIMITS, timeout=60)
	assert run.status in STATUSES, (run.status, run.err)
	most = 512 * MIB + 256 * MIB + core.stat().st_size	# pages of the file count
	assert SANITIZED or run.rss < most, f"{run.rss >> 20} MiB"
	return run


@pytest.fixture(name="editable")
def fixture_editable(tmp_path):
	core = Editable(WHOLE, tmp_path / "core")
	yield core
	core.file.close()
	core.core.unlink()


@pytest.mark.parametrize("what", DAMAGE)
def test_overwritten(what, editable):
	"""Every command ends in time; analyze says what is wrong."""
	DAMAGE[what](editable, 1)
	run = run_bounded("analyze", editable.core, editable.exe, "--format", "json")
	if run.status == 0:
		report = json.loads(run.out)
		if what in MUST_SAY:
			assert problems_of(report) or any(h["checks"]["failed"] for h in report["heaps"])
	for command in ("info", "blocks"):
		run_bounded(command, editable.core, editable.exe)


@pytest.mark.parametrize("seed", range(2, 4 if SANITIZED else 8))
@pytest.mark.parametrize("what", [name for name in DAMAGE if "zero" not in name and "ones" not in name])
def test_other_noise(what, seed, editable):
	DAMAGE[what](editable, seed)
	run_bounded("analyze", editable.core, editable.exe, "--format", "json")


def used_of_go(core, exe):
	return [b for b in parse_blocks(run_bounded("blocks", core, exe).out)
		if b["state"] == "used" and b["allocator"] == "go"]


def test_one_span_in_ten_costs_its_own_objects(editable):
	"""Most of the rest is still there."""
	DAMAGE["spans-every-tenth"](editable, 0)
	found = Finder(used_of_go(editable.core, editable.exe))
	rows = truth_of(WHOLE).in_state("live")
	assert sum(bool(found(row[0])) for row in rows) >= len(rows) // 2
	assert len(found.blocks) < truth_of(WHOLE).allocated()[0]


def test_damaged_goroutines_cost_no_objects(editable):
	DAMAGE["goroutines"](editable, 0)
	found = used_of_go(editable.core, editable.exe)
	assert (len(found), sum(b["size"] for b in found)) == truth_of(WHOLE).allocated()


@pytest.mark.parametrize("name", [n for n in CASES if n in (
	"zoo.1.19", "zoo.1.26.kernel", "zoo.1.27.stripped", "zoo.1.26.arm64-stripped", "cgo.1.26")])
@pytest.mark.parametrize("percent", [3, 30, 60, 97])
def test_cut(name, percent, tmp_path):
	dump = go_dump(name)
	core = tmp_path / "core"
	subprocess.run(["cp", "--sparse=always", dump.core, core], check=True)
	core.chmod(0o644)
	os.truncate(core, core.stat().st_size * percent // 100)
	run = run_bounded("analyze", core, dump.exe, "--format", "json")
	if run.status == 0:
		report = json.loads(run.out)
		assert not report["input"]["complete"]
		assert re.search(r"truncat|cut|ends early|past the end", json.dumps(problems_of(report)))
	run_bounded("blocks", core, dump.exe)


def patched(source, target, old, new):
	"""A copy with every `old` replaced; returns how many there were."""
	subprocess.run(["cp", "--sparse=always", source, target], check=True)
	target.chmod(0o755)
	count = 0
	with open(target, "r+b") as f:
		# Holes have no text: only look where there is data.
		end, at = f.seek(0, os.SEEK_END), 0
		while at < end:
			try:
				at = os.lseek(f.fileno(), at, os.SEEK_DATA)
			except OSError:
				break
			stop = os.lseek(f.fileno(), at, os.SEEK_HOLE)
			data = os.pread(f.fileno(), stop - at, at)
			for found in re.finditer(re.escape(old), data):
				os.pwrite(f.fileno(), new, at + found.start())
				count += 1
			at = stop
	return count


def test_a_version_never_seen(tmp_path):
	"""Tried with the newest layouts, checked, labelled: here they hold."""
	name = "zoo.1.27.stripped"
	core, exe = tmp_path / "core", tmp_path / "exe"
	assert patched(go_dump(name).exe, exe, b"go1.27.0", b"go1.96.0")
	patched(go_dump(name).core, core, b"go1.27.0", b"go1.96.0")
	run = run_bounded("analyze", core, exe, "--format", "json")
	assert run.status == 0
	report = json.loads(run.out)
	assert report["go"]["version"] == "go1.96.0"
	assert "1.96" in json.dumps(problems_of(report))
	heap, = [h for h in report["heaps"] if h["allocator"] == "go"]
	assert (heap["used"]["count"], heap["used"]["bytes"]) == truth_of(name).allocated()


@pytest.mark.parametrize("what", ["missing", "another", "noise", "empty"])
def test_the_executable_is_wrong(what, tmp_path):
	"""A non-PIE core has its types and function table nowhere else."""
	name, exe = "zoo.1.23.stripped", tmp_path / "exe"
	if what == "another":
		shutil.copy(go_dump("zoo.1.27.stripped").exe, exe)
	elif what != "missing":
		data = bytearray(go_dump(name).exe.read_bytes())
		if what == "noise":
			data[4096:] = noise(7, len(data) - 4096)
		exe.write_bytes(b"" if what == "empty" else data)
	run = heapfx("analyze", go_dump(name).core, "--no-host-files", *([] if what == "missing" else ["--exe", exe]),
		"--format", "json", *LIMITS, timeout=60)
	assert run.status in (*STATUSES, 2)
	if run.status == 0:
		assert problems_of(json.loads(run.out))


@pytest.mark.parametrize("section", [".gopclntab", ".rodata", ".typelink", ".itablink", ".go.buildinfo"])
@pytest.mark.parametrize("seed", range(2))
def test_the_tables_in_the_executable_are_noise(section, seed, tmp_path):
	name = "zoo.1.23.stripped"
	out = subprocess.run(["readelf", "-SW", go_dump(name).exe], check=True, stdout=subprocess.PIPE, text=True).stdout
	_address, offset, size = (int(n, 16) for n in re.search(
		re.escape(section) + r"\s+PROGBITS\s+(\S+) (\S+) (\S+)", out).groups())
	data = bytearray(go_dump(name).exe.read_bytes())
	chance = random.Random(seed)
	if seed:	# here and there
		for _ in range(max(size // 50, 8)):
			data[offset + chance.randrange(size)] = chance.randrange(256)
	else:
		data[offset + size // 8:offset + size] = chance.randbytes(size - size // 8)
	exe = tmp_path / "exe"
	exe.write_bytes(data)
	for command in (("analyze", "--format", "json"), ("blocks",)):
		run_bounded(command[0], go_dump(name).core, exe, *command[1:])


# --- a map in the middle of a change ----------------------------------------------------------

@pytest.mark.parametrize("name", [name for name in SLACK if "stripped" not in name])
def test_a_map_that_is_being_changed(name, tmp_path):
	"""A slot is cleared before the header counts one less, or after: while the flag is set that is no damage."""
	core = Editable(name, tmp_path / "core")
	is_old = int(name.split(".")[2]) < 24 or "noswissmap" in name
	at = int(next(address for address, _, title, _ in truth_of(name).rows["map"] if title == "half"), 16)
	flag_at, flag = (at + 8, 4) if is_old else (at + 34, 1)

	def told():
		report = json.loads(heapfx("analyze", "--format", "json", "--exe", core.exe, core.core).out)
		said = next(m for m in report["go"]["maps"] if int(m["address"], 16) == at)
		return said, {p["code"] for p in problems_of(report) if p["code"].startswith("go/map")}

	core.write(at, struct.pack("<Q", core.word(at) - 1))
	said, codes = told()
	assert codes == {"go/maps"} and said["damaged"] and "changing" not in said
	core.write(flag_at, bytes([core.read(flag_at, 1)[0] | flag]))
	said, codes = told()
	assert codes == {"go/map-in-flight"} and said["changing"] and "damaged" not in said
	core.write(at, struct.pack("<Q", core.word(at) + 1))
	said, codes = told()
	assert not codes and not {"changing", "damaged"} & set(said)
	core.file.close()


@pytest.mark.parametrize("name", [name for name in SLACK if "stripped" not in name])
def test_a_dead_map_of_which_parts_are_swept(name, tmp_path):
	"""As between a collection and the sweep of a map's own span: its slots may be somebody else's by then."""
	core = Editable(name, tmp_path / "core")
	at = int(next(address for address, _, title, _ in truth_of(name).rows["map"] if title == "half"), 16)
	gdb = subprocess.run(["gdb", "-batch", "-nx", "-ex", "set language c", "-ex", "print &'runtime.mheap_'.sweepgen", core.exe],
		stdout=subprocess.PIPE, check=True, text=True).stdout
	sweepgen = int(re.search("0x[0-9a-f]+", gdb)[0], 16)

	def told():
		report = json.loads(heapfx("analyze", "--format", "json", "--exe", core.exe, core.core).out)
		return ({int(m["address"], 16) for m in report["go"]["maps"]},
			{p["code"] for p in problems_of(report) if p["code"].startswith("go/map")})

	core.write(at, struct.pack("<Q", core.word(at) - 1))
	maps, codes = told()
	assert at in maps and codes == {"go/maps"}
	# A collection ended: what was swept for the last one has no marks, and is to be swept.
	core.write(sweepgen, struct.pack("<I", struct.unpack("<I", core.read(sweepgen, 4))[0] + 2))
	maps, codes = told()
	assert at not in maps and not codes
	core.file.close()
