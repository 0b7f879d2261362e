"""Records that contradict each other: of what a thread inside malloc or free has in hand, or damage."""
import pytest

from common import heapfx_ok, dump_of, make_cores, report_of, truth_of


@pytest.mark.parametrize("name,code", (("free", "heap/in-flight"), ("killed", "heap/corrupt"), ("other", "heap/corrupt"),
	("elsewhere", "heap/corrupt")))
def test_what_free_has_in_hand_is_no_damage(name, code):
	"""Nor does it explain what killed the process, or what lies elsewhere."""
	case = f"inflight.{name}"
	report = report_of(case)
	spoilt = truth_of(case)[1]["spoilt"] ^ make_cores.MASK
	told = [p for p in report["input"]["problems"] if p["code"] in ("heap/in-flight", "heap/corrupt")]
	assert [(p["code"], p["count"]) for p in told] == [(code, 1)]
	assert f"{spoilt:#x}" in told[0]["message"] and ("in hand" in told[0]["message"]) == (code == "heap/in-flight")
	heap, = report["heaps"]
	assert heap["checks"]["failed"] == (code == "heap/corrupt")
	assert any(s["rule"] == "heap/corrupt" for s in report["findings"]) == (code == "heap/corrupt")
	assert ("heap/corrupt" in heapfx_ok("analyze", dump_of(case).core).out) == (code == "heap/corrupt")


@pytest.mark.parametrize("name,code", (("static", "heap/in-flight"), ("static-stripped", "heap/in-flight"), ("elsewhere", "heap/corrupt")))
def test_malloc_that_is_linked_in(name, code):
	"""Without symbols its code tells: it refers to main_arena."""
	case = f"inmalloc.{name}"
	report = report_of(case)
	last = truth_of(case)[1]["spoilt"] ^ make_cores.MASK
	told = [p for p in report["input"]["problems"] if p["code"] in ("heap/in-flight", "heap/corrupt")]
	assert [(p["code"], p["count"]) for p in told] == [(code, 1)]
	assert f"overrun of the block at {last:#x}" in told[0]["message"]
	heap, = report["heaps"]
	assert heap["checks"]["failed"] == (code == "heap/corrupt")
