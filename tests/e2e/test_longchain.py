"""A chain of a million nodes that is held and one that is dropped: nothing recurses on data."""
import resource

import pytest

from common import blocks_of, dump_of, heapfx_ok, report_of, truth_of, used_of

NODES = 1000000		# longchain.c


def test_states_of_two_million_nodes():
	truth, _totals = truth_of("longchain")
	used = used_of(blocks_of("longchain"))
	assert used.keys() == truth.keys()
	wrong = [hex(a) for a, (_size, _kind, state) in truth.items()
		if state != "unknown" and used[a]["reach"] != state]
	assert not wrong, (len(wrong), wrong[:5])


def test_report_counts_them():
	truth, _totals = truth_of("longchain")
	others = sum(state == "unknown" for _size, _kind, state in truth.values())
	reach = report_of("longchain")["reachability"]
	assert reach["definitely-lost"]["count"] in range(1, 1 + others + 1)
	assert reach["indirectly-lost"]["count"] in range(NODES - 1, NODES + others)
	assert reach["reachable"]["count"] in range(NODES, NODES + others + 1)


@pytest.mark.parametrize("stack_kib", [256])
def test_a_small_stack_is_enough(stack_kib):
	soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
	try:
		resource.setrlimit(resource.RLIMIT_STACK, (stack_kib << 10, hard))
		heapfx_ok("analyze", dump_of("longchain").core, timeout=120)
	finally:
		resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def test_the_chain_to_its_end_is_folded():
	"""The deepest node of the held chain: a million hops, and a report of a few."""
	truth, _totals = truth_of("longchain")
	deepest = min(a for a, (_size, kind, _state) in truth.items() if kind == "REACH")
	out = heapfx_ok("explain", dump_of("longchain").core, hex(deepest), timeout=120).out
	assert "g_chain" in out
	assert len(out.splitlines()) < 200
