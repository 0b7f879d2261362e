"""growth/map-keys: what keys of one map alone keep, against what corpus/go/src/keys built."""
import pytest

from common import heapfx_ok
from go_corpus import KEYS, go_dump, report_of, truth_of

NAMES = {"started": "map[*main.Session]int64", "open": "map[main.closer]struct {}", "byPair": "map[main.Pair]bool",
	"byWide": "map[main.Wide]int"}


def suspects(name):
	return [s for s in report_of(name, "--top", "64")["suspects"] if s["rule"] == "growth/map-keys"]


def built(name):
	"""(bytes, blocks) of each map whose keys keep something."""
	truth = truth_of(name)
	return {what: (int(size), truth.total[f"keys.{what}"]) for _, size, what, _ in truth.rows.get("keys", [])}


@pytest.mark.parametrize("name", [n for n in KEYS if "healthy" not in n])
def test_bytes_and_blocks_are_exact(name):
	found = {(s["retained"], s["count"]) for s in suspects(name)}
	expected = set(built(name).values())
	assert expected and found <= expected
	if "stripped" not in name or int(name.split(".")[2]) >= 22:	# before, nothing says what a map's entries are
		assert found == expected


@pytest.mark.parametrize("name", [n for n in KEYS if "healthy" not in n and "stripped" not in n])
def test_maps_are_named_with_their_holder(name):
	by_type = {s["type"]: s for s in suspects(name)}
	for what, size in built(name).items():
		said = by_type[NAMES[what]]
		assert said["retained"] == size[0]
		assert said["chain"]["root"]["symbol"] == f"main.{what}"
		assert said["title"] == f"kept by keys of {NAMES[what]}"
		assert {h["via"]["kind"] for h in said["chain"]["hops"]} & {"key", "field"}
	text = heapfx_ok("analyze", *go_dump(name).arguments).out
	assert "  1 kept by keys of map[*main.Session]int64 " in text


@pytest.mark.parametrize("name", [n for n in KEYS if "healthy" not in n])
def test_each_byte_is_told_once(name):
	"""The accumulation below those keys is evidence, no suspect beside them."""
	[worst] = [s for s in suspects(name) if s["type"] == NAMES["started"]] or [None]
	if worst:
		assert any(e["what"] == "a large part" for e in worst["evidence"])


@pytest.mark.parametrize("name", [n for n in KEYS if "healthy" in n])
def test_repaired_ones_are_quiet(name):
	assert not suspects(name)
