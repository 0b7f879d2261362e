"""Go's heap: every object of the truth, its state and its size; totals to the byte."""
import collections

import pytest

from common import heapfx_ok, parse_blocks
from go_corpus import (CASES, CGO, DROPPING, Finder, MARKED, OBJECTS, QUIET, blocks_text, finder_of, go_dump, report_of,
	truth_of, used_blocks)


def described(rows):
	return [f"{address:#x} {size} {kind} {state}" for address, size, kind, state in rows[:10]]


@pytest.mark.parametrize("name", CASES)
def test_live_objects_are_reachable(name):
	find = finder_of(name)
	wrong = [row for row in live_rows(name)
		if not (block := find(row[0])) or block.get("reach") != "reachable"]
	assert not wrong, (len(wrong), described(wrong))


def live_rows(name):
	"""When a collection has begun, pools have lost their victims."""
	truth = truth_of(name)
	find_unmarked = Finder([{"address": a, "usable": s} for a, s in sorted(truth.unmarked.items())])
	rows = truth.in_state("live")
	victims = [row for row in rows if find_unmarked(row[0])]
	assert len(victims) in (0, 24) if name in MARKED else not victims
	if name.endswith((".marking", ".sweeping")):	# likewise, but nobody has read the marks: the first put are gone
		find = finder_of(name)
		victims = [row for row in rows if row[2] == "main.Pooled" and find(row[0]).get("reach") == "uncollected"]
		pooled = [row for row in rows if row[2] == "main.Pooled"]
		assert len(victims) == 12 and len(pooled) >= 24
		held = [row for row in rows if row[2] == "main.Plain" and find(row[0]).get("reach") == "uncollected"]
		assert len(held) == 12	# what they hold
		victims += held
	return [row for row in rows if row not in victims]


@pytest.mark.parametrize("name", DROPPING)
def test_dropped_objects_are_uncollected(name):
	find = finder_of(name)
	rows = truth_of(name).in_state("dropped")
	assert rows
	wrong = [row for row in rows if not (block := find(row[0])) or block.get("reach") != "uncollected"]
	assert not wrong, (len(wrong), described(wrong))


@pytest.mark.parametrize("name", CASES)
def test_objects_fit_their_slots(name):
	find = finder_of(name)
	wrong = []
	for row in truth_of(name).objects:
		block = find(row[0])
		if row[3] in ("live", "dropped") and (
				not block or row[1] > block["address"] + block["usable"] - row[0]):
			wrong.append(row)
	assert not wrong, described(wrong)


@pytest.mark.parametrize("name", CASES)
def test_every_object_is_a_block(name):
	"""HeapObjects and HeapAlloc, to the byte."""
	blocks = used_blocks(name)
	assert (len(blocks), sum(b["size"] for b in blocks)) == truth_of(name).allocated()


@pytest.mark.parametrize("name", QUIET)
def test_every_size_class(name):
	truth = truth_of(name)
	expected = {int(key.split(".")[1]): n for key, n in truth.total.items() if key.startswith("bysize.")}
	expected[16] = expected.get(16, 0) + truth.total.get("late.objects", 0)
	found = collections.Counter(b["size"] for b in used_blocks(name))
	assert {size: found[size] for size in expected} == expected


@pytest.mark.parametrize("name", MARKED)
def test_the_collector_marked_the_same(name):
	"""Object for object, and nothing else."""
	truth = truth_of(name)
	by_reach = collections.defaultdict(dict)
	for block in used_blocks(name):
		# A header of type stands in front of what the program sees.
		by_reach[block["reach"]][block["address"] + block["usable"] - block["size"]] = block["size"]
	assert set(by_reach) == {"reachable", "uncollected"}
	invented = by_reach["reachable"].keys() - truth.marked.keys()
	missed = truth.marked.keys() - by_reach["reachable"].keys()
	assert not missed and not invented, ([hex(a) for a in sorted(missed)[:10]], [hex(a) for a in sorted(invented)[:10]])
	assert by_reach["reachable"] == truth.marked
	assert by_reach["uncollected"] == truth.unmarked


@pytest.mark.parametrize("name", [name for name in QUIET if name in OBJECTS and name not in CGO])
def test_little_else_is_garbage(name):
	"""What the runtime and the truth package let go of after the last collection is a handful."""
	find = finder_of(name)
	noted = {block["address"] for row in truth_of(name).objects
		if row[3] != "live" and (block := find(row[0]))}
	others = [b for b in used_blocks(name) if b["reach"] == "uncollected" and b["address"] not in noted]
	assert len(others) <= 24, [(hex(b["address"]), b["size"], b.get("type")) for b in others[:40]]


@pytest.mark.parametrize("name", CASES)
def test_report_counts_the_same(name):
	truth, report = truth_of(name), report_of(name)
	heap, = [h for h in report["heaps"] if h["allocator"] == "go"]
	assert (heap["used"]["count"], heap["used"]["bytes"]) == truth.allocated()
	assert heap["checks"]["failed"] == 0
	blocks = [b for b in used_blocks(name) if b["reach"] == "uncollected"]
	assert report["categories"]["uncollected"] == {"count": len(blocks),
		"bytes": sum(b["size"] for b in blocks)}


@pytest.mark.parametrize("name", CGO)
def test_c_blocks(name):
	"""Malloc'd memory: what Go holds is reachable, and what only dropped objects or nothing holds is lost."""
	find = Finder([b for b in parse_blocks(blocks_text(name)) if b["state"] == "used" and b["allocator"] != "go"])
	wrong = []
	for row in truth_of(name).blocks:
		block = find(row[0])
		if not block or (block["reach"] == "reachable") != (row[3] == "live"):
			wrong.append(row)
	assert not wrong, described(wrong)


@pytest.mark.parametrize("name", OBJECTS)
def test_one_address_at_a_time(name):
	"""explain agrees with the list, for one object of each state."""
	find = finder_of(name)
	for state in ("live", "dropped") if name in DROPPING else ("live",):
		address = truth_of(name).in_state(state)[0][0]
		run = heapfx_ok("explain", *go_dump(name).arguments[:1], hex(address), *go_dump(name).arguments[1:], timeout=120)
		block = find(address)
		assert f"{block['address']:#x}" in run.out
		assert {"live": "reachable", "dropped": "uncollected"}[state] in run.out
