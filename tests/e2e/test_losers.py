"""Who lost a block: functions by the frames that they left on dead stacks, threads by their arenas."""
import json
import shutil
import struct
import subprocess

import pytest

from common import Core, heapfx_ok, make_cores, parse_blocks
from types_corpus import case_of


@pytest.mark.parametrize("name", ["losers.gcc.O0", "losers.clang.O2.nopie"])
def test_the_function_and_the_thread_are_named(name):
	dump, truth = case_of(name)
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	of = {int(a, 16): s for s in report["suspects"] if s["rule"] == "lost/definite" for a in s["addresses"]}
	functions = {function for _a, _s, _f, function, _p, _tid in truth}
	for address, _size, _form, function, _p, tid in truth:
		rows = of[address]["evidence"]
		by = [row["value"] for row in rows if row["what"] == "allocated by"]
		assert len(by) == 1 and by[0].startswith(f"probably thread {tid}:")
		left = [row["value"] for row in rows if row["what"] == "still pointed at by"]
		assert left and all(f"dead stack of thread {tid}," in value for value in left)
		# Of a call through a pointer the caller alone may be left: in its frame no function is named.
		assert any(function in value for value in left)
		assert not any(other in value for other in functions - {function} for value in left)
		explained = heapfx_ok("explain", dump[0], hex(address), *dump[1:]).out
		assert f"probably thread {tid}: no other" in " ".join(explained.split())
		assert function in explained


@pytest.mark.parametrize("name", ["dropped.gcc.O0", "dropped.clang.O2.nopie", "dropped.gcc.O2.stripped"])
def test_the_thread_that_freed_what_held_a_block_is_named(name):
	"""By the freed block that still leads to it, and by the one in front of it: both lie in the cache of that thread."""
	dump, truth = case_of(name)
	report = json.loads(heapfx_ok("analyze", *dump, "--format", "json").out)
	lost = {int(a, 16) for s in report["suspects"] if s["rule"] == "lost/definite" for a in s["addresses"]}
	tids = {tid for _a, _s, _f, what, _p, tid in truth if what == "lost"}
	assert len(tids) == 3
	n = 0
	for address, size, _form, what, _p, tid in truth:
		if what == "kept":
			assert address not in lost
			continue
		facts = {}
		explained = json.loads(heapfx_ok("explain", dump[0], hex(address), *dump[1:], "--format", "json").out)
		for row in explained["tables"]["explain"]:
			facts.setdefault(row["layer"], []).append(row["answer"])
		if facts["reachability"] != ["definitely-lost"]:	# a word of a live frame leads there
			continue
		n += 1
		assert any(answer.endswith(f", in the cache of thread {tid}") for answer in facts["stale pointer"])
		assert not any(f"thread {other}" in answer for answer in facts["stale pointer"] for other in tids - {tid})
		if size == 2000:	# right behind its order
			assert facts["freed beside it"] == [f"probably thread {tid}: the block of 48 bytes in front is in its cache"]
	assert n >= 25	# of 30
	told = [row["value"] for s in report["suspects"] if s["rule"] == "lost/definite"
		for row in s["evidence"] if row["what"] == "freed beside it by"]
	assert told and {value.split(":")[0] for value in told} <= {f"probably thread {tid}" for tid in tids}


def dropped_with(links, tmp_path):
	"""explain's answers on blocks of `dropped`, with {freed block: what shall follow in its list}."""
	(core, *options), truth = case_of("dropped.gcc.O0")
	loads = Core(core).loads
	path = tmp_path / "damaged.core"
	shutil.copy(core, path)
	with open(path, "r+b") as out:
		for at, to in links.items():
			out.seek(next(start + at - low for low, _mem, start, size in loads if low <= at < low + size))
			out.write(struct.pack("<Q", at >> 12 ^ to))
	return (path, *options), truth


def cached_of(dump):
	"""{thread: the freed blocks of 48 bytes in its cache}, by whose large blocks lie behind them."""
	(core, *options), truth = dump
	blocks = parse_blocks(heapfx_ok("blocks", core, *options).out)
	cached = {block["address"] + block["size"]: block["address"] for block in blocks if block.get("where") == "tcache"}
	of = {}
	for address, size, _form, _what, _p, tid in truth:
		if size == 2000 and address in cached:
			of.setdefault(tid, []).append(cached[address])
	return of


def answers(dump, address, layer):
	(core, *options), _truth = dump
	rows = json.loads(heapfx_ok("explain", core, hex(address), *options, "--format", "json", timeout=30).out)["tables"]["explain"]
	return [row["answer"] for row in rows if row["layer"] == layer]


def test_a_cache_that_leads_back_to_itself_ends(tmp_path):
	"""Its blocks are that thread's still."""
	of = cached_of(case_of("dropped.gcc.O0"))
	damaged = dropped_with({at: at for blocks in of.values() for at in blocks}, tmp_path)
	told = [(tid, answers(damaged, at + 48, "freed beside it")) for tid, blocks in of.items() for at in blocks[:1]]
	assert len(told) == 3
	for tid, rows in told:
		assert all(row.startswith(f"probably thread {tid}:") for row in rows), (tid, rows)


def test_a_block_in_the_caches_of_two_threads_is_of_neither(tmp_path):
	case = case_of("dropped.gcc.O0")
	one, other = sorted(cached_of(case).items())[:2]
	asked = [at for at in one[1] if answers(case, at + 48, "freed beside it")]
	assert asked
	damaged = dropped_with({at: one[1][0] for at in other[1]}, tmp_path)
	# The first of one's blocks, and all that follow it there.
	for at in asked:
		for row in answers(damaged, at + 48, "freed beside it"):
			assert row.startswith(f"probably thread {one[0]}:"), row
	assert not answers(damaged, one[1][0] + 48, "freed beside it")


# Each of four threads gives the kernel a stack for signals and forgets it; ten blocks of zeros and one of ones are lost.
SIGNAL_STACKS = """
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static pthread_barrier_t all;
static void __attribute__((noinline)) give(void)
{
	stack_t stack = { .ss_sp = calloc(1, 20000), .ss_size = 20000 };
	sigaltstack(&stack, NULL);
	memset(&stack, 0, sizeof(stack));
	__asm__ volatile("" :: "r"(&stack) : "memory");
}
static void __attribute__((noinline)) lose(void)
{
	for (int i = 0; i < 10; i++) {
		char *volatile zeros = calloc(1, 30000);
		zeros = NULL;
	}
	char *volatile ones = malloc(25000);
	memset(ones, 1, 25000);
	__asm__ volatile("" :: "r"(ones) : "memory");
	ones = NULL;
}
static void *run(void *arg)
{
	give();
	pthread_barrier_wait(&all);
	for (;;)
		pause();
	return arg;
}
int main(void)
{
	pthread_t threads[3];
	pthread_barrier_init(&all, NULL, 4);
	give();
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	pthread_barrier_wait(&all);
	lose();
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
"""


def test_what_may_be_a_stack_for_signals_is_a_guess(tmp_path):
	(tmp_path / "stacks.c").write_text(SIGNAL_STACKS, "ascii")
	subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", tmp_path / "stacks", tmp_path / "stacks.c"], check=True)
	with subprocess.Popen([tmp_path / "stacks"], stdout=subprocess.PIPE, text=True) as process:
		try:
			assert process.stdout.readline() == "ready\n"
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	suspects = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "json", "--top", "99").out)["suspects"]
	lost = {suspect["bytes"] // suspect["count"] // 1000: suspect for suspect in suspects if suspect["rule"] == "lost/definite"}
	for size, count, is_guess in ((20, 3, True), (30, 8, False), (25, 1, False)):	# a stale word may hold some
		assert lost[size]["count"] >= count
		assert (lost[size]["confidence"] == "guess") == is_guess
		assert any(row["what"] == "may be" and "sigaltstack" in row["value"] for row in lost[size]["evidence"]) == is_guess
