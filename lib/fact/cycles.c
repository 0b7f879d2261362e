/*
 * fact/cycles.c - rings that nothing reaches: components of lost nodes with more than one node.
 *
 * What a ring keeps is its subtree in the dominator tree of the components.  Those form a directed
 * acyclic graph, in which the dominator of a component is the nearest common one of the components
 * that point at it (Ochranova, 1983): no fixed point is needed.
 */
#include <stdlib.h>

#include "fact/parts.h"

/* Columns by component; index n_parts is the super-root. */
struct parts {
	const struct graph *g;
	const struct lost_parts *lost;
	uint32_t *first; /* n_parts + 1: index of its first node in `nodes` */
	node_id *nodes;	 /* by component, then ascending */
	uint64_t *bytes, *held_bytes;
	uint32_t *held; /* nodes of the subtree, own ones included */
	struct jumps tree;
	struct col cols[6];
};

static void parts_close(struct parts *p)
{
	for (unsigned i = 0; i < 6; i++)
		col_close(&p->cols[i]);
}

static struct err *parts_open(struct env *env, const struct graph *g, const struct lost_parts *lost,
			      struct parts *ret)
{
	uint64_t n = (uint64_t)lost->n_parts + 1;
	const struct {
		uint32_t elem_size;
		uint64_t n;
		void *ret;
	} cols[6] = {
		{ 4, n + 1, &ret->first }, { 4, lost->lost.n, &ret->nodes },
		{ 8, n, &ret->bytes },	   { 8, n, &ret->held_bytes },
		{ 4, n, &ret->held },	   { sizeof(struct jump), n, &ret->tree.at },
	};

	*ret = (struct parts){ .g = g, .lost = lost };
	for (unsigned i = 0; i < 6; i++) {
		struct err *err =
			col_fixed(env, cols[i].elem_size, cols[i].n, "rings", &ret->cols[i]);

		if (err) {
			parts_close(ret);
			return err;
		}
		*(void **)cols[i].ret = ret->cols[i].base;
	}
	return NULL;
}

static uint32_t part_of(const struct parts *p, node_id node)
{
	return p->lost->part[subset_no(&p->lost->lost, node)];
}

/* Nodes sorted by component, in one counting pass each for the bytes and the nodes. */
static void sort_nodes(struct parts *p)
{
	const uint64_t *set = p->lost->lost.set;
	struct graph_iter it = graph_iter(p->g, 0);
	/* looking each up costs more than passing by as many */
	bool few = p->lost->lost.n < p->g->n / 16;

	for (uint32_t i = 0; i < p->lost->lost.n; i++)
		p->first[p->lost->part[i] + 2]++;
	for (uint32_t i = 2; i <= p->lost->n_parts; i++)
		p->first[i] += p->first[i - 1];
	for (uint64_t w = 0; w < bits_words(p->g->n); w++) {
		for (uint64_t rest = set[w]; rest; rest &= rest - 1) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			uint32_t part = part_of(p, node);

			while (!few && it.id < node)
				graph_next(&it);
			p->bytes[part] += few ? graph_size(p->g, node) : it.size;
			p->nodes[p->first[part + 1]++] = node;
		}
	}
}

static void meet(struct parts *p, uint32_t to, uint32_t from)
{
	uint32_t *up = &p->tree.at[to].up;

	*up = *up == NODE_NONE ? from : jumps_common(&p->tree, *up, from);
}

/*
 * Components are numbered sinks first: from the last to the first, all that point at one come
 * before it.
 */
static void dominate(struct parts *p)
{
	uint32_t root = p->lost->n_parts;

	for (uint32_t c = 0; c < root; c++)
		p->tree.at[c].up = NODE_NONE;
	jumps_add_root(&p->tree, root);
	for (uint32_t c = root; c--;) {
		if (p->tree.at[c].up == NODE_NONE)
			p->tree.at[c].up = root;
		jumps_add(&p->tree, c);
		for (uint32_t i = p->first[c]; i < p->first[c + 1]; i++) {
			edge_id e = graph_row(p->g, p->nodes[i]),
				end = graph_row(p->g, p->nodes[i] + 1);

			for (; e < end; e++) {
				node_id to = EDGE_NODE(p->g->dst[e]);

				if (bit_get(p->lost->lost.set, to) && part_of(p, to) != c)
					meet(p, part_of(p, to), c);
			}
		}
	}
	for (uint32_t c = 0; c < root; c++) {
		p->held[c] += p->first[c + 1] - p->first[c];
		p->held_bytes[c] += p->bytes[c];
		p->held[p->tree.at[c].up] += p->held[c];
		p->held_bytes[p->tree.at[c].up] += p->held_bytes[c];
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct cycle *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static struct err *list(struct parts *p, struct col *cycles, struct col *members)
{
	struct cycle *list = cycles->base;
	const node_id *nodes = p->nodes;

	for (uint32_t c = 0; c < p->lost->n_parts; c++) {
		uint64_t n = p->first[c + 1] - p->first[c];
		struct cycle cycle = {
			.node = nodes[p->first[c]],
			.nodes = n,
			.bytes = p->bytes[c],
			.held_count = p->held[c] - n,
			.held_bytes = p->held_bytes[c] - p->bytes[c],
			.first_member = p->first[c],
		};
		struct err *err = n > 1 ? col_append(cycles, &cycle, 1) : NULL;

		if (err)
			return err;
	}
	if (cycles->n)
		qsort(list, cycles->n, sizeof(*list), by_bytes);
	for (uint64_t i = 0; i < cycles->n; i++) {
		struct err *err = col_append(members, &nodes[list[i].first_member], list[i].nodes);

		if (err)
			return err;
		list[i].first_member = members->n - list[i].nodes;
	}
	return NULL;
}

struct err *cycles_compute(struct env *env, const struct graph *g, const struct subset *inner,
			   struct facts *f)
{
	struct col *cycles = &f->cols[COL_CYCLES], *members = &f->cols[COL_MEMBERS];
	struct lost_parts lost;
	struct parts p = {};
	struct err *err = lost_parts_open(env, g, f->reach, &lost);

	(void)inner;
	if (err)
		return err;
	err = parts_open(env, g, &lost, &p);
	if (!err)
		err = col_open(env, sizeof(struct cycle), lost.lost.n, "rings", cycles);
	if (!err)
		err = col_open(env, sizeof(node_id), lost.lost.n, "rings", members);
	if (!err) {
		sort_nodes(&p);
		dominate(&p);
		err = list(&p, cycles, members);
	}
	parts_close(&p);
	lost_parts_close(&lost);
	if (err)
		return err;
	col_seal(cycles);
	col_seal(members);
	f->cycles = cycles->base;
	f->n_cycles = cycles->n;
	f->cycle_members = members->base;
	return NULL;
}
