"""Every report is valid by its schema, adds up, and never depends on the number of threads."""
import json

import jsonschema
import pytest

from common import COMMITTED, FRESH, ROOT, Core, dump_of, heapfx_ok, report_of, truth_of

CASES = [name for name in COMMITTED + FRESH if name != "longchain"]
SCHEMA = ROOT / "docs/schema/report-1.schema.json"


@pytest.fixture(scope="module")
def validator():
	schema = json.loads(SCHEMA.read_text("utf-8"))
	kind = jsonschema.validators.validator_for(schema)
	kind.check_schema(schema)
	return kind(schema)


@pytest.mark.parametrize("name", CASES)
def test_valid_by_the_schema(name, validator):
	errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
		for e in validator.iter_errors(report_of(name))]
	assert not errors, errors[:5]


def test_the_schema_refuses(validator):
	"""A schema that lets everything pass would prove nothing."""
	report = report_of("leakzoo.bookworm")
	for path, bad in ((("tool", "schema"), "one"), (("input", "kind"), 5), (("heaps",), {}),
			(("reachability", "reachable"), {"count": -1, "bytes": 0})):
		broken = json.loads(json.dumps(report))
		place = broken
		for key in path[:-1]:
			place = place[key]
		place[path[-1]] = bad
		assert list(validator.iter_errors(broken)), path


@pytest.mark.parametrize("name", CASES)
def test_breakdown_adds_up(name):
	memory = report_of(name)["memory"]
	whole = memory.get("resident", memory["dumped"])
	assert sum(line["bytes"] for line in memory["breakdown"]) == whole
	assert all(line["bytes"] >= 0 for line in memory["breakdown"])


@pytest.mark.parametrize("name", ["abutting", "abutting.kernel"])
def test_what_lies_above_a_stack_is_not_its(name):
	"""One mapping, 16 MiB above the stack in it, a mebibyte of them written to (abutting.c)."""
	memory = report_of(name)["memory"]
	lines = {line["category"]: line["bytes"] for line in memory["breakdown"]}
	written = truth_of(name)[1]["above.written"]
	assert lines["stack/live"] < 1 << 18
	assert written <= lines["mapping/anonymous"] < written + (1 << 18)


@pytest.mark.parametrize("name", CASES)
def test_reachability_adds_up(name):
	report = report_of(name)
	for what in ("count", "bytes"):
		assert sum(total[what] for total in report["reachability"].values()) == sum(
			heap["used"][what] for heap in report["heaps"])


@pytest.mark.parametrize("name", COMMITTED)
def test_input_is_what_the_core_says(name):
	dump = dump_of(name)
	core, report = Core(dump.core), report_of(name)
	assert report["input"]["kind"] == "elf-core"
	assert report["input"]["bytes"] == dump.core.stat().st_size
	assert report["input"]["complete"] is True
	assert report["input"]["arch"] == ("aarch64" if "aarch64" in name else "x86_64")
	assert sorted(t["tid"] for t in report["threads"]) == sorted(core.threads())
	assert report["memory"]["virtual"] >= core.virtual()	# NT_FILE may name more than was dumped
	assert report["memory"]["dumped"] <= core.dumped()
	known = core.build_ids()
	assert {m["build_id"] for m in report["modules"] if m.get("build_id")} >= known


@pytest.mark.parametrize("name", ["leakzoo.bookworm", "heapshapes.sid", "zoo_cpp", "arenas64"])
def test_threads_change_nothing(name):
	one = heapfx_ok("analyze", dump_of(name).core, "--format", "json", "--threads", "1").out
	four = heapfx_ok("analyze", dump_of(name).core, "--format", "json", "--threads", "4").out
	assert one == four


@pytest.mark.parametrize("name", CASES)
def test_what_else_is_written_changes_nothing(name, tmp_path):
	"""With paths, types are counted out of what was found for these, and not in a pass of their own."""
	core = dump_of(name).core
	alone = heapfx_ok("analyze", core, "--format", "json").out
	heapfx_ok("analyze", core, "-o", f"json={tmp_path}/r.json", "-o", f"html={tmp_path}/r.html", "-o", f"pprof={tmp_path}/r.pb.gz")
	assert json.loads((tmp_path / "r.json").read_text("utf-8")) == json.loads(alone)


def test_repeats_exactly():
	"""Both of now: where the libc that a core was made with lies is made by tests as well, and says more."""
	one, again = (heapfx_ok("analyze", dump_of("leakzoo.bookworm").core, "--format", "json").out for _ in range(2))
	assert one == again


@pytest.mark.parametrize("name", CASES)
def test_suspects_are_ranked_and_have_a_place(name):
	suspects = report_of(name)["suspects"]
	assert [s["rank"] for s in suspects] == list(range(1, len(suspects) + 1))
	for s in suspects:
		assert s["retained"] >= s["bytes"] or s["rule"].startswith(("free-held", "cycle", "duplicate"))
		assert s["severity"] in ("error", "warning", "note") and s["advice"] and s["title"]


@pytest.mark.parametrize("name", ["leakzoo.bookworm", "leakzoo.sid", "demo"])
def test_leaks_are_suspected(name):
	rules = {s["rule"] for s in report_of(name)["suspects"]}
	assert rules & {"lost/definite", "lost/indirect"}
