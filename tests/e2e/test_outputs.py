"""Every format of every command: names that lie reach no reader raw, and a result is whole or is not there."""
import csv
import io
import os
import re
import sqlite3
import subprocess

import pytest

import common
from common import HEAPFX, dump_of, heapfx, heapfx_ok
from go_corpus import go_dump

CORE = "leakzoo.bookworm"
EVIL = "x\x1b[31m<script>alert(1)<!--&\"'`\x07\xff\xfe\xe2\x80\xae,;|\n::error::x]]>.core"
PROFILES = ("pprof", "heap-samples", "go-heap", "go-allocs", "go-block", "go-mutex")


def formats_of(command):
	words = heapfx_ok(command, "--help").out.split("formats (the first is the default):", 1)[1]
	return words.split("\n\n", 1)[0].split()


def arguments(command):
	core = dump_of(CORE).core
	return {"sql": (core, "select * from blocks"), "explain": (core, "0x1000"), "diff": (core, core)}.get(command, (core,))


CASES = [(command, word) for command in ("analyze", "info", "blocks", "explain", "sql", "diff")
	for word in formats_of(command) if word not in PROFILES[1:]]


def clean(text):
	"""No control characters, nothing that turns text around."""
	return not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", text)


@pytest.mark.parametrize("command, word", [c for c in CASES if c[1] not in PROFILES])
def test_names_are_escaped(tmp_path, command, word):
	evil = tmp_path / os.fsdecode(EVIL.encode("latin-1"))
	evil.symlink_to(dump_of(CORE).core)
	more = arguments(command)[1:]
	if command == "sql":
		more = ("select path, '%s' as s from input" % "a\x1b[31m\x07",)
	out = tmp_path / "out"
	run = heapfx(command, evil, *more, "--format", word, "-o", out, timeout=60)
	assert run.status in (0, 1), run.err
	assert clean(run.err)
	if word == "sqlite":
		with sqlite3.connect(out) as db:
			# a database keeps bytes as text that is escaped already
			assert all(clean(path) for path, in db.execute("select path from input"))
		return
	if word == "result":
		assert clean(heapfx_ok("analyze", out).out) # the file itself is columns
		return
	text = out.read_text("utf-8", "strict")
	assert clean(text)
	assert "\n::error::x" not in text
	if word == "csv":
		rows = list(csv.reader(io.StringIO(text)))
		assert len({len(row) for row in rows}) == 1
	if word in ("html", "svg", "junit"):
		assert "<script>alert" not in text


@pytest.mark.parametrize("command, word", CASES)
def test_full_disk(command, word):
	run = heapfx(command, *arguments(command), "-o", f"{word}=/dev/full")
	assert run.status == 3 and "No space left" in run.err and len(run.err.splitlines()) <= 2, run.err


@pytest.mark.parametrize("command, word", CASES)
def test_nothing_half_written(tmp_path, command, word):
	"""A file system that fills: the old file stays, nothing lies beside it."""
	old = tmp_path / "out"
	old.write_text("as it was")
	run = subprocess.run(["bash", "-c", "trap '' XFSZ; exec prlimit --fsize=100 \"$@\"", "-", HEAPFX, command,
		*map(str, arguments(command)), "-o", f"{word}={old}"], capture_output=True, text=True, timeout=60 * common.SLOW, check=False)
	assert run.returncode == 3 and re.search("File too large|No space left|disk I/O error", run.stderr), run.stderr
	assert len(run.stderr.splitlines()) <= 2
	assert old.read_text() == "as it was" and os.listdir(tmp_path) == ["out"]


def on_a_full_file_system(folder, script, *args):
	"""The script, in a namespace of its own, where the folder `full` is a file system of 256 KiB; $@ are the arguments."""
	run = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
		"mkdir full && mount -t tmpfs -o size=256k none full || exit 77\n" + script, "-", *map(str, args)],
		cwd=folder, capture_output=True, text=True, timeout=60 * common.SLOW, check=False)
	if run.returncode == 77 or run.stderr.startswith("unshare:"):
		pytest.skip(f"nothing can be mounted here: {run.stderr.strip()[:200]}")
	return run


@pytest.mark.parametrize("command, word", CASES)
def test_full_file_system(tmp_path, command, word):
	"""No byte is left: the old file stays, nothing lies beside it."""
	line = [*arguments(command), "-o", f"{word}=full/out"]
	run = on_a_full_file_system(tmp_path, """
		echo as it was >full/out
		cat /dev/zero >full/filler 2>/dev/null
		"$@"; echo "status $?"
		ls -A full; cat full/out""", HEAPFX, command, *line)
	assert run.stdout == "status 3\nfiller\nout\nas it was\n", (run.stdout, run.stderr)
	assert re.search("No space left|database or disk is full|disk I/O error", run.stderr), run.stderr
	assert len(run.stderr.splitlines()) <= 2


def test_temporary_files_on_a_full_file_system(tmp_path):
	packed = tmp_path / "core.zst"
	subprocess.run(["zstd", "-q", dump_of(CORE).core, "-o", packed], check=True)
	run = on_a_full_file_system(tmp_path, '"$@" --tmp full; echo "status $?"; ls -A full', HEAPFX, "analyze", packed)
	assert run.stdout == "status 4\n" and "full while unpacking; --tmp names another" in run.stderr, (run.stdout[-200:], run.stderr)
	assert len(run.stderr.splitlines()) <= 2


@pytest.mark.parametrize("command, word", CASES)
def test_closed_pipe(command, word):
	"""Who reads goes away: a clear error or the quiet end of a pipe, never a crash."""
	read, write = os.pipe()
	os.close(read)
	run = subprocess.run([HEAPFX, command, *map(str, arguments(command)), "--format", word], stdout=write,
		stderr=subprocess.PIPE, text=True, timeout=60 * common.SLOW, check=False)
	os.close(write)
	assert run.returncode in (3, -13), (run.returncode, run.stderr)
	assert run.returncode == -13 or "Broken pipe" in run.stderr
