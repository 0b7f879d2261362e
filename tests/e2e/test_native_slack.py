"""Containers of C++ and Rust with room for more than they hold: those that the programs wrote down, and no others."""
import json
import re

import pytest

from common import heapfx_ok
from types_corpus import blocks_of, case_of

CASES = ["slacks.gcc.O2.g", "slacks.clang.O0.g4", "slacks.clang.O0.g.libcxx"]
GLIB = ["glib_spares.gcc.O2.g", "glib_spares.clang.O0.g4"]
RUST = ["spares.rustc.O2.g", "spares.rustc.O0.g"]


def spare_rows(name):
	"""[(address, bytes asked for, kind, in use, room)]"""
	for address, size, form, words, *_ in case_of(name)[1]:
		if form == "spare":
			kind, used, room = re.fullmatch(r"(\w+) (\d+) of (\d+)", words).groups()
			yield address, size, kind, int(used), int(room)


def report_of(name):
	return json.loads(heapfx_ok("analyze", *case_of(name)[0], "--format", "json").out)


@pytest.mark.parametrize("name", CASES + RUST + GLIB)
def test_room_that_nothing_is_in(name):
	rows, wasted = list(spare_rows(name)), 0
	assert {kind for _a, _s, kind, *_ in rows} >= {"capacity", "empty"} | ({"table"} if name not in GLIB else set())
	for address, size, kind, used, room in rows:
		block = blocks_of(name)[address]
		wasted += block["size"] if kind in ("empty", "buffer") else size // room * (room - used)
	slack = report_of(name)["categories"]["slack"]
	assert slack == {"count": sum(kind != "buffer" for _a, _s, kind, *_ in rows), "bytes": wasted}


@pytest.mark.parametrize("name,kind,holder", [(CASES[0], "shop::Line[]", "few"), (RUST[0], "spares::Line[]", "spares::STORE")])
def test_what_adds_up_is_told(name, kind, holder):
	"""All vectors of one type are one suspect, by what they have in use."""
	lines = [(used, room, size) for _a, size, form, used, room in spare_rows(name)
		if form == "capacity" and size == room * 16]
	suspects = [s for s in report_of(name)["suspects"] if s["rule"] == "slack/capacity"]
	assert [s["type"] for s in suspects] == [kind]
	use = next(row["value"] for row in suspects[0]["evidence"] if row["what"] == "in use")
	used, room = sum(row[0] for row in lines), sum(row[1] for row in lines)
	assert use == f"{used:,} of {room:,} elements"
	assert suspects[0]["count"] == len(lines) and suspects[0]["confidence"] == "debug-info"
	assert suspects[0]["retained"] == sum((room - used) * 16 for used, room, _size in lines)
	assert suspects[0]["chain"]["root"]["symbol"] == holder
