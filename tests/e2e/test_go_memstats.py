"""MemStats, recomputed by heapfx from the runtime's structures: to the byte."""
import pytest

from go_corpus import CASES, QUIET, report_of, truth_of

MEMSTATS = ("HeapAlloc", "HeapObjects", "HeapInuse", "HeapIdle", "HeapReleased", "HeapSys", "StackInuse", "StackSys",
	"MSpanInuse", "MSpanSys", "MCacheInuse", "MCacheSys", "BuckHashSys", "GCSys", "OtherSys", "Sys", "NextGC", "NumGC")


def go_of(name):
	return report_of(name)["go"]


@pytest.mark.parametrize("name", QUIET)
def test_memstats(name):
	"""Recomputed from the structures, to the byte."""
	truth, found = truth_of(name), go_of(name)["memstats"]
	expected = {key: truth.total[f"memstats.{key}"] for key in MEMSTATS}
	expected["HeapObjects"], expected["HeapAlloc"] = truth.allocated()
	assert {key: found.get(key) for key in MEMSTATS} == expected


@pytest.mark.parametrize("name", CASES)
def test_cycles(name):
	swept = name.endswith(".sweeping")	# counted when marking ends
	assert go_of(name)["gc_cycles"] == truth_of(name).total["memstats.NumGC"] + swept
