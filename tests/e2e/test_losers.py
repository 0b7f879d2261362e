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
