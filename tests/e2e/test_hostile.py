"""Input that lies: one clear error or a listed problem, in bounded time and memory."""
import json
import re

import pytest

from common import SANITIZED, heapfx, heapfx_ok, parse_blocks, problems_of, synth, truth_of, used_of

MIB = 1 << 20
LIMITS = ("--memory", "512M", "--disk", "256M")
SECONDS = 30
# What must stand in the one error, or among the problems: words of synth.py's `says`.
WORDS = {
	"empty": r"empty", "executable": r"executable|not a core", "elf32": r"32-bit",
	"big-endian": r"big-endian", "other-machine": r"\b243\b", "phentsize-wrong": r"program header",
	"phoff-overflow": r"program header", "magic-only": r"header|not an ELF core",
	"header-only": r"header",
	"overlap": r"overlap", "overlap-same": r"overlap", "offset-overflow": r"segment|PT_LOAD|past",
	"vaddr-overflow": r"segment|PT_LOAD|wrap", "truncated": r"truncat|cut|ends early|past the end",
	"no-threads": r"thread|NT_PRSTATUS", "note-namesz-lies": r"note", "note-descsz-lies": r"note",
	"note-prstatus-short": r"PRSTATUS|register", "notes-outside": r"note",
	"xstate-short": r"NT_X86_XSTATE", "xstate-cut": r"NT_X86_XSTATE",
	"xstate-xcr0-lies": r"NT_X86_XSTATE.*xcr0", "xstate-all-ones": r"NT_X86_XSTATE",
	"xstate-no-thread": r"thread", "xstate-layout-lies": r"NT_X86_XSAVE_LAYOUT",
	"fpregset-short": r"NT_FPREGSET",
	"nt-file-count": r"NT_FILE", "nt-file-no-nul": r"NT_FILE", "nt-file-backwards": r"NT_FILE",
	"real-cut-half": r"truncat|cut|ends early|past the end",
}
QUIET = ("nothing", "heap/corrupt, or nothing", "a list of loaded modules that loops, or nothing")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
	"""Builds a case's file once; bombs are large."""
	folder, made = tmp_path_factory.mktemp("hostile"), {}

	def build(name):
		if name not in made:
			made[name] = folder / name
			made[name].write_bytes(synth.CASES[name].build())
		return made[name]

	yield build
	for path in made.values():
		path.unlink()


def run_bounded(command, path, *options):
	"""Within the budget, the file itself and what it unpacks to: not what it claims to be."""
	run = heapfx(command, path, *options, *LIMITS, timeout=SECONDS)
	most = 512 * MIB + 256 * MIB + path.stat().st_size
	assert SANITIZED or run.rss < most, f"{run.rss >> 20} MiB"
	return run


@pytest.mark.parametrize("name", synth.CASES)
def test_analyze(name, built):
	case = synth.CASES[name]
	run = run_bounded("analyze", built(name), "--format", "json")
	assert run.status in case.status, (run.status, run.err)
	if run.status:
		assert run.out == ""
		lines = run.err.strip().splitlines()
		assert len(lines) == 1 and lines[0].startswith("heapfx: "), lines
		assert re.search(WORDS.get(name, "."), run.err, re.I), run.err
		if run.status == 4:
			assert re.search(r"--(memory|disk)", run.err)
		return
	check_problems(name, case, problems_of(json.loads(run.out)))


def check_problems(name, case, problems):
	said = "\n".join(f"{p['code']} {p.get('where', '')} {p['message']}" for p in problems)
	if case.says.startswith("heap/corrupt:"):
		corrupt = [p for p in problems if p["code"].startswith("heap/corrupt")]
		assert corrupt, said
		assert all(re.search(r"0x[0-9a-f]{6}", f"{p.get('where')} {p['message']}")
			for p in corrupt), said
	elif not case.says.startswith(QUIET) and name != "huge-memsz":
		assert problems
		assert re.search(WORDS.get(name, "."), said, re.I), said


@pytest.mark.parametrize("name", [n for n, c in synth.CASES.items() if "bomb" not in n])
@pytest.mark.parametrize("command", ["info", "blocks"])
def test_other_commands(command, name, built):
	run = run_bounded(command, built(name))
	assert run.status in synth.CASES[name].status, (run.status, run.err)


@pytest.mark.parametrize("name", [n for n, c in synth.CASES.items()
	if 0 in c.status and "bomb" not in n])
def test_text_shows_nothing_raw(name, built):
	"""No control character of the dump, no escape sequence, no line past the screen."""
	run = run_bounded("analyze", built(name))
	assert run.status in synth.CASES[name].status
	assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", run.out)
	assert all(len(line) <= 100 for line in run.out.splitlines())


@pytest.mark.parametrize("name", [n for n, c in synth.CASES.items()
	if c.says.startswith("heap/corrupt")])
def test_the_walk_goes_on_behind_the_damage(name, built):
	"""One damaged chunk or list costs the blocks next to it, not the heap."""
	whole = "leakzoo.bookworm"
	if name in ("double-free-fastbin", "bin-loop"):
		whole = "heapshapes.bookworm"
	truth, _totals = truth_of(whole)
	used = used_of(parse_blocks(heapfx_ok("blocks", built(name)).out)).keys()
	missed, invented = truth.keys() - used, used - truth.keys()
	assert len(missed) <= len(truth) // 100, [hex(a) for a in sorted(missed)[:5]]
	assert len(invented) <= len(truth) // 100, [hex(a) for a in sorted(invented)[:5]]


@pytest.mark.skipif(SANITIZED, reason="ASan keeps what it frees: peaks are not heapfx's own")
@pytest.mark.parametrize("name", ["huge-memsz", "xnum", "xnum-count-lies", "nt-file-count"])
def test_claims_cost_no_memory(name, built):
	"""A small file cannot make heapfx take much, whatever it says it holds."""
	assert heapfx("analyze", built(name), timeout=SECONDS).rss < 64 * MIB


def test_every_byte_of_the_header_flipped(tmp_path):
	"""All statuses but a crash are fine; time and memory are not."""
	sound = synth.CASES["plain"].build()
	path = tmp_path / "core"
	for at in range(0, 64 + 3 * 56, 7 if SANITIZED else 2):
		path.write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1:])
		run = run_bounded("info", path)
		assert run.status in (0, 3, 4), (at, run)
