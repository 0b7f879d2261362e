/*
 * heap/go_keep.c - what finds the Go heap again: walker_ops.keep.
 *
 * All of it is the runtime's own, and is read where its variables say: opening the heap again is
 * what keeps most of it.  The rest is bitmaps, which are never read as a whole.
 */
#include "base/bits.h"
#include "base/guard.h"
#include "heap/go_spans.h"
#include "image/go_sched.h"
#include "image/shadow.h"

enum {
	TWO_BITS_WORDS = 4,   /* of a byte of 1.19's bitmap */
	STRUCT_MAX = 1 << 15, /* p has queues of its own */
	GOBUF_BYTES = 56,
	PROCS_MAX = 1 << 16,
	PCLNTAB_MAX = 1 << 30,
};

/* The table of functions where the dump has it, and which words of data and bss are pointers. */
static void keep_module(const struct go_module *m, const struct image *img)
{
	taddr end = m->pclntable + m->n_pclntable;

	if (m->ftab + m->n_ftab * 8 > end)
		end = m->ftab + m->n_ftab * 8;
	if (end > m->pclntab && end - m->pclntab < PCLNTAB_MAX)
		image_keep(img, m->pclntab, end - m->pclntab);
	image_keep(img, m->gcdatamask, (m->n_gcdatamask + 7) / 8);
	image_keep(img, m->gcbssmask, (m->n_gcbssmask + 7) / 8);
}

/* heapArena.bitmap, of a span's words: to 1.21. */
static void keep_arena_bits(const struct go_heap *h, const struct go_span *s)
{
	const struct go_layout *l = &h->go->layout;
	uint64_t words = l->heapArena.noMorePtrs == GO_ABSENT ? TWO_BITS_WORDS : 8;

	for (taddr at = s->base, end; at < go_span_end(s); at = end) {
		taddr arena = go_heap_arena(h->go, at), from = at % GO_ARENA / GO_WORD / words;

		end = align_down(at, GO_ARENA) + GO_ARENA;
		end = end < go_span_end(s) ? end : go_span_end(s);
		if (arena)
			image_keep(h->img, arena + l->heapArena.bitmap + from,
				   (end - at) / GO_WORD / words + 1);
		if (arena && words == 8)
			image_keep(h->img, arena + l->heapArena.noMorePtrs, GO_ARENA / GO_PAGE / 8);
	}
}

static void keep_span(const struct go_heap *h, const struct go_span *s)
{
	uint64_t bits = ((uint64_t)s->nelems + 7) / 8;

	image_keep(h->img, s->addr, h->go->layout.mspan.size);
	if (s->state != GO_SPAN_IN_USE)
		return;
	image_keep(h->img, s->alloc_bits, bits);
	image_keep(h->img, s->mark_bits, bits);
	if (s->inline_marks)
		image_keep(h->img, s->base + GO_PAGE - GO_INLINE_MARKS, GO_INLINE_MARKS);
	if (s->bits == GO_BITS_ARENA)
		keep_arena_bits(h, s);
	if (s->bits == GO_BITS_SPAN) { /* one a word, at the end, before the marks */
		uint64_t n = go_span_bytes(s) / GO_WORD / 8;

		n += s->inline_marks ? GO_INLINE_MARKS : 0;
		image_keep(h->img, go_span_end(s) - n, n);
	}
	if (s->bits == GO_BITS_CHUNK) {
		taddr bitmap = go_word(h->go, s->large_type + 32);

		image_keep(h->img, bitmap, go_span_bytes(s) / GO_WORD / 8);
	}
	for (uint32_t i = 0; s->bits == GO_BITS_HEADER && i < s->nelems; i++)
		if (go_span_allocated(s, go_span_alloc_bits(h, s), i))
			image_keep(h->img, s->base + i * s->elemsize, GO_WORD);
}

/* Structures of the scheduler are objects of its heap: their fields, as far as any are read. */
static void keep_fields(const struct go_heap *h, taddr at, const uint32_t *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i] < STRUCT_MAX)
			image_keep(h->img, at + fields[i], GO_WORD);
}

static void keep_scheduler(const struct go_heap *h)
{
	const struct go *go = h->go;
	const struct go_layout *l = &go->layout;
	taddr list;
	uint64_t n;

	for (size_t i = 0; i < go->n_goroutines; i++) {
		taddr g = go->goroutines[i].g;

		keep_fields(h, g, (const uint32_t *)&l->g, sizeof(l->g) / sizeof(uint32_t));
		if (l->g.sched_sp < STRUCT_MAX)
			image_keep(h->img, g + l->g.sched_sp, GOBUF_BYTES);
	}
	if (!go->at.allp || !go_slice(go, go->at.allp, GO_WORD, &list, &n) || n > PROCS_MAX)
		return;
	for (uint64_t i = 0; i < n; i++)
		keep_fields(h, go_word(go, list + GO_WORD * i), (const uint32_t *)&l->p,
			    sizeof(l->p) / sizeof(uint32_t));
}

static struct err *pass_over(struct region_sink *sink, const struct heap_region *r)
{
	(void)sink;
	(void)r;
	return NULL;
}

extern const struct walker_ops go_walker;

struct err *go_keep(void *ctx, const struct blocks *b)
{
	const struct go_heap *h = ctx;
	_cleanup_(env_fini) struct env unheard = {}; /* what it finds wrong was told before */
	void *again = NULL;
	struct err *err;

	env_init(&unheard);

	for (size_t i = 0; i < h->go->n_modules; i++)
		keep_module(&h->go->modules[i], h->img);
	for (size_t i = 0; i < h->n_spans; i++)
		keep_span(h, &h->spans[i]);
	keep_scheduler(h);
	(void)b;
	err = go_walker.open(&unheard, h->img, &again);
	if (!err)
		err = go_walker.regions(again, &(struct region_sink){ pass_over });
	if (!err)
		go_walker.info(again);
	go_walker.close(again);
	return err;
}
