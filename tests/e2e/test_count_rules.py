"""Counts of a program's own, as a rule file describes them: all leaked rings are found, and nothing else."""
import functools
import json

import pytest

from common import ROOT, heapfx, heapfx_ok
import types_corpus

RULES = ROOT / "corpus/native/src"
CASES = {
	"owncounts.gcc.O2.g": "owncounts.rules",
	"owncounts.clang.O0.g4": "owncounts.rules",
	"intrusive.gcc.O0.g": "intrusive.rules",
	"intrusive.clang.O0.g4": "intrusive.rules",
	"intrusive.gcc.O2.stripped": "intrusive-stripped.rules",
}


@functools.lru_cache(maxsize=None)
def case_of(name):
	"""(arguments that name the dump, {address: (what is to be said of it, ring)})"""
	dump, rows = types_corpus.case_of(name)
	return dump, {a: (what, ring) for a, _s, form, what, _p, ring in rows
		if form == "count" and not ("stripped" in name and ring.startswith("sessions"))}	# counted in their second base


@functools.lru_cache(maxsize=None)
def report_of(name, rules=True):
	options = ("--count-rules", RULES / CASES[name]) if rules else ()
	return json.loads(heapfx_ok("analyze", *case_of(name)[0], *options, "--format", "json", "--top", "100").out)


def rings_of(name, rules=True):
	return [s for s in report_of(name, rules)["suspects"] if s["rule"] == "cycle/refcount"]


@pytest.mark.parametrize("name", CASES)
def test_all_leaked_rings_are_found_and_nothing_else(name):
	truth = case_of(name)[1]
	found = [truth[int(a, 16)] for s in rings_of(name) for a in s["addresses"]]
	leaked = {row for row in truth.values() if row[0] == "leaked"}
	assert len(leaked) == (24 if name.startswith("owncounts") else 6 if "stripped" in name else 12)
	assert set(found) == leaked
	assert len(found) == len(leaked) == sum(s["count"] for s in rings_of(name))
	assert not rings_of(name, rules=False)


@pytest.mark.parametrize("name", CASES)
def test_rings_that_somebody_holds_are_held(name):
	truth = case_of(name)[1]
	seen = set()
	for cycle in report_of(name)["cycles"]:
		if cycle["kind"] != "refcount":
			continue
		rows = {truth[int(m["address"], 16)] for m in cycle["members"] if int(m["address"], 16) in truth}
		(what, ring), = rows
		assert what == ("held" if cycle.get("held") else "leaked")
		seen.add((what, ring.split("#")[0]))
	assert {ring for what, ring in seen if what == "held"} == {row[1].split("#")[0] for row in truth.values() if row[0] == "held"}


def spelled(name):
	return {row["value"] for s in rings_of(name) for row in s["evidence"] if row["what"] == "ring"}


def test_rings_are_spelled_by_fields():
	assert spelled("intrusive.gcc.O0.g") == {
		"own::Widget->children[0].px, own::Widget->parent.px", "own::Session->peer.px, own::Session->any.px"}
	# Nothing typed leads to what is lost: that it is such a struct is a guess that its count confirms.
	assert {"struct parent?->children[0], struct child?->parent", "struct task?->arg, struct task?->arg",
		"struct parent->children[0], struct child->parent"} <= spelled("owncounts.gcc.O2.g")
	assert {s["confidence"] for s in rings_of("owncounts.gcc.O2.g")} == {"pattern", "debug-info"}


def test_a_field_that_is_not_there_is_said(tmp_path):
	path = tmp_path / "x.rules"
	path.write_text("count page\ntype struct page\nstrong refcount\n", encoding="ascii")
	run = heapfx("analyze", *case_of("owncounts.gcc.O2.g")[0], "--count-rules", path)
	assert run.status == 0
	assert "rules/unknown-field" in heapfx("analyze", *case_of("owncounts.gcc.O2.g")[0], "--count-rules", path,
		"--format", "json").out


@pytest.mark.parametrize("text,line,words", [
	("type struct page", 1, "begins with"),
	("count", 1, "name"),
	("count a\ntype struct a\n", 1, "strong"),
	("count a\nstrong refs\n", 1, "type"),
	("count a\ntype struct a\nstrong 8\n", 3, "u32"),
	("count a\ntype struct a\nstrong refs\nstrong.mask 0", 4, "small"),
	("count a\ntype struct a\nstrong refs\nref struct b", 4, "field"),
])
def test_what_is_wrong_in_a_rule_is_said_with_its_line(tmp_path, text, line, words):
	path = tmp_path / "bad.rules"
	path.write_text(text, encoding="ascii")
	run = heapfx("analyze", *case_of("owncounts.gcc.O2.g")[0], "--count-rules", path)
	assert run.status == 2 and not run.out
	assert f"bad.rules:{line}: " in run.err and words in run.err
