"""Objects of GLib in a program without debug info: their classes, and rings of their references."""
import collections
import functools
import json
import subprocess

import pytest

from common import heapfx_ok, parse_blocks
import types_corpus

COMMITTED = "gobjects.gcc.O2.stripped"
FRESH = "gobjects.gcc.O2.g"	# four threads make rings too
SLICES = "gobjects.gcc.O2.stripped.slices"	# as GLib allocates by itself
RINGS = {COMMITTED: (18, 3), FRESH: (18 + 4 * 5, 3 + 4)}	# leaked, held


@functools.lru_cache(maxsize=None)
def case_of(name):
	"""(arguments that name the dump, rows of the truth)"""
	dump, rows = types_corpus.case_of(name)
	return (*dump, "--no-host-files") if name == COMMITTED else dump, rows


@functools.lru_cache(maxsize=None)
def report_of(name):
	return json.loads(heapfx_ok("analyze", *case_of(name)[0], "--format", "json", "--top", "100").out)


@functools.lru_cache(maxsize=None)
def blocks_of(name):
	return sorted(parse_blocks(heapfx_ok("blocks", *case_of(name)[0]).out), key=lambda b: b["address"])


def block_around(name, address):
	"""An object with private data begins behind them."""
	return next(b for b in blocks_of(name) if b["address"] <= address < b["address"] + b["usable"])


@pytest.mark.parametrize("name", [COMMITTED, FRESH])
def test_every_object_has_its_class(name):
	rows = [(address, kind) for address, _s, form, kind, *_ in case_of(name)[1] if form == "value"]
	found = {address: block_around(name, address) for address, _kind in rows}
	assert {address: found[address].get("type") for address, _kind in rows} == dict(rows)
	assert {kind for _a, kind in rows} == {"ShopItem", "ShopStore"}
	# Nothing else is one.
	assert sum(b.get("type") in ("ShopItem", "ShopStore") for b in blocks_of(name)) == len(rows)


def test_instances_in_slices_are_counted_by_class():
	"""GLib before 2.76 has them in slices: their pools say how many of each class the program has."""
	if subprocess.run(["pkg-config", "--atleast-version=2.75", "glib-2.0"], check=False).returncode == 0:
		pytest.skip("GLib 2.76 and later have no slices")
	truth = collections.Counter(kind for _a, _s, form, kind, *_ in case_of(SLICES)[1] if form == "value")
	pools = report_of(SLICES)["pools"]["list"]
	found = {content["name"]: (content["count"], content["bytes"], pool["name"]) for pool in pools
		for content in pool.get("contents", [])}
	assert len(truth) == 2 and all(pool["agrees"] for pool in pools)
	for kind, size in (("ShopItem", 48), ("ShopStore", 64)):	# rounded up to 16; 16 of ShopStore are private data
		assert found[kind] == (truth[kind], truth[kind] * size, str(size))
	for pool in pools:
		assert pool["free"] + sum(content["bytes"] for content in pool["contents"]) <= pool["bytes"]


@pytest.mark.parametrize("name", [COMMITTED, FRESH])
def test_a_pointer_behind_private_data_is_to_the_start(name):
	assert "possibly-lost" not in {block_around(name, address)["reach"]
		for address, _s, form, *_ in case_of(name)[1] if form == "value"}
	closures = [b for b in blocks_of(name) if b.get("type") == "GClosure"]
	assert len(closures) > 5 and "possibly-lost" not in {b["reach"] for b in closures}


@pytest.mark.parametrize("name", [COMMITTED, FRESH])
def test_all_leaked_rings_are_found_and_nothing_else(name):
	truth = {block_around(name, address)["address"]: (what, ring)
		for address, _s, form, what, _p, ring in case_of(name)[1] if form == "count"}
	seen = collections.defaultdict(list)
	for cycle in report_of(name)["cycles"]:
		if cycle["kind"] != "refcount":
			continue
		rows = {truth[block_around(name, int(m["address"], 16))["address"]] for m in cycle["members"]
			if block_around(name, int(m["address"], 16))["address"] in truth}
		assert len(rows) == 1
		seen["held" if cycle.get("held") else "leaked"].append(rows.pop())
	for what in ("leaked", "held"):
		assert sorted(seen[what]) == sorted({row for row in truth.values() if row[0] == what}), what
	assert (len(seen["leaked"]), len(seen["held"])) == RINGS[name]
	assert sum(s["count"] for s in report_of(name)["suspects"] if s["rule"] == "cycle/refcount") == RINGS[name][0]


@pytest.mark.parametrize("name", [COMMITTED, FRESH])
def test_a_closure_is_told_by_its_signal(name):
	rows = [{row["what"]: row["value"] for row in s["evidence"]} for s in report_of(name)["suspects"]
		if s["rule"] == "cycle/refcount"]
	closure = next(row for row in rows if "handler" in row["ring"])
	assert closure["ring"] == 'ShopItem.handler("sold"), GSignal handler->closure->data'
	assert closure["make weak"] == "GSignal handler->closure->data"


def test_fields_are_named_where_debug_info_is():
	rings = {row["value"] for s in report_of(FRESH)["suspects"] if s["rule"] == "cycle/refcount"
		for row in s["evidence"] if row["what"] == "ring"}
	assert {"ShopItem->peer, ShopItem->peer", "ShopStore+0x0+0x0+0x0, ShopItem->peer"} <= rings


def test_a_blanked_dump_has_the_same_rings(tmp_path):
	"""`heapfx shrink` itself refuses a dump whose report would change."""
	heapfx_ok("shrink", *case_of(FRESH)[0], "-o", tmp_path / "small.core")
