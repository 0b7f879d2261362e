"""What blocks without a type look like, and which hold the same: by what the program wrote into them."""
import collections
import functools
import json

from common import heapfx_ok
from types_corpus import blocks_of, case_of

NAME = "contents.gcc.O2"


@functools.lru_cache(maxsize=None)
def report():
	return json.loads(heapfx_ok("analyze", *case_of(NAME)[0], "--format", "json").out)


def test_every_block_looks_like_what_it_is():
	blocks = blocks_of(NAME)
	wrong = [(hex(address), size, look, blocks[address].get("looks"))
		for address, size, _form, look, _p, _group in case_of(NAME)[1]
		if look != "?" and look != blocks[address].get("looks", "-")]
	assert not wrong
	assert all("type" not in blocks[address] for address, *_rest in case_of(NAME)[1])


def test_the_table_sums_up_the_blocks():
	rows = {row["class"]: row for row in report()["tables"]["contents"]}
	of_blocks = collections.Counter()
	for line in heapfx_ok("blocks", *case_of(NAME)[0]).out.splitlines():
		block = json.loads(line)
		if block["state"] == "used" and "type" not in block:
			of_blocks[block.get("looks", "other"), "count"] += 1
			of_blocks[block.get("looks", "other"), "bytes"] += block["size"]
	for name, row in rows.items():
		assert row["looked_at"] == row["count"] == of_blocks[name, "count"]
		assert row["bytes"] == of_blocks[name, "bytes"]
	assert {name for name, _what in of_blocks} == set(rows)


def test_sql_has_the_same():
	out = heapfx_ok("sql", *case_of(NAME)[0], "select coalesce(looks, 'other') as class, count(*) as count from blocks "
		"where state = 'used' and type is null group by 1", "--format", "json").out
	theirs = {row["class"]: row["count"] for row in json.loads(out)}
	assert theirs == {row["class"]: row["count"] for row in report()["tables"]["contents"]}
	out = heapfx_ok("sql", *case_of(NAME)[0], "select class, count from contents", "--format", "json").out
	assert theirs == {row["class"]: row["count"] for row in json.loads(out)}


def test_copies_are_all_found_and_nothing_else():
	"""Their blocks were freed before with other bytes in them: what malloc rounded up differs."""
	groups = collections.defaultdict(list)
	for address, _size, _form, _look, _p, group in case_of(NAME)[1]:
		groups[group].append(address)
	del groups[None]
	suspects = [s for s in report()["suspects"] if s["rule"] == "duplicate/content"]
	assert sorted(s["count"] for s in suspects) == sorted(len(v) for v in groups.values())
	for suspect in suspects:
		addresses = {int(a, 16) for a in suspect["addresses"]}
		assert any(addresses <= set(group) for group in groups.values())
	total = report()["categories"]["duplicate"]
	assert total["count"] == sum(len(v) - 1 for v in groups.values())


def test_copies_are_shown_when_asked_for():
	"""Escaped, cut, UTF-16 as what it says; and nothing of them without."""
	shown = heapfx_ok("analyze", *case_of(NAME)[0], "--format", "json", "--strings", "preview").out
	samples = [row["value"] for s in json.loads(shown)["suspects"] if s["rule"] == "duplicate/content"
		for row in s["evidence"] if row["what"] == "contents"]
	assert len(samples) == 3
	assert any(sample.startswith("Währung: gleich. Währung") and sample.endswith("...") for sample in samples)
	source = b"GET /orders/%u HTTP/1.1\r\nhost: eu\xc3\xa9 "
	text = "".join(" " if byte & 0x80 else "." if byte < 32 else chr(byte) for i in range(30) for byte in [source[(i * 4 + 3) % 36]])
	assert any(sample.startswith(text) for sample in samples)
	assert not [row for s in report()["suspects"] for row in s["evidence"] if row["what"] == "contents"]


def test_nothing_is_shown_unasked():
	address = hex(next(a for a, size, _f, look, _p, _g in case_of(NAME)[1] if look == "text" and size > 1000))
	for command in (("analyze", *case_of(NAME)[0], "--format", "json"), ("explain", *case_of(NAME)[0], address)):
		assert "orders" not in heapfx_ok(*command).out
		assert "host: eu" not in heapfx_ok(*command).out
	shown = heapfx_ok("explain", *case_of(NAME)[0], address, "--strings", "preview").out
	assert "begins with" in shown and "\r" not in shown
