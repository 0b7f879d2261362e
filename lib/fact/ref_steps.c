/*
 * fact/ref_steps.c - the shortest ring among blocks that keep each other, and which of its
 * references would let them go if it were weak.
 *
 * Breadth first from those with a count, the lowest first, as long as that is little work.
 */
#include "base/guard.h"
#include "base/search.h"
#include "fact/parts.h"

enum {
	WORK_MAX = 1 << 20, /* nodes looked at for one ring */
	STEPS_MAX = 4096,
};

struct search {
	struct env *env;
	const struct ref_edges *r;
	const node_id *members;
	uint32_t n;
	struct col from_col, by_col, queue_col;
	uint32_t *from; /* by member: who reached it; UINT32_MAX: nobody */
	uint64_t *by;	/* and by which reference */
	uint32_t *queue;
};

static void search_fini(struct search *s)
{
	col_close(&s->from_col);
	col_close(&s->by_col);
	col_close(&s->queue_col);
}

static uint32_t member_of(const struct search *s, node_id node)
{
	uint64_t lo = partition_point(s->n, i, s->members[i] < node);

	return lo < s->n && s->members[lo] == node ? (uint32_t)lo : UINT32_MAX;
}

/* Steps of the shortest ring through one; 0: there is none. The last block is *ret_last. */
static uint32_t find_ring(struct search *s, uint32_t start, uint32_t *ret_last, uint64_t *ret_by)
{
	uint32_t head = 0, tail = 0, length = 1;

	memset(s->from, 0xff, s->n * sizeof(*s->from));
	s->from[start] = start;
	s->queue[tail++] = start;
	while (head < tail) {
		uint32_t at = s->queue[head++];
		struct ref_iter it = ref_iter(s->r, s->members[at]);
		struct ref_edge e;

		while (ref_next(&it, &e)) {
			uint32_t to = member_of(s, e.to);

			if (to == start) {
				*ret_last = at;
				*ret_by = e.reference;
				for (; at != start; at = s->from[at])
					length++;
				return length;
			}
			if (to == UINT32_MAX || s->from[to] != UINT32_MAX)
				continue;
			s->from[to] = at;
			s->by[to] = e.reference;
			s->queue[tail++] = to;
		}
	}
	return 0;
}

/* ---- what would break it */

static struct err *build_without(struct search *s, uint64_t without, struct graph_builder *b)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < s->n && !err; i++)
		err = graph_add_node(b, i, 1);
	for (uint32_t i = 0; i < s->n && !err; i++) {
		struct ref_iter it = ref_iter(s->r, s->members[i]);
		struct ref_edge e;

		while (!err && ref_next(&it, &e)) {
			uint32_t to = member_of(s, e.to);

			if (to != UINT32_MAX &&
			    (e.reference == UINT64_MAX || e.reference != without))
				err = graph_add_edge(b, i, to);
		}
	}
	return err;
}

/* Something with a count still leads to itself. */
static bool has_ring(const struct search *s, const struct lost_parts *parts, const uint32_t *sizes,
		     uint64_t without)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct ref_iter it = ref_iter(s->r, s->members[i]);
		struct ref_edge e;

		if (!bit_get(s->r->counted.set, s->members[i]))
			continue;
		if (sizes[parts->part[i]] > 1)
			return true;
		while (ref_next(&it, &e))
			if (e.to == s->members[i] && e.reference != without)
				return true;
	}
	return false;
}

static struct err *find_breaks(struct search *s, uint64_t without, bool *ret)
{
	struct graph_builder *b = NULL;
	struct graph *sub = NULL;
	struct lost_parts parts = {};
	struct col all = {}, sizes = {};
	struct err *err = graph_builder_new(s->env, &b);

	if (!err)
		err = build_without(s, without, b);
	if (!err)
		err = graph_build_finish(b, &sub);
	if (!err)
		err = col_fixed(s->env, 8, bits_words(s->n) + 1, "rings", &all);
	if (!err) {
		bits_set_range(all.base, 0, s->n);
		err = parts_of_set(s->env, sub, all.base, &parts);
	}
	if (!err)
		err = col_fixed(s->env, 4, (uint64_t)parts.n_parts + 1, "rings", &sizes);
	for (uint32_t i = 0; i < s->n && !err; i++)
		((uint32_t *)sizes.base)[parts.part[i]]++;
	if (!err)
		*ret = !has_ring(s, &parts, sizes.base, without);
	col_close(&sizes);
	col_close(&all);
	lost_parts_close(&parts);
	graph_free(sub);
	graph_builder_free(b);
	return err;
}

/* ---- all together */

static struct err *search_open(struct env *env, const struct ref_edges *r, const node_id *members,
			       uint32_t n, struct search *s)
{
	struct err *err = col_fixed(env, 4, n, "rings", &s->from_col);

	s->env = env;
	s->r = r;
	s->members = members;
	s->n = n;
	if (!err)
		err = col_fixed(env, 8, n, "rings", &s->by_col);
	if (!err)
		err = col_fixed(env, 4, n, "rings", &s->queue_col);
	s->from = s->from_col.base;
	s->by = s->by_col.base;
	s->queue = s->queue_col.base;
	return err;
}

/* The one with a count that the shortest ring goes through; *ret_length 0: there is no ring. */
static uint32_t find_start(struct search *s, uint32_t *ret_length)
{
	uint32_t best = 0, work = 0, last;
	uint64_t by;

	*ret_length = 0;
	for (uint32_t i = 0; i < s->n && work < WORK_MAX && *ret_length != 1; i++) {
		uint32_t length;

		if (!bit_get(s->r->counted.set, s->members[i]))
			continue;
		work += s->n;
		length = find_ring(s, i, &last, &by);
		if (length && (!*ret_length || length < *ret_length)) {
			best = i;
			*ret_length = length;
		}
	}
	return best;
}

static struct err *put_steps(struct search *s, uint32_t start, uint32_t length, struct col *steps)
{
	uint64_t first = steps->n, by = 0;
	uint32_t at = 0, work = 0;
	struct ref_step *v;
	struct err *err = NULL;

	find_ring(s, start, &at, &by);
	for (uint32_t i = 0; i < length && !err; i++)
		err = col_append(steps, &(struct ref_step){}, 1);
	v = (struct ref_step *)steps->base + first;
	for (uint32_t i = length; i-- && !err; at = s->from[at]) {
		v[i] = (struct ref_step){ .node = s->members[at], .reference = by };
		by = s->by[at];
		work += s->n;
		if (v[i].reference != UINT64_MAX && work < WORK_MAX)
			err = find_breaks(s, v[i].reference, &v[i].breaks);
	}
	return err;
}

struct err *ref_steps_find(struct env *env, const struct ref_edges *r, const node_id *members,
			   struct ref_ring *ring, struct col *steps)
{
	_cleanup_(search_fini) struct search s = {};
	struct err *err = search_open(env, r, members, (uint32_t)ring->nodes, &s);
	uint32_t start, length;

	if (err)
		return err;
	ring->first_step = steps->n;
	start = find_start(&s, &length);
	if (!length || length > STEPS_MAX)
		return NULL;
	err = put_steps(&s, start, length, steps);
	ring->n_steps = err ? 0 : length;
	return err;
}
