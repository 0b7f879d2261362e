"""Words of musl's heaps overwritten, one place at a time: it is told, and all else is as the truth has it.

The places are found here without heapfx, from the truth's addresses and the words in front of them.
"""
import json
import pathlib
import random
import re
import struct
import subprocess

import pytest

from common import Core, dump_of, heapfx_ok, parse_blocks, truth_of, used_of

GARBAGE = 0x4141414141414141
NEAR = 4096


class Damaged:
	"""A core with some bytes of it overwritten."""

	def __init__(self, name):
		self.path = dump_of(name).core
		self.core = Core(self.path)
		self.patches = []

	def word(self, address):
		return struct.unpack("<Q", self.core.read(address, 8))[0]

	def write(self, address, data):
		for vaddr, _memsz, offset, filesz in self.core.loads:
			if vaddr <= address < vaddr + filesz:
				self.patches.append((offset + address - vaddr, data))
				return
		raise KeyError(hex(address))

	def made(self, tmp_path):
		path = pathlib.Path(tmp_path) / "damaged.core"
		subprocess.run(["cp", "--sparse=always", self.path, path], check=True)
		with open(path, "r+b") as f:
			for offset, data in self.patches:
				f.seek(offset)
				f.write(data)
		return path

	def problems(self, tmp_path):
		return json.loads(heapfx_ok("analyze", self.made(tmp_path), "--format", "json").out)["input"]["problems"]

	def run(self, tmp_path):
		"""(used blocks, addresses that problems name)"""
		path = self.made(tmp_path)
		run = heapfx_ok("blocks", path)
		path.unlink()
		told = [int(a, 16) for line in run.err.splitlines() if "heap/corrupt" in line
			for a in re.findall(r"0x[0-9a-f]+", line)]
		return set(used_of(parse_blocks(run.out))), told


def is_near(told, address):
	return any(abs(a - address) < NEAR for a in told)


# --- mallocng -----------------------------------------------------------------------------------

class Slot:
	"""The slot of a block, its group and its meta, by the header in front of the block."""

	def __init__(self, damaged, block):
		far, = struct.unpack("<I", damaged.core.read(block - 8, 4))
		flag, index = damaged.core.read(block - 4, 2)
		near, = struct.unpack("<H", damaged.core.read(block - 2, 2))
		self.block, self.index = block, index & 31
		self.group = block - 16 * (far if flag else near) - 16
		self.meta = damaged.word(self.group)
		assert damaged.word(self.meta + 16) == self.group
		bits = damaged.word(self.meta + 32)
		self.last, self.sizeclass, self.pages = bits & 31, bits >> 6 & 63, bits >> 12
		self.area = self.meta & ~4095


def mallocng_slots(name):
	damaged = Damaged(name)
	truth, _totals = truth_of(name)
	return damaged, [Slot(damaged, a) for a in sorted(truth)]


NG = ["musl.bookworm", "musl.static", "musl.1.2.5.aarch64"]


def pick(slots, seed, wanted=lambda slot: True):
	return random.Random(seed).choice([slot for slot in slots if wanted(slot)])


@pytest.mark.parametrize("name", NG)
def test_a_slot_header_that_was_run_over(name, tmp_path):
	"""The block is still there, from its slot's start on."""
	damaged, slots = mallocng_slots(name)
	slot = pick(slots, 1, lambda s: s.last and s.index)
	damaged.write(slot.block - 4, b"AAAA")
	used, told = damaged.run(tmp_path)
	truth = {s.block for s in slots}
	assert truth - used <= {slot.block} and len(used) == len(truth)
	assert is_near(told, slot.block)


@pytest.mark.parametrize("name", NG)
def test_a_group_header_that_was_run_over(name, tmp_path):
	damaged, slots = mallocng_slots(name)
	slot = pick(slots, 2, lambda s: s.last > 2)
	damaged.write(slot.group, struct.pack("<Q", GARBAGE))
	used, told = damaged.run(tmp_path)
	assert used == {s.block for s in slots}
	assert is_near(told, slot.group)


@pytest.mark.parametrize("name", NG)
@pytest.mark.parametrize("word", [GARBAGE, 0xffffffffffffffff, 1 << 62, 8])
def test_a_meta_that_leads_nowhere(name, word, tmp_path):
	"""Of its group alone the blocks are lost."""
	damaged, slots = mallocng_slots(name)
	slot = pick(slots, 3, lambda s: s.last > 2 and not s.pages)
	damaged.write(slot.meta + 16, struct.pack("<Q", word))
	used, told = damaged.run(tmp_path)
	assert {s.block for s in slots if s.group != slot.group} <= used
	assert is_near(told, slot.meta)


@pytest.mark.parametrize("name", NG)
def test_a_mask_that_frees_what_is_used(name, tmp_path):
	damaged, slots = mallocng_slots(name)
	slot = pick(slots, 4, lambda s: s.last > 2 and s.index)
	damaged.write(slot.meta + 28, struct.pack("<I", 1 << slot.index))
	used, told = damaged.run(tmp_path)
	assert {s.block for s in slots} <= used
	assert is_near(told, slot.meta)


@pytest.mark.parametrize("name", NG)
@pytest.mark.parametrize("offset", [0, 8])
def test_an_area_that_breaks_the_list(name, offset, tmp_path):
	"""Its secret, or its link: the others are found all the same."""
	damaged, slots = mallocng_slots(name)
	area = min(s.area for s in slots)
	damaged.write(area + offset, struct.pack("<Q", GARBAGE))
	used, told = damaged.run(tmp_path)
	lost = {s.block for s in slots if s.area == area} if not offset else set()
	if len({s.area for s in slots}) > 1 or offset:
		assert {s.block for s in slots} - lost <= used
		assert told


# --- oldmalloc ----------------------------------------------------------------------------------

OLD = ["musl.1.2.0", "musl.1.2.0.static", "musl.1.2.0.aarch64"]


def old_chunks(name):
	"""Blocks whose chunk is in a run: its size stands in the next one too."""
	damaged = Damaged(name)
	truth, _totals = truth_of(name)
	chunks = []
	for block in sorted(truth):
		size = damaged.word(block - 8)
		if size & 1 and damaged.word(block - 16 + (size & ~1)) == size:
			chunks.append(block)
	return damaged, chunks, set(truth)


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("words", [(-8,), (-16,), (-16, -8)], ids=["own", "previous", "both"])
@pytest.mark.parametrize("value", [GARBAGE, 0, 0x21, 0xfffffffffffffff1])
def test_a_chunk_header_that_was_run_over(name, words, value, tmp_path):
	"""Each size stands twice: where chunks begin is still clear."""
	damaged, chunks, truth = old_chunks(name)
	block = random.Random(len(words) + words[0]).choice(
		[b for b in chunks[1:-1] if all(damaged.word(b + word) != value for word in words)])
	for word in words:
		damaged.write(block + word, struct.pack("<Q", value))
	used, told = damaged.run(tmp_path)
	assert truth - used <= {block}, [hex(a) for a in truth - used]
	assert len(used - truth) <= 1
	assert is_near(told, block)


@pytest.mark.parametrize("name", OLD)
def test_a_list_that_leads_nowhere(name, tmp_path):
	"""What is free is so by its size; the list is told."""
	damaged, _chunks, truth = old_chunks(name)
	blocks = parse_blocks(heapfx_ok("blocks", dump_of(name).core).out)
	free = [b["address"] for b in blocks if b["state"] == "free"]
	for link in random.Random(5).sample(free, 3):
		damaged.write(link, struct.pack("<Q", GARBAGE))
	used, told = damaged.run(tmp_path)
	assert used == truth
	assert GARBAGE in told or any(is_near(told, a) for a in free)
