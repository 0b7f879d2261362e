"""Used blocks that keep free memory from going back: which, who holds them, and how much."""
import re
import pytest

from common import COMMITTED, FRESH, dump_of, heapfx_ok, make_cores, report_of, truth_of

RULE = "free-held/pinned"


def place(key):
	return truth_of("pins")[1][key] ^ make_cores.MASK


def total(key):
	return truth_of("pins")[1][key]


def suspects(name="pins"):
	return [s for s in report_of(name)["suspects"] if s["rule"] == RULE]


def suspect_at(key):
	return next(s for s in suspects() if [int(a, 16) for a in s["addresses"]] == [place(key)])


def held_by(suspect, symbol):
	hops = [int(hop["address"], 16) for hop in suspect["chain"]["hops"]]
	return re.split(r"\W", suspect["chain"]["root"]["symbol"])[0] == symbol and hops[-1] in (
		int(a, 16) for a in suspect["addresses"])


def test_the_block_below_the_top():
	suspect = suspect_at("pin")
	assert suspect["retained"] == total("pin.bytes") and suspect["count"] == 1
	assert held_by(suspect, "g_pin")
	assert any("main arena" in row["value"] for row in suspect["evidence"])


def test_the_block_alone_in_a_heap_segment():
	"""What the program freed in it, and the rest of the segment that no block fitted into."""
	suspect = suspect_at("lone")
	assert total("lone.bytes") <= suspect["retained"] <= total("lone.bytes") + total("lone.rest")
	assert held_by(suspect, "g_lone")


def test_blocks_between_free_ranges():
	suspect, = [s for s in suspects() if s["count"] == total("spread.blocks")]
	assert suspect["retained"] == total("spread.bytes")
	assert held_by(suspect, "g_small")


def test_nothing_else_is_blamed():
	assert len(suspects()) == 3


@pytest.mark.parametrize("name", COMMITTED + FRESH)
def test_no_free_byte_is_in_two_suspects(name):
	report = report_of(name, "--top", "64")
	held = sum(s["retained"] for s in report["suspects"] if s["rule"].startswith("free-held/"))
	tops = sum(heap["free"]["by_where"].get("top", {"bytes": 0})["bytes"] for heap in report["heaps"])
	assert held <= report["categories"].get("free-held", {"bytes": 0})["bytes"] - tops


def test_the_text_names_it():
	assert RULE in heapfx_ok("analyze", dump_of("pins").core).out
