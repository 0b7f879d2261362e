"""Goroutines that nobody can wake, and those that somebody can (corpus/go/src/waits/goroutines.go)."""
import re

import pytest

from go_corpus import WAITS, report_of, truth_of

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


@pytest.mark.parametrize("name", KNOTTED)
def test_every_group_that_is_stuck_is_named(name):
	expected = {function: count for function, (count, _, _) in truth_rows(name, "stuck").items()}
	named = {functions_in(s["title"])[0]: s["count"] for s in stuck_suspects(name)}
	assert named == expected


@pytest.mark.parametrize("name", WAITS)
def test_who_can_be_woken_is_not_named(name):
	quiet = truth_rows(name, "quiet")
	assert len(quiet) >= 9
	assert not [s["title"] for s in stuck_suspects(name) if set(functions_in(s["title"])) & quiet.keys()]


@pytest.mark.parametrize("name", [name for name in WAITS if name not in KNOTTED])
def test_a_repaired_program_has_none(name):
	assert not truth_rows(name, "stuck") and not stuck_suspects(name)
	assert report_of(name)["categories"].get("stuck", {}).get("bytes", 0) == 0
