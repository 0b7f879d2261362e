/*
 * export/heapsnapshot.c - numbers first, then names, in two passes over the edges: no buffer grows
 * with the graph but a word a node when some are left out.
 *
 * Below the root stand nodes for the kinds of roots, for what is lost and for a collector's garbage.
 * Garbage holds nothing that lives: its edges are weak.  Ids are made of addresses, so that two
 * dumps of one process compare: 16 MiB of address space are one of 4,095 slots.
 */
#include "export/heapsnapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/size_steps.h"
#include "base/sort.h"
#include "base/vec.h"
#include "base/version.h"
#include "report/json_out.h"

enum {
	FIELDS = 7,	      /* numbers a node, as in the meta data below */
	NAMED_ROOTS = 1 << 17,
	NAME_MAX_BYTES = 1000,
	REGION_GRAINS = 20, /* bits of an id that count grains within a region */
	REGIONS = 4095,
	FIRST_ID = 1,
	BUFFER_BYTES = 1 << 14,
	AHEAD = 24, /* how far random accesses are prefetched */
};
#define TYPED (1u << 31)

enum node_type { TYPE_OBJECT = 3, TYPE_SYNTHETIC = 9 };
enum edge_type { EDGE_ELEMENT = 1, EDGE_PROPERTY = 2, EDGE_WEAK = 6 };

/* Nodes before those of the graph. */
enum { TOP, FIRST_KIND, LOST = FIRST_KIND + ROOT_KINDS, UNCOLLECTED, FIRST_NODE };

static const char meta[] =
	"\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\","
	"\"trace_node_id\",\"detachedness\"],\"node_types\":[[\"hidden\",\"array\",\"string\","
	"\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\","
	"\"concatenated string\",\"sliced string\",\"symbol\",\"bigint\",\"object shape\"],"
	"\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],\"edge_fields\":"
	"[\"type\",\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\","
	"\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\","
	"\"node\"],\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\","
	"\"script_id\",\"line\",\"column\"],\"trace_node_fields\":[\"id\",\"function_info_index\","
	"\"count\",\"size\",\"children\"],\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],"
	"\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}";

static const char *const above_names[FIRST_NODE] = {
	[TOP] = "",
	[FIRST_KIND + ROOT_GLOBAL] = "global variables",
	[FIRST_KIND + ROOT_TLS] = "thread-local storage",
	[FIRST_KIND + ROOT_STACK] = "stacks",
	[FIRST_KIND + ROOT_GOROUTINE] = "stacks of goroutines",
	[FIRST_KIND + ROOT_REGISTER] = "registers",
	[FIRST_KIND + ROOT_FINALIZER] = "finalizers",
	[FIRST_KIND + ROOT_RUNTIME] = "the runtime",
	[FIRST_KIND + ROOT_ANON] = "other mappings",
	[FIRST_KIND + ROOT_VECTOR] = "vector registers",
	[FIRST_KIND + ROOT_COUNTED] = "counts of references",
	[LOST] = "(lost)",
	[UNCOLLECTED] = "(uncollected)",
};

/* 64-bit keys to 32-bit values; grows. */
struct table {
	struct slot {
		uint64_t key;
		uint32_t value; /* + 1; 0: empty */
	} * slots;
	size_t n, n_slots;
};

struct group {
	node_id holder; /* NODE_NONE: nothing holds it alone */
	uint32_t name;
	uint64_t count, bytes, first_id;
	uint64_t edges; /* place of its first, in `out_edges`; they are sorted */
};

struct snapshot {
	struct env *env;
	const struct graph *g;
	const struct facts *f;
	FILE *out;
	struct {
		char **v;
		size_t n, cap;
	} strings;
	struct table type_names, size_names, labels, group_of;
	uint64_t n_nodes, n_edges;
	/* what has a row of its own: one bit a node, and how many before each word */
	const uint64_t *kept;
	uint32_t *rank;
	struct col kept_col, rank_col;
	uint64_t n_kept, n_pruned;
	/* with some left out */
	bool prunes;
	unsigned least;	 /* step of retained bytes */
	uint32_t *group; /* by node: of one that is left out */
	struct col group_col, stack, pairs;
	struct col edges_col; /* by row: how many edges it has */
	uint64_t near; /* graph_size_near() */
	struct {
		struct group *v;
		size_t n, cap;
	} groups;
	uint64_t *seen; /* by group: the last node that led to it, + 1 */
	struct text text;
	/* ids: 1 + the slot of each region, by region */
	struct table regions;
	uint64_t n_regions;
	bool by_number; /* more regions than slots */
	bool bad;
	/* numbers for `out`; past BUFFER_BYTES is room for one more node */
	char buffer[BUFFER_BYTES + FIELDS * 24];
	size_t n_buffer;
};

static void snapshot_fini(struct snapshot *x)
{
	for (size_t i = 0; i < x->strings.n; i++)
		free(x->strings.v[i]);
	free(x->strings.v);
	free(x->type_names.slots);
	free(x->size_names.slots);
	free(x->labels.slots);
	free(x->group_of.slots);
	free(x->regions.slots);
	free(x->groups.v);
	free(x->seen);
	col_close(&x->kept_col);
	col_close(&x->rank_col);
	col_close(&x->group_col);
	col_close(&x->stack);
	col_close(&x->pairs);
	col_close(&x->edges_col);
	text_fini(&x->text);
}

/* ---- tables */

static struct slot *slot_of(const struct table *t, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15;
	size_t i = (h ^ h >> 32) & (t->n_slots - 1);

	while (t->slots[i].value && t->slots[i].key != key)
		i = (i + 1) & (t->n_slots - 1);
	return &t->slots[i];
}

/* Where the key is or goes: value 0 then, and n counts it; NULL: out of memory. */
static uint32_t *place(struct table *t, uint64_t key)
{
	struct slot *slot;

	if (2 * (t->n + 1) > t->n_slots) {
		struct table bigger = { .n = t->n, .n_slots = t->n_slots ? 2 * t->n_slots : 256 };

		bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
		if (!bigger.slots)
			return NULL;
		for (size_t i = 0; i < t->n_slots; i++)
			if (t->slots[i].value)
				*slot_of(&bigger, t->slots[i].key) = t->slots[i];
		free(t->slots);
		*t = bigger;
	}
	slot = slot_of(t, key);
	t->n += !slot->value;
	slot->key = key;
	return &slot->value;
}

/* ---- names */

static uint32_t add_string(struct snapshot *x, const char *s)
{
	char *copy = strndup(s, NAME_MAX_BYTES);

	if (!copy || !vec_push(&x->strings, &copy)) {
		free(copy);
		x->bad = true;
		return 0;
	}
	return (uint32_t)(x->strings.n - 1);
}

/* What is in the text, under a number that stands for it; the text is made by the caller. */
static uint32_t *name_place(struct snapshot *x, struct table *t, uint64_t key)
{
	uint32_t *at = place(t, key);

	x->bad |= !at;
	return at;
}

static uint32_t node_name(struct snapshot *x, node_id node, uint64_t size)
{
	bool typed = graph_type_name(x->g, node);
	uint32_t *at = typed ? name_place(x, &x->type_names, graph_type(x->g, node)) :
			       name_place(x, &x->size_names, size);

	if (!at)
		return 0;
	if (!*at) {
		text_reset(&x->text);
		graph_name_node(x->g, node, size, &x->text);
		*at = add_string(x, text_str(&x->text)) + 1;
	}
	return *at - 1;
}

/* Found at this offset in nodes of this type; `ret` is a property's name. */
static uint32_t edge_name(struct snapshot *x, node_id src, node_id dst, uint64_t offset)
{
	uint64_t type = graph_type_name(x->g, src) ? graph_type(x->g, src) : 0;
	uint32_t *at = name_place(x, &x->labels, type << 16 | offset);
	struct edge_label label = {};

	if (!at)
		return 0;
	if (!*at) {
		text_reset(&x->text);
		if (type && x->g->ops->edge && x->g->ops->edge(x->g->ctx, src, dst, &label) &&
		    label.name && *label.name && label.offset == offset)
			text_add(&x->text, label.name[0] == '.' ? label.name + 1 : label.name);
		else
			text_printf(&x->text, "+0x%" PRIx64, offset);
		*at = add_string(x, text_str(&x->text)) + 1;
	}
	return *at - 1;
}

/* ---- ids */

static uint64_t region_of(const struct snapshot *x, uint64_t key)
{
	return key >> (REGION_GRAINS + x->g->grains->shift);
}

/* A slot by the region's own number, or the next free one: regions ascend, so it is always the same. */
static void number_region(struct snapshot *x, uint64_t region, uint64_t *taken)
{
	uint64_t slot = (region * 0x9e3779b97f4a7c15 >> 32) % REGIONS;
	uint32_t *at;

	if (x->n_regions++ == REGIONS - 1) {
		x->by_number = true;
		return;
	}
	while (bit_get(taken, slot))
		slot = (slot + 1) % REGIONS;
	bit_set(taken, slot);
	at = place(&x->regions, region);
	if (at)
		*at = (uint32_t)slot + 1;
	x->bad |= !at;
}

/* 32 bits, the same in every dump of a process as long as the node lies there. */
static uint64_t id_at(const struct snapshot *x, uint64_t start, uint64_t number)
{
	uint64_t within = (1u << REGION_GRAINS) - 1;

	if (x->by_number)
		return FIRST_NODE + FIRST_ID + number;
	return (uint64_t)slot_of(&x->regions, region_of(x, start))->value << REGION_GRAINS |
	       (start >> x->g->grains->shift & within);
}

/* ---- what has a row of its own */

static bool is_garbage(const struct snapshot *x, node_id node)
{
	return x->f->reach[node] == REACH_UNCOLLECTED;
}

/* What is retained how often, and where blocks lie: one pass for both. */
static void survey(struct snapshot *x, uint64_t max)
{
	uint64_t taken[REGIONS / 64 + 1] = {}, last = UINT64_MAX;
	struct size_steps steps = {};

	x->prunes = max && x->g->n_live > max;
	x->by_number = !x->g->grains;
	for (struct graph_iter it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		if (!x->by_number && region_of(x, it.key) != last) {
			last = region_of(x, it.key);
			number_region(x, last, taken);
		}
		if (x->prunes && !is_garbage(x, it.id))
			steps.n[size_step(facts_retained_of(x->f, it.id, it.size))]++;
	}
	x->least = size_steps_least(&steps, max);
}

static void keep_largest(struct snapshot *x, uint64_t *kept)
{
	for (struct graph_iter it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		if (!is_garbage(x, it.id) &&
		    size_step(facts_retained_of(x->f, it.id, it.size)) >= x->least)
			bit_set(kept, it.id);
	}
}

static struct err *mark_kept(struct snapshot *x)
{
	uint64_t words = bits_words(x->g->n), *kept, n = 0;
	struct err *err = col_fixed(x->env, 8, words + 1, "heap snapshot", &x->kept_col);

	if (!err)
		err = col_fixed(x->env, 4, words + 1, "heap snapshot", &x->rank_col);
	if (err)
		return err;
	x->kept = kept = x->kept_col.base;
	x->rank = x->rank_col.base;
	if (x->prunes)
		keep_largest(x, kept);
	else
		memcpy(kept, x->g->live, 8 * words);
	if (words && x->g->n % 64)
		kept[words - 1] &= ~0ull >> (64 - x->g->n % 64);
	for (uint64_t w = 0; w < words; w++) {
		x->rank[w] = (uint32_t)n;
		n += (uint64_t)__builtin_popcountll(kept[w]);
	}
	x->n_kept = n;
	x->n_pruned = x->g->n_live - n;
	return NULL;
}

static bool has_row(const struct snapshot *x, node_id node)
{
	return bit_get(x->kept, node);
}

/* Its number among the nodes of the snapshot. */
static uint64_t row_of(const struct snapshot *x, node_id node)
{
	uint64_t before = (1ull << (node & 63)) - 1;

	if (!has_row(x, node))
		return FIRST_NODE + x->n_kept + x->group[node];
	return FIRST_NODE + x->rank[node >> 6] +
	       (uint64_t)__builtin_popcountll(x->kept[node >> 6] & before);
}

/* ---- groups of what is left out */

static bool is_lost(const struct snapshot *x, node_id node)
{
	return x->f->reach[node] == REACH_DEFINITE || x->f->reach[node] == REACH_INDIRECT;
}

static uint32_t group_at(struct snapshot *x, node_id holder, node_id node)
{
	bool typed = graph_type_name(x->g, node);
	uint64_t size = typed ? 0 : graph_size_near(x->g, node, &x->near);
	uint32_t sort = typed ? TYPED | graph_type(x->g, node) : node_name(x, node, size), *at;
	/* those that nothing holds alone: reachable, lost, garbage */
	uint64_t under = holder != NODE_NONE ? holder :
			 is_garbage(x, node) ? UINT32_MAX :
			 is_lost(x, node)    ? UINT32_MAX - 1 :
					       UINT32_MAX - 2;
	struct group fresh = { .holder = holder };

	at = place(&x->group_of, under << 32 | sort);
	if (!at) {
		x->bad = true;
		return 0;
	}
	if (!*at) {
		fresh.name = node_name(x, node, size);
		fresh.first_id = id_at(x, graph_start(x->g, node), node);
		if (!vec_push(&x->groups, &fresh)) {
			x->group_of.n--;
			x->bad = true;
			return 0;
		}
		*at = (uint32_t)x->groups.n;
	}
	return *at - 1;
}

/* The group of the highest that is left out, on the way to what holds it. */
static void find_group(struct snapshot *x, node_id node)
{
	node_id *stack = x->stack.base, at = node, up;
	uint64_t n = 0;
	uint32_t group;

	for (;;) {
		up = is_garbage(x, at) ? NODE_NONE : x->f->idom[at];
		if (up == NODE_NONE || has_row(x, up) || x->group[up] != UINT32_MAX ||
		    n == x->stack.max - 1)
			break;
		stack[n++] = at;
		at = up;
	}
	if (up != NODE_NONE && !has_row(x, up))
		group = x->group[up];
	else
		group = group_at(x, up, at);
	x->group[at] = group;
	while (n--)
		x->group[stack[n]] = group;
}

/* (group, row that one of it points at), of rows outside; what holds the group is known anyway. */
static struct err *collect_pairs(struct snapshot *x)
{
	const struct graph *g = x->g;
	struct err *err = col_open(x->env, 8, g->m + 1, "heap snapshot", &x->pairs);

	for (node_id i = 0; i < g->n && !err; i++) {
		uint64_t last = UINT64_MAX;

		if (!graph_is_live(g, i) || has_row(x, i) || is_garbage(x, i))
			continue;
		for (edge_id e = graph_row(g, i), end = graph_row(g, i + 1); e < end && !err; e++) {
			node_id to = EDGE_NODE(g->dst[e]);
			uint64_t pair;

			if (e + AHEAD < g->m)
				__builtin_prefetch(&x->group[EDGE_NODE(g->dst[e + AHEAD])]);
			if (to == x->groups.v[x->group[i]].holder ||
			    (!has_row(x, to) && x->group[to] == x->group[i]))
				continue;
			pair = (uint64_t)x->group[i] << 32 | row_of(x, to);
			if (pair != last)
				err = col_append(&x->pairs, &pair, 1);
			last = pair;
		}
	}
	return err;
}

static int by_value(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b ? 1 : 0;
}

static struct err *make_groups(struct snapshot *x)
{
	const struct graph *g = x->g;
	struct err *err = col_fixed(x->env, 4, g->n, "heap snapshot", &x->group_col);
	uint64_t n = 0, *pairs;

	if (!err)
		err = col_fixed(x->env, 4, (uint64_t)g->n_live + 1, "heap snapshot", &x->stack);
	if (err)
		return err;
	x->group = x->group_col.base;
	memset(x->group, 0xff, 4 * (size_t)g->n);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n && !x->bad; graph_next(&it)) {
		if (it.id + AHEAD < g->n && x->f->idom[it.id + AHEAD] != NODE_NONE)
			__builtin_prefetch(&x->group[x->f->idom[it.id + AHEAD]]);
		if (has_row(x, it.id))
			continue;
		if (x->group[it.id] == UINT32_MAX)
			find_group(x, it.id);
		if (x->bad)
			return &err_nomem;
		x->groups.v[x->group[it.id]].count++;
		x->groups.v[x->group[it.id]].bytes += it.size;
	}
	col_close(&x->stack);
	err = collect_pairs(x);
	if (err)
		return err;
	pairs = x->pairs.base;
	sort_by_key(pairs, x->pairs.n, sizeof(*pairs), by_value);
	for (uint64_t i = 0; i < x->pairs.n; i++)
		if (!n || pairs[n - 1] != pairs[i])
			pairs[n++] = pairs[i];
	x->pairs.n = n;
	x->seen = calloc(x->groups.n + 1, sizeof(*x->seen));
	return x->seen ? NULL : &err_nomem;
}

/* ---- edges: counted, then written, by the same code */

/* Each group once a row: `from` is the row, + 1. False: it was led to already. */
static bool first_time(struct snapshot *x, node_id to, uint64_t from)
{
	uint64_t *seen;

	if (has_row(x, to))
		return true;
	seen = &x->seen[x->group[to]];
	if (*seen == from)
		return false;
	*seen = from;
	return true;
}

static void put_buffer(struct snapshot *x)
{
	fwrite(x->buffer, 1, x->n_buffer, x->out);
	x->n_buffer = 0;
}

/* Decimal digits, two at a time; where they end. */
static char *put_number(char *to, uint64_t n)
{
	static const char two_digits[] =
		"0001020304050607080910111213141516171819"
		"2021222324252627282930313233343536373839"
		"4041424344454647484950515253545556575859"
		"6061626364656667686970717273747576777879"
		"8081828384858687888990919293949596979899";
	char s[24];
	size_t at = sizeof(s);

	for (; n >= 100; n /= 100)
		memcpy(s + (at -= 2), two_digits + 2 * (n % 100), 2);
	if (n >= 10)
		memcpy(s + (at -= 2), two_digits + 2 * n, 2);
	else
		s[--at] = (char)('0' + n);
	memcpy(to, s + at, sizeof(s) - at);
	return to + (sizeof(s) - at);
}

/* Numbers of a node or an edge, in a line of such: into a buffer, for there are millions. */
static void put_numbers(struct snapshot *x, bool first, const uint64_t *numbers, unsigned n)
{
	char *to = x->buffer + x->n_buffer;

	for (unsigned i = 0; i < n; i++) {
		*to++ = i || !first ? ',' : '\n';
		to = put_number(to, numbers[i]);
	}
	x->n_buffer = (size_t)(to - x->buffer);
	if (x->n_buffer > BUFFER_BYTES)
		put_buffer(x);
}

static void put_edge(struct snapshot *x, enum edge_type type, uint64_t name, uint64_t row)
{
	put_numbers(x, !x->n_edges++, (const uint64_t[]){ type, name, row * FIELDS }, 3);
}

/* Edges of one row are counted, or written; how many. */
static uint64_t put_node_edges(struct snapshot *x, node_id node, bool writes)
{
	const struct graph *g = x->g;
	edge_id first = graph_row(g, node), end = graph_row(g, node + 1);
	uint64_t from = row_of(x, node) + 1 + (writes ? 1ull << 40 : 0), n = 0;
	bool known, garbage = is_garbage(x, node);

	known = end > first && g->slot && g->slot[first] != SLOT_UNKNOWN;
	for (edge_id e = first; e < end; e++) {
		node_id to = EDGE_NODE(g->dst[e]);

		if (!first_time(x, to, from))
			continue;
		n++;
		if (!writes)
			continue;
		if (garbage || known)
			put_edge(x, garbage ? EDGE_WEAK : EDGE_PROPERTY,
				 edge_name(x, node, to, known ? 8 * (uint64_t)g->slot[e] : 0),
				 row_of(x, to));
		else
			put_edge(x, EDGE_ELEMENT, e - first, row_of(x, to));
	}
	return n;
}

static uint32_t root_name(struct snapshot *x, uint32_t root)
{
	text_reset(&x->text);
	if (root < NAMED_ROOTS && x->g->ops && x->g->ops->root)
		x->g->ops->root(x->g->ctx, root, &x->text);
	if (!x->text.n)
		text_add(&x->text, "root");
	return add_string(x, text_str(&x->text));
}

static uint64_t put_root_edges(struct snapshot *x, unsigned kind, bool writes)
{
	const struct graph *g = x->g;
	uint64_t n = 0, from = FIRST_KIND + kind + 1 + (writes ? 1ull << 40 : 0);

	for (uint32_t i = 0; i < g->n_roots; i++) {
		node_id to = EDGE_NODE(g->root_node[i]);

		/* garbage of a collector is what no root that counts reaches */
		if (g->sources[g->root_source[i]].kind != kind || !graph_is_live(g, to) ||
		    is_garbage(x, to) || !first_time(x, to, from))
			continue;
		n++;
		if (writes && i < NAMED_ROOTS)
			put_edge(x, EDGE_PROPERTY, root_name(x, i), row_of(x, to));
		else if (writes)
			put_edge(x, EDGE_ELEMENT, n, row_of(x, to));
	}
	return n;
}

static uint64_t put_lost_edges(struct snapshot *x, bool writes)
{
	uint64_t n = 0, from = LOST + 1 + (writes ? 1ull << 40 : 0);

	for (uint64_t i = 0; i < x->f->n_lost; i++) {
		node_id to = x->f->lost[i].node;

		if (!first_time(x, to, from))
			continue;
		n++;
		if (writes)
			put_edge(x, EDGE_ELEMENT, n, row_of(x, to));
	}
	return n;
}

static uint64_t put_garbage_edges(struct snapshot *x, bool writes)
{
	uint64_t n = 0, from = UNCOLLECTED + 1 + (writes ? 1ull << 40 : 0);

	for (node_id i = 0; i < x->g->n; i++) {
		if (!graph_is_live(x->g, i) || !is_garbage(x, i) || !first_time(x, i, from))
			continue;
		n++;
		if (writes)
			put_edge(x, EDGE_ELEMENT, n, row_of(x, i));
	}
	return n;
}

/* Of the nodes before the graph's. */
static uint64_t put_above_edges(struct snapshot *x, unsigned row, bool writes)
{
	if (row == LOST)
		return put_lost_edges(x, writes);
	if (row == UNCOLLECTED)
		return put_garbage_edges(x, writes);
	if (row != TOP)
		return put_root_edges(x, row - FIRST_KIND, writes);
	for (unsigned i = FIRST_KIND; writes && i < FIRST_NODE; i++)
		put_edge(x, EDGE_ELEMENT, i, i);
	return FIRST_NODE - FIRST_KIND;
}

/* Where the group's edges end; they are sorted by group. */
static uint64_t group_edges_end(const struct snapshot *x, uint64_t at, size_t group)
{
	const uint64_t *pairs = x->pairs.base;

	while (at < x->pairs.n && pairs[at] >> 32 == group)
		at++;
	return at;
}

/* ---- rows */

static void put_row(struct snapshot *x, enum node_type type, uint32_t name, uint64_t id,
		    uint64_t size, uint64_t edges)
{
	const uint64_t numbers[FIELDS] = { type, name, id, size, edges };

	put_numbers(x, !x->n_nodes++, numbers, FIELDS);
}

static uint32_t group_name(struct snapshot *x, const struct group *group)
{
	if (group->count == 1)
		return group->name;
	text_reset(&x->text);
	text_add(&x->text, x->strings.v[group->name]);
	text_add(&x->text, ", smaller ones together");
	return add_string(x, text_str(&x->text));
}

static void put_rows(struct snapshot *x)
{
	const struct graph *g = x->g;
	const uint32_t *edges = x->edges_col.base;
	uint64_t at = 0;

	for (unsigned i = 0; i < FIRST_NODE; i++)
		put_row(x, TYPE_SYNTHETIC, add_string(x, above_names[i]), FIRST_ID + i, 0, *edges++);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		if (has_row(x, it.id))
			put_row(x, TYPE_OBJECT, node_name(x, it.id, it.size),
				id_at(x, it.key, it.id), it.size, *edges++);
	for (size_t i = 0; i < x->groups.n; i++) {
		const struct group *group = &x->groups.v[i];
		uint64_t end = group_edges_end(x, at, i);

		put_row(x, TYPE_OBJECT, group_name(x, group), group->first_id, group->bytes,
			end - at);
		at = end;
	}
}

static void put_edges(struct snapshot *x)
{
	const struct graph *g = x->g;
	const uint64_t *pairs = x->pairs.base;

	for (unsigned i = 0; i < FIRST_NODE; i++)
		put_above_edges(x, i, true);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		if (has_row(x, it.id))
			put_node_edges(x, it.id, true);
	for (uint64_t i = 0; i < x->pairs.n; i++)
		put_edge(x, EDGE_ELEMENT, i, pairs[i] & UINT32_MAX);
}

/* The head of the file tells all edges before there are any, a row its own. */
static struct err *count_edges(struct snapshot *x, uint64_t *ret)
{
	const struct graph *g = x->g;
	struct err *err = col_fixed(x->env, 4, FIRST_NODE + x->n_kept, "heap snapshot",
				    &x->edges_col);
	uint32_t *edges = x->edges_col.base;
	uint64_t n = x->pairs.n;

	if (err)
		return err;
	for (unsigned i = 0; i < FIRST_NODE; i++)
		n += *edges++ = (uint32_t)put_above_edges(x, i, false);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		if (has_row(x, it.id))
			n += *edges++ = (uint32_t)put_node_edges(x, it.id, false);
	*ret = n;
	return NULL;
}

static struct err *put_strings(struct snapshot *x)
{
	struct json *j;
	struct err *err = json_open(x->out, JSON_PLAIN, &j);

	if (err)
		return err;
	json_list(j, NULL);
	for (size_t i = 0; i < x->strings.n; i++)
		json_text(j, NULL, x->strings.v[i]);
	json_end_list(j);
	return json_close(j, "heapsnapshot");
}

static struct err *write_all(struct snapshot *x)
{
	FILE *out = x->out;
	uint64_t n_edges;
	struct err *err = count_edges(x, &n_edges);

	if (err)
		return err;
	fprintf(out,
		"{\"snapshot\":{%s,\"node_count\":%" PRIu64 ",\"edge_count\":%" PRIu64
		",\"trace_function_count\":0,\"extra_native_bytes\":0,\"heapfx\":{"
		"\"version\":\"" HEAPFX_VERSION "\",\"nodes_together\":%" PRIu64
		",\"ids\":\"%s\"}},\n\"nodes\":[",
		meta, FIRST_NODE + x->n_kept + x->groups.n, n_edges, x->n_pruned,
		x->by_number ? "by order: of this file alone" : "by address");
	put_rows(x);
	put_buffer(x);
	fputs("],\n\"edges\":[", out);
	put_edges(x);
	put_buffer(x);
	fputs("],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n"
	      "\"locations\":[],\n\"strings\":",
	      out);
	err = x->bad ? &err_nomem : put_strings(x);
	if (err)
		return err;
	fputs("}\n", out);
	fflush(out);
	return ferror(out) ? err_os(errno, "writing heapsnapshot") : NULL;
}

struct err *heapsnapshot_write(struct env *env, const struct graph *g, const struct facts *f,
			       uint64_t max, FILE *out, uint64_t *ret_pruned)
{
	_cleanup_(snapshot_fini) struct snapshot x = {
		.env = env, .g = g, .f = f, .out = out, .text = TEXT_INIT
	};
	struct err *err;

	survey(&x, max);
	err = mark_kept(&x);
	if (err)
		return err;
	if (x.prunes && !x.bad)
		err = make_groups(&x);
	if (!err)
		err = x.bad ? &err_nomem : write_all(&x);
	*ret_pruned = x.n_pruned;
	return err;
}
