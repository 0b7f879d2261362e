"""Leaks that the first screen must name, at their size (corpus/go/src/large, mux): cases to be made, none is committed."""
import pytest

from common import heapfx_ok
from go_corpus import CASES, go_dump, report_of, truth_of


def cases(what):
	return [name for name in CASES if name.startswith("large") and name.endswith(what)]


MUX = [name for name in CASES if name.startswith("mux")]
ROWS, COLUMNS = 40, 100


def first_suspect(name):
	"""The two lines about it, of a page that fits a screen."""
	lines = heapfx_ok("analyze", *go_dump(name).arguments).out.splitlines()
	assert len(lines) <= ROWS and max(map(len, lines)) <= COLUMNS
	at = next(i for i, line in enumerate(lines) if line.startswith("  1 "))
	return lines[at], lines[at + 1]


def rules_of(name):
	return {s["rule"] for s in report_of(name)["suspects"]}


@pytest.mark.parametrize("name", cases("million"))
def test_a_map_of_a_million_entries_that_lost_most(name):
	title, line = first_suspect(name)
	assert title.startswith("  1 map[int64]*main.Session of ") and title.endswith("slack/map-dead")
	assert "global main.sessions" in line
	[said] = [m for m in report_of(name)["go"]["maps"] if m.get("type") == "map[int64]*main.Session"]
	assert said["used"] == int(truth_of(name).rows["map"][0][1]) == 10000
	assert said["wasted"] > 0.9 * said["bytes"]


@pytest.mark.parametrize("name", cases("rebuilt"))
def test_the_same_map_made_anew(name):
	assert "slack/map-dead" not in rules_of(name)


@pytest.mark.parametrize("name", cases("crowd"))
def test_ten_thousand_goroutines(name):
	title, line = first_suspect(name)
	assert title.startswith("  1 10,000 goroutines wait forever in main.worker") and title.endswith("stuck/goroutine")
	assert "chan receive in main.worker (main.go:" in line and "chan *main.Task" in line and "stacks: " in line


@pytest.mark.parametrize("name", cases("pooled"))
def test_as_many_that_a_sleeper_will_wake(name):
	assert "stuck/goroutine" not in rules_of(name)


@pytest.mark.parametrize("name", MUX)
def test_a_closure_in_the_default_mux(name):
	title, line = first_suspect(name)
	assert title.startswith("  1 one ") and "defaultServeMux " in title
	assert "func main.register.func1" in line
	if int(name.split(".")[2]) >= 23:	# what a function captured is told since then
		assert "in net/http.defaultServeMux " in title
		assert "func1.receipts -> bytes.Buffer.buf -> []uint8" in line
