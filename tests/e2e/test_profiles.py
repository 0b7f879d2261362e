"""Paths as pprof, folded stacks and speedscope: what their readers say of them, and what the truth does."""
import collections
import json
import re
import shutil
import subprocess
import urllib.request
from xml.etree import ElementTree

import jsonschema
import pytest

import go_corpus
from common import ROOT, dump_of, heapfx, heapfx_ok, truth_of
from profiles import Profile, go_tool_pprof, go_tool_pprof_server

SCHEMA = json.loads((ROOT / "docs/schema/speedscope-1.25.schema.json").read_text("utf-8"))
GO = [name for name in go_corpus.QUIET if name.startswith(("zoo", "spin"))]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
	"""All formats of a case, by one run."""
	home = tmp_path_factory.mktemp("profiles")
	made = {}

	def write(name):
		if name not in made:
			arguments = (go_corpus.go_dump(name).arguments if name in go_corpus.CASES
				else (dump_of(name).core,))
			paths = {kind: home / f"{name}.{kind}" for kind in ("pprof", "folded", "speedscope", "svg")}
			heapfx_ok("analyze", *arguments, *(word for kind, path in paths.items()
				for word in ("-o", f"{kind}={path}")), timeout=120)
			made[name] = paths
		return made[name]

	return write


def test_kinds_of_values(written):
	p = Profile(written("leakzoo.bookworm")["pprof"])
	assert list(zip(p.types, p.units)) == [("inuse_objects", "count"), ("inuse_space", "bytes"),
		("retained_space", "bytes"), ("free_space", "bytes")]
	assert p.default == "inuse_space"
	assert p.comments[0].startswith("heapfx ")


def share_in(title):
	"""What a title says last; less than one digit shows is between 0 and 0.05."""
	share = title.rsplit(", ", 1)[1]
	return 0.025 if share == "<0.1%" else float(share.rstrip("%"))


@pytest.mark.parametrize("name", ["leakzoo.bookworm", GO[0]])
def test_picture(name, written):
	"""Boxes lie inside the one above them, none over another, as wide as their share says."""
	p = Profile(written(name)["pprof"])
	groups = ElementTree.parse(written(name)["svg"]).getroot().findall("{http://www.w3.org/2000/svg}g")
	rows = collections.defaultdict(list)
	for group in groups:
		rect, title = group[1].attrib, group[0].text
		share = share_in(title)
		left, width = float(rect["x"]), float(rect["width"])
		assert abs(width - 1184 * share / 100) < 0.8, title
		rows[int(rect["y"])].append((left, left + width, title))
	whole, *below = [sorted(rows[y]) for y in sorted(rows)]
	assert len(whole) == 1 and whole[0][2].startswith("all: ") and below
	for upper, row in zip([whole, *below], below):
		assert all(a[1] <= b[0] + 0.2 for a, b in zip(row, row[1:]))
		for left, right, title in row:
			assert any(a - 0.2 <= left and right <= b + 0.2 for a, b, _t in upper), title
	starts = collections.Counter()
	for names, values, _labels in p.samples:
		starts[names[0]] += values["inuse_space"]
	for _left, _right, title in below[0]:
		start, share = title.rsplit(": ", 1)[0], share_in(title)
		assert abs(100 * starts[start] / sum(starts.values()) - share) < 0.06, title


def test_lost_blocks_of_c(written):
	p = Profile(written("leakzoo.bookworm")["pprof"])
	rows, _total = truth_of("leakzoo.bookworm")
	states = collections.Counter(state for _size, _kind, state in rows.values())
	lost = states["definitely-lost"] + states["indirectly-lost"] + states["cycle-lost"]
	# Of libc's own blocks nobody noted what holds them.
	assert 0 <= p.total("inuse_objects", rule="lost/possible") - states["possibly-lost"] <= states["unknown"]
	assert (p.total("inuse_objects", rule="lost/definite")
		+ p.total("inuse_objects", rule="lost/indirect")) == lost > 0
	assert all(names[0] == "(lost)" for names, _values, labels in p.samples
		if labels.get("rule") in ("lost/definite", "lost/indirect"))


def test_free_memory_of_c(written):
	p = Profile(written("leakzoo.bookworm")["pprof"])
	_rows, total = truth_of("leakzoo.bookworm")
	free = sum(values["free_space"] for names, values, _labels in p.samples
		if names[0] == "(free)" and names[-1] != "tcache")
	assert free > 0 and p.total("inuse_space") > 0
	# mallinfo2() has what tcaches hold among what is in use.
	assert abs(free - int(total["mallinfo.fordblks"])) <= int(total["mallinfo.fordblks"]) // 50


def test_threads_are_labels(written):
	p = Profile(written("leakzoo.bookworm")["pprof"])
	rows, _total = truth_of("leakzoo.bookworm")
	stack_blocks = [row for row in rows.values() if row[1] == "REGROOT"]
	threads = {labels["thread"] for names, _values, labels in p.samples if names[0].startswith("register")}
	assert len(threads) >= 1 and len(stack_blocks) >= 1


@pytest.mark.parametrize("name", GO)
def test_sums_of_go(name, written):
	p = Profile(written(name)["pprof"])
	objects, size = go_corpus.truth_of(name).allocated()
	assert p.total("inuse_objects", heap="go") == objects
	assert p.total("inuse_space", heap="go") == size


@pytest.mark.parametrize("name", GO)
def test_retained_is_never_less(name, written):
	for _names, values, _labels in Profile(written(name)["pprof"]).samples:
		assert values["retained_space"] >= values["inuse_space"] >= 0


@pytest.mark.parametrize("name", [name for name in GO if name in ("zoo.1.19", "zoo.1.25.pie", "zoo.1.26.kernel")])
def test_names_of_go(name, written):
	"""A list is two paths, its head and the rest, under the name of its global."""
	p = Profile(written(name)["pprof"])
	nodes = [row for row in go_corpus.truth_of(name).in_state("live") if row[2] == "main.Node"]
	paths = {names: values["inuse_objects"] for names, values, _labels in p.samples
		if names[0] == "global main.liveNodes"}
	assert len(paths) == 2 and 100 < sum(paths.values()) <= len(nodes)


def top_of(text):
	"""{name: (flat, cum)} of `-top`."""
	rows = [line.split(None, 5) for line in text.split("cum%\n", 1)[1].splitlines()]
	return {row[5].replace(" (inline)", ""): (row[0], row[3]) for row in rows}


def test_go_tool_pprof_reads_it(written):
	name = "zoo.1.26.kernel" if "zoo.1.26.kernel" in GO else GO[-1]
	path = written(name)["pprof"]
	p = Profile(path)
	by_leaf = collections.Counter()
	for names, values, _labels in p.samples:
		by_leaf[names[-1]] += values["inuse_objects"]
	top = top_of(go_tool_pprof("-top", "-nodefraction=0", "-nodecount=100000", "-unit=count",
		"-sample_index=inuse_objects", path))
	assert int(top["main.Plain"][0]) == by_leaf["main.Plain"] > 0
	raw = go_tool_pprof("-raw", path)
	assert "inuse_space/bytes[dflt]" in raw and "rule:[uncollected/garbage]" in raw
	assert "retained_space" in go_tool_pprof("-top", "-sample_index=retained_space", path)
	assert "free_space" in go_tool_pprof("-top", "-sample_index=free_space", path)


def test_difference_of_two(written):
	cases = [name for name in GO if name.startswith("zoo")][:2]
	one, two = (written(name)["pprof"] for name in cases)
	same = top_of(go_tool_pprof("-top", "-nodefraction=0", "-diff_base", one, one))
	assert all(flat == "0" for flat, _cum in same.values())
	differ = go_tool_pprof("-top", "-nodefraction=0", "-diff_base", one, two)
	assert "Type: inuse_space" in differ


def test_go_tool_pprof_serves_it(written):
	"""Its pages: the list and the flame graph, by what a root keeps."""
	path = written("leakzoo.bookworm")["pprof"]
	# parts of the first frame without what HTML or JSON would write otherwise
	words = re.findall(r"\w+", max(Profile(path).samples, key=lambda sample: sample[1]["retained_space"])[0][0])
	with go_tool_pprof_server(path) as address:
		for page in ("top", "flamegraph"):
			with urllib.request.urlopen(f"http://{address}/ui/{page}?si=retained_space", timeout=20) as answer:
				assert answer.status == 200
				text = answer.read().decode("utf-8")
			assert "retained_space" in text and all(word in text for word in words), (page, words)



@pytest.mark.parametrize("name", ["leakzoo.bookworm", GO[0]])
def test_folded(name, written):
	paths = written(name)
	p = Profile(paths["pprof"])
	total = 0
	for line in paths["folded"].read_text("utf-8").splitlines():
		stack, _blank, size = line.rpartition(" ")
		assert stack and all(stack.split(";"))
		# readers take a second number for another amount
		assert not re.search(r" [\d.]+$", stack)
		total += int(size)
	assert total == p.total("inuse_space") + p.total("free_space")


def test_flame_graph_readers(written):
	"""inferno or flamegraph.pl, where one is: every byte that is written is in their picture."""
	reader = shutil.which("inferno-flamegraph") or shutil.which("flamegraph.pl")
	if not reader:
		pytest.skip("neither inferno-flamegraph nor flamegraph.pl is installed; Debian 12 has none")
	paths = written(GO[0])
	lines = paths["folded"].read_text("utf-8").splitlines()
	picture = subprocess.run([reader, "--countname", "bytes", "--minwidth", "0", paths["folded"]],
		capture_output=True, text=True, check=True, timeout=60).stdout
	titles = [t.text for t in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]
	total = sum(int(line.rpartition(" ")[2]) for line in lines)
	assert any(t.startswith(f"all ({total:,} bytes") for t in titles)
	shown = {t.rpartition(" (")[0] for t in titles}
	assert {name for line in lines for name in line.rpartition(" ")[0].split(";")} <= shown


@pytest.mark.parametrize("name", ["leakzoo.bookworm", GO[0]])
def test_speedscope(name, written):
	paths = written(name)
	scope = json.loads(paths["speedscope"].read_text("utf-8"))
	jsonschema.validate(scope, SCHEMA)
	p = Profile(paths["pprof"])
	frames = [frame["name"] for frame in scope["shared"]["frames"]]
	assert scope["profiles"][scope["activeProfileIndex"]]["name"] == "inuse_space"
	for profile in scope["profiles"]:
		assert sum(profile["weights"]) == profile["endValue"] == p.total(profile["name"])
		assert len(profile["samples"]) == len(profile["weights"])
		stacks = {tuple(frames[i] for i in sample) for sample in profile["samples"]}
		assert stacks == {names for names, values, _labels in p.samples if values[profile["name"]]}


def test_threads_change_nothing(tmp_path):
	made = []
	for threads in (1, 7):
		made.append(tmp_path / str(threads))
		heapfx_ok("analyze", dump_of("leakzoo.bookworm").core, "--format", "pprof", "-o", made[-1],
			"--threads", threads)
	assert made[0].read_bytes() == made[1].read_bytes()


def test_standard_output(tmp_path):
	whole = tmp_path / "folded"
	core = dump_of("leakzoo.bookworm").core
	heapfx_ok("analyze", core, "--format", "folded", "-o", whole)
	assert heapfx_ok("analyze", core, "--format", "folded").out == whole.read_text("utf-8")


def test_full_disk():
	run = heapfx("analyze", dump_of("leakzoo.bookworm").core, "-o", "pprof=/dev/full")
	assert run.status == 3 and "No space left" in run.err
