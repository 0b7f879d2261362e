"""systemd_core.py - has systemd-coredump write the core of a process, as the kernel would have it do.

The kernel's part is played here, for core_pattern belongs to the whole machine: the process dies
under ptrace, which holds it when its core is written and /proc still tells of it; then the
handler gets the core on its standard input and the kernel's arguments, and what it sends to its
socket goes to a second one, as systemd's socket unit has it.  Nothing of the machine is changed.

ROOT, a Debian tree with the package systemd-coredump, is / or $HEAPFX_SYSTEMD_ROOT.
"""
import ctypes
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import time

HANDLER = "/lib/systemd/systemd-coredump"
PTRACE_CONT, PTRACE_SEIZE = 7, 0x4206
PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT = 0x40, 6
NO_LIMIT = "9223372036854775808"	# as in its sysctl.d/50-coredump.conf


class NoSystemd(Exception):
	"""The handler cannot be had here; the message says why."""


def root():
	tree = pathlib.Path(os.environ.get("HEAPFX_SYSTEMD_ROOT", "/"))
	if not (tree / HANDLER[1:]).exists():
		raise NoSystemd(f"no {HANDLER} in {tree} (package systemd-coredump; $HEAPFX_SYSTEMD_ROOT)")
	if os.geteuid():
		raise NoSystemd("only root may run systemd-coredump")
	return tree


def ptrace(request, pid, data):
	libc = ctypes.CDLL(None, use_errno=True)
	libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
	if libc.ptrace(request, pid, None, data):
		raise OSError(ctypes.get_errno(), "ptrace")


def die_but_stay(pid):
	"""Kills it with SIGABRT; returns when its core is written and it has not yet gone."""
	ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT)
	os.kill(pid, signal.SIGABRT)
	while True:
		_pid, status = os.waitpid(pid, 0)
		if not os.WIFSTOPPED(status):
			raise RuntimeError(f"{pid} ended with status {status:#x}")
		if status >> 16 == PTRACE_EVENT_EXIT:
			return
		ptrace(PTRACE_CONT, pid, os.WSTOPSIG(status))


def run_in(tree, *argv, **kwargs):
	"""Starts it in the tree, with a /proc that only it sees."""
	if tree == pathlib.Path("/"):
		return subprocess.Popen(argv, **kwargs)
	script = f'mount -t proc proc "{tree}/proc" && exec chroot "{tree}" "$@"'
	return subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", *argv], **kwargs)


def serve(tree, listener):
	"""The socket unit's part: a handler of its own for the connection, as descriptor 3."""
	connection, _address = listener.accept()
	with connection:
		script = 'exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" </dev/null'
		return run_in(tree, "sh", "-c", script, "sh", HANDLER, stdin=connection).wait()


def store(tree, pid, core):
	"""Both halves of systemd-coredump; returns the file that it wrote."""
	where = tree / "var/lib/systemd/coredump"
	before = set(where.glob("core.*"))
	at = tree / "run/systemd/coredump"
	at.parent.mkdir(parents=True, exist_ok=True)
	if at.exists():
		raise NoSystemd(f"{at} is in use")
	arguments = [pid, 0, 0, int(signal.SIGABRT), int(time.time()), NO_LIMIT, platform.node(), 1]
	with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, open(core, "rb") as stdin:
		listener.bind(str(at))
		try:
			listener.listen()
			listener.settimeout(30)
			handler = run_in(tree, HANDLER, *map(str, arguments), stdin=stdin)
			serve(tree, listener)
			handler.wait()
		finally:
			at.unlink()
	made = set(where.glob("core.*")) - before
	if len(made) != 1:
		raise NoSystemd(f"{HANDLER} wrote {len(made)} files in {where}")
	return made.pop()


def dump(child, core, cwd, pattern, stored):
	"""Leaves the core of a subprocess.Popen at `core`, and what was stored in the folder `stored`."""
	tree = root()
	die_but_stay(child.pid)
	try:
		written, = cwd.glob(pattern)
		made = store(tree, child.pid, written)
	finally:
		ptrace(PTRACE_CONT, child.pid, 0)
		child.wait()
	shutil.move(written, core)
	shutil.rmtree(stored, ignore_errors=True)
	stored.mkdir()
	shutil.move(made, stored)
