"""Exit statuses, usage errors, and one table of options behind help, man page and completion."""
import collections
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


def every_command():
	listed = heapfx_ok("--help").out.partition("commands:\n")[2].partition("\n\n")[0]
	return re.findall(r"^  ([a-z]+)", listed, re.M)


def words_of(text):
	"""As words, wherever lines were broken."""
	return " ".join(text.split())


def in_help(command):
	"""({option: what it says}, formats)"""
	text = heapfx_ok(command, "--help").out
	options = text.partition("options:\n")[2].partition("\n\n")[0]
	formats = text.partition("formats (the first is the default):\n")[2].partition("\n\n")[0]
	entries = re.findall(r"^ {2,6}(?:-\w, )?(--[a-z-]+)(?: ?[A-Z]+)? {2,}(.*(?:\n {10,}.*)*)", options, re.M)
	assert {name for name, _ in entries} >= {"--help"} and len(entries) == len(re.findall(r"^ {2,6}-", options, re.M)), options
	return {name: words_of(says) for name, says in entries}, formats.split()


@pytest.fixture(scope="module")
def man_page():
	"""{option: what it says, for each kind of commands that take it} of its list, which has the options of all"""
	page = heapfx_ok("--print-man").out
	options = re.search(r"^\.SH OPTIONS\n(.*?)^\.SH", page, re.M | re.S)[1]
	plain = re.sub(r"^\.[BI] ", "", re.sub(r"\\f[BIRP]", "", options).replace("\\-", "-").replace("\\&", ""), flags=re.M)
	page = collections.defaultdict(list)
	for entry in plain.split(".TP\n")[1:]:
		page[OPTION.search(entry)[0]].append(words_of(entry))
	return page


@pytest.mark.parametrize("command", every_command())
def test_man_page_has_the_words_of_the_help(command, man_page):
	for option, says in in_help(command)[0].items():
		entry, = [entry for entry in man_page[option] if says in entry]
		_, some, takers = entry.partition(" .br Of: ")
		assert not some or command in takers.split(", "), (command, option)


def test_man_page_has_nothing_else(man_page):
	taken = set().union(*(in_help(command)[0] for command in every_command()))
	assert set(man_page) == taken
	for option, entries in man_page.items():
		for entry in entries:
			for command in entry.partition(" .br Of: ")[2].split(", ") if " .br " in entry else every_command():
				assert option in in_help(command)[0], (option, command)


@pytest.mark.parametrize("command", every_command())
def test_completion_offers_what_the_help_has(command):
	completion = heapfx_ok("--print-completion", "bash").out
	options, formats = in_help(command)
	assert re.search(rf"^\t+{command}:\*\).*words='(.*)'", completion, re.M)[1].split() == list(options)
	assert re.search(rf"^\t+{command}:--format .*words='(.*)'", completion, re.M)[1].split() == formats


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path,words", [("missing", "No such file"), (".", "directory")])
def test_unreadable_input(command, path, words, tmp_path):
	args = ["0x1000"] if command == "explain" else []
	run = heapfx(command, tmp_path / path, *args)
	assert run.status == 3 and run.out == ""
	assert words.lower() in run.err.lower() and len(run.err.splitlines()) == 1


def test_a_process_in_place_of_a_dump_is_told_what_makes_one():
	pid = str(os.getpid())
	assert not os.path.exists(pid)
	run = heapfx("analyze", pid)
	assert run.status == 3 and run.out == "" and f"`heapfx capture {pid}`" in run.err
	assert "capture" not in heapfx("analyze", str(2**31)).err	# no process has that number


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
