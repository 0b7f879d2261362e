"""tcmalloc's own figures, as MallocExtension gave them when the process stopped."""
import pytest

from common import ALLOCATORS, report_of, truth_of

NAMES = [name for name in ALLOCATORS if name.startswith("tcmalloc.")]


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
