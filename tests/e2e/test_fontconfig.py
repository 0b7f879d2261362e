"""Patterns of fontconfig's lead to their tables by distances: what they hold is not lost, and what went with one is."""
import pathlib

import pytest

from common import blocks_of, dump_of, heapfx_ok, parse_blocks, truth_of, used_of

pytestmark = pytest.mark.skipif(not pathlib.Path("/usr/include/fontconfig/fontconfig.h").exists(),
	reason="no libfontconfig-dev")
NAME = "fonts"


def lost(used):
	return {a: block["reach"] for a, block in used.items() if block["reach"] != "reachable"}


def test_only_what_was_dropped_is_lost():
	truth, totals = truth_of(NAME)
	used = used_of(blocks_of(NAME))
	states = lost(used)
	dropped, = (a for a, (_size, _kind, state) in truth.items() if state == "definitely-lost")
	assert {a for a, reach in states.items() if reach != "indirectly-lost"} == {dropped}
	assert sum(used[a]["size"] for a in states) == totals["fonts.dropped"]


def test_a_hop_says_where_the_distance_is():
	"""The table of elements is held by the pattern's second word, and by nothing else."""
	truth, _totals = truth_of(NAME)
	for a, (_size, _kind, state) in sorted(truth.items()):
		if state != "reachable":
			continue
		rows = heapfx_ok("sql", dump_of(NAME).core, "select offset from edges join blocks on blocks.id = src "
			f"where blocks.address = {a}", "--format", "csv").out.split()[1:]
		assert rows == ["8"]


def test_a_shrunk_copy_tells_the_same(tmp_path):
	copy = tmp_path / "shrunk"
	heapfx_ok("shrink", dump_of(NAME).core, "-o", copy)
	used = used_of(parse_blocks(heapfx_ok("blocks", copy).out))
	assert lost(used) == lost(used_of(blocks_of(NAME)))
	assert b"A Family Of Letters" not in copy.read_bytes()
