"""The formats that services read, through readers that are not ours, held to the JSON report."""
import html
import json
import os
import re
import shutil
import subprocess

import junitparser
import jsonschema
import pytest
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from common import ROOT, dump_of, heapfx, heapfx_ok, make_cores, report_of
from go_corpus import go_dump

NAMES = ["leakzoo.bookworm", "demo", "slack.1.27"]


def arguments(name):
	return go_dump(name).arguments if name.startswith("slack") else (dump_of(name).core,)


def written(name, fmt, *options):
	return heapfx_ok("analyze", *arguments(name), "--format", fmt, *options, timeout=120).out


def json_of(name):
	return json.loads(written(name, "json"))


@pytest.mark.parametrize("name", NAMES)
def test_sarif(name):
	report, sarif = json_of(name), json.loads(written(name, "sarif"))
	jsonschema.validate(sarif, json.loads((ROOT / "docs/schema/sarif-2.1.0.schema.json").read_text()),
		format_checker=jsonschema.FormatChecker())
	assert sarif["version"] == "2.1.0" and len(sarif["runs"]) == 1
	run = sarif["runs"][0]
	rules = run["tool"]["driver"]["rules"]
	assert len({r["id"] for r in rules}) == len(rules)
	assert len(run["results"]) == len(report["suspects"]) > 0
	for result, suspect in zip(run["results"], report["suspects"]):
		assert result["ruleId"] == suspect["rule"] == rules[result["ruleIndex"]]["id"]
		assert result["level"] == suspect["severity"] in ("note", "warning", "error")
		assert suspect["title"] in result["message"]["text"]
		assert result["properties"]["retained"] == suspect["retained"]
		root = suspect.get("chain", {}).get("root", {})
		for location in result["locations"]:
			place = location["physicalLocation"]
			assert re.fullmatch(r"(file:///)?[\w./%-]+", place["artifactLocation"]["uri"])
			assert ("startLine" in place["region"]) == ("file" in root or "type_file" in suspect)
		hops = suspect.get("chain", {}).get("hops", [])
		if "codeFlows" in result:
			steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
			assert len(steps) == len(hops) + 1
			assert all(hop["address"] in step["location"]["message"]["text"]
				for hop, step in zip(hops, steps[1:]))
		else:
			assert not suspect.get("chain", {}).get("root")
		assert re.fullmatch("[0-9a-f]{16}", result["partialFingerprints"]["heapfxChain/v1"])


def test_sarif_names_the_source():
	"""Where the program's own source declares the variable that holds it."""
	source = (ROOT / "corpus/native/src/demo.c").read_text().splitlines()
	declared = 1 + next(i for i, line in enumerate(source) if re.match(r"struct session \*session_table\[", line))
	results = json.loads(written("demo", "sarif"))["runs"][0]["results"]
	places = [r["locations"][0]["physicalLocation"] for r in results if r["ruleId"] == "growth/accumulation"]
	assert places and places[0]["artifactLocation"]["uri"].endswith("/demo.c")
	assert places[0]["region"] == {"startLine": declared}


@pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain is installed")
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_sarif_names_the_source_of_go(flags, tmp_path):
	"""No debug information of Go says where a type is declared: a method of it is near; who waits, waits in the program."""
	source = ROOT / "tests/live/sessions.go"
	lines = source.read_text().splitlines()
	subprocess.run(["go", "build", "-ldflags", flags, "-o", tmp_path / "sessions", source], check=True,
		env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"})
	with subprocess.Popen([tmp_path / "sessions"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
			stderr=subprocess.DEVNULL, env={**os.environ, "GOGC": "off"}) as child:
		assert child.stdout.readline() == b"ready\n"
		make_cores.wait_until_at_rest(child.pid)
		heapfx_ok("capture", child.pid, "--mode", "stop", "-o", tmp_path / "core", "--pack", "none")
		child.stdin.close()
	results = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "sarif").out)["runs"][0]["results"]
	kept, = [r for r in results if r["ruleId"] == "growth/accumulation" and "Session" in r["message"]["text"]]
	place, = kept["relatedLocations"]
	at = place["physicalLocation"]
	assert at["artifactLocation"]["uri"].endswith("/tests/live/sessions.go")
	method = re.fullmatch(r"main\.(?:\(\*Session\)|Session)\.(\w+), a method of main\.Session", place["message"]["text"])[1]
	assert re.match(rf"func \(s \*?Session\) {method}\(", lines[at["region"]["startLine"] - 1])
	stuck, = [r for r in results if r["ruleId"] == "stuck/goroutine"]
	at = stuck["locations"][0]["physicalLocation"]
	assert at["artifactLocation"]["uri"].endswith("/tests/live/sessions.go")
	assert lines[at["region"]["startLine"] - 1] == "\t<-never"


def test_sarif_names_the_source_of_types():
	"""Beside it the struct that leaks, where it is declared."""
	source = (ROOT / "corpus/native/src/longchain.c").read_text().splitlines()
	results = json.loads(written("longchain", "sarif"))["runs"][0]["results"]
	related = [r["relatedLocations"][0] for r in results if "relatedLocations" in r]
	assert [place["message"]["text"] for place in related] == ["declares struct link"]
	at = related[0]["physicalLocation"]
	assert at["artifactLocation"]["uri"].endswith("/longchain.c")
	assert source[at["region"]["startLine"] - 1].startswith("struct link {")


def test_every_rule_has_its_page():
	rules = json.loads(written("demo", "sarif"))["runs"][0]["tool"]["driver"]["rules"]
	for rule in rules:
		page = re.search(r"\((docs/\S+)\)", rule["help"]["markdown"]).group(1)
		assert (ROOT / page).is_file() and page in rule["help"]["text"]
		assert rule["id"] in (ROOT / page).read_text("utf-8").splitlines()[0]
	index = (ROOT / "docs/rules.md").read_text("utf-8")
	assert {f"[`{r['id']}`](rules/{r['id'].replace('/', '-')}.md)" for r in rules} == set(
		re.findall(r"\[`[a-z-]+/[a-z-]+`\]\(rules/[^)]*\)", index))


def fingerprints(core, *options):
	sarif = json.loads(heapfx_ok("analyze", core, *options, "--format", "sarif", timeout=120).out)
	return [r["partialFingerprints"]["heapfxChain/v1"] for r in sarif["runs"][0]["results"]]


def test_fingerprints_are_the_same_in_another_run():
	"""Two cores of one program, of two suites: other addresses, other libraries."""
	one, two = (fingerprints(dump_of(f"leakzoo.{suite}").core) for suite in ("bookworm", "trixie"))
	assert one[:2] == two[:2]
	assert len(set(one)) > 5	# and they tell suspects apart


@pytest.mark.parametrize("name", NAMES)
def test_junit(name, tmp_path):
	path = tmp_path / "x.xml"
	path.write_text(written(name, "junit"), "utf-8")
	suites = list(junitparser.JUnitXml.fromfile(str(path)))
	assert len(suites) == 1
	report = json_of(name)
	failed = {case.name for case in suites[0] if case.result}
	assert failed == {s["rule"] for s in report["suspects"] if s["severity"] == "error"}
	assert suites[0].failures == len(failed) and suites[0].tests == len(list(suites[0]))
	output = {case.name: html.unescape((case.system_out or "") + "".join(r.text or "" for r in case.result))
		for case in suites[0]}
	for suspect in report["suspects"]:
		assert suspect["title"] in output[suspect["rule"]]


@pytest.mark.parametrize("name", NAMES)
def test_openmetrics(name):
	report = json_of(name)
	families = {f.name: f for f in text_string_to_metric_families(written(name, "openmetrics"))}
	found = {tuple(s.labels.values()): s.value for s in families["heapfx_memory_bytes"].samples}
	wanted = {}
	for line in report["memory"]["breakdown"]:
		wanted[line["category"],] = wanted.get((line["category"],), 0) + line["bytes"]
	assert found == wanted
	categories = {s.labels["category"]: s.value for s in families["heapfx_category_bytes"].samples}
	assert categories == {key: total["bytes"] for key, total in report["categories"].items()}
	retained = {s.labels["rule"]: s.value for s in families["heapfx_suspect_retained_bytes"].samples}
	for rule in {s["rule"] for s in report["suspects"]}:
		assert retained[rule] == sum(s["retained"] for s in report["suspects"] if s["rule"] == rule)
	used = [s.value for s in families["heapfx_heap_bytes"].samples if s.labels["state"] == "used"]
	assert used == [h["used"]["bytes"] for h in report["heaps"]]


@pytest.mark.parametrize("name", NAMES)
def test_markdown(name):
	report, page = json_of(name), written(name, "markdown", "--top", "5")
	rendered = html.unescape(re.sub(r"<[^>]*>", "", MarkdownIt("commonmark").enable("table").render(page)))
	assert report["verdict"] in rendered
	for suspect in report["suspects"][:5]:
		assert suspect["title"] in rendered and suspect["rule"] in rendered
	assert rendered.count("retained, ") == min(5, len(report["suspects"]))


@pytest.mark.parametrize("name", NAMES)
def test_github(name):
	report = json_of(name)
	lines = written(name, "github", "--top", "1000").splitlines()
	assert len(lines) == len(report["suspects"]) + 1
	words = {"note": "notice", "warning": "warning", "error": "error"}
	for line, suspect in zip(lines, report["suspects"]):
		level, title, message = re.fullmatch(r"::(\w+) (?:file=[^:,]+,line=\d+,)?title=([^:,]+)::(.*)",
			line).groups()
		assert ("file=" in line.split("::")[1]) == ("file" in suspect.get("chain", {}).get("root", {}))
		assert (level, title) == (words[suspect["severity"]], suspect["rule"])
		assert unescaped(message).startswith(suspect["title"])
	assert unescaped(lines[-1]) == f"::notice title=heapfx::{report['verdict']}"


def unescaped(message):
	return message.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


@pytest.mark.parametrize("name", NAMES)
def test_gitlab(name):
	report, issues = json_of(name), json.loads(written(name, "gitlab"))
	assert [i["check_name"] for i in issues] == [s["rule"] for s in report["suspects"]]
	assert len({i["fingerprint"] for i in issues}) == len(issues)
	for issue in issues:
		assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
		assert issue["location"]["path"] and issue["location"]["lines"]["begin"] >= 1


EVIL = "core|<b>`**[x](y)\x1b[31m%0A::error::\"'&].core"


@pytest.mark.parametrize("fmt", ["sarif", "junit", "openmetrics", "markdown", "github", "gitlab", "json"])
def test_hostile_names(fmt, tmp_path):
	"""The path is the one name that a test can choose; every writer escapes all of them alike."""
	path = tmp_path / EVIL
	path.symlink_to(dump_of("leakzoo.bookworm").core)
	out = heapfx_ok("analyze", path, "--format", fmt).out
	assert "\x1b" not in out
	if fmt in ("sarif", "gitlab", "json"):
		json.loads(out)
	elif fmt == "junit":
		junitparser.JUnitXml.fromstring(out.encode())
	elif fmt == "openmetrics":
		list(text_string_to_metric_families(out))
	elif fmt == "markdown":
		rendered = MarkdownIt("commonmark").enable("table").render(out)
		assert "<b>" not in rendered and "<a href" not in rendered
	else:
		assert not [line for line in out.splitlines() if not line.startswith("::")]
		assert len(out.splitlines()) == 4


def test_several_at_once(tmp_path):
	files = {fmt: tmp_path / fmt for fmt in ("sarif", "junit", "markdown", "openmetrics", "json")}
	run = heapfx("analyze", dump_of("leakzoo.bookworm").core,
		*[o for fmt, path in files.items() for o in ("-o", f"{fmt}={path}")])
	assert run.status == 0 and run.out == ""
	for fmt, path in files.items():
		assert path.read_text("utf-8") == written("leakzoo.bookworm", fmt)
	assert json.loads(files["json"].read_text())["suspects"] == report_of("leakzoo.bookworm")["suspects"]
