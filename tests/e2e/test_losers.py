"""Who lost a block: functions by the frames that they left on dead stacks, threads by their arenas."""
import json

import pytest

from common import heapfx_ok
from types_corpus import case_of


@pytest.mark.parametrize("name", ["losers.gcc.O0", "losers.clang.O2.nopie"])
def test_the_function_and_the_thread_are_named(name):
	dump, truth = case_of(name)
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	of = {int(a, 16): s for s in report["suspects"] if s["rule"] == "lost/definite" for a in s["addresses"]}
	functions = {function for _a, _s, _f, function, _p, _tid in truth}
	for address, _size, _form, function, _p, tid in truth:
		rows = of[address]["evidence"]
		by = [row["value"] for row in rows if row["what"] == "allocated by"]
		assert len(by) == 1 and by[0].startswith(f"probably thread {tid}:")
		left = [row["value"] for row in rows if row["what"] == "still pointed at by"]
		assert left and all(f"dead stack of thread {tid}," in value for value in left)
		# Of a call through a pointer the caller alone may be left: in its frame no function is named.
		assert any(function in value for value in left)
		assert not any(other in value for other in functions - {function} for value in left)
		explained = heapfx_ok("explain", dump[0], hex(address), *dump[1:]).out
		assert f"probably thread {tid}: no other" in " ".join(explained.split())
		assert function in explained


@pytest.mark.parametrize("name", ["dropped.gcc.O0", "dropped.clang.O2.nopie", "dropped.gcc.O2.stripped"])
def test_the_thread_that_freed_what_held_a_block_is_named(name):
	"""By the freed block that still leads to it, and by the one in front of it: both lie in the cache of that thread."""
	dump, truth = case_of(name)
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	lost = {int(a, 16) for s in report["suspects"] if s["rule"] == "lost/definite" for a in s["addresses"]}
	tids = {tid for _a, _s, _f, what, _p, tid in truth if what == "lost"}
	assert len(tids) == 3
	n = 0
	for address, size, _form, what, _p, tid in truth:
		if what == "kept":
			assert address not in lost
			continue
		facts = {}
		explained = json.loads(heapfx_ok("explain", dump[0], hex(address), *dump[1:], "--format", "json").out)
		for row in explained["tables"]["explain"]:
			facts.setdefault(row["layer"], []).append(row["answer"])
		if facts["reachability"] != ["definitely-lost"]:	# a word of a live frame leads there
			continue
		n += 1
		assert any(answer.endswith(f", in the cache of thread {tid}") for answer in facts["stale pointer"])
		assert not any(f"thread {other}" in answer for answer in facts["stale pointer"] for other in tids - {tid})
		if size == 2000:	# right behind its order
			assert facts["freed beside it"] == [f"probably thread {tid}: the block of 48 bytes in front is in its cache"]
	assert n >= 25	# of 30
	told = [row["value"] for s in report["suspects"] if s["rule"] == "lost/definite"
		for row in s["evidence"] if row["what"] == "freed beside it by"]
	assert told and {value.split(":")[0] for value in told} <= {f"probably thread {tid}" for tid in tids}
