"""What blocks of C and C++ programs are: by the truth that the programs wrote, with no type invented."""
import collections
import functools
import json
import re
import subprocess

import pytest

import common
from common import dump_of, heapfx_ok, parse_blocks, truth_of
import types_corpus
from types_corpus import blocks_of, case_of

COMMITTED = [name for name in types_corpus.COMMITTED if name.startswith("classes.")]
FRESH = ["classes.gcc.O2.stripped", "classes.gcc.O0.g", "classes.clang.O2.nopie.stripped"]
CLASSES = [name for name in COMMITTED + FRESH if name.startswith("classes")]
WITH_DWARF = ["records.gcc.O0.g", "records.clang.O0.g", "records.gcc.O0.split", "records.clang.O0.split4",
	"containers.gcc.O2.g", "containers.clang.O0.g4", "libcxx.clang.O0.g.libcxx", "lists.gcc.O0.g", "lists.clang.O0.g4",
	"khashes.clang.O0.g4", "khashes.gcc.O2.g"]
CALLERS = ["callers.gcc.O2.g", "callers.clang.O2.g", "callers.gcc.O0.g", "callers.clang.O2.g4"]
# What only arguments lead to, which call sites or several registers tell: and how many holders have a name.
ARGUMENTS = {"entries.gcc.O2.g": 6, "entries.gcc.O2.g4": 6, "entries.clang.O2.g": 6, "entries.clang.O2.g4": 6, "borrowed.rustc.O2.g": 2}
APART = ["apart.gcc.O0.g", "apart.gcc.O2.g4", "apart.clang.O0.g"]
# The same debug info, kept in the other ways that there are.
ELSEWHERE = ["records.gcc.O0.split4.dwp", "containers.clang.O2.split.dwp", "containers.gcc.O2.g4.units",
	"containers.gcc.O0.split.units", "containers.clang.O0.split4.units", "containers.clang.O0.g.units", "containers.gcc.O0.split4.units.twice.dwp",
	"containers.clang.O0.split.units.twice.dwp", "containers.gcc.O2.split.units.twice",
	"records.clang.O0.names", "records.gcc.O0.gdbindex", "records.gcc.O0.g.dwz"]

# Without debug info, with and without symbols; and with it, otherwise than above.
OTHERWISE = [f"{program}.{build}" for program in ("records", "containers", "lists")
	for build in ("gcc.O2", "gcc.O0.stripped", "clang.O2.stripped", "gcc.O2.g", "clang.O2.g")]
# Programs that are there for something else, and say what their blocks are.
OTHERS = ["glibs.gcc.O2.g", "glibs.gcc.O2.stripped", "glib_spares.gcc.O2.g", "glib_spares.clang.O2.stripped",
	*(f"{program}.{build}"
	for program in ("intrusive", "owncounts", "refcounts", "slacks")
	for build in ("gcc.O2.g", "clang.O0.g4", "gcc.O0.stripped", "clang.O2.stripped")), "slacks.clang.O0.g.libcxx", "spares.rustc.O2.g",
	"expired.gcc.O0.g", "expired.gcc.O2.g4", "expired.clang.O0.g", "expired.clang.O2.g.libcxx"]


def test_what_a_list_goes_through_is_not_lost():
	"""Also where no debug info says that a pointer is to a link inside."""
	for name in ("lists.gcc.O0.g", "lists.gcc.O0.stripped"):
		reach = collections.Counter(blocks_of(name)[address]["reach"] for address, *_ in case_of(name)[1])
		assert set(reach) == {"reachable"}, (name, reach)


@pytest.mark.parametrize("name", ["expired.gcc.O0.g", "expired.clang.O0.g", "expired.clang.O2.g.libcxx"])
def test_a_chain_says_where_it_is_weak(name):
	dump, rows = case_of(name)
	emplaced = [address for address, *_, holder in rows if holder == "emplaced[0]"]
	assert emplaced
	for address in emplaced:
		assert "emplaced[0] (weak)" in list(chains_of(dump, address))


@functools.lru_cache(maxsize=None)
def demangled(names):
	"""By binutils: {mangled: name}"""
	out = subprocess.run(["c++filt", "-t"], input="\n".join(names), capture_output=True, text=True, check=True)
	return dict(zip(names, out.stdout.splitlines()))


DEFAULTS = ("allocator", "char_traits", "less", "hash", "equal_to", "default_delete")


def without_defaults(name):
	"""std::vector<int, std::allocator<int> > -> std::vector<int>"""
	for default in DEFAULTS:
		while (at := name.find(f", std::{default}<")) >= 0:
			end = name.index("<", at) + 1
			depth = 1
			while depth:
				depth += {"<": 1, ">": -1}.get(name[end], 0)
				end += 1
			name = name[:at] + name[end:]
	return name


def plain(name):
	"""Compilers, demanglers and DWARF put their blanks and qualifiers in other places, and cut other names."""
	name = without_defaults(name.lstrip("*").replace("::__cxx11::", "::").replace("std::__1::", "std::")).replace(" ", "")
	for theirs, ours in (("std::basic_string<char>", "std::string"), ("longint", "long"),
			("(__gnu_cxx::_Lock_policy)2", "__gnu_cxx::_S_atomic")):
		name = name.replace(theirs, ours)
	return re.sub(r"const(std::string|long|int)", r"\1const", name)


def rows_of(name):
	"""(block, form, type as a report should have it) of each row of the truth."""
	rows = case_of(name)[1]
	names = demangled(tuple(sorted({kind for _a, _s, _f, kind, _p, _h in rows})))
	names = {kind: plain(name) for kind, name in names.items()}
	for address, size, form, kind, polymorphic, holder in rows:
		if form in ("spare", "count"): # say something else in the place of the type
			continue
		suffix = {"array": "[]", "counted": "[]", "node": "node", "buckets": "buckets"}.get(form, "")
		yield blocks_of(name)[address], size, form, names[kind] + suffix, polymorphic, holder


@pytest.mark.parametrize("name", CLASSES)
def test_every_object_with_a_vtable_has_its_class(name):
	wrong, guesses, n = [], 0, 0
	for block, size, form, want, polymorphic, _holder in rows_of(name):
		if not polymorphic or form == "trap":
			continue
		have = plain(block.get("type", "-"))
		n += 1
		guesses += have.endswith("?")
		if have.rstrip("?") != want:
			wrong.append((hex(block["address"]), form, size, want, have))
	assert n > 500 and not wrong
	assert guesses <= n // 100


@pytest.mark.parametrize("name", CLASSES)
def test_what_only_begins_like_an_object_is_none(name):
	traps = [(block, want) for block, _s, form, want, *_ in rows_of(name) if form == "trap"]
	assert len(traps) == 4
	for block, want in traps:
		assert plain(block.get("type", "")) != want, block


@pytest.mark.parametrize("name", WITH_DWARF + ELSEWHERE + APART + CALLERS + [*ARGUMENTS] + ["slacks.gcc.O2.g", "slacks.clang.O0.g4", "slacks.clang.O0.g.libcxx", "spares.rustc.O2.g"])
def test_types_spread_from_variables(name):
	"""95% of the bytes have their type, and none has another that is not said to be a guess."""
	all_bytes = right = 0
	wrong = []
	for block, size, form, want, *_ in rows_of(name):
		have = plain(block.get("type", "?"))
		if form == "trap":
			assert have != want, block
			continue
		all_bytes += size
		right += size * (have == want)
		if have != want and not have.endswith("?"):
			wrong.append((hex(block["address"]), form, size, want, have))
	assert not wrong
	assert right >= all_bytes * 0.95


@pytest.mark.parametrize("name,units", [("records.gcc.O0.split", ["records.gcc.O0.split.dwo"]), ("containers.gcc.O2.split.units.twice",
	["containers.gcc.O2.split.units.twice.dwo", "containers.gcc.O2.split.units.twice.other.dwo"]),
	("records.gcc.O0.split4.dwp", ["records.gcc.O0.split4.dwp.dwp"]), ("containers.clang.O2.split.dwp", ["containers.clang.O2.split.dwp.dwp"])])
def test_split_units_in_the_input(name, units, tmp_path):
	"""Packed with the core, in another folder than the program names: no other file is looked at."""
	(core, _exe, exe), rows = case_of(name)
	tars = tmp_path / "without.tar", tmp_path / "with.tar"
	typed = []
	for tar, members in zip(tars, ([], units)):
		subprocess.run(["tar", "-C", core.parent, "--transform=s,^,files/elsewhere/,", "-cf", tar, core.name, exe.name, *members], check=True)
		blocks = parse_blocks(heapfx_ok("blocks", tar, "--no-host-files", "--no-cache").out)
		types = {b["address"]: b.get("type") for b in blocks}
		typed.append([types[address] for address, *_ in rows])
	# Some are known by way of the C library's file alone.
	here = [blocks_of(name)[address].get("type") for address, *_ in rows]
	assert sum(kind is None for kind in typed[1]) < len(rows) / 20
	assert all(kind in (None, known) for kind, known in zip(typed[1], here))
	assert sum(map(bool, typed[0])) < len(rows) / 10


@pytest.mark.parametrize("name", CLASSES + OTHERS + OTHERWISE + APART + ["apart.gcc.O2.stripped", "apart.clang.O2.g"])
def test_no_type_that_is_sure_is_wrong(name):
	"""What has no vtable, and programs without debug info: nothing need be found there."""
	n = 0
	for block, size, form, want, *_ in rows_of(name):
		have = plain(block.get("type", "?"))
		n += 1
		assert have.endswith("?") or (have == want) != (form == "trap"), (hex(block["address"]), form, size, want, have)
	assert n > 50


# What the programs that write down sizes alone make, by their sources, and of how many bytes; of any number of them besides.
BY_SIZE = {
	"leakzoo": {64: "struct node"},
	"demo": {40: "struct session", 392: "struct report_row", 32: "struct trace_span", 64: "struct subscriber",
		8 * (60000 // 64): "struct report_row *[]", 512: "unsigned char[]", None: "char[]"},
	"zoo_cpp": {72: "std::map<int,std::string>node", 112: "Session", 56: "std::unordered_map<std::string,Session*>node",
		48: "std::list<std::string>node", 168: "Cache", 96: "TwoBases", 232: "WithDestructor[]",
		144: "std::_Sp_counted_ptr_inplace<Parent,__gnu_cxx::_S_atomic>",
		80: "std::_Sp_counted_ptr_inplace<Child,__gnu_cxx::_S_atomic>",
		None: {"char[]", "Session*[]", "Session**[]", "std::function<int()>", "(unnamed)", # the lambda in it
			"std::unordered_map<std::string,Session*>buckets", "std::vector<Session*>"}},
	"nginx": {None: "ngx_pool_t"},
}


@pytest.mark.parametrize("name", [*BY_SIZE] + [name for name in common.COMMITTED + common.ALLOCATORS + common.POOLS if name not in BY_SIZE])
def test_no_type_that_is_sure_is_of_another_size(name):
	"""Programs whose truth says nothing of types: what they noted themselves, for the libraries' own may be of debug info here."""
	makes = {size: {plain(kind) for kind in ({kinds} if isinstance(kinds, str) else kinds)}
		for size, kinds in BY_SIZE.get(name.split(".")[0], {}).items()}
	dump = dump_of(name)
	alone = () if name in BY_SIZE else ("--no-host-files",)	# a program of that path with debug info may be here
	for block in parse_blocks(heapfx_ok("blocks", dump.core, *dump.options, *alone).out):
		size, kind, _state = truth_of(name)[0].get(block["address"], (0, "OTHER", ""))
		have = plain(block.get("type", "?"))
		if kind != "OTHER" and not have.endswith("?"):
			assert have in makes.get(size, makes.get(None, ())), (hex(block["address"]), kind, size, have)


def chains_of(dump, address, *options):
	"""Each chain of explain as a path: "bank.root->left"."""
	report = json.loads(heapfx_ok("explain", *dump, hex(address), "--format", "json", *options).out)
	for chain in report["chains"]:
		root = chain["root"].get("symbol") or chain["root"].get("source", "")
		yield root.split(": ")[-1] + "".join(hop["via"].get("name", "") for hop in chain["hops"])


@pytest.mark.parametrize("name", [*WITH_DWARF[::2], "records.gcc.O0.split4.dwp", "records.clang.O0.split.dwp"])
def test_chains_read_like_the_source(name):
	dump, rows = case_of(name)
	held = [(address, holder) for address, *_, holder in rows if holder]
	assert len(held) > 6
	for address, holder in held:
		shown = list(chains_of(dump, address, *(("--strings", "preview") if name.startswith("libcxx") else ())))	# keys
		assert holder in shown, (holder, shown)


@pytest.mark.parametrize("name", [name for name in CALLERS if ".O2" in name])	# else a register has what a variable on the stack has
def test_variables_of_callers_are_named_wherever_they_are(name):
	"""In registers, and where those that they call saved these; of a function that a signal interrupted as well."""
	dump, rows = case_of(name)
	held = [(address, holder) for address, *_, holder in rows if holder]
	assert len(held) == 14
	for address, holder in held:
		assert holder in list(chains_of(dump, address)), holder


@pytest.mark.parametrize("name,n", ARGUMENTS.items())
def test_arguments_are_named_by_what_calls_and_registers_tell(name, n):
	"""Values at entry, also where the caller was given them; structs and slices in two registers."""
	dump, rows = case_of(name)
	held = [(address, holder) for address, *_, holder in rows if holder]
	assert len(held) == n
	for address, holder in held:
		assert holder in list(chains_of(dump, address)), holder


def test_a_walk_along_a_list_is_a_place_in_it():
	"""Of twenty jobs the first seven: jobs.next, jobs.next->link.next, jobs.next[2]."""
	dump, rows = case_of("lists.gcc.O0.g")
	jobs = [address for address, _s, _f, kind, *_ in rows if kind == "struct job"]
	assert len(jobs) == 20
	for i in range(2, 7):
		assert f"global jobs.next[{i}] -> struct job (" in heapfx_ok("explain", *dump, hex(jobs[i])).out
	for i in range(15, 18):
		assert f"global jobs.prev[{19 - i}] -> struct job (" in heapfx_ok("explain", *dump, hex(jobs[i])).out


def test_buckets_are_called_by_their_keys():
	"""Where contents may be shown; what flags say is not there is `unused`."""
	dump, rows = case_of("khashes.gcc.O2.g")
	seat = next(address for address, *_, holder in rows if holder and holder.startswith("shop->seats->vals["))
	text = next(address for address, *_, holder in rows if holder and holder.startswith("prices->vals["))
	trap = next(address for address, _s, form, *_ in rows if form == "trap")
	assert "shop->seats->vals[104]" in list(chains_of(dump, seat, "--strings", "preview"))
	assert 'prices->vals["the price of item 5 in the shop"].text' in list(chains_of(dump, text, "--strings", "preview"))
	assert re.fullmatch(r"prices->vals\[\d+ unused\]\.text", next(chains_of(dump, trap)))
	assert "the price" not in heapfx_ok("explain", *dump, hex(text)).out
	slack = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)["categories"]["slack"]
	assert slack == {"count": 2, "bytes": (64 - 12) * 8 + (64 - 12) * 56}	# seats, prices


@pytest.mark.parametrize("name", COMMITTED)
def test_classes_are_counted(name):
	"""types[] of the report, explain and SQL say what `blocks` says."""
	dump, _rows = case_of(name)
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	counts = collections.Counter(b["type"] for b in blocks_of(name).values() if "type" in b and b["state"] == "used")
	types = {t["name"]: t for t in report["types"]}
	assert {t: row["count"] for t, row in types.items() if "shop::" in t} == {
		t: n for t, n in counts.items() if "shop::" in t}
	assert all(row["language"] == "c++" for t, row in types.items() if "shop::" in t)
	block = next(block for block, _s, _f, want, *_ in rows_of(name) if want == "shop::Diamond")
	assert "shop::Diamond" in heapfx_ok("explain", *dump, hex(block["address"])).out
	query = "SELECT count(*) FROM blocks WHERE type = 'shop::Diamond'"
	assert str(counts["shop::Diamond"]) in heapfx_ok("sql", *dump, query).out


@pytest.mark.parametrize("name", [name for name in WITH_DWARF if name.startswith(("containers", "libcxx"))])
def test_nodes_are_counted_under_their_container(name):
	"""A row for the nodes of each kind of container, with the tables of those that hash; one frame in a chart."""
	dump, _rows = case_of(name)
	nodes = collections.Counter(want for _b, _s, form, want, *_ in rows_of(name) if form == "node")
	types = {plain(t["name"]): t for t in json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)["types"]}
	assert len(nodes) >= 5
	for want, n in nodes.items():
		tables = 2 if "unordered" in want else 0 # the shop that is static, and the other one
		assert types[want + "s"]["count"] == n + tables, want
		assert want not in types
	assert not [t for t in types if "node" in t and t.removesuffix("s") not in nodes and "shared" not in t]
	for path in heapfx_ok("analyze", *dump, "--format", "folded").out.splitlines():
		frames = [frame.split(" std::")[-1] for frame in path.split(";") if " nodes" in frame]
		assert len(frames) == len(set(frames)), path
