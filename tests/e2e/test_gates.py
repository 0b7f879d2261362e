"""--budget, --baseline, --suppressions: the status, and what was breached by how much, in every format."""
import html
import json
import re

import junitparser
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from common import ROOT, dump_of, heapfx, heapfx_ok, report_of

CORE = "leakzoo"
EPOCH = {"SOURCE_DATE_EPOCH": "1790000000"}	# 2026-09-21


def gated(tmp_path, budget="", suppressions="", *options, fmt="json"):
	args = []
	for option, text in (("--budget", budget), ("--suppressions", suppressions)):
		if text:
			path = tmp_path / option.strip("-")
			path.write_text(text, "utf-8")
			args += [option, path]
	return heapfx("analyze", dump_of(CORE).core, *args, *options, "--format", fmt, env=EPOCH)


def checks(run):
	return {c["name"]: c for c in json.loads(run.out)["gates"]}


def test_limits(tmp_path):
	report = report_of(CORE)
	lost = report["categories"]["lost"]["bytes"]
	definite = [s for s in report["suspects"] if s["rule"] == "lost/definite"]
	count = sum(s["count"] for s in definite)
	assert gated(tmp_path, f"max category lost {lost}\nmax rule lost/definite {count} count\n").status == 0
	run = gated(tmp_path, f"max category lost {lost - 7}\nmax rule lost/definite {count - 2} count\n")
	assert run.status == 1
	first, second = json.loads(run.out)["gates"]
	assert (first["actual"], first["limit"], first["over"], first["unit"]) == (lost, lost - 7, 7, "bytes")
	assert (second["actual"], second["over"], second["unit"]) == (count, 2, "blocks")
	assert [c["line"] for c in (first, second)] == [1, 2] and first["result"] == "breached"
	assert len([line for line in run.err.splitlines() if "--budget" in line and "over the limit" in line]) == 2


def test_roots(tmp_path):
	"""What hangs on a root is what the folded profile says of it."""
	folded = heapfx_ok("analyze", dump_of(CORE).core, "--format", "folded").out.splitlines()
	held = sum(int(line.rsplit(" ", 1)[1]) for line in folded if line.startswith("global g_list;"))
	assert held
	assert gated(tmp_path, f'max root "global g_list" {held}').status == 0
	run = gated(tmp_path, f'max root "global g_list" {held - 1}')
	assert run.status == 1 and json.loads(run.out)["gates"][0]["over"] == 1


def test_baseline_knows_its_own(tmp_path):
	"""A dump, its report as JSON: the same suspects are not new; those of another program are."""
	report = tmp_path / "report.json"
	report.write_text(heapfx_ok("analyze", dump_of(CORE).core, "--format", "json").out)
	for baseline in (dump_of(CORE).core, report):
		run = gated(tmp_path, "growth memory 0\ngrowth category * 0\n", "", "--baseline", baseline,
			"--fail-on", "note")
		assert run.status == 0, run.err
		assert {s["baseline"] for s in json.loads(run.out)["suspects"]} == {"unchanged"}
	run = gated(tmp_path, "", "", "--baseline", dump_of("demo").core)
	found = json.loads(run.out)
	new = [s for s in found["suspects"] if s["baseline"] == "new" and s["severity"] != "note"]
	assert run.status == 1 and new
	assert sum(c["result"] == "breached" for c in found["gates"]) == len(new)


def test_growth(tmp_path):
	report = json.loads(heapfx_ok("analyze", dump_of(CORE).core, "--format", "json").out)
	for line in report["memory"]["breakdown"]:
		line["bytes"] -= line["bytes"] // 2
	lost = report["categories"]["lost"]["bytes"]
	report["categories"]["lost"]["bytes"] = lost // 2
	(tmp_path / "half.json").write_text(json.dumps(report))
	run = gated(tmp_path, "growth memory 90%\ngrowth category lost 101%\ngrowth category lost 10K\n", "",
		"--baseline", tmp_path / "half.json")
	first, second, third = json.loads(run.out)["gates"]
	assert run.status == 1
	assert [c["result"] for c in (first, second, third)] == ["breached", "ok", "breached"]
	assert third["actual"] == lost - lost // 2 and third["limit"] == 10240


def test_suppressions(tmp_path):
	found = report_of(CORE)["suspects"]
	signature = found[1]["signature"]
	other = [s for s in found if s["signature"] != signature]
	run = gated(tmp_path, "", f'suppress * signature {signature} until 2026-09-21 because "T-1"')
	by_id = {s["id"]: s for s in json.loads(run.out)["suspects"]}
	assert by_id[found[1]["id"]]["suppressed"] == {"reason": "T-1", "until": "2026-09-21"}
	assert all("suppressed" not in by_id[s["id"]] for s in other)
	run = gated(tmp_path, "", f'suppress * signature {signature} until 2026-09-20 because "T-1"')
	assert run.status == 0 and "expired on 2026-09-20" in run.err
	assert not any("suppressed" in s for s in json.loads(run.out)["suspects"])
	everything = 'suppress * until 2027-01-01 because "all"'
	assert gated(tmp_path, "", everything, "--fail-on", "note").status == 0
	assert gated(tmp_path, "", everything.replace("2027", "2026"), "--fail-on", "note").status == 1


BUDGET = "max category lost 1K\nmax memory 1T\nmax type nobody 1\n"


@pytest.mark.parametrize("fmt", ["text", "markdown", "github", "gitlab", "junit", "sarif", "openmetrics"])
def test_every_format_names_the_breach(fmt, tmp_path):
	lost = report_of(CORE)["categories"]["lost"]["bytes"]
	run = gated(tmp_path, BUDGET, 'suppress cycle/* until 2027-01-01 because "<known>"', fmt=fmt)
	assert run.status == 1
	out, over = html.unescape(run.out), f"{(lost - 1024) / 1024:.1f} KiB over the limit of 1.0 KiB"
	if fmt == "openmetrics":
		families = {f.name: f for f in text_string_to_metric_families(run.out)}
		assert [s.value for s in families["heapfx_gate_breached"].samples] == [1, 0, 0]
		return
	assert over in out.replace("\\", "")
	if fmt == "sarif":
		log = json.loads(run.out)["runs"][0]
		assert log["invocations"][0]["exitCode"] == 1
		assert [r["ruleId"] for r in log["results"]].count("budget/exceeded") == 1
		assert {r["ruleId"] for r in log["results"] if "suppressions" in r} == {"cycle/unreachable"}
		assert "<known>" in log["results"][1]["suppressions"][0]["justification"]
	elif fmt == "junit":
		suite, = junitparser.JUnitXml.fromstring(run.out.encode())
		cases = {case.name: case for case in suite if case.classname == "heapfx.budget"}
		assert len(cases) == 3 and [bool(c.result and "Failure" in type(c.result[0]).__name__)
			for c in cases.values()] == [True, False, False]
	elif fmt == "github":
		first = run.out.splitlines()[0]
		assert re.fullmatch(r"::error file=\S+/budget,line=1,title=budget::.*", first)
		assert "title=cycle/" not in run.out
	elif fmt == "gitlab":
		first = json.loads(run.out)[0]
		assert first["check_name"] == "budget/exceeded" and first["location"]["path"].endswith("budget")


@pytest.mark.parametrize("text,place", [
	("max memory\n", ":1: an amount is missing"), ("\n\nmax rule no/such 1\n", ":3: no such rule"),
	("max type \"x\x1b[31m 1\n", ":1: a quote"), ("\0\n", ":1: a zero byte"), ("x" * 70000, ":1: a word of more"),
	("max memory 1\n" * 20000, ":10001: more than"), ("growth memory 1\n", "growth against what?")],
	ids=["amount", "rule", "quote", "zero", "word", "lines", "growth"])
def test_mistakes_in_a_budget(text, place, tmp_path):
	run = gated(tmp_path, text)
	assert run.status == 2 and place in run.err and run.out == "" and "\x1b" not in run.err


def test_other_mistakes(tmp_path):
	assert gated(tmp_path, "", "suppress * until 2027-01-01").status == 2
	assert gated(tmp_path, "", "", "--baseline", tmp_path / "none").status == 3
	(tmp_path / "x.json").write_text('{"tool": {"name": "other"}}')
	run = gated(tmp_path, "", "", "--baseline", tmp_path / "x.json")
	assert run.status == 3 and "no report of heapfx" in run.err
	assert gated(tmp_path, "max memory 1", "", "--budget", tmp_path / "none").status == 3


def test_the_examples_of_the_page_are_read(tmp_path):
	page = (ROOT / "docs/ci.md").read_text("utf-8")
	budget, suppressions = (re.search(rf"```{name}\n(.*?)```", page, re.S).group(1)
		for name in ("budget", "suppressions"))
	run = gated(tmp_path, budget, suppressions, "--baseline", dump_of(CORE).core)
	assert run.status in (0, 1) and checks(run)
