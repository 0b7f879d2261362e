"""Every fact of a graph against a slow, obvious twin: networkx (Hagberg, Schult, Swart, 2008).

Thousands of random graphs of many shapes go through tests/twins/facts, which asks the library and
prints what it says; and each case of the corpus by way of SQL.  What networkx has (dominators by
Cooper, Harvey and Kennedy; components by Nuutila; breadth-first distances) is taken from there,
what it has not is written here from the definition.
"""
import collections
import functools
import heapq
import pathlib
import random
import struct
import subprocess
import tempfile

import pytest

import go_corpus
from common import ALLOCATORS, COMMITTED, HEAPFX, ROOT, SANITIZED, SLOW, dump_of, environment, heapfx_ok

networkx = pytest.importorskip("networkx")

TWIN, PROPERTIES = (pathlib.Path(HEAPFX).parent / "tests/twins" / name for name in ("facts", "properties"))
INTERIOR = 1 << 31
DOUBT = 1 << 29	# in a distance: behind all that is sure
LAST = 1 << 30	# in the number of a source: one that holds for a time only, behind all others but ..
VECTOR = 1 << 31	# .. a vector register, whose ways come last
LATE = LAST | VECTOR
NONE = 0xffffffff
PATHS = 8	# as in facts.c
TOP = "roots and heads"
BY_NONE, BY_ROOT, BY_NODE, BY_SEVERAL = range(4)	# enum entry_kind
DEAD, REACHABLE, POSSIBLE, INDIRECT, DEFINITE, UNCOLLECTED = range(6)	# enum reach
WORDS = ("", "reachable", "possibly-lost", "indirectly-lost", "definitely-lost", "uncollected")


class Graph:
	"""Sizes by node; edges (from, to, interior) by source; roots (node, interior, source) by source."""

	def __init__(self, name, sizes, edges, roots, targets=()):
		self.name, self.sizes, self.targets = name, sizes, list(targets)
		self.edges = sorted(edges)
		self.roots = sorted(roots, key=lambda root: root[2])

	def packed(self):
		flags = lambda node, interior: node | (INTERIOR if interior else 0)
		words = [word for a, b, interior in self.edges for word in (a, flags(b, interior))]
		words += [word for node, interior, source in self.roots for word in (flags(node, interior), source)]
		words += self.targets
		return (struct.pack("<4I", len(self.sizes), len(self.edges), len(self.roots), len(self.targets))
			+ struct.pack(f"<{len(self.sizes)}Q", *self.sizes) + struct.pack(f"<{len(words)}I", *words))


class Reader:
	def __init__(self, data):
		self.data, self.at = data, 0

	def take(self, n, letter):
		size = struct.calcsize("<" + letter)
		words = struct.unpack_from(f"<{n}{letter}", self.data, self.at)
		self.at += n * size
		return words

	def one(self, letter="I"):
		return self.take(1, letter)[0]


class Facts:
	"""What tests/twins/facts says of one graph."""

	def __init__(self, graph, reader):
		n = len(graph.sizes)
		self.reach = reader.take(n, "B")
		self.retained = reader.take(n, "Q")
		self.idom = reader.take(n, "I")
		self.parent = reader.take(n, "I")
		self.part = reader.take(n, "I")
		self.in_row = reader.take(n + 1, "Q")
		self.in_src = reader.take(self.in_row[-1], "I")
		self.rings = {}
		for _i in range(reader.one()):
			nodes, node = reader.take(2, "I")
			totals = reader.take(3, "Q")
			self.rings[reader.take(nodes, "I")] = (node, *totals)
		self.paths = [[self.path(reader) for _k in range(reader.one())] for _i in graph.targets]
		self.entries = [reader.take(2, "I") for _i in graph.targets]

	@staticmethod
	def path(reader):
		length, root = reader.take(2, "I")
		return root, reader.take(length, "I")


# --- the twin ------------------------------------------------------------------------------

def dominators(graph):
	"""networkx.immediate_dominators() from TOP, with sweeps to and fro: its own take 1000 for a ring of 1000
	that is linked both ways.  test_random_graphs holds the two against each other."""
	order = list(networkx.dfs_postorder_nodes(graph, TOP))
	number = {node: i for i, node in enumerate(order)}
	idom, order, changed = {TOP: TOP}, order[-2::-1], True

	def common(a, b):
		while a != b:
			if number[a] < number[b]:
				a = idom[a]
			else:
				b = idom[b]
		return a

	while changed:
		changed = False
		for node in order:
			up = functools.reduce(common, (p for p in graph._pred[node] if p in idom))
			changed |= idom.get(node) != up
			idom[node] = up
		order.reverse()
	return idom


class Twin:
	"""Reachability, components, dominators, retained sizes, distances and rings, by networkx."""

	def __init__(self, sizes, edges, roots, collected=(), typed=()):
		self.sizes, self.roots, self.typed = sizes, roots, set(typed)
		self.all = networkx.DiGraph()
		self.all.add_nodes_from(range(len(sizes)))
		self.all.add_edges_from((a, b) for a, b, _interior in edges if a != b)
		self.find_reach(edges, set(collected))
		self.find_dominators()

	def find_reach(self, edges, collected):
		plain = self.plain = networkx.DiGraph()
		plain.add_nodes_from(self.all)
		plain.add_edges_from((a, b) for a, b, interior in edges if not interior)
		reached = self.below(plain, {node for node, interior, _source in self.roots if not interior})
		self.held = self.below(self.all, {node for node, _interior, _source in self.roots})
		self.lost = self.all.subgraph(set(self.all) - self.held - collected)
		self.parts = networkx.condensation(self.lost)
		self.heads = {min(self.parts.nodes[p]["members"]) for p in self.parts if not self.parts.in_degree(p)}
		self.reach = [REACHABLE if i in reached else POSSIBLE if i in self.held else DEFINITE if i in self.heads
			else UNCOLLECTED if i in collected else INDIRECT for i in self.all]

	@staticmethod
	def below(graph, starts):
		seen, todo = set(starts), list(starts)
		while todo:
			for to in graph._succ[todo.pop()]:
				if to not in seen:
					seen.add(to)
					todo.append(to)
		return seen

	def find_dominators(self):
		rooted = self.all.copy()
		rooted.add_edges_from((TOP, node) for node in {node for node, _i, _s in self.roots} | self.heads)
		rooted.add_node(TOP)
		self.rooted, self.idom = rooted, dominators(rooted)
		self.retained = dict(enumerate(self.sizes))
		self.add_up(self.idom, rooted, TOP, self.retained)

	@staticmethod
	def add_up(idom, graph, top, sums):
		"""To each what it dominates: in reverse preorder of the tree of dominators."""
		below = collections.defaultdict(list)
		for node, up in idom.items():
			if node != top:
				below[up].append(node)
		order = [top]
		for node in order:	# grows
			order.extend(below[node])
		for node in reversed(order[1:]):
			if idom[node] != top:
				sums[idom[node]] += sums[node]

	def distances(self):
		"""By Dijkstra: behind what sure edges lead to comes what takes a doubtful one, then what holds for a time, then vector registers."""
		found, waiting = {}, [(source & LATE, node) for node, _interior, source in self.roots]
		heapq.heapify(waiting)
		while waiting:
			far, node = heapq.heappop(waiting)
			if node not in found:
				found[node] = far
				for to in self.all._succ[node]:
					heapq.heappush(waiting, (self.step(far, node, to), to))
		return found

	def step(self, far, node, to):
		"""An interior pointer of a block of unknown type is doubtful."""
		return far + 1 if node in self.typed or self.plain.has_edge(node, to) else (far | DOUBT) + 1

	def rings(self):
		"""{members: (lowest, bytes, nodes and bytes outside that it keeps)}"""
		parts = self.parts.copy()
		parts.add_edges_from([(TOP, p) for p in self.parts if not self.parts.in_degree(p)])
		parts.add_node(TOP)
		idom = dominators(parts)
		members = {p: sorted(self.parts.nodes[p]["members"]) for p in self.parts}
		own = {p: sum(self.sizes[i] for i in nodes) for p, nodes in members.items()}
		counts, sums = {p: len(nodes) for p, nodes in members.items()}, dict(own)
		self.add_up(idom, parts, TOP, counts)
		self.add_up(idom, parts, TOP, sums)
		return {tuple(nodes): (nodes[0], own[p], counts[p] - len(nodes), sums[p] - own[p])
			for p, nodes in members.items() if len(nodes) > 1}

	def lengths(self, target):
		"""{(holder, place of a root): nodes on the shortest way}: ways that may be told apart."""
		places = collections.defaultdict(set)
		for node, _interior, source in self.roots:
			places[node].add((source, node))
		found = {(None, place): 1 for place in places[target]}
		for holder in self.all.pred[target]:
			seen, level, far = {holder, target}, {holder}, 2
			while level:
				for node in level:
					found.update({(holder, place): far for place in places[node]})
				level = {up for node in level for up in self.all._pred[node]} - seen
				seen |= level
				far += 1
		return found


	def entry(self, target):
		"""What cuts the target off when it is cut: a root, or all edges from one node."""
		if target in self.heads:
			return BY_NONE, 0
		roots = [node for node, _interior, _source in self.roots]
		for i, node in enumerate(roots):
			if node == target and target not in self.below(self.all, {*roots[:i], *roots[i + 1:], *self.heads}):
				return BY_ROOT, i
		for node in list(self.all._pred[target]):
			rest = self.all._succ[node].pop(target)
			reached = self.below(self.all, {*roots, *self.heads})
			self.all._succ[node][target] = rest
			if target not in reached:
				return BY_NODE, node
		return BY_SEVERAL, None


def check_incoming(graph, facts):
	edges = [edge for i, edge in enumerate(graph.edges)
		if edge[0] != edge[1] and (not i or edge != graph.edges[i - 1])]
	incoming = sorted((b, a, interior) for a, b, interior in edges)
	assert sorted((node, src & ~INTERIOR, bool(src & INTERIOR)) for node in range(len(graph.sizes))
		for src in facts.in_src[facts.in_row[node]:facts.in_row[node + 1]]) == incoming


def check_parents(graph, facts, twin):
	far = twin.distances()
	for node, parent in enumerate(facts.parent):
		if parent == NONE:
			assert node not in far
		elif parent & INTERIOR:	# PARENT_ROOT
			assert graph.roots[parent & ~INTERIOR][0] == node and not far[node] & ~LATE
		else:
			assert far[node] == twin.step(far[parent], parent, node) and twin.all.has_edge(parent, node)


def check_components(facts, twin):
	parts = collections.defaultdict(set)
	for node, part in enumerate(facts.part):
		parts[part].add(node)
	assert {frozenset(nodes) for nodes in parts.values()} == \
		{frozenset(nodes) for nodes in networkx.strongly_connected_components(twin.all)}


def check_paths(graph, facts, twin):
	for target, paths in zip(graph.targets, facts.paths):
		shortest, told = twin.lengths(target), set()
		lengths = sorted((bool(place[0] & LATE), far) for (_holder, place), far in shortest.items())
		assert [(bool(graph.roots[root][2] & LATE), len(nodes)) for root, nodes in paths] == lengths[:PATHS]
		for root, nodes in paths:	# the target first
			start, _interior, source = graph.roots[root]
			way = (nodes[1] if len(nodes) > 1 else None, (source, start))
			assert nodes[0] == target and nodes[-1] == start and target not in nodes[1:]
			assert all(twin.all.has_edge(up, down) for down, up in zip(nodes, nodes[1:]))
			assert shortest[way] == len(nodes) and way not in told
			told.add(way)


def check_entries(graph, facts, twin):
	for target, (kind, source) in zip(graph.targets, facts.entries):
		expected = twin.entry(target)
		assert kind == expected[0] and expected[1] in (source, None)


def check(graph, facts):
	twin = Twin(graph.sizes, graph.edges, graph.roots)
	assert list(facts.reach) == twin.reach
	assert [TOP if up == NONE else up for up in facts.idom] == [twin.idom[i] for i in range(len(graph.sizes))]
	assert list(facts.retained) == [twin.retained[i] for i in range(len(graph.sizes))]
	assert facts.rings == twin.rings()
	check_parents(graph, facts, twin)
	check_components(facts, twin)
	check_incoming(graph, facts)
	check_paths(graph, facts, twin)
	check_entries(graph, facts, twin)
	return twin


def ask(graphs):
	if not TWIN.exists():
		pytest.skip(f"{TWIN} is not built: make unit-programs")
	run = subprocess.run([TWIN], input=b"".join(graph.packed() for graph in graphs), capture_output=True,
		timeout=120 * SLOW, env=environment(None), check=False)
	assert not run.returncode, run.stderr.decode()
	reader = Reader(run.stdout)
	facts = [Facts(graph, reader) for graph in graphs]
	assert reader.at == len(run.stdout)
	return facts


# --- random graphs -------------------------------------------------------------------------

def any_edges(rng, n):
	return [(rng.randrange(n), rng.randrange(n)) for _i in range(rng.randrange(3 * n))]


def tree(rng, n):
	return [(rng.randrange(i), i) for i in range(1, n)]


def dag(rng, n):
	return [tuple(sorted(rng.sample(range(n), 2))) for _i in range(2 * n)] if n > 1 else []


def ring(rng, n):
	chords = [(rng.randrange(n), rng.randrange(n)) for _i in range(rng.randrange(3))]
	return [(i, (i + 1) % n) for i in range(n)] + chords


def dense(rng, n):
	return [(a, b) for a in range(n) for b in range(n) if rng.random() < 0.6]


def parallel(rng, n):
	return [edge for edge in any_edges(rng, n) for _i in range(rng.randrange(4))]


def selves(rng, n):
	return any_edges(rng, n) + [(i, i) for i in range(n) if rng.random() < 0.5]


def islands(rng, n):
	size = max(1, n // 4)
	return [(a, b) for a, b in any_edges(rng, n) + ring(rng, n) if a // size == b // size]


def ladder(rng, n):
	"""Two lists with rungs: dominators far up."""
	return [(i, i + 2) for i in range(n - 2)] + [(i, i + 1) for i in range(n - 1) if rng.random() < 0.4]


def doubly_linked(rng, n):
	order = list(range(n))
	rng.shuffle(order)
	return [edge for a, b in zip(order, order[1:]) for edge in ((a, b), (b, a))]


def stars(rng, n):
	hubs = [rng.randrange(n) for _i in range(3)]
	return [(rng.choice(hubs), i) for i in range(n)] + [(i, rng.choice(hubs)) for i in range(n) if rng.random() < 0.3]


SHAPES = (any_edges, tree, dag, ring, dense, parallel, selves, islands, ladder, doubly_linked, stars)
SEEDS = range(4)
EACH = 70	# graphs of each shape for each seed


def random_graph(rng, shape, name):
	n = rng.randint(1, rng.choice((4, 12, 40)))
	order = list(range(n))
	rng.shuffle(order)	# not in preorder already
	interior = rng.choice((0, 0, 0.2))
	edges = [(order[a], order[b], rng.random() < interior) for a, b in shape(rng, n)]
	roots = [(rng.randrange(n), rng.random() < interior, rng.choice((0, 1, 2, 3 | VECTOR, 4 | LAST)))
		for _i in range(rng.choice((0, 1, 1, 2, 3, n)))]
	scale = rng.choice((1, 16, 1 << 28))	# sums of 32 bits, and of more
	return Graph(name, [scale * rng.randint(1, 9) for _i in range(n)], edges, roots,
		rng.sample(range(n), min(n, 2)))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs(seed):
	rng = random.Random(seed)
	graphs = [random_graph(rng, shape, f"{shape.__name__} {i}") for shape in SHAPES for i in range(EACH)]
	for graph, facts in zip(graphs, ask(graphs)):
		try:
			twin = check(graph, facts)
			assert twin.idom == networkx.immediate_dominators(twin.rooted, TOP)
		except AssertionError as wrong:
			raise AssertionError(f"seed {seed}, {graph.name}: {graph.sizes} {graph.edges} {graph.roots}") from wrong


LONG, WIDE = 100_000, 5_000
LONG_GRAPHS = {
	"chain": (LONG, [(i, i + 1) for i in range(LONG - 1)], [0]),
	"chain that nobody has": (WIDE, [(i, i + 1) for i in range(WIDE - 1)], []),
	"ring": (WIDE, [(i, (i + 1) % WIDE) for i in range(WIDE)], []),
	"both ways": (WIDE, [(a, b) for i in range(WIDE - 1) for a, b in ((i, i + 1), (i + 1, i))], [WIDE // 2]),
	"star": (WIDE, [(0, i) for i in range(1, WIDE)], [0]),
	"star turned round": (WIDE, [(i, 0) for i in range(1, WIDE)], list(range(1, WIDE))),
	"every node a root": (WIDE, [], list(range(WIDE))),
	"the same edge": (2, [(0, 1)] * LONG, [0]),
	"self edges": (WIDE, [(i, i) for i in range(WIDE)], [0]),
}


@pytest.mark.parametrize("name", LONG_GRAPHS)
def test_long_graphs(name):
	n, edges, roots = LONG_GRAPHS[name]
	graph = Graph(name, [16] * n, [(a, b, False) for a, b in edges], [(node, False, 0) for node in roots])
	check(graph, ask([graph])[0])


# --- the corpus ----------------------------------------------------------------------------

def packed(folder):
	return {path.parent.name: path for path in sorted((ROOT / "corpus" / folder).glob("*/dump*.zst"))}


POOLS, TYPES = packed("pools"), packed("types")
SMALL = COMMITTED + ALLOCATORS + go_corpus.CASES + [*POOLS, *TYPES]
TABLES = """
select id, size, reach, idom, retained, parent, root, allocator = 'go' or coalesce(type, '?') not like '%?' from blocks where state = 'used';
select src, dst, interior from edges;
select block, interior, kind = 'vector', name like 'sync.allPools%' or name like 'sync.oldPools%' from roots;
"""


def arguments_of(name):
	if name in go_corpus.CASES:
		return go_corpus.go_dump(name).arguments
	return (POOLS.get(name) or TYPES.get(name) or dump_of(name).core,)


def tables_of(name):
	"""Rows of each table as numbers; None: NULL."""
	with tempfile.TemporaryFile() as statements:
		statements.write(TABLES.encode())
		statements.seek(0)
		out = heapfx_ok("sql", *arguments_of(name), "--format", "csv", stdin=statements).out
	tables = []
	for line in out.splitlines():
		if line.startswith('"'):	# names of columns
			tables.append([])
		else:
			tables[-1].append([WORDS.index(word) if word in WORDS[1:] else int(word) if word else None
				for word in line.replace('"', "").split(",")])
	return tables


# The plain build is held to all; what sanitizers see in this is the same for each, and the twin takes most of the time.
@pytest.mark.parametrize("name", SMALL[::4] if SANITIZED else SMALL)
def test_corpus(name):
	blocks, edges, roots = tables_of(name)
	if name == "luajits":	# all its memory is in mappings of its own
		assert not blocks and not edges
		return
	ids = [row[0] for row in blocks]
	place = {block: i for i, block in enumerate(ids)}
	_ids, sizes, reach, idom, retained, parents, starts, sure = zip(*blocks)
	edges = [(place[a], place[b], interior) for a, b, interior in edges]
	entries = [(place[node], interior, vector * VECTOR | last * LAST) for node, interior, vector, last in roots if node in place]
	twin = Twin(sizes, edges, entries, {i for i, kind in enumerate(reach) if kind == UNCOLLECTED},
		{i for i, is_so in enumerate(sure) if is_so})
	far = twin.distances()

	assert list(reach) == twin.reach
	assert [TOP if up is None else place[up] for up in idom] == [twin.idom.get(i, TOP) for i in range(len(ids))]
	assert list(retained) == [twin.retained[i] for i in range(len(ids))]
	for i, (parent, start) in enumerate(zip(parents, starts)):
		if start is not None:
			assert not far[i] & ~LATE and roots[start][0] == ids[i] and parent is None
		elif parent is None:
			assert i not in far
		else:
			assert far[i] == twin.step(far[place[parent]], place[parent], i) and twin.all.has_edge(place[parent], i)


LARGE = ["zoo_cpp", "longchain", "arenas64", "demo"]	# 0.3, 2, 1.1 million blocks; whatever demo has just done


@pytest.mark.parametrize("name", LARGE)
def test_large_graphs_certify_themselves(name, tmp_path):
	"""Too many for a twin: what proves a fact once it is known (tests/twins/properties.c)."""
	if not PROPERTIES.exists():
		pytest.skip(f"{PROPERTIES} is not built: make unit-programs")
	heapfx_ok("analyze", dump_of(name).core, "-o", f"result={tmp_path / 'r'}", timeout=300)
	run = subprocess.run([PROPERTIES, tmp_path / "r", "5"], capture_output=True, text=True, timeout=120 * SLOW,
		env=environment(None), check=False)
	assert not run.returncode, run.stdout + run.stderr
