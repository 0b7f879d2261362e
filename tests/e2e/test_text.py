"""The first screen: what it holds, in which order, how wide; colour only where it belongs."""
import os
import pty
import re
import subprocess

import pytest

from common import COMMITTED, FRESH, HEAPFX, SLOW, dump_of, environment, heapfx_ok, report_of

SECTIONS = ["WHERE IT WENT", "VERDICT", "SUSPECTS", "PROBLEMS", "NEXT"]
FOLD = 40


@pytest.fixture(scope="module")
def screen():
	core = dump_of("leakzoo.bookworm").core
	return heapfx_ok("analyze", core.name, cwd=core.parent).out.splitlines()


@pytest.mark.parametrize("name", [n for n in COMMITTED + FRESH if n != "longchain"])
def test_no_line_is_wider_than_the_screen(name):
	out = heapfx_ok("analyze", dump_of(name).core).out
	assert [line for line in out.splitlines() if len(line) > 100] == []
	assert len(out.splitlines()) <= FOLD
	assert "\x1b" not in out and "\t" not in out


@pytest.mark.parametrize("name", ["zoo_cpp", "arenas64"])
def test_what_is_there_is_never_nothing(name, tmp_path):
	"""A share below what one digit shows is "<0.1%", in the text, the page and the picture."""
	words = "text", "html", "svg"
	heapfx_ok("analyze", dump_of(name).core, *(part for word in words for part in ("-o", f"{word}={tmp_path / word}")))
	for report in ((tmp_path / word).read_text("utf-8") for word in words):
		assert not re.search(r"[1-9][\d.]* ([KMG]i)?B,? +0\.0%", report)
		assert "<0.1%" in report or "&lt;0.1%" in report


def test_sections_in_order_above_the_fold(screen):
	places = [next((i for i, line in enumerate(screen) if line.startswith(section)), None)
		for section in SECTIONS]
	assert None not in places, dict(zip(SECTIONS, places))
	assert places == sorted(places) and places[-1] < FOLD


def test_it_says_what_the_dump_is(screen):
	report = report_of("leakzoo.bookworm")
	head = "\n".join(screen[:3])
	assert str(report["input"]["pid"]) in head
	assert "x86-64" in head or "x86_64" in head
	assert f"{len(report['threads'])} threads" in head
	assert "glibc" in "\n".join(screen[:4])


def test_three_suspects_with_rule_and_figures(screen):
	body = screen[next(i for i, line in enumerate(screen) if line.startswith("SUSPECTS")):]
	for rank, suspect in enumerate(report_of("leakzoo.bookworm")["suspects"][:3], 1):
		row = next((line for line in body if re.match(rf"\s*{rank}\s", line)), None)
		assert row and row.rstrip().endswith(suspect["rule"]), (rank, row)
		assert f"{suspect['count']:,}" in row


def test_next_commands_work(screen):
	"""What it tells one to type can be typed."""
	at = next(i for i, line in enumerate(screen) if line.startswith("NEXT"))
	commands = [line for line in screen[at:] if "heapfx " in line]
	assert commands
	for line in commands:
		words = re.split(r"\s{2,}", line[line.index("heapfx "):])[0].split()
		if "-o" not in words:
			heapfx_ok(*words[1:], cwd=dump_of("leakzoo.bookworm").core.parent)


def on_terminal(*args, env=None):
	"""Standard output and error of heapfx on a terminal of 100 columns."""
	master, slave = pty.openpty()
	try:
		done = subprocess.Popen([HEAPFX, *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
			env=environment(env))
		os.close(slave)
		out = b""
		while True:
			try:
				piece = os.read(master, 65536)
			except OSError:		# Linux: the last writer is gone
				break
			if not piece:
				break
			out += piece
		assert done.wait(60 * SLOW) == 0, out
	finally:
		os.close(master)
	return out.decode("utf-8")


def test_colour_on_a_terminal():
	assert "\x1b[" in on_terminal("analyze", dump_of("leakzoo.bookworm").core, "--no-progress")


def test_no_color_is_obeyed():
	out = on_terminal("analyze", dump_of("leakzoo.bookworm").core, "--no-progress",
		env={"NO_COLOR": "1"})
	assert "\x1b[" not in out


def test_colour_changes_no_word():
	core = dump_of("leakzoo.bookworm").core
	coloured = on_terminal("analyze", core, "--no-progress").replace("\r\n", "\n")
	assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == heapfx_ok("analyze", core).out


def test_progress_stays_off_a_pipe():
	run = heapfx_ok("analyze", dump_of("leakzoo.bookworm").core)
	assert run.err == ""


def test_info_is_short(leakzoo):
	out = heapfx_ok("info", leakzoo).out
	report = report_of("leakzoo.bookworm")
	assert str(report["input"]["pid"]) in out and "glibc" in out
	assert [line for line in out.splitlines() if len(line) > 100 and "/" not in line] == []
	for module in report["modules"]:
		if module.get("build_id"):
			assert module["build_id"][:12] in out


@pytest.mark.parametrize("name", [
	"core.prog\\x2ewith\\x2edots.0.b5a4f600b1724f62ba0b4c7768a47018.20575.1795249437000000.zst",
	"x" * 80, "\\" * 120, "ab\\" * 60, "it's (a) core; & more #1", "a b\\c" * 30,
	'`id` $(id) "so" $HOME', 'a$(id) "' * 25])
def test_next_commands_of_any_path_work(name, tmp_path):
	"""systemd-coredump's names alone have eighty columns; a shell reads what stands there."""
	(tmp_path / name).symlink_to(dump_of("leakzoo.bookworm").core)
	out = heapfx_ok("analyze", tmp_path / name).out
	assert all(len(line) <= 100 for line in out.splitlines())
	script = out[out.index("\nNEXT") + 5:].split("\n      heapfx")[0]
	said = subprocess.run(["sh", "-c", f'heapfx() {{ printf "%s\\n" "$@"; }}\n{script}'],
		stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
	assert said[:2] == ["explain", str(tmp_path / name)]
	assert said[2].startswith("0x")
