"""The heap's course as the runtime keeps it: pauses and goal, against what the process read of itself."""
import pytest

from common import heapfx_ok
from go_corpus import CASES, COURSE, QUIET, go_dump, report_of, truth_of


@pytest.mark.parametrize("name", QUIET)
def test_pauses(name):
	total, gc = truth_of(name).total, report_of(name)["go"]["gc"]
	assert 0 < total["memstats.NumGC"] <= 256, "the rings of this case have gone round"
	assert len(gc["pauses"]) == total["memstats.NumGC"]
	assert sum(pause["ns"] for pause in gc["pauses"]) == total["memstats.PauseTotalNs"] == gc["pause_total_ns"]
	assert gc["pauses"][0]["end"] == total["memstats.LastGC"]
	ends = [pause["end"] for pause in gc["pauses"]]
	assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("name", [name for name in QUIET if name not in COURSE])
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


def signals_of(name):
	return {s["signal"]: s["words"] for s in report_of(name)["go"]["gc"]["signals"]}


@pytest.mark.parametrize("name", COURSE)
def test_goals_of_the_last_two_collections(name):
	total, gc = truth_of(name).total, report_of(name)["go"]["gc"]
	assert gc["goal"] == total["course.goal"] == total["memstats.NextGC"]
	if "course.limit" not in total:	# under which it collects by itself in between
		assert gc["last_goal"] == total["course.last_goal"]
	assert gc["goal_by"] == ("GOMEMLIMIT" if "course.limit" in total else "GOGC")


@pytest.mark.parametrize("name", COURSE)
def test_signals(name):
	total, said = truth_of(name).total, signals_of(name)
	if "course.grow" in total:
		assert "at the last collection: live memory rose, or GOGC did" in said["goal-rising"]
		assert "fragmentation" in said and "goal-runaway" in said
	elif "course.sparse" in total:
		assert said.keys() == {"fragmentation-live-flat"} and said.popitem()[1].endswith("; live memory is flat")
	elif "course.limit" in total:
		assert said.keys() & {"limit-pressed", "past-goal"} and "goal-rising" not in said
	else:
		assert not said


@pytest.mark.parametrize("name", COURSE)
def test_free_slots_are_a_suspect_where_they_are_many(name):
	total = truth_of(name).total
	rules = {s["rule"] for s in report_of(name)["suspects"]}
	if "course.steady" in total:
		assert not [rule for rule in rules if rule.startswith("free-held/")]
	elif "course.sparse" in total:
		assert "free-held/fragmentation" in rules


@pytest.mark.parametrize("name", COURSE)
def test_what_the_settings_imply(name):
	text = heapfx_ok("info", *go_dump(name).arguments).out.split("\nCOLLECTOR\n")[1].split("\n\n")[0]
	lines = [line.strip() for line in text.splitlines()]
	total, gc = truth_of(name).total, report_of(name)["go"]["gc"]
	assert lines[:len(gc["words"])] == gc["words"]
	assert lines[0].startswith("GOGC=100, GOMEMLIMIT=20.0 MiB: " if "course.limit" in total
		else "GOGC=100, no GOMEMLIMIT: ")
	assert f"{total['memstats.NumGC']} collections, {total['memstats.NumForcedGC']} of them by" in text
	assert len(lines) == len(gc["words"]) + len(gc["signals"])
	assert max(map(len, text.splitlines())) <= 100
