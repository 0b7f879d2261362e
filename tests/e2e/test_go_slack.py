"""Go's room to spare: maps, slices, strings, buffers and equal contents, against what the program built."""
import functools

import pytest

from go_corpus import BOXES, MADE, REPAIRED, SLACK, report_of, truth_of

# What a block of so many bytes takes (internal/runtime/gc/sizeclasses.go); larger ones are whole pages.
CLASS = {0: 0, 3: 8, 8: 8, 10: 16, 12: 16, 16: 16, 30: 32, 100: 112, 410: 416, 4000: 4096, 8192: 8192, 16384: 16384}
PAGE = 8192
TYPED = ("cleared", "tiny")	# maps of one group or bucket: known by their type alone
NAMED = [name for name in SLACK if "stripped" not in name]
# While a map is built the runtime may need a thread or a sudog of its own; not so in the committed cases.
NOISE = 8192 if MADE else 0
RULES = {"capacity", "subslice", "empty"}


def block_size(n):
	return CLASS[n] if n in CLASS else -(-n // PAGE) * PAGE


@functools.lru_cache(maxsize=None)
def arrays(name):
	"""address: (bytes in use, bytes of its block, rule or "quiet")"""
	rows = {}
	for address, used, what, _ in truth_of(name).rows["array"]:
		rule, size = what.split()
		rows[int(address, 16)] = int(used), block_size(int(size)), rule
	return rows


def maps_of(name):
	"""(truth's name, len, bytes of its storage or 0, what heapfx says)"""
	said = {int(m["address"], 16): m for m in report_of(name)["go"]["maps"]}
	truth = truth_of(name)
	return [(title, int(length), truth.total[f"storage.{title}"], said.get(int(address, 16)))
		for address, length, title, _ in truth.rows["map"]]


def suspects_of(name, rule, *options):
	return [s for s in report_of(name, *options)["suspects"] if s["rule"] == rule]


def is_old(name):
	"""Buckets, not Swiss tables."""
	return int(name.split(".")[2]) < 24 or "noswissmap" in name


def test_there_are_cases():
	assert SLACK and any(is_old(name) for name in NAMED) and not all(is_old(name) for name in NAMED)


@pytest.mark.parametrize("name", SLACK)
def test_maps_are_what_was_built(name):
	for title, length, storage, said in maps_of(name):
		if title in TYPED and name not in NAMED:
			continue
		assert said, title
		assert said["used"] == length, title
		assert 0 <= storage - said["bytes"] <= NOISE or not storage, title
		assert "damaged" not in said, title
		assert said["used"] + said["deleted"] <= said["capacity"] + 8 * said["overflow_buckets"], title
		assert 0 <= said["wasted"] <= said["bytes"], title


@pytest.mark.parametrize("name", SLACK)
def test_slots_of_maps(name):
	said = {title: said for title, _, _, said in maps_of(name) if said}
	assert said["dead"]["capacity"] == 32768
	assert said["healthy"]["capacity"] == 4096
	assert all(said[title]["capacity"] == 8 for title in TYPED if title in said)
	assert said["dead"]["deleted"] > 0 and said["half"]["deleted"] > 0
	for title in {"keyed", "wide", "tiny", "healthy", "growing"} & said.keys():	# nothing was deleted
		assert said[title]["deleted"] == 0, title
	assert said["growing"]["growing"] == is_old(name)
	for title in {"dead", "half", "keyed", "emptied", "tiny", "healthy"} & said.keys():
		assert not said[title]["growing"], title
	# without debug info by the code that uses their variables
	assert said["dead"].get("type") == "map[int64]int64"
	assert said["half"].get("type") == "map[string]*main.Entry"


@pytest.mark.parametrize("name", NAMED)
def test_what_rebuilding_gives_back(name):
	"""200 entries need 256 slots, and their storage is in proportion; 1,800 of 6,000 need a quarter."""
	said = {title: said for title, _, _, said in maps_of(name)}
	need = {title: m["bytes"] - m["wasted"] for title, m in said.items()}
	assert need["dead"] < 32768 // 2 and need["dead"] >= 256 * 16
	assert need["half"] >= 2048 * 24
	assert need["emptied"] == need["cleared"] <= 64		# the header alone
	for title in ("keyed", "tiny", "healthy"):
		assert said[title]["wasted"] <= said[title]["bytes"] // 10, title


@pytest.mark.parametrize("name", NAMED)
def test_dead_maps_are_named_and_healthy_ones_are_not(name):
	types = sorted(s["type"] for s in suspects_of(name, "slack/map-dead"))	# by type where it is known
	assert types == ["map[int64]int64", "map[string]*main.Entry"]
	for s in suspects_of(name, "slack/map-dead"):
		symbol = {"map[int64]int64": "main.dead", "map[string]*main.Entry": "main.half"}[s["type"]]
		assert s["chain"]["root"]["symbol"] == symbol


@pytest.mark.parametrize("name", [name for name in SLACK if name not in NAMED])
def test_dead_maps_without_a_type(name):
	dead, half = sorted(suspects_of(name, "slack/map-dead"), key=lambda s: -s["retained"])
	rows = {title: said for title, _, _, said in maps_of(name)}
	assert dead["addresses"] == [rows["dead"]["address"]] and dead["retained"] == rows["dead"]["wasted"]
	assert half["addresses"] == [rows["half"]["address"]] and half["retained"] == rows["half"]["wasted"]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("rule", ["capacity", "subslice"])
def test_arrays_of_a_rule(name, rule):
	rows = [(used, size) for used, size, what in arrays(name).values() if what == rule]
	said = suspects_of(name, f"slack/{rule}")
	assert sum(s["count"] for s in said) == len(rows)
	assert sum(s["bytes"] for s in said) == sum(size for _, size in rows)
	assert sum(s["retained"] for s in said) == sum(size - block_size(used) for used, size in rows)
	if rule == "subslice":
		words = [s["evidence"][0]["value"].replace(",", "").split() for s in said]
		assert sum(int(w[0]) for w in words) == sum(used for used, _ in rows)
		assert sum(int(w[2]) for w in words) == sum(size for _, size in rows)


@pytest.mark.parametrize("name", NAMED)
def test_lengths_and_capacities(name):
	said = {s["type"]: s["evidence"][0]["value"] for s in suspects_of(name, "slack/capacity")}
	assert said["[]main.Record"] == "100 of 10,000 elements"
	assert said["[]uint32"] == "3 of 20,000 elements"
	# twenty buffers, one that was read to its last 8 KiB, a builder
	assert said["[]uint8"] == f"{20 * 10 + 8192 + 3:,} of {20 * 16384 + 131072 + 32768:,} elements"


@pytest.mark.parametrize("name", NAMED)
def test_empty_ones(name):
	said = {s["type"]: s for s in suspects_of(name, "slack/empty")}
	assert said["[]uint8"]["retained"] == 131072
	assert said["[]uint8"]["chain"]["root"]["symbol"] == "main.drained.buf"
	emptied = next(said for title, _, _, said in maps_of(name) if title == "emptied")
	assert said["map[int32]int32"]["retained"] == emptied["wasted"]


@pytest.mark.parametrize("name", NAMED)
def test_the_category_is_all_of_them(name):
	rows = [(used, size) for used, size, what in arrays(name).values() if what in RULES]
	maps = [said for title, _, _, said in maps_of(name) if title in ("dead", "half", "emptied", "cleared")]
	said = report_of(name)["categories"]["slack"]
	assert said["count"] == len(rows) + len(maps)
	assert said["bytes"] == sum(size - block_size(used) for used, size in rows) + sum(m["wasted"] for m in maps)


@pytest.mark.parametrize("name", SLACK)
def test_nothing_that_is_not_so(name):
	"""With symbols or without: what is said of an array is what is true of it."""
	rows = arrays(name)
	for rule in RULES:
		for s in suspects_of(name, f"slack/{rule}"):
			for address in (int(a, 16) for a in s["addresses"]):
				assert address not in rows or rows[address][2] == rule
	for title, length, storage, said in maps_of(name):
		assert not said or said["used"] == length, title
		assert not said or not storage or 0 <= storage - said["bytes"] <= NOISE, title


@pytest.mark.parametrize("name", SLACK)
def test_equal_contents(name):
	rows = {int(length): int(count) for _, count, length, _ in truth_of(name).rows["copies"]}
	said = suspects_of(name, "duplicate/content")
	if "stripped" in name and int(name.split(".")[2]) < 22:
		rows = {}	# nothing tells that the array of a global without a type holds strings
	assert len(said) == len(rows)
	for s in said:
		length = next(length for length in rows if f" of {length:,} bytes" in s["title"])
		assert s["count"] == rows[length]
		size = s["bytes"] // s["count"]
		assert length <= size < length * 1.15 and s["retained"] == size * (s["count"] - 1)
		assert not any(e["what"] == "contents" for e in s["evidence"])


@pytest.mark.parametrize("name", SLACK[:1])
def test_contents_are_shown_when_asked_for(name):
	said = suspects_of(name, "duplicate/content", "--strings", "preview")
	shown = [e["value"] for s in said for e in s["evidence"] if e["what"] == "contents"]
	assert "same words same words same words same words 7" in shown
	assert any(value.endswith("...") for value in shown)


@pytest.mark.parametrize("name", SLACK)
def test_a_block_is_told_once(name):
	"""What a rule of slack or of equal contents says of a block, growth does not say again."""
	suspects = report_of(name)["suspects"]
	told = {a for s in suspects if s["rule"].startswith(("slack/", "duplicate/")) for a in s["addresses"]}
	growth = [s for s in suspects if s["rule"].startswith("growth/")]
	assert not [s["title"] for s in growth if set(s["addresses"]) <= told]
	if name in NAMED:	# 1 MiB of which 16 bytes are in use
		large, = [s for s in suspects if any(e["what"] == "a large part" and "main.sub" in e["value"] for e in s["evidence"])]
		assert large["rule"] == "slack/subslice"
		assert [f["rule"] for f in report_of(name)["findings"] if f.get("suspect") == large["id"]
			and f["rule"].startswith("growth/")]


def test_there_are_repaired_ones():
	assert REPAIRED


@pytest.mark.parametrize("name", REPAIRED)
def test_nothing_is_said_of_the_repaired_one(name):
	report = report_of(name)
	assert truth_of(name).total["healthy"] == 1
	for kind in ("suspects", "findings"):
		assert not [row for row in report[kind] if row["rule"].startswith(("slack/", "duplicate/"))]


@pytest.mark.parametrize("name", BOXES)
def test_buffers_are_no_copies(name):
	"""Fifty writers with the same in their buffers of 4 KiB (boxes)."""
	report = report_of(name)
	assert {"bufio.Writer"} == {t["name"] for t in report["types"] if t["name"].startswith("bufio.") and t["count"] >= 50}
	assert not [s for s in report["suspects"] if s["rule"] == "duplicate/content"]
