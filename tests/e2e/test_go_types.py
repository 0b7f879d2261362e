"""Go's types: objects under the names that reflect gives them; never a wrong one."""
import collections
import subprocess

import pytest

from common import heapfx_ok, make_cores, parse_blocks
from go_corpus import CASES, LIBRARIES, QUIET, ZOO, built_stripped, finder_of, make_go_cores, report_of, truth_of, used_blocks

# Structures of which the program notes every one.
NOTED = ("main.Derived", "main.Fin", "main.Huge", "main.Node", "main.Other", "main.Pair[int,main.Plain]",
	"main.Pair[string,*main.Node]", "main.Pooled", "main.Square", "main.Tree", "main.Wide")
# With debug information what hangs on globals and frames is known through and through.
BY_DEBUG_INFO = (*NOTED, "[3]interface {}", "[7]*main.Wide", "[]*main.Held", "[]*main.Node", "[]*main.Plain",
	"[][]main.Plain", "[]main.Node", "[]main.Wide", "[]uint8", "chan *main.Node", "chan main.Pair[string,*main.Node]",
	"chan main.Plain", "map[*main.Plain]struct {}", "map[int32]main.Record", "map[int]*main.Plain", "map[int]int",
	"map[interface {}]interface {}", "map[string]*main.Node", "map[string]int", "map[string]map[int]*main.Plain")
# Without it, interfaces and specials tell; since Go 1.22 objects past 512 bytes say it themselves.
BY_DESCRIPTOR = ("[3]interface {}", "main.Fin", "main.Pooled", "main.Square")
BY_HEADER = ("main.Huge", "main.Wide", "[]*main.Plain", "[]main.Node", "[]main.Wide")


def has_debug_info(name):
	return not any("-s" in flag or "-w" in flag for flag in make_go_cores.CASES[name].flags)


def known_types(name):
	if has_debug_info(name):
		return BY_DEBUG_INFO
	minor = int(make_go_cores.CASES[name].go.split(".")[1])
	headers = minor >= 22 and make_go_cores.CASES[name].experiment != "noallocheaders"
	return (*BY_DESCRIPTOR, *BY_HEADER) if headers else BY_DESCRIPTOR


@pytest.mark.parametrize("name", CASES)
def test_no_type_is_wrong(name):
	find, wrong = finder_of(name), collections.Counter()
	for address, _size, kind, state in truth_of(name).objects:
		block = find(address)
		found = block.get("type") if block and state in ("live", "dropped") else None
		right = (None, kind, f"{kind} data", "map[?]?" if kind.startswith("map[") else None)
		if kind and found not in right:	# the bytes of a string are no string
			wrong[kind, found] += 1
	assert not wrong


@pytest.mark.parametrize("name", [name for name in ZOO if not has_debug_info(name)])
def test_without_debug_info(name):
	"""Maps by what they lead to, with keys and elements where slots tell; receivers by their methods' names."""
	find, minor = finder_of(name), int(make_go_cores.CASES[name].go.split(".")[1])
	headers = minor >= 22 and make_go_cores.CASES[name].experiment != "noallocheaders"
	maps = {(row[2], find(row[0]).get("type")) for row in truth_of(name).in_state("live")}
	assert ("map[int]int", "map[?]?") in maps	# slots without pointers have no header
	nodes = {found for true, found in maps if true == "map[string]*main.Node"}
	assert nodes & {"map[string]*main.Node", *([] if headers else ["map[?]?"])}	# else by a variable's uses alone
	assert any(block.get("type") == "os.File" for block in used_blocks(name))	# somebody waits in os.(*File).Read


@pytest.mark.parametrize("name", ZOO)
def test_types_that_can_be_known(name):
	find = finder_of(name)
	rows = [row for row in truth_of(name).in_state("live") if row[2] in known_types(name)
		and find(row[0])["reach"] == "reachable"]	# victims of pools may be gone
	assert {row[2] for row in rows} == set(known_types(name))
	unknown = collections.Counter(row[2] for row in rows if find(row[0]).get("type") != row[2])
	assert not unknown


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_a_library_allocated(name):
	"""A plugin, and a shared library, have debug info of their own."""
	find = finder_of(name)
	rows = [row for row in truth_of(name).in_state("live") if row[2] in ("main.Held", "main.Piece")]
	assert rows
	unknown = collections.Counter(row[2] for row in rows if find(row[0]).get("type") != row[2])
	assert not unknown


@pytest.mark.parametrize("name", [name for name in ZOO if has_debug_info(name)])
def test_number_and_bytes_by_type(name):
	"""Against the program's own count: no more, no less."""
	find = finder_of(name)
	noted = [(find(row[0]), row[2]) for row in truth_of(name).in_state("live") if row[2] in NOTED]
	expected = collections.Counter(kind for block, kind in noted if block["reach"] == "reachable")
	reachable = [b for b in used_blocks(name) if b["reach"] == "reachable" and b.get("type") in NOTED]
	assert collections.Counter(b["type"] for b in reachable) == expected


@pytest.mark.parametrize("name", [name for name in ZOO if has_debug_info(name)])
def test_lengths_of_maps(name):
	truth = truth_of(name)
	addresses = {row[0] for row in truth.in_state("live") if row[2].startswith("map[")}
	maps = {int(m["address"], 16): m for m in report_of(name)["go"]["maps"]}
	assert addresses <= maps.keys()
	found = collections.Counter((maps[a]["type"], maps[a]["used"]) for a in addresses)
	for key, kind in (("small", "map[string]int"), ("nodes", "map[string]*main.Node"), ("big", "map[int]*main.Plain"),
			("keys", "map[*main.Plain]struct {}"), ("records", "map[int32]main.Record"),
			("deleted", "map[int]*main.Plain"), ("empty", "map[int]int"), ("growing", "map[int]*main.Plain")):
		assert found[kind, truth.total[f"map.{key}"]] == 1, key


@pytest.mark.parametrize("name", [name for name in ZOO if name in QUIET])
def test_pools(name):
	"""12 in the victim cache of one, 15 in the local cache of another, none in the third."""
	pools = report_of(name)["go"]["pools"]
	assert sorted(pool["items"] for pool in pools if pool["items"]) == [12, 15]


@pytest.mark.parametrize("name", CASES)
def test_report_has_the_same_types(name):
	counts, sizes = collections.Counter(), collections.Counter()
	for block in used_blocks(name):
		if "type" in block:
			counts[block["type"]] += 1
			sizes[block["type"]] += block["size"]
	for row in report_of(name)["types"]:
		if row["language"] == "go":
			assert (row["count"], row["bytes"]) == (counts[row["name"]], sizes[row["name"]]), row["name"]


BUFFERS = """package main

import (
	"fmt"
	"time"
	"unsafe"
)

type item struct {
	next *item
	n    int
}

//go:noinline
func bytes(n int, told chan string, wait chan int) int {
	b := make([]byte, n)
	told <- fmt.Sprintf("[]uint8 %x", unsafe.SliceData(b))
	sum := <-wait
	for _, c := range b {
		sum += int(c)
	}
	return sum
}

//go:noinline
func items(n int, told chan string, wait chan int) *item {
	b := make([]*item, n)
	told <- fmt.Sprintf("[]*main.item %x", unsafe.SliceData(b))
	return b[<-wait]
}

func main() {
	told, wait := make(chan string), make(chan int)
	for n := 1000; n < 1008; n++ {
		go bytes(n, told, wait)
		go items(n, told, wait)
	}
	for range 16 {
		fmt.Println(<-told)
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
"""


def test_arrays_that_frames_alone_hold(tmp_path):
	"""By the code that made them: of a slice in a frame only the pointer is live, and no debug info says more."""
	truth = {}
	with subprocess.Popen([built_stripped(BUFFERS, tmp_path)], stdout=subprocess.PIPE, text=True) as process:
		try:
			for line in iter(process.stdout.readline, "ready\n"):
				name, at = line.split()
				truth[int(at, 16)] = name
			make_cores.wait_until_at_rest(process.pid)	# until all wait for the next
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	blocks = {block["address"]: block for block in parse_blocks(heapfx_ok("blocks", tmp_path / "core").out)}
	assert len(truth) == 16
	assert {at: blocks[at].get("type") for at in truth} == truth
