"""memlab (npm) on snapshots of ours: one by its own dominators, three as a program grows."""
import json
import os
import re
import shutil
import subprocess

import pytest

from common import CORPUS, SANITIZED, corpus_locked, dump_of, heapfx_ok
from grows import series  # noqa: F401

MEMLAB = "memlab@2.0.5"
RETAINED = """
require("@memlab/heap-analysis").getFullHeapFromFile(process.argv[1]).then(heap => {
	const rows = [];
	heap.nodes.forEach(node => { rows.push([node.id, node.name, node.self_size, node.retainedSize]); });
	require("fs").writeFileSync(process.argv[2], JSON.stringify(rows));
});
"""


@pytest.fixture(scope="module")
def modules():
	"""The folder of memlab's modules, which npm fetches once."""
	home = CORPUS / MEMLAB
	if SANITIZED:
		pytest.skip("memlab reads what the plain build writes")
	if not shutil.which("npm"):
		pytest.skip("npm is not installed")
	with corpus_locked():
		if not home.exists():
			half = home.with_name(home.name + ".half")
			shutil.rmtree(half, ignore_errors=True)
			half.mkdir()
			# All that it needs as of that day: what comes out later may read snapshots otherwise.
			done = subprocess.run(["timeout", "300", "npm", "install", "--prefix", half, "--ignore-scripts", "--no-audit", "--no-fund",
				"--before=2026-11-01", "--fetch-retries=3", "--fetch-retry-mintimeout=2000", "--fetch-timeout=60000", MEMLAB],
				stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
			if done.returncode:
				pytest.skip("npm gives no memlab: " + done.stdout.decode()[-200:])
			half.rename(home)
	return home / "node_modules"


@pytest.fixture(scope="module")
def memlab(modules, tmp_path_factory):
	folder = tmp_path_factory.mktemp("memlab")

	def run(*arguments):
		done = subprocess.run(["node", "--expose-gc", modules / ".bin/memlab", *arguments], cwd=folder,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, check=False,
			env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)})
		text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout.decode("utf-8"))
		assert not done.returncode, text
		return text
	return run


def test_retained_sizes_are_ours(modules, tmp_path):
	"""By its own dominators; the largest holders that are blocks, not lists (one row stands for many)."""
	snapshot, report, read = tmp_path / "one.heapsnapshot", tmp_path / "one.json", tmp_path / "read.json"
	heapfx_ok("analyze", dump_of("leakzoo.bookworm").core, "-o", f"heapsnapshot={snapshot}", "-o", f"json={report}")
	subprocess.run(["node", "-e", RETAINED, snapshot, read], stdin=subprocess.DEVNULL, timeout=240, check=True,
		env={"PATH": os.environ["PATH"], "NODE_PATH": modules, "TMPDIR": tmp_path, "HOME": tmp_path})
	rows, found, retained = json.loads(read.read_text("utf-8")), json.loads(report.read_text("utf-8")), {}
	for _id, name, _size, kept in rows:
		retained.setdefault(name, set()).add(kept)
	used = sum(heap["used"]["bytes"] for heap in found["heaps"])
	assert abs(sum(size for _id, _name, size, _kept in rows) - used) <= used // 100
	ours = [d for d in found["dominators"] if "address" in d]
	assert len(ours) >= 20
	for d in ours:
		assert d["retained"] in retained[d["name"]], d


def test_what_grew_is_found(memlab, series, tmp_path):
	"""Of three snapshots: as many as the program counted, and who holds them."""
	for step, (core, _counts) in enumerate(series):
		heapfx_ok("analyze", core, "-o", f"heapsnapshot={tmp_path}/s{step + 1}.heapsnapshot")
	(tmp_path / "filter.js").write_text("module.exports = { leakFilter: node => node.self_size >= 1000 };")
	counts = [of[1000] for _core, of in series]

	shapes = memlab("analyze", "unbound-shape", "--snapshot-dir", tmp_path)
	line = next(line for line in shapes.splitlines() if "1008-byte block" in line)
	assert [int(n) for n in re.findall(r"(\d+) \(", line)] == counts

	leaks = memlab("find-leaks", "--baseline", tmp_path / "s1.heapsnapshot", "--target", tmp_path / "s2.heapsnapshot",
		"--final", tmp_path / "s3.heapsnapshot", "--leak-filter", tmp_path / "filter.js")
	new = counts[1] - counts[0]
	assert re.search(rf"1008-byte block.*\b{new}\b", leaks)
	assert f"Similar leaks in this run: {new}" in leaks
	assert re.search(r"\[global variables\][^\n]*\n *--growing\+0x[0-9a-f]+ \(property\)---> +\[1008-byte block\]", leaks)


@pytest.mark.parametrize("plugin", ["object-size", "object-shallow", "object-fanout", "shape", "string",
	"global-variable", "collections-with-stale"])
def test_commands_take_it(memlab, plugin, tmp_path):
	snapshot = tmp_path / "one.heapsnapshot"
	heapfx_ok("analyze", dump_of("leakzoo.bookworm").core, "-o", f"heapsnapshot={snapshot}")
	said = memlab("analyze", plugin, "--snapshot", snapshot)
	assert "invalid" not in said
	if plugin in ("object-size", "shape"):
		assert "80-byte block" in said
