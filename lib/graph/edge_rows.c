/* graph/edge_rows.c - columns of row starts, and the groups that need wide ones. */
#include "graph/edge_rows.h"

#include "base/words.h"

void edge_rows_close(struct edge_row_cols *c)
{
	col_close(&c->base);
	col_close(&c->group);
	col_close(&c->off);
	col_close(&c->wide);
}

struct err *edge_rows_open(struct env *env, uint64_t n, struct edge_row_cols *ret)
{
	static const char what[] = "edge rows";
	struct edge_row_cols c = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct err *err = col_fixed(env, 8, (n >> ROW_BLOCK_SHIFT) + 1, what, &c.base);

	if (!err)
		err = col_fixed(env, 4, (n >> ROW_GROUP_SHIFT) + 1, what, &c.group);
	if (!err)
		err = col_fixed(env, 1, n + 1, what, &c.off);
	if (!err)
		err = col_open(env, 8 * ROW_GROUP, (n >> ROW_GROUP_SHIFT) + 1, what, &c.wide);
	if (err) {
		edge_rows_close(&c);
		return err;
	}
	*ret = c;
	return NULL;
}

struct edge_rows edge_rows_of(const struct edge_row_cols *c)
{
	return (struct edge_rows){ .base = c->base.base,
			      .group = c->group.base,
			      .off = c->off.base,
			      .wide = c->wide.base };
}

/* The group of node i becomes wide, with the starts before i as they are. */
static struct err *widen(struct edge_row_cols *c, node_id i)
{
	uint32_t *group = (uint32_t *)c->group.base + (i >> ROW_GROUP_SHIFT);
	const uint8_t *off = (const uint8_t *)c->off.base + (i & ~(ROW_GROUP - 1u));
	uint64_t *starts, no;
	struct err *err;

	pthread_mutex_lock(&c->lock);
	no = c->wide.n;
	err = col_reserve(&c->wide, 1, &starts);
	c->wide.n += !err;
	pthread_mutex_unlock(&c->lock);
	if (err)
		return err;
	for (unsigned k = 0; k < (i & (ROW_GROUP - 1)); k++)
		starts[k] = (uint64_t)*group + off[k];
	*group = ROW_WIDE | (uint32_t)no;
	return NULL;
}

struct err *edge_rows_begin_wide(struct edge_row_cols *c, node_id i, uint64_t start)
{
	const uint32_t *group = (const uint32_t *)c->group.base + (i >> ROW_GROUP_SHIFT);
	bool is_first = !(i & (ROW_GROUP - 1));
	struct err *err = is_first || !(*group & ROW_WIDE) ? widen(c, i) : NULL;

	if (err)
		return err;
	((uint64_t *)c->wide.base)[(uint64_t)(*group & ~ROW_WIDE) << ROW_GROUP_SHIFT |
				   (i & (ROW_GROUP - 1))] = start;
	return NULL;
}

/* Of a whole group, the first of which has begun: false when it is wide, or has to be. */
static bool begin_rest(struct edge_row_cols *c, node_id first, const edge_id *starts)
{
	uint8_t *off = (uint8_t *)c->off.base + first;

	if (((const uint32_t *)c->group.base)[first >> ROW_GROUP_SHIFT] & ROW_WIDE ||
	    starts[ROW_GROUP - 1] - starts[0] > UINT8_MAX)
		return false;
	for (unsigned k = 1; k < ROW_GROUP; k++)
		off[k] = (uint8_t)(starts[k] - starts[0]);
	return true;
}

struct err *edge_rows_begin_all(struct edge_row_cols *c, node_id first, const edge_id *starts,
				unsigned n)
{
	struct err *err = NULL;

	for (unsigned i = 0; i < n && !err; i++) {
		err = edge_rows_begin(c, first + i, starts[i]);
		if (!err && !((first + i) & (ROW_GROUP - 1)) && n - i >= ROW_GROUP &&
		    begin_rest(c, first + i, starts + i))
			i += ROW_GROUP - 1;
	}
	return err;
}

/* The bits that are marked in `ask`. */
static uint64_t used_by_rows(const struct edge_rows *r, node_id first, uint64_t ask)
{
	uint64_t mask = 0;

	for (; ask; ask &= ask - 1) {
		node_id i = first + (node_id)__builtin_ctzll(ask);

		mask |= (uint64_t)(edge_rows_start(r, i) != edge_rows_start(r, i + 1)) << (i - first);
	}
	return mask;
}

uint64_t edge_rows_used(const struct edge_rows *r, node_id first, unsigned n)
{
	/* the last of each group is followed by another group's, and of `off` there are no more than n */
	uint64_t all = ~0ull >> (64 - n), ask = 0x8000800080008000ull | 1ull << (n - 1);

	for (unsigned k = 0; k < n; k += ROW_GROUP)
		if (r->group[(first + k) >> ROW_GROUP_SHIFT] & ROW_WIDE)
			ask |= 0xffffull << k;
	ask &= all;
	return (bytes_followed_by_others(r->off + first, n - 1) & ~ask) | used_by_rows(r, first, ask);
}

uint64_t edge_rows_wide(const struct edge_rows *r, node_id n)
{
	uint64_t wide = 0;

	for (uint64_t i = 0; i <= n >> ROW_GROUP_SHIFT; i++)
		wide += r->group[i] >> 31;
	return wide;
}

bool edge_rows_check(const struct edge_rows *r, node_id n, edge_id m, uint64_t n_wide)
{
	edge_id before = 0;

	for (uint64_t i = 0; i <= n >> ROW_GROUP_SHIFT; i++)
		if (r->group[i] & ROW_WIDE && (r->group[i] & ~ROW_WIDE) >= n_wide)
			return false;
	for (uint64_t i = 0; i <= n; i++) {
		edge_id at = edge_rows_start(r, (node_id)i);

		if (at < before || at > m)
			return false;
		before = at;
	}
	return before == m && !edge_rows_start(r, 0);
}
