"""Pools of libraries and of programs' own: each one's bytes, blocks, free bytes and place in the tree,
as the program itself counted them (corpus/native/src/pool_truth.h); and nothing where there is none."""
import json
import re

import pytest

import make_cores
import make_pools
import synth
from common import POOLS, ROOT, dump_of, heapfx, heapfx_ok, made

MASK = 0xA5A5A5A5A5A5A5A5
LAYOUT = ROOT / "corpus/native/src/ownpools.layout"
KINDS = {"aprs": "apr_pool_t", "obstacks": "obstack", "protos": "SerialArena", "protos.3.12": "SerialArena", "ownpools": "arena",
	**{name: "SerialArena" for name in make_pools.RELEASED_PROTOS}}
OPTIONS = {"ownpools": ("--pool-layout", LAYOUT)}
BARE = "static-stripped"	# a third way to be built: nothing says what is linked in
LINKED = "linked"	# a fourth: stripped, with the library linked in, but libc


def core_of(name, how):
	"""As committed: without the files it ran with; or made here, with them, or with no symbol of the library."""
	if how:
		case = made(make_pools.make_case, f"{name}.{how}" if how is not True else name, "pools-made")
		return case.core, case.truth
	dump = dump_of(name)
	return dump.core, dump.truth


def pools_in(core, *options):
	report = json.loads(heapfx_ok("analyze", core, "--format", "json", *options).out)
	return report.get("pools", {}).get("list", []), report


def truth_pools(truth):
	"""{name: {"at", "parent"?, "bytes", "blocks", "free"?}}"""
	pools = {}
	for key, value in make_cores.read_truth(truth)[1].items():
		if key.startswith("pool."):
			_pool, name, what = key.split(".")
			pools.setdefault(name, {})[what] = hex(value ^ MASK) if what in ("at", "parent") else value
	return pools


@pytest.mark.parametrize("name,how", [(name, how) for name in KINDS for how in (False, True, BARE, LINKED)
	if how is False or (how is True and name not in make_pools.RELEASED_PROTOS) or name in make_pools.STATIC])
def test_pools_are_what_the_program_counted(name, how):
	core, truth = core_of(name, how)
	expected = truth_pools(truth)
	found = {pool["address"]: pool for pool in pools_in(core, *OPTIONS.get(name, ()))[0]}
	assert all(pool["kind"] == KINDS[name] for pool in found.values())
	assert len(expected) >= 3
	for label, pool in expected.items():
		got = found.pop(pool["at"])
		assert {key: got.get(key) for key in ("bytes", "blocks")} == {key: pool[key] for key in ("bytes", "blocks")}, label
		assert "free" not in pool or got["free"] == pool["free"], label
		assert "parent" not in pool or got["parent"] == pool["parent"], label
		if name in ("aprs", "ownpools"):
			assert got["name"] == label
	# APR has two of its own; there is no other
	assert {pool.get("name") for pool in found.values()} == ({"apr_global_pool", "apr_initialize"} if name == "aprs" else set())


def test_the_first_block_may_be_the_programs_own():
	"""A variable, .bss, part of the stack, what it asked malloc for; and one that has no other."""
	case = made(make_pools.make_case, "protos.own", "pools-made")
	expected = truth_pools(case.truth)
	found = {pool["address"]: pool for pool in pools_in(case.core)[0]}
	assert len(expected) == 5
	assert {pool["at"]: (pool["bytes"], pool["blocks"]) for pool in expected.values()} == {
		at: (pool["bytes"], pool["blocks"]) for at, pool in found.items()}


@pytest.mark.parametrize("name", KINDS)
def test_blocks_are_called_by_their_pool(name):
	core, truth = core_of(name, False)
	pools = truth_pools(truth)
	_list, report = pools_in(core, *OPTIONS.get(name, ()))
	named = [t for t in report["types"] if t["name"].split()[0] == KINDS[name]]
	if name == "aprs":	# in mappings of its own
		assert not named
	else:
		heads = len(pools) if name == "ownpools" else 0
		assert sum(t["count"] for t in named) == sum(p["blocks"] for p in pools.values()) + heads


# The programs free nothing that they still use: what they keep lies in the middle of pools' blocks.
@pytest.mark.parametrize("name, kind", [("nginx", "ngx_pool_t"), ("slices", "GSlice"),
	*(item for item in KINDS.items() if item[0] != "aprs")])	# whose pools have mappings of their own
def test_what_points_into_a_pool_holds_it(name, kind):
	core, _truth = core_of(name, False)
	query = f"select count(*), sum(reach = 'reachable') from blocks where type glob '{kind}*' and state = 'used'"
	out = heapfx_ok("sql", core, query, "--format", "csv", *OPTIONS.get(name, ())).out
	count, held = map(int, out.splitlines()[-1].split(","))
	assert count == held > 0
	totals = [json.loads(heapfx_ok("analyze", core, "--format", "json", *how, *OPTIONS.get(name, ())).out)["reachability"]
		for how in ((), ("--leaks",))]
	assert totals[0] == totals[1]


def test_memory_of_a_pool_names_it_as_root():
	core, truth = core_of("aprs", False)
	held = [a for a, (_size, kind, _state) in make_cores.read_truth(truth)[0].items() if kind == "MMAPROOT"]
	assert len(held) == 5
	said = [heapfx_ok("explain", core, hex(at)).out for at in held]
	for path in ("server", "server/config", "server/request", "server/request/bucket", "server/log"):
		assert sum(f" of apr_pool_t apr_global_pool/{path} -> " in text for text in said) == 1
	at = truth_pools(truth)["request"]["at"]
	assert "apr_pool_t apr_global_pool/server/request at" in heapfx_ok("explain", core, at).out


@pytest.mark.parametrize("how", (False, True))
def test_nginx_pools_are_its_own_allocations(how):
	"""Every block that nginx aligned is a pool's, and each first one is where a pool begins."""
	core, truth = core_of("nginx", how)
	rows = make_cores.read_truth(truth)[0]
	pools, report = pools_in(core)
	assert {int(pool["address"], 16) for pool in pools} == {at for at, row in rows.items() if row[1] == "POOL"}
	blocks = [json.loads(line) for line in heapfx_ok("blocks", core, "--format", "jsonl").out.splitlines()]
	named = {int(b["address"], 16): b["usable"] for b in blocks if b.get("type") == "ngx_pool_t"}
	assert rows.keys() <= named.keys()
	large = sum(usable for at, usable in named.items() if at not in rows)	# by malloc, for one pool each
	assert large
	assert sum(pool["bytes"] for pool in pools) == sum(row[0] for row in rows.values()) + large
	assert sum(pool["blocks"] for pool in pools) == len(named)
	assert all("retained" in pool and pool["kind"] == "ngx_pool_t" for pool in pools)
	group, = report["pools"]["groups"]
	assert group["pools"] == len(pools) and "ngx_cycle" in group["held_by"] or not how


def test_titles_count_blocks_and_not_pools():
	"""A pool has several, and what it had from malloc beside them; "86 ngx_pool_t" would be 86 requests or connections."""
	core, _truth = core_of("nginx", False)
	_pools, report = pools_in(core)
	of_pools = [s for s in report["suspects"] if s.get("type") == "ngx_pool_t"]
	grown = [s for s in of_pools if s["rule"].startswith("growth/")]
	assert grown
	for suspect in grown:
		count = "one block" if suspect["count"] == 1 else f"{suspect['count']} blocks"
		assert suspect["title"].startswith(f"{count} of ngx_pool_t")
	copies = [s["title"] for s in of_pools if s["rule"] == "duplicate/content"]
	assert all("copies of one block of ngx_pool_t of " in title for title in copies)


@pytest.mark.parametrize("how", (False, True, BARE, LINKED))
def test_lua_states_have_what_was_made(how):
	core, truth = core_of("luajits", how)
	_blocks, totals = make_cores.read_truth(truth)
	states = {int(pool["address"], 16): pool for pool in pools_in(core)[0]}
	first, second = (states.pop(totals[f"lua.{name}.at"] ^ MASK) for name in ("first", "second"))
	assert not states
	for name, state in (("first", first), ("second", second)):
		assert state["kind"] == "lua_State" and state["agrees"]
		assert state["bytes"] - state["free"] == totals[f"lua.{name}.total"]	# by lua_gc()
		assert sum(kind["bytes"] for kind in state["contents"]) < totals[f"lua.{name}.total"]
	more, less = ({kind["name"]: kind["count"] for kind in state["contents"]} for state in (second, first))
	for kind in ("tables", "functions", "upvalues", "threads", "userdata"):
		assert more[kind] - less[kind] == totals[f"lua.{kind}"], kind
	assert more["strings"] - less["strings"] == totals["lua.strings"] + 1	# and the one that all begin with
	assert more["prototypes"] == less["prototypes"]


@pytest.mark.parametrize("how", (False, True, BARE, LINKED))
def test_slices_are_as_many_as_the_program_has(how):
	core, truth = core_of("slices", how)
	_blocks, totals = make_cores.read_truth(truth)
	pools = {pool["name"]: pool for pool in pools_in(core)[0]}
	assert all(pool["kind"] == "GSlice" and pool["agrees"] for pool in pools.values())
	for size, page in (("32", 512), ("48", 512), ("208", 2048), ("1008", 8192)):
		live, = pools[size]["contents"]
		assert live == {"name": "chunks", "count": totals[f"slice.{size}.live"], "bytes": live["count"] * int(size)}
		chunks = pools[size]["blocks"] * ((page - 48) // int(size))
		assert pools[size]["free"] == (chunks - live["count"]) * int(size)
		assert pools[size]["bytes"] == pools[size]["blocks"] * (page - 16)
	if how == BARE:	# which cannot stand in GLib's way to posix_memalign()
		return
	assert pools["32"]["blocks"] + pools["48"]["blocks"] == totals["slice.48.slabs"]	# of one size
	assert pools["208"]["blocks"] == totals["slice.208.slabs"] and pools["1008"]["blocks"] == totals["slice.1008.slabs"]


@pytest.mark.parametrize("how", (False, True, BARE, LINKED))
def test_look_alikes_are_no_pools(how):
	assert "pools" not in pools_in(core_of("decoys", how)[0])[1]


@pytest.mark.parametrize("name", make_pools.LINKED)
def test_without_files_structures_alone_say_it(name):
	"""Neither the program's symbols nor its texts are at hand: the same pools, but for names, which are literals."""
	core, _truth = core_of(name, LINKED)
	with_files, without = (sorted((pool["address"], pool["kind"], pool["bytes"], pool["blocks"], pool.get("free"))
		for pool in pools_in(core, *more)[0]) for more in ((), ("--no-host-files",)))
	assert with_files == without and bool(without) == (name != "decoys")


def test_info_leaves_a_search_of_all_blocks_to_analyze():
	core, _truth = core_of("tallocs", LINKED)
	seen = [json.loads(heapfx_ok("info", core, "--format", "json", *more).out) for more in ((), ("--no-host-files",))]
	left = [[p for p in report["input"]["problems"] if p["code"] == "pool/left-out"] for report in seen]
	assert [len(said) for said in left] == [0, 1] and "analyze" in left[1][0]["message"]
	assert ["pools" in report for report in seen] == [True, False]


@pytest.mark.parametrize("size,noted", ((1 << 18, False), (5 << 20, True)))
def test_memory_of_nobody_is_noted(tmp_path, size, noted):
	core = tmp_path / "core"
	core.write_bytes(synth.elf([synth.Segment(vaddr=0x7F0000000000, data=b"\x11" * size, flags=6)]))
	report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
	lines = {line["category"]: line["bytes"] for line in report["memory"]["breakdown"]}
	assert lines["mapping/anonymous"] == size
	problem = [p for p in report["input"]["problems"] if p["code"] == "memory/unclaimed"]
	assert bool(problem) == noted
	assert all(p["message"].startswith(f"{size} bytes") and "explain 0x7f0000000000" in p["message"] for p in problem)


def test_pools_outside_heaps_have_a_line():
	core, truth = core_of("aprs", False)
	report = pools_in(core)[1]
	lines = {line["category"]: line["bytes"] for line in report["memory"]["breakdown"]}
	assert 0 < lines["mapping/pools"] <= sum(pool["bytes"] for pool in report["pools"]["list"])
	assert lines["mapping/pools"] > 5 * lines["mapping/anonymous"] and truth.exists()


def test_without_the_layout_there_is_none():
	assert not pools_in(core_of("ownpools", False)[0])[0]


@pytest.mark.parametrize("old,new,said", (
	("0x414e455241", "0x414e455242", "nothing has what it says of a head"),	# another magic
	("chunk.end   8", "chunk.end   0", "[1-9][0-9]* places have what it says of a head, first at 0x[0-9a-f]+, but none has chunks"),	# the list's own word
	("pool        arena", "pool        arena\nneeds.module nothing", None),
))
def test_a_layout_without_a_pool_says_how_far_it_came(tmp_path, old, new, said):
	path, core = tmp_path / "own.layout", core_of("ownpools", False)[0]
	text = LAYOUT.read_text("ascii")
	assert old in text
	path.write_text(text.replace(old, new), "ascii")
	pools, report = pools_in(core, "--pool-layout", path)
	told = [p["message"] for p in report["input"]["problems"] if p["code"] == "pool/none"]
	assert not pools and len(told) == bool(said) and all(re.search(said, text) for text in told), told


def test_where_a_head_was_is_told(tmp_path):
	"""The first of the places that have what the layout says of a head is one of the program's arenas."""
	path, (core, truth) = tmp_path / "own.layout", core_of("ownpools", False)
	path.write_text(LAYOUT.read_text("ascii").replace("chunk.avail 16", "chunk.avail 0"), "ascii")
	told, = [p for p in pools_in(core, "--pool-layout", path)[1]["input"]["problems"] if p["code"] == "pool/none"]
	assert re.search("first at (0x[0-9a-f]+), but none has chunks", told["message"])[1] == told["where"]
	assert told["where"] in {pool["at"] for pool in truth_pools(truth).values()}


@pytest.mark.parametrize("option", ("--pool-layout", "--count-rules"))
def test_a_file_that_is_not_there_is_called_by_its_option(tmp_path, option):
	done = heapfx("analyze", core_of("ownpools", False)[0], option, tmp_path / "none")
	assert done.status == 3 and f"{option}: {tmp_path / 'none'}: No such file" in done.err


def test_info_and_sql_show_them():
	core, truth = core_of("ownpools", False)
	said = heapfx_ok("info", core, *OPTIONS["ownpools"]).out
	assert "POOLS" in said and "session/query" in said
	rows = json.loads(heapfx_ok("sql", core, "select name, bytes, free, blocks from pools order by name", "--format", "json",
		*OPTIONS["ownpools"]).out)
	expected = truth_pools(truth)
	assert {row["name"]: (row["bytes"], row["free"], row["blocks"]) for row in rows} == {
		name: (pool["bytes"], pool["free"], pool["blocks"]) for name, pool in expected.items()}


BAD = (
	("head.size 8", 1, "begins with"),
	("pool a\nhead.size 8\nhead.self 8", 1, "outside"),
	("pool a\nhead.size 16\n\nhead.nxt 8", 4, "no such key"),
	("pool a\nhead.size 16\nhead.name 8", 1, "proves"),
	("pool a\nhead.size 16\nhead.self 0\nhead.self 8", 4, "before"),
	("pool a\nhead.size 16\nhead.self 99999999", 3, "65536"),
	("pool a\nhead.size 16\nhead.self -1", 3, "no number"),
	("pool a\nhead.magic 0 u64 0\nhead.size 16", 2, "everywhere"),
	("pool a\nhead.size 16\nhead.magic 0 u32 0x123456789", 3, "size"),
	("pool a\nfind nowhere", 2, "found in"),
	("pool a\nhead.size 16\nhead.self 0\nfind anywhere", 1, "head.first"),
	("pool", 1, "name"),
	("pool a\n\0", 2, "plain text"),
	("pool a\n" + "x" * 300, 2, "longer"),
)


@pytest.mark.parametrize("text,line,words", BAD)
def test_what_is_wrong_in_a_layout_is_said_with_its_line(tmp_path, text, line, words):
	path = tmp_path / "bad.layout"
	path.write_text(text, encoding="ascii")
	run = heapfx("analyze", core_of("ownpools", False)[0], "--pool-layout", path)
	assert run.status == 2 and not run.out
	assert f"bad.layout:{line}: " in run.err and words in run.err


def test_diff_says_which_pools_grew():
	"""Of different programs: what one has is new, what the other had is gone."""
	old, new = core_of("obstacks", True), core_of("nginx", False)
	rows = {row["name"]: row for row in json.loads(heapfx_ok("diff", old[0], new[0], "--format", "json").out)["pools"]}
	symbols = truth_pools(old[1])["symbols"]
	gone = {name: row for name, row in rows.items() if row["status"] == "gone"}
	assert any(row["values"][0] == {"count": 1, "bytes": symbols["bytes"]} for row in gone.values())
	grown, = (row for row in rows.values() if row["growth"] > 0)
	assert grown["name"].startswith("ngx_pool_t") and grown["count_growth"] == grown["values"][1]["count"]
	assert "POOLS" in heapfx_ok("diff", old[0], new[0]).out
