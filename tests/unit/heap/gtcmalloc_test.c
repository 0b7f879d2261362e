/*
 * google/tcmalloc's heap over images built word by word: what is a block and in use is known from how the
 * spans and caches were laid out, and every kind of damage from what was written over them: as of June 2025
 * and as of August 2026.
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
#include "heap/gtcmalloc_fields.h"
#include "fake_tcmalloc.h"

#define META 0xc0000000000ull  /* bits 42 to 44 are 3 */
#define HEAP 0x100000000000ull /* and 4 */

enum {
	PAGE = 8192,
	CODE = 0x1000000,
	DATA = 0x2000000,
	ROOT = DATA,
	ROOT_BYTES = 8 << 20,
	CENTRAL = DATA + ROOT_BYTES, /* cache_[0] of the TransferCacheManager */
	STRIDE = 1664, /* 576 in June 2025 */
	SLABS_AT = CENTRAL + 0xc000, /* slabs_and_shift_ */
	HEAPS_AT = SLABS_AT + 0x100, /* thread_heaps_ */
	SPANS_AT = SLABS_AT + 0x200, /* span_allocator_ */
	DATA_SIZE = ROOT_BYTES + 0x10000,
	LEAF = 0, /* from here on, offsets in META */
	NODE = 0x6c000,
	SPANS = 0x50000,
	SLABS = 0x60000,
	SLAB_SHIFT = 12,
	STOPPED = 0x64000,
	BEGINS = 0x64040,
	CACHE = 0x66000,
	SLOTS = 0x68000,
	TRACKER = 0x6a000,
	SAMPLED = 0x6b000,
	META_SIZE = 0x78000,
	HEAP_SIZE = 2 << 20,
	CLASSES = 24,
	BEGIN = CLASSES * 4 / 8 + 1, /* of the first class in a slab */
	ROOM = 8,		     /* words of each class there */
};

static const uint32_t sizes[CLASSES] = { 0,   8,    16,	  24,	32,   40,   48,	  56,	64,   80,    96,    112,
					 128, 1024, 1280, 1536, 2048, 2560, 3072, 4096, 8192, 16384, 32768, 65536 };
/* Where a month's sources have what. */
struct month {
	unsigned leaf_bits, mid_bits, sampled_bit;
	unsigned pages, large_pages, sample, list, n_list; /* in a Span */
	unsigned transfer_class, central_pages, counter; /* in a TransferCache: size_class_ of its central list, and from there on */
	unsigned used, released, requested;
	bool has_proxy;
	unsigned sample_more; /* bytes that a SampledAllocation's span lies further */
};

static const struct month june_2025 = {
	.leaf_bits = 15,
	.sampled_bit = 62,
	.pages = 32,
	.large_pages = 32,
	.sample = 40,
	.list = 40,
	.n_list = 8,
	.transfer_class = 48,
	.central_pages = 40,
	.counter = 48,
	.used = 48,
	.released = 88,
	.requested = 40,
	.has_proxy = true,
};

/* A sample's alignment takes 16 bytes, so that what follows lies further. */
static const struct month april_2026 = {
	.leaf_bits = 15,
	.sampled_bit = 60,
	.pages = 32,
	.large_pages = 32,
	.sample = 40,
	.list = 40,
	.n_list = 8,
	.transfer_class = 56,
	.central_pages = 40,
	.counter = 1192,
	.used = 56,
	.released = 168,
	.requested = 40,
	.has_proxy = true,
	.sample_more = 8,
};

/* Twelve indices in a Span. */
static const struct month july_2026 = {
	.leaf_bits = 15,
	.sampled_bit = 60,
	.pages = 32,
	.large_pages = 32,
	.sample = 40,
	.list = 40,
	.n_list = 12,
	.transfer_class = 56,
	.central_pages = 24,
	.counter = 1192,
	.used = 56,
	.released = 168,
	.requested = 32,
};

/* From the 28th on what is said of a large one lies elsewhere. */
static const struct month july_28_2026 = {
	.leaf_bits = 15,
	.sampled_bit = 60,
	.pages = 32,
	.large_pages = 40,
	.sample = 48,
	.list = 40,
	.n_list = 12,
	.transfer_class = 56,
	.central_pages = 24,
	.counter = 1192,
	.used = 56,
	.released = 168,
	.requested = 32,
};

/* TCMALLOC_INTERNAL_LEGACY_LOCKING */
static const struct month august_2026_legacy = {
	.leaf_bits = 12,
	.mid_bits = 12,
	.sampled_bit = 61,
	.pages = 32,
	.large_pages = 48,
	.sample = 56,
	.list = 48,
	.n_list = 8,
	.transfer_class = 56,
	.central_pages = 24,
	.counter = 1192,
	.used = 56,
	.released = 168,
	.requested = 32,
};

static const struct month august_2026 = {
	.leaf_bits = 12,
	.mid_bits = 12,
	.sampled_bit = 36,
	.large_pages = 40,
	.sample = 48,
	.list = 40,
	.n_list = 12,
	.transfer_class = 56,
	.central_pages = 24,
	.counter = 1192,
	.used = 56,
	.released = 168,
	.requested = 32,
};

static const struct month *now = &june_2025; /* of the world that is laid out */

enum { CLASS_32 = 4, CLASS_1024 = 13, CLASS_2048 = 16, CLASS_8192 = 20 };

static void put16(struct world *w, taddr at, unsigned value)
{
	uint16_t v = (uint16_t)value;

	memcpy(fake_image_bytes(w->f, at), &v, 2);
}

static unsigned get16(struct world *w, taddr at)
{
	return load_u16(fake_image_bytes(w->f, at));
}

static unsigned pages_of(unsigned class)
{
	return (sizes[class] + PAGE - 1) / PAGE;
}

static taddr central_of(unsigned class)
{
	return CENTRAL + STRIDE * class + now->transfer_class;
}

static taddr slots_of(unsigned class)
{
	return central_of(class) + TC_SLOTS;
}

static taddr packed(void)
{
	return META + LEAF + (1ull << now->leaf_bits);
}

/* A processor's words of a class: none yet. */
static void make_slab(struct world *w, taddr slab)
{
	for (unsigned k = 1; k < CLASSES; k++) {
		unsigned begin = BEGIN + (k - 1) * (ROOM + 1);

		put32(w, slab + 4 * k, begin | begin << 16);
		put(w, slab + 8 * (begin - 1), (slab + 8 * (begin - 1)) | 1);
	}
}

static void make_caches(struct world *w)
{
	for (unsigned k = 0; k < CLASSES; k++) {
		put(w, central_of(k) + CFL_CLASS, k);
		put(w, central_of(k) + CFL_SIZE, sizes[k]);
		put(w, central_of(k) + CFL_OBJECTS, k ? (uint64_t)pages_of(k) * PAGE / sizes[k] : 0);
		put(w, central_of(k) + now->central_pages, pages_of(k));
		put32(w, slots_of(k) + SLOTS_CAPACITY, 4);
		put(w, slots_of(k), META + SLOTS + 64 * k);
		put32(w, META + CACHE + GCACHE_LIST * k + GCACHE_MAX_LENGTH, 1);
		if (k)
			put16(w, META + BEGINS + 2 * k, BEGIN + (k - 1) * (ROOM + 1));
	}
	make_slab(w, META + SLABS);
	put(w, SLABS_AT, (META + SLABS) | SLAB_SHIFT);
	put(w, SLABS_AT + 8, META + STOPPED);
	if (now != &june_2025)
		put(w, SLABS_AT + 16, 1); /* processor */
	put(w, SLABS_AT + (now == &june_2025 ? 16 : 24), META + BEGINS);
	put(w, HEAPS_AT, META + CACHE);
}

static struct world *empty_world(void)
{
	static const struct fake_mapping mappings[] = {
		{ CODE, 0x1000, SEG_R | SEG_X, 1 },
		{ DATA, DATA_SIZE, SEG_R | SEG_W, 1 },
		{ META, META_SIZE, SEG_R | SEG_W },
		{ HEAP, HEAP_SIZE, SEG_R | SEG_W },
		{},
	};
	struct world *w = world_new(mappings);

	if (now->mid_bits) {
		put(w, ROOT + 8 * (HEAP >> 37), META + NODE);
		put(w, META + NODE + 8 * (HEAP >> 25 & 4095), META + LEAF);
	} else {
		put(w, ROOT + 8 * (HEAP >> 28), META + LEAF);
	}
	make_caches(w);
	w->next = HEAP / PAGE;
	return w;
}

/* Span::ListPush(). */
static void push_index(struct world *w, taddr span, taddr base, unsigned class, unsigned index)
{
	unsigned cached = get16(w, span + GSPAN_CACHED), embedded = get16(w, span + GSPAN_EMBED);
	taddr host = base + 8ull * get16(w, span + GSPAN_FREELIST);

	if (cached < now->n_list) {
		put16(w, span + now->list + 2 * cached, index);
		put16(w, span + GSPAN_CACHED, cached + 1);
	} else if (get16(w, span + GSPAN_FREELIST) != GSPAN_LIST_END && embedded != sizes[class] / 2 - 1) {
		put16(w, host + 2 * (embedded + 1), index);
		put16(w, span + GSPAN_EMBED, embedded + 1);
	} else {
		put16(w, base + 8ull * index, get16(w, span + GSPAN_FREELIST));
		put16(w, span + GSPAN_FREELIST, index);
		put16(w, span + GSPAN_EMBED, 0);
	}
}

/* u: in use; f: in its span; p: in the processor's cache; c: in the thread's; t: in a transfer cache. */
static void add_object(struct world *w, taddr span, unsigned class, taddr base, unsigned i, char state)
{
	taddr at = base + (taddr)i * sizes[class], slab = META + SLABS, list = META + CACHE + GCACHE_LIST * class;

	w->object[w->n_objects++] = at;
	if (state == 'f' && sizes[class] >= PAGE / (16 * now->n_list)) {
		put(w, span + now->list + i / 64 * 8, get(w, span + now->list + i / 64 * 8) | 1ull << i % 64);
	} else if (state == 'f') {
		push_index(w, span, base, class, i * sizes[class] / 8);
	} else if (state == 'p') {
		unsigned current = get16(w, slab + 4 * class);

		put(w, slab + 8 * current, at);
		put32(w, slab + 4 * class, (current + 1) | (current + 1) << 16);
	} else if (state == 'c') {
		put(w, at, get(w, list));
		put(w, list, at);
		put32(w, list + GCACHE_LENGTH, (uint32_t)get(w, list + GCACHE_LENGTH) + 1);
		put(w, META + CACHE + CLASSES * GCACHE_LIST, get(w, META + CACHE + CLASSES * GCACHE_LIST) + sizes[class]);
	} else if (state == 't') {
		unsigned used = get16(w, slots_of(class) + SLOTS_USED);

		put(w, META + SLOTS + 64 * class + 8 * used, at);
		put32(w, slots_of(class) + SLOTS_USED, used + 1);
	}
}

/* A span of `pages`; class 0: one block. */
static taddr add_span(struct world *w, unsigned pages, unsigned class, const char *states)
{
	taddr span = META + SPANS + GSPAN_SIZE * w->n_spans++, base = w->next * PAGE;
	unsigned n_free = 0, n = (unsigned)strlen(states);

	put16(w, span + GSPAN_FREELIST, GSPAN_LIST_END);
	put(w, span + GSPAN_FIRST, w->next | (now->pages ? 0 : (uint64_t)pages << 38));
	if (now->pages)
		put(w, span + now->pages, pages);
	for (unsigned i = 0; i < pages; i++) {
		put(w, packed() + 8 * (w->next + i - HEAP / PAGE), (i == 0 || class ? span : 0) | (uint64_t)class << 48);
		*fake_image_bytes(w->f, META + LEAF + w->next + i - HEAP / PAGE) = (uint8_t)class;
	}
	if (!class)
		w->object[w->n_objects++] = base;
	for (unsigned i = 0; class && i < n; i++) {
		add_object(w, span, class, base, i, states[i]);
		n_free += states[i] == 'f';
	}
	put16(w, span + GSPAN_ALLOCATED, class ? pages * PAGE / sizes[class] - n_free : 0);
	if (class) {
		taddr counter = central_of(class) + now->counter;

		put(w, counter, get(w, counter) + n_free);
		put(w, counter + 8, get(w, counter + 8) + 1); /* spans taken */
	}
	w->next += pages;
	return span;
}

/* A Span that is gone: its page still leads to it, its allocator's list has it. */
static void add_dead(struct world *w)
{
	taddr span = add_span(w, 3, 0, "");

	w->n_objects--;
	put(w, span, 0);
	put(w, SPANS_AT, SPANS_AT);
	put(w, SPANS_AT + METADATA_FREE_LIST, span);
	put(w, SPANS_AT + METADATA_IN_USE, w->n_spans - 1);
	put(w, SPANS_AT + METADATA_IN_USE + 8, w->n_spans);
}

/* A PageTracker of the one huge page: used up to here, of the rest one page was given back. */
static void add_tracker(struct world *w)
{
	uint64_t used = w->next - HEAP / PAGE;

	put(w, packed() + (8ull << now->leaf_bits), META + TRACKER);
	put(w, META + TRACKER + TRACKER_LOCATION, HEAP >> GTC_HUGE_SHIFT);
	for (uint64_t i = 0; i < used; i++)
		if (i < 8 || i >= 11) /* the dead span's */
			put(w, META + TRACKER + now->used + i / 64 * 8,
			    get(w, META + TRACKER + now->used + i / 64 * 8) | 1ull << i % 64);
	put16(w, META + TRACKER + now->used + 4 * 8 + TRACKER_NUSED, (unsigned)used - 3);
	put(w, META + TRACKER + now->released + 3 * 8, 1ull << 63);
	put16(w, META + TRACKER + TRACKER_RELEASED_COUNT, 1);
}

/*
 * The layout of every test: 8 objects of 1024, a block of 2 pages, 4 of 2048, 30 of 256 objects of 32 whose
 * free ones take two hosts, a span of one object, a sampled block with the object in whose place it is (the
 * sixth), a dead span, a block.
 */
static const char objects_1024[] = "ufupctuu", objects_2048[] = "ucuf", objects_32[] = "ufffffffffffffffffffffffffffpu";
static const char intact[] = "ufupc-uu" "u" "ucuf" "ufffffffffffffffffffffffffffpu" "u" "u" "u";
enum { FIRST, LARGE, SECOND, SMALL, ONE, SAMPLE, DEAD, LAST };

static struct world *laid_out_as(const struct month *month)
{
	struct world *w;
	taddr span;

	now = month;
	w = empty_world();
	add_span(w, 1, CLASS_1024, objects_1024);
	add_span(w, 2, 0, "");
	add_span(w, 1, CLASS_2048, objects_2048);
	add_span(w, 1, CLASS_32, objects_32);
	add_span(w, 1, CLASS_8192, "u");
	/* The sixth object of 1024 is no longer in a transfer cache: a sampled allocation is in its place (until June 2026). */
	if (now->has_proxy)
		put32(w, slots_of(CLASS_1024) + SLOTS_USED, 0);
	span = add_span(w, 2, 0, "");
	put(w, span + GSPAN_FIRST, get(w, span + GSPAN_FIRST) | 1ull << now->sampled_bit);
	put(w, span + now->large_pages, 2);
	put(w, span + now->sample, META + SAMPLED);
	if (now->has_proxy)
		put(w, META + SAMPLED + SAMPLED_PROXY, HEAP + 5 * 1024);
	put(w, META + SAMPLED + now->requested, 1000);
	put(w, META + SAMPLED + SAMPLED_SPAN_START + now->sample_more, HEAP + 6 * PAGE);
	add_dead(w);
	add_span(w, 1, 0, "");
	add_tracker(w);
	return w;
}

static struct world *laid_out(void)
{
	return laid_out_as(&june_2025);
}

static struct world *laid_out_newer(void)
{
	return laid_out_as(&august_2026);
}

static void all_caches_say_what_is_free(void **state)
{
	struct world *w = laid_out();
	const struct heap_info *info;
	struct blocks b;

	(void)state;
	world_expect(w, intact, 0);
	assert_null(blocks_build(&w->env, &w->f->img, &b));
	info = b.heaps[0].info;
	assert_string_equal(info->allocator, "google-tcmalloc");
	assert_int_equal(info->used, 4 * 1024 + 2 * PAGE + 2 * 2048 + (256 - 28) * 32 + PAGE + 2 * PAGE + PAGE);
	assert_int_equal(info->free, 3 * 1024 + 2 * 2048 + 28 * 32);
	assert_int_equal(info->overhead, 1024);
	/* The rest of the huge page, with the dead span's pages, but for the last one. */
	assert_int_equal(info->idle, HEAP_SIZE - 9 * PAGE - PAGE);
	assert_int_equal(info->returned, PAGE);
	blocks_fini(&b);
	world_free(w);
}

/* What is written over the layout, and what can be said then. */
static void damage_is_told_and_bounded(void **state)
{
	static const struct overwrite cases[] = {
		{ "a span's first page", META + SPANS + GSPAN_FIRST, 7, intact, 1 },
		{ "its pages", META + SPANS + GSPAN_SIZE * LARGE + 32, 0, "ufupc-uu", 1 },
		{ "its bitmap", META + SPANS + 40, 3, "ffupc-uu" "u", 1 },
		{ "its indices", META + SPANS + GSPAN_SIZE * SMALL + 40, 0x0004000400040005ull,
		  "ufupc-uu" "u" "ucuf" "uuuuuuuuuuuuuuuuuuuuuuuuuuuupu", 1 },
		{ "a host", HEAP + 4 * PAGE + 9 * 32, 0x4141414141414141ull,
		  "ufupc-uu" "u" "ucuf" "ufffffffffuuuuuuuuuuuuuuufffpu", 1 },
		{ "both of a page's classes", META + LEAF + (1 << 15), 77ull << 48 | (META + SPANS), intact, 1 },
		{ "an object in a processor's cache", META + SLABS + 8 * (BEGIN + (CLASS_1024 - 1) * (ROOM + 1)), HEAP + 9,
		  "ufuuc-uu" "u" "ucuf", 1 },
		{ "one that is free twice", META + SLABS + 8 * (BEGIN + (CLASS_1024 - 1) * (ROOM + 1)), HEAP + 1024,
		  "ufuuc-uu" "u" "ucuf", 1 },
		{ "a thread's list", META + CACHE + GCACHE_LIST * CLASS_1024, HEAP + 8, "ufupu-uu" "u" "ucuf", 1 },
		{ "the words of the slabs", SLABS_AT, 0x4141414141414141ull, "ufuuc-uu" "u" "ucuf", 1 },
		{ "where classes begin there", META + BEGINS + 2 * CLASS_1024,
		  0xffffull | (BEGIN + 13ull * (ROOM + 1)) << 16 | (BEGIN + 14ull * (ROOM + 1)) << 32 |
			  (BEGIN + 15ull * (ROOM + 1)) << 48,
		  intact, 1 },
		{ "a proxy", META + SAMPLED + SAMPLED_PROXY, HEAP + 9, "ufupcuuu" "u", 1 },
		{ "a free object of its own", META + SPANS + GSPAN_SIZE * DEAD, 0x4141, intact, 0 },
	};

	(void)state;
	world_expect_damage(laid_out, cases, ARRAY_SIZE(cases));
}

static const char whole[] = "ufupctuu" "u" "ucuf" "ufffffffffffffffffffffffffffpu" "u" "u" "u"; /* no proxy */

/* Spans of each form: large and sampled ones are as long as they are, and no check fails. */
static void each_form_of_a_span_is_seen(void **state)
{
	static const struct month *const months[] = { &april_2026, &july_2026, &july_28_2026, &august_2026_legacy };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(months); i++) {
		struct world *w = laid_out_as(months[i]);
		const struct heap_info *info;
		struct blocks b;

		print_message("form %zu\n", i);
		world_expect(w, now->has_proxy ? intact : whole, 0);
		assert_null(blocks_build(&w->env, &w->f->img, &b));
		info = b.heaps[0].info;
		assert_int_equal(info->used, 4 * 1024 + 2 * PAGE + 2 * 2048 + (256 - 28) * 32 + PAGE + 2 * PAGE + PAGE);
		assert_int_equal(info->returned, PAGE);
		assert_int_equal(info->checks_failed, 0);
		blocks_fini(&b);
		world_free(w);
	}
}

/* A page map of three levels, another Span, twelve indices in it, caches counted beside; no proxies. */
static void so_is_a_newer_one(void **state)
{
	static const struct overwrite cases[] = {
		{ "a span's first page", META + SPANS + GSPAN_FIRST, 7, whole, 1 },
		{ "its pages", META + SPANS + GSPAN_SIZE * LARGE + GSPAN_FIRST, HEAP / PAGE + 1, "ufupctuu", 1 },
		{ "its bitmap", META + SPANS + 40, 3, "ffupctuu" "u", 1 },
		{ "its indices", META + SPANS + GSPAN_SIZE * SMALL + 40, 0x0004000400040005ull,
		  "ufupctuu" "u" "ucuf" "uuuuuuuuuuuuuuuuuuuuuuuuuuuupu", 1 },
		{ "the words of the slabs", SLABS_AT, 0x4141414141414141ull, "ufuuctuu" "u" "ucuf", 1 },
		{ "how many processors there are", SLABS_AT + 16, 0x4141414141414141ull, whole, 1 },
		{ "a sample", META + SAMPLED + SAMPLED_SPAN_START, HEAP + 9, whole, 1 },
	};
	struct world *w = laid_out_newer();
	const struct heap_info *info;
	struct blocks b;

	(void)state;
	world_expect(w, whole, 0);
	assert_null(blocks_build(&w->env, &w->f->img, &b));
	info = b.heaps[0].info;
	assert_int_equal(info->used, 4 * 1024 + 2 * PAGE + 2 * 2048 + (256 - 28) * 32 + PAGE + 2 * PAGE + PAGE);
	assert_int_equal(info->free, 4 * 1024 + 2 * 2048 + 28 * 32);
	assert_int_equal(info->overhead, 0);
	assert_int_equal(info->returned, PAGE);
	assert_int_equal(info->checks_failed, 0);
	blocks_fini(&b);
	world_free(w);
	world_expect_damage(laid_out_newer, cases, ARRAY_SIZE(cases));
}

static void no_page_map_is_no_heap(void **state)
{
	struct world *w = laid_out();
	struct blocks b;

	(void)state;
	put(w, ROOT + 8 * (HEAP >> 28), 0);
	assert_null(blocks_build(&w->env, &w->f->img, &b));
	assert_int_equal(b.n_heaps, 0);
	blocks_fini(&b);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_caches_say_what_is_free),
		cmocka_unit_test(damage_is_told_and_bounded),
		cmocka_unit_test(each_form_of_a_span_is_seen),
		cmocka_unit_test(so_is_a_newer_one),
		cmocka_unit_test(no_page_map_is_no_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
