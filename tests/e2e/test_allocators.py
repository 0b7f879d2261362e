"""Every allocator but glibc's: the used blocks are those of the truth, all of them and no others."""
import bisect
import glob
import json
import re
import struct
import subprocess

import pytest

import make_cores
from common import (ALLOCATORS, Core, blocks_of, dump_of, heapfx, heapfx_ok, report_of, truth_of,
	used_of)
from profiles import Profile, integers

# Programs with two: what libc allocates for itself is glibc's, and in no truth; nor is what Go does.
BESIDE = {"jemalloc.rust": "glibc", "mimalloc.rust": "glibc", "jemalloc.plugin": "glibc",
	**{f"{own}.cgo": "go" for own in ("jemalloc", "tcmalloc", "mimalloc")}}
BOTH = ("jemalloc.plugin",)	# the truth has the blocks of both
# What its own constructors make by its own operator new, in one object file: no recorder sees it. Rust's
# std asks the system's malloc, not the program's allocator, for what it keeps of each of five threads.
OWN_OBJECTS = {"tcmalloc.static-stripped": 2, "musl.rust": 10}


def own_blocks(name):
	"""Those of the allocator that the case is named for."""
	own = name.split(".")[0]
	return [b for b in blocks_of(name) if name not in BESIDE or name in BOTH or b["allocator"] == own]


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
	assert (len(missed), len(invented)) == (0, OWN_OBJECTS.get(name, 0)), (
		[(hex(a), truth[a]) for a in missed[:5]], [used[a] for a in invented[:5]])


def test_what_rusts_std_has_of_its_own_is_held_by_its_threads():
	"""By std's own hand, past the program's allocator: a handle (48 bytes) and a list of destructors (4 x 16) a thread."""
	truth, _totals = truth_of("musl.rust")
	own = [b for b in blocks_of("musl.rust") if b["state"] == "used" and b["address"] not in truth]
	said = [heapfx_ok("explain", dump_of("musl.rust").core, hex(b["address"])).out for b in own]
	asked = [int(re.search(r"(\d+) bytes were asked for", text).group(1)) for text in said]
	holders = [re.search(r"tls of thread (\d+) at ", text).group(1) for text in said]
	assert sorted(asked) == [48] * 5 + [64] * 5
	for size in (48, 64):
		assert len({holder for holder, of in zip(holders, asked) if of == size}) == 5
	assert all(b["reach"] == "reachable" for b in own)


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
	assert sorted(h["allocator"] for h in heaps) == sorted([own, *beside])
	for heap in heaps:
		assert heap["checks"]["failed"] == 0 and heap["checks"]["passed"] > 0
		assert heap["confidence"] == "runtime" and "0x" in heap["why"] or "segment" in heap["why"], heap


@pytest.mark.parametrize("name", BOTH)
def test_each_region_is_its_own_allocators(name):
	"""What the library's allocator handed out is in its heap, and the program's in glibc's."""
	truth, _totals = truth_of(name)
	used = used_of(blocks_of(name))
	kinds = {kind for _size, kind, _state in truth.values()}
	assert "PLUGIN" in kinds and "REACH" in kinds
	for address, (_size, kind, _state) in truth.items():
		assert used[address]["allocator"] == ("jemalloc" if kind == "PLUGIN" else "glibc"), hex(address)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_report_counts_what_blocks_lists(name):
	own = name.split(".")[0]
	heap, = [h for h in report_of(name)["heaps"] if h["allocator"] == own]
	blocks = [b for b in blocks_of(name) if b["allocator"] == own]
	for state in ("used", "free"):
		mine = [b["size"] for b in blocks if b["state"] == state]
		assert heap[state] == {**heap[state], "count": len(mine), "bytes": sum(mine)}


def holders_of(name, address):
	"""(in what the program asked for, elsewhere in its used blocks): addresses of words that are this one."""
	truth, _totals = truth_of(name)
	core, needle, asked, elsewhere = Core(dump_of(name).core), struct.pack("<Q", address), [], []
	ranges = sorted((a, a + size) for a, (size, *_rest) in truth.items())
	for block in own_blocks(name):
		if block["state"] != "used":
			continue
		contents = core.read(block["address"], block["size"])
		at = contents.find(needle)
		while at >= 0:
			word = block["address"] + at
			i = bisect.bisect_right(ranges, (word, 1 << 64)) - 1
			(asked if i >= 0 and word < ranges[i][1] else elsewhere).append(word)
			at = contents.find(needle, at + 1)
	return asked, elsewhere


def is_in_a_register(name, address):
	return re.search(r"^ *root +register ", heapfx_ok("explain", dump_of(name).core, hex(address)).out, re.M)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_dropped_blocks_are_lost(name):
	"""
	What no slot holds is lost, and what a slot holds is not: but for a few that a word holds which nobody
	wrote, an old link in front of an aligned block or behind the size asked for, a register that a parked
	thread has no use for (aarch64 has many), and what these hold.
	"""
	truth, _totals = truth_by_block(name)
	reach = {b["address"]: b.get("reach") for b in blocks_of(name) if b["state"] == "used"}
	noted = {a: row for a, row in truth.items() if row[1] != "OTHER"}
	wrong = {a: state for a, (_size, _kind, state) in noted.items() if reach.get(a) != state}
	assert "reachable" not in wrong.values()
	for address in wrong:
		asked, elsewhere = holders_of(name, address)
		held_by = {max((a for a in noted if a <= word), default=0) for word in asked}
		assert (elsewhere or held_by & wrong.keys() or is_in_a_register(name, address)) and not any(
			noted[a][2] == "reachable" for a in held_by if a), hex(address)
	assert len(wrong) <= 0.05 * sum(state != "reachable" for *_row, state in noted.values()), len(wrong)


SPARSE = [name for name in ALLOCATORS if ".sparse" in name]


@pytest.mark.parametrize("name", [*SPARSE, "sparse"])
def test_what_is_left_in_empty_units_is_told(name):
	"""By type or size, with the holder; those that lie together pin nothing."""
	_truth, totals = truth_of(name)
	suspects = [s for s in report_of(name)["suspects"] if s["rule"] == "free-held/pinned"]
	assert len(suspects) == 1
	assert 0.98 * totals["kept"] <= suspects[0]["count"] <= totals["kept"]
	# Of 64 bytes; with 4 more in each, or a header.
	size = {"musl.sparse": 80, "sparse": 80, "musl.sparse.1.2.0": 96}.get(name, 64)
	assert suspects[0]["bytes"] == size * suspects[0]["count"]
	# Of each page a hundredth stays, and what was freed last is in a thread's cache.
	if name != "sparse":
		assert 0.6 * 80000 * 64 < suspects[0]["retained"] < 80000 * size
	else:	# each block has its own page or two; what lies between them goes back by itself
		assert 0.95 * totals["kept"] * 4096 <= suspects[0]["retained"] + suspects[0]["bytes"] <= 1.05 * totals["kept"] * 4096
	assert suspects[0]["chain"]["root"]["symbol"] == "g_sessions"


def returnable(heap):
	"""(when the allocator is asked to, when the thread's cache is flushed before)"""
	places = {**heap["free"]["by_where"], **heap.get("idle_by_where", {})}
	cached = sum(place["returnable"] for where, place in places.items() if where == "tcache")
	return sum(place["returnable"] for place in places.values()) - cached, cached


@pytest.mark.parametrize("name", [name for name in [*SPARSE, "sparse", "sparse.fast"] if name != "mimalloc.sparse"])
def test_what_goes_back_is_what_a_twin_gave_back(name):
	"""A forked copy of the process asked its allocator, and counted its resident pages (sparse.c)."""
	_truth, totals = truth_of(name)
	purged, flushed = returnable(report_of(name)["heaps"][0])
	assert abs(flushed - totals["flush.returns"]) <= 16 << 10
	# Purging takes memory, too: jemalloc writes down each extent.
	assert abs(purged - totals["purge.returns"]) <= 0.03 * totals["purge.returns"] + (16 << 10)


# Not mimalloc: what it keeps goes back after a tenth of a second, if the machine is slow enough for that.
SETTINGS = {
	"glibc": ("libc.so.6", "MALLOC_TRIM_THRESHOLD_=131072, set at the start, keeps 128 KiB of it"),
	"jemalloc": ("libjemalloc.so.2", "dirty_decay_ms:0 keeps none of it"),
	"tcmalloc": ("libtcmalloc_minimal.so.4", "TCMALLOC_AGGRESSIVE_DECOMMIT=t keeps none of it"),
}


@pytest.mark.parametrize("allocator", SETTINGS)
def test_what_a_setting_saves_is_what_is_said(allocator, tmp_path):
	"""As many bytes fewer, when the process is told at its start to keep no free pages (sparse.c asks another one)."""
	library, advice = SETTINGS[allocator]
	if not glob.glob(f"/usr/lib/*/{library}"):
		pytest.skip(f"{library} is not installed")
	core, truth = tmp_path / "core", tmp_path / "truth"
	with subprocess.Popen([dump_of("sparse").core.with_suffix(""), truth, "setting"], stdout=subprocess.PIPE, env={"LD_PRELOAD": library}) as child:
		try:
			assert child.stdout.readline().startswith(b"ready")
			heapfx_ok("capture", child.pid, "--pack", "none", "-o", core)
		finally:
			child.kill()
	saved = make_cores.read_truth(truth)[1]["setting.saves"]
	held, = [s for s in json.loads(heapfx_ok("analyze", core, "--format", "json").out)["suspects"] if s["rule"] == "free-held/idle-spans"]
	assert advice in held["advice"]
	assert abs(held["retained"] - saved) <= 0.1 * saved + (64 << 10), (held["retained"], saved)


CALLS = {"jemalloc": "arena.<i>.purge", "tcmalloc": "ReleaseFreeMemory()", "mimalloc": "mi_collect(true)",
	"google-tcmalloc": "MallocExtension::ReleaseMemoryToSystem()", "sparse": "malloc_trim(0)"}	# of glibc


@pytest.mark.parametrize("name", [*SPARSE, "sparse", "sparse.fast"])
def test_the_call_is_named_with_what_it_returns(name):
	_truth, totals = truth_of(name)
	report = report_of(name)
	held = [s for s in report["suspects"] if s["rule"] in ("free-held/idle-spans", "free-held/fragmentation")]
	calls = [s["advice"] for s in held if s["advice"].startswith(CALLS.get(name.split(".")[0], "none"))]
	assert bool(calls) == (totals["purge.returns"] > 0)
	figures = [re.search(r" returns ([0-9.]+) (MiB|KiB);", advice).groups() for advice in calls]
	said = sum(float(figure) * (1 << 20 if unit == "MiB" else 1 << 10) for figure, unit in figures)
	assert abs(said - totals["purge.returns"]) < 0.06 * totals["purge.returns"] + 1


@pytest.mark.parametrize("name", ["mimalloc.sparse", "mimalloc.bookworm", "mimalloc.linked"])
def test_what_old_mimalloc_keeps_is_told_without_a_promise(name):
	"""2.0.9 gives back what is due, thread by thread: all of it is told, and of no call what it returns."""
	report = report_of(name)
	idle, = [s for s in report["suspects"] if s["rule"] == "free-held/idle-spans"]
	kept = [c["bytes"] for c in report["memory"]["breakdown"] if c["category"] == "mimalloc/idle"]
	assert idle["retained"] == sum(kept) > 0
	assert idle["advice"].startswith("lower MIMALLOC_PURGE_DELAY")
	assert not [e for s in report["suspects"] for e in s["evidence"] if "mi_collect" in e["value"]]


@pytest.mark.parametrize("name", [name for name in ALLOCATORS if name.startswith("mimalloc")])
def test_mimallocs_call_is_for_each_thread(name):
	"""It leaves what other threads hold: where there are several, it is to be made in each."""
	report = report_of(name)
	for suspect in report["suspects"]:
		for text in [suspect.get("advice", ""), *(e["value"] for e in suspect["evidence"])]:
			called = re.search(r"mi_collect\(true\)( in each thread)? returns", text)
			assert not called or bool(called.group(1)) == (len(report["threads"]) > 1)


def test_what_mimalloc_keeps_of_huge_pages_is_told():
	"""It gives back whole ones alone: with what that bounds, and how to change it."""
	idle, = [s for s in report_of("mimalloc.sparse.3.2.8")["suspects"] if s["rule"] == "free-held/idle-spans"]
	assert {"what": "MIMALLOC_MINIMAL_PURGE_SIZE", "value": "2.0 MiB"} in idle["evidence"]
	assert idle["retained"] < idle["bytes"] and "MIMALLOC_MINIMAL_PURGE_SIZE" in idle["advice"]


# --- mimalloc: what mi_heap_visit_blocks() found, block by block ------------------------------------

VISITED = [name for name in ALLOCATORS if "mimalloc.visited_blocks" in truth_of(name)[1]]


@pytest.mark.parametrize("name", VISITED)
def test_mimalloc_visits_as_many_blocks(name):
	"""It visits what other threads freed to a full page, too, its own blocks, and of 2.x no abandoned page."""
	_truth, totals = truth_of(name)
	heap, = [h for h in report_of(name)["heaps"] if h["allocator"] == "mimalloc"]
	arenas = [a for a in heap["arena_list"] if a["address"] != "0x0" or heap["version"].startswith("3.")]
	delayed = heap["free"]["by_where"].get("thread_delayed_free", {"count": 0, "bytes": 0})
	found = {what: sum(a["used"][what] for a in arenas) + delayed[what] for what in ("count", "bytes")}
	padding = {b["size"] - b["usable"] for b in blocks_of(name) if b["allocator"] == "mimalloc"}
	own = totals["mimalloc.visited_blocks"] - found["count"]
	assert own == 0 or heap["overhead"] and 0 < own <= 2 * totals["workers"]
	assert found["bytes"] + heap["overhead"] - padding.pop() * found["count"] == totals["mimalloc.visited_bytes"]
	assert not padding


# --- jemalloc: what mallctl() said, to the byte ----------------------------------------------------

JEMALLOC = [name for name in ALLOCATORS
	if name.startswith("jemalloc") and not any(part in name for part in (".rust", ".plugin", ".cgo", ".cpp", ".prof.", ".sparse", ".hpa", ".no-stats"))]
ALL_ARENAS = "stats.arenas.4096."


def page_of(name):
	return 65536 if name.endswith(".aarch64") else 4096	# as Debian builds it there


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
	assert heap["idle"] == page_of(name) * (totals[ALL_ARENAS + "pdirty"] + totals[ALL_ARENAS + "pmuzzy"])
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
	assert lines["jemalloc/dirty"] == page_of(name) * totals[ALL_ARENAS + "pdirty"]
	assert lines["jemalloc/metadata"] >= totals[ALL_ARENAS + "base"]
