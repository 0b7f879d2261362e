"""Every allocator but glibc's: the used blocks are those of the truth, all of them and no others."""
import bisect

import re

import pytest

from common import (ALLOCATORS, blocks_of, dump_of, heapfx, heapfx_ok, report_of, truth_of,
	used_of)
from profiles import Profile, integers

# Programs with two: what libc allocates for itself is glibc's, and in no truth.
BESIDE = {"jemalloc.rust": "glibc"}


def own_blocks(name):
	"""Those of the allocator that the case is named for."""
	own = name.split(".")[0]
	return [b for b in blocks_of(name) if name not in BESIDE or b["allocator"] == own]


def truth_by_block(name):
	"""The truth by the block's own start, with what is in front of what the program holds as part of it."""
	truth, totals = truth_of(name)
	if not name.startswith("mimalloc"):
		return truth, totals
	used = used_of(own_blocks(name))
	starts, placed = sorted(used), {}
	for address, (size, kind, state) in truth.items():
		block = starts[max(0, bisect.bisect_right(starts, address) - 1)]
		# An aligned one: the first address of its alignment in a block that begins elsewhere.
		inside = address - block if 0 < address - block < address & -address else 0
		placed[address - inside] = (size + inside, kind, state)
	assert len(placed) == len(truth)
	return placed, totals


@pytest.mark.parametrize("name", ALLOCATORS)
def test_used_blocks_are_the_truth(name):
	truth, totals = truth_by_block(name)
	assert totals["complete"]
	used = used_of(own_blocks(name))
	missed = sorted(truth.keys() - used.keys())
	invented = sorted(used.keys() - truth.keys())
	assert (len(missed), len(invented)) == (0, 0), (
		[(hex(a), truth[a]) for a in missed[:5]], [used[a] for a in invented[:5]])


@pytest.mark.parametrize("name", ALLOCATORS)
def test_sizes_hold_the_request(name):
	truth, _totals = truth_by_block(name)
	used = used_of(own_blocks(name))
	for address, (requested, _kind, _state) in truth.items():
		assert requested <= used[address]["usable"] <= used[address]["size"], used[address]


@pytest.mark.parametrize("name", ALLOCATORS)
def test_blocks_ascend_and_never_overlap(name):
	end = 0
	for block in blocks_of(name):
		assert block["address"] >= end, block
		assert block["state"] in ("used", "free")
		assert ("where" in block) == (block["state"] == "free"), block
		end = block["address"] + block["usable"]


@pytest.mark.parametrize("name", ALLOCATORS)
def test_the_allocator_is_named(name):
	"""With no flag, and nothing but the walker that proves it has blocks; libc's own may be empty."""
	beside = [BESIDE[name]] if name in BESIDE else []
	own = name.split(".")[0]
	assert {h["allocator"] for h in report_of(name)["heaps"]} <= {own, *beside, "glibc"}
	heaps = [h for h in report_of(name)["heaps"] if h["used"]["count"]]
	assert [h["allocator"] for h in heaps] == [name.split(".")[0], *beside]
	assert heaps[0]["checks"]["failed"] == 0 and heaps[0]["checks"]["passed"] > 0


@pytest.mark.parametrize("name", ALLOCATORS)
def test_report_counts_what_blocks_lists(name):
	heap, *_beside = [h for h in report_of(name)["heaps"] if h["used"]["count"]]
	blocks = own_blocks(name)
	for state in ("used", "free"):
		mine = [b["size"] for b in blocks if b["state"] == state]
		assert heap[state] == {**heap[state], "count": len(mine), "bytes": sum(mine)}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_dropped_blocks_are_lost(name):
	"""What no slot holds is lost, and what a slot holds is not."""
	truth, _totals = truth_by_block(name)
	reach = {b["address"]: b.get("reach") for b in blocks_of(name) if b["state"] == "used"}
	wrong = [(hex(a), kind, state, reach.get(a)) for a, (_size, kind, state) in truth.items()
		if kind != "OTHER" and reach.get(a) != state]
	assert not wrong, (len(wrong), wrong[:5])


SPARSE = [name for name in ALLOCATORS if ".sparse" in name]


@pytest.mark.parametrize("name", SPARSE)
def test_what_is_left_in_empty_units_is_told(name):
	"""By type or size, with the holder; those that lie together pin nothing."""
	_truth, totals = truth_of(name)
	suspects = [s for s in report_of(name)["suspects"] if s["rule"] == "free-held/pinned"]
	assert len(suspects) == 1
	assert 0.98 * totals["kept"] <= suspects[0]["count"] <= totals["kept"]
	size = 80 if name.startswith("musl") else 64	# musl has 4 bytes more in each
	assert suspects[0]["bytes"] == size * suspects[0]["count"]
	# Of each page a hundredth stays, and what was freed last is in a thread's cache.
	assert 0.6 * 80000 * 64 < suspects[0]["retained"] < 80000 * size
	assert suspects[0]["chain"]["root"]["symbol"] == "g_sessions"


def returnable(heap):
	"""(when the allocator is asked to, when the thread's cache is flushed before)"""
	places = {**heap["free"]["by_where"], **heap.get("idle_by_where", {})}
	cached = sum(place["returnable"] for where, place in places.items() if where == "tcache")
	return sum(place["returnable"] for place in places.values()) - cached, cached


@pytest.mark.parametrize("name", [*SPARSE, "sparse"])
def test_what_goes_back_is_what_a_twin_gave_back(name):
	"""A forked copy of the process asked its allocator, and counted its resident pages (sparse.c)."""
	_truth, totals = truth_of(name)
	purged, flushed = returnable(report_of(name)["heaps"][0])
	assert abs(flushed - totals["flush.returns"]) <= 16 << 10
	# Purging takes memory, too: jemalloc writes down each extent.
	assert abs(purged - totals["purge.returns"]) <= 0.03 * totals["purge.returns"] + (16 << 10)


CALLS = {"jemalloc": "arena.<i>.purge", "tcmalloc": "ReleaseFreeMemory()", "mimalloc": "mi_collect(true)",
	"sparse": "malloc_trim(0)"}


@pytest.mark.parametrize("name", [*SPARSE, "sparse"])
def test_the_call_is_named_with_what_it_returns(name):
	_truth, totals = truth_of(name)
	report = report_of(name)
	held = [s for s in report["suspects"] if s["rule"] in ("free-held/idle-spans", "free-held/fragmentation")]
	calls = [s["advice"] for s in held if s["advice"].startswith(CALLS.get(name.split(".")[0], "none"))]
	assert bool(calls) == (totals["purge.returns"] > 0)
	for advice in calls:
		figure, unit = re.search(r" returns ([0-9.]+) (MiB|KiB);", advice).groups()
		said = float(figure) * (1 << 20 if unit == "MiB" else 1 << 10)
		assert abs(said - totals["purge.returns"]) < 0.06 * totals["purge.returns"]


# --- jemalloc: what mallctl() said, to the byte ----------------------------------------------------

JEMALLOC = [name for name in ALLOCATORS
	if name.startswith("jemalloc") and name not in BESIDE and ".prof." not in name and ".sparse" not in name]
ALL_ARENAS = "stats.arenas.4096."


@pytest.mark.parametrize("name", JEMALLOC)
def test_jemalloc_totals_are_mallctls(name):
	"""stats.allocated counts what is cached and what jemalloc took from itself."""
	_truth, totals = truth_of(name)
	heap, = [h for h in report_of(name)["heaps"] if h["allocator"] == "jemalloc"]
	where = {key: value["bytes"] for key, value in heap["free"]["by_where"].items()}
	assert set(where) == {"slab", "tcache"}
	assert (heap["used"]["bytes"] + where["tcache"] + totals[ALL_ARENAS + "internal"] ==
		totals["stats.allocated"])
	assert heap["used"]["bytes"] + heap["free"]["bytes"] + heap["overhead"] == totals["stats.active"]
	assert heap["idle"] == 4096 * (totals[ALL_ARENAS + "pdirty"] + totals[ALL_ARENAS + "pmuzzy"])
	assert heap["returned"] == totals["stats.retained"]
	if ".bullseye" not in name:	# 5.2.1 counts the larger cached ones as of another size
		assert where["tcache"] == totals[ALL_ARENAS + "tcache_bytes"]


@pytest.mark.parametrize("name", JEMALLOC)
def test_jemalloc_classes_add_up(name):
	"""The bins of all arenas: their regions are the small blocks, in slabs and caches."""
	_truth, totals = truth_of(name)
	heap, *_beside = report_of(name)["heaps"]
	small = sum((c["used"] + c["cached"]) * c["size"] for c in heap["classes"])
	assert small == totals[ALL_ARENAS + "small.allocated"]
	assert all(c["used"] + c["cached"] <= c["blocks"] for c in heap["classes"])
	assert [c["size"] for c in heap["classes"]] == sorted({c["size"] for c in heap["classes"]})
	assert heap["classes"][0]["size"] == 8 and heap["classes"][0]["used"] > 0


def dumped_profile(name):
	"""{stack of return addresses: (objects, bytes)} of the heap profile that jemalloc itself wrote."""
	stacks, stack = {}, None
	for line in dump_of(name).truth.with_name("truth.profile").read_text("ascii").splitlines():
		if line.startswith("MAPPED_LIBRARIES"):
			break
		if line.startswith("@"):
			stack = tuple(int(pc, 16) for pc in line.split()[1:])
		elif stack and line.strip().startswith("t*:"):
			objects, size = re.match(r"\s*t\*: (\d+): (\d+)", line).groups()
			stacks[stack] = int(objects), int(size)
	return stacks


@pytest.mark.parametrize("name", [name for name in ALLOCATORS if ".prof." in name])
def test_samples_are_jemallocs_own_profile(name, tmp_path):
	"""Each stack, without jemalloc's own innermost calls, with as many objects and bytes."""
	out = tmp_path / "samples.pb.gz"
	heapfx_ok("analyze", dump_of(name).core, "-o", f"heap-samples={out}")
	profile = Profile(out)
	found = {}
	for raw, (_names, values, _labels) in zip(profile.raw, profile.samples):
		stack = tuple(profile.addresses[at] + 1 for at in integers(raw[1]))
		found[stack] = values["sampled_objects"], values["sampled_space"]
		assert values["inuse_space"] >= values["sampled_space"] * 0.99
	wanted = {}
	for stack, amounts in dumped_profile(name).items():
		own = [known for known in found if stack[-len(known):] == known]
		assert len(own) == 1, (stack, own)
		before = wanted.get(own[0], (0, 0))
		wanted[own[0]] = before[0] + amounts[0], before[1] + amounts[1]
	assert wanted and wanted == found


def test_lost_blocks_have_the_place_they_were_allocated_at():
	suspects = report_of("jemalloc.prof.bookworm", "--top", "200")["suspects"]
	rows = [row for s in suspects for row in s["evidence"] if row["what"] == "allocated at"]
	assert [s for s in suspects if s["rule"] == "lost/definite"] and rows
	assert all(" <- " in row["value"] and "sample" in row["value"] for row in rows)


def test_no_samples_is_said(tmp_path):
	run = heapfx("analyze", dump_of("jemalloc.bookworm").core, "-o", f"heap-samples={tmp_path / 'none.pb.gz'}")
	assert run.status == 3 and "no allocator in this dump sampled" in run.err


@pytest.mark.parametrize("name", JEMALLOC)
def test_jemalloc_pages_are_in_the_breakdown(name):
	_truth, totals = truth_of(name)
	lines = {line["category"]: line["bytes"] for line in report_of(name)["memory"]["breakdown"]}
	assert lines["jemalloc/dirty"] == 4096 * totals[ALL_ARENAS + "pdirty"]
	assert lines["jemalloc/metadata"] >= totals[ALL_ARENAS + "base"]
