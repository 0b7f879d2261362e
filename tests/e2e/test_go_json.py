"""Reports of Go programs: valid by the schema, and they add up."""
import json

import jsonschema
import pytest

from common import ROOT, heapfx_ok
from go_corpus import CASES, go_dump, report_of


@pytest.fixture(scope="module")
def validator():
	schema = json.loads((ROOT / "docs/schema/report-1.schema.json").read_text("utf-8"))
	return jsonschema.validators.validator_for(schema)(schema)


@pytest.mark.parametrize("name", CASES)
def test_valid_by_the_schema(name, validator):
	errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
		for e in validator.iter_errors(report_of(name))]
	assert not errors, errors[:5]


@pytest.mark.parametrize("name", CASES)
def test_paths_change_nothing(name, tmp_path):
	"""Types are counted out of what was found for these, not in a pass of their own."""
	heapfx_ok("analyze", *go_dump(name).arguments, "-o", f"json={tmp_path}/r.json", "-o", f"folded={tmp_path}/r.folded", timeout=120)
	assert json.loads((tmp_path / "r.json").read_text("utf-8")) == report_of(name)


@pytest.mark.parametrize("name", CASES)
def test_adds_up(name):
	report = report_of(name)
	memory = report["memory"]
	assert sum(line["bytes"] for line in memory["breakdown"]) == memory["dumped"]
	for what in ("count", "bytes"):
		assert sum(total[what] for total in report["reachability"].values()) + \
			report["categories"]["uncollected"][what] == sum(heap["used"][what] for heap in report["heaps"])


@pytest.mark.parametrize("name", CASES)
def test_goroutines_are_counted_once(name):
	goroutines = report_of(name)["go"]["goroutines"]
	n = goroutines["count"] + goroutines["system"]
	assert sum(goroutines["by_state"].values()) == n
	assert sum(group["count"] for group in goroutines["groups"]) == n
	assert len({g["id"] for g in goroutines["list"]}) == len(goroutines["list"]) == n


def test_the_schema_refuses(validator):
	report = json.loads(json.dumps(report_of(CASES[0])))
	report["go"]["goroutines"]["list"][0]["id"] = "one"
	assert list(validator.iter_errors(report))
