"""What Go's pools, finalizers and cleanups keep, against what the program saw of them; and the same program repaired."""
import pytest

from common import heapfx_ok
from go_corpus import BOXES, PARKED, go_dump, report_of, truth_of

SICK = [name for name in PARKED if "healthy" not in name]
HEALTHY = [name for name in PARKED if "healthy" in name]
NAMED = [name for name in SICK if "stripped" not in name]
RULES = ("parked/", "cycle/")


def suspects_of(name, rule):
	return [s for s in report_of(name)["suspects"] if s["rule"] == rule]


def pools_of(name):
	"""The program's name of a pool: what heapfx says of it."""
	said = {int(p["address"], 16): p for p in report_of(name)["go"]["pools"]}
	return {title: said.get(int(address, 16)) for address, _, title, _ in truth_of(name).rows["pool"]}


def suspect_of(name, pool, rule):
	"""The one of a pool: by its name, or where there are no symbols by the number of things in it."""
	called = pools_of(name)[pool]["name"]
	found = [s for s in suspects_of(name, rule) if s["title"].startswith(called)]
	assert len(found) == 1, (pool, rule, [s["title"] for s in suspects_of(name, rule)])
	return found[0]


def evidence(suspect):
	return {e["what"]: e["value"] for e in suspect["evidence"]}


def test_there_are_cases():
	assert NAMED and HEALTHY and len(SICK) > len(NAMED)


@pytest.mark.parametrize("name", PARKED)
def test_each_half_of_each_pool(name):
	total = truth_of(name).total
	for title, said in pools_of(name).items():
		rows = {}
		for key, n in total.items():
			if key.startswith(f"pool.{title}."):
				_, _, half, p, what = key.split(".")
				rows.setdefault((half, int(p)), {})[what] = n
		full = {place: row for place, row in rows.items() if any(row.values())}
		assert bool(said) == bool(full), title
		if said:
			assert {(s["half"], s["p"]): {"private": s["private"], "shared": s["shared"]}
				for s in said["shards"]} == full, title
			assert said["items"] == sum(sum(row.values()) for row in full.values())
			assert said["victim"] == sum(sum(row.values()) for (half, _), row in full.items()
				if half == "victim")


@pytest.mark.parametrize("name", NAMED)
def test_pools_are_called_as_in_the_source(name):
	for title, said in pools_of(name).items():
		assert said["name"] == f"sync.Pool main.{title}"


@pytest.mark.parametrize("name", SICK)
def test_large_buffers(name):
	s = suspect_of(name, "BufPool", "parked/pool-large-buffer")
	assert s["count"] == 50 and s["bytes"] == 50 * (128 << 10)
	assert evidence(s)["not drawn from"].startswith("10 were put since the last collection, none of the 40")
	assert all(block["size"] == 128 << 10 for block in pools_of(name)["BufPool"]["largest"])
	# told once; the other rule is joined to it
	assert not any(s["title"].startswith(pools_of(name)["BufPool"]["name"])
		for s in suspects_of(name, "parked/pool-no-reuse"))
	joined = [f for f in report_of(name)["findings"] if f["rule"] == "parked/pool-no-reuse"
		and pools_of(name)["BufPool"]["name"] in f["message"]]
	assert [f["suspect"] for f in joined] == [s["id"]]


@pytest.mark.parametrize("name", SICK)
def test_maps_that_are_not_cleared(name):
	s = suspect_of(name, "CtxPool", "parked/pool-dirty")
	rows = evidence(s)
	assert rows["not cleared"].startswith("main.Ctx.cache: 60 maps with 1,200 entries")
	assert rows["still points at"].startswith("main.Ctx.session: 60 of 60 point at main.Session in use")
	assert not any("log" in e["value"] for e in s["evidence"])	# what all were made with
	assert s["confidence"] == "pattern"
	assert s["retained"] >= 1200 * 128 + 60 * 500
	s = suspect_of(name, "RowsPool", "parked/pool-dirty")
	assert evidence(s)["not cleared"].startswith("map[int]*main.Row: 30 maps with 360 entries")
	assert s["count"] == 30


@pytest.mark.parametrize("name", SICK)
def test_one_table_that_all_point_at(name):
	s = suspect_of(name, "JobPool", "parked/pool-dirty")
	assert s["confidence"] == "guess" and s["count"] == 50
	assert evidence(s)["still points at"].startswith(
		"main.Job.table: 50 of 50 point at the same map[int]*main.Row in use")


@pytest.mark.parametrize("name", SICK)
def test_pools_that_are_not_drawn_from(name):
	s = suspect_of(name, "PutOnly", "parked/pool-no-reuse")
	assert s["confidence"] == "pattern"
	assert evidence(s)["not drawn from"] == \
		"100 were put since the last collection, none of the 400 from before was taken"
	s = suspect_of(name, "Fresh", "parked/pool-no-reuse")
	assert s["confidence"] == "guess"
	reused = pools_of(name)["Reused"]	# filled, emptied, filled again
	assert reused["items"] == 200 and "undrawn" not in reused
	assert not any(reused["name"] in f["message"] for f in report_of(name)["findings"])


@pytest.mark.parametrize("name", SICK)
def test_in_use_and_in_the_pool(name):
	s = suspect_of(name, "Shared", "parked/pool-escaped")
	assert s["count"] == 20 and s["bytes"] == 20 * 1024


@pytest.mark.parametrize("name", SICK)
def test_spans_of_pools(name):
	"""A large buffer has a span of its own."""
	spans = pools_of(name)["BufPool"]["spans"]
	assert spans["alone"] >= 50
	assert 50 * (128 << 10) <= spans["bytes"] < 7 << 20 and spans["free"] < spans["bytes"] - 50 * (128 << 10)


@pytest.mark.parametrize("name", SICK)
def test_rings_that_are_never_finalized(name):
	total = truth_of(name).total
	said = suspects_of(name, "cycle/finalizer")
	rings = [s for s in said if s.get("type") == "main.Peer"]
	assert [s["count"] for s in rings] == [total["rings"]]
	assert rings[0]["retained"] == total["rings"] * 2 * 512
	assert "main.Peer" in rings[0]["title"]


@pytest.mark.parametrize("name", SICK)
def test_functions_that_hold_their_own_object(name):
	said = [s for s in suspects_of(name, "cycle/finalizer") if "holds its own object" in evidence(s)]
	assert sum(s["count"] for s in said) == truth_of(name).total["self_held"]
	assert {s.get("type") for s in said} <= {"main.Handle", None if "stripped" in name else "main.Handle"}
	functions = [evidence(s)["holds its own object"].split()[3] for s in said]
	assert functions[0] == "main.selfHeld.func2"
	# to 1.25 cleanups are called by a function of the runtime's own
	assert all(f.startswith(("main.selfCleaned.func2", "runtime.AddCleanup[")) for f in functions[1:])


@pytest.mark.parametrize("name", SICK)
def test_finalizers_that_are_due(name):
	s, = suspects_of(name, "parked/finalizer")
	total = truth_of(name).total
	assert evidence(s)["due"].startswith(f"{total['queued']} ")
	assert s["bytes"] >= (total["queued"] - 1) * 4096
	assert evidence(s)["in use again"].startswith("1 of their objects")	# the one whose finalizer runs
	assert s["chain"]["root"]["source"] == "finalizer or cleanup that waits to be run"


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_the_repaired_one(name):
	report = report_of(name)
	assert truth_of(name).total["healthy"] == 1
	assert [s["title"] for s in report["suspects"] if s["rule"].startswith(RULES)] == []
	assert [f["message"] for f in report["findings"] if f["rule"].startswith(RULES)] == []


@pytest.mark.parametrize("name", NAMED)
def test_first_screen(name):
	screen = heapfx_ok("analyze", *go_dump(name).arguments).out
	assert "sync.Pool main.BufPool keeps large buffers" in screen
	assert "sync.Pool main.PutOnly is not drawn from" in screen
	assert len(screen.splitlines()) <= 48 and max(map(len, screen.splitlines())) <= 100


@pytest.mark.parametrize("name", BOXES)
def test_who_runs_may_be_giving_back(name):
	"""Two goroutines have what they put into the pool; one of them is in a system call, and may let go of it next."""
	items = [row[0] for row in truth_of(name).in_state("live") if row[2] == "main.Item"]
	escaped, = suspects_of(name, "parked/pool-escaped")
	assert escaped["count"] == 1 and int(escaped["addresses"][0], 16) in items[3:5]
