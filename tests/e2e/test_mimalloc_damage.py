"""Words of mimalloc's heap overwritten, one place at a time: it is told, and other pages are as the truth has them.

A page's struct is found here without heapfx: the one that says where a block of the truth begins.
"""
import bisect
import random
import struct

import pytest

from common import truth_of
from test_allocators import truth_by_block
from test_musl_damage import GARBAGE, Damaged, is_near

SLICE = 64 << 10
# (the struct's size, where it has: free, capacity, local_free, block_size, first block)
FIELDS = {
	"mimalloc.2.2.7": (16, 10, 24, 40, 48),
	"mimalloc.2.2.7-secure": (16, 10, 24, 40, 48),
}


class Page:
	"""A page of blocks, from the table of its segment: 2.1.9 and later."""

	def __init__(self, at, damaged, fields):
		self.at, self.fields = at, fields
		raw = damaged.core.read(at, 80)
		self.capacity, = struct.unpack_from("<H", raw, fields[1])
		self.free, = struct.unpack_from("<Q", raw, fields[0])
		self.local_free, = struct.unpack_from("<Q", raw, fields[2])
		self.size, self.start = (struct.unpack_from("<Q", raw, at)[0] for at in fields[3:])
		self.end = self.start + self.capacity * self.size

	def has(self, address):
		return self.start <= address < self.end


def pages_of(name):
	"""Every page that a block of the truth lies in, by the segments' tables."""
	damaged = Damaged(name)
	stride = 112 if name.endswith("secure") else 96
	pages = {}
	for address in truth_of(name)[0]:
		segment = address & ~((32 << 20) - 1)
		at = segment + 288 + stride * ((address - segment) // SLICE)
		back, = struct.unpack("<I", damaged.core.read(at + 4, 4))
		page = Page(at - back, damaged, FIELDS[name])
		assert page.has(address), (hex(address), hex(page.start))
		pages[page.at] = page
	return damaged, [pages[at] for at in sorted(pages)]


def strayed(name, used, page):
	"""Blocks of other pages that are missed or invented."""
	truth = set(truth_by_block(name)[0])
	return [hex(a) for a in truth ^ used if not page.has(a)]


def pick(pages, seed, wanted):
	return random.Random(seed).choice([page for page in pages if wanted(page)])


@pytest.mark.parametrize("name,value", [("mimalloc.2.2.7", GARBAGE), ("mimalloc.2.2.7", 0x7f0000000001),
	("mimalloc.2.2.7", 0xffffffffffffffff), ("mimalloc.2.2.7-secure", GARBAGE)])
def test_a_link_that_was_run_over(name, value, tmp_path):
	"""A write after free: the rest of the list counts as used, and nothing else changes."""
	damaged, pages = pages_of(name)
	page = pick(pages, 1, lambda p: p.has(p.free) and p.capacity > 3)
	damaged.write(page.free, struct.pack("<Q", value))
	used, told = damaged.run(tmp_path)
	assert not strayed(name, used, page)
	assert set(truth_by_block(name)[0]) <= used
	assert is_near(told, page.free)


@pytest.mark.parametrize("name,what", [("mimalloc.2.2.7", what) for what in ("free", "capacity", "block size",
	"start", "count")] + [("mimalloc.2.2.7-secure", "block size")])
def test_a_page_that_was_overwritten(name, what, tmp_path):
	damaged, pages = pages_of(name)
	free, capacity, _local, size, start = FIELDS[name]
	page = pick(pages, 2, lambda p: p.capacity > 3 and p.free)
	where = {"free": free, "capacity": capacity, "block size": size, "start": start, "count": 0}[what]
	width = {"capacity": "<H", "count": "<I"}.get(what, "<Q")
	damaged.write(page.at + where, struct.pack(width, GARBAGE & (1 << 8 * struct.calcsize(width)) - 1))
	used, told = damaged.run(tmp_path)
	assert not strayed(name, used, page)
	assert is_near(told, page.at)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_page_that_claims_the_next_ones_slices(name, tmp_path):
	"""A count that is possible, and too large: the pages behind it are there all the same."""
	damaged, pages = pages_of(name)
	stride = 112 if name.endswith("secure") else 96
	page, behind = next((a, b) for a, b in zip(pages, pages[1:]) if b.at - a.at <= 4 * stride)
	damaged.write(page.at, struct.pack("<I", (behind.at - page.at) // stride + 1))
	used, told = damaged.run(tmp_path)
	assert used == set(truth_by_block(name)[0])
	assert is_near(told, page.at)


def options_of(damaged):
	"""Where mimalloc's options lie: 32 bytes each, that say which one they are."""
	for vaddr, _memsz, _offset, filesz in damaged.core.loads:
		if filesz <= 1 << 20:
			data = damaged.core.read(vaddr, filesz)
			for at in range(0, filesz - 26 * 32, 8):
				if all(struct.unpack_from("<I", data, at + 32 * i + 12)[0] == i for i in range(26)):
					return vaddr + at
	raise AssertionError("no options")


@pytest.mark.parametrize("left", [2, 25])
def test_a_table_of_options_that_is_cut_short(left, tmp_path):
	"""As it is in 2.0.7, which has 25: what a purge would return is then said without them."""
	name = "mimalloc.2.2.7"
	damaged = Damaged(name)
	damaged.write(options_of(damaged) + 32 * left + 12, struct.pack("<I", 0x41414141))
	used, _told = damaged.run(tmp_path)
	assert used == set(truth_by_block(name)[0])


def test_a_list_that_loops(tmp_path):
	name = "mimalloc.2.2.7"
	damaged, pages = pages_of(name)
	page = pick(pages, 3, lambda p: p.has(p.free) and p.capacity > 3)
	damaged.write(page.at + FIELDS[name][2], struct.pack("<Q", page.free))	# in both lists
	used, told = damaged.run(tmp_path)
	assert not strayed(name, used, page)
	assert is_near(told, page.free) or is_near(told, page.at)


def test_a_block_that_was_written_past_its_end(tmp_path):
	"""Its canary tells, and the block is named; all blocks are there."""
	name = "mimalloc.2.2.7-secure"
	damaged, pages = pages_of(name)
	page = pick(pages, 4, lambda p: 32 <= p.size <= 1024 and p.capacity > 3)
	truth = sorted(truth_by_block(name)[0])
	block = next(a for a in truth[bisect.bisect_left(truth, page.start):])
	damaged.write(block + page.size - 8, b"overrun!")
	used, told = damaged.run(tmp_path)
	assert used == set(truth)
	assert block in told
