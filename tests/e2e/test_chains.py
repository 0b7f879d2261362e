"""Several shortest chains to one block: each by the holder that the program made, shortest first."""
import json
import re

import pytest

from common import dump_of, heapfx, heapfx_ok, make_cores, truth_of
from test_json import validator  # noqa: F401
import types_corpus

CASES = ["holders", "holders.kernel"]
ROOTS = ["g_near", "g_middle", "tls of thread"]


def place(name, key):
	return truth_of(name)[1][key] ^ make_cores.MASK


def chains_in_truth(name):
	"""[[address, ...], ...], shortest first."""
	chains = {}
	for key in sorted(truth_of(name)[1]):
		if key.startswith("chain."):
			chains.setdefault(key.split(".")[1], []).append(place(name, key))
	return [chains[number] for number in sorted(chains)]


def explained(name, *options):
	out = heapfx_ok("explain", dump_of(name).core, hex(place(name, "target")), "--format", "json", *options).out
	return json.loads(out)


def hops(chain):
	return [int(hop["address"], 16) for hop in chain["hops"]]


@pytest.mark.parametrize("name", CASES)
def test_every_way_in_order(name, validator):  # noqa: F811
	"""The ring behind the target and the lost holder are no ways to it."""
	report = explained(name, "--chains", "10")
	assert [hops(chain) for chain in report["chains"]] == chains_in_truth(name)
	for chain, root in zip(report["chains"], ROOTS):
		assert root in chain["root"].get("symbol", "") + chain["root"].get("source", "")
	assert not list(validator.iter_errors(report))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_as_many_as_asked_for(n):
	assert [hops(c) for c in explained("holders", "--chains", str(n))["chains"]] == chains_in_truth("holders")[:n]


def test_three_unless_asked():
	out = heapfx_ok("explain", dump_of("holders").core, hex(place("holders", "target"))).out
	rows = [line for line in out.splitlines() if re.match(r"\s+(shortest|next) chain ", line)]
	assert len(rows) == 3
	for row, root, chain in zip(rows, ROOTS, chains_in_truth("holders")):
		# Blocks whose field is named go by the variable's name: g_middle.to.to -> ...
		head, *hops_behind = row.split(" -> ")
		assert root in head and len(hops_behind) + head.count(".to") == len(chain)


def test_lost_blocks_have_none():
	out = heapfx_ok("explain", dump_of("holders").core, hex(place("holders", "lost")), "--format", "json").out
	assert "chains" not in json.loads(out)


@pytest.mark.parametrize("n", ["0", "-1", "many"])
def test_a_number_is_needed(n):
	assert heapfx("explain", dump_of("holders").core, "0x1000", "--chains", n).status == 2


def test_more_than_there_can_be():
	assert len(explained("holders", "--chains", "18446744073709551615")["chains"]) == 3


@pytest.mark.parametrize("name", ["dangling.gcc.O2", "dangling.clang.O0.g", "dangling.gcc.O0.nopie"])
def test_an_old_pointer_of_an_unknown_block_holds_nothing_that_others_hold(name):
	"""`port` is nearer; whole pointers from `registry` lead there, too, however far that is."""
	dump, rows = types_corpus.case_of(name)
	levels, large = ({address for address, _s, _f, kind, *_ in rows if kind == want} for want in ("level", "large"))
	assert len(levels) == 5 and len(large) == 4
	statements = ["select id, address, parent, root from blocks where state = 'used'"]
	told = [json.loads(heapfx_ok("sql", *dump, *statements, "--format", "json", "--threads", n).out) for n in "14"]
	assert told[0] == told[1]
	at = {row["id"]: row for row in told[0]}
	for row in told[0]:
		if row["address"] in large:
			way = set()
			while row["parent"] is not None:
				row = at[row["parent"]]
				way.add(row["address"])
			assert way == levels
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	chains = [s["chain"] for s in report["suspects"] if {int(a, 16) for a in s["addresses"]} & large]
	assert chains and {chain["root"]["symbol"] for chain in chains} == {"registry"}
