"""Rings of counted references: all that a program leaked, none that it or another ring holds, no healthy one."""
import collections
import functools
import json

import pytest

from common import heapfx_ok
import types_corpus

TYPED = ["refcounts.gcc.O2.g", "refcounts.clang.O0.g4", "refcounts.gcc.O0.g", "refcounts.clang.O2.g"]
# Nothing typed leads to what is lost: with debug info or without, these are known by their counts alone.
RUST = ["rusty.rustc.O2.g", "rusty.rustc.O2", "rusty.rustc.O2.stripped"]
STRIPPED = ["refcounts.gcc.O0.stripped", "refcounts.clang.O2.stripped", "refcounts.gcc.O2", "refcounts.clang.O0"]


@functools.lru_cache(maxsize=None)
def case_of(name):
	"""(arguments that name the dump, {address: (what is to be said of it, ring)})"""
	dump, rows = types_corpus.case_of(name)
	return dump, {a: (what, ring) for a, _s, form, what, _p, ring in rows if form == "count"}


@functools.lru_cache(maxsize=None)
def report_of(name):
	return json.loads(heapfx_ok("analyze", *case_of(name)[0], "--format", "json", "--top", "100").out)


def suspects_of(name):
	return [s for s in report_of(name)["suspects"] if s["rule"] == "cycle/refcount"]


def evidence(suspect, what):
	return [row["value"] for row in suspect.get("evidence", []) if row["what"] == what]


@pytest.mark.parametrize("name", TYPED + STRIPPED + RUST)
def test_all_leaked_rings_are_found_and_nothing_else(name):
	truth = case_of(name)[1]
	found = [truth[int(a, 16)] for s in suspects_of(name) for a in s["addresses"]]
	# What weak references make of one of these only types can tell.
	leaked = {row for row in truth.values() if row[0] == "leaked" or (name in TYPED and row[0] == "typed")}
	assert len(leaked) == (29 if name in RUST else 51 if name in TYPED else 49)
	assert set(found) == leaked
	assert len(found) == len(leaked) == sum(s["count"] for s in suspects_of(name))


@pytest.mark.parametrize("name", STRIPPED)
def test_a_type_retains_each_byte_once(name):
	"""Also where blocks of no type stand between two of one: by the dominators of each block, gone up one by one."""
	out = heapfx_ok("sql", *case_of(name)[0], "select id, type, idom, retained from blocks where state = 'used'", "--format", "json").out
	blocks = {row["id"]: row for row in json.loads(out)}
	retained, count = collections.Counter(), collections.Counter()
	for row in blocks.values():
		up = row["idom"]
		while up is not None and blocks[up]["type"] != row["type"]:
			up = blocks[up]["idom"]
		count[row["type"]] += 1
		retained[row["type"]] += row["retained"] if up is None else 0
	told = [t for t in report_of(name)["types"] if t["count"] == count[t["name"]]]
	assert len(told) > 5
	assert [t["name"] for t in told if t["retained"] != retained[t["name"]]] == []


@pytest.mark.parametrize("name", TYPED + RUST[:1])
def test_rings_of_others_are_shown_as_held(name):
	truth = case_of(name)[1]
	seen = collections.Counter()
	for cycle in report_of(name)["cycles"]:
		if cycle["kind"] != "refcount":
			continue
		rows = {truth[int(m["address"], 16)] for m in cycle["members"] if int(m["address"], 16) in truth}
		assert len(rows) == 1
		held = cycle.get("held", False)
		assert held == (rows.pop()[0] == "held")
		assert ("weaken" in cycle) != held
		seen[held] += 1
	assert seen[True] > 3 and seen[False] > 10


@pytest.mark.parametrize("name", TYPED)
def test_rings_are_spelled_by_fields_with_the_one_to_make_weak(name):
	truth = case_of(name)[1]
	said = {}
	for suspect in suspects_of(name):
		for address in suspect["addresses"]:
			said[truth[int(address, 16)][1]] = (evidence(suspect, "ring"), evidence(suspect, "make weak"))
	assert said["pair#0"] == (["shop::Parent->children[0], shop::Child->parent"], ["shop::Child->parent"])
	assert said["ring#2"] == ([", ".join(["shop::Node->next"] * 3)], ["shop::Node->next"])
	assert said["apart#1"] == ([", ".join(["shop::Node->next"] * 2)], ["shop::Node->next"])
	assert said["registry#0"][0] == ["shop::Registry->items[...], shop::Item->registry"]
	stale = next(s for s in suspects_of(name) if truth[int(s["addresses"][0], 16)][1] == "observed#0")
	assert evidence(stale, "only looks reachable")


@pytest.mark.parametrize("name", STRIPPED[:1])
def test_a_ring_is_told_once(name):
	"""Neither as a ring of blocks nor as a lost block besides."""
	truth = case_of(name)[1]
	for suspect in report_of(name)["suspects"]:
		if suspect["rule"] in ("cycle/unreachable", "lost/definite"):
			for address in suspect["addresses"]:
				assert truth.get(int(address, 16), ("", ""))[0] != "leaked", suspect["title"]


@pytest.mark.parametrize("name", [TYPED[0], STRIPPED[0]])
def test_a_blanked_dump_has_the_same_rings(name, tmp_path):
	"""`heapfx shrink` itself refuses a dump whose report would change."""
	heapfx_ok("shrink", *case_of(name)[0], "-o", tmp_path / "small.core")


def test_a_variable_that_begins_like_its_kind():
	"""global_roots is a global of refcounts.cpp."""
	dump, _truth = case_of(TYPED[1])
	said = json.loads(heapfx_ok("sql", *dump, "--format", "json",
		"select b.address from roots r join blocks b on b.id = r.block where r.name = 'global_roots' limit 1").out)
	address = said[0]["address"]
	assert "global global_roots" in heapfx_ok("explain", dump[0], address, *dump[1:]).out
