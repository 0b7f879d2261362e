"""CPython: the blocks of its allocator against what it counted itself, and against the objects a program kept."""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import pytest

from common import ROOT, Core, heapfx_ok, made, make_cores, parse_blocks, used_of

sys.path.insert(0, str(ROOT / "corpus/python"))
import make_python  # noqa: E402

CASES = make_python.CASES
ALONE = ("--no-host-files",)	# with no symbol of the interpreter's, and no name of a type


@pytest.fixture(scope="module", params=CASES)
def case(request):
	return made(make_python.make_case, request.param, "python")


def python_of(version):
	return made(lambda name, _folder: make_python.find(name), version, "python")


def heap_of(report):
	return next(heap for heap in report["heaps"] if heap["allocator"] == "cpython")


@pytest.mark.parametrize("options", ((), ALONE), ids=("files", "core alone"))
def test_blocks_are_those_it_counted(case, options):
	report = json.loads(heapfx_ok("analyze", case.core, "--format", "json", *options).out)
	heap = heap_of(report)
	classes, arenas = make_python.read_stats(case.stats)
	assert {row["size"]: (row["units"], row["used"], row["blocks"]) for row in heap["classes"]} == {
		size: row for size, row in classes.items() if row[0]}
	assert heap["used"] == {"count": sum(used for _pools, used, _all in classes.values()),
		"bytes": sum(size * used for size, (_pools, used, _all) in classes.items())}
	assert heap["used"]["bytes"] + heap["free"]["bytes"] + heap["overhead"] == arenas
	assert not heap["checks"]["failed"]
	_rows, version = make_python.read_truth(case.truth)
	assert version.rpartition(".")[0] in heap["version"]
	assert ("symbols" in heap["how"]) == (not options)
	assert not [problem for problem in report["input"]["problems"] if problem["code"].startswith("heap/")]


def test_what_is_kept_is_used_and_held(case):
	"""Each object lies in a used block, at its start or behind the collector's words; nothing of Python's is lost."""
	truth, _version = make_python.read_truth(case.truth)
	blocks = used_of(parse_blocks(heapfx_ok("blocks", case.core).out))
	by_object = {at: next((at - off for off in (0, 16, 24, 32) if at - off in blocks), None) for at in truth}
	lost = [hex(at) for at, block in by_object.items() if block is None]
	assert not lost
	assert len(set(by_object.values())) == len(truth)
	wrong = [(hex(at), truth[at], blocks[block]) for at, block in by_object.items()
		if blocks[block]["reach"] != "reachable" or blocks[block]["usable"] < min(truth[at][0], 48)]
	assert not wrong
	own = [block for block in blocks.values() if block["allocator"] == "cpython"]
	assert {block["reach"] for block in own} <= {"reachable", "uncollected"}
	assert {block.get("type") for block in own if block["reach"] == "uncollected"} <= {
		"__main__.Ring", "attributes of __main__.Ring", "dict", "bytearray", "bytearray buffer", None}	# what it dropped; attributes are a dict up to 3.10


def blocks_of(core):
	"""CPython's, by address."""
	blocks = parse_blocks(heapfx_ok("blocks", core).out)
	return {block["address"]: {key: block.get(key) for key in ("size", "state", "where", "reach")} | {"address": block["address"]}
		for block in blocks if block["allocator"] == "cpython"}


@pytest.mark.parametrize("options", ((), ALONE), ids=("files", "core alone"))
def test_objects_are_called_by_their_types(case, options):
	"""Each by what the program itself says; of the core alone, the names of its own classes."""
	truth, version = make_python.read_truth(case.truth)
	blocks = {block["address"]: block for block in parse_blocks(heapfx_ok("blocks", case.core, *options).out)}
	wrong, named = [], 0
	for at, (_size, name) in truth.items():
		block = next(blocks[at - off] for off in (0, 16, 32) if at - off in blocks)
		said = block.get("type")
		if said != name and (said or not options or name.startswith("__main__.")):
			wrong.append((hex(at), name, said))
		named += said == name
	assert not wrong, version
	assert named == len(truth) or options


def test_advice_is_for_its_own_allocator():
	"""malloc_trim() does nothing for an arena of CPython's."""
	case = made(make_python.make_case, "objects.3.11", "python")
	suspects = json.loads(heapfx_ok("analyze", case.core, "--format", "json").out)["suspects"]
	held, = (s for s in suspects if s["rule"] == "free-held/fragmentation" and "(cpython)" in s["title"])
	assert "an arena goes back when it is empty" in held["advice"] and "malloc" not in held["advice"]


def damaged(case, folder, at, data):
	"""A copy of the core with other bytes there."""
	offset = next(start + at - low for low, _mem, start, size in Core(case.core).loads if low <= at < low + size)
	path = folder / "damaged.core"
	shutil.copy(case.core, path)
	with open(path, "r+b") as out:
		out.seek(offset)
		out.write(data)
	return path


@pytest.mark.parametrize("at, data, said", (
	(0, b"A" * 48, "its header was overwritten"),
	(8, struct.pack("<Q", 0x4141414141414141), "its free list leaves its blocks"),
	(0, struct.pack("<I", 3), "of its blocks are in use by its count"),
), ids=("header", "list", "count"))
def test_damage_costs_one_pool(tmp_path, at, data, said):
	case = made(make_python.make_case, "objects.3.11", "python")
	sound = blocks_of(case.core)
	free = next(block for block in sound.values() if block.get("where") == "freeblock" and block["size"] == 64)
	pool = free["address"] & -16384
	core = damaged(case, tmp_path, pool + at, data)
	report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
	heap = heap_of(report)
	assert heap["checks"]["failed"] in (1, 2)	# the arena's count of free pools is one more
	assert any(said in problem["message"] and f"{pool:#x}" in problem["message"] for problem in report["input"]["problems"])
	beside = {at: block for at, block in sound.items() if at & -16384 != pool}
	after = blocks_of(core)
	assert {at: (after[at]["state"], after[at]["size"]) for at in beside} == {
		at: (block["state"], block["size"]) for at, block in beside.items()}


def test_shrunk_core_has_the_same_heap(tmp_path):
	case = made(make_python.make_case, "objects.3.11", "python")
	small = tmp_path / "small.core"
	heapfx_ok("shrink", case.core, "-o", small)
	assert blocks_of(small) == blocks_of(case.core)



def test_words_are_called_as_the_program_calls_them(case):
	"""What the program says that it holds an object by is the name of a word that points at it."""
	for at, name in make_python.read_edges(case.truth):
		if name == "__main__.Account.orders" and case.name.split(".")[-1] in ("7", "8", "9", "10"):
			continue	# an instance's dict has its values apart from the names
		said = heapfx_ok("explain", case.core, hex(at)).out.partition("pointed at by")[2]
		assert any(line.partition("; cut")[0].endswith(name.replace("__main__.Account", whose)) for line in said.splitlines()
			for whose in ("__main__.Account", "attributes of __main__.Account")), (name, said)


def garbage_case(kind):
	made_case = made(make_python.make_case, f"{kind}.3.11", "python")
	return made_case, make_python.read_garbage(made_case.truth)


def in_block(at):
	return (at, at - 16, at - 32)	# behind the collector's words, and two more since 3.11


def test_garbage_waits_for_the_collector():
	"""Each object that was dropped with the collector off, no other, and its bytes; as many as a collection finds."""
	case, truth = garbage_case("garbage")
	blocks = used_of(parse_blocks(heapfx_ok("blocks", case.core).out))
	waiting = {at: block for at, block in blocks.items() if block["reach"] == "uncollected"}
	items = {at for at, block in waiting.items() if block["type"] == "list items"}
	where = {next(start for start in in_block(at) if start in waiting): row for at, row in truth["garbage"].items()}
	assert set(where) == set(waiting) - items
	assert len(items) == sum(kind == "list" for _size, kind in truth["garbage"].values())
	# sys.getsizeof() of a list has its items in it: one, in a block of its own
	parts = [part for size, kind in truth["garbage"].values() for part in ((size - 8, 8) if kind == "list" else (size,))]
	assert sum(-(-part // 16) * 16 for part in parts) == sum(block["usable"] for block in waiting.values())
	tracked = [at for at in where if waiting[at]["type"] in ("__main__.Ring", "list")]
	assert len(tracked) == make_python.read_collected(case.truth)
	report = json.loads(heapfx_ok("analyze", case.core, "--format", "json").out)
	suspect, = (s for s in report["suspects"] if s["rule"] == "uncollected/garbage")
	assert suspect["count"] == len(waiting) and "gc.collect()" in suspect["advice"]
	assert report["categories"]["uncollected"] == {"count": len(waiting), "bytes": sum(block["size"] for block in waiting.values())}


def test_what_may_be_held_is_no_garbage():
	"""Rings that are counted once more than they are found: somebody may hold them."""
	case, truth = garbage_case("garbage")
	blocks = used_of(parse_blocks(heapfx_ok("blocks", case.core).out))
	for at in truth["leaked"]:
		block = next(blocks[start] for start in in_block(at) if start in blocks)
		assert block["reach"] == "reachable"
	one = heapfx_ok("explain", case.core, hex(next(iter(truth["leaked"])))).out
	assert "references that its count has and that were not found" in one


def test_a_healthy_program_has_no_garbage():
	case, truth = garbage_case("healthy")
	blocks = used_of(parse_blocks(heapfx_ok("blocks", case.core).out))
	assert {block["reach"] for block in blocks.values() if block["allocator"] == "cpython"} == {"reachable"}
	assert make_python.read_collected(case.truth) == 0 and "garbage" not in truth
	assert "uncollected/garbage" not in heapfx_ok("analyze", case.core, "--format", "json").out


def test_links_and_weak_references_hold_nothing():
	"""An entry that a dict holds, and that is weakly referred to: the dict's alone."""
	case, truth = garbage_case("garbage")
	for at, (_size, kind) in list(truth["kept"].items())[::50]:
		said = heapfx_ok("explain", case.core, hex(at)).out.partition("pointed at by")[2]
		assert kind == "Entry" and said.split()[:2] == ["1", "block"], said
		assert 'dict keys[' in said and "ReferenceType" not in said and ".gc_" not in said


@pytest.mark.parametrize("options", (("--threads", "1"), ("--threads", "4"), ("--memory", "1M")), ids=" ".join)
def test_garbage_is_the_same_however_it_is_found(options):
	case, _truth = garbage_case("garbage")
	assert heapfx_ok("blocks", case.core, *options).out == heapfx_ok("blocks", case.core).out


def test_a_list_that_breaks_leaves_all_as_it_is(tmp_path):
	"""A link that leads elsewhere: nothing is left out then, and nothing is called garbage."""
	case, truth = garbage_case("garbage")
	head = next(at for at, (_size, kind) in truth["garbage"].items() if kind == "Ring") - 16
	core = damaged(case, tmp_path, head, struct.pack("<Q", head))
	blocks = used_of(parse_blocks(heapfx_ok("blocks", core).out))
	problem, = (p for p in json.loads(heapfx_ok("analyze", core, "--format", "json").out)["input"]["problems"] if p["code"] == "python/gc")
	assert f"breaks at {head:#x}" in problem["message"]
	assert {block["reach"] for block in blocks.values() if block["allocator"] == "cpython"} == {"reachable"}


ONE_BLOCK = """
import ctypes, signal
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
large = libc.malloc(8 << 20)
lists = [[None] for _ in range(100000)]
for l in lists:
	ctypes.c_uint64.from_address(id(l) + 24).value = large	# PyListObject.ob_item
print("%x %x" % (large, id(lists[5])), flush=True)
signal.pause()
"""


def test_what_many_lists_claim_is_gone_through_once(tmp_path):
	"""100,000 lists whose items are all in one block of a million words: without a bound that is minutes."""
	if not make_python.starts("python3.11"):
		pytest.skip("no python3.11")
	with subprocess.Popen(["python3.11", "-I", "-S", "-c", ONE_BLOCK], stdout=subprocess.PIPE, text=True) as process:
		try:
			large, some = (int(at, 16) for at in process.stdout.readline().split())
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	blocks = used_of(parse_blocks(heapfx_ok("blocks", tmp_path / "core", timeout=30).out))
	assert blocks[large]["size"] >= 8 << 20 and blocks[large]["reach"] == "reachable"
	assert any(block["address"] in (some, some - 16) and block["type"] == "list" for block in blocks.values() if "type" in block)


APP = """
import os, signal, sys, types
app = sys.modules["app"] = types.ModuleType("app")
class Order:
	def __init__(self, number):
		self.number, self.lines = number, [bytearray(3000)]
app.Order = Order
app.cache = {"k%d" % i: Order(i) for i in range(300)}
del app, Order
print("%x" % id(sys.modules["app"].cache["k17"].lines[0]), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("version", make_python.VERSIONS[1:])	# of 3.7 the interpreter's state is not found
def test_chains_begin_at_the_modules(version, tmp_path):
	"""As the program's own text calls it, however near the interpreter's data lead to it."""
	with subprocess.Popen([python_of(version), "-I", "-S", "-c", APP], stdout=subprocess.PIPE, text=True) as process:
		try:
			at = int(process.stdout.readline(), 16)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	said = heapfx_ok("explain", tmp_path / "core", hex(at)).out
	chain = next(line for line in said.splitlines() if line.startswith("  chain by name"))
	lines = ".__dict__" if version in ("3.8", "3.9", "3.10") else ".lines[0]"	# these have values apart from names
	assert f'global sys.modules["app"].cache["k17"]{lines}' in chain
	suspects = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "json").out)["suspects"]
	growth = next(suspect for suspect in suspects if suspect["rule"].startswith("growth/"))
	# 300 times 3,000 bytes, of which malloc makes blocks of more than one size; what the modules of the library are made of comes after it, whatever its size
	assert growth["title"].endswith(' in sys.modules["app"].cache') and growth["count"] > 150, growth["title"]
	assert not any(s["title"].endswith(" in sys.modules") for s in suspects[:suspects.index(growth)])
	assert not any(s["rule"] == "duplicate/content" and "bytearray" in s["title"] for s in suspects)	# zeros


RINGS = """
import gc, signal
gc.disable()
class Ring:
	def __init__(self):
		self.other, self.items, self.names = None, [1.5], {"a": [2.5]}
def make(rows):
	for _ in range(200):
		one, two = Ring(), Ring()
		one.other, two.other = two, one
		rows.append((id(one), id(two), id(one.items), id(one.names)))
		gone.append((None, one, one.items, two))
rows, gone = [], []
make(rows)
gone.clear()
print(" ".join("%x" % at for row in rows for at in row), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("version", ("3.11", "3.12", "3.13", "3.14", "3.15"))
def test_what_the_interpreter_used_once_holds_nothing(version, tmp_path):
	"""Slots of free lists that were handed out, tuples on them, frames of calls that have ended: nearly all rings are dropped."""
	with subprocess.Popen([python_of(version), "-I", "-S", "-c", RINGS], stdout=subprocess.PIPE, text=True) as process:
		try:
			dropped = [int(at, 16) for at in process.stdout.readline().split()]
			make_cores.wait_until_at_rest(process.pid)	# until the call that wrote them has ended, too
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	blocks = used_of(parse_blocks(heapfx_ok("blocks", tmp_path / "core").out))
	waiting = {at for at, block in blocks.items() if block["reach"] == "uncollected"}
	assert sum(any(start in waiting for start in in_block(at)) for at in dropped) >= 765
	assert {blocks[at].get("type") for at in waiting} <= {"__main__.Ring", "attributes of __main__.Ring", "list", "list items",
		"dict", "dict keys", "float"}
	assert not [at for at, block in blocks.items() if block["allocator"] == "cpython" and block["reach"] not in ("reachable", "uncollected")]


# In size classes of their own lists of eight leave a word behind for what is made there next: a text, bytes, a number,
# a tuple, a list that had more, and keys; sets that had more keep eight entries; and lists of four one behind a float.
LEFT = """
import signal
kept = [bytes(4000 + i) for i in range(600)]
texts = [b"%07d" % i for i in range(600)]
made, gone = [], []
def leave(i):
	room = [None] * 7 + [kept[i]]
def make(of):
	for i in range(600):
		leave(i)
		made.append(of(i))
make(lambda i: str(texts[i], "ascii"))
make(lambda i: bytes(range(i % 7, i % 7 + 17)))
make(lambda i: 1 << 30 * 8)
make(lambda i: (i, None))
for i in range(600):
	made.append([kept[(i + k) % 600] for k in range(8)])
	del made[-1][5:]
for i in range(600):
	made.append({kept[(i + k) % 600] for k in range(9)})
	for k in range(9):
		made[-1].discard(kept[(i + k) % 600])
def leave_short(i):
	room = [None] * 3 + [kept[i]]
for i in range(600):
	leave_short(i)
	made.append(i + 0.5)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("version", make_python.VERSIONS[1:])
def test_what_was_left_in_a_place_is_no_reference(version, tmp_path):
	with subprocess.Popen([python_of(version), "-I", "-S", "-c", LEFT], stdout=subprocess.PIPE, text=True) as process:
		try:
			assert process.stdout.readline() == "ready\n"
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	rows = json.loads(heapfx_ok("sql", tmp_path / "core", "select s.type, edges.offset, count(*) as n from edges "
		"join blocks s on s.id = src join blocks d on d.id = dst where d.type = 'bytes' and d.size > 4000 and s.type is not null "
		"group by 1, 2", "--format", "json").out)
	found = {(row["type"], row["offset"]): row["n"] for row in rows}
	assert {kind for kind, _offset in found} == {"list items"}
	# The list of all has one at each offset, and each of the others the five that it counts.
	assert [found["list items", 8 * i] for i in range(8)] == [601] * 5 + [1] * 3


# Each waits in a call that has not ended, or is a generator's or a coroutine's; "gone" was a variable of one that ended.
CALLS = """
import sys, threading
held = []
def say(name, what):
	print(name, "%x" % id(what), flush=True)
class Big:
	def __init__(self):
		self.body = bytearray(3000)
members = {Big() for _ in range(20)}
say("member", next(iter(members)).body)
def handle(event, number):
	rows = [Big() for _ in range(200)]
	say("rows[7]", rows[7].body)
	def inner(x):
		scratch, shared = bytearray(70001), bytearray(70002)
		def cell():
			return shared
		say("scratch", scratch)
		say("shared", shared)
		return event.wait(), cell, scratch
	return inner(1), rows
def numbers():
	buffer = bytearray(70003)
	say("buffer", buffer)
	yield 1
	yield len(buffer)
def ended():
	gone = bytearray(3001)
	held.append(gone)
	say("gone", gone)
	yield 1
async def task():
	payload = bytearray(70004)
	say("payload", payload)
	class Forever:
		def __await__(self):
			yield 1
	await Forever()
	return payload
def main():
	kept, over, coroutine = numbers(), ended(), task()
	next(kept)
	list(over)
	coroutine.send(None)
	threading.Thread(target=handle, args=(threading.Event(), 1), daemon=True).start()
	sys.stdin.readline()
main()
"""
WORDS = {
	"rows[7]": ("stack of thread 1 in handle (app:LINE): rows[7]", "event.wait"),
	"scratch": ("stack of thread 1 in handle.<locals>.inner (app:LINE): scratch -> bytearray", "event.wait"),
	"shared": ("stack of thread 1 in handle.<locals>.inner (app:LINE): shared -> cell", "event.wait"),
	"buffer": ("stack of thread 0 in main (app:LINE): kept -> generator.buffer -> bytearray", "sys.stdin"),
	"payload": ("stack of thread 0 in main (app:LINE): coroutine -> coroutine.payload -> bytearray", "sys.stdin"),
}


@pytest.fixture(scope="module", params=("3.11", "3.12", "3.13", "3.14", "3.15"))
def calls(request, tmp_path_factory):
	"""A dump of CALLS, its process's id, its threads and what it said of its variables."""
	folder = tmp_path_factory.mktemp("calls")
	(folder / "app").write_text(CALLS, "ascii")
	with subprocess.Popen([python_of(request.param), "-I", "-S", "app"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
			text=True) as process:
		try:
			said = dict(process.stdout.readline().split() for _ in (*WORDS, "gone", "member"))
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", folder / "core")
			tids = sorted(int(task.name) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir())
		finally:
			process.kill()
	return folder / "core", [process.pid] + [tid for tid in tids if tid != process.pid], said


def line_of(what):
	"""The innermost of the calls that wait stands where that is in the text; its callers where they call."""
	lines = CALLS.splitlines()
	return next(i for i, line in enumerate(lines, 1) if what in line)


def test_what_calls_hold_is_called_by_their_variables(calls):
	core, tids, said = calls
	for name, (words, line) in WORDS.items():
		number = line_of("return inner(1)" if name == "rows[7]" else line)
		for i, tid in enumerate(tids):
			words = words.replace(f"thread {i} ", f"thread {tid} ")
		out = heapfx_ok("explain", core, "0x" + said[name]).out
		assert words.replace("LINE", str(number)) in out, (name, words, out)


def test_what_a_call_holds_is_a_suspect_of_that_name(calls):
	core, tids, _said = calls
	suspects = json.loads(heapfx_ok("analyze", core, "--format", "json").out)["suspects"]
	rows = next(s for s in suspects if s["title"].endswith(" in rows of handle"))
	assert rows["rule"] == "growth/accumulation" and rows["retained"] > 150 * 3000	# malloc makes blocks of more than one size
	root = rows["chain"]["root"]
	assert (root["function"], root["line"], root["thread"]) == ("handle", line_of("return inner(1)"), tids[1])


def test_what_a_set_has_is_held_by_it(calls):
	core, _tids, said = calls
	body = "0x" + said["member"]
	assert re.search(r'chain by name   global sys\.modules\["__main__"\]\.members\[\.\.\.\]( -> __main__\.Big)?\.body -> bytearray',
		heapfx_ok("explain", core, body).out)
	rows = json.loads(heapfx_ok("sql", core, "select d.type, count(*) as n from edges join blocks s on s.id = src "
		"join blocks d on d.id = dst where s.type = 'bytearray' and edges.offset = 32 group by 1", "--format", "json").out)
	assert {row["type"]: row["n"] for row in rows}["bytearray buffer"] >= 200


def test_a_generator_that_ended_holds_nothing(calls):
	core, _tids, said = calls
	said = heapfx_ok("explain", core, "0x" + said["gone"]).out
	assert "chain by name   global sys.modules[\"__main__\"].held[0] -> bytearray" in said and "generator" not in said


# What a call is given it borrows from its caller: since 3.14 its own word says so (a bit), and is no address then.
GIVEN = """
import sys
def inner(given):
	sys.stdin.readline()
	return given
def outer():
	made = bytearray(70000)
	print("%x" % id(made), flush=True)
	return inner(made)
outer()
"""


@pytest.mark.parametrize("version", ("3.13", "3.14", "3.15"))
def test_what_a_call_borrows_is_held_by_its_variable(version, tmp_path):
	with subprocess.Popen([python_of(version), "-I", "-S", "-c", GIVEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
		try:
			made_at = process.stdout.readline().strip()
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	roots = [line for line in heapfx_ok("explain", tmp_path / "core", f"0x{made_at}").out.splitlines() if line.startswith("  root ")]
	assert any(" in inner (" in line and line.endswith(": given") for line in roots), roots	# not "(points inside)"
