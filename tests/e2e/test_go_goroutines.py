"""What heapfx says of a Go runtime: version, goroutines, their states and stacks."""
import collections
import re

import pytest

from go_corpus import CASES, QUIET, SPIN, STOPPED, make_go_cores, report_of, truth_of

STATES = ("running", "runnable", "syscall")	# other words in the runtime's print are wait reasons


def go_of(name):
	return report_of(name)["go"]


def goroutines_of(name):
	return {g["id"]: g for g in go_of(name)["goroutines"]["list"]}


def expected_states(name):
	"""{id: (state, wait reason)}; the first one printed the list and waits in a read since."""
	found = {}
	for number, (text, _creator, _parent) in truth_of(name).goroutines.items():
		text = text.split(", ")[0]
		found[number] = (text, None) if text in STATES else ("waiting", text)
	found[next(iter(found))] = ("running" if name in SPIN else "syscall", None)
	return found


@pytest.mark.parametrize("name", CASES)
def test_version(name):
	assert go_of(name)["version"] == truth_of(name).text["version"]
	assert report_of(name)["input"]["arch"] == {"amd64": "x86_64", "arm64": "aarch64"}[truth_of(name).text["arch"]]


@pytest.mark.parametrize("name", CASES)
def test_experiments(name):
	experiment = make_go_cores.CASES[name].experiment
	assert go_of(name).get("experiments", "") == experiment


# --- goroutines -------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_number_of_goroutines(name):
	truth = truth_of(name)
	assert go_of(name)["goroutines"]["count"] == truth.total["goroutines"] + truth.total.get("runnable", 0)


@pytest.mark.parametrize("name", QUIET)
def test_state_of_every_goroutine(name):
	expected, listed = expected_states(name), goroutines_of(name)
	found = {number: (listed[number]["state"], listed[number].get("wait_reason"))
		for number in expected if number in listed}
	assert found == expected
	late = [g for g in listed.values() if g["id"] not in expected and not g.get("system")]
	assert [g["state"] for g in late] == ["runnable"] * truth_of(name).total.get("runnable", 0)


@pytest.mark.parametrize("name", QUIET)
def test_states_add_up(name):
	go = go_of(name)["goroutines"]
	users = [g for g in go["list"] if not g.get("system")]
	assert (len(users), len(go["list"]) - len(users)) == (go["count"], go["system"])
	assert collections.Counter(g["state"] for g in go["list"]) == go["by_state"]
	assert collections.Counter(g["wait_reason"] for g in go["list"] if "wait_reason" in g) == go["by_wait_reason"]


def plain(function):
	"""As the runtime prints it: type arguments left out."""
	function = re.sub(r"\[.*\]", "[...]", function)
	return "panic" if function == "runtime.gopanic" else function


def is_hidden(function):
	"""What the runtime's own print leaves out: itself, but for what is exported, and compiled wrappers."""
	if re.search(r"-fm$|\.deferwrap\d+$|\.gowrap\d+$|^_cgoexp_", function):
		return True
	return bool(re.match(r"runtime\.(?![A-Z])|runtime/internal|internal/runtime", function))


def stacks_of(name):
	"""{id: [(function, file:line)]} as heapfx has them, without what the runtime would hide."""
	go = go_of(name)["goroutines"]
	found = {}
	for g in go["list"]:
		if "group" in g:
			levels = go["groups"][g["group"]]["stack"]
			found[g["id"]] = [(plain(level["function"]),
				f"{level.get('file', '?').rpartition('/')[2]}:{level.get('line', 0)}")
				for level in levels if not is_hidden(plain(level["function"]))]
	return found


@pytest.mark.parametrize("name", QUIET)
def test_stack_of_every_goroutine(name):
	"""Function, file and line, inlined calls too, as the runtime itself unwound them."""
	found, wrong = stacks_of(name), []
	for number in truth_of(name).goroutines:
		expected = [(function, place) for function, place in truth_of(name).frames[number]
			if not is_hidden(function)]
		stack = found.get(number, [])
		if len(stack) == len(expected) + 1 and re.search(r"\.func\d+$", stack[-1][0]):
			stack = stack[:-1]	# what a go statement with arguments was compiled to, up to 1.21
		if truth_of(name).goroutines[number][0] == "syscall":	# the runtime prints where it was entered
			stack[:1], expected[:1] = [f for f, _place in stack[:1]], [f for f, _place in expected[:1]]
		if number != next(iter(truth_of(name).goroutines)) and stack != expected:	# the first one has gone on
			wrong.append((number, expected, stack))
	assert not wrong, (len(wrong), wrong[:3])


@pytest.mark.parametrize("name", QUIET)
def test_creator_of_every_goroutine(name):
	go = go_of(name)["goroutines"]
	listed = goroutines_of(name)
	for number, (_text, creator, parent) in truth_of(name).goroutines.items():
		if creator == "-":
			continue
		group = go["groups"][listed[number]["group"]]
		assert plain(group["created_by"]["function"]) == plain(creator)
		if parent != "-":
			assert listed[number]["parent"] == int(parent)


@pytest.mark.parametrize("name", QUIET)
def test_every_stack_is_unwound_to_its_end(name):
	assert all(g["unwound"] for g in go_of(name)["goroutines"]["list"])


# --- in the middle of things --------------------------------------------------------------------

PHASES = {"marking": "marking", "sweeping": "off", "stopped": "off"}


@pytest.mark.parametrize("name", STOPPED)
def test_stopped_anywhere(name):
	"""A collection at work, a goroutine whose thread is on its g0: labelled, and every stack is read."""
	report, what = report_of(name), name.rpartition(".")[2]
	assert report["go"]["gc"]["phase"] == PHASES[what]
	goroutines = report["go"]["goroutines"]
	assert all(g["unwound"] for g in goroutines["list"])
	if what != "stopped":
		return
	running, = [g for g in goroutines["list"] if g["state"] == "running"]
	stack = [level["function"] for level in goroutines["groups"][running["group"]]["stack"]]
	assert running["id"] == 1 and stack[:2] == ["runtime.systemstack_switch", "runtime.ReadMemStats"]
	assert {t["tid"]: t["function"] for t in report["threads"]}[running["thread"]] == "runtime.readmemstats_m"
	assert [function for function, _place in truth_of(name).frames[1]][-1] in stack


# --- since when -------------------------------------------------------------------------------

SINCE = [name for name in CASES if name.startswith("since")]


@pytest.mark.parametrize("name", SINCE)
def test_since_when(name):
	"""A bound from below: from the first collection that saw it wait to the last time the runtime noted."""
	total, goroutines = truth_of(name).total, go_of(name)["goroutines"]
	groups = {group["stack"][-1 if "goexit" not in group["stack"][-1]["function"] else -2]["function"]: group
		for group in goroutines["groups"]}
	early, late = groups["main.early"], groups["main.late"]
	assert total["now"] - goroutines["clock"] < 500_000_000
	assert early["count"] == 3 and late["count"] == 1
	assert "waited_at_least" not in late	# no collection has seen it
	for g in goroutines["list"]:
		if g["id"] in early["ids"]:
			assert total["early.seen"] < g["wait_since"] < total["early.seen"] + 1_000_000_000
			assert g["waited_at_least"] == goroutines["clock"] - g["wait_since"]
			assert g["waited_at_least"] <= early["waited_at_least"] < goroutines["clock"] - total["early.since"]
			assert g["waited_at_least"] > 2_000_000_000


@pytest.mark.parametrize("name", SINCE)
def test_since_when_in_words(name):
	suspect, = [s for s in report_of(name)["suspects"] if s["rule"] == "stuck/goroutine" and "main.early" in s["title"]]
	assert {"what": "the longest of them waits", "value": "at least 2 s"} in suspect["evidence"]
	assert "[chan receive, at least 2 s] main.early" in suspect["chain"]["root"]["source"]
