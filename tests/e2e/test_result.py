"""A saved analysis in place of the dump: every command says the same; damage and mix-ups are refused."""
import csv
import io
import json
import pathlib
import random
import re

import pytest

from common import dump_of, heapfx, heapfx_ok
from go_corpus import go_dump

CASES = ["leakzoo.bookworm", "demo", "leakzoo.aarch64", "zoo.1.19"]
TABLES = ["input", "segments", "modules", "threads", "frames", "goroutines", "heaps", "arenas", "blocks", "edges", "roots",
	"types", "suspects", "chains", "cycles", "cycle_members", "findings", "categories", "breakdown", "problems", "pools"]
NO_BYTES = {"edges": "src, dst, interior"}	# fields' names need the dump


def arguments(name):
	return go_dump(name).arguments if name.startswith("zoo.") else (dump_of(name).core,)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
	folder, made = tmp_path_factory.mktemp("results"), {}

	def save(name):
		if name not in made:
			made[name] = folder / f"{name}.result"
			heapfx_ok("analyze", *arguments(name), "-o", f"result={made[name]}", timeout=180)
			assert not list(folder.glob("*.partial"))
		return made[name]
	return save


def both(name, result, command, *options):
	"""What a command says of the dump and of the saved result."""
	outs = [heapfx_ok(command, *where, *options, timeout=180).out for where in (arguments(name), (result,))]
	return [out.replace(str(result), "IT").replace(str(arguments(name)[0]), "IT") for out in outs]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fmt", ["json", "html", "sarif", "folded", "markdown"])
def test_reports_are_the_same(name, fmt, saved):
	dump, result = both(name, saved(name), "analyze", "--format", fmt)
	assert dump == result


@pytest.mark.parametrize("name", CASES)
def test_blocks_are_the_same(name, saved):
	dump, result = both(name, saved(name), "blocks")
	assert dump == result and dump.count("\n") > 100


@pytest.mark.parametrize("name", CASES[:1] + CASES[3:])
def test_tables_are_the_same(name, saved):
	everything = "; ".join(f"select {NO_BYTES.get(table, '*')} from {table}" for table in TABLES)
	dump, result = both(name, saved(name), "sql", everything, "--format", "csv")
	assert dump == result


def test_columns_that_are_not_in_the_file_are_made(saved):
	"""Shortest chains are computed anew: the same ones."""
	dump, result = both(CASES[0], saved(CASES[0]), "sql", "select id, parent, root from blocks", "--format", "csv")
	assert dump == result


def facts_of(out):
	return [line for line in out.splitlines()
		if re.match(r"  (block|reachability|root|shortest chain|next chain|retains|pointed at by|type) ", line)]


def without_keys(words):
	"""What the dump may say where the result has those words: keys are contents, and not saved."""
	return re.sub(r"\\\[(\\\.\\\.\\\.)?\\\]", r"\\[.*\\]", re.escape(words))


@pytest.mark.parametrize("name", [*CASES, "hoards", "zoo_cpp"])
def test_fields_have_their_names(name, saved):
	"""Of each pointer in blocks of up to 512 bytes, the same place and the same name, but for keys of maps and places in lists."""
	query = "select e.offset, e.name from edges e join blocks b on b.id = e.src where b.usable <= 504 limit 300000"
	dump, result = (list(csv.reader(io.StringIO(out)))
		for out in both(name, saved(name), "sql", query, "--format", "csv"))
	assert len(dump) == len(result) > 20
	for (place, field), (place_saved, field_saved) in {(tuple(a), tuple(b)) for a, b in zip(dump, result)}:
		assert place == place_saved
		assert re.fullmatch(without_keys(field_saved), field) or (not field_saved and "[" in field), (field, field_saved)
	assert name == "leakzoo.aarch64" or any(field for _place, field in result)


@pytest.mark.parametrize("name", CASES)
def test_explain(name, saved):
	suspects = json.loads(heapfx_ok("analyze", *arguments(name), "--format", "json", timeout=120).out)["suspects"]
	address = next(s["addresses"][0] for s in suspects if s["addresses"])
	dump, result = (heapfx_ok("explain", *where, address, timeout=120).out
		for where in (arguments(name), (saved(name),)))
	dump_facts, result_facts = facts_of(dump), facts_of(result)
	assert len(dump_facts) == len(result_facts)
	# Of a chain: elements of tables of more than 512 bytes, and a root's module where it is the program.
	plain = lambda line: re.sub(r"\[[^]]*\]| \([\w.]+\)(?= ->)", "", line) if "chain" in line else line  # noqa: E731
	for ours, saved_ones in zip(dump_facts, result_facts):
		assert plain(ours) == plain(saved_ones)
	assert "not saved" in result and "not saved" not in dump
	assert len(facts_of(result)) >= 4


def test_info_and_diff(saved):
	core, result = dump_of(CASES[0]).core, saved(CASES[0])
	dump, info = (heapfx_ok("info", where).out for where in (core, result))
	dump, _problems, said = dump.partition("PROBLEMS (1)\n  pool/left-out")	# analyze has looked for them
	assert "analyze" in said
	info = info.removesuffix("PROBLEMS (0)\n")
	assert info.splitlines()[1].startswith(f"  saved     by heapfx, of {core}: {core.stat().st_size} bytes")
	assert dump.splitlines()[1:] == info.splitlines()[2:]
	mixed = json.loads(heapfx_ok("diff", result, dump_of("demo").core, "--format", "json").out)
	plain = json.loads(heapfx_ok("diff", core, dump_of("demo").core, "--format", "json").out)
	assert {k: mixed[k] for k in ("types", "suspects", "memory")} == {
		k: plain[k] for k in ("types", "suspects", "memory")}


def test_gates_on_a_result(saved, tmp_path):
	(tmp_path / "budget").write_text("max category lost 0\n")
	run = heapfx("analyze", saved(CASES[0]), "--budget", tmp_path / "budget", "--baseline", saved(CASES[0]))
	assert run.status == 1 and "max category lost" in run.err and "new:" not in run.err


def test_another_dump_is_refused(saved):
	result = saved(CASES[0])
	heapfx_ok("analyze", result, "--dump", dump_of(CASES[0]).core)
	run = heapfx("analyze", result, "--dump", dump_of("demo").core)
	assert run.status == 2 and "is not the dump that" in run.err and run.out == ""


def test_a_result_of_a_result_is_refused(saved, tmp_path):
	run = heapfx("analyze", saved(CASES[0]), "-o", f"result={tmp_path / 'x'}")
	assert run.status == 2 and list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path):
	run = heapfx("analyze", dump_of(CASES[0]).core, "-o", "result=/dev/full")
	assert run.status == 3 and "No space left" in run.err


COMMANDS = (["info"], ["analyze"], ["blocks"], ["sql", "select count(*), sum(retained) from blocks"],
	["sql", "select count(*) from edges where dst = 5"], ["sql", "select name from roots"])


def run_on(path, command):
	return heapfx(command[0], path, *command[1:], timeout=60)


def test_damage_is_refused(saved, tmp_path):
	"""A flipped byte is found by whoever reads it; cut files by all."""
	whole = saved(CASES[0]).read_bytes()
	rng, path = random.Random(9), tmp_path / "x.result"
	refused = 0
	for at in sorted([*range(0, 40, 8), *rng.sample(range(len(whole)), 25)]):
		path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
		for command in COMMANDS:
			run = run_on(path, command)
			assert run.status in (0, 3), run
			assert run.status == 0 or re.search("damaged|version|kind|format|dump", run.err), run.err
			refused += run.status != 0
	assert refused > 40
	for n in (8, 39, 300, 2000, len(whole) // 2, len(whole) - 1):
		path.write_bytes(whole[:n])
		for command in COMMANDS[:2]:
			assert run_on(path, command).status == 3
	path.write_bytes(whole + b"\0")
	assert run_on(path, ["analyze"]).status == 3


def test_it_is_smaller_than_the_dump(saved):
	result = saved("demo")
	assert pathlib.Path(result).stat().st_size < dump_of("demo").core.stat().st_size
