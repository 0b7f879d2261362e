"""Words of every allocator's own memory overwritten at random: the blocks are as they were, or it is said.

Seeds are fixed; corpus/allocators/overwrites.py runs any number of others (docs/formats/ has figures).
"""
import collections
import importlib.util

import pytest

from common import HEAPFX, ROOT, SANITIZED, dump_of

SPEC = importlib.util.spec_from_file_location("allocator_overwrites", ROOT / "corpus/allocators/overwrites.py")
overwrites = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(overwrites)

# name, seed, the least share of blocks that any one overwrite leaves
RUNS = [("jemalloc.bullseye", 21, 0.9), ("jemalloc.sid", 22, 0.9), ("tcmalloc.bullseye", 23, 0.9), ("tcmalloc.sid", 24, 0.9),
	("mimalloc.2.2.7", 25, 0.5), ("mimalloc.3.4.3", 26, 0.5), ("musl.bookworm", 27, 0.5), ("musl.1.2.0", 28, 0.5)]


@pytest.mark.parametrize("name,seed,least", RUNS)
def test_no_damage_goes_unsaid(name, seed, least):
	dump = dump_of(name)
	seen = collections.Counter()
	for o in overwrites.experiment(HEAPFX, dump.core, dump.truth, 4 if SANITIZED else 12, seed):
		seen[o.verdict] += 1
		assert o.verdict != "SILENT", o
		assert o.kept >= least, o
	assert seen


def test_a_size_of_tcmallocs_table_is_found_elsewhere():
	"""Each thread cache has it once more: no block is lost, and the place is named."""
	dump = dump_of("tcmalloc.bullseye")
	target = overwrites.Target(dump.core, dump.truth)
	table = b"".join(size.to_bytes(4, "little") for size in (0, 8, 16, 32, 48, 64))
	(address, offset, data), = [page for page in target.memory.pages if table in page[2]][:1]
	at = address + data.index(table) + 8
	offset += data.index(table) + 8
	intact = overwrites.run(HEAPFX, dump.core)
	with overwrites.damaged(dump.core, offset, (1 << 64) - 1) as core:
		seen = overwrites.run(HEAPFX, core)
	assert seen.used == intact.used
	assert f"{at:#x}" in seen.problems
