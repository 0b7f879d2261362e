"""SQL over a dump: rows are the truth's and the other commands', bounds and indexes change nothing."""
import csv
import io
import json
import re
import sqlite3
import subprocess

import pytest

from common import HEAPFX, ROOT, Core, blocks_of, dump_of, heapfx, heapfx_ok, report_of, truth_of
from go_corpus import go_dump

TABLES = {"input", "segments", "modules", "threads", "frames", "goroutines", "heaps", "blocks", "edges",
	"roots", "types", "suspects", "chains", "cycles", "findings", "categories", "problems"}
NATIVE = ["leakzoo.bookworm", "leakzoo.aarch64", "heapshapes.trixie"]
WORDS = {"reachable", "possibly-lost", "indirectly-lost", "definitely-lost"}


def rows(name, query):
	"""A list of dicts; addresses are strings."""
	return json.loads(heapfx_ok("sql", dump_of(name).core, query, "--format", "json", timeout=120).out)


@pytest.mark.parametrize("name", NATIVE)
def test_blocks_are_the_truth(name):
	truth, totals = truth_of(name)
	assert totals["complete"]
	found = {int(r["address"], 16): r for r in rows(name, "select * from blocks where state = 'used'")}
	assert found.keys() == truth.keys()
	for address, (requested, _kind, state) in truth.items():
		assert requested <= found[address]["usable"] <= found[address]["size"]
		assert found[address]["reach"] in WORDS
		if state == "reachable":	# test_reach.py holds them all to the truth
			assert found[address]["reach"] == state


def plan(query):
	return [row["detail"] for row in rows(NATIVE[0], "explain query plan " + query)]


def test_plans_of_queries():
	"""Groups come as groups in one scan, nothing is sorted but the groups; an id or an address is no scan of all."""
	grouped = plan("select type, sum(retained) from blocks group by 1 order by 2 desc limit 10")
	assert [line.split(" VIRTUAL")[0] for line in grouped] == ["SCAN blocks", "USE TEMP B-TREE FOR ORDER BY"]

	def index(query):
		return int(re.search(r"VIRTUAL TABLE INDEX (\d+):", plan(query)[-1])[1])
	everything = {table: index(f"select * from {table}") for table in ("blocks", "edges")}
	for table, where in (("blocks", "id = 5"), ("blocks", "address = '0x5'"), ("edges", "src = 5"), ("edges", "dst = 5"),
			("blocks", "address between '0x5' and '0x9'")):
		assert index(f"select * from {table} where {where}") != everything[table], where
	joined = plan("select b.type from edges e join blocks b on b.id = e.dst where e.src = 7")
	assert len(joined) == 2 and not any("AUTOMATIC" in line for line in joined)


@pytest.mark.parametrize("name", NATIVE)
def test_free_blocks_are_those_of_the_blocks_command(name):
	listed = [(b["address"], b["size"], b["where"], b["allocator"], b.get("arena"))
		for b in blocks_of(name) if b["state"] == "free"]
	found = rows(name, "select * from blocks where state = 'free' order by address")
	assert [(int(r["address"], 16), r["size"], r["where"], r["allocator"], r["arena"])
		for r in found] == listed


@pytest.mark.parametrize("where", [
	"id = {id}", "address = {low}", "address >= {low}", "address > {low}", "address < {high}",
	"address between {low} and {high}", "id >= {id} and id <= {id} + 7", "id > {id} and id < {id}",
	"id in (0, {id}, 99999999)", "address >= {low} + 0.5", "address < -1", "id = 'x'", "id is null",
	"address = {low} + 1", "id = -1", "id > 1e30", "id < -1e30",
	"address between {high} and {low}"])
def test_an_index_changes_no_answer(where):
	"""A unary plus keeps SQLite from using it."""
	all_rows = rows("leakzoo.bookworm", "select id, address from blocks where state = 'used' order by id")
	low, high = all_rows[len(all_rows) // 3], all_rows[len(all_rows) // 2]
	plain = where.format(id=low["id"], low=low["address"], high=high["address"])
	slow = re.sub(r"\b(id|address)\b", r"+\1", plain)
	assert rows("leakzoo.bookworm", f"select * from blocks where {plain}") == (
		rows("leakzoo.bookworm", f"select * from blocks where {slow}"))


@pytest.mark.parametrize("columns", ["type", "size", "reach, type", "state, reach, type"])
def test_groups_are_the_same_without_sorting(columns):
	"""A unary plus has SQLite sort by itself."""
	name = "leakzoo.bookworm"
	plain = f"select {columns}, count(*) as n, sum(size) as s, min(id) as i from blocks group by {columns}"
	slow = re.sub(r"group by .*", "group by " + ", ".join(f"+{c}" for c in columns.split(", ")), plain)
	key = lambda r: r["i"]  # noqa: E731
	assert sorted(rows(name, plain), key=key) == sorted(rows(name, slow), key=key)
	where = "from blocks where state = 'used' and size > 64"
	assert sorted(rows(name, plain.replace("from blocks", where)), key=key) == sorted(
		rows(name, slow.replace("from blocks", where)), key=key)
	assert rows(name, f"select count(*) as n from (select distinct {columns} from blocks)") == (
		rows(name, f"select count(*) as n from ({slow})"))


def test_bounds_leave_what_they_name():
	found = rows("leakzoo.bookworm", "select id, address from blocks order by id")
	middle = found[len(found) // 2]
	assert rows("leakzoo.bookworm", f"select id from blocks where id = {middle['id']}") == (
		[{"id": middle["id"]}])
	assert rows("leakzoo.bookworm", f"select id from blocks where address = {middle['address']}") == (
		[{"id": middle["id"]}])
	after = rows("leakzoo.bookworm", f"select id from blocks where address > {middle['address']}")
	assert [r["id"] for r in after] == [r["id"] for r in found if r["id"] > middle["id"]]


@pytest.mark.parametrize("name", NATIVE)
def test_edges_are_the_same_both_ways(name):
	columns = "src, dst, interior, offset, name"
	out = rows(name, f"select {columns} from edges")
	assert out and [r["src"] for r in out] == sorted(r["src"] for r in out)
	targets = sorted({r["dst"] for r in out})[:20]
	for dst in targets:
		into = rows(name, f"select {columns} from edges where dst = {dst}")
		key = lambda r: (r["src"], r["interior"])  # noqa: E731
		assert sorted(into, key=key) == sorted((r for r in out if r["dst"] == dst), key=key)


def test_chains_of_parents_end_at_roots():
	found = rows("leakzoo.bookworm", "select id, parent, root, reach from blocks where state = 'used'")
	by_id = {r["id"]: r for r in found}
	roots = {r["id"] for r in rows("leakzoo.bookworm", "select id from roots")}
	edges = {(r["src"], r["dst"]) for r in rows("leakzoo.bookworm", "select src, dst from edges")}
	assert sum(r["root"] is not None for r in found) > 5
	for r in found:
		assert (r["root"] is not None or r["parent"] is not None) == (
			r["reach"] in ("reachable", "possibly-lost")), r
		steps = 0
		while r["root"] is None and r["parent"] is not None:
			assert (r["parent"], r["id"]) in edges
			r = by_id[r["parent"]]
			steps += 1
			assert steps <= len(found)
		assert r["root"] is None or r["root"] in roots


def test_lists_are_the_report():
	report = report_of("leakzoo.bookworm")
	suspects = rows("leakzoo.bookworm", "select * from suspects")
	assert [(s["id"], s["rule"], s["retained"], s["severity"]) for s in suspects] == (
		[(s["id"], s["rule"], s["retained"], s["severity"]) for s in report["suspects"]])
	assert {(r["category"], r["bytes"]) for r in rows("leakzoo.bookworm", "select * from categories")} == (
		{(name, total["bytes"]) for name, total in report["categories"].items()})
	assert rows("leakzoo.bookworm", "select tid, function from threads") == (
		[{"tid": t["tid"], "function": t.get("function")} for t in report["threads"]])
	dumped = rows("leakzoo.bookworm", "select sum(dumped) as n from segments")[0]["n"]
	assert dumped == report["memory"]["dumped"]
	hops = rows("leakzoo.bookworm", "select suspect, count(*) as n from chains group by 1")
	assert {r["suspect"]: r["n"] for r in hops} == (
		{s["id"]: len(s["chain"]["hops"]) for s in report["suspects"] if s.get("chain", {}).get("hops")})


def test_goroutines_and_their_frames():
	core = go_dump("zoo.1.19").arguments
	listed = json.loads(heapfx_ok("sql", *core, "select id, state from goroutines where not system",
		"--format", "json").out)
	assert listed and any(g["id"] == 1 for g in listed)
	frames = json.loads(heapfx_ok("sql", *core,
		"select function from frames where goroutine = 1 order by level", "--format", "json").out)
	assert "main.main" in [f["function"] for f in frames]


def queries():
	text = (ROOT / "docs/queries.md").read_text("utf-8")
	return re.findall(r"```sql\n(.*?)```", text, re.S)


@pytest.mark.parametrize("core", ["native", "go"])
def test_queries_of_the_page(core):
	"""All in one run; each has columns, and those of blocks have rows."""
	path = (dump_of("leakzoo.bookworm").core,) if core == "native" else go_dump("zoo.1.19").arguments
	assert len(queries()) >= 10
	for query in queries():
		out = list(csv.reader(io.StringIO(heapfx_ok("sql", *path, query, "--format", "csv",
			timeout=120).out)))
		assert len(out[0]) >= 2
		empty = (core == "native" and "goroutines" in query) or (core == "go" and "lost" in query)
		assert len(out) > 1 or empty, query


def test_tables_of_the_page_are_the_tables():
	core = dump_of("leakzoo.bookworm").core
	schema = dict(re.findall(r"^(\w+)\((.*)\)$",
		heapfx_ok("sql", core, stdin=stdin_of(".schema\n")).out, re.M))
	assert TABLES <= schema.keys()
	page = (ROOT / "docs/queries.md").read_text("utf-8")
	for table, columns in schema.items():
		assert f"`{table}`" in page
		if f"| `{table}` |" in page and table not in ("findings",):
			row = next(line for line in page.splitlines() if line.startswith(f"| `{table}` |"))
			assert all(f"`{c}`" in row for c in columns.split(", ")), (table, columns)


def stdin_of(text):
	import tempfile
	file = tempfile.TemporaryFile()
	file.write(text.encode())
	file.seek(0)
	return file


def test_shell():
	core = dump_of("leakzoo.bookworm").core
	address = rows("leakzoo.bookworm", "select address from suspects where rank = 1")[0]["address"]
	run = heapfx_ok("sql", core, stdin=stdin_of(
		f"select 1 as one,\n 2 as two;\n.mode csv\nselect 3 as three;\n.explain {address}\n"
		f".path {address}\n.tables\nselect 'last' as x"))
	lines = run.out.splitlines()
	assert lines[0].split() == ["one", "two"] and lines[1].split() == ["1", "2"]
	assert '"three"' in lines and any(line.startswith("  reachability ") for line in lines)
	assert "blocks" in lines and lines[-1] == '"last"'
	for bad, words in ((".nope\n", "no such command"), (".mode xml\n", ".mode"),
			(".explain zz\n", "not an address"), ("select 1 from nowhere;\nselect 5;\n", "nowhere")):
		run = heapfx("sql", core, stdin=stdin_of(bad))
		assert run.status == 2 and words in run.err, run
		assert "5" not in run.out


@pytest.mark.parametrize("name", ["leakzoo.bookworm", "longchain", "hoards"])
def test_slots_of_edges_hold_those_addresses(name):
	"""Read in the core itself: the first word of the block that points into the other one."""
	memory = Core(dump_of(name).core)
	found = rows(name, "select s.address as at, s.usable as usable, e.offset as offset, d.address as start, d.size as size"
		" from edges e join blocks s on s.id = e.src join blocks d on d.id = e.dst limit 20000")
	assert len(found) > 20
	for row in found:
		at, start = int(row["at"], 16), int(row["start"], 16)
		held = [int.from_bytes(memory.read(at + n, 8), "little") for n in range(0, row["offset"] + 8, 8)]
		into = [start <= word < start + row["size"] for word in held]
		assert into[-1] and not any(into[:-1]), row


def test_a_table_of_pointers_is_read_once(tmp_path):
	"""
	64 MiB in small blocks, half a million pointers in a few tables: to look for each of them
	anew takes a minute and more, where the whole takes seconds.
	"""
	run = heapfx("sql", dump_of("arenas64").core, "select count(offset), sum(offset) from edges", "--format", "csv", timeout=60)
	assert run.status == 0, run.err
	assert int(run.out.splitlines()[1].split(",")[0]) > 1_000_000


def test_a_database_behind_other_bytes_is_copied(tmp_path):
	"""Standard output that is no empty file: what is there stays."""
	path = tmp_path / "x"
	path.write_bytes(b"before")
	with path.open("ab") as out:
		subprocess.run([HEAPFX, "sql", dump_of("leakzoo.bookworm").core, "--format", "sqlite"], stdout=out, check=True)
	assert path.read_bytes().startswith(b"beforeSQLite format 3\0")
	with (tmp_path / "y.db").open("wb") as out:
		subprocess.run([HEAPFX, "sql", dump_of("leakzoo.bookworm").core, "--format", "sqlite"], stdout=out, check=True)
	assert (tmp_path / "y.db").read_bytes() == path.read_bytes()[6:]


def test_database(tmp_path):
	"""An ordinary one: the same rows, found by anybody's SQLite."""
	core, path = dump_of("leakzoo.bookworm").core, tmp_path / "x.db"
	heapfx_ok("sql", core, "--format", "sqlite", "-o", path)
	db = sqlite3.connect(path)
	assert TABLES <= {name for name, in db.execute("select name from sqlite_schema where type = 'table'")}
	for table in sorted(TABLES):
		n = rows("leakzoo.bookworm", f"select count(*) as n from {table}")[0]["n"]
		assert db.execute(f"select count(*) from {table}").fetchone() == (n,), table
	truth, _totals = truth_of("leakzoo.bookworm")
	assert {a for a, in db.execute("select address from blocks where state = 'used'")} == truth.keys()
	assert db.execute("pragma integrity_check").fetchone() == ("ok",)


def test_analyze_writes_the_same_database(tmp_path):
	core = dump_of("leakzoo.bookworm").core
	heapfx_ok("sql", core, "--format", "sqlite", "-o", tmp_path / "a.db")
	heapfx_ok("analyze", core, "-o", f"sqlite={tmp_path / 'b.db'}", "-o", f"json={tmp_path / 'b.json'}")
	one, two = (list(sqlite3.connect(tmp_path / f"{x}.db").iterdump()) for x in "ab")
	assert one == two and len(one) > 100
	assert json.loads((tmp_path / "b.json").read_text())["suspects"]


def test_what_is_printed_is_escaped():
	core = dump_of("leakzoo.bookworm").core
	query = "select char(27) || '[31m' || char(10) || '\"<b>' as \"a\x1b[1mb\", x'ff' as bytes"
	for fmt in ("text", "json", "jsonl", "csv"):
		out = heapfx_ok("sql", core, query, "--format", fmt).out
		assert "\x1b" not in out, (fmt, out)
	json.loads(heapfx_ok("sql", core, query, "--format", "json").out)
	assert len(list(csv.reader(io.StringIO(heapfx_ok("sql", core, query, "--format", "csv").out)))) == 2


@pytest.mark.parametrize("query, words", [
	("select", "incomplete"), ("select nope from blocks", "nope"), ("select * from blocks; select * from nope", "nope")])
def test_a_bad_query_is_a_usage_error(query, words):
	run = heapfx("sql", dump_of("leakzoo.bookworm").core, query)
	assert run.status == 2 and words in run.err, run


def test_empty_and_several_statements():
	core = dump_of("leakzoo.bookworm").core
	assert heapfx_ok("sql", core, "").out == ""
	assert heapfx_ok("sql", core, "/* nothing */;").out == ""
	out = heapfx_ok("sql", core, "select 1 as a; select 2 as b where 0", "--format", "jsonl").out
	assert out == '{"a":1}\n'
	assert heapfx("sql", core, "select 1", "-o", "/dev/full").status != 0
