"""Maps of package sync: entries, deleted and expunged ones, keys in chains (corpus/go/src/waits/syncmaps.go)."""
import json

import pytest

from common import heapfx_ok
from go_corpus import Patched, WAITS, go_dump, report_of, truth_of

HEALTHY = [name for name in WAITS if "healthy" in name]
NAMED = [name for name in WAITS if "stripped" not in name]
VALUE = "main.Value"


def is_trie(name):
	return int(name.split(".")[2]) >= 24


def sync_maps_of(name):
	return {int(m["address"], 16): m for m in report_of(name)["go"]["sync_maps"]}


def rows_of(name):
	"""(the program's name for it, what heapfx says)"""
	said = sync_maps_of(name)
	return [(title, said.get(int(address, 16))) for address, _, title, _ in truth_of(name).rows["syncmap"]]


@pytest.mark.parametrize("name", WAITS)
def test_entries(name):
	total = truth_of(name).total
	for title, said in rows_of(name):
		assert said and "damaged" not in said, title
		assert said["entries"] == total[f"syncmap.{title}.live"], title
		if is_trie(name):
			assert said["nodes"] >= 1 and "deleted" not in said, title
		else:
			assert said["deleted"] == total[f"syncmap.{title}.deleted"], title
			assert said["expunged"] == total[f"syncmap.{title}.expunged"], title


@pytest.mark.parametrize("name", NAMED)
def test_names(name):
	said = dict(rows_of(name))
	for title in ("cache", "registry.byID", "drained"):
		assert said[title]["name"] == f"main.{title}"
	assert said["services.routes"]["in"] == "main.Service"


def chain_to(name, nth, *options):
	"""Of the nth live value, in the order in which the program made them."""
	address = [row[0] for row in truth_of(name).objects if row[2] == VALUE and row[3] == "live"][nth]
	text = heapfx_ok("explain", go_dump(name).core, hex(address), "--exe", go_dump(name).exe, *options).out
	return next(line[18:] for line in text.splitlines() if line[2:16] == "shortest chain")


@pytest.mark.parametrize("name", NAMED)
def test_keys_are_hops(name):
	# made as: the next of words[2], words[2]'s, ... words[5]'s, the late one, then those of the registry
	part = "sync.Map"
	dirty = part if is_trie(name) else "map[interface {}]*sync.entry"
	assert chain_to(name, 1) in [f'global main.cache -> {p}["gamma"] -> {VALUE} (64 B)' for p in (part, dirty)]
	assert chain_to(name, 0) == f'global main.cache["gamma"] -> {VALUE}.Next -> {VALUE} (64 B)'
	assert chain_to(name, 8) == f'global main.cache -> {dirty}["late"] -> {VALUE} (64 B)'
	assert chain_to(name, 9) == f"global main.registry.byID -> {part}[...] -> {VALUE} (64 B)"
	assert chain_to(name, -1) == f'global main.services["web"].routes -> {part}["/receipt"] -> {VALUE} (64 B)'


@pytest.mark.parametrize("name", NAMED)
def test_keys_that_are_data_are_shown_when_asked_for(name):
	assert chain_to(name, 16, "--strings", "preview") == \
		f"global main.registry.byID -> sync.Map[7] -> {VALUE} (64 B)"


@pytest.mark.parametrize("name", [name for name in NAMED if not is_trie(name)])
def test_a_map_of_deleted_keys(name):
	"""To 1.23 a key stays until `dirty` takes the place of `read`; a trie gives deleted ones back."""
	said = [s for s in report_of(name)["suspects"] if s["rule"] == "slack/map-dead"]
	if name in HEALTHY:
		assert not said
		return
	[s] = said
	assert s["chain"]["root"]["symbol"] == "main.drained" and "sync.Map" in s["title"]
	drained = dict(rows_of(name))["drained"]
	assert drained["wasted"] > 0.9 * drained["bytes"]
	assert s["retained"] >= drained["wasted"]


# --- storage that was overwritten ---------------------------------------------------------------

def storage_of(core, address, trie):
	"""The word that leads to a map's storage, and the block that it leads to."""
	for offset in (8, 16):	# HashTrieMap {inited, initMu, root}; sync.Map {mu, read, ..}, `read` an atomic.Value to 1.19
		value = core.word(address + offset)
		if value > 1 << 32 and (trie or core.word(value) > 1 << 32):	# on the heap
			return address + offset, value
	raise AssertionError("no storage")


def words_of_trie(core, node):
	"""The children of an inner node: 16 words in front of its end."""
	return [node + 24 + 8 * i for i in range(16) if core.word(node + 24 + 8 * i)]


def damages(core, slot, storage, trie):
	"""(what is wrong, the words that make it so)"""
	if trie:
		children = words_of_trie(core, storage)
		return {
			"a root into nothing": [(slot, 0x4141414141414140)],
			"a root inside itself": [(slot, storage + 8)],
			"a child that is the root": [(children[0], storage)],
			"a child into nothing": [(children[0], 0x4141414141414140)],
			"all children are one": [(at, core.word(children[0])) for at in children],
			"entries that hang on themselves": [(core.word(at) + 8, core.word(at)) for at in children],
			"an inner node that says it is an entry": [(storage, 1)],
		}
	header = core.word(storage)
	buckets = core.word(header + 16)
	return {
		"read into nothing": [(slot, 0x4141414141414140)],
		"a header into nothing": [(storage, 0x4141414141414140)],
		"a header that is its own storage": [(header + 16, header)],
		"as many entries as there are words": [(header, 1 << 60)],
		"2^63 buckets": [(header + 8, 63 << 8)],
		"2^40 buckets": [(header + 8, 40 << 8)],
		"a bucket that overflows into itself": [(buckets + 200, buckets)],
		"old buckets that are the new ones": [(header + 24, buckets)],
		"entries that are noise": [(buckets + 136 + 8 * i, 0x4141414141414140 + i) for i in range(8)],
	}


@pytest.mark.parametrize("name", [n for n in WAITS if "healthy" not in n])
def test_overwritten_storage_is_bounded(name, tmp_path):
	"""It ends, says so or counts no more than there is; the other maps are what they were."""
	core = Patched(name, tmp_path / "core")
	rows = {title: int(address, 16) for address, _, title, _ in truth_of(name).rows["syncmap"]}
	at = rows["registry.byID"]
	before = sync_maps_of(name)
	slot, storage = storage_of(core, at, is_trie(name))
	for what, words in damages(core, slot, storage, is_trie(name)).items():
		saved = [(place, core.word(place)) for place, _ in words]
		for place, value in words:
			core.write(place, value)
		run = heapfx_ok("analyze", core.path, "--exe", go_dump(name).exe, "--format", "json", timeout=120)
		report = json.loads(run.out)
		said = {int(m["address"], 16): m for m in report["go"]["sync_maps"]}
		hit = said.get(at, {"entries": 0})
		assert hit["entries"] <= 300, what
		assert at not in said or said[at] == before[at] or "damaged" in hit or hit["entries"] < 300 or \
			hit["bytes"] != before[at]["bytes"], what
		assert hit.get("bytes", 0) <= 2 * before[at]["bytes"], what
		for title in ("cache", "drained"):
			assert said[rows[title]]["entries"] == before[rows[title]]["entries"], (what, title)
		for place, value in saved:
			core.write(place, value)
