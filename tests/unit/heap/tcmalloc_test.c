/*
 * tcmalloc's heap over images built word by word: what is a block and in use is known from how the spans
 * were laid out, and every kind of damage from what was written over them (gperftools 2.8 to 2.18).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "base/guard.h"
#include "heap/blocks.h"
#include "heap/tcmalloc_fields.h"
#include "fake_tcmalloc.h"

enum {
	PAGE = 8192,
	CODE = 0x1000000,
	DATA = 0x2000000,
	ROOT_BYTES = 1 << 20,
	LISTS = DATA + ROOT_BYTES + 8 + 2 * 48,
	STATS = LISTS + 256 * 48,
	SIZES = DATA + 0x110000,
	CENTRAL = DATA + 0x112000,
	STRIDE = 1216,
	HEAPS = DATA + 0x130000, /* thread_heaps_ */
	DATA_SIZE = 0x140000,
	LEAF = 0x3000000,
	LEAF_BYTES = 1 << 21,
	OWN = 0x4000000,
	SPANS = OWN + 0x4000,
	OWN_SIZE = 0x8000,
	HEAP = 0x5000000,
	HEAP_SIZE = 16 * PAGE,
	CLASSES = 21,
};

static const uint32_t sizes[CLASSES] = { 0,   8,    16,   32,	48,   64,    80,	96,    112,    128,    256,
					 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144 };

static void empty_ring(struct world *w, taddr span)
{
	put(w, span + SPAN_NEXT, span);
	put(w, span + SPAN_PREV, span);
}

static struct world *empty_world(void)
{
	static const struct fake_mapping mappings[] = {
		{ CODE, 0x1000, SEG_R | SEG_X, 1 },
		{ DATA, DATA_SIZE, SEG_R | SEG_W, 1 },
		{ LEAF, LEAF_BYTES, SEG_R | SEG_W },
		{ OWN, OWN_SIZE, SEG_R | SEG_W },
		{ HEAP, HEAP_SIZE, SEG_R | SEG_W },
		{},
	};
	struct world *w = world_new(mappings);

	put(w, DATA, LEAF);
	put(w, DATA + ROOT_BYTES, CODE + 0x100);
	for (unsigned i = 0; i < 256; i++)
		empty_ring(w, LISTS + 48 * i);
	for (unsigned i = 1; i < CLASSES; i++) {
		put32(w, SIZES + 4 * i, sizes[i]);
		put(w, SIZES + 512 + 8 * i, (sizes[i] + PAGE - 1) / PAGE);
		put32(w, OWN + 32 * i + CACHE_LIST_SIZE, sizes[i]);
	}
	put(w, SIZES + 512 + 1024, CLASSES);
	for (unsigned i = 0; i < CLASSES; i++) {
		put(w, CENTRAL + STRIDE * i + CENTRAL_CLASS, i);
		empty_ring(w, CENTRAL + STRIDE * i + CENTRAL_EMPTY);
		empty_ring(w, CENTRAL + STRIDE * i + CENTRAL_NONEMPTY);
	}
	put(w, HEAPS, OWN);
	w->next = HEAP / PAGE;
	return w;
}

static void push(struct world *w, taddr list, taddr object)
{
	put(w, object, get(w, list));
	put(w, list, object);
}

static void transfer(struct world *w, unsigned class, taddr object)
{
	taddr central = CENTRAL + STRIDE * class;

	if (!get(w, central + CENTRAL_USED_SLOTS))
		put(w, central + CENTRAL_SLOTS + 8, object);
	push(w, central + CENTRAL_SLOTS, object);
	put32(w, central + CENTRAL_USED_SLOTS, 1);
}

/* u: in use; f: in its span's list; c: in the thread's cache; t: in a transfer cache. */
static unsigned add_object(struct world *w, taddr span, unsigned class, taddr at, char state)
{
	taddr list = OWN + CACHE_LIST * class;

	w->object[w->n_objects++] = at;
	if (state == 'f') {
		push(w, span + SPAN_OBJECTS, at);
		put(w, CENTRAL + STRIDE * class + CENTRAL_COUNTER, get(w, CENTRAL + STRIDE * class + CENTRAL_COUNTER) + 1);
	} else if (state == 'c') {
		push(w, list, at);
		put32(w, list + CACHE_LIST_LENGTH, (uint32_t)get(w, list + CACHE_LIST_LENGTH) + 1);
		put32(w, OWN + CACHE_SIZE, (uint32_t)get(w, OWN + CACHE_SIZE) + sizes[class]);
	} else if (state == 't') {
		transfer(w, class, at);
	}
	return state != 'f';
}

/* A span of `pages`; class 0: one block, or a free span by its location. */
static taddr add_span(struct world *w, unsigned pages, unsigned class, unsigned location, const char *states)
{
	taddr span = SPANS + 64 * w->n_spans++, base = w->next * PAGE;
	uint64_t refcount = 0;

	put(w, span + SPAN_START, w->next);
	put(w, span + SPAN_LENGTH, pages);
	for (unsigned i = 0; i < pages; i++)
		if (class || !i || i == pages - 1)
			put(w, LEAF + 8 * (w->next + i), span);
	for (unsigned i = 0; states[i]; i++)
		refcount += add_object(w, span, class, base + (class ? i * sizes[class] : 0), states[i]);
	put(w, span + SPAN_BITS, (class ? refcount : 0) | class << 16 | location << 24);
	if (class)
		put(w, CENTRAL + STRIDE * class + CENTRAL_SPANS, get(w, CENTRAL + STRIDE * class + CENTRAL_SPANS) + 1);
	put(w, STATS, get(w, STATS) + (uint64_t)pages * PAGE);
	if (location)
		put(w, STATS + 8 * location, get(w, STATS + 8 * location) + (uint64_t)pages * PAGE);
	w->next += pages;
	return span;
}

/* The layout of every test: 8 objects of 1024, a block of 2 pages, free spans, 4 objects of 2048, a block. */
static const char intact[] = "ufucftuu" "u" "ucuf" "u";
enum { FIRST, LARGE, NORMAL, RETURNED, SECOND, LAST };

static struct world *laid_out(void)
{
	struct world *w = empty_world();

	add_span(w, 1, 12, SPAN_IN_USE, "ufucftuu");
	add_span(w, 2, 0, SPAN_IN_USE, "u");
	add_span(w, 3, 0, SPAN_NORMAL, "");
	add_span(w, 1, 0, SPAN_RETURNED, "");
	add_span(w, 1, 13, SPAN_IN_USE, "ucuf");
	assert_int_equal(add_span(w, 1, 0, SPAN_IN_USE, "u"), SPANS + 64 * LAST);
	return w;
}

static void all_lists_say_what_is_free(void **state)
{
	struct world *w = laid_out();
	struct blocks b;

	(void)state;
	world_expect(w, intact, 0);
	assert_null(blocks_build(&w->env, &w->f->img, &b));
	assert_int_equal(b.heaps[0].info->used, 4 * 1024 + 2 * PAGE + 2 * 2048 + PAGE);
	assert_int_equal(b.heaps[0].info->free, 4 * 1024 + 2 * 2048);
	assert_int_equal(b.heaps[0].info->idle, 3 * PAGE);
	assert_int_equal(b.heaps[0].info->returned, PAGE);
	blocks_fini(&b);
	world_free(w);
}

/* What is written over the layout, and what can be said then. */
static void damage_is_told_and_bounded(void **state)
{
	static const struct overwrite cases[] = {
		{ "a span's start", SPANS + SPAN_START, 7, intact, 1 },
		{ "its length", SPANS + 64 * LARGE + SPAN_LENGTH, 1ull << 40, intact, 1 },
		{ "its length, 0", SPANS + 64 * SECOND + SPAN_LENGTH, 0, intact, 1 },
		{ "its class", SPANS + SPAN_BITS, 6 | 77 << 16, "u-------" "u" "ucuf" "u", 3 },
		{ "its count", SPANS + SPAN_BITS, 5 | 12 << 16, intact, 1 },
		{ "its list, elsewhere", SPANS + SPAN_OBJECTS, HEAP + 24, "uuucutuu" "u" "ucuf" "u", 1 },
		{ "a free object's link", HEAP + 4 * 1024, 0x4141414141414141, "uuucftuu" "u" "ucuf" "u", 1 },
		{ "one that loops", HEAP + 1 * 1024, HEAP + 4 * 1024, intact, 1 },
		{ "a cached object's link", HEAP + 3 * 1024, HEAP + 8, intact, 1 },
		{ "a link to what is free", HEAP + 3 * 1024, HEAP + 4 * 1024, intact, 1 },
		{ "the length of a cache's list", OWN + CACHE_LIST * 12 + CACHE_LIST_LENGTH, 9, intact, 1 },
		{ "a cache's list", OWN + CACHE_LIST * 13, 0xdead0, "ufucftuu" "u" "uuuf" "u", 1 },
		{ "slots in use", CENTRAL + STRIDE * 12 + CENTRAL_USED_SLOTS, 65, "ufucfuuu" "u" "ucuf" "u", 1 },
		{ "a tail", CENTRAL + STRIDE * 12 + CENTRAL_SLOTS + 8, 1, intact, 1 },
		{ "a list head of the page heap", LISTS + 48 * 3 + SPAN_NEXT, 0x10, intact, 0 },
		{ "its first list head", LISTS + SPAN_PREV, 0, intact, 0 },
		{ "its last list head", STATS - 48 + SPAN_PREV, 0, intact, 0 },
		{ "an entry of the page map", LEAF + 8ull * (HEAP / PAGE + 1), 0x4141414141414141, intact, 1 },
	};

	(void)state;
	world_expect_damage(laid_out, cases, ARRAY_SIZE(cases));
}

static void no_page_map_is_no_heap(void **state)
{
	struct world *w = laid_out();
	struct blocks b;

	(void)state;
	put(w, DATA, 0);
	assert_null(blocks_build(&w->env, &w->f->img, &b));
	assert_int_equal(b.n_heaps, 0);
	blocks_fini(&b);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_lists_say_what_is_free),
		cmocka_unit_test(damage_is_told_and_bounded),
		cmocka_unit_test(no_page_map_is_no_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
