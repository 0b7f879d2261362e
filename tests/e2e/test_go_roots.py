"""Who holds Go objects: the goroutine, its function and its variable, as the program and the runtime said."""
import functools
import json
import re

import pytest

from common import heapfx_ok
from go_corpus import CASES as MADE_CASES, QUIET, ZOO, go_dump, truth_of

HELD = 9	# objects asked for in each case, spread over all
CASES = [name for name in ZOO if name in QUIET]


def chains_of(name, address):
	dump = go_dump(name)
	out = heapfx_ok("explain", "--format", "json", "--exe", dump.exe, dump.core, hex(address)).out
	return json.loads(out)["chains"]


@functools.lru_cache(maxsize=None)
def shortest_of(name):
	"""The shortest chain of some live main.Held."""
	held = [row[0] for row in truth_of(name).in_state("live") if row[2] == "main.Held"]
	return [chains_of(name, address)[0] for address in held[::max(1, len(held) // HELD)]]


def roots_of(name):
	return [chain["root"] for chain in shortest_of(name)]


def function_of(name):
	"""As the runtime prints it: without the types that a generic one stands for."""
	return "panic" if name == "runtime.gopanic" else re.sub(r"\[.*\]", "[...]", name)


@pytest.mark.parametrize("name", CASES)
def test_goroutine_roots(name):
	truth, seen = truth_of(name), 0
	for root in roots_of(name):
		if root["kind"] != "goroutine":
			assert "goroutine" not in root
			continue
		number = root["goroutine"]
		seen += 1
		waits = truth.goroutines[number][0].split(", ")[0]
		functions = [function for function, _place in truth.frames[number]]
		assert root["source"].startswith(f"goroutine {number} [{waits}] ")
		assert function_of(root["function"]) in functions
		place = dict(zip(functions[::-1], [place for _f, place in truth.frames[number]][::-1]))
		if functions.count(function_of(root["function"])) == 1:
			assert root["frame"] == f"{root['function']} ({place[function_of(root['function'])]})"
		assert "thread" not in root
	assert seen >= 2


@pytest.mark.parametrize("name", CASES)
def test_roots_are_exact(name):
	"""By the masks of data and the maps of stacks: nothing was found by its looks."""
	kinds = [(chain["root"]["kind"], chain["hops"][0]["via"]["kind"]) for chain in shortest_of(name)]
	assert {via for _root, via in kinds} <= {"exact", "interior"}
	assert ("goroutine", "exact") in kinds


@pytest.mark.parametrize("name", [name for name in MADE_CASES if name.startswith("spin")])
def test_registers_are_not(name):
	"""A goroutine that runs was stopped where no map holds."""
	held = [row[0] for row in truth_of(name).in_state("live") if row[2] == "main.Held"]
	chains = [chains_of(name, address)[0] for address in held]
	assert "scanned" in {chain["hops"][0]["via"]["kind"] for chain in chains
		if " [running]" in chain["root"].get("source", "") or chain["root"]["kind"] == "register"}


@pytest.mark.parametrize("name", CASES)
def test_variables_of_frames(name):
	"""A function of the zoo that keeps a main.Held calls it h, or has it in a box, b, or an array, a."""
	named = [root["source"].rsplit(", in ", 1)[1] for root in roots_of(name)
		if root["kind"] == "goroutine" and ", in " in root["source"]]
	if ".debug_info" not in sections_of(name):
		assert not named
		return
	assert set(named) <= {"h", "b+0x20", "a+0x20"} and named.count("h") >= 2


def sections_of(name):
	"""Names in the executable's section header strings; enough for whether DWARF is there."""
	data = go_dump(name).exe.read_bytes()
	return {section for section in (".debug_info", ".zdebug_info") if section.encode() + b"\0" in data}


# --- addresses of stacks ----------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_address_of_a_stack(name):
	"""A slot that holds an object lies on the stack of the goroutine whose root it is."""
	root = next(root for root in roots_of(name) if root["kind"] == "goroutine")
	dump = go_dump(name)
	out = heapfx_ok("explain", "--exe", dump.exe, dump.core, root["address"]).out
	assert f"of goroutine {root['goroutine']} (" in out
	assert f"frame of {root['function']}" in out or "frame of main." in out
