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
	MAX_SPANS = 12,
	MAX_OBJECTS = 96,
};

static const uint32_t sizes[CLASSES] = { 0,   8,    16,   32,	48,   64,    80,	96,    112,    128,    256,
					 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144 };

struct world {
	struct env env;
	struct image img;
	struct segment segments[5];
	struct module module;
	struct target target;
	uint8_t *bytes[5];
	taddr object[MAX_OBJECTS]; /* the n-th of the layout */
	size_t n_objects, n_spans;
	taddr next; /* page */
};

static uint8_t *bytes_at(struct world *w, taddr at)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->segments); i++)
		if (at >= w->segments[i].start && at < w->segments[i].end)
			return w->bytes[i] + (at - w->segments[i].start);
	fail_msg("the test writes at 0x%lx", at);
	return NULL;
}

static void put(struct world *w, taddr at, uint64_t value)
{
	memcpy(bytes_at(w, at), &value, 8);
}

static void put32(struct world *w, taddr at, uint32_t value)
{
	memcpy(bytes_at(w, at), &value, 4);
}

static uint64_t get(struct world *w, taddr at)
{
	return load_u64(bytes_at(w, at));
}

static void empty_ring(struct world *w, taddr span)
{
	put(w, span + SPAN_NEXT, span);
	put(w, span + SPAN_PREV, span);
}

static struct world *world_new(void)
{
	static const struct {
		taddr start;
		uint64_t size;
		uint8_t flags;
	} maps[5] = { { CODE, 0x1000, SEG_R | SEG_X }, { DATA, DATA_SIZE, SEG_R | SEG_W }, { LEAF, LEAF_BYTES, SEG_R | SEG_W },
		      { OWN, OWN_SIZE, SEG_R | SEG_W }, { HEAP, HEAP_SIZE, SEG_R | SEG_W } };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	env_init(&w->env);
	w->env.threads = 2;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		w->bytes[i] = calloc(1, maps[i].size);
		assert_non_null(w->bytes[i]);
		w->segments[i] = (struct segment){ maps[i].start, maps[i].start + maps[i].size, w->bytes[i], maps[i].flags,
						   SEG_CORE, false, (uint32_t)i, i < 2 ? 0 : -1 };
	}
	w->module = (struct module){ .path = "libtcmalloc.so", .start = CODE, .end = DATA + DATA_SIZE };
	w->target = (struct target){ .id = TARGET_X86_64, .tls_below_tp = 1 };
	w->img = (struct image){ .env = &w->env, .target = &w->target, .segments = w->segments, .n_segments = 5,
				 .modules = &w->module, .n_modules = 1 };
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

static void world_free(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->bytes); i++)
		free(w->bytes[i]);
	env_fini(&w->env);
	free(w);
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

static void lay_out(struct world *w)
{
	add_span(w, 1, 12, SPAN_IN_USE, "ufucftuu");
	add_span(w, 2, 0, SPAN_IN_USE, "u");
	add_span(w, 3, 0, SPAN_NORMAL, "");
	add_span(w, 1, 0, SPAN_RETURNED, "");
	add_span(w, 1, 13, SPAN_IN_USE, "ucuf");
	add_span(w, 1, 0, SPAN_IN_USE, "u");
}

/* One letter an object: "u" in use, "f" free in its span, "c" in a cache, "t" transferred, "-" no block. */
static void expect(struct world *w, const char *states, size_t n_damage)
{
	static const struct {
		const char *where;
		char letter;
	} wheres[] = { { "central", 'f' }, { "thread-cache", 'c' }, { "transfer-cache", 't' } };
	struct blocks b;

	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(b.n_heaps, 1);
	for (size_t i = 0; states[i]; i++) {
		uint32_t id = block_at(&b, w->object[i]);
		char is = '-';

		if (id != BLOCK_NONE && grains_key(&b.grains, id) == w->object[i] && !block_is_filler(&b, id)) {
			struct block block;

			block_get(&b, id, &block);
			is = 'u';
			for (size_t k = 0; !block.used && k < ARRAY_SIZE(wheres); k++)
				if (!strcmp(block.where, wheres[k].where))
					is = wheres[k].letter;
		}
		if (is != states[i])
			fail_msg("object %zu at 0x%lx is '%c', not '%c'", i, w->object[i], is, states[i]);
	}
	assert_int_equal(b.heaps[0].info->n_damage, n_damage);
	if (!n_damage)
		assert_int_equal(b.heaps[0].info->checks_failed, 0);
	blocks_fini(&b);
}

static void all_lists_say_what_is_free(void **state)
{
	struct world *w = world_new();
	struct blocks b;

	(void)state;
	lay_out(w);
	expect(w, intact, 0);
	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(b.heaps[0].info->used, 4 * 1024 + 2 * PAGE + 2 * 2048 + PAGE);
	assert_int_equal(b.heaps[0].info->free, 4 * 1024 + 2 * 2048);
	assert_int_equal(b.heaps[0].info->idle, 3 * PAGE);
	assert_int_equal(b.heaps[0].info->returned, PAGE);
	blocks_fini(&b);
	world_free(w);
}

static taddr span_at(unsigned i)
{
	return SPANS + 64 * i;
}

/* What is written over the layout, and what can be said then. */
static void damage_is_told_and_bounded(void **state)
{
	static const struct {
		const char *what;
		taddr at;
		uint64_t value;
		const char *states;
		size_t n_damage;
	} cases[] = {
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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new();

		lay_out(w);
		assert_int_equal(span_at(LAST) + 64, SPANS + 64 * w->n_spans);
		put(w, cases[i].at, cases[i].value);
		print_message("%s\n", cases[i].what);
		expect(w, cases[i].states, cases[i].n_damage);
		world_free(w);
	}
}

static void no_page_map_is_no_heap(void **state)
{
	struct world *w = world_new();
	struct blocks b;

	(void)state;
	lay_out(w);
	put(w, DATA, 0);
	assert_null(blocks_build(&w->env, &w->img, &b));
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
