#!/usr/bin/python3
"""valgrind_truth.py - holds a program's truth against memcheck, block for block.

	valgrind_truth.py [CASE...]	leakzoo, zoo_cpp, heapshapes and demo by default

The program runs under valgrind until it is ready; then its leak check is asked for through vgdb
while every thread is where a dump would find it, and each block's verdict is compared with the
state in the truth.  Prints every difference; status 1 if there is one.  Blocks in long lost chains
are left out of the default because valgrind lists them in quadratic time.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_cores  # noqa: E402

DEFAULT = ("leakzoo", "zoo_cpp", "heapshapes", "demo")
STATES = {
	"still reachable": "reachable", "possibly lost": "possibly-lost",
	"definitely lost": "definitely-lost", "indirectly lost": "indirectly-lost",
}
RECORD = re.compile(r" blocks are (.*) in loss record (\d+) of (\d+)")
BLOCK = re.compile(r"==\d+== (0x[0-9A-F]+)\[\d+\](?! indirect)")


def ask(prefix, pid, *command):
	done = subprocess.run(["vgdb", f"--vgdb-prefix={prefix}", f"--pid={pid}", *command],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
	return done.stdout.splitlines()


def verdicts(prefix, pid):
	"""{address: state} as memcheck sees it now."""
	check = ask(prefix, pid, "leak_check", "full", "reachable", "heuristics", "all", "any")
	records = [line for line in check if RECORD.search(line)]
	seen, state = {}, None
	for line in ask(prefix, pid, "block_list", f"1..{len(records)}", "unlimited"):
		record, block = RECORD.search(line), BLOCK.match(line)
		if record:
			state = STATES[record.group(1)]
		elif block:
			seen[int(block.group(1), 16)] = state
	return seen


def run_under_valgrind(name, folder):
	"""The truth that the program wrote there, and memcheck's verdicts."""
	case = make_cores.CASES[name]
	exe, raw_truth = folder / name, folder / "truth"
	make_cores.build(case, exe)
	argv, env = make_cores.command_of(case, exe, None, raw_truth)
	prefix = folder / "vgdb"
	# A program's own operator new shall run, and note its blocks, instead of valgrind's.
	valgrind = ["valgrind", "-q", "--leak-check=no", "--fair-sched=yes",
		"--soname-synonyms=somalloc=nouserintercepts",
		f"--vgdb-prefix={prefix}", f"--log-file={folder / 'log'}"]
	with subprocess.Popen([*valgrind, *argv], env=env, stdout=subprocess.PIPE,
			text=True) as child:
		try:
			if not any(line.startswith("ready ") for line in child.stdout):
				raise RuntimeError(f"{name} ended under valgrind")
			return make_cores.read_truth(raw_truth), verdicts(prefix, child.pid)
		finally:
			child.kill()


def differences(blocks, totals, seen):
	"""Counts {(kind, state, verdict)} of the blocks on which the two do not agree."""
	differ, leaders = collections.Counter(), 0
	for address, (_size, kind, state) in blocks.items():
		verdict = seen.get(address, "not seen")
		if state == "cycle-lost" and verdict in ("definitely-lost", "indirectly-lost"):
			leaders += verdict == "definitely-lost"
		elif state != verdict:
			differ[kind, state, verdict] += 1
	if leaders != totals.get("rings", 0):
		differ["rings", totals.get("rings", 0), leaders] += 1
	return differ


def main():
	if not shutil.which("valgrind"):
		print("skipped: valgrind is not installed (tools/deps.sh test)", file=sys.stderr)
		return 77
	status = 0
	for name in sys.argv[1:] or DEFAULT:
		with tempfile.TemporaryDirectory() as folder:
			(blocks, totals), seen = run_under_valgrind(name, pathlib.Path(folder))
		differ = differences(blocks, totals, seen)
		other = collections.Counter(seen[a] for a in seen if a not in blocks)
		print(f"{name}: {len(blocks)} blocks noted, {sum(differ.values())} differ;"
			f" blocks not noted: {dict(other)}", flush=True)
		for (kind, state, verdict), n in sorted(differ.items(), key=str):
			print(f"\t{kind}: truth {state}, valgrind {verdict}: {n}")
			status = 1
	return status


if __name__ == "__main__":
	sys.exit(main())
