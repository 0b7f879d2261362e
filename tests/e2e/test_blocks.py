"""Every block that the process held is found, and no other; totals are mallinfo's, to the byte."""
import json

import pytest

from common import (COMMITTED, FRESH, blocks_of, dump_of, heapfx_ok, parse_blocks, report_of,
	truth_of, used_of)

CASES = COMMITTED + FRESH
INTACT = [name for name in CASES if name != "longchain"]	# that one has a file of its own
FOREIGN_BYTES = 4096 + 64 + 70001 + 8192	# the pieces of heapshapes.c
MIN_CHUNK = 32
# A remainder too small for a chunk of its own stays with the block before it.
MOST_SPARE = MIN_CHUNK + 16


@pytest.mark.parametrize("name", INTACT)
def test_used_blocks_are_the_truth(name):
	truth, totals = truth_of(name)
	if not totals["complete"]:
		pytest.skip("the truth is not complete")
	used = used_of(blocks_of(name))
	missed = sorted(truth.keys() - used.keys())
	invented = sorted(used.keys() - truth.keys())
	assert (len(missed), len(invented)) == (0, 0), (
		[(hex(a), truth[a]) for a in missed[:5]], [used[a] for a in invented[:5]])


@pytest.mark.parametrize("name", INTACT)
def test_sizes_cover_the_request(name):
	"""Mapped chunks, to the end of a page, have more to spare (less 16 bytes; 24 in 2.43)."""
	truth, _totals = truth_of(name)
	used = used_of(blocks_of(name))
	wrong = [(requested, used[address]) for address, (requested, _kind, _state) in truth.items()
		if not requested <= used[address]["usable"] <= used[address]["size"]
		or used[address]["usable"] >= max(requested, 24) + MOST_SPARE and requested < 128 << 10
		and used[address]["usable"] % 4096 not in (4096 - 16, 4096 - 24)]
	assert not wrong, (len(wrong), wrong[:5])


@pytest.mark.parametrize("name", INTACT)
def test_blocks_ascend_and_never_overlap(name):
	blocks = blocks_of(name)
	ends = [0, *(block["address"] + block["usable"] for block in blocks)]
	wrong = [(block, end) for block, end in zip(blocks, ends) if block["address"] - 16 < end - 8
		or block["state"] not in ("used", "free") or ("where" in block) != (block["state"] == "free")]
	assert not wrong, (len(wrong), wrong[:5])


@pytest.mark.parametrize("name", INTACT)
def test_no_other_allocator_is_named(name):
	"""What is not in the process has no heap, not even an empty one."""
	assert {heap["allocator"] for heap in report_of(name)["heaps"]} == {"glibc"}


@pytest.mark.parametrize("name", INTACT)
def test_free_memory_is_fordblks(name):
	"""mallinfo's fordblks: top, bins and fastbins, but not tcache."""
	_truth, totals = truth_of(name)
	free = sum(b["size"] for b in blocks_of(name)
		if b["state"] == "free" and b["where"] != "tcache")
	assert free == totals["mallinfo.fordblks"]


@pytest.mark.parametrize("name", INTACT)
def test_the_whole_heap_is_arena_and_mapped_chunks(name):
	"""Used, free and overhead are all that malloc took from the system."""
	_truth, totals = truth_of(name)
	heaps = [h for h in report_of(name)["heaps"] if h["allocator"] == "glibc"]
	assert len(heaps) == 1
	whole = heaps[0]["used"]["bytes"] + heaps[0]["free"]["bytes"] + heaps[0]["overhead"]
	taken = totals["mallinfo.arena"] + totals["mallinfo.hblkhd"]
	if dump_of(name).drifts:
		assert abs(whole - taken) < 4096 or name.endswith(".foreign")
	elif not name.endswith(".foreign"):
		assert whole == taken
	if name.endswith(".foreign"):
		# What others took of brk counts as arena in mallinfo, and is no heap.
		assert 0 <= taken - whole <= FOREIGN_BYTES + 4 * 4096 + MIN_CHUNK


@pytest.mark.parametrize("name", INTACT)
def test_report_counts_what_blocks_lists(name):
	heap, = report_of(name)["heaps"]
	blocks = blocks_of(name)
	for state in ("used", "free"):
		mine = [b["size"] for b in blocks if b["state"] == state]
		assert heap[state] == {**heap[state], "count": len(mine), "bytes": sum(mine)}
	by_where = {}
	for b in blocks:
		if b["state"] == "free":
			by_where[b["where"]] = by_where.get(b["where"], 0) + b["size"]
	reported = heap["free"]["by_where"]
	assert {where: total["bytes"] if isinstance(total, dict) else total
		for where, total in reported.items()} == by_where
	assert heap["checks"]["failed"] == 0 and heap["checks"]["passed"] > 0


@pytest.mark.parametrize("name", ["heapshapes", "heapshapes.bookworm", "heapshapes.bullseye"])
def test_every_kind_of_free_list_is_told_apart(name):
	wheres = {b["where"] for b in blocks_of(name) if b["state"] == "free"}
	assert wheres >= {"tcache", "fastbin", "smallbin", "largebin", "top"}


def test_csv_says_the_same(leakzoo):
	rows = heapfx_ok("blocks", leakzoo, "--format", "csv").out.splitlines()
	head = rows[0].split(",")
	blocks = blocks_of("leakzoo.bookworm")
	assert len(rows) - 1 == len(blocks)
	for row, block in zip(rows[1:], blocks):
		cells = dict(zip(head, row.split(",")))
		assert int(cells["address"], 16) == block["address"]
		for key in ("size", "usable", "state"):
			assert cells[key] == str(block[key])
		assert cells.get("where", "") == block.get("where", "")


def test_lines_are_json_in_the_promised_names(leakzoo):
	for line in heapfx_ok("blocks", leakzoo).out.splitlines()[:100]:
		assert set(json.loads(line)) <= {"address", "size", "usable", "state", "where",
			"allocator", "arena", "class", "reach", "type"}


@pytest.mark.parametrize("name", ["leakzoo.bookworm", "heapshapes.trixie"])
def test_threads_change_nothing(name):
	one = heapfx_ok("blocks", dump_of(name).core, "--threads", "1").out
	four = heapfx_ok("blocks", dump_of(name).core, "--threads", "4").out
	assert one == four and parse_blocks(one)
