"""A live process into a core: what is in it, how long it cost, and that the process is none the worse.

The target is tests/live/pulse.c, which measures its own pauses, sums up its own heap and counts what
went wrong in its threads.
"""
import contextlib
import itertools
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import stat
import struct
import subprocess
import time

import pytest

from common import Core, HEAPFX, ROOT, build_ids_in, environment, heapfx, heapfx_ok

MIB = 1 << 20
MODES = ("fork", "stop", "gcore")
BLOCK = 1000


@pytest.fixture(scope="session")
def program(tmp_path_factory):
	path = tmp_path_factory.mktemp("live") / "pulse"
	subprocess.run(["gcc", "-std=gnu17", "-O1", "-g", "-pthread", "-o", path,
		ROOT / "tests/live/pulse.c"], check=True)
	return path


class Target:
	def __init__(self, program, mib=2, threads=8, user=None):
		self.process = subprocess.Popen([program, str(mib), str(threads)], text=True, user=user,
			stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		words = self.process.stdout.readline().split()
		assert words and words[0] == "ready", "may this user run threads?"
		self.pid, self.blocks, self.count = int(words[1]), int(words[2], 16), int(words[3])
		self.threads = threads + 1 if threads > 1 else 2

	def ask(self, command):
		self.process.stdin.write(command + "\n")
		self.process.stdin.flush()
		return self.process.stdout.readline().strip()

	def state(self):
		return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

	def tracer(self):
		status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
		return int(status.split("TracerPid:")[1].split()[0])

	def children(self):
		return [int(n) for path in pathlib.Path(f"/proc/{self.pid}/task").iterdir()
			for n in (path / "children").read_text().split()]

	def stop(self):
		"""All threads: each stops when it next has a processor."""
		os.kill(self.pid, signal.SIGSTOP)
		wait_until(lambda: all(path.read_text().rpartition(")")[2].split()[0] == "T"
			for path in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")))

	def is_well(self):
		"""Nothing is left behind, and no thread met anything that it should not."""
		wait_until(lambda: not keepers_of(self.pid) and not self.children())
		assert self.tracer() == 0
		assert self.state() in "RS"
		assert self.ask("bad") == "0"
		assert self.ask("child") == "none 0"


def wait_until(what, seconds=120):
	end = time.monotonic() + seconds
	while not what():
		assert time.monotonic() < end, "it does not come"
		time.sleep(0.01)


def keepers_of(pid):
	"""Processes of a capture of it that live on: their command line has its number."""
	found = []
	for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
		with contextlib.suppress(OSError):
			words = path.read_bytes().split(b"\0")
			if words[:3] == [os.fsencode(HEAPFX), b"capture", str(pid).encode()]:
				found.append(int(path.parent.name))
	return found


@pytest.fixture
def target(program):
	t = Target(program)
	yield t
	with contextlib.suppress(OSError):
		os.kill(t.pid, signal.SIGCONT)
	t.process.kill()
	t.process.communicate()




def capture(target, out, *options, status=0, **kwargs):
	run = heapfx("capture", target.pid, "-o", out, *options, **kwargs)
	assert run.status == status, run.err
	return run


def metadata(core):
	path = str(core)
	for end in (".zst", ".tar", ".core"):
		path = path.removesuffix(end)
	return json.loads(pathlib.Path(path + ".json").read_text())


def unpacked(core):
	plain = core.with_suffix("")
	subprocess.run(["zstd", "-dqf", "--sparse", core, "-o", plain], check=True)
	return plain


def heap_sum(core, target):
	"""pulse.c's checksum(), of the blocks as the core has them."""
	blocks = struct.unpack(f"<{target.count}Q", core.read(target.blocks, 8 * target.count))
	total = 14695981039346656037
	for address in blocks:
		for word in struct.unpack(f"<{BLOCK // 8}Q", core.read(address, BLOCK)):
			total = (total ^ word) * 1099511628211 & (1 << 64) - 1
	return f"{total:016x}"


# --- what is in it -------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_core_has_the_heap_and_every_thread(target, tmp_path, mode):
	expected = target.ask("sum")
	capture(target, tmp_path / "x.core.zst", "--mode", mode)
	core = unpacked(tmp_path / "x.core.zst")
	assert heap_sum(Core(core), target) == expected
	assert len(set(Core(core).threads())) == target.threads
	gdb = subprocess.run(["gdb", "-batch", "-nx", "-ex", "thread apply all bt", os.readlink(
		f"/proc/{target.pid}/exe"), core], capture_output=True, text=True, check=True)
	for function in ("wait_in_read", "wait_in_sleep", "wait_in_futex", "spin", "main"):
		assert function in gdb.stdout
	notes = subprocess.run(["eu-readelf", "-n", core], capture_output=True, text=True, check=True)
	assert notes.stdout.count("PRSTATUS") == target.threads
	assert "AUXV" in notes.stdout and "FILE" in notes.stdout and not notes.stderr
	target.is_well()


def sift(report):
	"""Without what names the file and its time, and how much of clean pages and of guard pages it has."""
	for key in ("path", "bytes", "args", "made_by", "captured_at"):
		report["input"].pop(key, None)
	report.pop("space", None)
	report.pop("memory")
	return report


def test_analysis_is_that_of_gcores(target, tmp_path):
	target.stop()
	reports = {}
	for mode in MODES:
		core = tmp_path / f"{mode}.core.zst"
		capture(target, core, "--mode", mode)
		reports[mode] = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
		assert target.state() == "T"
	missing = {}
	for mode, report in reports.items():
		problems = report["input"]["problems"]
		missing[mode] = [p["message"].split(" bytes")[0] for p in problems if p["code"] == "memory/missing"]
		report["input"]["problems"] = [p for p in problems if p["code"] != "memory/missing"]
	# a copy is not given what is kept from copies, and none what is kept from dumps: gcore does not even name that
	assert missing == {"fork": [str(3 * MIB)], "stop": [str(MIB)], "gcore": []}
	assert reports["stop"]["input"]["made_by"] == "heapfx"
	assert sift(reports["stop"]) == sift(reports["fork"]) == sift(reports["gcore"])
	os.kill(target.pid, signal.SIGCONT)
	target.is_well()


def test_metadata_and_modes(target, tmp_path):
	os.umask(0)
	capture(target, tmp_path / "x.core.zst", "--mode", "fork")
	os.umask(0o22)
	meta = metadata(tmp_path / "x.core.zst")
	assert meta["schema"] == "heapfx-capture/1" and meta["mode"] == "fork" and meta["pid"] == target.pid
	assert meta["command"] == "pulse" and meta["threads"] == target.threads
	assert meta["memory"]["dontfork"] == MIB and meta["memory"]["wiped_on_fork"] == MIB
	assert meta["stored_bytes"] == (tmp_path / "x.core.zst").stat().st_size
	exe, = (m for m in meta["modules"] if m["path"].endswith("/pulse"))
	assert {exe["build_id"]} == build_ids_in(pathlib.Path(meta["exe"]).read_bytes())
	for name in ("x.core.zst", "x.json"):
		assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
	core = Core(unpacked(tmp_path / "x.core.zst"))
	assert core.dumped() == meta["memory"]["dumped"]
	assert core.virtual() - core.dumped() == meta["memory"]["left_out"]
	capture(target, tmp_path / "y.core.zst", "--mode", "stop")
	meta = metadata(tmp_path / "y.core.zst")
	assert meta["memory"]["dontfork"] == meta["memory"]["wiped_on_fork"] == 0


def test_seek_table(target, tmp_path):
	"""zstd's seekable format: every frame unpacks by itself, to the bytes of its place."""
	path = tmp_path / "x.core.zst"
	capture(target, path)
	data = path.read_bytes()
	frames, descriptor, magic = struct.unpack("<IBI", data[-9:])
	assert magic == 0x8f92eab1 and descriptor == 0 and frames > 1
	rows = [struct.unpack_from("<II", data, len(data) - 9 - 8 * (frames - i)) for i in range(frames)]
	head = len(data) - 9 - 8 * frames - 8
	assert struct.unpack_from("<II", data, head) == (0x184d2a5e, 9 + 8 * frames)
	assert sum(packed for packed, _ in rows) == head
	plain = unpacked(path).read_bytes()
	assert sum(size for _, size in rows) == len(plain)
	at = sum(packed for packed, _ in rows[:1])
	one = subprocess.run(["zstd", "-dc"], input=data[at:at + rows[1][0]], capture_output=True, check=True)
	assert one.stdout == plain[rows[0][1]:rows[0][1] + rows[1][1]]


def test_coredump_filter_is_obeyed(target, tmp_path):
	pathlib.Path(f"/proc/{target.pid}/coredump_filter").write_text("0x10")
	run = capture(target, tmp_path / "x.core.zst")
	assert "0x10" in run.out
	meta = metadata(tmp_path / "x.core.zst")
	assert meta["memory"]["coredump_filter"] == "0x10" and meta["memory"]["dumped"] < MIB


def test_plain_is_sparse_and_untouched_memory_is_not_read(program, tmp_path):
	target = Target(program, mib=1, threads=32)	# each with a stack of 8 MiB
	before = rss(target)
	capture(target, tmp_path / "x", "--pack", "none", "--mode", "stop")
	assert rss(target) - before < 2 * MIB
	st = (tmp_path / "x").stat()
	assert st.st_size > 32 * 8 * MIB and st.st_blocks * 512 < 8 * MIB
	target.is_well()
	target.process.kill()
	target.process.communicate()


def rss(target):
	return int(pathlib.Path(f"/proc/{target.pid}/statm").read_text().split()[1]) * 4096


def test_only_heap(target, tmp_path):
	pathlib.Path(f"/proc/{target.pid}/coredump_filter").write_text("0x37")	# files' pages too
	target.stop()
	capture(target, tmp_path / "all.core.zst")
	capture(target, tmp_path / "heap.core.zst", "--only", "heap")
	sizes = [metadata(tmp_path / f"{n}.core.zst")["memory"]["dumped"] for n in ("all", "heap")]
	assert sizes[1] < sizes[0] - MIB
	reports = [json.loads(heapfx_ok("analyze", tmp_path / f"{n}.core.zst", "--format", "json").out)
		for n in ("all", "heap")]
	assert sift(reports[0]) == sift(reports[1])


def test_bundle_is_complete_elsewhere(target, tmp_path):
	target.stop()
	capture(target, tmp_path / "x.tar.zst", "--bundle")
	capture(target, tmp_path / "y.core.zst")
	names = subprocess.run(["tar", "-tf", tmp_path / "x.tar.zst"], capture_output=True, text=True,
		check=True).stdout.split()
	assert {"core", "capture.json", "proc/smaps", "proc/status"} <= set(names)
	assert [n for n in names if n.endswith("/pulse")] and [n for n in names if "libc.so" in n]
	there = json.loads(heapfx_ok("analyze", tmp_path / "x.tar.zst", "--no-host-files", "--format",
		"json").out)
	here = json.loads(heapfx_ok("analyze", tmp_path / "y.core.zst", "--format", "json").out)
	assert [m["symbols"] for m in there["modules"] if m["path"].endswith("/pulse")] == ["dwarf"]
	assert all(m["symbols"] != "none" for m in there["modules"] if "/lib" in m["path"])
	assert there["memory"]["resident"] and there["reachability"] == here["reachability"]


def test_standard_output(target, tmp_path):
	with open(tmp_path / "x.core.zst", "wb") as out:
		subprocess.run([HEAPFX, "capture", str(target.pid), "-o", "-"], stdout=out, check=True,
			stderr=subprocess.DEVNULL, env=environment(None))
	assert heap_sum(Core(unpacked(tmp_path / "x.core.zst")), target) == target.ask("sum")
	assert heapfx("capture", target.pid, "-o", "-", "--pack", "none").status == 2


# --- what it costs -------------------------------------------------------------------------------

def test_pause_is_measured(program, tmp_path):
	"""The target's own heart says what heapfx says. (That it runs on beside a copy: below.)"""
	target = Target(program, mib=128, threads=1)
	for mode in ("stop", "fork"):
		target.ask("gap")
		capture(target, tmp_path / f"{mode}.core.zst", "--mode", mode)
		felt = int(target.ask("gap"))
		said = metadata(tmp_path / f"{mode}.core.zst")["stop_ns"]
		assert felt >= said * 0.8 - 2e6, "it stood for less than it is told"
	target.is_well()
	target.process.kill()
	target.process.communicate()


# --- what can go wrong ---------------------------------------------------------------------------

@pytest.mark.parametrize("threads", [8, 32])
def test_survives_killed_heapfx(program, tmp_path, threads):
	target = Target(program, mib=32, threads=threads)
	expected, dice = target.ask("sum"), random.Random(threads)
	for i in range(int(os.environ.get("HEAPFX_KILL_ROUNDS", 12)) // 2):
		core = tmp_path / f"{i}.core.zst"
		child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "--mode", dice.choice(
			["fork", "stop"]), "-o", core], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
			env=environment(None))
		time.sleep(dice.random() * dice.choice([0.02, 0.1, 0.5]))
		child.kill()
		child.wait()
		if core.exists():
			subprocess.run(["zstd", "-tq", core], check=True)
		target.is_well()
	assert target.ask("sum") == expected
	# what a killed one left is no hindrance
	child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "-o", tmp_path / "z"],
		stdout=subprocess.DEVNULL, env=environment(None))
	wait_until(lambda: (tmp_path / "z.partial").exists() or child.poll() is not None)
	child.kill()
	child.wait()
	target.is_well()
	(tmp_path / "z").unlink(missing_ok=True)
	(tmp_path / "z.json").unlink(missing_ok=True)
	capture(target, tmp_path / "z")
	assert not (tmp_path / "z.partial").exists()
	target.process.kill()
	target.process.communicate()


def begun(target, mode):
	"""A capture that packs, and waits until more of it is read."""
	child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "--mode", mode, "-o", "-"],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(None))
	assert child.stdout.read(1) == b"\x28"	# zstd's magic begins so
	return child


def finish(child, core):
	core.write_bytes(b"\x28" + child.stdout.read())
	return child.wait(120)


def test_copy_holds_no_file_open(program, tmp_path):
	target = Target(program, mib=64, threads=16)
	child = begun(target, "fork")
	copy, = target.children()
	wait_until(lambda: not os.listdir(f"/proc/{copy}/fd"))
	assert target.ask("close") == "0"
	wait_until(lambda: int(target.ask("read")) == 3)
	assert finish(child, tmp_path / "x.core.zst") == 0
	target.is_well()
	target.process.kill()
	target.process.communicate()


@pytest.mark.parametrize("what", ["exec", "quit", "kill"])
def test_target_ends_while_it_is_let_go(program, tmp_path, what):
	"""Its threads die traced, and nobody but the tracer can let it end: at once, not after the capture."""
	for n in range(12):
		target = Target(program, mib=12, threads=8)
		if what != "kill":
			target.process.stdin.write(what + "\n")	# it reads that when it goes on, or just before
		child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "--mode", "fork", "-o", tmp_path / f"{n}"],
			stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(None))
		while not target.children() and child.poll() is None:
			pass
		if child.poll() is None:
			os.kill(child.pid, signal.SIGSTOP)
		if what == "kill":
			target.process.kill()
		else:
			target.process.stdin.flush()
		if what == "exec":
			wait_until(lambda: pathlib.Path(f"/proc/{target.pid}/comm").read_text() == "sleep\n")
		else:
			assert target.process.wait(120) == (0 if what == "quit" else -signal.SIGKILL)
		if child.poll() is None:
			os.kill(child.pid, signal.SIGCONT)
		_, err = child.communicate(timeout=120)
		assert (child.returncode == 0 and not err) if what != "kill" else child.returncode in (0, 5), err
		target.process.kill()
		target.process.communicate()


@pytest.mark.parametrize("what", ["fork", "exec", "exit"])
def test_target_goes_on_with_its_life(program, tmp_path, what):
	target = Target(program, mib=24, threads=8)
	expected = target.ask("sum")
	child = begun(target, "fork")
	if what == "fork":
		assert target.ask("fork") == "7"
	elif what == "exec":
		assert target.ask("exec") == "now"
		wait_until(lambda: pathlib.Path(f"/proc/{target.pid}/comm").read_text() == "sleep\n")
	else:
		target.process.stdin.write("quit\n")
		target.process.stdin.flush()
		assert target.process.wait(120) == 0
	assert finish(child, tmp_path / "x.core.zst") == 0	# the copy is what it was
	assert heap_sum(Core(unpacked(tmp_path / "x.core.zst")), target) == expected
	if what != "exit":
		wait_until(lambda: not target.children() and not keepers_of(target.pid))
		assert target.state() == "S" and target.tracer() == 0
	target.process.kill()
	target.process.communicate()


def test_target_is_killed_while_it_stands(program, tmp_path):
	target = Target(program, mib=64, threads=8)
	child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "--mode", "stop", "-o", tmp_path / "x.core.zst"],
		stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(None))
	wait_until(lambda: target.tracer() or child.poll() is not None)
	os.kill(child.pid, signal.SIGSTOP)
	os.kill(target.pid, signal.SIGKILL)
	os.kill(child.pid, signal.SIGCONT)
	assert child.wait(120) == 5
	assert target.process.wait(120) == -signal.SIGKILL
	assert not (tmp_path / "x.core.zst").exists()


def test_file_limit(target, tmp_path):
	run = subprocess.run([HEAPFX, "capture", str(target.pid), "--pack", "none", "-o", tmp_path / "x"],
		preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)), restore_signals=False,
		capture_output=True, text=True, env=environment(None))
	assert run.returncode == 5 and "File too large" in run.stderr
	assert not list(tmp_path.iterdir())
	target.is_well()


def test_full_disk(target, tmp_path):
	disk = tmp_path / "full"
	disk.mkdir()
	mount = f"mount -t tmpfs -o size=512k none {disk}"
	if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
		pytest.skip("mounting a small disk is not allowed here")
	subprocess.run(["unshare", "-m", "sh", "-c", f"{mount} &&"
		f" {{ {HEAPFX} capture {target.pid} -o {disk}/x.core.zst;"
		f" echo $? >{tmp_path}/status; ls {disk} >{tmp_path}/left; }}"],
		check=True, capture_output=True, env=environment(None))
	assert (tmp_path / "status").read_text() == "5\n" and not (tmp_path / "left").read_text()
	target.is_well()


@pytest.mark.parametrize("mode", ["auto", *MODES])
def test_stopped_stays_stopped(target, tmp_path, mode):
	target.stop()
	run = capture(target, tmp_path / "x.core.zst", "--mode", mode)
	assert target.state() == "T" and not target.children()
	if mode == "auto":
		assert "it is stopped already" in run.out
	os.kill(target.pid, signal.SIGCONT)
	target.is_well()


def test_traced_already(target, tmp_path):
	gdb = shutil.which("gdb")
	other = subprocess.Popen([gdb, "-batch", "-nx", "-p", str(target.pid), "-ex", "shell sleep 100"],
		stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
	wait_until(lambda: target.tracer() == other.pid)
	run = capture(target, tmp_path / "x", status=5)
	assert f"traced by process {other.pid}" in run.err and not list(tmp_path.iterdir())
	os.killpg(other.pid, signal.SIGKILL)
	other.wait()


def test_metadata_of_another_core_stays(target, tmp_path):
	"""Nor is a core left that has none: the name is looked at before the process is held."""
	capture(target, tmp_path / "x.core")
	(tmp_path / "x.core").unlink()
	before = (tmp_path / "x.json").read_bytes()
	said = capture(target, tmp_path / "x.core", status=5).err
	assert "x.json: File exists" in said
	assert [p.name for p in tmp_path.iterdir()] == ["x.json"] and (tmp_path / "x.json").read_bytes() == before
	target.is_well()


def test_names(target, tmp_path):
	"""Nothing is written over, no link is followed, and a directory gives a name of its own."""
	(tmp_path / "x").write_text("mine")
	assert "File exists" in capture(target, tmp_path / "x", status=5).err
	assert (tmp_path / "x").read_text() == "mine"
	(tmp_path / "other").mkdir()
	(tmp_path / "link").symlink_to("other")
	capture(target, tmp_path / "link" / "x", status=5)
	(tmp_path / "other/y.partial").symlink_to("victim")
	capture(target, tmp_path / "other/y", status=5)
	assert not (tmp_path / "other/victim").exists()
	(tmp_path / "dir").mkdir()
	capture(target, tmp_path / "dir")
	names = sorted(path.name for path in (tmp_path / "dir").iterdir())
	assert len(names) == 2 and names[0].startswith("heapfx-20") and f"-pulse-{target.pid}." in names[0]
	assert names[0].endswith(".core.zst") and names[1] == names[0].removesuffix(".core.zst") + ".json"


@pytest.mark.parametrize("argument, status", [("0", 2), ("x", 2), ("-5", 2), ("999999999", 5)])
def test_no_such_process(tmp_path, argument, status):
	run = heapfx("capture", "-o", tmp_path / "x", "--", argument)
	assert run.status == status and run.err and not list(tmp_path.iterdir())


# --- what it may, while it packs -------------------------------------------------------------------

TRACE, FILES = 1 << 19, 1 << 1


def rights(pid):
	"""(capabilities, cannot gain any, seccomp's mode)"""
	rows = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
	assert int(rows["CapPrm"], 16) == int(rows["CapEff"], 16)
	return int(rows["CapEff"], 16), int(rows["NoNewPrivs"]), int(rows["Seccomp"])


@pytest.mark.parametrize("mode", ["fork", "stop"])
def test_rights_are_given_up(program, mode):
	target = Target(program, mib=24)
	child = subprocess.Popen([HEAPFX, "capture", str(target.pid), "--mode", mode, "-o", "-"],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(None))
	child.stdout.read(1)		# it packs, and then waits for us
	root = os.geteuid() == 0
	assert rights(child.pid) == (FILES if root else 0, 1, 2)
	if mode == "fork":
		keeper, = set(keepers_of(target.pid)) - {child.pid}
		assert rights(keeper)[:2] == (TRACE | FILES if root else 0, 1)
	child.stdout.read()
	assert child.wait(120) == 0
	target.is_well()
	target.process.kill()
	target.process.communicate()


def test_the_kernels_handler_gives_up_rights(tmp_path):
	child = subprocess.Popen([HEAPFX, "capture", "-", "-o", tmp_path], stdin=subprocess.PIPE,
		stderr=subprocess.DEVNULL, env=environment(None))
	child.stdin.write(b"x" * (9 * MIB))
	assert rights(child.pid) == (FILES if os.geteuid() == 0 else 0, 1, 2)
	child.stdin.close()
	assert child.wait(120) == 0


@pytest.mark.parametrize("who, caps, works", [("root", "+sys_ptrace", True), ("root", "", False),
	("nobody", None, True), ("nobody", "+sys_ptrace,+dac_override", True), ("nobody", "+sys_ptrace", False), ("nobody", "", False)])
def test_rights_that_it_takes(program, tmp_path, who, caps, works):
	"""What docs/pipeline.md and the manifests say: as root with these capabilities, or as the same user."""
	if os.geteuid() or not shutil.which("setpriv"):
		pytest.skip("setpriv, as root")
	os.chmod(tmp_path, 0o755)
	for folder in itertools.takewhile(lambda folder: not folder.stat().st_mode & stat.S_ISVTX, program.parents):
		folder.chmod(0o755)	# all below /tmp
	target = Target(program, mib=1, threads=2, user=None if who == "root" else who)
	bounds = "-all" + (f",{caps}" if caps else "")
	way = ["setpriv", "--bounding-set", bounds, "--inh-caps", bounds] if caps is not None else []
	(tmp_path / "out").mkdir()
	shutil.chown(tmp_path / "out", who if caps is None else "root")
	run = subprocess.run([*way, HEAPFX, "capture", str(target.pid), "-o", tmp_path / "out/x.core.zst"],
		capture_output=True, text=True, env=environment(None), user=who if caps is None else None)
	yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
	if caps is None and yama.exists() and yama.read_text().strip() != "0":
		works = False
	assert (run.returncode == 0) == works, run.stderr
	if works:
		assert heap_sum(Core(unpacked(tmp_path / "out/x.core.zst")), target) == target.ask("sum")
		target.is_well()
	target.process.kill()
	target.process.communicate()


def test_walls(tmp_path):
	"""What confine() leaves to a process: lib/capture/confine.c, asked from within."""
	(tmp_path / "mine").mkdir()
	subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-I", ROOT / "lib", "-o", tmp_path / "walls",
		ROOT / "tests/live/walls.c", ROOT / "lib/capture/confine.c"], check=True)
	run = subprocess.run([tmp_path / "walls", tmp_path / "mine", tmp_path], capture_output=True, text=True)
	told = dict(line.split() for line in run.stdout.splitlines())
	if told.pop("landlock") == "0":
		pytest.skip("the kernel has no Landlock")
	assert told == {"write-mine": "ok", "rename-mine": "ok", "write-other": "EACCES", "unlink-other": "EACCES",
		"read-other": "ok", "exec": "EPERM", "socket": "EPERM", "ptrace": "EPERM", "peek": "EPERM",
		"setns": "EPERM", "bpf": "EPERM", "detach": "ESRCH"}


# --- a core that the kernel pipes to us ----------------------------------------------------------

def piped(tmp_path, target, *options):
	(tmp_path / "out").mkdir()
	return subprocess.Popen([HEAPFX, "capture", "-", "--pid", str(target.pid), "-o", tmp_path / "out",
		*options], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(None))


def test_core_from_a_pipe(target, tmp_path):
	target.stop()
	capture(target, tmp_path / "x", "--pack", "none", "--mode", "stop")
	child = piped(tmp_path, target)
	child.communicate((tmp_path / "x").read_bytes())
	assert child.returncode == 0
	core, = (tmp_path / "out").glob("heapfx-20*-pulse-*.core.zst")
	assert unpacked(core).read_bytes() == (tmp_path / "x").read_bytes()
	meta = metadata(core)
	assert meta["mode"] == "kernel" and meta["pid"] == target.pid and meta["command"] == "pulse"
	assert meta["truncated"] is False and meta["stored_bytes"] == core.stat().st_size


def test_core_from_a_pipe_that_ends_early(target, tmp_path):
	target.stop()
	capture(target, tmp_path / "x", "--pack", "none", "--mode", "stop")
	child = piped(tmp_path, target)
	child.communicate((tmp_path / "x").read_bytes()[:-5000])
	assert child.returncode == 0
	core, = (tmp_path / "out").glob("*.core.zst")
	assert metadata(core)["truncated"] is True


def test_core_from_a_pipe_that_falls_silent(target, tmp_path):
	target.stop()
	capture(target, tmp_path / "x", "--pack", "none", "--mode", "stop")
	child = piped(tmp_path, target, "--timeout", "5") # of a loaded machine a write may wait for a second
	child.stdin.write((tmp_path / "x").read_bytes()[:9 * MIB])
	child.stdin.flush()
	assert child.wait(120) == 5 and b"timed out" in child.stderr.read()
	partial, = (tmp_path / "out").iterdir()
	assert partial.name.endswith(".core.zst.partial")
	plain = subprocess.run(["zstd", "-dc", partial], capture_output=True, check=True).stdout
	assert plain == (tmp_path / "x").read_bytes()[:9 * MIB]


def test_kernel_calls_it(tmp_path):
	"""The handler as kernel.core_pattern runs it; put back however it ends."""
	pattern = pathlib.Path("/proc/sys/kernel/core_pattern")
	if os.environ.get("HEAPFX_MAY_SET_CORE_PATTERN") != "1":
		pytest.skip("it is for the whole machine: HEAPFX_MAY_SET_CORE_PATTERN=1 allows it")
	before = pattern.read_text()
	line = f"|{os.path.realpath(HEAPFX)} capture - --pid %P -o {tmp_path}"
	if len(line) > 127:
		pytest.skip("the paths are too long for kernel.core_pattern")
	try:
		pattern.write_text(line)
		victim = subprocess.Popen(["sleep", "100"], preexec_fn=lambda: resource.setrlimit(
			resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
		wait_until(lambda: pathlib.Path(f"/proc/{victim.pid}/comm").read_text() == "sleep\n")
		victim.send_signal(signal.SIGSEGV)
		assert victim.wait(120) == -signal.SIGSEGV
	finally:
		pattern.write_text(before)
	wait_until(lambda: list(tmp_path.glob("*.json")))
	core, = tmp_path.glob(f"heapfx-20*-sleep-{victim.pid}.core.zst")
	assert metadata(core)["truncated"] is False
	info = json.loads(heapfx_ok("info", core, "--format", "json").out)["input"]
	assert info["made_by"] == "kernel" and info["pid"] == victim.pid and info["complete"]


def test_it_compiles_for_aarch64(tmp_path):
	"""All that is there of that processor's registers and calls. It is not run: qemu-user has no ptrace()."""
	if not shutil.which("aarch64-linux-gnu-gcc"):
		pytest.skip("aarch64-linux-gnu-gcc is not there")
	subprocess.run(["aarch64-linux-gnu-gcc", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror",
		"-Wno-missing-field-initializers", "-D_GNU_SOURCE", f"-I{ROOT}/lib", "-idirafter", "/usr/include",
		"-c", *ROOT.glob("lib/capture/*.c")], check=True, cwd=tmp_path)
