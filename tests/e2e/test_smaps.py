"""Where the resident memory went: a saved smaps beside a core; sums hold whatever it says."""
import json
import struct
import subprocess

import pytest

import synth
from common import dump_of, heapfx, heapfx_ok, make_cores

PT_LOAD = 1
PAGE = 4096


def loads(core):
	"""(start, end, flags) of the core's mappings, ascending."""
	with open(core, "rb") as file:
		head = file.read(64)
		offset, = struct.unpack_from("<Q", head, 32)
		size, count = struct.unpack_from("<HH", head, 54)
		file.seek(offset)
		rows = [struct.unpack_from("<IIQQQQQQ", file.read(size)) for _ in range(count)]
	return sorted((r[3], r[3] + r[6], r[1]) for r in rows if r[0] == PT_LOAD and r[6])


def smaps_text(rows, rss_of):
	text = ""
	for start, end, flags in rows:
		perms = "".join(c if flags & bit else "-" for c, bit in (("r", 4), ("w", 2), ("x", 1))) + "p"
		text += f"{start:08x}-{end:08x} {perms} 00000000 00:00 0 \n"
		text += f"Size: {(end - start) >> 10} kB\nRss: {rss_of(start, end) >> 10} kB\nSwap: 0 kB\n"
	return text


def memory_of(dump, smaps, tmp_path):
	path = tmp_path / "smaps"
	path.write_text(smaps)
	answer = heapfx_ok("analyze", dump.core, *dump.options, "--smaps", path, "--format", "json")
	return json.loads(answer.out)["memory"]


def by_category(memory):
	return {row["category"]: row["bytes"] for row in memory["breakdown"]}


@pytest.mark.parametrize("case", ["leakzoo.bookworm", "heapshapes.trixie"])
@pytest.mark.parametrize("share", [1, 3, 8])
def test_sums_to_rss(case, share, tmp_path):
	dump = dump_of(case)
	rows = loads(dump.core)
	rss = lambda start, end: (end - start) // PAGE // share * PAGE	# noqa: E731
	memory = memory_of(dump, smaps_text(rows, rss), tmp_path)
	assert memory["resident"] == sum(rss(start, end) for start, end, _ in rows)
	assert sum(row["bytes"] for row in memory["breakdown"]) == memory["resident"]


def test_the_largest_mapping_of_nobody_is_named(tmp_path):
	core, smaps = tmp_path / "core", tmp_path / "smaps"
	sizes = {0x7F0000000000: 5 << 20, 0x7F1000000000: 6 << 20}
	core.write_bytes(synth.elf([synth.Segment(vaddr=at, data=b"\x11" * n, flags=6) for at, n in sizes.items()]))
	smaps.write_text(smaps_text([(at, at + n, 6) for at, n in sizes.items()], lambda start, end: end - start))
	problems = json.loads(heapfx_ok("analyze", core, "--smaps", smaps, "--format", "json").out)["input"]["problems"]
	message, = (p["message"] for p in problems if p["code"] == "memory/unclaimed")
	assert f"explain {0x7F1000000000:#x} says" in message and f"{6 << 20} bytes" in message


def test_what_is_not_resident_is_not_counted(tmp_path):
	"""All of the heap's mapping and nothing else: no line but the heap's has bytes."""
	dump = dump_of("leakzoo.bookworm")
	blocks = [json.loads(line) for line in heapfx_ok("blocks", dump.core, *dump.options, "--format",
		"jsonl").out.splitlines()]
	assert blocks
	at = int(blocks[0]["address"], 16)	# of the main arena's brk heap, which blocks fill to its top
	rows = loads(dump.core)
	heap, = [row for row in rows if row[0] <= at < row[1]]
	memory = memory_of(dump, smaps_text(rows, lambda s, e: e - s if s == heap[0] else 0), tmp_path)
	assert memory["resident"] == heap[1] - heap[0]
	assert {name.split("/")[0] for name, n in by_category(memory).items() if n} == {"heap"}


def test_no_smaps_at_all(tmp_path):
	dump = dump_of("leakzoo.bookworm")
	path = tmp_path / "smaps"
	path.write_text("no such thing\n")
	answer = heapfx("analyze", dump.core, *dump.options, "--smaps", path)
	assert answer.status == 3
	assert "smaps" in answer.err


BSS = """
#include <stdio.h>
#include <unistd.h>
static char table[48 << 20];
int main(void)
{
	for (int i = 0; i < 4 << 20; i += 4096)
		table[i] = 1;
	puts("ready");
	fflush(stdout);
	pause();
	return table[1];
}
"""


def test_data_that_was_never_written_is_no_memory(tmp_path):
	"""48 MiB of a program's data, of which it wrote to four: by what the kernel says of that mapping, within its file's pages."""
	source = tmp_path / "bss.c"
	source.write_text(BSS)
	subprocess.run(["gcc", "-O0", "-o", tmp_path / "bss", source], check=True)
	with subprocess.Popen([tmp_path / "bss"], stdout=subprocess.PIPE, text=True) as process:
		try:
			assert process.stdout.readline() == "ready\n"
			make_cores.wait_until_at_rest(process.pid)
			heapfx_ok("capture", process.pid, "-o", tmp_path / "core")
		finally:
			process.kill()
	memory = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "json").out)["memory"]
	assert 4 << 20 <= by_category(memory)["module/data"] < 5 << 20
	assert by_category(memory)["mapping/untouched"] >= 43 << 20
