"""The heap's course as the runtime keeps it: pauses and goal, against what the process read of itself."""
import pytest

from go_corpus import CASES, QUIET, report_of, truth_of


@pytest.mark.parametrize("name", QUIET)
def test_pauses(name):
	total, gc = truth_of(name).total, report_of(name)["go"]["gc"]
	assert 0 < total["memstats.NumGC"] <= 256, "the rings of this case have gone round"
	assert len(gc["pauses"]) == total["memstats.NumGC"]
	assert sum(pause["ns"] for pause in gc["pauses"]) == total["memstats.PauseTotalNs"] == gc["pause_total_ns"]
	assert gc["pauses"][0]["end"] == total["memstats.LastGC"]
	ends = [pause["end"] for pause in gc["pauses"]]
	assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("name", QUIET)
def test_goal(name):
	total, gc = truth_of(name).total, report_of(name)["go"]["gc"]
	# The programs turn GOGC off before they read their figures: there is no goal then, though the runtime
	# computes one from a limit that nobody set.
	assert total["memstats.NextGC"] > 1 << 60 and "goal" not in gc and "goal_by" not in gc
	assert 0 < gc["marked"] <= gc["live"]
	assert gc["phase"] == "off"


def test_a_collection_under_way():
	marked = [name for name in CASES if name.endswith(".marks")]
	if not marked:
		pytest.skip("no case that was stopped in a collection")
	assert report_of(marked[0])["go"]["gc"]["phase"] == "marking"
