"""V8 heap snapshots: their form, and what the parser of Chrome DevTools itself makes of them.

The parser is the one that Debian's Chromium ships, opened as a page: it computes dominators and
retained sizes on its own.
"""
import collections
import json

import pytest

import chromium
from common import dump_of, heapfx, heapfx_ok, truth_of
from go_corpus import go_dump

FIELDS = ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"]
GO = "slack.1.27"
READ = """
async text => {
	const worker = await import("devtools://devtools/bundled/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js");
	const loader = new worker.HeapSnapshotLoader.HeapSnapshotLoader({ sendEvent() {} });
	for (let at = 0; at < text.length; at += 65536)
		loader.write(text.slice(at, at + 65536));
	loader.close();
	const channel = new MessageChannel();
	new worker.HeapSnapshot.SecondaryInitManager(channel.port2);
	const snapshot = await loader.buildSnapshot(channel.port1);
	const node = snapshot.createNode(0), rows = [];
	for (let i = 0; i < snapshot.nodeCount; i++) {
		node.nodeIndex = i * snapshot.nodeFieldCount;
		const holders = [];
		for (const it = node.retainers(); it.hasNext() && holders.length < 4; it.next())
			holders.push([it.item().name(), it.item().node().name()]);
		rows.push([node.id(), node.name(), node.selfSize(), node.retainedSize(), node.distance(), holders]);
	}
	const classes = snapshot.aggregatesForDiff("[]"), before = window.before;
	const grown = before ? snapshot.calculateSnapshotDiff("before", before) : {};
	window.before = classes;
	return { rows, total: snapshot.totalSize, classes: Object.keys(classes).length,
		grown: Object.values(grown).map(d => [d.name, d.addedCount, d.removedCount, d.sizeDelta]) };
}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
	"""{name: (snapshot's path, report)} of a case, with so many nodes."""
	home, made = tmp_path_factory.mktemp("heapsnapshot"), {}

	def write(name, nodes=None):
		if (name, nodes) not in made:
			arguments = go_dump(name).arguments if name == GO else (dump_of(name).core,)
			path, report = home / f"{name}.{nodes}.heapsnapshot", home / f"{name}.{nodes}.json"
			heapfx_ok("analyze", *arguments, "-o", f"heapsnapshot={path}", "-o", f"json={report}",
				*(("--snapshot-nodes", nodes) if nodes is not None else ()))
			made[name, nodes] = path, json.loads(report.read_text("utf-8"))
		return made[name, nodes]
	return write


@pytest.fixture(scope="module")
def devtools():
	with chromium.browser() as browser:
		tab = browser.new_page()
		try:
			tab.goto("devtools://devtools/bundled/devtools_app.html")
		except Exception as reason:  # pylint: disable=broad-except
			pytest.skip(f"this Chromium has no DevTools to open: {reason}")
		yield lambda path: tab.evaluate(READ, path.read_text("utf-8"))


def table(snapshot):
	"""[(type, name, id, self size, [(edge type, name or number, row)])]"""
	nodes, edges, strings = snapshot["nodes"], snapshot["edges"], snapshot["strings"]
	rows, at = [], 0
	for i in range(0, len(nodes), len(FIELDS)):
		kind, name, number, size, n = nodes[i:i + 5]
		out = [tuple(edges[e:e + 3]) for e in range(at, at + 3 * n, 3)]
		at += 3 * n
		rows.append((kind, strings[name], number, size, out))
	assert at == len(edges)
	return rows


@pytest.mark.parametrize("name, nodes", [("leakzoo.bookworm", None), (GO, None), (GO, 500), ("leakzoo.bookworm", 1),
	("leakzoo.bookworm", 0)])
def test_form(written, name, nodes):
	snapshot = json.loads(written(name, nodes)[0].read_text("utf-8"))
	head = snapshot["snapshot"]
	meta = head["meta"]
	assert list(snapshot) == ["snapshot", "nodes", "edges", "trace_function_infos", "trace_tree", "samples",
		"locations", "strings"]
	assert meta["node_fields"] == FIELDS and meta["edge_fields"] == ["type", "name_or_index", "to_node"]
	assert len(snapshot["nodes"]) == len(FIELDS) * head["node_count"]
	assert len(snapshot["edges"]) == 3 * head["edge_count"]
	rows, ids = table(snapshot), set()
	kinds, edge_kinds = meta["node_types"][0], meta["edge_types"][0]
	reached = {0}
	for kind, _text, number, _size, out in rows:
		assert kinds[kind] in ("object", "synthetic")
		assert 0 < number < 1 << 32 and number not in ids
		ids.add(number)
		for edge, text, to in out:
			assert to % len(FIELDS) == 0 and to < len(snapshot["nodes"])
			assert edge_kinds[edge] != "property" or text < len(snapshot["strings"])
			reached.add(to // len(FIELDS))
	assert len(reached) == len(rows)
	if nodes:
		assert sum(kind == kinds.index("object") for kind, *_rest in rows) < head["heapfx"]["nodes_together"]
		together = [text for _kind, text, *_rest in rows if text.endswith("smaller ones together")]
		assert together
	else:	# the default is more than these have; 0: no limit
		assert head["heapfx"]["nodes_together"] == 0


def test_lost_blocks_stand_under_lost(written):
	"""What the program dropped and nothing points at, in the truth's own count."""
	rows = table(json.loads(written("leakzoo.bookworm")[0].read_text("utf-8")))
	truth, _total = truth_of("leakzoo.bookworm")
	lost = next(out for _kind, text, _id, _size, out in rows if text == "(lost)")
	states = collections.Counter(state for _size, _kind, state in truth.values())
	assert states["definitely-lost"] <= len(lost) <= states["definitely-lost"] + states["cycle-lost"]
	below, queue = set(), [to // len(FIELDS) for _edge, _text, to in lost]
	while queue:
		row = queue.pop()
		if row not in below:
			below.add(row)
			queue += [to // len(FIELDS) for _edge, _text, to in rows[row][4]]
	assert len(below) >= states["definitely-lost"] + states["indirectly-lost"] + states["cycle-lost"]


@pytest.mark.parametrize("name, nodes", [("leakzoo.bookworm", None), (GO, None), (GO, 500)])
def test_devtools_reads_it(written, devtools, name, nodes):
	"""Its retained sizes are ours, whole or cut to the largest, and every block hangs from a root."""
	path, report = written(name, nodes)
	seen = devtools(path)
	used = sum(heap["used"]["bytes"] for heap in report["heaps"])
	assert abs(seen["total"] - used) <= used // 100 and seen["classes"] >= 5
	assert all(row[4] >= 0 for row in seen["rows"])
	retained = collections.defaultdict(set)
	for _id, text, _size, kept, _distance, _holders in seen["rows"]:
		retained[text].add(kept)
	# the tenth largest holders that are blocks, not lists: those have one row for many
	ours = sorted((d for d in report["dominators"] if "address" in d), key=lambda d: -d["retained"])[:20 if nodes else 200]
	assert len(ours) >= 20
	for d in ours:
		assert d["retained"] in retained[d["name"]], d


def test_retainers_have_names(written, devtools):
	seen = devtools(written(GO)[0])
	held = {(edge, holder) for row in seen["rows"] for edge, holder in row[5]}
	assert any("main.dead" in edge and holder == "global variables" for edge, holder in held)


def test_ids_compare(written, devtools):
	"""A dump again: the same ids, whatever is cut, so that DevTools' comparison sees nothing new."""
	whole = {number: (text, size) for _kind, text, number, size, _out in
		table(json.loads(written(GO)[0].read_text("utf-8")))}
	cut = table(json.loads(written(GO, 500)[0].read_text("utf-8")))
	own = [(number, text, size) for _kind, text, number, size, _out in cut
		if not text.endswith("smaller ones together") and size]
	assert len(own) > 200
	for number, text, size in own:
		assert whole[number][0] == text and (whole[number][1] == size or size > whole[number][1])
	devtools(written(GO)[0])
	assert devtools(written(GO)[0])["grown"] == []
	grown = devtools(written(GO, 500)[0])["grown"]
	assert any("smaller ones together" in name and added for name, added, _removed, _delta in grown)


def test_whole_or_not_at_all(tmp_path):
	run = heapfx("analyze", dump_of("leakzoo.bookworm").core, "-o", "heapsnapshot=/dev/full")
	assert run.status == 3 and "No space left" in run.err
