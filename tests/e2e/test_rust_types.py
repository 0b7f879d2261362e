"""What blocks of Rust programs are, by the truth that the program wrote."""
import json

import pytest

from common import heapfx_ok
from types_corpus import blocks_of, case_of

WITH_DWARF = ["rusty.rustc.O2.g", "rusty.rustc.O0.g", "cells.rustc.O2.g", "cells.rustc.O0.g"]
WITHOUT = ["rusty.rustc.O2", "rusty.rustc.O0.stripped", "cells.rustc.O2", "cells.rustc.O0.stripped"]
RUSTY = [name for name in WITH_DWARF if name.startswith("rusty")]


@pytest.mark.parametrize("name", WITH_DWARF + WITHOUT)
def test_types_of_rust(name):
	"""With debug info 95% of the bytes have their type; none has another that is not said to be a guess."""
	all_bytes = right = 0
	for address, size, form, kind, _p, _holder in case_of(name)[1]:
		if form == "count":
			continue
		want = kind + ("[]" if form == "array" else "")
		have = blocks_of(name)[address].get("type", "?")
		all_bytes += size
		right += size * (have == want)
		assert have == want or have.endswith("?"), hex(address)
	assert all_bytes > (50000 if name.startswith("rusty") else 10000)
	assert right >= all_bytes * 0.95 or name not in WITH_DWARF


@pytest.mark.parametrize("name", WITH_DWARF[::2])
def test_chains_of_rust_read_like_the_source(name):
	dump, rows = case_of(name)
	held = [(address, holder) for address, _s, form, _k, _p, holder in rows if holder and form != "count"]
	assert len(held) > 10
	for address, holder in held:
		shown = ("--strings", "preview") if name.startswith("cells") else ()	# keys
		report = json.loads(heapfx_ok("explain", *dump, hex(address), "--format", "json", *shown).out)
		paths = [chain["root"].get("symbol", "") + "".join(hop["via"].get("name", "") for hop in chain["hops"])
			for chain in report["chains"]]
		assert f"{name.split('.')[0]}::{holder}" in paths


@pytest.mark.parametrize("name", RUSTY + WITHOUT[:2])
def test_what_maps_hold_is_not_lost(name):
	"""A map points behind the values in its table."""
	maps = [a for a, _s, form, _k, _p, holder in case_of(name)[1]
		if holder and form != "count" and holder.startswith(("SHOP->by_name", "SHOP->names"))]
	assert maps
	assert all(blocks_of(name)[a]["reach"] == "reachable" for a in maps)


@pytest.mark.parametrize("name", WITH_DWARF[:1])
def test_keys_are_shown_only_when_asked_for(name):
	dump, rows = case_of(name)
	address = next(a for a, *_rest, holder in rows if holder == "SHOP->by_name[...].text")
	text = heapfx_ok("explain", *dump, hex(address), "--strings", "preview").out
	assert '["the name of line 5"].text' in text
