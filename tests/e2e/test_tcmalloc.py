"""tcmalloc's own figures, as MallocExtension gave them when the process stopped."""
import json
import math
import re
import struct

import pytest

from common import ALLOCATORS, dump_of, heapfx_ok, made, report_of, truth_of
import make_allocators
from profiles import Profile, integers
from test_musl_damage import Damaged

NAMES = [name for name in ALLOCATORS if name.startswith("tcmalloc.")
	and not any(part in name for part in (".rust", ".cgo", ".cpp", ".sparse", ".profiled."))]
PROFILED = [name for name in ALLOCATORS if name.startswith("tcmalloc.profiled.")]


def heap_of(name):
	heap, = [h for h in report_of(name)["heaps"] if h["allocator"] == "tcmalloc"]
	return heap


def free_in(heap, where):
	return heap["free"]["by_where"].get(where, {"bytes": 0})["bytes"]


@pytest.mark.parametrize("name", NAMES)
def test_totals_are_the_allocators_own(name):
	_truth, totals = truth_of(name)
	heap = heap_of(name)
	found = {
		"generic.current_allocated_bytes": heap["used"]["bytes"],
		"tcmalloc.thread_cache_free_bytes": free_in(heap, "thread-cache"),
		"tcmalloc.transfer_cache_free_bytes": free_in(heap, "transfer-cache"),
		# what a span has left behind its last object counts as the central lists' there
		"tcmalloc.central_cache_free_bytes": free_in(heap, "central") + heap["overhead"],
		"tcmalloc.pageheap_free_bytes": heap["idle"],
		"tcmalloc.pageheap_unmapped_bytes": heap["returned"],
	}
	assert found == {key: totals[key] for key in found}
	assert totals["generic.heap_size"] == sum(found.values())


@pytest.mark.parametrize("name", NAMES)
def test_free_spans_have_their_line(name):
	_truth, totals = truth_of(name)
	lines = {line["category"]: line["bytes"] for line in report_of(name)["memory"]["breakdown"]}
	idle = totals["tcmalloc.pageheap_free_bytes"]
	assert bool(idle) <= lines.get("tcmalloc/idle", 0) <= idle


@pytest.mark.parametrize("name", NAMES)
def test_found_without_symbols(name):
	"""Nothing of Debian's libraries but .dynsym is there, and the version is still told."""
	heap = heap_of(name)
	assert heap["how"] in ("layout", "disassembly+layout")
	assert heap["version"].startswith("2.")


def own_profile(name):
	"""{stack of return addresses: (objects, bytes)} of what tcmalloc itself wrote of its samples."""
	stacks = {}
	for line in dump_of(name).truth.with_name("truth.profile").read_text("ascii").splitlines():
		found = re.match(r"\s*(\d+):\s*(\d+) \[.*\] @ (0x.*)", line)
		if found:
			stack = tuple(int(pc, 16) for pc in found[3].split())
			before = stacks.get(stack, (0, 0))
			stacks[stack] = before[0] + int(found[1]), before[1] + int(found[2])
	return stacks


@pytest.mark.parametrize("name", [name for name in NAMES if ".sampled." in name])
def test_samples_are_its_own(name, tmp_path):
	"""Each stack, without tcmalloc's own innermost calls, with as many objects and bytes."""
	out = tmp_path / "samples.pb.gz"
	heapfx_ok("analyze", dump_of(name).core, "-o", f"heap-samples={out}")
	# The period is a variable that the library exports: its file is where the case was made, alone.
	unscaled = "tcmalloc/samples" in {problem["code"] for problem in report_of(name)["input"]["problems"]}
	profile, found = Profile(out), {}
	for raw, (_names, values, _labels) in zip(profile.raw, profile.samples):
		stack = tuple(profile.addresses[at] + 1 for at in integers(raw[1]))
		found[stack] = values["sampled_objects"], values["sampled_space"]
		# pprof's rule for heap_v2 with the period of the case: what is sampled by one in so many
		size = values["sampled_space"] / values["sampled_objects"]
		stands_for = values["sampled_space"] / (1 if unscaled else 1 - math.exp(-size / 4096))
		assert values["inuse_space"] >= 0.99 * stands_for
	wanted = {}
	for stack, amounts in own_profile(name).items():
		own = [known for known in found if stack[-len(known):] == known]
		assert len(own) == 1, (stack, own)
		before = wanted.get(own[0], (0, 0))
		wanted[own[0]] = before[0] + amounts[0], before[1] + amounts[1]
	assert len(wanted) > 5 and wanted == found


@pytest.mark.parametrize("word,value", [(0, 0x4141414141414141), (0, 0x7f0000000001), (3, 0x4141414141414140)])
def test_a_table_of_the_heap_profiler_that_is_damaged(word, value, tmp_path):
	"""An entry's link to the next, or its stack: said with its place, though it is one of hundreds."""
	name = "tcmalloc.profiled.trixie"
	damaged = Damaged(name)
	entry = entry_of(damaged, truth_of(name)[0])
	damaged.write(entry + 8 * word, struct.pack("<Q", value))
	problems = damaged.problems(tmp_path)
	assert any(p["code"] == "tcmalloc/profiler" and f"{entry:#x}" in p["message"] for p in problems)


def entry_of(damaged, truth):
	"""What the profiler has of some block: { next, address, bytes, stack }. Small ones have neighbours to lead to."""
	small = sorted((address, size) for address, (size, *_rest) in truth.items() if size < 32)[:8]
	for vaddr, _memsz, _offset, filesz in damaged.core.loads:
		data = damaged.core.read(vaddr, filesz)
		for address, size in small:
			at = data.find(struct.pack("<QQ", address, size))
			if at >= 8 and struct.unpack_from("<Q", data, at - 8)[0]:
				return vaddr + at - 8
	raise AssertionError("no entry")


MAKERS = {"REACH": "keep", "DEF": "lose", "POSS": "point_inside"}	# corpus/native/src/profiled.c


def stacks_of(profile):
	return [tuple(profile.addresses[at] + 1 for at in integers(raw[1])) for raw in profile.raw]


@pytest.mark.parametrize("name", PROFILED)
def test_the_heap_profilers_stacks_are_its_own(name, tmp_path):
	"""With HEAPPROFILE each stack has as many objects and bytes as the profile that it wrote itself."""
	out = tmp_path / "samples.pb.gz"
	heapfx_ok("analyze", dump_of(name).core, "-o", f"heap-samples={out}")
	profile = Profile(out)
	found = {stack: values for stack, (_names, values, _labels) in zip(stacks_of(profile), profile.samples)}
	left = dict(found)
	for stack, amounts in own_profile(name).items():
		own = [known for known in left if stack[-len(known):] == known]
		if amounts[0] and own:
			values = left.pop(own[0])
			assert amounts == (values["sampled_objects"], values["sampled_space"])
			assert amounts == (values["inuse_objects"], values["inuse_space"])
		elif amounts[0]:	# 2.10: the room that the text itself was written to
			assert amounts == (1, 1 << 20)
	assert not left and len(found) > 5
	assert not any(p["code"] == "tcmalloc/profiler" for p in report_of(name)["input"]["problems"])


def maker_of(stack, name):
	"""What work() called: by name, or by where work() goes on, if the program itself is not at hand."""
	frames = re.match(r"\s*((?:\S+ <- )+)", stack)[1].split(" <- ")
	if "work" in frames:
		return frames[frames.index("work") - 1]
	return [frame for frame in frames if frame.startswith(name + "+")][-1]


@pytest.mark.parametrize("name", PROFILED)
def test_the_heap_profiler_names_who_made_each_block(name):
	truth, _totals = truth_of(name)
	makers = {}
	for kind in MAKERS:
		blocks = [address for address, row in sorted(truth.items()) if row[1] == kind]
		for address in blocks[::len(blocks) // 3]:
			said = " ".join(heapfx_ok("explain", dump_of(name).core, hex(address)).out.split())
			makers.setdefault(kind, set()).add(maker_of(said.split("allocated at", 1)[1], name))
	assert all(len(made_by) == 1 for made_by in makers.values())
	makers = {kind: made_by.pop() for kind, made_by in makers.items()}
	assert len(set(makers.values())) == len(MAKERS)
	assert makers == MAKERS or all("+0x" in maker for maker in makers.values())
	told = 0
	for suspect in report_of(name, "--top", "200")["suspects"]:
		kinds = {truth[int(a, 16)][1] for a in suspect["addresses"] if int(a, 16) in truth}
		rows = [row["value"] for row in suspect["evidence"] if row["what"] == "allocated at"]
		if suspect["rule"] == "lost/definite" and "DEF" in kinds:
			assert rows and all("block" in row for row in rows), suspect["title"]
			assert {maker_of(row, name) for row in rows} == {makers["DEF"]}
			told += 1
	assert told >= 3	# by size


@pytest.mark.parametrize("name", PROFILED)
def test_the_heap_profilers_tables_are_its_own_memory(name):
	"""They lead to each block, and keep none."""
	lines = {line["category"]: line["bytes"] for line in report_of(name)["memory"]["breakdown"]}
	assert 100 << 10 < lines["tcmalloc/profiler"] < 1 << 20


def test_the_debugging_allocator_is_named():
	"""Its blocks are not the program's: the report says so, and of no other tcmalloc."""
	core = made(make_allocators.make_case, "tcmalloc.debug", "native").core
	problems = json.loads(heapfx_ok("info", core, "--format", "json").out)["input"]["problems"]
	assert [p["count"] for p in problems if p["code"] == "heap/debug-allocator"] == [1]
	assert not any(p["code"] == "heap/debug-allocator" for p in report_of("tcmalloc.bookworm")["input"]["problems"])
