"""What suspects say of large structures: how much each keeps, and the one pointer it is held through."""
import functools
import json

import pytest

from common import dump_of, heapfx_ok, make_cores, report_of, truth_of

MASK = make_cores.MASK
# Name of the truth; the type its suspect counts, how many of the blocks are of another; the pointer to cut, if the
# suspect names one of a root; what else that frees.
HOARDS = {
	"cache": ("struct entry", 2, "global g_cache"),
	"list": ("struct link", 0, "global g_list"),
	"registry": ("struct member", 2, None),
	"tree": ("struct leaf", 0, "global g_tree"),
	"ring": ("struct bead", 0, "global g_ring"),
}


def total(key):
	return truth_of("hoards")[1][key]


@functools.lru_cache(maxsize=None)
def suspects():
	return {s["type"]: s for s in report_of("hoards")["suspects"] if s["rule"].startswith("growth/")}


@functools.lru_cache(maxsize=None)
def explained(address):
	tables = json.loads(heapfx_ok("explain", dump_of("hoards").core, hex(address), "--format", "json").out)["tables"]
	return {row["layer"]: row["answer"] for row in tables["explain"]}, tables["holders"]


def only_way(suspect):
	return [e["value"] for e in suspect["evidence"] if e["what"] == "held only through"]


def test_each_is_told_once():
	assert set(suspects()) == {kind for kind, _others, _pointer in HOARDS.values()}
	assert sum(s["retained"] for s in suspects().values()) <= sum(total(f"{name}.bytes") for name in HOARDS)


@pytest.mark.parametrize("name", HOARDS)
def test_as_much_as_the_program_knows(name):
	kind, others, _pointer = HOARDS[name]
	suspect = suspects()[kind]
	assert suspect["rule"] == "growth/accumulation"
	assert suspect["count"] == total(f"{name}.blocks") - others
	# Small blocks on the way to what has them are no part of it.
	assert total(f"{name}.bytes") - 64 <= suspect["retained"] <= total(f"{name}.bytes")


@pytest.mark.parametrize("name", HOARDS)
def test_the_pointer_it_is_held_through(name):
	kind, _others, pointer = HOARDS[name]
	way, = only_way(suspects()[kind])
	registry = total("registry") ^ MASK
	assert way.startswith(f"{pointer}: clearing it frees " if pointer else f"struct registry->table ({registry:#x} +0x0)")


@pytest.mark.parametrize("name", [name for name, row in HOARDS.items() if row[2]])
def test_without_its_global_all_of_it_would_go(name):
	rows, _holders = explained(total(name) ^ MASK)
	assert rows["only through"].startswith(f"{HOARDS[name][2]}: clearing it frees ")
	assert f"({total(f'{name}.bytes')} bytes)" in rows["retains"]


def test_cutting_one_of_two_frees_nothing():
	rows, holders = explained(total("registry") ^ MASK)
	assert rows["only through"].startswith("no single pointer")
	assert len(holders) == 2 and [row["frees"] for row in holders] == [0, 0]
	assert f"({total('registry.bytes')} bytes)" in rows["retains"]


def test_text_says_it():
	out = heapfx_ok("analyze", dump_of("hoards").core, "--top", "5").out
	assert out.count("held only through struct registry->table") == 1
	assert "held only through global" not in out	# the chain begins there
