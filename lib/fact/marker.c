/* fact/marker.c - the stack of a marker, which grows as rows need it: most walks need little. */
#include "fact/marker.h"

struct err *marker_open(struct env *env, const struct graph *g, const uint64_t *inner,
			uint64_t *set, uint64_t extra, struct marker *ret)
{
	struct marker m = { .g = g, .inner = inner, .set = set, .extra = extra + 1 };
	struct err *err =
		col_open(env, sizeof(*m.stack), g->n + 2 * m.extra, "nodes to visit", &m.col);

	if (err)
		return err;
	marker_grow(&m, 0);
	if (m.err) {
		col_close(&m.col);
		return m.err;
	}
	*ret = m;
	return NULL;
}

void marker_close(struct marker *m)
{
	err_free(m->err);
	col_close(&m->col);
	*m = (struct marker){};
}

/* Room for n more, and for all that comes besides. */
void marker_grow(struct marker *m, uint64_t n)
{
	uint64_t left = m->col.max - m->n;
	void *room;

	n = n < left - m->extra ? n + m->extra : left;
	m->col.n = m->n;
	m->err = col_reserve(&m->col, n, &room);
	m->stack = m->col.base;
	m->room = m->col.cap - m->extra;
}
