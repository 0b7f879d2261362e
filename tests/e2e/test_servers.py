"""Real servers under load, held to what they say of themselves: redis's million keys, memcached's slabs."""
import contextlib
import json
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

import make_cores
from common import heapfx_ok

KEYS = 1_000_000
MIXED = 131_000	# a little less than a power of two: some more, and the table is resized
MORE = 4_000
ITEMS = 30_000
CLIENTS = 8


@pytest.fixture(name="folder", scope="module")
def make_folder():
	path = pathlib.Path(tempfile.mkdtemp(prefix="heapfx-servers-"))
	yield path
	shutil.rmtree(path)


@contextlib.contextmanager
def running(folder, *argv):
	"""A server on a socket of its own."""
	try:
		make_cores.need(argv[0], "gdb")
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))
	sock = folder / f"{pathlib.Path(argv[0]).name}.sock"
	with open(folder / f"{argv[0]}.log", "wb") as log, subprocess.Popen(
			[str(word).format(sock=sock) for word in argv], stdout=log, stderr=log, cwd=folder,
			env={"PATH": "/usr/sbin:/usr/bin:/bin"}) as child:
		try:
			deadline = time.monotonic() + 60
			while not sock.exists():
				assert child.poll() is None and time.monotonic() < deadline, (folder / f"{argv[0]}.log").read_text()
				time.sleep(0.05)
			yield child, sock
		finally:
			child.kill()


def gcore(child, core):
	subprocess.run(["gdb", "-batch", "-nx", "-p", str(child.pid), "-ex", "set debuginfod enabled off", "-ex",
		f"gcore {core}"], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"})
	assert core.exists()


# --- redis ------------------------------------------------------------------------------------

def ask(sock, *words):
	return subprocess.run(["redis-cli", "-s", str(sock), *map(str, words)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(name="redis", scope="module")
def dump_redis(folder):
	"""(core, DBSIZE, INFO memory), dumped while clients read."""
	with running(folder, "redis-server", "--port", "0", "--unixsocket", "{sock}", "--save", "", "--enable-debug-command",
			"yes") as (child, sock):
		assert ask(sock, "debug", "populate", KEYS, "session", 24).strip() == "OK"
		info = dict(line.split(":", 1) for line in ask(sock, "info", "memory").splitlines() if ":" in line)
		core = folder / "redis.core"
		with subprocess.Popen(["redis-benchmark", "-s", str(sock), "-c", str(CLIENTS), "-n", "100000000", "-t", "get,ping", "-r", "10000",
				"-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load:
			try:
				time.sleep(0.5)
				gcore(child, core)
			finally:
				load.kill()
		size = int(ask(sock, "dbsize"))
	yield core, size, info
	core.unlink()


@pytest.fixture(name="redis_report", scope="module")
def analyze_redis(redis):
	return json.loads(heapfx_ok("analyze", redis[0], "--format", "json", timeout=120).out)


def test_every_key_of_redis_is_counted(redis, redis_report):
	"""With no debug information: the collection that the server holds is its keys, to the last one."""
	_core, size, _info = redis
	assert size == KEYS
	suspect = redis_report["suspects"][0]
	assert suspect["rule"] == "growth/accumulation"
	assert suspect["count"] == size
	assert suspect["retained"] > 0.9 * redis_report["heaps"][0]["used"]["bytes"]
	assert suspect["chain"]["root"]["symbol"].startswith("server")


def test_memory_of_redis_is_what_it_says(redis, redis_report):
	"""What the allocator has given out, clients' buffers of that moment apart."""
	_core, _size, info = redis
	heap, = redis_report["heaps"]
	assert heap["allocator"] == "jemalloc"
	used, allocated = heap["used"]["bytes"], int(info["allocator_allocated"])
	assert abs(used - allocated) < 0.01 * allocated
	assert int(info["used_memory"]) * 0.99 < used
	assert heap["checks"]["failed"] == 0


def test_strings_of_redis_are_held(redis_report):
	"""Its keys are strings of sds: the pointers lead behind a header. What is left are libraries' own (ld.so's dtv, a tree of libc's)."""
	reach = redis_report["reachability"]
	assert reach["possibly-lost"]["count"] < 100
	assert reach["definitely-lost"]["count"] == reach["indirectly-lost"]["count"] == 0
	assert reach["reachable"]["count"] > 3 * KEYS


def test_keys_of_redis_by_sql(redis):
	"""An entry, a key and a value for each."""
	core, size, _info = redis
	rows = json.loads(heapfx_ok("sql", core, "select size, count(*) as n from blocks where state = 'used' group by size "
		"having n > 100000", "--format", "json", timeout=120).out)
	assert 3 * size <= sum(row["n"] for row in rows) < 3.05 * size


def mixed_data(first, n):
	"""Strings, numbers, hashes, lists, sets and sorted sets: one key a command. Values are as large as entries, too."""
	seeded = random.Random(first)
	for i in range(first, first + n):
		kind, parts = seeded.random(), range(seeded.randrange(1, 12))
		if kind < 0.6:
			yield f"SET user:{i}:name {'x' * seeded.choice([1, 5, 12, 20, 24, 30, 44, 60, 100, 200])}"
		elif kind < 0.65:
			yield f"SET counter:{i} {seeded.randrange(1 << 40)}"
		elif kind < 0.7:
			yield f"SET session:{i} {'y' * seeded.randrange(8, 60)} EX 86400"
		elif kind < 0.78:
			yield f"HSET h:{i} " + " ".join(f"f{k} {'v' * seeded.randrange(1, 30)}" for k in parts)
		elif kind < 0.8:	# of more than 64 bytes: a table of its own
			yield f"HSET hb:{i} " + " ".join(f"f{k} {'v' * seeded.randrange(70, 90)}" for k in parts)
		elif kind < 0.88:
			yield f"RPUSH l:{i} " + " ".join("e" * seeded.randrange(1, 20) for _ in parts)
		elif kind < 0.94:
			yield f"SADD s:{i} " + " ".join(f"m{seeded.randrange(10000)}" for _ in parts)
		else:
			yield f"ZADD z:{i} " + " ".join(f"{seeded.randrange(1000)} m{k}" for k in parts)


def fill_redis(sock, commands):
	subprocess.run(["redis-cli", "-s", str(sock), "--pipe"], input="".join(f"{line}\r\n" for line in commands).encode(),
		capture_output=True, check=True, timeout=120)


@pytest.fixture(name="mixed", scope="module")
def dump_mixed(folder):
	"""{name: (core, DBSIZE)}: at rest, and while its entries move into a table twice as large."""
	cores = {name: folder / f"mixed.{name}.core" for name in ("rest", "resized")}
	with running(folder, "redis-server", "--port", "0", "--unixsocket", "{sock}", "--save", "", "--enable-debug-command", "yes",
			"--activerehashing", "no", "--rdb-key-save-delay", "10000000") as (child, sock):
		fill_redis(sock, mixed_data(0, MIXED))
		gcore(child, cores["rest"])
		found = {"rest": (cores["rest"], int(ask(sock, "dbsize")))}
		fill_redis(sock, [*mixed_data(MIXED, MORE), "BGSAVE"])	# a server that saves moves no entries
		assert "rehashing target" in ask(sock, "debug", "htstats", 0)
		gcore(child, cores["resized"])
		found["resized"] = (cores["resized"], int(ask(sock, "dbsize")))
		subprocess.run(["redis-cli", "-s", str(sock), "shutdown", "nosave"], capture_output=True, check=False)	# and its child
	yield found
	for core in cores.values():
		core.unlink()


@pytest.mark.parametrize("name, size", [("rest", MIXED), ("resized", MIXED + MORE)])
def test_keys_of_mixed_data_are_counted(mixed, name, size):
	"""Its entries, and not what they lead to: with values and parts of them there are three times as many blocks of their size."""
	core, said = mixed[name]
	assert said == size
	report = json.loads(heapfx_ok("analyze", core, "--format", "json", timeout=120).out)
	suspect = report["suspects"][0]
	assert suspect["title"] == f"{size:,} table entries in server"
	assert suspect["count"] == size and suspect["retained"] > 0.8 * report["heaps"][0]["used"]["bytes"]
	assert len([row for row in suspect["evidence"] if row["what"] in ("counted along", "and along")]) == (2 if name == "resized" else 1)


# --- memcached --------------------------------------------------------------------------------

def stats(stream, what=b""):
	stream.write(b"stats" + what + b"\r\n")
	stream.flush()
	found = {}
	for line in stream:
		words = line.decode("ascii").split()
		if words == ["END"]:
			return found
		found[words[1]] = words[2]
	return found


def fill_memcached(sock):
	seeded = random.Random(1)
	with socket.socket(socket.AF_UNIX) as client:
		client.connect(str(sock))
		with client.makefile("rwb") as stream:
			for i in range(ITEMS):
				value = b"v" * seeded.choice([10, 100, 500, 3000 if i % 20 == 0 else 50])
				stream.write(b"set key%d 0 0 %d noreply\r\n%s\r\n" % (i, len(value), value))
			for i in range(0, ITEMS, 7):
				stream.write(b"delete key%d noreply\r\n" % i)
			return stats(stream, b" slabs"), stats(stream)


def test_slabs_of_memcached_are_what_it_says(folder):
	core = folder / "memcached.core"
	with running(folder, "memcached", "-u", "root", "-s", "{sock}", "-m", "64") as (child, sock):
		slabs, said = fill_memcached(sock)
		gcore(child, core)
	pools = {pool["name"]: pool for pool in json.loads(heapfx_ok("analyze", core, "--format", "json").out)["pools"]["list"]}
	core.unlink()
	classes = {key.split(":")[0] for key in slabs if key.endswith(":chunk_size")}
	assert len(classes) >= 5 and len(pools) == len(classes)
	for no in classes:
		of = {key.split(":")[1]: int(value) for key, value in slabs.items() if key.startswith(f"{no}:")}
		pool = pools[str(of["chunk_size"])]
		assert pool["kind"] == "memcached slabs" and pool["agrees"]
		assert pool["blocks"] == of["total_pages"]
		assert pool["bytes"] == of["total_chunks"] * of["chunk_size"]
		assert pool["free"] == of["free_chunks"] * of["chunk_size"]
		assert pool["contents"] == [{"name": "chunks", "count": of["used_chunks"], "bytes": of["used_chunks"] * of["chunk_size"]}]
	assert sum(pool["contents"][0]["count"] for pool in pools.values()) == int(said["curr_items"])
