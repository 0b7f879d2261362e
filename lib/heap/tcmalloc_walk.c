/*
 * tcmalloc_walk.c - which objects of the spans are free: by their spans, by thread and transfer caches.
 *
 * All objects of a span in use are allocated but for those in its own list (walked with the claim) and
 * those in the lists of ThreadCaches and in the used slots of transfer caches, which may lead anywhere
 * and are walked once, at the end (gperftools src/{central_freelist,thread_cache}.cc, linked_list.h).
 * Links are plain pointers in the first word of an object.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/fetch.h"
#include "heap/blocks.h"
#include "heap/tcmalloc_fields.h"
#include "image/resident.h"
#include "image/shadow.h"

/* ---- a span's own list */

enum {
	SPANS_AHEAD = 16, /* whose first free object is fetched meanwhile */
	CHAINS = 16,	  /* free objects of so many spans are followed in turn */
};

/* The bytes of a run of spans that lie in one stretch of the dump; most often all. */
struct view {
	const uint8_t *bytes;
	taddr start;
	uint64_t n;
};

/* The free objects of a span, as far as they were followed. */
struct chain {
	struct tc_span *span;
	taddr at;
	uint64_t bytes; /* of all its objects */
};

/*
 * One object on; false at the chain's end, or where it breaks.  Used bits are set where an object begins
 * and nowhere else, so that they say whether one does.
 */
static bool follow(struct tcmalloc *t, struct chain *c, const struct view *v, struct block_sink *sink)
{
	uint64_t in_view = c->at - v->start, next;
	struct tc_span *s = c->span;

	s->bad_at = c->at;
	s->problem = SPAN_BAD_LIST;
	if (c->at - s->base >= c->bytes || c->at & ((1u << sink->grains->shift) - 1) ||
	    !bit_get(sink->used, grain_of(sink->grains, c->at)))
		return false;
	block_sink_free(sink, c->at);
	s->n_free++;
	if (in_view < v->n && v->n - in_view >= sizeof(next)) {
		next = load_u64(v->bytes + in_view);
		image_keep(t->img, c->at, sizeof(next));
	} else if (image_read_u64(t->img, c->at, &next) != MEM_OK) {
		return false;
	}
	c->at = next;
	s->bad_at = 0;
	s->problem = SPAN_FINE;
	fetch_stream(v->bytes, v->n, next - v->start, 1);
	return next != 0;
}

/* Each object is in another line: that of one chain is fetched while others are followed. */
static void follow_all(struct tcmalloc *t, struct chain *chains, unsigned n, const struct view *v,
		       struct block_sink *sink)
{
	while (n)
		for (unsigned i = 0; i < n;) {
			struct tc_span *s = chains[i].span;

			if (follow(t, &chains[i], v, sink)) {
				i++;
				continue;
			}
			if (s->problem == SPAN_FINE && s->n_free + s->counted != tcm_span_objects(t, s))
				s->problem = SPAN_BAD_COUNT;
			chains[i] = chains[--n];
		}
}

/* Its objects, all of them used; true when it has free ones, by `ret`. */
static bool walk_span(struct tcmalloc *t, struct tc_span *s, struct block_sink *sink, struct chain *ret)
{
	uint64_t n, step, grain;

	s->problem = SPAN_FINE;
	if (!s->class) {
		block_sink_add(sink, s->base, true);
		return false;
	}
	if (s->class >= t->copies[s->copy].n_classes || tcm_object_size(t, s) > tc_span_bytes(s)) {
		s->problem = SPAN_BAD_CLASS;
		s->class = 0;
		block_sink_add(sink, s->base, true);
		return false;
	}
	n = tcm_span_objects(t, s);
	step = tcm_object_size(t, s) >> sink->grains->shift;
	grain = grain_of(sink->grains, s->base);
	for (uint64_t i = 0; i < n; i++, grain += step) {
		grains_set_start(sink->grains, grain);
		bit_set(sink->used, grain);
	}
	if (n * tcm_object_size(t, s) < tc_span_bytes(s))
		block_sink_gap(sink, s->base + n * tcm_object_size(t, s));
	*ret = (struct chain){ s, s->objects, n * tcm_object_size(t, s) };
	if (!s->objects && s->counted != n)
		s->problem = SPAN_BAD_COUNT;
	return s->objects != 0;
}

/* Do free lists lead through most of a run's memory?  Of the rest nothing is read here. */
static bool has_lists(const struct tc_run *run, const struct tc_span *spans)
{
	uint64_t all = spans[run->n - 1].end - spans[0].base, listed = 0;

	for (uint32_t i = 0; i < run->n; i++)
		listed += spans[i].class && spans[i].objects ? tc_span_bytes(&spans[i]) : 0;
	return listed > all / 2;
}

struct err *tcm_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct tcmalloc *t = ctx;
	const struct tc_run *run = &t->spans.runs.v[claim];
	struct tc_span *spans = t->spans.v + run->first;
	struct view v = { .start = spans[0].base };
	struct chain chains[CHAINS];
	unsigned n = 0;

	v.bytes = image_view(t->img, v.start, &v.n);
	if (!v.bytes)
		v.n = 0;
	if (has_lists(run, spans))
		image_take(t->img, spans[0].base, spans[run->n - 1].end);
	for (uint32_t i = 0; i < run->n; i++) {
		if (i + SPANS_AHEAD < run->n)
			fetch_stream(v.bytes, v.n, spans[i + SPANS_AHEAD].objects - v.start, 1);
		n += walk_span(t, &spans[i], sink, &chains[n]);
		if (n == CHAINS) {
			follow_all(t, chains, n, &v, sink);
			n = 0;
		}
	}
	follow_all(t, chains, n, &v, sink);
	return NULL;
}

/* ---- caches */

struct list_walk {
	struct tcmalloc *t;
	struct block_sink *sink;
	uint32_t copy, cache;
	uint32_t class;
	struct tc_span *span; /* the one found last */
	uint64_t n;	       /* objects of the list so far */
	taddr last;	       /* the last of them */
	taddr bad_at;	       /* where it broke; 0: it ended as it should */
};

/* Is there an object of this class at `at`, allocated as far as is known? */
static bool is_object(struct list_walk *w, taddr at)
{
	struct tc_span *s = w->span;
	uint64_t size = w->t->copies[w->copy].class_size[w->class];

	if (!s || at < s->base || at >= s->end)
		s = tc_span_at(&w->t->spans, at);
	if (!s || s->problem == SPAN_NOT_WALKED || s->copy != w->copy || s->class != w->class || (at - s->base) % size ||
	    (at - s->base) / size >= tcm_span_objects(w->t, s))
		return false;
	w->span = s;
	return grain_of(w->sink->grains, at) != GRAIN_NONE && bit_get(w->sink->used, grain_of(w->sink->grains, at));
}

/* Follows a list until it ends or breaks; each is marked once, so that loops end. */
static struct err *walk_list(struct list_walk *w, taddr at)
{
	for (w->n = 0, w->bad_at = 0, w->last = 0; at;) {
		struct tc_listed l = { .at = at, .copy = w->copy, .cache = w->cache };
		uint64_t next;
		struct err *err;

		if (!is_object(w, at) || image_read_u64(w->t->img, at, &next) != MEM_OK) {
			w->bad_at = at;
			return NULL;
		}
		block_sink_free(w->sink, at);
		w->span->n_cached++;
		w->n++;
		w->last = at;
		err = tc_list(&w->t->spans, &l);
		if (err)
			return err;
		at = next;
	}
	return NULL;
}

static void count_list(struct list_walk *w)
{
	uint64_t bytes = w->n * w->t->copies[w->copy].class_size[w->class];

	if (w->cache == TCM_TRANSFER) {
		w->t->n_in_transfer += w->n;
		w->t->bytes_in_transfer += bytes;
	} else {
		w->t->n_in_caches += w->n;
		w->t->bytes_in_caches += bytes;
	}
}

static struct err *walk_cache(struct list_walk *w, const struct tcm_copy *c, taddr cache)
{
	uint64_t bytes = 0;
	uint32_t size;

	for (w->class = 1; w->class < c->n_classes; w->class++) {
		taddr list = cache + (taddr)w->class * CACHE_LIST;
		uint64_t first;
		uint32_t length;
		struct err *err;

		if (image_read_u64(w->t->img, list, &first) != MEM_OK ||
		    image_read_u32(w->t->img, list + CACHE_LIST_LENGTH, &length) != MEM_OK)
			continue;
		err = walk_list(w, first);
		if (err)
			return err;
		count_list(w);
		bytes += w->n * c->class_size[w->class];
		if (!w->bad_at && w->n == length)
			w->t->spans.passed++;
		else if (w->bad_at)
			tc_damage(&w->t->spans, w->bad_at,
				   "thread cache at 0x%" PRIx64 ", objects of %u bytes: its list breaks at 0x%" PRIx64
				   ", %" PRIu64 " of %u were found; likely a write after free",
				   cache, c->class_size[w->class], w->bad_at, w->n, length);
		else
			tc_damage(&w->t->spans, list, "thread cache at 0x%" PRIx64 ", objects of %u bytes: %" PRIu64 " in its list, its length is %u",
				   cache, c->class_size[w->class], w->n, length);
	}
	/* Its own sum lags behind while an allocation is under way: one more reason not to call it damage. */
	if (image_read_u32(w->t->img, cache + CACHE_SIZE, &size) == MEM_OK) {
		if (size == bytes)
			w->t->spans.passed++;
		else
			w->t->spans.failed++;
	}
	return NULL;
}

static struct err *walk_transfer(struct list_walk *w, const struct tcm_copy *c)
{
	taddr central = c->central + (taddr)w->class * c->central_stride;
	uint32_t used;

	if (image_read_u32(w->t->img, central + CENTRAL_USED_SLOTS, &used) != MEM_OK)
		return NULL;
	if (used > CENTRAL_SLOTS_MAX) {
		tc_damage(&w->t->spans, central, "central free list at 0x%" PRIx64 ": %u transfer slots in use", central, used);
		return NULL;
	}
	w->cache = TCM_TRANSFER;
	for (uint32_t i = 0; i < used; i++) {
		taddr slot = central + CENTRAL_SLOTS + 16 * i;
		uint64_t head, tail;
		struct err *err;

		if (image_read_u64(w->t->img, slot, &head) != MEM_OK || image_read_u64(w->t->img, slot + 8, &tail) != MEM_OK)
			continue;
		err = walk_list(w, head);
		if (err)
			return err;
		count_list(w);
		if (!w->bad_at && w->last == tail)
			w->t->spans.passed++;
		else
			tc_damage(&w->t->spans, w->bad_at ? w->bad_at : slot,
				   "transfer cache slot at 0x%" PRIx64 ", objects of %u bytes: its chain ends at 0x%" PRIx64
				   " behind %" PRIu64 "; likely a write after free",
				   slot, c->class_size[w->class], w->bad_at ? w->bad_at : w->last, w->n);
	}
	return NULL;
}

static struct err *walk_caches(struct list_walk *w, const struct tcm_copy *c)
{
	struct err *err = NULL;

	for (size_t i = 0; i < c->caches.n && !err; i++) {
		w->cache = (uint32_t)i;
		err = walk_cache(w, c, c->caches.v[i].addr);
	}
	for (w->class = 1; w->class < c->n_classes && c->central && c->has_slots && !err; w->class++)
		err = walk_transfer(w, c);
	return err;
}

struct err *tcm_settle(void *ctx, struct block_sink *sink)
{
	struct tcmalloc *t = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < t->spans.n; i++)
		if (t->spans.v[i].problem != SPAN_NOT_WALKED)
			tc_tell(&t->spans, &t->spans.v[i], tcm_span_objects(t, &t->spans.v[i]));
	for (uint32_t i = 0; i < t->n_copies && !err; i++) {
		struct list_walk w = { .t = t, .sink = sink, .copy = i };

		err = walk_caches(&w, &t->copies[i]);
	}
	if (!err)
		tc_sort_listed(&t->spans);
	return err;
}
