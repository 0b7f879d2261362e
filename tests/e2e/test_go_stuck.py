"""Goroutines that nobody can wake, and those that somebody can (corpus/go/src/waits/goroutines.go)."""
import json
import re
import subprocess

import pytest

from common import heapfx_ok, make_cores
from go_corpus import Patched, WAITS, built_stripped, go_dump, report_of, truth_of, used_blocks

KNOTTED = [name for name in WAITS if "healthy" not in name]


def truth_rows(name, what):
	"""{function: (goroutines, address of what they wait for, the function that has it or None)}"""
	rows = {}
	for address, count, functions, _ in truth_of(name).rows.get(what, []):
		function, other = functions.split()
		rows[function] = int(count), int(address, 16), other if other != "-" else None
	return rows


def stuck_suspects(name):
	return [s for s in report_of(name)["suspects"] if s["rule"] == "stuck/goroutine"]


def functions_in(text):
	return re.findall(r"main\.\w+", text)


def evidence(suspect):
	return {row["what"]: row["value"] for row in suspect["evidence"]}


def by_function(name):
	return {function: s for s in stuck_suspects(name) for function in functions_in(s["title"])}


def rings_of(rows):
	"""Functions that wait for each other, by what the program knows."""
	return {frozenset((function, other)) for function, (_, _, other) in rows.items()
		if other and rows[other][2] == function}


@pytest.mark.parametrize("name", KNOTTED)
def test_every_group_that_is_stuck_is_named(name):
	rows, named = truth_rows(name, "stuck"), by_function(name)
	assert named.keys() == rows.keys()
	for function, (count, _, _) in rows.items():
		together = set(functions_in(named[function]["title"]))
		assert named[function]["count"] == sum(rows[f][0] for f in together), function


@pytest.mark.parametrize("name", KNOTTED)
def test_rings_are_one_suspect(name):
	"""Two locks in two orders; a lock against a channel."""
	rings = rings_of(truth_rows(name, "stuck"))
	said = [s for s in stuck_suspects(name) if s["title"].startswith("deadlock")]
	assert {frozenset(functions_in(s["title"])) for s in said} == rings and len(rings) == 2
	for s in said:
		words = evidence(s)["waits in a ring"]
		assert words.count(" waits for ") == 2
		first, *_, last = re.findall(r"goroutine \d+ in main\.\w+", words)
		assert first == last
	assert all("waits in a ring" not in evidence(s) for s in stuck_suspects(name) if s not in said)


@pytest.mark.parametrize("name", KNOTTED)
def test_what_they_wait_for(name):
	named = by_function(name)
	for function, (_, thing, other) in truth_rows(name, "stuck").items():
		words = evidence(named[function])
		assert f"0x{thing:x}" in words["waits for"], function
		if other and other not in functions_in(named[function]["title"]):
			assert other in words["who else reaches that"] and "wait" in words["who else reaches that"]
		else:
			assert words["who else reaches that"] == "nobody else", function


@pytest.mark.parametrize("name", KNOTTED)
@pytest.mark.parametrize("function, words, typed", [
	("main.transferOut", "sync.Mutex", "main.Account.mu"), ("main.readTable", "sync.RWMutex", "main.Table.rw"),
	("main.waitForAll", "sync.WaitGroup", ""), ("main.onCond", "sync.Cond", ""),
	("main.onOrphan", "chan", "*main.Job"),
])
def test_things_are_named(name, function, words, typed):
	said = evidence(by_function(name)[function])["waits for"]
	assert words in said and ("stripped" in name or typed in said)


@pytest.mark.parametrize("name", KNOTTED)
def test_what_they_keep(name):
	named = by_function(name)
	assert named["main.onOrphan"]["retained"] >= 200 * 1024
	assert named["main.withRing"]["retained"] >= 10 * 4096
	assert named["main.transferOut"]["retained"] >= 2 * 8000	# the two accounts are theirs together
	rings = evidence(named["main.withRing"])["rings of objects that it alone keeps"]
	assert rings.startswith("10 ") and "40.0 KiB" in rings
	kept = report_of(name)["categories"]["stuck"]["bytes"]
	assert kept >= sum(s["retained"] for s in stuck_suspects(name))


def groups_of(name):
	"""The program's own groups of goroutines by the function they stand in."""
	found = {}
	for group in report_of(name)["go"]["goroutines"]["groups"]:
		functions = [level["function"] for level in group["stack"] if level["function"].startswith("main.")]
		found.update({function: group for function in functions[:1]})
	return found


@pytest.mark.parametrize("name", WAITS)
def test_what_groups_keep(name):
	"""Whether they can be woken or not; one that only waits for a global's channel keeps nothing."""
	groups = groups_of(name)
	for _, size, function, _ in truth_of(name).rows["held"]:
		assert groups[function]["retained"] == int(size)
	assert groups["main.onLive"]["retained"] == groups["main.sleeper"]["retained"] == 0
	assert groups["main.onOrphan"]["retained"] >= 200 * 1024
	for s in stuck_suspects(name):
		functions = functions_in(s["title"])
		if len(functions) == 1:
			assert groups[functions[0]]["retained"] == s["retained"]


@pytest.mark.parametrize("name", KNOTTED)
def test_things_and_rings_in_numbers(name):
	said, rows = report_of(name)["go"]["stuck"], truth_rows(name, "stuck")
	assert said["complete"] and said["count"] == sum(count for count, _, _ in rows.values())
	things = {int(thing["address"], 16): thing for thing in said["things"]}
	goroutines = report_of(name)["go"]["goroutines"]
	function_of = {g["id"]: function for function, group in groups_of(name).items()
		for g in goroutines["list"] if goroutines["groups"][g["group"]]["ids"] == group["ids"]}
	for function, (count, address, other) in rows.items():
		thing = things[address]
		assert thing["waiting"] == count and thing["reached"] == len(thing["reached_by"])
		assert {function_of[number] for number in thing["waiters"]} == {function}
		assert {function_of[number] for number in thing["reached_by"]} == ({other} if other else set())
	assert {frozenset(function_of[number] for number in ring) for ring in said["rings"]} == rings_of(rows)


@pytest.mark.parametrize("name", [name for name in WAITS if name not in KNOTTED])
def test_no_numbers_without_any(name):
	assert "stuck" not in report_of(name)["go"]


@pytest.mark.parametrize("name", WAITS)
def test_who_can_be_woken_is_not_named(name):
	quiet = truth_rows(name, "quiet")
	assert len(quiet) >= 9
	assert not [s["title"] for s in stuck_suspects(name) if set(functions_in(s["title"])) & quiet.keys()]


@pytest.mark.parametrize("name", [name for name in WAITS if name not in KNOTTED])
def test_a_repaired_program_has_none(name):
	assert not truth_rows(name, "stuck") and not stuck_suspects(name)
	assert report_of(name)["categories"].get("stuck", {}).get("bytes", 0) == 0


def lines_of(name, *options):
	return heapfx_ok("analyze", *go_dump(name).arguments, *options).out.splitlines()


@pytest.mark.parametrize("name", WAITS)
def test_text_has_what_groups_keep(name):
	"""Those of one place keep what the program knows; the page has the places that keep most."""
	rows = [line.split() for line in lines_of(name) if line.startswith("  sleep in main.hoarder (")]
	held = sum(int(size) for _, size, function, _ in truth_of(name).rows["held"] if function.startswith("main.hoarder"))
	[row] = rows
	assert int(row[6]) == 4 and row[7:] == [f"{held / 1024:.1f}", "KiB"]


@pytest.mark.parametrize("name", [n for n in WAITS if "healthy" not in n])
def test_text_says_who_blocks_whom(name):
	text = " ".join(" ".join(lines_of(name, "--top", "20")).split())
	assert re.search(r"in main\.transferOut waits for sync\.Mutex .*?reached by goroutine \d+ in main\.transferBack", text)
	assert re.search(r"in main\.readTable waits for sync\.RWMutex .*?reached by goroutine \d+ in main\.holdTable, which", text)


SUDOG_WORDS = 13


@pytest.mark.parametrize("name", [n for n in KNOTTED if "stripped" not in n][-1:])
def test_sudogs_that_were_overwritten(name, tmp_path):
	"""Each of their words in turn leads to the sudog itself, or into nothing: it ends, and nobody is stuck who is not."""
	core = Patched(name, tmp_path / "core")
	sudogs = [b["address"] for b in used_blocks(name) if b.get("type") == "runtime.sudog"]
	assert len(sudogs) > 100
	stuck = {title: row[0] for title, row in truth_rows(name, "stuck").items()}
	for word in range(SUDOG_WORDS):
		for value in (None, 0x4141414141414140)[word % 2:]:
			saved = [(at + 8 * word, core.word(at + 8 * word)) for at in sudogs]
			for place, _ in saved:
				core.write(place, place - 8 * word if value is None else value)
			run = heapfx_ok("analyze", core.path, "--exe", go_dump(name).exe, "--format", "json", timeout=120)
			suspects = [s for s in json.loads(run.out)["suspects"] if s["rule"] == "stuck/goroutine"]
			for s in suspects:
				place = re.match(r"[0-9,]+ goroutines? waits? forever in (\S+)$", s["title"])
				assert not place or s["count"] <= stuck.get(place[1], 0), (word, value, s["title"])
			for place, before in saved:
				core.write(place, before)


MEANT = """package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

func forever() {
	defer runtime.KeepAlive(make([]byte, 1<<20))
	select {}
}

func parked(function string) bool {
	text := make([]byte, 1<<16)
	all := string(text[:runtime.Stack(text, true)])
	return strings.Contains(all, function) && strings.Contains(all, "[select (no cases)")
}

func main() {
	defer runtime.KeepAlive(make([]byte, 1<<20))
	go forever()
	go func() {
		for {
			time.Sleep(time.Hour)
		}
	}()
	for runtime.NumGoroutine() < 3 || !parked("main.forever") {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
	select {}
}
"""


def test_main_that_stays_for_the_others_is_not_stuck(tmp_path):
	"""An empty select is how main is kept from its end; one elsewhere is a goroutine that nobody ends."""
	with subprocess.Popen([built_stripped(MEANT, tmp_path)], stdout=subprocess.PIPE, text=True) as process:
		try:
			assert process.stdout.readline() == "ready\n"
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	report = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "json").out)
	stuck, = (s for s in report["suspects"] if s["rule"] == "stuck/goroutine")
	assert stuck["count"] == 1 and "main.forever" in stuck["title"]
