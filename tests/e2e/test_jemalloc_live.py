"""jemalloc in processes that live: redis with its keys counted, and dumps taken inside the allocator."""
import json
import pathlib
import shutil
import subprocess
import time

import pytest

from common import heapfx_ok, make_cores

KEYS = 1000000


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
	"""(the report, DBSIZE, what redis said of its memory)"""
	folder = tmp_path_factory.mktemp("redis")
	try:
		make_cores.need("redis-check-rdb", "redis-cli", "gdb")
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))
	socket, core = folder / "socket", folder / "redis.core"

	def cli(*words):
		return subprocess.run(["redis-cli", "-s", socket, *map(str, words)], capture_output=True, text=True,
			check=False).stdout.strip()

	# One program that looks at its name; Debian's redis-tools has it, without a service that starts.
	with subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder,
			"--enable-debug-command", "local"], executable=shutil.which("redis-check-rdb"),
			stdout=subprocess.DEVNULL) as server:
		try:
			deadline = time.monotonic() + 30
			while cli("ping") != "PONG" and time.monotonic() < deadline:
				time.sleep(0.05)
			cli("debug", "populate", KEYS, "key", 24)
			keys = int(cli("dbsize"))
			said = dict(line.split(":", 1) for line in cli("info", "memory").splitlines() if ":" in line)
			if not said["mem_allocator"].startswith("jemalloc"):
				pytest.skip(f"this redis runs on {said['mem_allocator']}")
			subprocess.run(["gdb", "-batch", "-nx", "-p", str(server.pid), "-ex", "set debuginfod enabled off",
				"-ex", f"gcore {core}"], capture_output=True, check=True)
		finally:
			server.kill()
	report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
	core.unlink()
	return report, keys, said


def test_allocated_is_what_redis_says(redis):
	report, _keys, said = redis
	heap, = [h for h in report["heaps"] if h["allocator"] == "jemalloc"]
	cached = heap["free"]["by_where"]["tcache"]["bytes"]
	# It allocates a little to say so; its threads' caches are jemalloc's own blocks.
	assert abs(heap["used"]["bytes"] + cached - int(said["allocator_allocated"])) < 1 << 18
	assert heap["checks"]["failed"] == 0


def test_the_keys_are_counted(redis):
	"""Whoever holds nearly all of the memory holds as many like blocks as there are keys."""
	report, keys, _said = redis
	assert keys == KEYS
	suspect = report["suspects"][0]
	assert suspect["rule"] == "growth/accumulation"
	assert abs(suspect["count"] - keys) <= keys // 10000
	assert suspect["chain"]["root"]["kind"] == "global"
	assert suspect["retained"] > 0.9 * report["heaps"][0]["used"]["bytes"]


LIBRARY = pathlib.Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")	# redis-tools needs it


def test_a_dump_taken_inside_the_allocator_is_no_damage(tmp_path):
	"""Threads that allocate all the time: what an operation left half done is called that."""
	try:
		make_cores.need("gcc", "gdb")
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))
	if not LIBRARY.exists():
		pytest.skip(f"no {LIBRARY}")
	program = tmp_path / "busy"
	make_cores.run_tool("gcc", "-O1", "-pthread", "-o", program, make_cores.SRC / "busy.c")
	for i in range(3):
		core = tmp_path / f"{i}.core"
		with subprocess.Popen([program], env={"LD_PRELOAD": str(LIBRARY)}, stdout=subprocess.PIPE) as busy:
			try:
				busy.stdout.readline()
				time.sleep(0.1 + 0.07 * i)
				make_cores.run_tool("gdb", "-batch", "-nx", "-p", busy.pid, "-ex", "set debuginfod enabled off",
					"-ex", f"gcore {core}")
			finally:
				busy.kill()
		report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
		heap, = [h for h in report["heaps"] if h["allocator"] == "jemalloc"]
		assert heap["checks"]["failed"] == 0 and heap["used"]["count"] > 100
		assert not [p for p in report["input"]["problems"] if p["code"] == "heap/corrupt"]
		core.unlink()
