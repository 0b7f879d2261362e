/* type/row_slots.c - where each edge of a small block comes from. */
#include "type/row_slots.h"

#include "base/words.h"

static const uint8_t *view(struct row_slots *r, const struct image *img, taddr start, uint64_t size)
{
	uint64_t avail = 0;

	if (start < r->at || start >= r->end) {
		r->bytes = image_view(img, start, &avail);
		r->at = start;
		r->end = r->bytes ? start + avail : start;
	}
	return r->bytes && r->end - start >= size ? r->bytes + (start - r->at) : NULL;
}

static uint64_t head_of(struct row_slots *r, const struct scan *s, taddr start)
{
	const struct claim *c = r->claim;

	if (!c || start < c->start + c->bias || start >= c->end + c->bias)
		r->claim = c = blocks_claim_at(s->blocks, start);
	return c ? c->head : 0;
}

/* The edges of one block, found again one after another. */
struct matching {
	const struct graph *g;
	edge_id first, next, end;
	taddr held;
	uint16_t *ret;
};

static struct err *on_target(void *arg, taddr at, uint32_t target)
{
	struct matching *m = arg;

	if (m->next < m->end && m->g->dst[m->next] == target)
		m->ret[m->next++ - m->first] = (uint16_t)(at - m->held);
	return NULL;
}

bool row_slots_find(struct row_slots *r, const struct scan *s, const struct graph *g, node_id src,
		    taddr start, uint64_t size, uint16_t *ret)
{
	struct matching m = {
		.g = g, .first = graph_row(g, src), .end = graph_row(g, src + 1), .ret = ret
	};
	uint64_t n = m.end - m.first, mask, head;
	const uint8_t *bytes;
	struct err *err;

	if (!n || size > ROW_SLOTS_BYTES)
		return false;
	bytes = view(r, s->img, start, size);
	head = head_of(r, s, start);
	mask = bytes ? words_in_range(s->low, s->span, bytes, (unsigned)(size / 8)) : 0;
	if ((uint64_t)__builtin_popcountll(mask) == n) {
		for (; mask; mask &= mask - 1)
			*ret++ = (uint16_t)(8 * (uint64_t)__builtin_ctzll(mask) - head);
		return true;
	}
	m.next = m.first;
	m.held = start + head;
	err = scan_block(s, start, start + size, on_target, &m);
	err_free(err); /* on_target returns none */
	return m.next == m.end;
}
