"""google/tcmalloc's own figures, as MallocExtension gave them when the process stopped; its caches; its samples."""
import pytest

from common import ALLOCATORS, blocks_of, dump_of, heapfx_ok, report_of, truth_of
from profiles import Profile

NAMES = [name for name in ALLOCATORS if name.startswith("google-tcmalloc.")]
TOLD = [name for name in NAMES if ".sparse" not in name]
SAMPLED_TAG = 0		# bits 42 to 44 of the address of a small sampled block (memory_tag.h)


def heap_of(name):
	heap, = [h for h in report_of(name)["heaps"] if h["allocator"] == "google-tcmalloc"]
	return heap


def free_in(heap, where):
	return heap["free"]["by_where"].get(where, {"bytes": 0})["bytes"]


def is_sampled(address):
	return address >> 42 & 7 == SAMPLED_TAG


@pytest.mark.parametrize("name", TOLD)
def test_totals_are_the_allocators_own(name):
	"""It counts what it keeps in place of sampled blocks as used: here that is overhead, the spans' own."""
	_truth, totals = truth_of(name)
	heap = heap_of(name)
	rests = free_in(heap, "central") + heap["overhead"]
	kept = rests - totals["tcmalloc.central_cache_free"]
	found = {
		"generic.current_allocated_bytes": heap["used"]["bytes"] + kept,
		"tcmalloc.cpu_free": free_in(heap, "cpu-cache"),
		"tcmalloc.thread_cache_free": free_in(heap, "thread-cache"),
		"tcmalloc.transfer_cache_free": free_in(heap, "transfer-cache"),
		"tcmalloc.sharded_transfer_cache_free": free_in(heap, "sharded-transfer-cache"),
		"tcmalloc.central_cache_free": rests - kept,
		"tcmalloc.page_heap_free": heap["idle"],
		"tcmalloc.page_heap_unmapped": heap["returned"],
	}
	assert found == {key: totals[key] for key in found}
	assert totals["generic.heap_size"] == sum(found.values()) - heap["returned"]
	assert not kept or any(is_sampled(b["address"]) for b in blocks_of(name) if b["state"] == "used")
	assert kept or name not in ("google-tcmalloc.sampled", "google-tcmalloc.2026-04.sampled")
	assert not kept or "2026-08" not in name	# that has none


@pytest.mark.parametrize("name", TOLD)
def test_memory_is_kept_and_given_back(name):
	"""The program asked for 2 MiB of its free pages to go back: both kinds are there."""
	heap = heap_of(name)
	assert heap["idle"] > 0 and heap["returned"] > 0
	lines = {line["category"]: line["bytes"] for line in report_of(name)["memory"]["breakdown"]}
	assert 0 < lines["google-tcmalloc/idle"] <= heap["idle"]
	assert lines["google-tcmalloc/metadata"] > 0


CACHES = {"percpu": {"cpu-cache"}, "sharded": {"cpu-cache", "sharded-transfer-cache"}, "threads": {"thread-cache"},
	"sampled": {"cpu-cache"}, "sparse": {"cpu-cache"}, "static-stripped": {"thread-cache"},
	"2026-08.static-stripped": {"cpu-cache"}}


@pytest.mark.parametrize("name", NAMES)
def test_caches_are_of_their_kind(name):
	"""A program that takes rseq itself has caches by processor, another one by thread."""
	_truth, totals = truth_of(name)
	wheres = set(heap_of(name)["free"]["by_where"])
	kind, last = name.split(".", 1)[1], name.rsplit(".", 1)[1]
	assert wheres - {"central", "transfer-cache"} == CACHES.get(kind, CACHES.get(last, {"cpu-cache"}))
	if name in TOLD:
		assert totals["tcmalloc.per_cpu_caches_active"] == ("cpu-cache" in wheres)


@pytest.mark.parametrize("name", NAMES)
def test_found_by_structure_alone(name):
	"""With no file of this machine's, and where nothing names it."""
	heap = heap_of(name)
	assert heap["how"] == "layout" if name.endswith("stripped") else heap["how"].endswith("layout")
	wanted = {b["address"] for b in blocks_of(name) if b["state"] == "used"}
	out = heapfx_ok("blocks", dump_of(name).core, "--no-host-files").out
	assert out.count('"state":"used"') == len(wanted)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".sampled")])
def test_samples_are_the_sampled_blocks(name, tmp_path):
	"""As many as have an address of that kind, with the bytes that were asked for; a stack leads to the program."""
	truth, _totals = truth_of(name)
	asked = [size for address, (size, *_rest) in truth.items() if is_sampled(address)]
	out = tmp_path / "samples.pb.gz"
	heapfx_ok("analyze", dump_of(name).core, "-o", f"heap-samples={out}")
	samples = Profile(out).samples
	assert sum(values["sampled_objects"] for _names, values, _labels in samples) == len(asked) > 10
	assert sum(values["sampled_space"] for _names, values, _labels in samples) == sum(asked)
	for names, values, _labels in samples:
		# The program's own functions, by name where its file is.
		assert {"churn_once", "drop_some"} & set(names) or any(n.startswith(f"{name}+0x") for n in names), names
		assert values["inuse_objects"] >= values["sampled_objects"]
	# One in 4 KiB stands for what was allocated since: some twenty samples of all of it.
	whole = sum(size for size, *_rest in truth.values())
	assert 0.4 * whole < sum(values["inuse_space"] for _names, values, _labels in samples) < 2.5 * whole


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".percpu", ".sharded", ".threads"))])
def test_a_block_in_a_cache_says_whose(name):
	cached = {}
	for block in blocks_of(name):
		if block["state"] == "free":
			cached.setdefault(block["where"], block["address"])
	words = {"cpu-cache": "in the cache of processor ", "thread-cache": "in the thread cache at 0x",
		"transfer-cache": "in a transfer cache", "sharded-transfer-cache": "in shard 0 of the transfer caches",
		"central": "in the list of its span"}
	for where, address in cached.items():
		said = heapfx_ok("explain", dump_of(name).core, hex(address)).out
		assert f"free: {words[where]}" in " ".join(said.split()), said
