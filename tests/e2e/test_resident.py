"""How much of a large dump is in memory at a time, where its lists are followed anywhere."""
from common import SANITIZED, dump_of, heapfx_ok

NAME = "arenas320"
SHARE = 1	# of what is no hole in the dump, all of heapfx's own counted, which is little of a larger one
BLOCK = 512	# st_blocks is in


def analyzed(*options):
	return heapfx_ok("analyze", dump_of(NAME).core, "--format", "json", *options)


def test_a_part_of_the_dump_is_resident_and_results_are_the_same():
	held = dump_of(NAME).core.stat().st_blocks * BLOCK
	run = analyzed("--threads", 1)
	assert '"ListNode"' in run.out and '"HashEntry"' in run.out	# what lists lead to was found
	if not SANITIZED:
		assert run.rss <= SHARE * held, f"{run.rss >> 20} MiB of {held >> 20}"
	assert analyzed("--threads", 2, "--memory", "16M").out == run.out
