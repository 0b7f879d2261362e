"""Dumps of one process as it grows: what its own counts say has grown, and nothing by address."""
import json
import os
import re
import shutil
import subprocess
import types

import jsonschema
import make_cores
import pytest

from common import ROOT, dump_of, heapfx, heapfx_ok
from grows import series  # noqa: F401
from profiles import Profile, go_tool_pprof

CHUNK = {1000: 1008, 2000: 2016, 300: 320}	# what malloc takes for each, with its header


SCHEMA = json.loads((ROOT / "docs/schema/diff-1.schema.json").read_text("utf-8"))


def diff(*cores):
	found = json.loads(heapfx_ok("diff", *cores, "--format", "json", timeout=120).out)
	jsonschema.validate(found, SCHEMA)
	return found


def test_types_grow_by_what_the_program_counted(series):
	(old, before), _middle, (new, after) = series
	rows = {row["name"]: row for row in diff(old, new)["types"]}
	for size, chunk in CHUNK.items():
		row = rows[f"{chunk}-byte blocks"]
		assert row["count_growth"] == after[size] - before[size]
		assert row["growth"] == (after[size] - before[size]) * chunk
		assert row["status"] == ("grew" if after[size] > before[size] else
			"shrank" if after[size] < before[size] else "same")
		assert [v["count"] - before[size] for v in row["values"]][1] == after[size] - before[size]
	assert max(rows.values(), key=lambda row: row["growth"])["name"] == "1008-byte blocks"


def test_three_tell_what_grew_each_time(series):
	found = diff(*[core for core, _counts in series])
	assert len(found["inputs"]) == 3
	rows = {row["name"]: row for row in found["types"]}
	assert rows["1008-byte blocks"]["monotone"]
	assert not rows["2016-byte blocks"]["monotone"] and not rows["320-byte blocks"]["monotone"]
	counts = [v["count"] for v in rows["1008-byte blocks"]["values"]]
	assert [b - a for a, b in zip(counts, counts[1:])] == (
		[b[1000] - a[1000] for (_c, a), (_d, b) in zip(series, series[1:])])
	grown = [s for s in found["suspects"] if s["status"] in ("grew", "appeared")]
	assert grown and "1008 bytes" in grown[0]["title"] or "1,008 bytes" in grown[0]["title"]


def test_totals_are_those_of_each_report(series):
	cores = [core for core, _counts in series]
	found = diff(*cores)
	for i, core in enumerate(cores):
		report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
		assert found["inputs"][i]["path"] == str(core)
		assert found["inputs"][i]["heap_used"] == sum(h["used"]["bytes"] for h in report["heaps"])
		for row in found["categories"]:
			assert row["values"][i]["bytes"] == report["categories"].get(row["category"], {}).get("bytes", 0)
		lines = report["memory"]["breakdown"]
		for row in found["memory"]:
			assert row["values"][i]["bytes"] == sum(
				line["bytes"] for line in lines if line["category"] == row["category"])


def test_chains_as_a_profile(series, tmp_path):
	"""A sample a chain that grew, with what the comparison says of it."""
	found = diff(series[0][0], series[2][0])
	path = tmp_path / "grown.pb.gz"
	heapfx_ok("diff", series[0][0], series[2][0], "-o", f"pprof={path}")
	grown = {tuple(row["chain"]): row["growth"] for row in found["chains"] if row["growth"]}
	assert grown and max(grown.values()) > 0
	assert {tuple(names): values["inuse_space"] for names, values, _labels in Profile(path).samples} == grown
	assert "growth from the first dump" in go_tool_pprof("-comments", path)


def test_chains_alike_show_where_they_differ(tmp_path):
	"""Rows of text are cut in the middle: what hangs from one root has the same begin."""
	source, program = tmp_path / "g.c", tmp_path / "g"
	source.write_text("""
#include <stdio.h>
#include <stdlib.h>
struct session_of_the_front_end { struct session_of_the_front_end *next_in_line; long *orders; char *name; };
static struct session_of_the_front_end *all_sessions_of_all_servers;
int main(int argc, char **argv) {
	for (int i = 0; i < atoi(argv[1]); i++) {
		struct session_of_the_front_end *s = malloc(sizeof *s);
		s->next_in_line = all_sessions_of_all_servers; s->orders = malloc(400); s->name = malloc(80);
		all_sessions_of_all_servers = s;
	}
	puts("");
	fflush(stdout);
	return getchar();
}""")
	subprocess.run(["gcc", "-g", "-O0", source, "-o", program], check=True)
	cores = [tmp_path / "50.core", tmp_path / "900.core"]
	for core in cores:
		with subprocess.Popen([program, core.stem], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
			child.stdout.readline()
			try:
				make_cores.dump_gcore(types.SimpleNamespace(pid=child.pid), core)
			except make_cores.CannotMake as reason:
				pytest.skip(str(reason))
	out = heapfx_ok("diff", *cores).out
	chains = [line for line in out[out.index("CHAINS"):].splitlines()[1:] if line.startswith("  ")]
	assert any("->orders" in line for line in chains) and any("->name" in line for line in chains), out
	assert all(len(line) <= 100 and "-> ->" not in line for line in chains), out


def test_growth_an_hour_by_files(series, tmp_path):
	"""Dumps of no runtime with a clock: two hours between their files, which the result says; also from results."""
	cores = [series[0][0], series[2][0]]
	for core, hours in zip(cores, (0, 2)):
		os.utime(core, (1700000000 + 3600 * hours,) * 2)
	found = diff(*cores)
	assert (found["hours"], found["clock"]) == (2, "files")
	grown = [row for row in found["types"] if row["growth"]]
	assert grown and all(abs(row["growth_per_hour"] - row["growth"] / 2) < 1 for row in grown)
	out = heapfx_ok("diff", *cores).out
	assert "an hour, by the times of the files" in " ".join(out.split())
	heapfx_ok("analyze", cores[0], "-o", f"result={tmp_path / 'old'}")
	assert diff(tmp_path / "old", cores[1])["hours"] == 2
	os.utime(cores[1], (1700000000,) * 2)
	assert "hours" not in diff(*cores)


def put_metadata(core, hour, **other):
	"""As `heapfx capture` leaves it beside a core (docs/pipeline.md)."""
	meta = {"schema": "heapfx-capture/1", "captured_at": f"2026-03-01T{hour:02}:00:00Z",
		"pid": json.loads(heapfx_ok("info", core, "--format", "json").out)["input"]["pid"],
		"raw_bytes": core.stat().st_size} | other
	core.with_name(core.name + ".json").write_text(json.dumps(meta))


def test_growth_an_hour_by_captures(series, tmp_path):
	"""Who made the dumps knows better than their files; metadata of another dump are not believed."""
	cores = [tmp_path / "old", tmp_path / "new"]
	for copy, (core, _counts), hour in zip(cores, (series[0], series[2]), (6, 9)):
		shutil.copy(core, copy)
		put_metadata(copy, hour)
		os.utime(copy, (1700000000 + 3600 * hour * hour,) * 2)
	found = diff(*cores)
	assert (found["hours"], found["clock"]) == (3, "captures")
	assert "an hour, by the times of the captures" in " ".join(heapfx_ok("diff", *cores).out.split())
	report = json.loads(heapfx_ok("analyze", cores[1], "--format", "json", "-o", f"result={tmp_path / 'saved'}",
		"-o", "json=/dev/stdout").out)
	assert report["input"]["captured_at"] == "2026-03-01T09:00:00Z"
	assert diff(cores[0], tmp_path / "saved")["hours"] == 3
	put_metadata(cores[1], 8, raw_bytes=1)
	assert diff(*cores)["clock"] == "files"


def test_page(series):
	page = heapfx_ok("diff", *[core for core, _counts in series], "--format", "html").out
	assert "<script" not in page and "http" not in page.replace("http-equiv", "")
	assert page.count("<table>") == page.count("</table>") >= 4
	assert "1008-byte blocks" in page and "each time" in page
	# bars: of each section's rows the first is the longest
	for section in page.split("<tbody>")[1:]:
		widths = [float(w) for w in re.findall(r"style=\"width:([\d.]+)%", section.partition("</tbody>")[0])]
		assert widths == sorted(widths, reverse=True) and widths[:1] in ([100.0], [])


def test_screen(series):
	out = heapfx_ok("diff", series[0][0], series[2][0]).out
	assert "VERDICT  memory grew by " in out and "most of it is 1008-byte blocks" in out
	assert max(map(len, out.splitlines())) <= 100 and len(out.splitlines()) <= 48
	assert heapfx_ok("diff", series[0][0], series[2][0], "--top", "1").out.count("and ") >= 1


def test_the_same_dump_twice_is_the_same():
	"""The other way round is the opposite."""
	core = dump_of("leakzoo.bookworm").core
	found = diff(core, core)
	for section in ("memory", "categories", "types", "suspects"):
		assert found[section] and all(row["growth"] == 0 and row["status"] == "same"
			for row in found[section])
	there, back = (diff(*pair) for pair in ((core, dump_of("demo").core), (dump_of("demo").core, core)))
	for section, key in (("memory", "category"), ("types", "name"), ("categories", "category")):
		assert {row[key]: row["growth"] for row in there[section]} == (
			{row[key]: -row["growth"] for row in back[section]})


def test_thread_count_changes_nothing(series):
	cores = [core for core, _counts in series]
	assert diff(*cores) == diff(*cores, "--threads", "1")


def test_failures(tmp_path):
	core = dump_of("leakzoo.bookworm").core
	assert heapfx("diff", core).status == 2
	run = heapfx("diff", core, tmp_path / "none")
	assert run.status == 3 and "none" in run.err and run.out == ""
	(tmp_path / "text").write_text("no dump\n")
	assert heapfx("diff", tmp_path / "text", core).status == 3
