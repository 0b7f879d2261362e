"""Containers of GLib: what they are, and how what they hold is called, with debug info of the program and without."""
import json

import pytest

from common import heapfx_ok
from types_corpus import blocks_of, case_of

CASES = ["glibs.gcc.O2.g", "glibs.gcc.O2.stripped"]
ENTRIES = 60


def chains_of(dump, address, *options):
	report = json.loads(heapfx_ok("explain", *dump, hex(address), "--format", "json", *options).out)
	for chain in report["chains"]:
		root = chain["root"].get("symbol") or chain["root"].get("source", "")
		yield root, "".join(hop["via"].get("name", "") for hop in chain["hops"])


@pytest.mark.parametrize("name", CASES)
def test_types_of_glib(name):
	"""All with debug info; tables and trees without it; nothing wrong."""
	for address, _size, form, want, *_ in case_of(name)[1]:
		have = blocks_of(name)[address].get("type", "?")
		if form == "array":
			want += "[]"
		if want == "-" or want.startswith(("struct", "void", "GArray", "char", "unsigned")) and name != CASES[0]:
			assert have.endswith("?"), have
		else:
			assert have == want


def test_chains_read_like_the_source():
	dump, rows = case_of(CASES[0])
	held = [(address, holder) for address, *_, holder in rows if holder]
	assert len(held) == 26
	for address, holder in held:
		found = [root + names for root, names in chains_of(dump, address, "--strings", "preview")]
		assert holder in found, (holder, found)
	address = next(address for address, holder in held if "order 7" in holder)
	assert "orders[...]" in [root + names for root, names in chains_of(dump, address)]


def test_entries_without_debug_info():
	dump, rows = case_of(CASES[1])
	for address, *_, holder in rows:
		if holder and holder.startswith(("orders[", "by_number[", "sorted[")):
			entry = holder[holder.index("["):]
			assert entry in [names for _root, names in chains_of(dump, address, "--strings", "preview")], holder


@pytest.mark.parametrize("name", CASES)
def test_what_a_table_consists_of_is_counted_as_it(name):
	types = {t["name"]: t for t in json.loads(heapfx_ok("analyze", *case_of(name)[0], "--format", "json").out)["types"]}
	# GLib itself has some.
	assert types["GHashTable"]["count"] >= 3 + 3 + 3 + 2
	assert types["GTree"]["count"] == 1 + ENTRIES
	assert not {t for t in types if t.startswith(("GHashTable ", "GTree ", "GArray "))}
	assert name != CASES[0] or types["struct _GArray"]["count"] == 3 + 2	# what is in `once` is known otherwise
