"""Words of jemalloc's own data overwritten, one at a time: the blocks of other slabs are as the truth has them.

A slab's extent structure is found here without heapfx: the word before a known slab's size that is the slab's address.
"""
import re
import struct
import subprocess

import pytest

from common import Core, dump_of, heapfx_ok, parse_blocks, truth_of, used_of

ADDR, SIZE, BITMAP = 8, 16, 64		# in an extent_t, edata_t


class Slab:
	"""The slab of one of the truth's blocks, by `explain`, and its extent structure in the file."""

	def __init__(self, name, block):
		dump = dump_of(name)
		said = heapfx_ok("explain", dump.core, hex(block)).out
		found = re.search(r"slab (0x[0-9a-f]+)-(0x[0-9a-f]+), size class (\d+)", said)
		self.start, self.end, self.size = (int(x, 0) for x in found.groups())
		core = Core(dump.core)
		wanted = struct.pack("<Q", self.start)
		self.offset = None
		at = core.file.find(wanted)
		while at >= 0:
			size, = struct.unpack_from("<Q", core.file, at + 8)
			if at % 8 == 0 and size & ~0xFFF == self.end - self.start:
				self.offset = at - ADDR
			at = core.file.find(wanted, at + 1)
		assert self.offset is not None

	def has(self, address):
		return self.start <= address < self.end


def small_blocks(name):
	truth, _totals = truth_of(name)
	small = sorted(a for a, (size, kind, _state) in truth.items() if size < 2000 and kind == "REACH")
	return small[len(small) // 4], small[len(small) // 2], small[-len(small) // 4]


DAMAGE = {
	"address": (ADDR, lambda was: was ^ 0x40000),
	"address to nothing": (ADDR, lambda was: 0x41414141414141),
	"size": (SIZE, lambda was: was + (1 << 20)),
	"size of nothing": (SIZE, lambda was: 0),
	"size of everything": (SIZE, lambda was: (1 << 64) - 1),
	"class and count": (0, lambda was: was ^ 0x3fff << 18),
	"state": (0, lambda was: was ^ 3 << 17),
	"bitmap": (BITMAP, lambda was: was ^ 5),
}


# Every kind on one of them, the telling ones on the others, whose layouts differ.
RUNS = [("jemalloc.sid", what) for what in DAMAGE] + [(name, what) for name in ("jemalloc.bullseye", "jemalloc.trixie")
	for what in ("address", "state", "size of everything", "bitmap")
	if (name, what) != ("jemalloc.bullseye", "state")]	# 5.2 has it in one place alone


@pytest.mark.parametrize("name,what", RUNS)
def test_damage_stays_in_its_slab_and_is_told(name, what, tmp_path):
	truth, _totals = truth_of(name)
	offset, change = DAMAGE[what]
	slab = Slab(name, small_blocks(name)[len(what) % 3])
	damaged = tmp_path / "damaged.core"
	subprocess.run(["cp", "--sparse=always", dump_of(name).core, damaged], check=True)
	with open(damaged, "r+b") as f:
		f.seek(slab.offset + offset)
		was, = struct.unpack("<Q", f.read(8))
		f.seek(slab.offset + offset)
		f.write(struct.pack("<Q", change(was) & (1 << 64) - 1))
	run = heapfx_ok("blocks", damaged)
	used = used_of(parse_blocks(run.out))
	strayed = [hex(a) for a in truth.keys() ^ used.keys() if not slab.has(a)]
	assert not strayed, (len(strayed), strayed[:5])
	assert "heap/corrupt" in run.err
	if what != "bitmap":	# the tree still says where it is and of what class, and nobody else has its bitmap
		assert {a for a in truth if slab.has(a)} <= used.keys()


def test_an_element_of_the_tree_that_leads_nowhere(tmp_path):
	"""A slab whose elements are gone is not found; all others are, and it is said."""
	name = "jemalloc.sid"
	truth, _totals = truth_of(name)
	slab = Slab(name, small_blocks(name)[1])
	core = Core(dump_of(name).core)
	edata = next(v + slab.offset - o for v, _m, o, n in core.loads if o <= slab.offset < o + n)
	middle = struct.pack("<Q", edata)[1:6]	# of an element: a class above, flags below
	damaged = bytearray(core.file)
	hits, at = 0, damaged.find(middle)
	while at >= 0:
		word, = struct.unpack_from("<Q", damaged, at - 1)
		if (at - 1) % 8 == 0 and word & 0xFFFFFFFFFFC0 == edata and word >> 48:
			struct.pack_into("<Q", damaged, at - 1, 0x4242424242424242)
			hits += 1
		at = damaged.find(middle, at + 1)
	assert hits == (slab.end - slab.start) // 4096
	path = tmp_path / "damaged.core"
	path.write_bytes(damaged)
	run = heapfx_ok("blocks", path)
	used = used_of(parse_blocks(run.out))
	strayed = [hex(a) for a in truth.keys() ^ used.keys() if not slab.has(a)]
	assert not strayed, (len(strayed), strayed[:5])
	assert "heap/corrupt" in run.err


FS_BASE = 112 + 21 * 8	# in an NT_PRSTATUS
BELOW = 40_000	# a thread pointer: its stack, long unused


def test_objects_that_lead_to_each_other_are_no_cache(tmp_path):
	"""On many stacks: an object that points to a part of it which points back, and to blocks."""
	name = "jemalloc.sid"
	truth, _totals = truth_of(name)
	core = Core(dump_of(name).core)
	blocks = sorted(truth)
	lies = tmp_path / "lies.core"
	subprocess.run(["cp", "--sparse=always", dump_of(name).core, lies], check=True)
	told = 0
	with open(lies, "r+b") as f:
		for kind, desc in core.notes:
			if kind != 1:
				continue
			at, = struct.unpack_from("<Q", desc, FS_BASE)
			at = at - BELOW & -64
			load = next(((v, o) for v, _m, o, n in core.loads if v <= at - 4096 and at + 8192 <= v + n), None)
			if not load or any(core.read(at, 2048)):
				continue
			words = [at + 1024] + 3 * [at + 1536, 0, (at + 1536 + 64 & 0xFFFF) << 32] + [0] * 118
			words[128:140] = [at, 7, at, 9, 8, at] + 5 * [3] + [at]
			words[192:200] = blocks[:8]
			f.seek(load[1] + at - load[0])
			f.write(struct.pack(f"<{len(words)}Q", *words))
			told += 1
	assert told > 2
	run = heapfx_ok("blocks", lies)
	assert used_of(parse_blocks(run.out)).keys() == truth.keys() and "heap/corrupt" not in run.err
