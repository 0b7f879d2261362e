"""Profiles without their readers: a decoder of pprof's format, by its public description, and `go tool pprof`."""
import contextlib
import gzip
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest


def varint(data, at):
	value = shift = 0
	while True:
		byte = data[at]
		value |= (byte & 0x7f) << shift
		at, shift = at + 1, shift + 7
		if byte < 0x80:
			return value, at


def fields(data):
	"""(number, value) of a message: integers, or bytes of what has a length."""
	at = 0
	while at < len(data):
		key, at = varint(data, at)
		if key & 7 == 0:
			value, at = varint(data, at)
		elif key & 7 == 2:
			size, at = varint(data, at)
			value, at = data[at:at + size], at + size
			assert len(value) == size
		else:
			raise ValueError(f"wire type {key & 7}")
		yield key >> 3, value


def message(data):
	found = {}
	for number, value in fields(data):
		found.setdefault(number, []).append(value)
	return found


def integers(values):
	"""A repeated integer, packed or not; negative ones are of 64 bits."""
	found = []
	for value in values:
		at = 0
		while isinstance(value, bytes) and at < len(value):
			one, at = varint(value, at)
			found.append(one)
		if not isinstance(value, bytes):
			found.append(value)
	return [v - (1 << 64) if v >> 63 else v for v in found]


class Profile:
	"""samples: [(names from the root on, {type: value}, {label: value})]"""

	def __init__(self, path):
		top = message(gzip.decompress(path.read_bytes()))
		self.strings = [s.decode("utf-8") for s in top[6]]
		assert self.strings[0] == "" and len(set(self.strings)) == len(self.strings)
		self.types = [self.string(message(t)[1]) for t in top[1]]
		self.units = [self.string(message(t)[2]) for t in top[1]]
		self.default = self.string(top.get(14, [0]))
		self.comments = [self.strings[i] for i in integers(top.get(13, []))]
		self.period = top.get(12, [0])[0]
		functions = {m[1][0]: self.string(m[2]) for m in map(message, top.get(5, []))}
		self.locations, self.addresses = {}, {}
		for m in map(message, top.get(4, [])):
			self.addresses[m[1][0]] = m.get(3, [0])[0]
			lines = [message(line) for line in m.get(4, [])]
			self.locations[m[1][0]] = [(functions[line[1][0]], line.get(2, [0])[0]) for line in lines]
		self.raw = [message(s) for s in top.get(2, [])]
		self.samples = [self.sample(m) for m in self.raw]

	def string(self, values):
		return self.strings[values[0]]

	def sample(self, m):
		names = [name for at in integers(m.get(1, [])) for name, _line in self.locations[at]]
		labels = {}
		for raw in m.get(3, []):
			label = message(raw)
			labels[self.string(label[1])] = (self.string(label[2]) if 2 in label
				else integers(label.get(3, [0]))[0])
		return tuple(names[::-1]), dict(zip(self.types, integers(m[2]))), labels

	def calls(self):
		"""(((function, line), ..) from the innermost, values, labels) of each sample."""
		for m, (_names, _values, labels) in zip(self.raw, self.samples):
			calls = tuple(call for at in integers(m.get(1, [])) for call in self.locations[at])
			yield calls, tuple(integers(m[2])), labels

	def total(self, kind, **labels):
		return sum(values[kind] for _names, values, own in self.samples
			if all(own.get(key) == value for key, value in labels.items()))


def go_tool():
	go = shutil.which("go") or "/usr/local/go/bin/go"
	if not os.access(go, os.X_OK):
		pytest.skip("go is not installed: no `go tool pprof`")
	return go


def go_environment(home):
	return dict(os.environ, PPROF_TMPDIR=home, GOTOOLCHAIN="local")


def go_tool_pprof(*args):
	"""What the real reader prints."""
	with tempfile.TemporaryDirectory() as home:
		run = subprocess.run([go_tool(), "tool", "pprof", *map(str, args)], capture_output=True, text=True, check=False,
			stdin=subprocess.DEVNULL, timeout=300, env=go_environment(home))
	assert run.returncode == 0, run.stderr
	return run.stdout


def answers(address):
	with socket.socket() as s:
		return s.connect_ex(address) == 0


@contextlib.contextmanager
def go_tool_pprof_server(path):
	"""host:port of the real reader's web pages."""
	with socket.socket() as s:
		s.bind(("127.0.0.1", 0))
		address = s.getsockname()
	name = "%s:%d" % address
	with tempfile.TemporaryDirectory() as home:
		# A session of its own: `go tool` has the server as its child.
		with subprocess.Popen([go_tool(), "tool", "pprof", "-no_browser", f"-http={name}", str(path)],
				stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
				start_new_session=True, env=go_environment(home)) as run:
			try:
				deadline = time.monotonic() + 60
				while not answers(address):
					assert run.poll() is None and time.monotonic() < deadline
					time.sleep(0.1)
				yield name
			finally:
				os.killpg(run.pid, signal.SIGKILL)
