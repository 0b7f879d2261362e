"""systemd-oomd's word before it kills: a core is taken, then it is answered (oomd.conf(5), varlink)."""
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from common import HEAPFX, environment, heapfx
from test_capture import program	# noqa: F401
from test_watch import Cgroup, Watcher, target	# noqa: F401

NOTIFY = "io.systemd.oom.Prekill.Notify"


class Killer:
	"""What oomd does: connects, calls, waits for the answer."""

	def __init__(self, path):
		self.link = socket.socket(socket.AF_UNIX)
		self.link.settimeout(60)
		self.link.connect(str(path))
		self.rest = b""

	def send(self, message):
		self.link.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\0")

	def answer(self):
		while b"\0" not in self.rest:
			got = self.link.recv(4096)
			if not got:
				return None
			self.rest += got
		one, _, self.rest = self.rest.partition(b"\0")
		return json.loads(one)

	def call(self, method, **parameters):
		self.send({"method": method, "parameters": parameters})
		return self.answer()


@pytest.fixture
def listening(target, tmp_path):
	Cgroup(tmp_path / "root/shop.slice/shop.service", [target.pid]).use(93)
	made = []

	def start(*options):
		watcher = Watcher(tmp_path / "out", "--prekill", tmp_path / "hook", "--cgroup-root", tmp_path / "root",
			*options)
		made.append(watcher)
		return watcher
	yield start
	for watcher in made:
		with contextlib.suppress(OSError):
			watcher.process.kill()
		watcher.process.communicate()


def test_core_before_the_answer(listening, target, tmp_path):
	watcher = listening()
	assert stat.S_IMODE((tmp_path / "hook").stat().st_mode) == 0o600
	killer = Killer(tmp_path / "hook")
	assert killer.call(NOTIFY, cgroup="/shop.slice/shop.service") == {"parameters": {}}
	core, = watcher.cores()		# it is whole when the killer is let go
	os.kill(target.pid, signal.SIGKILL)
	subprocess.run(["zstd", "-tq", core], check=True)
	watcher.expect("prekill", "captured")
	assert watcher.last["percent"] == 93 and f"-{target.pid}." in watcher.last["what"]
	assert watcher.end() == [] and not (tmp_path / "hook").exists()


def test_number_of_captures_holds(listening, tmp_path):
	"""And no cool-down: another kill is another core."""
	watcher = listening("--max-dumps", 2)
	for _ in range(3):
		killer = Killer(tmp_path / "hook")
		assert killer.call(NOTIFY, cgroup="/shop.slice/shop.service") == {"parameters": {}}
	watcher.expect("prekill", "captured", "prekill", "captured", "prekill", "spent")
	assert len(watcher.cores()) == 2


def test_what_is_asked_wrongly(listening, tmp_path):
	watcher = listening()
	killer = Killer(tmp_path / "hook")
	for wrong in ({}, {"cgroup": 7}, {"cgroup": "shop"}, {"cgroup": "/../etc"}, {"cgroup": "/a/.."}):
		assert killer.call(NOTIFY, **wrong)["error"] == "org.varlink.service.InvalidParameter"
	assert killer.call("io.systemd.oom.Other")["error"] == "org.varlink.service.MethodNotFound"
	info = killer.call("org.varlink.service.GetInfo")["parameters"]
	assert info["product"] == "heapfx" and "io.systemd.oom.Prekill" in info["interfaces"]
	told = killer.call("org.varlink.service.GetInterfaceDescription", interface="io.systemd.oom.Prekill")
	assert "method Notify(cgroup: string) -> ()" in told["parameters"]["description"]
	assert killer.call("org.varlink.service.GetInterfaceDescription", interface="x")["error"] == \
		"org.varlink.service.InterfaceNotFound"
	# a cgroup that is not there: told, and the killer is not kept
	assert killer.call(NOTIFY, cgroup="/none.slice") == {"parameters": {}}
	watcher.expect("prekill", "nothing to capture")
	assert not watcher.cores()


@pytest.mark.parametrize("bytes_", [b"\0", b"{", b"[1]\0", b'{"method":7}\0', b"[" * 8191 + b"\0", b"x" * 9000,
	b'{"method":"' + b"m" * 300 + b'"}\0', b""])
def test_no_message_at_all(listening, tmp_path, bytes_):
	listening()
	bad = Killer(tmp_path / "hook")
	with contextlib.suppress(OSError):
		bad.send(bytes_)
	with contextlib.suppress(OSError):
		assert bad.answer() is None	# closed, after a second at most
	killer = Killer(tmp_path / "hook")
	assert killer.call(NOTIFY, cgroup="/shop.slice/shop.service") == {"parameters": {}}


def test_several_calls_at_once_and_one_way(listening, tmp_path):
	watcher = listening("--max-dumps", 1)
	killer = Killer(tmp_path / "hook")
	call = {"method": NOTIFY, "parameters": {"cgroup": "/shop.slice/shop.service"}}
	info = {"method": "org.varlink.service.GetInfo", "parameters": {}}
	data = b"".join(json.dumps(m).encode() + b"\0" for m in ({**call, "oneway": True}, info, call))
	killer.send(data[:50])
	time.sleep(0.05)
	killer.send(data[50:])
	assert killer.answer()["parameters"]["product"] == "heapfx"
	assert killer.answer() == {"parameters": {}}
	watcher.expect("prekill", "captured", "prekill", "spent")


def test_together_with_a_threshold(listening, target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	watcher = listening("--cgroup", group.path, "--max-dumps", 2)
	group.use(96)
	watcher.expect("threshold", "captured")
	assert Killer(tmp_path / "hook").call(NOTIFY, cgroup="/shop.slice/shop.service") == {"parameters": {}}
	assert len(watcher.cores()) == 2


def test_socket_that_systemd_passes(target, tmp_path):
	Cgroup(tmp_path / "root/a", [target.pid])
	(tmp_path / "out").mkdir()
	with socket.socket(socket.AF_UNIX) as listener:
		listener.bind(str(tmp_path / "passed"))
		listener.listen()
		passed = f'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&{listener.fileno()}'
		child = subprocess.Popen(["/bin/bash", "-c", passed, "sh", HEAPFX, "watch",
			"--prekill", "/nowhere/else", "--cgroup-root", tmp_path / "root", "-o", tmp_path / "out"],
			stdout=subprocess.PIPE, pass_fds=[listener.fileno()], env=environment(None))
	try:
		assert Killer(tmp_path / "passed").call(NOTIFY, cgroup="/a") == {"parameters": {}}
		assert len(list((tmp_path / "out").glob("*.core.zst"))) == 1
	finally:
		child.kill()
		child.communicate()


def test_sockets_of_others(tmp_path):
	"""One that is left is replaced; what is no socket, and one that is listened at, are not."""
	(tmp_path / "hook").write_text("a file")
	options = ("watch", "--prekill", tmp_path / "hook", "-o", tmp_path)
	assert heapfx(*options).status == 5 and (tmp_path / "hook").read_text() == "a file"
	(tmp_path / "hook").unlink()
	with socket.socket(socket.AF_UNIX) as listener:
		listener.bind(str(tmp_path / "hook"))
		listener.listen()
		assert heapfx(*options).status == 5
	Watcher(tmp_path / "out", "--prekill", tmp_path / "hook").end()
