/* fact/subset.c - numbered subsets of the nodes. */
#include "fact/parts.h"

struct err *subset_open(struct env *env, uint64_t n, struct subset *ret)
{
	struct subset s = {};
	struct err *err = col_fixed(env, 8, bits_words(n) + 1, "node set", &s.set_col);

	if (!err)
		err = col_fixed(env, 4, bits_words(n) + 1, "node set", &s.rank_col);
	if (err) {
		subset_close(&s);
		return err;
	}
	s.set = s.set_col.base;
	s.rank = s.rank_col.base;
	*ret = s;
	return NULL;
}

void subset_rank(struct subset *s)
{
	s->n = 0;
	for (uint64_t w = 0; w < s->set_col.n; w++) {
		s->rank[w] = s->n;
		s->n += (uint32_t)__builtin_popcountll(s->set[w]);
	}
}

struct err *subset_copy(struct env *env, uint64_t n, const struct subset *from, struct subset *ret)
{
	struct err *err = subset_open(env, n, ret);

	if (err)
		return err;
	memcpy(ret->set, from->set, 8 * from->set_col.n);
	memcpy(ret->rank, from->rank, 4 * from->rank_col.n);
	ret->n = from->n;
	return NULL;
}

void subset_close(struct subset *s)
{
	col_close(&s->set_col);
	col_close(&s->rank_col);
	*s = (struct subset){};
}

struct err *inner_nodes(struct env *env, const struct graph *g, struct subset *ret)
{
	struct err *err = subset_open(env, g->n, ret);

	if (err)
		return err;
	for (uint64_t i = 0; i < g->n; i += 64) {
		unsigned n = g->n - i < 64 ? (unsigned)(g->n - i) : 64;

		ret->set[i >> 6] = edge_rows_used(&g->rows, (node_id)i, n);
	}
	subset_rank(ret);
	return NULL;
}
