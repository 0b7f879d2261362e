"""The Go runtime is found: by whatever is left, in whatever version, with the program's own file alone."""
import json
import os
import re
import shutil
import struct
import zlib

import pytest

from common import heapfx, heapfx_ok, parse_blocks, problems_of
from go_corpus import CASES, Finder, finder_of, go_dump, make_go_cores, report_of, truth_of

NAMED = "zoo.1.27.stripped"	# a case with neither symbols nor a build id in the core
SMALL = "zoo.1.26.kernel"	# one whose core is small


def go_heap(report):
	return [h for h in report["heaps"] if h["allocator"] == "go"]


def used_of(report):
	heap, = go_heap(report)
	return heap["used"]["count"], heap["used"]["bytes"]


@pytest.mark.parametrize("name", CASES)
def test_every_check_holds(name):
	"""Nothing is damaged: fields, variables and structures agree, by every way to them."""
	heap, = go_heap(report_of(name))
	assert heap["checks"]["passed"] > 50
	assert heap["checks"]["failed"] == 0
	assert not [p for p in problems_of(report_of(name)) if p["code"].startswith("go/")]


@pytest.mark.parametrize("name", CASES)
def test_how(name):
	how = report_of(name)["go"]["how"].split("+")
	exe = go_dump(name).runtime.read_bytes()
	assert how[0] == ("debug-info" if b".debug_info\0" in exe else "version-tables")
	assert "disassembly" in how and "layout" in how
	assert "calibration" not in how		# these are the versions that the tables are made of
	assert ("symbols" in how) == (b"runtime.mheap_\0" in exe)


@pytest.mark.parametrize("name", CASES)
def test_threads_have_functions(name):
	"""From the function table, stripped or not."""
	threads = report_of(name)["threads"]
	assert any(re.match(r"(runtime|internal/runtime/syscall|main)\b", t["function"] or "") for t in threads)


# --- the program's file ---------------------------------------------------------------------

def in_sysroot(tmp_path, name, exe):
	path = report_of(name)["input"]["exe"]
	there = tmp_path / "root" / path.lstrip("/")
	there.parent.mkdir(parents=True)
	shutil.copy(exe, there)
	return "--sysroot", tmp_path / "root", "--no-host-files"


@pytest.mark.parametrize("name", [n for n in CASES if "arm64" not in n])
def test_file_is_known_by_its_data(name, tmp_path):
	"""gcore leaves the build id out, Go to 1.23 writes none."""
	run = heapfx_ok("analyze", go_dump(name).core, "--format", "json",
		*in_sysroot(tmp_path, name, go_dump(name).exe), timeout=120)
	report = json.loads(run.out)
	assert used_of(report) == truth_of(name).allocated()
	assert not [p for p in problems_of(report) if p["code"].startswith("module/")]


def test_another_build_is_not_taken(tmp_path):
	"""One byte of the build information differs: not the program that ran."""
	exe = tmp_path / "exe"
	data = bytearray(go_dump(NAMED).exe.read_bytes())
	at = data.index(b"\xff Go buildinf:") + 0x60
	data[at] ^= 1
	exe.write_bytes(data)
	core = go_dump(NAMED).core
	report = json.loads(heapfx("analyze", core, "--format", "json", *in_sysroot(tmp_path, NAMED, exe)).out)
	codes = {p["code"] for p in problems_of(report)}
	assert {"module/no-build-id", "go/no-tables"} <= codes
	assert used_of(report) == truth_of(NAMED).allocated()	# that much is in the core
	named = json.loads(heapfx("analyze", core, "--exe", exe, "--format", "json", "--no-host-files").out)
	assert "module/build-id-mismatch" in {p["code"] for p in problems_of(named)}


# --- versions ---------------------------------------------------------------------------------

def with_version(tmp_path, old, new):
	"""The case with another version, wherever it stands in the core's and the program's data."""
	core, exe = tmp_path / "core", tmp_path / "exe"
	for source, to in ((go_dump(SMALL).core, core), (go_dump(SMALL).exe, exe)):
		data = source.read_bytes()
		assert old in data and len(old) == len(new)
		to.write_bytes(data.replace(old, new))
	return core, exe


@pytest.mark.parametrize("new, code", [
	(b"go1.18.9", "go/too-old"),
	(b"go1.28.0", "go/newer"),
	(b"xx1.26.8", "go/version"),
])
def test_versions(new, code, tmp_path):
	core, exe = with_version(tmp_path, b"go1.26.8", new)
	run = heapfx("analyze", core, "--exe", exe, "--format", "json")
	report = json.loads(run.out)
	problem, = [p for p in problems_of(report) if p["code"] == code]
	assert re.search(r"1\.(18|26|28)", problem["message"])
	if code == "go/too-old":
		assert not go_heap(report)
	else:	# what is read is as 1.26 has it, whatever it is called
		assert used_of(report) == truth_of(SMALL).allocated()


@pytest.mark.parametrize("told", [19, 20, 22, 25])
def test_a_version_that_the_modules_contradict(told, tmp_path):
	"""Without debug information either: what must hold decides, and the doubt is told."""
	core, exe = with_version(tmp_path, b"go1.26.8", b"go1.%d.8" % told)
	report = json.loads(heapfx("analyze", core, "--exe", exe, "--format", "json").out)
	problem, = [p for p in problems_of(report) if p["code"] == "go/version"]
	assert f"go1.{told}.8" in problem["message"] and "is read as Go 1.26" in problem["message"]
	assert used_of(report) == truth_of(SMALL).allocated()


@pytest.mark.parametrize("name", [name for name in CASES if make_go_cores.CASES[name].capture == "qemu"])
def test_a_dump_that_names_no_program(name):
	"""qemu-user writes no list of files: without --exe too, the heap is all there."""
	report = json.loads(heapfx("analyze", go_dump(name).core, "--no-host-files", "--format", "json").out)
	assert report["go"]["version"] == truth_of(name).text["version"]
	assert used_of(report) == truth_of(name).allocated()
	assert "go/no-program" in {p["code"] for p in problems_of(report)}
	assert {g["id"] for g in report["go"]["goroutines"]["list"]} >= set(truth_of(name).goroutines)


# --- layouts: debug information, the version's table, and which of the two to believe -------------

def extents(path):
	"""(offset, bytes) of what a sparse file really has."""
	with open(path, "rb", buffering=0) as file:
		at, end = 0, os.fstat(file.fileno()).st_size
		while at < end:
			try:
				at = os.lseek(file.fileno(), at, os.SEEK_DATA)
			except OSError:	# holes to the end
				return
			stop = os.lseek(file.fileno(), at, os.SEEK_HOLE)
			yield at, os.pread(file.fileno(), stop - at, at)
			at = stop


def copy_replaced(source, to, old, new):
	"""A copy with other bytes, as sparse as it was; how often they were there."""
	assert len(old) == len(new)
	count = 0
	with open(to, "wb") as file:
		file.truncate(source.stat().st_size)
		for at, data in extents(source):
			count += data.count(old)
			file.seek(at)
			file.write(data.replace(old, new))
	return count


def outcome(core, exe):
	"""What a layout shows in: blocks, goroutines, what lives; and how it was found."""
	report = json.loads(heapfx_ok("analyze", core, "--exe", exe, "--format", "json", timeout=120).out)
	goroutines = report["go"]["goroutines"]
	return report, (used_of(report), goroutines["count"], goroutines["by_state"],
		goroutines["by_wait_reason"], report["reachability"])


DWARF = "zoo.1.25.pie"	# has debug information


def test_wrong_table(tmp_path):
	"""A program that says it is of Go 1.24, where 55 fields were elsewhere: its DWARF tells."""
	core, exe = tmp_path / "core", tmp_path / "exe"
	assert copy_replaced(go_dump(DWARF).core, core, b"go1.25.7", b"go1.24.7")
	assert copy_replaced(go_dump(DWARF).exe, exe, b"go1.25.7", b"go1.24.7")
	report, seen = outcome(core, exe)
	assert report["go"]["version"] == "go1.24.7"
	assert report["go"]["how"].startswith("debug-info+") and "calibration" not in report["go"]["how"]
	problem, = [p for p in problems_of(report) if p["code"] == "go/layout"]
	assert re.search(r"Go 1\.24 differ in \d+ fields .* debug info is believed$", problem["message"])
	assert seen[0] == truth_of(DWARF).allocated()
	assert seen[1:] == outcome(*go_dump(DWARF).arguments[::2])[1][1:]


def sections_of(data):
	"""{name: (place of its header, flags, offset, size)}"""
	at, = struct.unpack_from("<Q", data, 0x28)
	size, count, names = struct.unpack_from("<HHH", data, 0x3a)
	headers = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * size) for i in range(count)]
	text = headers[names][4]
	return {bytes(data[text + h[0]:data.index(0, text + h[0])]).decode(): (at + i * size, h[2], h[4], h[5])
		for i, h in enumerate(headers)}


def with_debug_info(exe, to, old, new):
	"""The program with other bytes in .debug_info, which then lies unpacked at the end of the file."""
	data = bytearray(exe.read_bytes())
	header, flags, offset, size = sections_of(data)[".debug_info"]
	info = bytes(data[offset:offset + size])
	if flags & 0x800:	# SHF_COMPRESSED: an Elf64_Chdr, then zlib's
		info = zlib.decompress(info[24:])
	assert old in info and len(old) == len(new)
	info = info.replace(old, new)
	struct.pack_into("<Q", data, header + 8, flags & ~0x800)
	struct.pack_into("<QQ", data, header + 0x18, len(data), len(info))
	to.write_bytes(data + info)


def uleb(value):
	return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + uleb(value >> 7)


@pytest.mark.parametrize("field, right, wrong", [
	("elemsize", 104, 96),	# of mspan: where its neighbours are
	("nelems", 50, 52),
	("freeindex", 48, 50),
	("allspans", 65864, 65888),	# of mheap
	("goid", 152, 160),	# of g
])
def test_lying_debug_info(field, right, wrong, tmp_path):
	"""What does not hold together is not believed: the version's table is."""
	exe = tmp_path / "exe"
	with_debug_info(go_dump(DWARF).exe, exe, field.encode() + b"\0" + uleb(right),
		field.encode() + b"\0" + uleb(wrong))
	report, seen = outcome(go_dump(DWARF).core, exe)
	assert report["go"]["how"].startswith("version-tables+")
	problem, = [p for p in problems_of(report) if p["code"] == "go/layout"]
	assert f".{field}: {wrong}, {right})" in problem["message"]
	assert problem["message"].endswith("the version is believed")
	assert seen == outcome(*go_dump(DWARF).arguments[::2])[1]
	heap, = go_heap(report)
	assert heap["checks"]["failed"] == 0


def test_debug_info_that_is_damaged(tmp_path):
	"""Compressed data that does not unpack tells nothing."""
	exe = tmp_path / "exe"
	data = bytearray(go_dump(DWARF).exe.read_bytes())
	_, _, offset, size = sections_of(data)[".debug_info"]
	data[offset + 24:offset + size] = bytes(size - 24)
	exe.write_bytes(data)
	report, seen = outcome(go_dump(DWARF).core, exe)
	assert report["go"]["how"].startswith("version-tables+")
	assert seen == outcome(*go_dump(DWARF).arguments[::2])[1]


# --- without the program's file ---------------------------------------------------------------

ALONE = [name for name in CASES if make_go_cores.CASES[name].capture in ("gcore", "kernel")
	and make_go_cores.CASES[name].program == "zoo"]
WITH_PLACES = [name for name in CASES if make_go_cores.CASES[name].capture == "kernel"	# its core has the mappings
	and make_go_cores.CASES[name].flags == make_go_cores.STRIPPED]


def alone(core, *command):
	"""What the core alone tells."""
	return heapfx_ok(*command, core, "--no-host-files", timeout=120).out


@pytest.mark.parametrize("name", ALONE)
def test_core_alone(name):
	"""The heap, its counters, every goroutine; nothing that lives is called garbage."""
	core, truth = go_dump(name).core, truth_of(name)
	report = json.loads(alone(core, "analyze", "--format", "json"))
	assert used_of(report) == used_of(report_of(name))
	codes = {p["code"]: p["message"] for p in problems_of(report)}
	if "go/no-tables" in codes:
		assert "no names" in codes["go/no-tables"] and "--exe" in codes["go/no-tables"]
		missing = codes["go/anchors"].split(": ", 1)[1].split(", ")
		assert not {"runtime.mheap_", "runtime.allgs", "runtime.allp", "runtime.allm", "runtime.sched",
			"runtime.gcController", "runtime.memstats"} & set(missing)
	whole, part = report_of(name)["go"], report["go"]
	assert {key: part["memstats"].get(key) for key in whole["memstats"]} == whole["memstats"]
	assert part["memstats_runtime"] == whole["memstats_runtime"]
	assert {g["id"]: g["state"] for g in part["goroutines"]["list"]} == \
		{g["id"]: g["state"] for g in whole["goroutines"]["list"]}
	find = Finder(parse_blocks(alone(core, "blocks")))
	reached = [row for row in truth.in_state("live") if finder_of(name)(row[0]).get("reach") == "reachable"]
	assert reached and all(find(row[0])["reach"] == "reachable" for row in reached)


def with_file_contents(core, exe, to):
	"""The core as one that was written with the pages of files in it (bits 2 and 3 of coredump_filter)."""
	shutil.copy(core, to)
	data, head = exe.read_bytes(), core.open("rb").read(1 << 20)
	at, = struct.unpack_from("<Q", head, 0x20)
	count, = struct.unpack_from("<H", head, 0x38)
	loads = [(at + i * 56, *struct.unpack_from("<IIQQQQQQ", head, at + i * 56)) for i in range(count)]
	exe_at, = struct.unpack_from("<Q", data, 0x20)
	parts = [struct.unpack_from("<IIQQQQQQ", data, exe_at + i * 56)
		for i in range(struct.unpack_from("<H", data, 0x38)[0])]
	added = 0
	with open(to, "r+b") as file:
		for header, kind, flags, _offset, start, _phys, bytes_in_core, size, _align in loads:
			for p_kind, _f, offset, address, _p, in_file, _m, _a in parts:
				low, high = max(start, address), min(start + size, address + in_file)
				if kind != 1 or p_kind != 1 or flags & 2 or bytes_in_core >= high - low or low != start:
					continue
				file.seek(0, os.SEEK_END)
				file.seek(-file.tell() % 4096, os.SEEK_CUR)
				place = file.tell()
				file.write(data[offset + low - address:offset + high - address])
				file.seek(header + 8)
				file.write(struct.pack("<Q", place))
				file.seek(header + 32)
				file.write(struct.pack("<Q", high - low))
				added += high - low
	return added


@pytest.mark.parametrize("name", WITH_PLACES)
def test_file_contents_in_the_core(name, tmp_path):
	"""All that the file would tell is told by its pages: nothing is missing without it."""
	core = tmp_path / "core"
	assert with_file_contents(go_dump(name).core, go_dump(name).exe, core) > 100000
	report, whole = json.loads(alone(core, "analyze", "--format", "json")), report_of(name)
	assert not [p for p in problems_of(report) if p["code"].startswith("go/")]
	for key in ("heaps", "reachability", "categories", "types"):
		assert report[key] == whole[key]
	assert report["go"] == whole["go"]
