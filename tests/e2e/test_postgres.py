"""A real PostgreSQL backend: its MemoryContexts are those that it logs itself, to the byte."""
import collections
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from common import heapfx_ok, make_cores

LOGGED = re.compile(r"level: (\d+); (.*?): (\d+) total in (\d+) blocks(?: \(\d+ chunks\))?; (\d+) free \(\d+ chunks\); "
	r"\d+ used(?:: (.*))?$")
# What it says in SQL of itself; the view's own plan and caches are there by the second time.
VIEW = "select level, name, total_bytes, total_nblocks, free_bytes, parent from pg_backend_memory_contexts"
# What serves the statement that asks, and goes with it or is filled by it.
PASSING = re.compile("MessageContext|Portal|ExecutorState|ExprContext|printtup|TransactionContext|ErrorContext|Table function|"
	"tuplestore|Tuplesort|SPI|RowDescription|CachedPlan")
GROWING = ("TopMemoryContext", "CacheMemoryContext")	# whatever is done
WORK = """
create temp table t(a int primary key, b text);
insert into t select i, repeat('x', i % 100) from generate_series(1, 2000) i;
prepare p as select * from t where a = $1;
execute p(5);
begin;
declare c cursor with hold for select * from t order by b;
fetch 3 from c;
\\echo done
"""


class Server:
	"""A server of its own, that nobody else can reach."""

	def __init__(self, folder):
		self.folder = folder
		self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
		self.log = folder / "log"

	def run(self, *argv):
		argv = [str(word) for word in argv]
		if not os.getuid():	# the server refuses to run as root
			argv = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *argv]
		return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=self.folder,
			env={"PATH": "/usr/bin:/bin"}).stdout

	def start(self):
		self.run(f"{self.bin}/initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "-N")
		self.run(f"{self.bin}/pg_ctl", "-D", self.folder / "data", "-w", "-l", self.log, "start", "-o",
			f"-k {self.folder} -c listen_addresses= -c shared_buffers=4MB -c max_connections=10")

	def stop(self):
		self.run(f"{self.bin}/pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")

	def psql(self, *more):
		return ["psql", "-h", str(self.folder), "-U", "postgres", "-d", "postgres", "-qAtX", *more]

	def logged(self, pid):
		"""What pg_log_backend_memory_contexts() wrote: (level, name, bytes, blocks, free) and idents."""
		self.run(*self.psql("-c", f"select pg_log_backend_memory_contexts({pid})"))
		deadline = time.monotonic() + 20
		while "Grand total" not in self.log.read_text() and time.monotonic() < deadline:
			time.sleep(0.05)
		found = [LOGGED.search(line) for line in self.log.read_text().splitlines() if f"[{pid}]" in line]
		rows = [m.groups() for m in found if m]
		return ([(int(r[0]), r[1], int(r[2]), int(r[3]), int(r[4])) for r in rows], {r[5] for r in rows if r[5]})


def wait_for(path, word):
	deadline = time.monotonic() + 20
	while word not in path.read_text() and time.monotonic() < deadline:
		time.sleep(0.05)
	return path.read_text().split()


@pytest.fixture(scope="module")
def backend():
	"""(its core, what it logged, the idents)"""
	try:
		make_cores.need("psql", "gdb", "setpriv", *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[-1:])
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))
	if not glob.glob("/usr/lib/postgresql/*/bin/initdb"):
		pytest.skip("no PostgreSQL server")
	folder = pathlib.Path(tempfile.mkdtemp(prefix="heapfx-pg-"))
	if not os.getuid():
		shutil.chown(folder, "postgres")
	server, out, core = Server(folder), folder / "out", folder / "core"
	try:
		server.start()
		with open(out, "w", encoding="ascii") as said, subprocess.Popen(server.psql(), stdin=subprocess.PIPE,
				stdout=said, stderr=said, text=True, env={"PATH": "/usr/bin:/bin"}) as client:
			try:
				client.stdin.write("select pg_backend_pid();\n" + WORK + f"{VIEW};\n" * 2 + "\\echo viewed\n")
				client.stdin.flush()
				pid = wait_for(out, "viewed")[0]
				rows, idents = server.logged(pid)
				subprocess.run(["gdb", "-batch", "-nx", "-p", pid, "-ex", "set debuginfod enabled off",
					"-ex", f"gcore {core}"], capture_output=True, check=True)
			finally:
				client.kill()
		yield core, rows, idents, out.read_text().split("done\n")[1].split("viewed\n")[0].splitlines()
	finally:
		try:
			server.stop()
		finally:
			shutil.rmtree(folder)


def pools_of(core, *more):
	return json.loads(heapfx_ok("analyze", core, "--format", "json", *more).out)["pools"]["list"]


def test_contexts_are_those_that_it_logs(backend):
	core, rows, _idents, _view = backend
	assert len(rows) > 80
	found = collections.Counter((p["path"].count("/"), p["name"], p["bytes"], p["blocks"], p["free"])
		for p in pools_of(core))
	assert found == collections.Counter(rows)


def test_contexts_are_those_of_its_own_view(backend):
	"""pg_backend_memory_contexts, of those that outlive the statement that reads it: parent, bytes, blocks, free bytes."""
	core, _rows, _idents, view = backend
	rows = [line.split("|") for line in view[len(view) // 2:]]
	said = collections.Counter((int(level), name, int(size), int(blocks), int(free), parent)
		for level, name, size, blocks, free, parent in rows if name not in GROWING and not PASSING.search(name) and not PASSING.search(parent))
	pools = pools_of(core)
	names = {pool["address"]: pool["name"] for pool in pools}
	found = collections.Counter((pool["path"].count("/"), pool["name"], pool["bytes"], pool["blocks"], pool["free"],
		names.get(pool.get("parent"), "")) for pool in pools)
	assert sum(said.values()) > 80
	assert sorted((said - found).elements()) == []


def test_contexts_are_found_without_a_symbol(backend):
	"""Nor the server's texts: by the one variable that points at a context above which there is none."""
	with_files, without = (sorted((p["address"], p.get("parent", ""), p["bytes"], p["blocks"], p["free"])
		for p in pools_of(backend[0], *more)) for more in ((), ("--no-host-files",)))
	assert with_files == without and len(without) > 80


def test_every_context_agrees_with_its_own_count(backend):
	core, _rows, _idents, _view = backend
	pools = pools_of(core)
	assert all(p["agrees"] for p in pools)
	by_address = {p["address"]: p for p in pools}
	for pool in pools:	# the tree
		if "parent" in pool:
			assert pool["path"] == f"{by_address[pool['parent']]['path']}/{pool['name']}"
		else:
			assert pool["path"] == "TopMemoryContext"


def test_queries_are_shown_when_asked_for_alone(backend):
	"""Identifiers are the program's data: names of indexes, texts of queries."""
	core, _rows, idents, _view = backend
	assert any("prepare p" in ident for ident in idents)
	plain = heapfx_ok("analyze", core, "--format", "json").out
	assert "prepare p as" not in plain
	shown = {p["ident"] for p in pools_of(core, "--strings", "preview") if "ident" in p}
	assert {ident for ident in idents if len(ident) < 100} <= shown


def test_blocks_are_called_by_their_context(backend):
	core, rows, _idents, _view = backend
	report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
	cache, = [r for r in rows if r[1] == "CacheMemoryContext"]
	named, = [t for t in report["types"] if t["name"] == "MemoryContext CacheMemoryContext"]
	assert named["count"] == cache[3]
	assert cache[2] <= named["bytes"] <= cache[2] + 4128 * cache[3]	# malloc's headers; whole pages
	largest = max((p for p in report["pools"]["list"] if p["name"] == "CacheMemoryContext"), key=lambda p: p["bytes"])
	said = heapfx_ok("explain", core, largest["address"]).out
	assert "MemoryContext TopMemoryContext/CacheMemoryContext at" in said


def test_what_its_own_view_has_besides_serves_the_statement_that_asks(backend):
	"""The view counts more contexts than the dump of the idle backend holds: its own statement's, and their children."""
	core, _rows, _idents, view = backend
	rows = [line.split("|") for line in view[len(view) // 2:]]
	pools = pools_of(core)
	names = {pool["address"]: pool["name"] for pool in pools}
	viewed = collections.Counter((int(row[0]), row[1], row[5]) for row in rows)
	found = collections.Counter((p["path"].count("/"), p["name"], names.get(p.get("parent"), "")) for p in pools)
	assert len(rows) > len(pools)
	assert [row for row in viewed - found if not PASSING.search(row[1]) and not PASSING.search(row[2])] == []
	assert not found - viewed


def test_a_blanked_dump_of_it_tells_the_same(backend, tmp_path):
	"""heapfx refuses to write one that does not: contexts of hash tables are called by a name that lies in the heap."""
	core, _rows, _idents, _view = backend
	heapfx_ok("shrink", core, "-o", tmp_path / "core.zst", timeout=300)
	assert {p["path"] for p in pools_of(tmp_path / "core.zst")} == {p["path"] for p in pools_of(core)}
