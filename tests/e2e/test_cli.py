"""Exit statuses, usage errors, and one table of options behind help, man page and completion."""
import os
import re
import subprocess

import pytest

from common import HEAPFX, dump_of, heapfx, heapfx_ok

COMMANDS = ["analyze", "info", "blocks", "explain"]
OPTIONS = {"--exe", "--sysroot", "--debug-dir", "--format", "--top", "--threads", "--memory",
	"--disk", "--tmp", "--strict", "--no-progress", "--fail-on", "--help"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.mark.parametrize("args", [
	[], ["frobnicate"], ["analyze"], ["analyze", "CORE", "--frobnicate"], ["analyze", "CORE", "--top"],
	["analyze", "CORE", "--top", "many"], ["analyze", "CORE", "--top", "-1"],
	["analyze", "CORE", "--threads", "0x"], ["analyze", "CORE", "--memory", "5 parsecs"],
	["analyze", "CORE", "--format", "frobnicate"], ["analyze", "CORE", "EXE", "more"],
	["explain", "CORE"], ["explain", "CORE", "nowhere"], ["blocks"], ["info"],
	["analyze", "CORE", "--fail-on", "no/such-rule"],
], ids=" ".join)
def test_usage_errors(args, leakzoo):
	run = heapfx(*[str(leakzoo) if a == "CORE" else a for a in args])
	assert run.status == 2, run
	assert run.out == "" and run.err.startswith("heapfx")


@pytest.mark.parametrize("args", [["--help"], ["--version"],
	*([c, "--help"] for c in COMMANDS)], ids=" ".join)
def test_help_and_version(args):
	run = heapfx_ok(*args)
	assert run.out and not run.err
	assert all(len(line) <= 100 for line in run.out.splitlines())


def test_help_names_every_command():
	out = heapfx_ok("--help").out
	assert all(re.search(rf"^\s+{command}\b", out, re.M) for command in COMMANDS)


def test_version_is_a_line():
	assert re.fullmatch(r"heapfx \d+\.\d+\S*\n", heapfx_ok("--version").out)


def options_of(command):
	return set(OPTION.findall(heapfx_ok(command, "--help").out))


def test_analyze_has_the_promised_options():
	assert options_of("analyze") >= OPTIONS
	assert re.search(r"(?<!\S)-o\b", heapfx_ok("analyze", "--help").out)


@pytest.mark.parametrize("command", COMMANDS)
def test_man_page_and_completion_have_the_same_options(command):
	man = heapfx_ok("--print-man").out.replace("\\-", "-")
	man = re.sub(r"\\f[BIRP]", "", man)
	completion = heapfx_ok("--print-completion", "bash").out
	for option in options_of(command):
		assert option in OPTION.findall(man), f"man page: {option}"
		assert option in OPTION.findall(completion), f"completion: {option}"


def test_help_has_every_option_of_the_completion():
	everywhere = set().union(*(options_of(command) for command in COMMANDS))
	everywhere |= set(OPTION.findall(heapfx_ok("--help").out))
	completion = heapfx_ok("--print-completion", "bash").out
	offered = {o for line in completion.splitlines() if "compgen" in line or '"' in line
		for o in OPTION.findall(line)}
	assert offered <= everywhere | {"--print-man", "--print-completion"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path,words", [("missing", "No such file"), (".", "directory")])
def test_unreadable_input(command, path, words, tmp_path):
	args = ["0x1000"] if command == "explain" else []
	run = heapfx(command, tmp_path / path, *args)
	assert run.status == 3 and run.out == ""
	assert words.lower() in run.err.lower() and len(run.err.splitlines()) == 1


def test_no_permission(tmp_path):
	"""As root, who may read everything, another user tries."""
	core = tmp_path / "core"
	core.write_bytes(b"\x7fELF")
	core.chmod(0)
	user = 65534 if os.access(core, os.R_OK) else None
	try:
		run = subprocess.run([HEAPFX, "analyze", core], user=user, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, text=True, check=False)
	except PermissionError:
		pytest.skip(f"user {user} may not run {HEAPFX}")
	assert run.returncode == 3 and "permission denied" in run.stderr.lower()


@pytest.mark.parametrize("rule,status", [("lost/definite", 1), ("error", 1),
	("lost/definite,lost/possible", 1), ("slack/empty", 0)])
def test_fail_on(rule, status, leakzoo):
	run = heapfx("analyze", leakzoo, "--fail-on", rule)
	assert run.status == status, run.err
	assert "SUSPECTS" in run.out


def test_strict_passes_what_is_sound(leakzoo):
	run = heapfx("analyze", leakzoo, "--strict")
	assert run.status in (0, 3)
	assert (run.status == 0) == ("PROBLEMS  none" in run.out or run.err == "")


def test_output_to_a_file(leakzoo, tmp_path):
	to = tmp_path / "report.json"
	run = heapfx_ok("analyze", leakzoo, "--format", "json", "-o", to)
	assert run.out == ""
	assert to.read_text("utf-8") == heapfx_ok("analyze", leakzoo, "--format", "json").out


def test_output_that_cannot_be_written(leakzoo, tmp_path):
	run = heapfx("analyze", leakzoo, "-o", tmp_path / "no/such/folder/report")
	assert run.status in (2, 3) and run.err
	full = heapfx("analyze", leakzoo, "-o", "/dev/full")
	assert full.status != 0 and "space" in full.err.lower()


def test_disk_limit_is_named(leakzoo, tmp_path):
	packed = tmp_path / "core.gz"
	with open(packed, "wb") as out:
		subprocess.run(["gzip", "-1c", leakzoo], stdout=out, check=True)
	run = heapfx("analyze", packed, "--disk", "64K")
	assert run.status == 4 and "--disk" in run.err


def test_top_limits_suspects(leakzoo):
	one = heapfx_ok("analyze", leakzoo, "--top", "1").out
	assert not re.search(r"^  2 ", one[one.index("SUSPECTS"):], re.M)


def test_executable_as_second_argument(leakzoo):
	dump = dump_of("leakzoo")
	exe = dump.core.with_suffix("")
	second = heapfx_ok("analyze", dump.core, exe).out
	assert second == heapfx_ok("analyze", dump.core, "--exe", exe).out
