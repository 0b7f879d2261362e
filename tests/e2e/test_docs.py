"""The commands of the documentation: each is run where its page says, and says what the page shows."""
import os
import re
import shutil
import subprocess

import pytest

from common import HEAPFX, ROOT, dump_of, heapfx_ok
from go_corpus import go_dump

PAGES = sorted((ROOT / "docs/rules").glob("*.md"))


def run(command, folder, **environ):
	line = re.sub(r"^heapfx ", f"'{HEAPFX}' ", command)
	done = subprocess.run(["bash", "-c", line], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
		timeout=120, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb", **environ})
	return done.returncode, done.stdout.decode("utf-8")


def squeezed(text):
	return re.sub(r"[ \t]+", " ", text).strip()


def test_tutorial(tmp_path):
	"""What stands between commands is what they print; `...` alone stands for any lines."""
	(tmp_path / "corpus").symlink_to(ROOT / "corpus")
	blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs/tutorial.md").read_text("utf-8"), re.S)
	commands = [step for block in blocks for step in re.split(r"(?m)^\$ ", block)[1:]]
	assert len(commands) > 10
	for step in commands:
		command, _, shown = step.partition("\n")
		command, _, status = command.partition(" # status ")
		code, out = run(command, tmp_path)
		assert code == int(status or 0), (command, out)
		lines, at, gap = list(filter(None, map(squeezed, out.splitlines()))), 0, False
		for line in filter(None, map(squeezed, shown.splitlines())):
			if line == "...":
				gap = True
				continue
			found = lines.index(line, at) if line in lines[at:] else -1
			assert found == at or gap and found > at, (command, line, out)
			at, gap = found + 1, False
		assert at == len(lines) or gap, (command, out)


def test_the_source_of_the_tutorial_is_the_source():
	page, source = ((ROOT / path).read_text("utf-8") for path in ("docs/tutorial.md", "corpus/native/src/leakzoo.c"))
	for code in re.findall(r"```c\n(.*?)```", page, re.S):
		assert code.strip() in source


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
	"""Dumps by the names that pages use: saved results, for many commands."""
	folder = tmp_path_factory.mktemp("docs")
	heapfx_ok("analyze", dump_of("leakzoo.bookworm").core, "-o", f"result={folder / 'core'}")
	heapfx_ok("analyze", *go_dump("parked.1.27").arguments, "-o", f"result={folder / 'go.core'}", timeout=120)
	(folder / "core.clean").symlink_to(folder / "core")
	return folder


def commands_of(path):
	text = path.read_text("utf-8")
	return [c.replace("\\|", "|") for c in re.findall(r"`(heapfx [a-z]+ (?:go\.)?core[^`]*)`", text)] + [
		c for block in re.findall(r"```console\n(.*?)```", text, re.S) for c in re.findall(r"(?m)^\$ (heapfx .*)$", block)]


def test_coming_from(saved):
	commands = commands_of(ROOT / "docs/coming-from.md")
	assert len(commands) > 20
	for command in commands:
		if " -o result=" in command:	# of a dump, not of a result
			command = command.replace(" core ", f" {dump_of('leakzoo.bookworm').core} ")
		code, out = run(command, saved)
		assert code == ("--fail-on" in command) and "no such" not in out, (command, out)


def test_readme(tmp_path):
	"""What its list of commands does with a core; a running process and smaps are others' tests."""
	for name in ("core.PID", "core.1", "core.2"):
		(tmp_path / name).symlink_to(dump_of("leakzoo.bookworm").core)
	lines = re.findall(r"(?m)^(heapfx \w+ core\.(?:PID|1) ?[^\t#]*)\t+# ", (ROOT / "README.md").read_text("utf-8"))
	commands = [line.strip() for line in lines if "FILE" not in line]
	assert len(commands) >= 12
	for command in commands:
		code, out = run(command, tmp_path)
		assert code == ("--fail-on" in command) and "usage:" not in out, (command, out)


def test_profiles_page(tmp_path):
	"""Each command of its list, Go's own where there is a Go; the one that serves a page is test_profiles.py's."""
	for n in "12":
		(tmp_path / f"core.{n}").symlink_to(dump_of("leakzoo.bookworm").core)
		heapfx_ok("analyze", tmp_path / f"core.{n}", "-o", f"pprof={tmp_path / n}.pb.gz")
	(block,) = re.findall(r"```\n(.*?)```", (ROOT / "docs/profiles.md").read_text("utf-8"), re.S)[:1]
	commands = [re.sub(r"\t+#.*", "", line) for line in block.splitlines()]
	assert len(commands) > 5 and commands[0].startswith("heapfx ")
	(tmp_path / "1.pb.gz").unlink()
	for command in commands:
		if "-http" in command or (command.startswith("go ") and not shutil.which("go")):
			continue
		code, out = run(command, tmp_path, PATH=os.environ["PATH"], HOME=os.environ.get("HOME", "/"))
		assert code == 0 and out.strip() and "no such" not in out or command.startswith("heapfx ") and not code, (command, out)
	assert (tmp_path / "1.pb.gz").stat().st_size > 100


def test_results_page(saved, tmp_path):
	"""What it says in a line: a result is written, named, and taken for its dump and no other."""
	text = (ROOT / "docs/results.md").read_text("utf-8")
	written, named = (re.search(f"`(heapfx {c} [^`]*)`", text)[1] for c in ("analyze", "info"))
	(tmp_path / "core").symlink_to(dump_of("leakzoo.bookworm").core)
	assert run(written, tmp_path)[0] == 0
	code, out = run(named, tmp_path)
	assert code == 0 and "saved" in out
	assert "`--dump CORE`" in text
	assert run(named + " --dump core", tmp_path)[0] == 0
	other = dump_of("demo").core
	assert run(f"{named} --dump '{other}'", tmp_path)[0] != 0
	for old, new in (("core", "FILE"), ("FILE", "core"), ("FILE", "FILE")):
		code, out = run(f"heapfx diff {old} {new}", tmp_path)
		assert code == 0, out


def test_rules_that_nothing_tells_say_so():
	"""A page of a rule that no code names is honest about it, and no other says that."""
	code = "".join(p.read_text("utf-8") for top in ("lib", "cmd") for p in (ROOT / top).rglob("*.c") if p.name != "rules.c")
	for page in PAGES:
		text = page.read_text("utf-8")
		rule = text.splitlines()[0].removeprefix("# ")
		assert (f'"{rule}"' not in code) == ("No analysis tells this yet" in text), rule


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_commands_of_rules(page, saved):
	text = page.read_text("utf-8")
	for heading in ("## How sure", "## By hand", "## To fix it", "## What is no defect"):
		assert heading in text, f"{page.name}: {heading}"
	commands = commands_of(page)
	assert commands
	for command in commands:
		code, out = run(command, saved)
		assert code == 0, (command, out)
