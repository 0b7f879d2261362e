"""Chains of Go objects by the names that their source gives them (corpus/go/src/zoo/values.go)."""
import json
import re

import pytest

from common import heapfx_ok
from go_corpus import BOXES, CASES, go_dump, make_go_cores, truth_of

ZOO = [name for name in CASES if name.startswith("zoo") and
	not any("-s" in flag or "-w" in flag for flag in make_go_cores.CASES[name].flags)]

BARE = [name for name in CASES if name.startswith("zoo") and name not in ZOO]


def after(name, holder, kind, nth):
	"""The nth object of a kind that was made after the first of another kind, both live."""
	rows = [row for row in truth_of(name).objects if row[3] == "live"]
	at = next(i for i, row in enumerate(rows) if row[2] == holder)
	return [row for row in rows[at + 1:] if row[2] == kind][nth][0]


def explain(name, address):
	return heapfx_ok("explain", go_dump(name).core, hex(address), "--exe", go_dump(name).exe,
		"--strings", "preview").out


def row_of(text, layer):
	return next(line[18:] for line in text.splitlines() if line[2:17].rstrip() == layer)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("holder, kind, nth, chain", [
	("map[string]*main.Node", "main.Node", 2,
		'global main.mapNodes -> map[string]*main.Node["c"] -> main.Node ('),
	("map[int32]main.Record", "main.Plain", 7,
		"global main.mapRecords[7] -> main.Record.Ref -> main.Plain ("),	# too large for its slot
	("map[string]map[int]*main.Plain", "main.Plain", 3,
		'global main.mapNested["d"] -> map[int]*main.Plain[1] -> main.Plain ('),
	("map[interface {}]interface {}", "main.Plain", 0,
		'global main.mapAny -> map[interface {}]interface {}["text"] -> main.Plain ('),
	("chan main.Plain", "main.Node", 0,
		"global main.chanStruct -> chan main.Pair[string,*main.Node][0].Value -> main.Node ("),
])
def test_paths(name, holder, kind, nth, chain):
	text = explain(name, after(name, holder, kind, nth))
	assert row_of(text, "type") == kind
	assert row_of(text, "shortest chain").startswith(chain)


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("holder, kind, nth, variable, chain", [
	("map[string]*main.Node", "main.Node", 2, "mapNodes", ' -> map[string]*main.Node["c"] -> main.Node ('),
	("map[int32]main.Record", "main.Plain", 7, "mapRecords", "[7] -> main.Record.Ref -> main.Plain ("),
	("map[string]map[int]*main.Plain", "main.Plain", 3, "mapNested",
		'["d"] -> map[int]*main.Plain[1] -> main.Plain ('),
	("map[interface {}]interface {}", "main.Plain", 0, "mapAny",
		' -> map[interface {}]interface {}["text"] -> main.Plain ('),
])
def test_paths_without_debug_info(name, holder, kind, nth, variable, chain):
	"""By the code: whose variable it is, its type, and by the symbol table, where there is one, its name."""
	text = explain(name, after(name, holder, kind, nth))
	has_symbols = not any("-s" in flag for flag in make_go_cores.CASES[name].flags)
	start = rf"global main\.{variable if has_symbols else '0x[0-9a-f]+'}"
	assert row_of(text, "type") == kind
	assert re.match(start + re.escape(chain), row_of(text, "shortest chain"))


@pytest.mark.parametrize("name", ZOO + BARE)
def test_what_functions_captured(name):
	"""corpus/go/src/zoo/values.go, functionValues(): p, and `held` behind two more functions.  Types have the variables'
	names to 1.20, debug info since 1.23."""
	rows = [row for row in truth_of(name).objects if row[3] == "live"]
	bound = next(i for i, row in enumerate(rows) if row[2] == "main.Bound")
	held = next(row for row in rows[bound:] if row[2] == "main.Held")
	minor = int(make_go_cores.CASES[name].go.split(".")[1])
	has_names = minor <= 20 or (name in ZOO and minor >= 23)
	for row, function, variable in ((rows[bound - 2], "func1", "p"), (held, "func3", "a")):
		text = explain(name, row[0])
		assert row_of(text, "type") == row[2]
		assert f"-> func main.functionValues.{function}.{variable if has_names else 'X0'} -> {row[2]} (" in \
			row_of(text, "shortest chain")


@pytest.mark.parametrize("name", ZOO)
def test_hops_say_how_they_were_reached(name):
	address = after(name, "map[string]*main.Node", "main.Node", 2)
	out = heapfx_ok("explain", go_dump(name).core, hex(address), "--exe", go_dump(name).exe,
		"--format", "json").out
	hops = json.loads(out)["chains"][0]["hops"]
	assert [hop["type"] for hop in hops] == ["map[string]*main.Node", "main.Node"]
	assert (hops[1]["via"]["kind"], hops[1]["via"]["name"]) == ("value", '["c"]')


@pytest.mark.parametrize("name", ZOO)
def test_data_are_not_shown_unasked(name):
	"""A literal key is the program's own name; a number is its data."""
	for holder, kind, nth, shown, hidden in (
			("map[int32]main.Record", "main.Plain", 7, "main.mapRecords[...]", "[7]"),
			("map[string]*main.Node", "main.Node", 2, '["c"]', "[...]")):
		dump = go_dump(name)
		text = heapfx_ok("explain", dump.core, hex(after(name, holder, kind, nth)), "--exe", dump.exe).out
		assert shown in row_of(text, "shortest chain")
		assert hidden not in row_of(text, "shortest chain")


@pytest.mark.parametrize("name", BOXES)
def test_lists_of_pools_are_the_last_to_begin_a_chain(name):
	"""They lead to what a pool lies in at once, and the second collection from now lets go of them."""
	items = [row[0] for row in truth_of(name).in_state("live") if row[2] == "main.Item"]
	assert len(items) == 6
	for address in items[:3]:
		chain = row_of(explain(name, address), "shortest chain")
		assert chain.startswith("global main.") and ".cache" in chain
