"""Leaks that the first screen must name, at their size (corpus/go/src/large, mux): cases to be made, none is committed."""
import pytest

from common import heapfx_ok
from go_corpus import CASES, go_dump, report_of, truth_of


def cases(what, stripped=False):
	wanted = (what, f"{what}-stripped") if stripped else (what,)
	return [name for name in CASES if name.startswith("large") and name.split(".")[3] in wanted]


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
	[said] = [m for m in report_of(name)["go"]["maps"] if m.get("type") == "map[int64]*main.Session"]
	assert said["used"] == int(truth_of(name).rows["map"][0][1]) == 10000
	assert said["wasted"] > 0.9 * said["bytes"]


# (case, its rule, how the first suspect begins with DWARF, and without, what its second line has, with DWARF)
NAMED = (
	("million", "slack/map-dead", "map[int64]*main.Session of ", "map[", "global main.sessions"),
	("crowd", "stuck/goroutine", "10,000 goroutines wait forever in main.worker",
		"10,000 goroutines wait forever in main.worker", "chan receive in main.worker (main.go:"),
	("header", "slack/subslice", "[]uint8 of 64.0 MiB kept for 16 B", "array of 64.0 MiB kept for 16 B",
		"global main.header"),
	("shared", "parked/pool-escaped", "sync.Pool main.buffers: 400 ", "sync.Pool with New ", "main.serve (main.go:"),
	("dirty", "parked/pool-dirty", "sync.Pool main.rows: 400 maps not cleared", "sync.Pool with New ",
		"global main.rows"),
	("undrawn", "parked/pool-no-reuse", "sync.Pool main.put is not drawn from", "sync.Pool at 0x", "global main.put"),
	("ring", "cycle/finalizer", "2,000 rings of 2 main.Conn, never finalized", "2,000 rings of 2 ",
		"main.Conn.Session -> main.Conn"),
)
# The same programs, repaired: what their rule must not say.
REPAIRED = {"rebuilt": "slack/map-dead", "pooled": "stuck/goroutine", "copied": "slack/subslice",
	"handed": "parked/pool-escaped", "wiped": "parked/pool-dirty", "drawn": "parked/pool-no-reuse",
	"chain": "cycle/finalizer"}


def screen_of(name):
	"""Of a page that fits a screen, the lines of a suspect by its rule: its title, who holds it, what to do."""
	lines = heapfx_ok("analyze", *go_dump(name).arguments).out.splitlines()
	assert len(lines) <= ROWS and max(map(len, lines)) <= COLUMNS
	return {line.rsplit(" ", 1)[1]: lines[i:i + 3] for i, line in enumerate(lines)
		if line[:4].strip() and line[:4].strip().isdigit() and "/" in line.rsplit(" ", 1)[1]}


@pytest.mark.parametrize("name, rule, title, bare, holder",
	[(name, *row[1:]) for row in NAMED for name in cases(row[0], stripped=True)])
def test_the_first_screen_names_it(name, rule, title, bare, holder):
	said, line, advice = screen_of(name)[rule]
	if "stripped" not in name:
		assert said[4:].startswith(title) and holder in line
	elif name.split(".")[3] != "million-stripped" or int(name.split(".")[2]) >= 24:
		assert said[4:].startswith(bare)
	assert advice.strip()


@pytest.mark.parametrize("name, rule", [(name, rule) for what, rule in REPAIRED.items()
	for name in cases(what, stripped=True)])
def test_the_same_repaired(name, rule):
	assert rule not in rules_of(name)


@pytest.mark.parametrize("name", MUX)
def test_a_closure_in_the_default_mux(name):
	title, line = first_suspect(name)
	assert title.startswith("  1 one ") and "func main.register.func1" in line
	if "stripped" in name:
		return
	assert "defaultServeMux " in title or "faultServeMux.m " in title
	if int(name.split(".")[2]) >= 23:	# what a function captured is told since then
		assert "in net/http.defaultServeMux " in title
		assert "func1.receipts -> bytes.Buffer.buf -> []uint8" in line
