"""The profiles inside a Go core, sample by sample what runtime/pprof wrote just before: of allocations, of waiting.

With HEAPFX_GO_PROFILES=OUTDIR, all that `make_memprofiles.py OUTDIR` left there.
"""
import collections
import json
import os
import pathlib

import pytest

from common import CORPUS, ROOT, dump_of, heapfx, heapfx_ok, unpacked
from profiles import Profile, go_tool_pprof

HOME = ROOT / "corpus/go/memprofile"
MADE = pathlib.Path(os.environ["HEAPFX_GO_PROFILES"]) if "HEAPFX_GO_PROFILES" in os.environ else None
CASES = sorted([path.name.removesuffix(".core") for path in MADE.glob("*.core")] if MADE
	else [path.parent.name for path in HOME.glob("*/dump.zst")])


WAITS = [name for name in CASES if "waits" in name]


def wait_truth(name, kind):
	return MADE / f"{name}.{kind}.pb.gz" if MADE else HOME / name / f"{kind}.pb.gz"


def files_of(name):
	"""(core, executable, truth)"""
	if MADE:
		return MADE / f"{name}.core", MADE / name, MADE / f"{name}.pb.gz"
	home = CORPUS / "go-memprofile" / name
	return (unpacked(HOME / name / "dump.zst", home / "core"), unpacked(HOME / name / "exe.zst", home / "exe"),
		HOME / name / "heap.pb.gz")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
	home = tmp_path_factory.mktemp("go-profiles")
	made = {}

	def write(name):
		if name not in made:
			core, exe, _truth = files_of(name)
			made[name] = home / f"{name}.heap", home / f"{name}.allocs"
			heapfx_ok("analyze", core, "--exe", exe, "-o", f"go-heap={made[name][0]}",
				"-o", f"go-allocs={made[name][1]}", timeout=120)
		return made[name]

	return write


def samples_of(profile):
	"""How often each sample stands there: (calls with lines, values, label); those of nothing left out.

	Whatever a process allocates while it writes its profile is in new buckets that hold nothing yet."""
	found = collections.Counter()
	for calls, values, labels in profile.calls():
		if any(values):
			found[calls, values, tuple(sorted(labels.items()))] += 1
	return found


@pytest.mark.parametrize("name", CASES)
def test_sample_by_sample(name, written):
	truth, ours = Profile(files_of(name)[2]), Profile(written(name)[0])
	assert ours.types == truth.types and ours.units == truth.units
	assert ours.period == truth.period
	assert len(samples_of(truth)) > 10
	assert samples_of(ours) == samples_of(truth)


@pytest.mark.parametrize("name", CASES)
def test_no_difference_for_the_real_reader(name, written):
	truth = files_of(name)[2]
	for kind in ("alloc_space", "alloc_objects", "inuse_space", "inuse_objects"):
		text = go_tool_pprof("-top", "-lines", "-nodefraction=0", f"-sample_index={kind}",
			"-diff_base", truth, written(name)[0])
		rows = [line.split() for line in text.split("cum%\n", 1)[1].splitlines()]
		assert all(row[0] == "0" and row[3] == "0" for row in rows), text
	assert "main.pushNode" in go_tool_pprof("-top", "-cum", "-nodefraction=0", written(name)[0])


@pytest.mark.parametrize("name", CASES)
def test_defaults(name, written):
	heap, allocs = map(Profile, written(name))
	assert (heap.default, allocs.default) == ("inuse_space", "alloc_space")
	assert samples_of(heap) == samples_of(allocs)


@pytest.mark.parametrize("name", CASES)
def test_goal_of_the_next_collection(name):
	"""These run with the defaults, GOGC=100 and no limit: at least twice what was marked, and 4 MiB."""
	core, exe, _truth = files_of(name)
	gc = json.loads(heapfx_ok("analyze", core, "--exe", exe, "--format", "json", timeout=120).out)["go"]["gc"]
	assert gc["goal_by"] == "GOGC"
	assert gc["goal"] >= max(2 * gc["marked"], 4 << 20) and gc["goal"] < 3 * gc["marked"] + (4 << 20)
	assert len(gc["pauses"]) >= 3


def test_dump_without_one(tmp_path):
	out = tmp_path / "heap"
	run = heapfx("analyze", dump_of("leakzoo.bookworm").core, "-o", f"go-heap={out}")
	assert run.status == 3 and "no profile of a Go runtime" in run.err
	assert not out.exists()


@pytest.fixture(scope="module")
def waits(tmp_path_factory):
	home = tmp_path_factory.mktemp("go-waits")
	made = {}

	def write(name, kind):
		if (name, kind) not in made:
			core, exe, _truth = files_of(name)
			heapfx_ok("analyze", core, "--exe", exe, "-o", f"go-block={home}/{name}.block",
				"-o", f"go-mutex={home}/{name}.mutex", timeout=120)
			made.update({(name, each): home / f"{name}.{each}" for each in ("block", "mutex")})
		return made[name, kind]

	return write


def test_there_are_waits():
	assert len(WAITS) >= 2 and any("stripped" in name for name in WAITS)


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("kind", ["block", "mutex"])
def test_waits_sample_by_sample(name, kind, waits):
	truth, ours = Profile(wait_truth(name, kind)), Profile(waits(name, kind))
	assert ours.types == truth.types == ["contentions", "delay"]
	assert ours.units == truth.units == ["count", "nanoseconds"]
	assert ours.period == truth.period
	assert samples_of(truth) and samples_of(ours) == samples_of(truth)


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("kind", ["block", "mutex"])
def test_no_difference_in_waits(name, kind, waits):
	for amount in ("contentions", "delay"):
		text = go_tool_pprof("-top", "-lines", "-nodefraction=0", f"-sample_index={amount}",
			"-diff_base", wait_truth(name, kind), waits(name, kind))
		rows = [line.split() for line in text.split("cum%\n", 1)[1].splitlines()]
		assert all(row[0] == "0" and row[3] == "0" for row in rows), text
	assert "main.compete" in go_tool_pprof("-top", "-cum", "-nodefraction=0", waits(name, kind))


def test_nothing_was_taken_down(tmp_path):
	"""The profiles of waiting are off unless a program turns them on."""
	from go_corpus import ZOO, go_dump
	for kind in ("block", "mutex"):
		run = heapfx("analyze", *go_dump(ZOO[0]).arguments, "-o", f"go-{kind}={tmp_path}/x")
		assert run.status == 3 and "not switched on" in run.err
		assert not (tmp_path / "x").exists()


def line_of(what):
	"""Where it stands in the program's source."""
	text = (ROOT / "corpus/go/src/memprofile/main.go").read_text("utf-8").splitlines()
	line, = [i for i, row in enumerate(text, 1) if what in row]
	return line


def allocated_at(suspect):
	return [e["value"] for e in suspect["evidence"] if e["what"] == "allocated at"]


@pytest.mark.parametrize("name", CASES)
def test_where_the_objects_of_suspects_were_allocated(name):
	core, exe, _truth = files_of(name)
	suspects = json.loads(heapfx_ok("analyze", core, "--exe", exe, "--format", "json").out)["suspects"]
	large, = [s for s in suspects if s["rule"] == "growth/large-block" and s["count"] == 60]
	by = f"main.grow (main.go:{line_of('kept = append(')})"
	assert allocated_at(large) and all(words.startswith(by) for words in allocated_at(large))
	nodes = [s for s in suspects if s.get("type") == "main.node"]
	assert len(nodes) == 1
	for s in nodes:
		words, = allocated_at(s)
		assert words.startswith(f"main.newNode (main.go:{line_of('func newNode')}), "
			f"called by main.pushNode (main.go:{line_of('func pushNode')}), called by main.work (main.go:")
		if "4096" not in name:
			assert int(words.rpartition("(")[2].split()[0]) <= 20	# 2 MB at one in half a MiB


@pytest.mark.parametrize("name", CASES)
def test_explain_says_where_a_block_was_allocated(name):
	core, exe, _truth = files_of(name)
	suspects = json.loads(heapfx_ok("analyze", core, "--exe", exe, "--format", "json").out)["suspects"]
	large, = [s for s in suspects if s["rule"] == "growth/large-block" and s["count"] == 60]
	rows = []
	for address in large["addresses"]:
		out = heapfx_ok("explain", core, address, "--exe", exe).out
		rows += [line for line in out.splitlines() if line.split()[:2] == ["allocated", "at"]]
	by = f"main.grow (main.go:{line_of('kept = append(')})"
	assert rows and all(by in row for row in rows)
