"""The Go runtime is found: by whatever is left, in whatever version, with the program's own file alone."""
import json
import re
import shutil

import pytest

from common import heapfx, heapfx_ok, problems_of
from go_corpus import CASES, go_dump, report_of, truth_of

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
	assert "disassembly" in how and "layout" in how
	assert "calibration" not in how		# these are the versions that the tables are made of
	assert ("symbols" in how) == (b"runtime.mheap_\0" in go_dump(name).exe.read_bytes())


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
