/* type/go_specials.c - the specials of all spans in use: lists sorted by offset. */
#include "type/go_specials.h"

#include <string.h>

#include "base/guard.h"

enum {
	SPANS_MAX = 1 << 28,
	SPECIALS_MAX = 1 << 26, /* of all spans */
	STATE_IN_USE = 1,
	MSPAN_MAX = 512,
};

struct span {
	taddr start;
	uint64_t elem, bytes;
	bool noscan;
};

struct walk {
	struct env *env; /* NULL: damage is not told */
	const struct go *go;
	struct err *(*fn)(void *arg, const struct go_special *special);
	void *arg;
	uint64_t budget;
};

/* Sorted by offset: a list that goes back loops. */
static struct err *walk_list(struct walk *w, const struct span *s, taddr at)
{
	const struct go_layout *l = &w->go->layout;
	const struct image *img = w->go->img;
	uint64_t last = 0;
	struct err *err = NULL;

	while (at && !err && w->budget) {
		struct go_special special = { .elem = s->elem, .noscan = s->noscan };
		uint64_t next, offset = 0;

		w->budget--;
		if (image_read_u64(img, at + l->special.next, &next) ||
		    image_read(img, at + l->special.offset, &offset, l->special.offset_size) ||
		    image_read(img, at + l->special.kind, &special.kind, 1) || offset < last ||
		    offset >= s->bytes) {
			if (w->env)
				diag(w->env, "go/special", at,
				     "a special of the span at 0x%llx does not hold together",
				     (unsigned long long)s->start);
			break;
		}
		special.object = s->start + offset / s->elem * s->elem;
		special.fields = at + l->special.size;
		err = w->fn(w->arg, &special);
		last = offset;
		at = next;
	}
	return err;
}

static uint64_t span_field(const uint8_t *span, uint32_t offset, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, span + offset, bytes);
	return v;
}

static struct err *walk_span(struct walk *w, taddr at)
{
	const struct go_layout *l = &w->go->layout;
	uint8_t bytes[MSPAN_MAX] = {};
	struct span s;
	taddr specials;

	if (!at || image_read(w->go->img, at, bytes, l->mspan.size) != MEM_OK)
		return NULL;
	specials = span_field(bytes, l->mspan.specials, 8);
	if (!specials || span_field(bytes, l->mspan.state, 1) != STATE_IN_USE)
		return NULL;
	s.start = span_field(bytes, l->mspan.startAddr, 8);
	s.bytes = span_field(bytes, l->mspan.npages, 8) << 13;
	s.elem = span_field(bytes, l->mspan.elemsize, 8);
	s.noscan = span_field(bytes, l->mspan.spanclass, 1) & 1;
	if (!s.elem || s.elem > s.bytes || s.start > UINT64_MAX - s.bytes)
		return NULL;
	return walk_list(w, &s, specials);
}

static bool knows_specials(const struct go_layout *l)
{
	const uint32_t fields[] = { l->mspan.specials, l->mspan.state,	  l->mspan.startAddr,
				    l->mspan.npages,   l->mspan.elemsize, l->mspan.spanclass };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i] > MSPAN_MAX - 8)
			return false;
	return l->mspan.size && l->mspan.size <= MSPAN_MAX && l->special.size &&
	       l->special.next != GO_ABSENT &&
	       (l->special.offset_size == 2 || l->special.offset_size == 8);
}

struct err *go_specials_each(struct env *env, const struct go *go,
			     struct err *(*fn)(void *arg, const struct go_special *special),
			     void *arg)
{
	const struct go_layout *l = &go->layout;
	struct walk w = { .env = env, .go = go, .fn = fn, .arg = arg, .budget = SPECIALS_MAX };
	taddr spans;
	uint64_t n;
	struct err *err = NULL;

	if (!go->at.mheap || l->mheap.allspans == GO_ABSENT || !knows_specials(l) ||
	    !go_slice(go, go->at.mheap + l->mheap.allspans, 8, &spans, &n))
		return NULL;
	for (uint64_t i = 0; i < n && i < SPANS_MAX && !err; i++)
		err = walk_span(&w, go_word(go, spans + 8 * i));
	return err;
}
