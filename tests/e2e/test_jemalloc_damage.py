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
