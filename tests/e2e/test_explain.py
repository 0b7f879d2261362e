"""One address: what it is, what state it has, and who holds it, by the program's own names."""
import bisect
import collections
import re
import struct

import pytest

from common import Core, blocks_of, dump_of, heapfx, heapfx_ok, truth_of

NAME = "leakzoo"
SAY = {"reachable": r"reachable", "possibly-lost": r"possibly[- ]lost",
	"definitely-lost": r"definitely[- ]lost", "indirectly-lost": r"indirectly[- ]lost"}


def explain(address, name=NAME):
	return heapfx_ok("explain", dump_of(name).core, hex(address)).out


def first_of(kind, name=NAME):
	truth, _totals = truth_of(name)
	return min(a for a, (_size, k, _state) in truth.items() if k == kind)


@pytest.mark.parametrize("kind", ["REACH", "TLSROOT", "PTHSPEC", "STACKROOT", "REGROOT", "MMAPROOT",
	"POSS", "DEF", "IND", "DEADSTACK", "XOR", "UNALIGNED"])
def test_state_of_each_kind(kind):
	truth, _totals = truth_of(NAME)
	address = first_of(kind)
	out = explain(address)
	assert re.search(SAY[truth[address][2]], out), out
	assert f"{address:#x}" in out
	assert "; the address is its start" in out
	assert "; the address is 8 bytes in" in explain(address + 8)
	assert "\x1b" not in out


@pytest.mark.parametrize("kind,root", [("REACH", r"global|\bg_\w+"),
	("TLSROOT", r"TLS|thread-local|tls"), ("STACKROOT", r"stack"), ("REGROOT", r"register|\br[0-9a-z]{1,2}\b"), ("MMAPROOT", r"mapping")])
def test_the_root_is_named(kind, root):
	out = explain(first_of(kind))
	assert re.search(root, out)
	only = re.search(r"^  only through +(\w+) (\w+)", out, re.M)
	assert only and only[1] != only[2]


def test_who_points_into_a_mapping_of_nobody():
	"""leakzoo.c keeps the mapping in g_mapping, and in nothing else that it has."""
	start = re.search(r"mapping (0x[0-9a-f]+)\+", explain(first_of("MMAPROOT")))[1]
	out = explain(int(start, 16))
	assert re.search(rf"word +0x[0-9a-f]+, to {start}: .*\bg_mapping\b", out), out
	assert re.search(r"pointed at by +\d+ words? outside of the mapping, [1-9]", out)


def pointers_between_blocks(name):
	"""{block: {block with a pointer to it: how many words of it}}, of aligned words."""
	used = sorted((b["address"], b["usable"]) for b in blocks_of(name) if b["state"] == "used")
	starts, core = [address for address, _usable in used], Core(dump_of(name).core)
	found = collections.defaultdict(collections.Counter)
	for source, usable in used:
		for word, in struct.iter_unpack("<Q", core.read(source, usable & ~7)):
			at = bisect.bisect_right(starts, word) - 1
			if at >= 0 and word < sum(used[at]) and starts[at] != source:
				found[starts[at]][source] += 1
	return found


def test_a_holder_is_told_once():
	"""Slabs of GLib's slices stand in rings: in those of two, both pointers of one lead to the other."""
	found = pointers_between_blocks("slices")
	twice = [block for block, sources in sorted(found.items()) if max(sources.values()) > 1 and len(sources) < 20]
	said_twice = 0
	for block in twice[:8]:	# words that the allocator or GLib left are no pointers: at most as many as there are
		out = explain(block, "slices")
		rows = [int(row, 16) for row in re.findall(r"^    (0x[0-9a-f]+) \+0x[0-9a-f]+ \(", out, re.M)]
		count = re.search(r"^  pointed at by +(\d+) blocks?(?:, by (\d+) pointers)?$", out, re.M)
		assert sorted(rows) == sorted(found[block]) and int(count[1]) == len(rows)
		assert not count[2] or len(rows) < int(count[2]) <= sum(found[block].values())
		said_twice += bool(count[2])
	assert said_twice >= 3


@pytest.mark.parametrize("name", ["vectors", "vectors.kernel"])
def test_vector_registers_are_named(name):
	"""SSE is on every x86-64; the program holds two blocks in the halves of xmm3."""
	truth, _totals = truth_of(name)
	out = "".join(explain(a, name) for a, (_s, kind, _state) in truth.items() if kind == "VECROOT")
	assert "register xmm3 (low half)" in out and "register xmm3 (high half)" in out
	if name == "vectors.kernel":	# committed, of a processor with AVX-512
		assert "register ymm5 (bits 192-255)" in out
		assert "register zmm6 (bits 256-319)" in out and "register xmm20 (low half)" in out


def test_interior_pointers_find_the_block():
	address = first_of("REACH")
	out = explain(address + 8)
	assert f"{address:#x}" in out


@pytest.mark.parametrize("where", ["tcache", "top"])
def test_free_memory_says_its_list(where):
	block = next(b for b in blocks_of(NAME) if b["state"] == "free" and b["where"] == where)
	out = explain(block["address"])
	assert "free" in out and where in out


def test_stale_holders_are_evidence():
	"""A block that only freed memory still points at: explain says where."""
	assert re.search(r"free", explain(first_of("FREED")))


@pytest.mark.parametrize("address", ["0x0", "0x1000", "0xffffffffffffffff", "0x7fffffffffff"])
def test_addresses_that_are_nothing(address):
	run = heapfx("explain", dump_of(NAME).core, address)
	assert run.status in (0, 3)
	assert re.search(r"unmapped|not mapped|no memory|nothing", run.out + run.err)
