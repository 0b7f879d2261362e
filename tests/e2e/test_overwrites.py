"""Words of a heap overwritten, one at a time: the blocks are as the truth has them, or it is said where not.

Seeds are fixed; corpus/elf/overwrites.py runs any number of others (docs/formats/glibc.md has figures).
"""
import collections

import pytest

from common import HEAPFX, SANITIZED, dump_of
from overwrites import KINDS, experiment

# name, how many, seed
RUNS = [("leakzoo.bookworm", 60, 11), ("leakzoo.2.28", 30, 12), ("leakzoo.sid", 30, 13),
	("heapshapes.2.42", 15, 14), ("heapshapes.trixie.noncontig", 15, 15)]


@pytest.mark.parametrize("name,count,seed", RUNS)
def test_no_damage_goes_unsaid(name, count, seed):
	dump = dump_of(name)
	seen = collections.Counter()
	for o in experiment(HEAPFX, dump.core, dump.truth, count // 3 if SANITIZED else count, seed):
		seen[o.verdict] += 1
		assert o.verdict != "SILENT", o
	assert seen["as it was, told"] > count // 6, seen


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_damage_is_told_where_it_is(kind):
	dump = dump_of("heapshapes.2.42" if "mapped" in kind else "leakzoo.bookworm")
	for o in experiment(HEAPFX, dump.core, dump.truth, 1 if SANITIZED else 4, 16, [kind]):
		told = ("as it was, told", "told", "unheld", "aligned") + ("told, blocks lost",) * ("mapped" in kind)
		assert o.verdict in told, o
