"""Modules: files are believed only by build id; without any file the heap is still read."""
import json
import pathlib
import shutil
import subprocess

import pytest

from common import (COMMITTED, ROOT, Core, blocks_of, build_ids_in, dump_of, heapfx_ok,
	parse_blocks, problems_of, report_of, truth_of, used_of)

WRONG = ROOT / "corpus/elf/leakzoo.wrong-build/wrong-executable.zst"


@pytest.fixture(scope="module")
def wrong_exe(tmp_path_factory):
	path = tmp_path_factory.mktemp("wrong") / "leakzoo"
	subprocess.run(["zstd", "-dqf", WRONG, "-o", path], check=True)
	return path


def test_a_wrong_build_is_named_with_both_ids(wrong_exe):
	core = dump_of("leakzoo.wrong-build").core
	theirs, = build_ids_in(wrong_exe.read_bytes())
	in_memory = Core(core).build_ids()
	assert theirs not in in_memory
	report = json.loads(heapfx_ok("analyze", core, "--exe", wrong_exe, "--format", "json").out)
	said = [p["message"] for p in problems_of(report) if p["code"] == "module/build-id-mismatch"]
	assert said
	assert any(theirs in m and any(own in m for own in in_memory) for m in said), said


def test_a_wrong_build_is_not_believed(wrong_exe):
	"""Neither symbols nor bytes of the wrong file: the states stay the truth."""
	core = dump_of("leakzoo.wrong-build").core
	truth, _totals = truth_of("leakzoo.wrong-build")
	used = used_of(parse_blocks(heapfx_ok("blocks", core, "--exe", wrong_exe).out))
	assert used.keys() == truth.keys()
	report = json.loads(heapfx_ok("analyze", core, "--exe", wrong_exe, "--format", "json").out)
	exe = [m for m in report["modules"] if m["path"].endswith("leakzoo.wrong-build")]
	assert len(exe) == 1 and exe[0]["symbols"] in ("none", "dynamic")


@pytest.mark.parametrize("name", COMMITTED)
def test_no_libc_at_hand(name):
	"""With no file of any module: arenas are found by their structure, and every block still is."""
	truth, _totals = truth_of(name)
	assert used_of(blocks_of(name, "--no-host-files")).keys() == truth.keys()


@pytest.mark.parametrize("name", ["leakzoo.bookworm", "leakzoo.sid"])
def test_how_the_arena_was_found_is_said(name):
	report = report_of(name, "--no-host-files")
	assert report["heaps"][0]["how"] == "layout"


@pytest.mark.parametrize("name", ["leakzoo.stripped", "leakzoo.static-stripped"])
def test_stripped(name):
	truth, _totals = truth_of(name)
	report = report_of(name)
	exe = [m for m in report["modules"] if m["path"].endswith("/" + name)]
	assert len(exe) == 1 and exe[0]["symbols"] in ("none", "dynamic")
	assert report["heaps"][0]["used"]["count"] == len(truth)


def test_dwarf_names_the_executable_symbols():
	report = report_of("leakzoo")
	exe, = [m for m in report["modules"] if m["path"].endswith("/leakzoo")]
	assert exe["symbols"] == "dwarf"


def test_sysroot_and_debug_dir(tmp_path):
	"""The file is looked for under --sysroot by the path that the process knew."""
	dump = dump_of("leakzoo")
	exe = dump.core.with_suffix("")
	below = tmp_path / str(exe).lstrip("/")
	below.parent.mkdir(parents=True)
	shutil.copy(exe, below)
	report = json.loads(heapfx_ok("analyze", dump.core, "--no-host-files", "--sysroot", tmp_path,
		"--format", "json").out)
	module, = [m for m in report["modules"] if m["path"].endswith("/leakzoo")]
	assert module["symbols"] == "dwarf"


def test_separate_debug_file(tmp_path):
	dump = dump_of("leakzoo")
	exe = dump.core.with_suffix("")
	stripped = tmp_path / "leakzoo"
	build_id = min(build_ids_in(exe.read_bytes()))
	debug = tmp_path / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
	debug.parent.mkdir(parents=True)
	subprocess.run(["objcopy", "--only-keep-debug", exe, debug], check=True)
	subprocess.run(["strip", "-s", exe, "-o", stripped], check=True)
	out = heapfx_ok("analyze", dump.core, "--no-host-files", "--exe", stripped, "--debug-dir",
		tmp_path / "debug", "--format", "json").out
	module, = [m for m in json.loads(out)["modules"] if m["path"].endswith("/leakzoo")]
	assert module["symbols"] == "dwarf"


def test_started_through_an_explicit_loader():
	"""The core's executable is then ld.so, and the program one of the modules."""
	report = report_of("leakzoo.trixie")
	paths = [pathlib.Path(m["path"]).name for m in report["modules"]]
	assert any(p.startswith("ld-linux") for p in paths)
	assert "leakzoo.trixie" in paths


def test_debug_info_that_dwz_split(tmp_path):
	"""`dwz -m` of two copies of a program: the common half is read with the right build id alone."""
	dump = dump_of("leakzoo")
	for name in ("leakzoo", "other"):
		shutil.copy(dump.core.with_suffix(""), tmp_path / name)
	subprocess.run(["dwz", "-m", tmp_path / "common.debug", "-M", "/usr/lib/debug/.dwz/common.debug",
		"leakzoo", "other"], cwd=tmp_path, check=True)
	common, = build_ids_in((tmp_path / "common.debug").read_bytes())
	place = tmp_path / "debug/.dwz/common.debug"
	place.parent.mkdir(parents=True)

	def analyze():
		report = json.loads(heapfx_ok("analyze", dump.core, "--no-host-files", "--exe", tmp_path / "leakzoo",
			"--debug-dir", tmp_path / "debug", "--format", "json").out)
		module, = [m for m in report["modules"] if m["path"].endswith("/leakzoo")]
		return module["symbols"], [p["message"] for p in problems_of(report) if p["code"] == "module/debug-info"]

	symbols, said = analyze()
	assert symbols == "symtab" and len(said) == 1 and common in said[0]
	data = (tmp_path / "common.debug").read_bytes()
	place.write_bytes(data.replace(bytes.fromhex(common), bytes(20)))
	assert analyze()[0] == "symtab"
	place.write_bytes(data)
	assert analyze() == ("dwarf", [])
