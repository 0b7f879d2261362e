/*
 * The walker of Go's heap on spans put down field by field: objects, slots, pages, figures, damage.
 * Field offsets are the tables' (image/go_layout.h); everything else here is by runtime/mheap.go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/guard.h"
#include "fake_image.h"
#include "heap/go_memstats.h"
#include "heap/go_spans.h"
#include "image/go_layout.h"
#include "image/go_type.h"

enum {
	MSPANS = 0x200000, /* 0x100 each */
	ALLSPANS = 0x208000,
	BITS = 0x20a000, /* 0x40 of allocBits, 0x40 of gcmarkBits a span */
	MHEAP = 0x300000,
	L2 = 0x340000, /* mheap_.arenas[0] */
	ARENA = 0x400000,
	CHUNKS = 0x700000, /* pageAlloc.chunks[0] */
	PROCS = 0x720000,
	COUNTERS = 0x730000,
	TYPES = 0x800000,
	HEAP = 0x4000000,
	PAGE = 8192,
	N_PAGES = 32,
	SWEEPGEN = 10,
};

static const struct fake_mapping memory[] = {
	{ MSPANS, 0x10000, SEG_R | SEG_W }, { MHEAP, 0x50000, SEG_R | SEG_W },	 { ARENA, 0x230000, SEG_R | SEG_W },
	{ CHUNKS, 0x100000, SEG_R | SEG_W }, { TYPES, 0x2000, SEG_R, 1 }, { HEAP, N_PAGES * PAGE, SEG_R | SEG_W },
	{},
};

static const struct walker_ops *const walkers[] = { &go_walker, NULL };

struct world {
	struct env env;
	struct fake_image *f;
	struct go go;
	struct go_module module;
	unsigned n_spans;
	struct blocks blocks;
};

static void put(struct world *w, taddr at, uint64_t value, unsigned size)
{
	for (size_t i = 0; i < w->f->img.n_segments; i++) {
		const struct segment *s = &w->f->segments[i];

		if (at >= s->start && at + size <= s->end) {
			memcpy((uint8_t *)s->bytes + (at - s->start), &value, size);
			return;
		}
	}
	fail_msg("0x%lx is nowhere", at);
}

struct spec {
	unsigned page, npages, class; /* class: size class, twice, + 1 for noscan */
	uint64_t elemsize;
	unsigned nelems, freeindex;
	uint64_t allocated; /* first 64 bits */
	taddr large_type;
	uint8_t state; /* 0: in use */
	bool user_arena;
	unsigned sweepgen;
};

/* Adds a span to allspans and to its arena. */
static taddr add_span(struct world *w, const struct spec *s)
{
	const struct go_layout *l = &w->go.layout;
	taddr at = MSPANS + 0x100 * w->n_spans, bits = BITS + 0x80 * w->n_spans, base = HEAP + s->page * PAGE;

	put(w, at + l->mspan.startAddr, base, 8);
	put(w, at + l->mspan.npages, s->npages, 8);
	put(w, at + l->mspan.freeindex, s->freeindex, l->mspan.int_size);
	put(w, at + l->mspan.nelems, s->nelems, l->mspan.int_size);
	put(w, at + l->mspan.allocBits, bits, 8);
	put(w, bits, s->allocated, 8);
	put(w, at + l->mspan.gcmarkBits, bits + 0x40, 8);
	put(w, at + l->mspan.sweepgen, s->sweepgen ? s->sweepgen : SWEEPGEN, 4);
	put(w, at + l->mspan.spanclass, s->class, 1);
	put(w, at + l->mspan.state, s->state ? s->state : GO_SPAN_IN_USE, 1);
	put(w, at + l->mspan.elemsize, s->elemsize, 8);
	if (l->mspan.largeType != GO_ABSENT)
		put(w, at + l->mspan.largeType, s->large_type, 8);
	if (l->mspan.isUserArenaChunk != GO_ABSENT)
		put(w, at + l->mspan.isUserArenaChunk, s->user_arena, 1);
	for (unsigned i = 0; i < s->npages; i++)
		put(w, ARENA + l->heapArena.spans + 8 * (s->page + i), at, 8);
	put(w, ALLSPANS + 8 * w->n_spans++, at, 8);
	put(w, MHEAP + l->mheap.allspans + 8, w->n_spans, 8);
	put(w, MHEAP + l->mheap.allspans + 16, w->n_spans, 8);
	return at;
}

/* What the runtime's own count has to say, for spans that are to be whole. */
static void count(struct world *w, taddr span, unsigned n)
{
	put(w, span + w->go.layout.mspan.allocCount, n, 2);
}

static void world_open(struct world *w, unsigned minor)
{
	static const struct fake_word none[] = { {} };
	const struct go_layout *l = &w->go.layout;

	*w = (struct world){};
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, none);
	w->f->target.id = TARGET_AARCH64; /* its arenas are counted from 0 */
	w->module = (struct go_module){ .types = TYPES, .etypes = TYPES + 0x1000 };
	w->go = (struct go){
		.env = &w->env, .img = &w->f->img, .minor = minor, .version = "go1.x", .how = "structure",
		.greentea = minor >= 26, .allocheaders = minor >= 22, .modules = &w->module, .n_modules = 1,
		.at = { .mheap = MHEAP },
	};
	go_layout_of(minor, TARGET_AARCH64, w->go.allocheaders, w->go.greentea, &w->go.layout);
	w->f->img.go = &w->go;
	assert_null(go_types_open(&w->go, &w->go.types));
	put(w, MHEAP + l->mheap.allspans, ALLSPANS, 8);
	put(w, MHEAP + l->mheap.sweepgen, SWEEPGEN, 4);
	put(w, MHEAP + l->mheap.arenas, L2, 8);
	put(w, L2 + HEAP / GO_ARENA * 8, ARENA, 8);
}

static void world_build(struct world *w)
{
	assert_null(blocks_build_with(&w->env, &w->f->img, walkers, &w->blocks));
	assert_int_equal(w->blocks.n_heaps, 1);
}

static void world_close(struct world *w)
{
	blocks_fini(&w->blocks);
	go_types_close(w->go.types);
	fake_image_free(w->f);
	assert_int_equal(w->env.mem_used, 0);
	env_fini(&w->env);
}

/* ---- objects */

/* 'u', 'f' a block each, '.' what is none: at most 24 of them. */
static void blocks_in_words(const struct world *w, char *ret)
{
	unsigned n = 0;
	struct block b;

	for (uint32_t id = 0; id < w->blocks.grains.n && n < 24; id++) {
		block_get(&w->blocks, id, &b);
		if (b.start >= HEAP && b.start < HEAP + N_PAGES * PAGE)
			ret[n++] = b.filler ? '.' : b.used ? 'u' : 'f';
	}
	ret[n] = '\0';
}

static void objects_are_below_freeindex_or_have_their_bit(void **state)
{
	static const struct {
		struct spec span;
		unsigned allocated;
		const char *blocks; /* with the rest of the unit behind */
	} cases[] = {
		{ { 0, 1, 60, 2048, 4, 0, 0 }, 0, "ffff." },
		{ { 0, 1, 60, 2048, 4, 2, 0 }, 2, "uuff." },
		{ { 0, 1, 60, 2048, 4, 0, 0xa }, 2, "fufu." },
		{ { 0, 1, 60, 2048, 4, 1, 0xa }, 3, "uufu." },
		{ { 0, 1, 60, 2048, 4, 4, 0 }, 4, "uuuu." },
		{ { 0, 1, 60, 2048, 3, 3, 0xff }, 3, "uuu.." }, /* bits behind the last say nothing */
		{ { 1, 2, 60, 5376, 3, 0, 5 }, 2, ".ufu.." },
		{ { 0, 3, 1, 3 * PAGE, 1, 1, 0 }, 1, "u." },
		{ { 0, 1, 60, 2048, 4, 0, 15, .state = GO_SPAN_MANUAL }, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		char got[32];

		world_open(&w, 24);
		count(&w, add_span(&w, &cases[i].span), cases[i].allocated);
		world_build(&w);
		blocks_in_words(&w, got);
		assert_string_equal(got, cases[i].blocks);
		assert_int_equal(w.blocks.heaps[0].info->n_used, cases[i].allocated);
		assert_int_equal(w.blocks.heaps[0].info->used, cases[i].allocated * cases[i].span.elemsize);
		assert_int_equal(w.blocks.heaps[0].info->checks_failed, 0);
		world_close(&w);
	}
}

static void small_ones_are_eight_bytes_apart(void **state)
{
	static const struct spec eights = { 0, 1, 2, 8, 1008, 3, 1ull << 63 }, fours = { 1, 1, 6, 24, 341, 0, 2 };
	struct world w;

	(void)state;
	world_open(&w, 24);
	add_span(&w, &eights);
	add_span(&w, &fours);
	world_build(&w);
	assert_true(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + 16)));
	assert_false(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + 24)));
	assert_true(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + 63 * 8)));
	assert_false(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + PAGE + 23)));
	assert_true(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + PAGE + 24)));
	assert_true(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + PAGE + 47)));
	assert_false(block_is_used(&w.blocks, block_at(&w.blocks, HEAP + PAGE + 48)));
	world_close(&w);
}

static void programs_hold_what_is_behind_the_header(void **state)
{
	static const struct {
		unsigned minor;
		struct spec span;
		unsigned head;
	} cases[] = {
		{ 24, { 0, 1, 60, 1024, 8, 8, 0 }, 8 }, { 24, { 0, 1, 61, 1024, 8, 8, 0 }, 0 },
		{ 24, { 0, 1, 40, 512, 15, 8, 0 }, 0 }, { 24, { 0, 5, 0, 5 * PAGE, 1, 1, 0 }, 0 },
		{ 21, { 0, 1, 60, 1024, 8, 8, 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		struct block b;

		world_open(&w, cases[i].minor);
		add_span(&w, &cases[i].span);
		world_build(&w);
		block_get(&w.blocks, block_at(&w.blocks, HEAP + 32), &b);
		assert_int_equal(b.start, HEAP);
		assert_int_equal(b.addr, HEAP + cases[i].head);
		assert_int_equal(b.usable, cases[i].span.elemsize - cases[i].head);
		assert_int_equal(b.size, cases[i].span.elemsize);
		world_close(&w);
	}
}

/* ---- slots */

enum {
	POINTER = TYPES + 0x100,
	PAIR = TYPES + 0x200,  /* struct { p unsafe.Pointer; n uintptr; q unsafe.Pointer; m uintptr } */
	LONG = TYPES + 0x300,  /* [2^20]pair: its mask is too long to be made */
	UINTPTR = TYPES + 0x400,
	FIELDS = TYPES + 0x500,
	NAMES = TYPES + 0x1000,
};

/* internal/abi.Type, without a name of its own. */
static void put_type(struct world *w, taddr at, uint64_t size, uint64_t ptr_bytes, unsigned kind)
{
	put(w, at, size, 8);
	put(w, at + 8, ptr_bytes, 8);
	put(w, at + 16, 0x1000 + at, 4);
	put(w, at + 21, 8, 1);
	put(w, at + 22, 8, 1);
	put(w, at + 23, kind, 1);
}

static void put_types(struct world *w)
{
	static const taddr types[] = { POINTER, UINTPTR, POINTER, UINTPTR };

	w->module.etypes = TYPES + 0x2000;
	/* abi.Name: flags, length, bytes. */
	put(w, NAMES, 0x610100, 8);
	put_type(w, POINTER, 8, 8, GO_UNSAFE_POINTER);
	put_type(w, UINTPTR, 8, 0, GO_UINTPTR);
	put_type(w, PAIR, 32, 24, GO_STRUCT);
	put(w, PAIR + 56, FIELDS, 8);
	put(w, PAIR + 64, 4, 8);
	put(w, PAIR + 72, 4, 8);
	for (unsigned i = 0; i < 4; i++) {
		put(w, FIELDS + 24 * i, NAMES, 8);
		put(w, FIELDS + 24 * i + 8, types[i], 8);
		put(w, FIELDS + 24 * i + 16, 8 * i, 8);
	}
	put_type(w, LONG, 32ull << 20, (32ull << 20) - 8, GO_ARRAY);
	put(w, LONG + 48, PAIR, 8);
	put(w, LONG + 64, 1 << 20, 8);
	for (unsigned i = 0; i < 4; i++)
		put(w, TYPES + 0x100 * (i + 1) + 40, 0x1000, 4); /* Str: the one name there is */
}

struct slot_case {
	const char *name;
	unsigned minor;
	struct spec span;
	struct fake_word words[6];
	uint64_t from; /* bytes into the span: where the question begins */
	uint64_t mask; /* of 64 words */
};

static const struct slot_case slot_cases[] = {
	{ "no pointers", 24, { 0, 1, 41, 512, 15, 15, 0 }, { { HEAP + PAGE - 128, ~0ull } }, 0, 0 },
	{ "bits at the end", 24, { 0, 1, 40, 512, 15, 15, 0 }, { { HEAP + PAGE - 128, 0x8001 } }, 0, 0x8001 },
	{ "the second object's", 24, { 0, 1, 40, 512, 15, 15, 0 }, { { HEAP + PAGE - 120, 0x13 } }, 512, 0x13 },
	{ "from its second word on", 24, { 0, 1, 40, 512, 15, 15, 0 },
	  { { HEAP + PAGE - 120, 0x13 } }, 520, 0x9 },
	{ "in front of inline marks", 26, { 0, 1, 40, 512, 15, 15, 0 },
	  { { HEAP + PAGE - 256, 0x5 }, { HEAP + PAGE - 128, ~0ull } }, 0, 0x5 },
	{ "not for eight bytes", 26, { 0, 1, 2, 8, 1008, 1008, 0 },
	  { { HEAP + PAGE - 128, 0x5 }, { HEAP + PAGE - 256, ~0ull } }, 0, 0x5 },
	{ "a header", 24, { 0, 1, 60, 1024, 8, 8, 0 }, { { HEAP, PAIR } }, 0, 0xaaaaaaaaaaaaaaaa },
	{ "a header, from behind on", 24, { 0, 1, 60, 1024, 8, 8, 0 }, { { HEAP, PAIR } }, 8, 0x5555555555555555 },
	{ "one pointer after the other", 24, { 0, 1, 60, 1024, 8, 8, 0 }, { { HEAP, POINTER } }, 0, ~1ull },
	{ "two headers in sight", 24, { 0, 1, 60, 1024, 8, 8, 0 },
	  { { HEAP, POINTER }, { HEAP + 1024, PAIR } }, 1024 - 32, 0xaaaaaaaaaaaaaaaf & ~0x10ull },
	{ "of a free one", 24, { 0, 1, 60, 1024, 8, 0, 2 }, { { HEAP, POINTER } }, 0, 0 },
	{ "a header not written yet", 24, { 0, 1, 60, 1024, 8, 8, 0 }, {}, 0, 0 },
	{ "a header that is no type", 24, { 0, 1, 60, 1024, 8, 8, 0 }, { { HEAP, TYPES + 0x700 } }, 0, ~1ull },
	{ "a large one", 24, { 0, 5, 0, 5 * PAGE, 1, 1, 0, PAIR }, {}, 2 * PAGE + 8, 0xaaaaaaaaaaaaaaaa },
	{ "a large one of a long type", 24, { 0, 5, 0, 5 * PAGE, 1, 1, 0, LONG }, {}, PAGE, 0x5555555555555555 },
	{ "a large one without type", 24, { 0, 5, 0, 5 * PAGE, 1, 1, 0 }, {}, 0, 0 },
	{ "a user arena's chunk", 24, { 0, 4, 0, 3 * PAGE, 1, 1, 0, HEAP + 3 * PAGE, .user_arena = true },
	  { { HEAP + 3 * PAGE + 8, 80 }, { HEAP + 3 * PAGE + 32, HEAP + 3 * PAGE + 64 },
	    { HEAP + 3 * PAGE + 64, 0xf33 } }, 0, 0x333 },
	{ "the arena's bits", 21, { 0, 1, 60, 1024, 8, 8, 0 }, { { ARENA, 0x7 }, { ARENA + 8, 0x9 } }, 512, 0x9 },
	{ "the arena's bits of a later page", 20, { 3, 1, 60, 1024, 8, 8, 0 },
	  { { ARENA + 3 * PAGE / 64, 0xf0 } }, 8, 0x78 },
	{ "two bits a word", 19, { 0, 1, 60, 1024, 8, 8, 0 }, { { ARENA, 0xf5f3 } }, 0, 0x53 },
	{ "until scanning ends", 19, { 0, 1, 60, 1024, 8, 8, 0 }, { { ARENA, 0xff3ff3 } }, 0, 0x33 },
	{ "each object its own end", 19, { 0, 1, 6, 24, 341, 341, 0 }, { { ARENA, 0x3f9f } }, 0, 0x39 },
};

static void slots_are_the_collectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slot_cases); i++) {
		const struct slot_case *c = &slot_cases[i];
		uint64_t mask = 0x1234;
		struct world w;

		world_open(&w, c->minor);
		put_types(&w);
		for (unsigned k = 0; k < ARRAY_SIZE(c->words) && c->words[k].at; k++)
			put(&w, c->words[k].at, c->words[k].value, 8);
		add_span(&w, &c->span);
		world_build(&w);
		assert_int_equal(w.blocks.claims[0].no_pointers, c->span.class & 1);
		go_walker.slots(w.blocks.heaps[0].ctx, 0, HEAP + c->span.page * PAGE + c->from, 64, &mask);
		if (mask != c->mask)
			fail_msg("%s: 0x%lx, not 0x%lx", c->name, mask, c->mask);
		world_close(&w);
	}
}

static void a_window_over_many_spans(void **state)
{
	uint64_t mask[5 * 16];
	struct world w;

	(void)state;
	world_open(&w, 24);
	for (unsigned i = 0; i < 4; i++) {
		add_span(&w, &(struct spec){ i, 1, 40, 512, 15, 15, 0 });
		put(&w, HEAP + (i + 1) * PAGE - 128, 1ull << i, 8);
	}
	world_build(&w);
	assert_int_equal(w.blocks.n_claims, 1);
	go_walker.slots(w.blocks.heaps[0].ctx, 0, HEAP + 512, 4 * PAGE / 8 - 64, mask);
	for (unsigned i = 0; i < 4 * 16 - 1; i++)
		assert_int_equal(mask[i], i % 16 == 15 ? 1ull << (i + 1) / 16 : 0);
	world_close(&w);
}

/* ---- pages and figures */

static void set_page(struct world *w, unsigned page, bool allocated, bool scavenged)
{
	taddr chunk = CHUNKS + HEAP / (512 * PAGE) * 128;

	if (allocated)
		put(w, chunk + page / 8, go_word(&w->go, chunk + page / 64 * 8) >> page % 64 / 8 * 8 | 1u << page % 8, 1);
	if (scavenged)
		put(w, chunk + 64 + page / 8, go_word(&w->go, chunk + 64 + page / 64 * 8) >> page % 64 / 8 * 8 | 1u << page % 8, 1);
}

/* Pages 0 and 1: a span; 2 idle, 3 returned, 4 of a stack, 5 in front of a random base, 6 and 7 cached by a P. */
static void put_pages(struct world *w)
{
	const struct go_layout *l = &w->go.layout;
	taddr pages = MHEAP + l->mheap.pages;

	count(w, add_span(w, &(struct spec){ 0, 2, 60, 2048, 8, 5, 0 }), 5);
	add_span(w, &(struct spec){ 4, 1, 0, 2048, 0, 0, 0, .state = GO_SPAN_MANUAL });
	put(w, pages + l->pageAlloc.inUse, CHUNKS + 0x8000, 8);
	put(w, pages + l->pageAlloc.inUse + 8, 1, 8);
	put(w, pages + l->pageAlloc.inUse + 16, 1, 8);
	put(w, CHUNKS + 0x8000, HEAP, 8);
	put(w, CHUNKS + 0x8008, HEAP + 8 * PAGE, 8);
	put(w, pages + l->pageAlloc.chunks, CHUNKS, 8);
	for (unsigned i = 0; i < 8; i++)
		set_page(w, i, i != 2 && i != 3, i == 3 || i == 5);
	w->go.at.allp = PROCS;
	put(w, PROCS, PROCS + 0x100, 8);
	put(w, PROCS + 8, 1, 8);
	put(w, PROCS + 16, 1, 8);
	put(w, PROCS + 0x100, PROCS + 0x200, 8);
	put(w, PROCS + 0x200 + l->p.pcache, HEAP + 6 * PAGE, 8);
	put(w, PROCS + 0x200 + l->p.pcache + 8, 3, 8);
	put(w, PROCS + 0x200 + l->p.pcache + 16, 2, 8);
}

static void figures_from_spans_and_pages(void **state)
{
	static const struct {
		enum go_figure_no no;
		uint64_t computed;
	} want[] = {
		{ GO_ALLOC_BYTES, 5 * 2048 },	 { GO_ALLOC_OBJECTS, 5 },	{ GO_HEAP_INUSE, 2 * PAGE },
		{ GO_HEAP_IDLE, 5 * PAGE },	 { GO_HEAP_RELEASED, 3 * PAGE }, { GO_HEAP_SYS, 7 * PAGE },
		{ GO_STACK_INUSE, PAGE },
	};
	const struct go_memstats *m;
	struct world w;

	(void)state;
	world_open(&w, 26);
	put_pages(&w);
	world_build(&w);
	m = go_memstats_of(&w.blocks);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(m->figures[want[i].no].is_computed);
		assert_int_equal(m->figures[want[i].no].computed, want[i].computed);
	}
	assert_int_equal(m->classes[30].n_free, 3);
	assert_int_equal(m->classes[30].elemsize, 2048);
	assert_string_equal(w.blocks.heaps[0].info->wheres[0].where, "size class 2048");
	world_close(&w);
}

struct seen {
	struct region_sink sink; /* first */
	struct text text;
};

static struct err *on_region(struct region_sink *sink, const struct heap_region *r)
{
	struct seen *s = (struct seen *)sink;

	if (r->start >= HEAP && r->start < HEAP + N_PAGES * PAGE)
		text_printf(&s->text, "%lu-%lu %s; ", (r->start - HEAP) / PAGE, (r->end - HEAP) / PAGE, r->category);
	return NULL;
}

static void regions_beside_the_spans(void **state)
{
	struct seen s = { .sink = { on_region }, .text = TEXT_INIT };
	struct world w;

	(void)state;
	world_open(&w, 26);
	put_pages(&w);
	world_build(&w);
	assert_null(go_walker.regions(w.blocks.heaps[0].ctx, &s.sink));
	assert_string_equal(text_str(&s.text), "4-5 go/stacks-rest; 2-3 go/idle; 3-4 go/returned; 5-6 go/returned; "
					       "6-7 go/idle; 7-8 go/returned; ");
	text_fini(&s.text);
	world_close(&w);
}

/* runtime.mstats: three deltas of committed .. inWorkBufs, then counts; after them the *_sys, last_gc. */
static void figures_that_the_runtime_counts(void **state)
{
	static const struct {
		unsigned minor, delta, tiny, sys;
	} layouts[] = { { 24, 1176, 48, 3544 }, { 26, 1168, 40, 3520 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const struct go_memstats *m;
		struct world w;

		world_open(&w, layouts[i].minor);
		put_pages(&w);
		w.go.at.memstats = COUNTERS;
		for (unsigned k = 0; k < 2; k++) { /* split over two of the three */
			taddr tiny = COUNTERS + k * layouts[i].delta + layouts[i].tiny;

			put(&w, COUNTERS + k * layouts[i].delta + 24, k ? -PAGE : 2 * PAGE, 8); /* inStacks */
			put(&w, tiny, 7, 8);
			put(&w, tiny + 8, 1000, 8);			       /* largeAlloc */
			put(&w, tiny + 16, 1, 8);			       /* largeAllocCount */
			put(&w, tiny + 24 + 8 * 30, 10, 8);		       /* smallAllocCount[30] */
			put(&w, tiny + 24 + 8 * 68 + 16 + 8 * 30, 5 + k, 8);   /* smallFreeCount[30] */
		}
		put(&w, COUNTERS + layouts[i].sys + 8, 4321, 8);		   /* mspan_sys */
		put(&w, COUNTERS + layouts[i].sys + (8 + 512) * 8, 17, 4);	   /* numgc */
		world_build(&w);
		m = go_memstats_of(&w.blocks);
		assert_int_equal(m->figures[GO_ALLOC_BYTES].counted, 2000 + 9 * 2048);
		assert_int_equal(m->figures[GO_ALLOC_OBJECTS].counted, 2 + 9);
		assert_int_equal(m->figures[GO_MALLOCS].counted, 2 + 20 + 14);
		assert_int_equal(m->figures[GO_STACK_INUSE].counted, PAGE);
		assert_int_equal(m->figures[GO_MSPAN_SYS].counted, 4321);
		assert_int_equal(m->figures[GO_NUM_GC].counted, 17);
		assert_false(m->figures[GO_NEXT_GC].is_counted); /* no gcController */
		world_close(&w);
	}
}

static void what_a_processor_holds_is_not_counted_yet(void **state)
{
	struct world w;
	taddr span;

	(void)state;
	world_open(&w, 26);
	span = add_span(&w, &(struct spec){ 0, 1, 60, 2048, 4, 3, 0, .sweepgen = SWEEPGEN + 3 });
	count(&w, span, 3);
	put(&w, span + w.go.layout.mspan.allocCount + 6, 1, 2); /* allocCountBeforeCache */
	world_build(&w);
	assert_int_equal(go_memstats_of(&w.blocks)->n_cached, 2);
	assert_int_equal(go_memstats_of(&w.blocks)->cached, 2 * 2048);
	world_close(&w);
}

/* ---- words, and damage */

static void an_object_in_words(void **state)
{
	static const struct {
		struct spec span;
		const char *part, *where;
	} cases[] = {
		{ { 0, 1, 60, 2048, 4, 0, 4 }, "element 2 of 4, allocated, mark bit clear", NULL },
		{ { 0, 1, 60, 2048, 4, 0, 0 }, "element 2 of 4, free", "size class 2048" },
		{ { 0, 1, 60, 2048, 4, 4, 0, .sweepgen = SWEEPGEN - 2 }, "not swept yet", NULL },
		{ { 0, 1, 60, 2048, 4, 4, 0, .sweepgen = SWEEPGEN + 3 }, "cached by a processor", NULL },
		{ { 0, 1, 61, 2048, 4, 4, 0 }, "no pointers", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(text_fini) struct text t = TEXT_INIT;
		struct world w;
		const char *where;

		world_open(&w, 24);
		add_span(&w, &cases[i].span);
		world_build(&w);
		where = go_walker.explain(w.blocks.heaps[0].ctx, HEAP + 4096, &t);
		if (!strstr(text_str(&t), cases[i].part))
			fail_msg("no \"%s\" in \"%s\"", cases[i].part, text_str(&t));
		if (cases[i].where)
			assert_string_equal(where, cases[i].where);
		else
			assert_null(where);
		world_close(&w);
	}
}

/* A field of the second of three spans is overwritten: what stays of the heap, and what is said. */
static void damage_is_listed_and_the_rest_goes_on(void **state)
{
	static const struct {
		size_t field; /* in struct go_layout */
		unsigned size;
		uint64_t value;
		unsigned n_used;
	} cases[] = {
#define FIELD(f) offsetof(struct go_layout, mspan.f)
		{ FIELD(startAddr), 8, HEAP + 8, 8 },	      { FIELD(startAddr), 8, 0x7fff0000, 8 },
		{ FIELD(startAddr), 8, ~0ull, 8 },	      { FIELD(startAddr), 8, HEAP, 8 },
		{ FIELD(npages), 8, 0, 8 },		      { FIELD(npages), 8, ~0ull, 8 },
		{ FIELD(npages), 8, 1ull << 40, 8 },	      { FIELD(npages), 8, 1ull << 20, 12 },
		{ FIELD(npages), 8, 3, 12 },	     	      { FIELD(nelems), 2, 0, 8 },
		{ FIELD(nelems), 2, 5, 8 },		      { FIELD(elemsize), 8, 0, 8 },
		{ FIELD(elemsize), 8, 2049, 8 },	      { FIELD(elemsize), 8, 1ull << 62, 8 },
		{ FIELD(spanclass), 1, 0xff, 8 },	      { FIELD(state), 1, 7, 8 },
		{ FIELD(freeindex), 2, 5, 8 },		      { FIELD(allocBits), 8, 1, 12 },
		{ FIELD(allocCount), 2, 99, 12 },	      { FIELD(gcmarkBits), 8, 1, 12 },
		{ FIELD(specials), 8, 1, 12 },
#undef FIELD
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		uint32_t offset;
		bool silent = i >= ARRAY_SIZE(cases) - 2; /* read when somebody asks */
		taddr spans[3];

		world_open(&w, 24);
		for (unsigned k = 0; k < 3; k++) {
			spans[k] = add_span(&w, &(struct spec){ 2 * k, 1, 60, 2048, 4, 4, 0 });
			count(&w, spans[k], 4);
		}
		memcpy(&offset, (const uint8_t *)&w.go.layout + cases[i].field, sizeof(offset));
		put(&w, spans[1] + offset, cases[i].value, cases[i].size);
		world_build(&w);
		if (w.blocks.heaps[0].info->n_used != cases[i].n_used || !w.blocks.heaps[0].info->n_damage != silent)
			fail_msg("case %zu: %lu used, %zu damaged", i, w.blocks.heaps[0].info->n_used,
				 w.blocks.heaps[0].info->n_damage);
		world_close(&w);
	}
}

static void no_list_of_spans(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 24);
	put(&w, MHEAP + w.go.layout.mheap.allspans + 8, 1ull << 60, 8);
	put(&w, MHEAP + w.go.layout.mheap.allspans + 16, 1ull << 60, 8);
	assert_null(blocks_build_with(&w.env, &w.f->img, walkers, &w.blocks));
	assert_int_equal(w.blocks.n_heaps, 0);
	assert_int_equal(w.env.diags.n, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_below_freeindex_or_have_their_bit),
		cmocka_unit_test(small_ones_are_eight_bytes_apart),
		cmocka_unit_test(programs_hold_what_is_behind_the_header),
		cmocka_unit_test(slots_are_the_collectors),
		cmocka_unit_test(a_window_over_many_spans),
		cmocka_unit_test(figures_from_spans_and_pages),
		cmocka_unit_test(regions_beside_the_spans),
		cmocka_unit_test(figures_that_the_runtime_counts),
		cmocka_unit_test(what_a_processor_holds_is_not_counted_yet),
		cmocka_unit_test(an_object_in_words),
		cmocka_unit_test(damage_is_listed_and_the_rest_goes_on),
		cmocka_unit_test(no_list_of_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
