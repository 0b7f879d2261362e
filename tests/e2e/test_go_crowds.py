"""growth/goroutines: too many goroutines that one function started, which something may still wake (tests/live/crowds.go)."""
import json
import os
import re
import shutil
import subprocess

import pytest

from common import ROOT, heapfx_ok, make_cores
from go_corpus import WAITS, report_of

needs_go = pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain is installed")


@pytest.fixture(scope="module")
def core(tmp_path_factory):
	made = {}

	def make(what, flags=""):
		if (what, flags) in made:
			return made[what, flags]
		home = tmp_path_factory.mktemp("crowds")
		subprocess.run(["go", "build", "-ldflags", flags, "-o", home / "crowds", ROOT / "tests/live/crowds.go"], check=True,
			env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"})
		with subprocess.Popen([home / "crowds", what], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
			assert child.stdout.readline() == b"ready\n"
			make_cores.wait_until_at_rest(child.pid)	# goroutines may not stand yet where they are to wait
			heapfx_ok("capture", child.pid, "--mode", "stop", "-o", home / "core", "--pack", "none")
			child.stdin.close()
		made[what, flags] = home / "core"
		return home / "core"
	return make


def crowds_of(core):
	suspects = json.loads(heapfx_ok("analyze", core, "--format", "json").out)["suspects"]
	return [s for s in suspects if s["rule"] == "growth/goroutines"]


def evidence_of(suspect, what):
	return [e["value"] for e in suspect["evidence"] if e["what"] == what]


@needs_go
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_what_two_of_a_connection_keep_together(core, flags):
	"""Neither place keeps anything alone."""
	suspect, = crowds_of(core("pairs", flags))
	assert (suspect["title"], suspect["count"]) == ("600 goroutines started by main.open", 600)
	assert sorted(re.sub(r":\d+\)$", "", place) for place in evidence_of(suspect, "stand at")) == [
		"300 select in main.(*conn).read (crowds.go", "300 select in main.(*conn).write (crowds.go"]
	sql = ("select count(*) as n, sum(stack_bytes) as stacks from goroutines where wait_reason = 'select'")
	row, = json.loads(heapfx_ok("sql", core("pairs", flags), sql, "--format", "json").out)
	assert int(row["n"]) == 600
	behind = suspect["retained"] - int(row["stacks"])
	assert 300 * 4096 <= behind <= 300 * (4096 + 512)	# the space; a conn and two channels


@needs_go
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_the_first_screen_says_it(core, flags):
	text = heapfx_ok("analyze", core("pairs", flags)).out
	assert "VERDICT  600 goroutines started by main.open: " in text and "% of the memory" in text.partition("SUSPECTS")[0]
	assert re.search(r"\n  1 600 goroutines started by main\.open .* growth/goroutines\n      stacks ", text)
	assert re.search(r"\nGOROUTINES .*\n  select in main\.\(\*conn\)", text)


@needs_go
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_bodies_that_nobody_closes(core, flags):
	suspect, = [s for s in crowds_of(core("bodies", flags)) if "dialConn" in s["title"]]
	assert (suspect["title"], suspect["count"]) == ("300 goroutines started by net/http.(*Transport).dialConn", 300)
	assert suspect["advice"].startswith("close the Body of every http.Response")
	assert not [s for s in crowds_of(core("closed", flags)) if "dialConn" in s["title"]]


@pytest.mark.parametrize("name", [name for name in WAITS if "healthy" in name])
def test_waits_that_will_end(name):
	"""The same program as the one that is stuck: what could wake them is there, and there are as many."""
	suspect, = [s for s in report_of(name, "--top", "64")["suspects"] if s["rule"] == "growth/goroutines"]
	go = report_of(name)["go"]["goroutines"]
	starters = {}
	for group in go["groups"]:
		by = group.get("created_by", {}).get("function")
		starters[by] = starters.get(by, 0) + group["count"]
	assert suspect["count"] == starters[evidence_of(suspect, "started by")[0]]


@needs_go
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_what_waits_for_its_timer(core, flags):
	"""The runtime has the timers, and the program may stop them."""
	suspects = json.loads(heapfx_ok("analyze", core("timers", flags), "--format", "json").out)["suspects"]
	first = suspects[0]
	assert (first["rule"], first["count"]) == ("growth/accumulation", 4000)
	assert re.fullmatch(r"4,000 (\[\]uint8|blocks of 512 bytes) behind timers", first["title"])
	assert 4000 * 512 < first["retained"] < 4000 * 1024
	assert first["advice"].startswith("stop timers")


@needs_go
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_objects_that_hang_on_no_owner(core, flags):
	"""Each of them is in the table and on a stack, and too little to be named."""
	first = json.loads(heapfx_ok("analyze", core("clients", flags), "--format", "json").out)["suspects"][0]
	assert (first["title"], first["count"], first["type"]) == ("60 main.client and what they keep", 60, "main.client")
	assert 60 * 64 * 1024 <= first["retained"] < 60 * 64 * 1152	# and the slices of them
	assert first["advice"].startswith("look which of them keep most")
	told = heapfx_ok("analyze", core("clients", flags)).out
	assert re.search(r"\n  1 60 main\.client and what they keep .*\n      most: 0x[0-9a-f]+ 6\d\.\d KiB, ", told)
	alone = json.loads(heapfx_ok("analyze", core("table", flags), "--format", "json").out)["suspects"]
	assert alone[0]["rule"] == "growth/accumulation" and alone[0]["chain"]["root"]["kind"] == "global"
	assert not [s for s in alone if "what they keep" in s["title"]]


@needs_go
def test_a_field_says_more_than_a_stack(core):
	"""Two stacks lead there; which goroutines these are is another thing in the next dump."""
	first = json.loads(heapfx_ok("analyze", core("session"), "--format", "json").out)["suspects"][0]
	assert first["title"] == "3,000 main.record in main.store.records"
	assert first["chain"]["root"]["kind"] == "goroutine"
