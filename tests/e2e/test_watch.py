"""The watcher, driven by a cgroup of plain files: when it captures, when not, and what it remembers."""
import json
import os
import pathlib
import signal
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from common import HEAPFX, SANITIZED, environment, heapfx
from test_capture import FILES, TRACE, Target, program, rights, wait_until	# noqa: F401

MIB = 1 << 20


class Cgroup:
	"""A memory cgroup as the kernel shows it, of 1000 MiB."""

	def __init__(self, path, pids, v1=False):
		self.path, self.v1 = path, v1
		path.mkdir(parents=True)
		self.put("cgroup.procs", "".join(f"{pid}\n" for pid in pids))
		if v1:
			self.put("memory.limit_in_bytes", 1000 * MIB)
			self.put("memory.soft_limit_in_bytes", 0x7ffffffffffff000)
		else:
			self.put("memory.max", 1000 * MIB)
			self.put("memory.high", "max")
		self.file(0)
		self.hits(0)
		self.use(10)

	def put(self, name, value):
		"""Whole at once, as the kernel's are."""
		half = self.path / "half"
		half.write_text(f"{value}\n")
		half.rename(self.path / name)

	def use(self, percent):
		self.put("memory.usage_in_bytes" if self.v1 else "memory.current", percent * 10 * MIB)

	def file(self, percent):
		name = "total_inactive_file" if self.v1 else "inactive_file"
		self.put("memory.stat", f"anon 1\n{name} {percent * 10 * MIB}")

	def hits(self, n):
		self.put("memory.failcnt" if self.v1 else "memory.events", n if self.v1 else
			f"low 0\nhigh 0\nmax {n}\noom 0\noom_kill 0")


class Watcher:
	def __init__(self, out, *options, env=None, way=()):
		out.mkdir(exist_ok=True)
		self.out = out
		self.process = subprocess.Popen([*way, HEAPFX, "watch", "-o", out, "--interval", "20", "--format", "json",
			*map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
			env=environment(env))
		assert self.event() == "watching"

	def event(self):
		self.last = json.loads(self.process.stdout.readline())
		return self.last["event"]

	def expect(self, *events):
		for event in events:
			assert self.event() == event, self.last

	def looks(self):
		"""Until it has looked at what is there now, which it does after each sleep."""
		slept = status_of(self.process.pid, "voluntary_ctxt_switches")
		wait_until(lambda: status_of(self.process.pid, "voluntary_ctxt_switches") >= slept + 5)

	def end(self):
		self.process.send_signal(signal.SIGTERM)
		out, err = self.process.communicate(timeout=120)
		assert self.process.returncode == 0 and "Sanitizer" not in err, err
		return [json.loads(line)["event"] for line in out.splitlines()]

	def cores(self):
		return sorted(self.out.glob("*.core.zst"))


@pytest.fixture
def target(program):	# noqa: F811
	t = Target(program, mib=1, threads=2)
	yield t
	t.process.kill()
	t.process.communicate()


def test_threshold_hysteresis_cool_down(target, tmp_path):
	group = Cgroup(tmp_path / "root/pod", [target.pid])
	watcher = Watcher(tmp_path / "out", "--cgroup-root", tmp_path / "root", "--cgroup", "pod",
		"--threshold", 90, "--rearm", 70, "--cool-down", 1, "--max-dumps", 2)
	group.use(89)
	watcher.looks()
	assert not watcher.cores()
	group.use(95)
	watcher.expect("threshold", "captured")
	assert watcher.last["what"] == str(watcher.cores()[0]) and watcher.last["percent"] == 95
	meta = json.loads(pathlib.Path(str(watcher.cores()[0]).replace(".core.zst", ".json")).read_text())
	assert meta["pid"] == target.pid
	time.sleep(1.2)			# still above: the cool-down alone is not enough
	group.use(75)			# nor is this below the lower mark
	watcher.expect("calm")
	group.use(95)
	watcher.expect("cooling")
	group.use(60)
	watcher.expect("calm")
	assert len(watcher.cores()) == 1
	group.use(96)
	watcher.expect("threshold", "captured")
	assert len(watcher.cores()) == 2
	group.use(10)
	watcher.expect("calm")
	group.use(99)
	watcher.expect("spent")
	assert watcher.end() == [] and len(watcher.cores()) == 2
	target.is_well()


def test_file_pages_do_not_count(target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	group.file(50)
	group.use(95)
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g")
	watcher.looks()
	assert watcher.end() == []
	assert not watcher.cores()


@pytest.mark.parametrize("high, use", [(400, 37), (2000, 95)])
def test_the_lower_limit_counts(target, tmp_path, high, use):
	"""At memory.high a process is slowed down until it hardly moves: memory.max is never reached."""
	group = Cgroup(tmp_path / "g", [target.pid])
	group.put("memory.high", high * MIB)
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g", "--threshold", 90, "--once")
	group.use(use)
	watcher.expect("threshold", "captured")
	assert watcher.process.wait(120) == 0


@pytest.mark.parametrize("v1", [False, True])
def test_limit_that_is_hit(target, tmp_path, v1):
	group = Cgroup(tmp_path / "g", [target.pid], v1)
	group.hits(7)			# of long ago
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g", "--threshold", 90, "--rearm", 80,
		"--once")
	group.hits(8)			# far from the limit: somebody else's peak
	watcher.looks()
	group.use(85)
	watcher.looks()
	assert not watcher.cores()
	group.hits(9)
	watcher.expect("events", "captured")
	assert watcher.process.wait(120) == 0
	assert len(watcher.cores()) == 1


def test_restart_remembers(target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	group.use(95)
	options = ("--cgroup", tmp_path / "g", "--cool-down", 1000)
	first = Watcher(tmp_path / "out", *options)
	first.expect("threshold", "captured")
	first.process.kill()
	first.process.communicate()
	second = Watcher(tmp_path / "out", *options)
	second.expect("cooling")
	assert second.end() == [] and len(second.cores()) == 1
	(tmp_path / "out/heapfx-watch.state").write_text("rubbish")
	third = Watcher(tmp_path / "out", *options)	# damaged: said, and it starts anew
	third.expect("threshold", "captured")
	third.end()
	assert len(third.cores()) == 2


def test_which_process(program, target, tmp_path):	# noqa: F811
	large = Target(program, mib=8, threads=1)
	sleeper = subprocess.Popen(["sleep", "100"])
	group = Cgroup(tmp_path / "g", [target.pid])
	(tmp_path / "g/child").mkdir()
	(tmp_path / "g/child/cgroup.procs").write_text(f"{large.pid}\n{sleeper.pid}\n999999999\n")
	group.use(95)
	for which, pid in (("largest", large.pid), ("sleep", sleeper.pid)):
		out = tmp_path / which
		watcher = Watcher(out, "--cgroup", tmp_path / "g", "--process", which, "--once")
		watcher.expect("threshold", "captured")
		assert watcher.last["what"].endswith(f"-{pid}.core.zst")
		watcher.process.wait(120)
	nobody = Watcher(tmp_path / "none", "--cgroup", tmp_path / "g", "--process", "nobody")
	nobody.expect("threshold", "nothing to capture")
	nobody.end()
	for process in (large.process, sleeper):
		process.kill()
		process.wait()


def test_budget_analysis_and_command(target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	group.use(95)
	poor = Watcher(tmp_path / "poor", "--cgroup", tmp_path / "g", "--max-bytes", "1M")
	poor.expect("threshold", "no room")
	assert not poor.end() and not poor.cores()
	rich = Watcher(tmp_path / "rich", "--cgroup", tmp_path / "g", "--max-bytes", "1G", "--analyze", "--exec",
		f'test -s "$1" && basename "$1" >{tmp_path}/shipped', "--once")
	rich.expect("threshold", "captured", "analyzed", "shipped")
	rich.process.wait(120)
	core, = rich.cores()
	assert (tmp_path / "shipped").read_text().strip() == core.name
	report = json.loads(pathlib.Path(str(core).replace(".core.zst", ".report.json")).read_text())
	assert {stat.S_IMODE(path.stat().st_mode) for path in core.parent.iterdir()} == {0o600}
	assert report["input"]["pid"] == target.pid and report["heaps"]


def test_pid_and_its_end(target, tmp_path):
	rows = pathlib.Path(f"/proc/{target.pid}/cgroup").read_text().splitlines()
	path = next((r.split(":", 2)[2] for r in rows if "memory" in r.split(":")[1].split(",")), None)
	v1 = path is not None
	path = path if v1 else rows[-1].split(":", 2)[2]
	group = Cgroup(pathlib.Path(f"{tmp_path}/root{'/memory' if v1 else ''}{path}"), [], v1)
	watcher = Watcher(tmp_path / "out", "--pid", target.pid, "--cgroup-root", tmp_path / "root")
	group.use(95)
	watcher.expect("threshold", "captured")
	target.process.kill()
	target.process.wait()
	watcher.expect("ended")
	assert watcher.process.wait(120) == 0


def test_cgroup_as_the_process_sees_it(target, tmp_path):
	"""How a side-car finds the limit of another container: the manifests do it so."""
	group = Cgroup(tmp_path / "g", [])
	watcher = Watcher(tmp_path / "out", "--pid", target.pid, "--cgroup", f"/proc/{target.pid}/root{tmp_path}/g",
		"--once")
	group.use(95)
	watcher.expect("threshold", "captured")
	assert watcher.process.wait(120) == 0 and len(watcher.cores()) == 1


@pytest.fixture
def jailed(tmp_path):
	"""A process whose root is a directory of ours."""
	if os.geteuid():
		pytest.skip("chroot() is root's")
	(tmp_path / "jail/sys/fs").mkdir(parents=True)
	pid = os.fork()
	if not pid:
		os.chroot(tmp_path / "jail")
		signal.pause()
	wait_until(lambda: os.readlink(f"/proc/{pid}/root") == str(tmp_path / "jail"))
	yield pid
	os.kill(pid, signal.SIGKILL)
	os.waitpid(pid, 0)


@pytest.mark.parametrize("how", ["directory", "file"])
def test_no_link_of_the_target_is_followed(jailed, tmp_path, how):
	"""What the process has under its root does not lead the watcher out of it."""
	group = Cgroup(tmp_path / "outside", [])
	group.use(95)
	there = tmp_path / "jail/sys/fs/cgroup"
	if how == "directory":
		there.symlink_to(group.path)
	else:
		there.mkdir()
		for name in ("memory.current", "memory.max", "memory.events"):
			(there / name).symlink_to(group.path / name)
	run = heapfx("watch", "-o", tmp_path, "--pid", jailed, "--cgroup", f"/proc/{jailed}/root/sys/fs/cgroup")
	assert run.status == 5 and "memory.current" in run.err


def test_link_within_the_targets_root(jailed, tmp_path):
	group = Cgroup(tmp_path / "jail/inside", [])
	(tmp_path / "jail/sys/fs/cgroup").symlink_to("/inside")
	watcher = Watcher(tmp_path / "out", "--pid", jailed, "--cgroup", f"/proc/{jailed}/root/sys/fs/cgroup", "--once")
	group.use(95)
	watcher.expect("threshold", "captured")
	assert rights(watcher.process.pid)[:2] == (TRACE | FILES, 1)
	assert watcher.process.wait(120) == 0


def test_a_plain_file_is_not_written_to(target, tmp_path):
	"""memory.pressure gets its trigger in a cgroup, not wherever a file is called so."""
	group = Cgroup(tmp_path / "g", [target.pid])
	group.put("memory.pressure", "as it was")
	Watcher(tmp_path / "out", "--cgroup", group.path).end()
	assert (group.path / "memory.pressure").read_text() == "as it was\n"


# --- a limit of the kernel's -----------------------------------------------------------------------

@pytest.fixture
def limited():
	"""A real memory cgroup of 96 MiB; as root, where one can be made."""
	v1, v2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
	home, name = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
	group = home / f"heapfx-test-{os.getpid()}"
	try:
		group.mkdir()
		(group / name).write_text(str(96 * MIB))
	except OSError as why:
		if group.is_dir():
			group.rmdir()
		pytest.skip(f"no memory cgroup can be made here: {why}")
	yield group
	wait_until(lambda: not (group / "cgroup.procs").read_text().split())
	group.rmdir()


def test_before_a_real_killer(limited, tmp_path):
	"""A process grows until the kernel kills it: its core was taken before, and is whole."""
	watcher = Watcher(tmp_path / "out", "--cgroup", limited, "--threshold", 70, "--max-dumps", 1)
	grower = subprocess.Popen(["python3", "-c", GROWS, limited / "cgroup.procs"], stdin=subprocess.PIPE,
		stdout=subprocess.PIPE)
	watcher.expect("threshold", "captured")
	watcher.process.send_signal(signal.SIGSTOP)
	grower.stdin.close()
	assert grower.wait(120) == -signal.SIGKILL
	watcher.process.send_signal(signal.SIGCONT)
	watcher.end()
	core, = watcher.cores()
	subprocess.run(["zstd", "-tq", core], check=True)
	meta = json.loads(pathlib.Path(str(core).replace(".core.zst", ".json")).read_text())
	assert meta["pid"] == grower.pid and meta["cgroup"]["max"] == 96 * MIB
	info = json.loads(heapfx("info", core, "--format", "json").out)["input"]
	assert info["pid"] == grower.pid and info["complete"]


@pytest.fixture
def stalling(limited):
	"""A cgroup of version 2 whose process waits for memory again and again; (directory, process)."""
	mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
	homes = [pathlib.Path(row[1]) for row in mounts if row[2] == "cgroup2"]
	if not homes or not (homes[0] / "memory.pressure").exists():
		pytest.skip("no pressure is told of cgroups here (PSI)")
	group = limited if (limited / "memory.pressure").exists() else homes[0] / limited.name
	group.mkdir(exist_ok=True)
	with tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
		process = subprocess.Popen(["python3", "-c", STALLS, f"{disk}/file", limited / "cgroup.procs",
			group / "cgroup.procs"])
		yield group, process
		process.kill()
		process.wait()
	if group != limited:
		wait_until(lambda: not (group / "cgroup.procs").read_text().split())
		group.rmdir()


# Reads a file that does not fit, page by page.
STALLS = """
import mmap, os, sys
for group in sys.argv[2:]:
	open(group, "w").write(str(os.getpid()))
file = open(sys.argv[1], "w+b")
for _ in range(160):
	file.write(os.urandom(1 << 20))
file.flush()
pages = mmap.mmap(file.fileno(), 160 << 20)
while True:
	for at in range(0, len(pages), 4096):
		pages[at]
"""


def stalled(group):
	"""Microseconds."""
	return int((group / "memory.pressure").read_text().split("total=")[1].split()[0])


def test_pressure_of_the_kernel(stalling, tmp_path):
	"""Use stays between the marks: only the kernel's trigger says that tasks stand still."""
	group, process = stalling
	plain = Cgroup(tmp_path / "g", [process.pid])
	plain.use(85)
	(plain.path / "memory.pressure").touch()
	way = ["unshare", "-m", "sh", "-c", 'mount --bind "$0/memory.pressure" "$1/memory.pressure" && shift && exec "$@"',
		group, plain.path]
	if subprocess.run([*way, "true"], capture_output=True).returncode:
		pytest.skip("mounting is not allowed here")
	watcher = Watcher(tmp_path / "out", "--cgroup", plain.path, "--once", "--interval", 600000, way=way)
	began, most, told = stalled(group), 0, []
	reader = threading.Thread(target=lambda: told.extend(watcher.event() for _ in range(2)), daemon=True)
	reader.start()
	end = time.monotonic() + 40
	while not told and time.monotonic() < end:
		before = stalled(group)
		time.sleep(0.5)
		most = max(most, stalled(group) - before)
	if not told and most < 200000:
		watcher.end()
		pytest.skip(f"memory is too fast here: {stalled(group) - began} us waited for it in 40 s")
	reader.join(60)
	assert told == ["pressure", "captured"]
	assert watcher.process.wait(120) == 0 and len(watcher.cores()) == 1
	assert process.poll() is None


# To four fifths of the limit; beyond it when it is told.
GROWS = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
kept = [os.urandom(1 << 20) for _ in range(72)]
sys.stdin.read()
while True:
	kept.append(os.urandom(1 << 20))
"""


def test_cgroup_goes(target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	watcher = Watcher(tmp_path / "out", "--cgroup", group.path)
	group.path.rename(tmp_path / "gone")
	watcher.expect("ended")
	assert watcher.process.wait(120) == 0


def test_it_is_small(target, tmp_path):
	Cgroup(tmp_path / "g", [target.pid])
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g", "--interval", 500)
	before = status_of(watcher.process.pid, "voluntary_ctxt_switches")
	time.sleep(2)
	woken = status_of(watcher.process.pid, "voluntary_ctxt_switches") - before
	resident = status_of(watcher.process.pid, "VmRSS")
	watcher.end()
	assert woken < 20		# it sleeps between its four looks
	if not SANITIZED:
		assert resident < 5 << 10


def status_of(pid, key):
	return int(pathlib.Path(f"/proc/{pid}/status").read_text().split(f"\n{key}:")[1].split()[0])


@pytest.mark.parametrize("options", [(), ("--threshold", 101), ("--threshold", 50, "--rearm", 60)])
def test_usage(tmp_path, options):
	(tmp_path / "g").mkdir()
	more = ("--cgroup", tmp_path / "g") if options else ()
	assert heapfx("watch", "-o", tmp_path, *more, *options).status == 2


def test_no_cgroup(tmp_path):
	(tmp_path / "g").mkdir()
	run = heapfx("watch", "-o", tmp_path, "--cgroup", tmp_path / "g")
	assert run.status == 5 and "memory.current" in run.err
	os.symlink(tmp_path, tmp_path / "link")
	assert heapfx("watch", "-o", tmp_path / "link", "--cgroup", tmp_path / "g").status == 5
