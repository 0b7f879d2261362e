"""Targets that move while they are captured, would be harmed by it, or want us to open what is not theirs."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from common import HEAPFX, ROOT, environment, heapfx
from test_capture import wait_until


@pytest.fixture(scope="session")
def restless(tmp_path_factory):
	path = tmp_path_factory.mktemp("live") / "restless"
	subprocess.run(["gcc", "-std=gnu17", "-O1", "-g", "-pthread", "-o", path,
		ROOT / "tests/live/restless.c"], check=True)
	return path


@pytest.fixture
def start(restless):
	running = []

	def one(how, program=None, **kwargs):
		process = subprocess.Popen([program or restless, how], stdout=subprocess.PIPE, text=True,
			start_new_session=True, **kwargs)
		running.append(process)
		if process.stdout.readline() != "ready\n":
			assert process.wait() == 77
			pytest.skip(f"the kernel does not allow {how}")
		return process
	yield one
	for process in running:
		with contextlib.suppress(OSError):
			os.killpg(process.pid, signal.SIGKILL)
		process.communicate()


def stat_of(pid):
	"""(state, parent)"""
	state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
	return state, int(parent)


def tracer(pid):
	return int(re.search(r"TracerPid:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def copies(pid):
	"""Children that are no work of its own: they are stopped, or dead and nobody waits for them."""
	found = []
	for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
		with contextlib.suppress(OSError):
			found += [child for child in path.read_text().split() if stat_of(child)[0] in "tTZ"]
	return found


# --- memory that copies and dumps are not given -----------------------------------------------------

@pytest.fixture(scope="session")
def set_aside(tmp_path_factory):
	path = tmp_path_factory.mktemp("live") / "set_aside"
	subprocess.run(["gcc", "-std=gnu17", "-O1", "-g", "-o", path, ROOT / "tests/live/set_aside.c"], check=True)
	return path


# What each mode leaves out is said, and where nothing is, all thousand blocks are held.
@pytest.mark.parametrize("how, mib, asked, taken, missing", [
	("dontfork", 8, "auto", "stop", False), ("wipeonfork", 8, "auto", "stop", False),
	("dontfork", 8, "fork", "fork", True), ("wipeonfork", 8, "fork", "fork", True),
	("dontfork", 2, "auto", "fork", True), ("dontdump", 8, "auto", "fork", True),
	("dontdump", 8, "stop", "stop", True), ("none", 8, "auto", "fork", False)])
def test_memory_set_aside(set_aside, tmp_path, how, mib, asked, taken, missing):
	target = subprocess.Popen([set_aside, how, str(mib)], stdout=subprocess.PIPE, text=True)
	try:
		assert target.stdout.readline() == "ready\n"
		area = int(target.stdout.readline(), 16)
		core = tmp_path / "x.core.zst"
		run = heapfx("capture", target.pid, "--mode", asked, "-o", core)
		assert run.status == 0, run.err
		meta = json.loads((tmp_path / "x.json").read_text())
		assert meta["mode"] == taken
		if asked == "auto" and taken == "stop":
			assert f"is not given {mib} MiB" in meta["why_not_fork"]
		wait_until(lambda: not copies(target.pid))
		assert tracer(target.pid) == 0 and stat_of(target.pid)[0] == "S"
	finally:
		target.kill()
		target.communicate()
	report = json.loads(heapfx("analyze", core, "--format", "json").out)
	lost = report["reachability"]["definitely-lost"]["count"]
	said = [p for p in report["input"]["problems"] if p["code"] == "memory/missing"]
	if missing:
		assert lost >= 990 # a stale word may still hold one
		assert len(said) == 1 and f"{mib << 20} bytes in 1 writable mapping" in said[0]["message"]
		assert int(said[0]["where"], 16) == area
	else:
		assert lost == 0 and not said


# --- none the worse --------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["fork", "stop"])
@pytest.mark.parametrize("how", ["exec", "fork", "threads"])
def test_it_does_not_sit_still(start, tmp_path, how, mode):
	target = start(how)
	for i in range(6):
		run = heapfx("capture", target.pid, "--mode", mode, "-o", tmp_path / f"{i}.core.zst")
		assert run.status == 0, run.err
		subprocess.run(["zstd", "-tq", tmp_path / f"{i}.core.zst"], check=True)
	assert target.poll() is None and tracer(target.pid) == 0
	wait_until(lambda: not copies(target.pid))


@pytest.mark.parametrize("how, why", [("seccomp", "seccomp filter"), ("waits", "seccomp filter"),
	("uffd", "userfaultfd")])
def test_a_copy_would_harm_it(start, tmp_path, how, why):
	"""By a filter that kills, or by a thread that is asked first and stands still: none is made."""
	target = start(how)
	run = heapfx("capture", target.pid, "--mode", "fork", "-o", tmp_path / "x.core.zst", timeout=60)
	assert run.status != 0 and why in run.err and not list(tmp_path.iterdir())
	run = heapfx("capture", target.pid, "-o", tmp_path / "x.core.zst", timeout=60)
	meta = json.loads((tmp_path / "x.json").read_text())
	assert run.status == 0 and meta["mode"] == "stop" and why in meta["why_not_fork"]
	assert target.poll() is None and tracer(target.pid) == 0 and stat_of(target.pid)[0] == "S"


def test_a_filter_that_lets_it(start, tmp_path):
	"""A container's filter refuses name spaces, not copies: root reads that, and others must not try."""
	target = start("docker")
	run = heapfx("capture", target.pid, "-o", tmp_path / "x.core.zst")
	meta = json.loads((tmp_path / "x.json").read_text())
	assert run.status == 0 and meta["mode"] == ("stop" if os.geteuid() else "fork"), meta["why_not_fork"]
	run = subprocess.run(["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", HEAPFX, "capture",
		str(target.pid), "-o", tmp_path / "y.core.zst"], env=environment(None))
	meta = json.loads((tmp_path / "y.json").read_text())
	assert run.returncode == 0 and meta["mode"] == "stop" and "CAP_SYS_ADMIN" in meta["why_not_fork"]
	assert target.poll() is None and tracer(target.pid) == 0 and stat_of(target.pid)[0] == "S"
	assert not copies(target.pid)


def test_it_cannot_be_stopped(start, tmp_path):
	"""In vfork() no signal and no tracer reaches it: said after a while, and nothing has changed."""
	target = start("vfork")
	wait_until(lambda: stat_of(target.pid)[0] == "D")
	run = heapfx("capture", target.pid, "-o", tmp_path / "x.core.zst")
	assert run.status == 5 and "cannot be interrupted" in run.err and not list(tmp_path.iterdir())
	assert tracer(target.pid) == 0 and stat_of(target.pid)[0] == "D"
	child, = pathlib.Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text().split()
	os.kill(int(child), signal.SIGKILL)	# and then it goes on
	wait_until(lambda: stat_of(target.pid)[0] == "S")


# --- names -----------------------------------------------------------------------------------------

def test_what_it_is_called(start, tmp_path):
	target = start("named")
	(tmp_path / "out").mkdir()
	run = heapfx("capture", target.pid, "-o", tmp_path / "out")
	assert run.status == 0 and "\33" not in run.out
	assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
	names = sorted(path.name for path in (tmp_path / "out").iterdir())
	assert len(names) == 2 and all(re.fullmatch(r"heapfx-[-._A-Za-z0-9]+", name) for name in names)
	meta = json.loads((tmp_path / "out" / names[1]).read_text())
	assert meta["command"] == r'../x\x0a\x1b[31m\xff"'


@pytest.mark.parametrize("out", ["link", "link/", "link/.", "link//x", "link/./x"])
def test_a_directory_that_is_a_link(start, tmp_path, out):
	target = start("threads")
	(tmp_path / "there").mkdir()
	(tmp_path / "link").symlink_to("there")
	run = heapfx("capture", target.pid, "-o", f"{tmp_path}/{out}")
	assert run.status == 5 and "symbolic link" in run.err
	assert not list((tmp_path / "there").iterdir())


# --- paths that it controls ------------------------------------------------------------------------

SECRET = b"nobody but root may read this"


@pytest.fixture
def moved(restless, start, tmp_path):
	"""Its program has gone, and what has the name now leads to another's file."""
	(tmp_path / "home").mkdir()
	program, secret = tmp_path / "home/prog", tmp_path / "secret"
	shutil.copy(restless, program)
	secret.write_bytes(SECRET)
	secret.chmod(0o600)
	target = start("threads", program=program)

	def to(what):
		program.unlink()
		if what == "link":
			program.symlink_to(secret)
		elif what == "pipe":
			os.mkfifo(program)
		elif what == "other":
			program.write_bytes(SECRET)
		elif what == "folder":
			(tmp_path / "home").rename(tmp_path / "gone")
			(tmp_path / "home").symlink_to(tmp_path)
			(tmp_path / "prog").symlink_to(secret)
		return target
	return to


def contents(path):
	return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout


@pytest.mark.parametrize("caps", [True, False], ids=["root", "sys_ptrace"])
@pytest.mark.parametrize("what", ["deleted", "link", "pipe", "other", "folder"])
def test_bundle_has_nothing_but_what_is_mapped(moved, tmp_path, what, caps):
	target = moved(what)
	way = [] if caps else ["setpriv", "--bounding-set", "-all,+sys_ptrace,+dac_override", "--inh-caps",
		"-all,+sys_ptrace,+dac_override"]
	if way and (os.geteuid() or not shutil.which("setpriv")):
		pytest.skip("setpriv, as root")
	(tmp_path / "out").mkdir()
	run = subprocess.run([*way, HEAPFX, "capture", str(target.pid), "--bundle", "-o", tmp_path / "out/x.tar.zst"],
		capture_output=True, text=True, timeout=60, env=environment(None))
	assert run.returncode == 0, run.stderr
	assert SECRET not in contents(tmp_path / "out/x.tar.zst")
	assert target.poll() is None


# A call, its path, and for openat2 how it was looked up.
CALL = re.compile(r'(?:^|\] )(\w+)\((?:(AT_FDCWD|\d+), )?"((?:[^"\\]|\\.)*)"(.*)')


@pytest.mark.parametrize("options", [("--mode", "fork"), ("--mode", "stop"), ("--bundle",)], ids=" ".join)
def test_no_path_of_its_own_is_opened(moved, tmp_path, options):
	"""Whatever it maps and is called, heapfx opens what is in /proc/PID, or below its root and no link's end."""
	if not shutil.which("strace"):
		pytest.skip("strace is not there")
	target = moved("link")
	(tmp_path / "out").mkdir()
	subprocess.run(["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-o", tmp_path / "calls", HEAPFX,
		"capture", str(target.pid), "-o", tmp_path / "out/x.zst", *options], check=True, capture_output=True,
		env=environment({"ASAN_OPTIONS": "detect_leaks=0"}))	# that does not work in a process that is traced
	calls = [CALL.search(line.split(None, 1)[1]) for line in (tmp_path / "calls").read_text().splitlines()]
	paths = [(call[1], call[3], call[4]) for call in calls if call]
	assert ("openat", f"/proc/{target.pid}/mem") in [row[:2] for row in paths]
	for name, path, rest in paths:
		if f"{tmp_path}/home" in path:
			assert name == "openat2" and "RESOLVE_IN_ROOT" in rest and "RESOLVE_NO_MAGICLINKS" in rest
		assert not path.startswith(f"/proc/{target.pid}/root/") and not path.startswith(f"/proc/{target.pid}/cwd")
		if path == f"/proc/{target.pid}/exe":
			assert name.startswith("readlink")
	assert not any(str(tmp_path / "secret") in row[1] for row in paths)
