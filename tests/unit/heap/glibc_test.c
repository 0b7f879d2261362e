/*
 * glibc's heap over images built word by word: what is a block and in use is known from how the
 * heap was laid out, and every kind of damage from what was written over it.
 */
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/guard.h"
#include "heap/blocks.h"
#include "fake_image.h"
#include "heap/glibc_fields.h"

enum {
	DATA = 0x10000,
	DATA_SIZE = 0x4000,
	STATE = DATA + 0x400,
	SBRK_BASE = STATE + 0xa00, /* of mp_ */
	TLS = 0x20000,
	TLS_SIZE = 0x2000,
	TP = TLS + 0x1000,
	HEAP = 0x100000,
	HEAP_SIZE = 0x21000,
	MAPPED = 0x400000,
	MAPPED_SIZE = 0x40000,
	MAX_CHUNKS = 64,
};

struct world {
	struct env env;
	struct image img;
	struct segment segments[4];
	struct thread thread;
	struct target target;
	uint8_t data[DATA_SIZE], tls[TLS_SIZE], heap[HEAP_SIZE], mapped[MAPPED_SIZE];
	taddr chunk[MAX_CHUNKS]; /* where the n-th chunk of the layout is */
	size_t n_chunks;
	uint64_t bins_at;
	bool far_from_top; /* a large block in use lies between the layout and top */
};

static uint8_t *bytes_at(struct world *w, taddr at)
{
	for (size_t i = 0; i < w->img.n_segments; i++)
		if (at >= w->segments[i].start && at < w->segments[i].end)
			return (uint8_t *)w->segments[i].bytes + (at - w->segments[i].start);
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

static taddr bin(struct world *w, unsigned i)
{
	return STATE + w->bins_at + 16 * i - 16;
}

/* An arena without chunks, mp_, and a thread with a control block. */
static struct world *world_new(uint64_t bins_at)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	env_init(&w->env);
	w->env.threads = 2;
	w->bins_at = bins_at;
	w->segments[0] = (struct segment){ DATA, DATA + DATA_SIZE, w->data, SEG_R | SEG_W, SEG_CORE, false, 0, -1 };
	w->segments[1] = (struct segment){ TLS, TLS + TLS_SIZE, w->tls, SEG_R | SEG_W, SEG_CORE, false, 1, -1 };
	w->segments[2] = (struct segment){ HEAP, HEAP + HEAP_SIZE, w->heap, SEG_R | SEG_W, SEG_CORE, false, 2, -1 };
	w->segments[3] = (struct segment){ MAPPED, MAPPED + MAPPED_SIZE, w->mapped, SEG_R | SEG_W, SEG_CORE, false, 3, -1 };
	w->target = (struct target){ .id = TARGET_X86_64, .tls_below_tp = 1 };
	w->thread = (struct thread){ .tid = 1, .tp = TP };
	w->img = (struct image){
		.env = &w->env,
		.target = &w->target,
		.segments = w->segments,
		.n_segments = ARRAY_SIZE(w->segments),
		.threads = &w->thread,
		.n_threads = 1,
	};
	put(w, TP, TP);
	for (unsigned i = 0; i < 127; i++) {
		put(w, bin(w, i) + 16, bin(w, i));
		put(w, bin(w, i) + 24, bin(w, i));
	}
	put(w, STATE + bins_at + 2048, STATE);
	put(w, STATE + bins_at + 2064, 1);
	put(w, STATE + bins_at + 2072, HEAP_SIZE);
	put(w, SBRK_BASE, HEAP);
	put32(w, SBRK_BASE - 32, 65536); /* n_mmaps_max */
	return w;
}

static void world_free(struct world *w)
{
	env_fini(&w->env);
	free(w);
}

static void push_bin(struct world *w, unsigned i, taddr chunk)
{
	taddr first = get(w, bin(w, i) + 16);

	put(w, chunk + 16, first);
	put(w, chunk + 24, bin(w, i));
	put(w, bin(w, i) + 16, chunk);
	put(w, first + 24, chunk);
}

/*
 * "u40 f50": a used chunk of 0x40 bytes, a free one of 0x50 in the unsorted list, and so on; then
 * top.  c: cached by the thread; q: in a fast bin; T: the struct of the cache.
 */
static void lay_out(struct world *w, const char *layout)
{
	taddr at = HEAP, tcache = 0;
	bool prev_in_use = true;

	while (*layout) {
		char kind = *layout++, *end;
		uint64_t size = strtoul(layout, &end, 16);

		layout = end + strspn(end, " ");
		w->chunk[w->n_chunks++] = at;
		put(w, at + 8, size | prev_in_use);
		prev_in_use = kind != 'f';
		if (kind == 'f') {
			put(w, at + size, size);
			push_bin(w, 0, at);
		} else if (kind == 'T') {
			tcache = at + 16;
			put(w, TP - 72, tcache);
		} else if (kind == 'c') {
			unsigned list = (size - 0x20) / 16;
			taddr entry = tcache + 128 + 8 * list;

			put(w, at + 16, get(w, entry) ^ (at + 16) >> 12);
			put(w, entry, at + 16);
			bytes_at(w, tcache)[2 * list]++;
		} else if (kind == 'q') {
			taddr list = STATE + 16 + 8 * ((size - 0x20) / 16);

			put(w, at + 16, get(w, list) ^ (at + 16) >> 12);
			put(w, list, at);
		}
		at += size;
	}
	w->chunk[w->n_chunks] = at;
	if (w->far_from_top) {
		put(w, at + 8, 0x2000 | prev_in_use);
		at += 0x2000;
		prev_in_use = true;
	}
	put(w, at + 8, (HEAP + HEAP_SIZE - at) | prev_in_use);
	put(w, STATE + w->bins_at - 16, at);
}

/* "u" a block in use, "f" a free one, "-" none starts there, "." a filler: one letter a chunk. */
static void expect(struct world *w, const char *states, size_t n_damage)
{
	struct blocks b;
	struct err *err = blocks_build(&w->env, &w->img, &b);

	assert_null(err);
	assert_int_equal(b.n_heaps, 1);
	for (size_t i = 0; i < strlen(states); i++) {
		taddr mem = w->chunk[i] + 16;
		uint32_t id = block_at(&b, mem);
		char is = '-';

		if (id != BLOCK_NONE && grains_key(&b.grains, id) == mem)
			is = block_is_filler(&b, id) ? '.' : block_is_used(&b, id) ? 'u' : 'f';
		if (w->far_from_top && !states[i + 1] && states[i] == 'f')
			assert_int_equal(is, 'u');
		else if (is != states[i])
			fail_msg("chunk %zu at 0x%lx is '%c', not '%c'", i, w->chunk[i], is, states[i]);
	}
	assert_int_equal(b.heaps[0].info->n_damage, n_damage);
	assert_int_equal(b.heaps[0].info->used + b.heaps[0].info->free + b.heaps[0].info->overhead,
			 HEAP_SIZE + (b.n_claims > 1 ? b.claims[1].end - b.claims[1].start : 0));
	blocks_fini(&b);
}

static void lists_say_what_is_free(void **state)
{
	static const struct {
		const char *layout, *states;
	} cases[] = {
		{ "u20", "uf" },
		{ "u20 u50 f90 u30", "uufuf" },
		{ "f420 u30 f90 u20 f60 u20", "fufufuf" },
		{ "T290 u30 c40 u40 c40 c20", ".ufufff" },
		{ "T2a0 u30 c40", ".uff" },	/* its chunk kept a rest */
		{ "u30 q40 q40 u40 q20", "uffuff" },
		{ "T290 u1000 u20", ".uuf" },
	};

	(void)state;
	for (size_t n = 0; n < 2 * ARRAY_SIZE(cases); n++) {
		struct world *w = world_new(112);
		size_t i = n / 2;

		w->far_from_top = n & 1; /* or the walk goes chunk by chunk */
		lay_out(w, cases[i].layout);
		expect(w, cases[i].states, 0);
		world_free(w);
	}
}

/* Without a readable control block, a cache is found by its own lists. */
static void cache_without_tls(void **state)
{
	struct world *w = world_new(112);

	(void)state;
	lay_out(w, "u30 T290 u30 c40 c40 c60");
	memset(w->tls, 0, sizeof(w->tls));
	expect(w, "u.uffff", 0);
	world_free(w);
}

/* All zeros behind a large block: a cache if mp_ says that caches are off, else the program's. */
static void cache_turned_off(void **state)
{
	(void)state;
	for (uint64_t count = 0; count <= 7; count += 7) {
		struct world *w = world_new(112);

		lay_out(w, "u2000 T300 u20");
		put(w, SBRK_BASE + 24, count);
		expect(w, count ? "uuuf" : "u.uf", 0);
		world_free(w);
	}
}

static void later_form_without_fast_bins(void **state)
{
	struct world *w = world_new(24);

	(void)state;
	lay_out(w, "u30 f40 u50");
	expect(w, "ufuf", 0);
	world_free(w);
}

static void damaged_headers(void **state)
{
	static const struct {
		const char *layout;
		unsigned chunk; /* whose header is overwritten */
		uint64_t header;
		const char *states;
		size_t n_damage;
	} cases[] = {
		/* Sixteen sound chunks, or top, prove where the walk may go on. */
		{ "u40 u40 u40 u40 u40 u40", 2, 0x4141414141414141, "uuuuuuf", 1 },
		{ "u40 u40 u40 u40 u40 u40", 2, 0, "uuuuuuf", 1 },
		{ "u40 u40 u40 u40 u40 u40", 2, 0x19, "uuuuuuf", 1 },
		{ "u40 u40 u40 u40 u40 u40", 2, 0x7fffffffffffffe1, "uuuuuuf", 1 },
		{ "u40 u40 u40 u40 u40 u40", 2, 0x31, "uuuuuuf", 1 }, /* its own size is wrong */
		/* PREV_INUSE gone alone: the block before hangs in no list, so it is in use. */
		{ "u40 u40 u40 u40", 2, 0x40, "uuuuf", 1 },
		/* A NUL too much: the size is smaller too, and the chunk still reaches to the next one. */
		{ "u40 u40 u150 u40", 2, 0x100, "uuuuf", 2 },
		{ "u40 u40 u150 f40 u40", 2, 0x100, "uuufuf", 2 },
		/* The flag is right where the chunk before is free. */
		{ "u40 f40 u40 u40", 2, 0x40, "ufuuf", 0 },
	};

	(void)state;
	for (size_t n = 0; n < 2 * ARRAY_SIZE(cases); n++) {
		struct world *w = world_new(112);
		size_t i = n / 2;

		w->far_from_top = n & 1; /* or the walk goes chunk by chunk */
		lay_out(w, cases[i].layout);
		put(w, w->chunk[cases[i].chunk] + 8, cases[i].header);
		expect(w, cases[i].states, cases[i].n_damage);
		world_free(w);
	}
}

/*
 * A size that leads past chunks to another one.  Pointers from outside prove it (`held`: which of the
 * chunks stand in a module's data, `own`: which in the first bytes of the large one); nothing else does.
 */
static void sizes_that_swallow(void **state)
{
	static const struct {
		const char *layout;
		unsigned chunk, landing;
		const char *held, *own;
		const char *states;
		size_t n_damage;
	} cases[] = {
		{ "u40 u40 u40 u40 u40", 1, 3, "2", "", "uuuuuf", 1 },
		{ "u40 u40 u40 u40 u40", 1, 4, "2", "", "uuuuuf", 1 },
		{ "u40 u40 u40 u40 u40", 1, 4, "", "2", "uuuuuf", 1 },
		/* What realloc() leaves where it grew a block over its neighbour. */
		{ "u40 u40 u40 u40 u40", 1, 3, "", "", "uu-uuf", 0 },
		{ "u40 u40 u40 u40 u40", 1, 3, "013", "", "uu-uuf", 0 },
		/* A block's own end, rounded up. */
		{ "u40 u40 u20 u40", 1, 3, "1", "2", "uu-uf", 0 },
		{ "u40 u40 u20 u40", 1, 3, "12", "", "uuuuf", 1 },
		/* A free list, or an allocator's flag, needs no pointer. */
		{ "T290 u40 u40 c40 u40 u40", 1, 4, "", "", ".uufuuf", 1 },
		{ "u40 u40 q40 u40 u40", 1, 3, "", "", "uufuuf", 1 },
		{ "u40 u40 u40 f90 u40 u40", 1, 4, "", "", "uuufuuf", 1 },
		{ "u40 u40 f90 u40 u40 u40", 1, 4, "", "", "uufuuuf", 1 },
		{ "u40 u40 f90 u40 u40 u40", 2, 4, "", "", "uufuuuf", 1 },
		/* The list's own size is the one to believe. */
		{ "T290 u40 c40 u40 u40 u40", 2, 4, "", "", ".ufuuuf", 1 },
		{ "u40 q40 u40 u40 u40", 1, 3, "", "", "ufuuuf", 1 },
	};

	(void)state;
	for (size_t n = 0; n < 2 * ARRAY_SIZE(cases); n++) {
		struct world *w = world_new(112);
		size_t i = n / 2;
		taddr at;

		w->far_from_top = n & 1; /* or the walk goes chunk by chunk */
		lay_out(w, cases[i].layout);
		at = w->chunk[cases[i].chunk];
		put(w, at + 8, (w->chunk[cases[i].landing] - at) | (get(w, at + 8) & 7));
		for (const char *c = cases[i].held; *c; c++)
			put(w, DATA + 8 * (c - cases[i].held), w->chunk[*c - '0'] + 16);
		for (const char *c = cases[i].own; *c; c++)
			put(w, at + 16 + 8 * (c - cases[i].own), w->chunk[*c - '0'] + 16);
		expect(w, cases[i].states, cases[i].n_damage);
		world_free(w);
	}
}

/* Memory that was two chunks before, again and again: a stale pointer to a header in it says nothing. */
static void headers_of_before(void **state)
{
	enum { PAIRS = 10 };
	struct world *w = world_new(112);

	(void)state;
	lay_out(w, "u40 u60 u40 u60 u40 u60 u40 u60 u40 u60 "
		   "u60 u40 u60 u40 u60 u40 u60 u40 u60 u40");
	for (unsigned i = 0; i < PAIRS; i++)
		put(w, w->chunk[2 * i] + 8, 0xa1);
	put(w, DATA, w->chunk[4] + 16);
	put(w, DATA + 8, w->chunk[5] + 16);
	expect(w, "u-u-u-u-u-u-u-u-u-u-f", 0);
	world_free(w);
}

/* What is left of a free chunk in a block that has not written there has its links; a pointer to it is as old. */
static void remnant_of_a_free_chunk(void **state)
{
	(void)state;
	for (unsigned has_links = 0; has_links < 2; has_links++) {
		struct world *w = world_new(112);
		taddr inner;

		lay_out(w, "u40 ub0 u40");
		inner = w->chunk[1] + 0x60;
		put(w, inner + 8, 0x51);
		if (has_links) {
			put(w, inner + 16, w->chunk[0]);
			put(w, inner + 24, bin(w, 0));
		}
		put(w, DATA, inner + 16);
		expect(w, "uuuf", !has_links);
		world_free(w);
	}
}

/* Nor does a word behind what is left of a free chunk in the block that has it: that is as old. */
static void word_behind_a_remnant(void **state)
{
	(void)state;
	for (unsigned has_links = 0; has_links < 2; has_links++) {
		struct world *w = world_new(112);
		taddr old;

		lay_out(w, "u40 ub0 u40 u120 u40");
		put(w, w->chunk[1] + 0x60 + 8, 0x51);
		old = w->chunk[3] + 0x30;
		if (has_links) {
			put(w, old + 8, 0xb1);
			put(w, old + 16, w->chunk[0]);
			put(w, old + 24, w->chunk[2]);
		}
		put(w, old + 0x38, w->chunk[1] + 0x60 + 16);
		expect(w, "uuuuuf", !has_links);
		world_free(w);
	}
}

/* One block of 0x200 bytes in use, filled by a case; pointers to all of it stand in a module's data. */
static struct world *block_world(void)
{
	struct world *w = world_new(112);

	lay_out(w, "u40 u40 u50 u40 u210 u40");
	for (taddr off = 0; off < 0x200; off += 16)
		put(w, DATA + off / 2, w->chunk[4] + 16 + off);
	return w;
}

/* What a program keeps in a block may look like chunks to the very end of it. */
static void blocks_that_hold_chunks(void **state)
{
	struct world *w = block_world();

	(void)state;
	for (taddr at = w->chunk[4] + 16; at < w->chunk[5]; at += 0x40)
		put(w, at + 8, 0x41); /* an allocator of its own, from the first byte on */
	expect(w, "uuuuuuf", 0);
	world_free(w);

	w = block_world(); /* pairs of a pointer and a length of 33 */
	for (taddr at = w->chunk[4] + 16; at < w->chunk[5]; at += 0x10)
		put(w, at + 8, 0x21);
	expect(w, "uuuuuuf", 0);
	world_free(w);

	w = block_world(); /* a copy of a stretch of heap; what is in it points to the original */
	memset(bytes_at(w, DATA), 0, 0x100);
	memcpy(bytes_at(w, w->chunk[4] + 0x10), bytes_at(w, HEAP), 0xd0);
	put(w, w->chunk[4] + 0x10 + 0xd0 + 8, 0x201 - 0xd0);
	memset(bytes_at(w, w->chunk[4] + 0x10), 0, 16); /* not from its first byte on */
	for (unsigned i = 0; i < 4; i++)
		put(w, DATA + 8 * i, w->chunk[i] + 16);
	expect(w, "uuuuuuf", 0);
	world_free(w);
}

/* A header at the same place in many blocks is a part of them, though pointers lead there. */
static void objects_that_look_split(void **state)
{
	struct world *w = world_new(112);
	unsigned i;

	(void)state;
	lay_out(w, "u60 u60 u60 u60 u60 u60");
	put(w, w->chunk[1] + 0x40 + 8, 0x21);
	for (i = 0; i < 6; i++)
		put(w, DATA + 8 * i, w->chunk[i] + 0x40 + 16);
	expect(w, "uuuuuuf", 0);
	world_free(w);

	/* Of what was there before, as stale as the pointers to it, here and in one other block. */
	w = world_new(112);
	lay_out(w, "u60 u60 u60 u60 u60 u60 u60 u60 u60 u60");
	put(w, w->chunk[1] + 0x40 + 8, 0x21);
	put(w, DATA, w->chunk[1] + 0x40 + 16);
	put(w, DATA + 8, w->chunk[6] + 0x40 + 16);
	for (i = 0; i < 10; i++)
		put(w, DATA + 16 + 8 * i, w->chunk[i] + 16);
	expect(w, "uuuuuuuuuuf", 0);
	world_free(w);

	w = world_new(112); /* in a cache of its size */
	lay_out(w, "T290 u60 c60 u60");
	put(w, w->chunk[2] + 0x40 + 8, 0x21);
	put(w, DATA, w->chunk[2] + 0x40 + 16);
	expect(w, ".ufuf", 0);
	world_free(w);
}

/* Flags and sizes that only the allocator itself writes. */
static void words_of_the_allocator(void **state)
{
	static const struct {
		unsigned chunk;
		uint64_t header;
		size_t n_damage;
	} cases[] = {
		{ 1, 0x45, 1 },	  /* of another arena */
		{ 3, 0, 2 },	  /* top: its size, and its flag */
		{ 3, 0x1001, 1 },
		{ 3, 0x4141414141414141, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new(112);

		lay_out(w, "u40 u40 u40");
		put(w, w->chunk[cases[i].chunk] + 8, cases[i].header);
		expect(w, "uuuf", cases[i].n_damage);
		world_free(w);
	}
}

static void lists_that_loop(void **state)
{
	struct world *w = world_new(112);
	taddr mem;

	(void)state;
	lay_out(w, "T290 u30 c40 c40 c20"); /* freed twice: the list comes back to itself */
	mem = w->chunk[2] + 16;
	put(w, mem, (w->chunk[3] + 16) ^ mem >> 12);
	put32(w, w->chunk[0] + 16 + 4, 0);
	{
		struct blocks b;

		assert_null(blocks_build(&w->env, &w->img, &b));
		assert_true(b.heaps[0].info->checks_failed > 0);
		blocks_fini(&b);
	}
	world_free(w);

	w = world_new(112);
	lay_out(w, "u30 f90 u30 f90 u20"); /* bk of a free chunk overwritten */
	put(w, w->chunk[1] + 24, 0x4242424242424242);
	expect(w, "ufufuf", 1);
	world_free(w);
}

static uint64_t n_in_fastbins(const struct heap_info *info)
{
	for (size_t i = 0; i < info->n_wheres; i++)
		if (!strcmp(info->wheres[i].where, "fastbin"))
			return info->wheres[i].count;
	return 0;
}

/* Each of 20 says that it has all of a large block, too: its pages are not looked at, and counted, 20 times. */
static void free_chunks_that_overlap(void **state)
{
	char layout[MAX_CHUNKS * 8] = "";
	struct world *w = world_new(112);
	uint64_t returnable = 0;
	struct blocks b;
	taddr end;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		strcat(layout, "u20 f40 ");
	strcat(layout, "u18000");
	lay_out(w, layout);
	end = w->chunk[w->n_chunks];
	for (taddr page = align_up(w->chunk[40], 0x1000); page < end; page += 0x1000)
		put(w, page, 0x5a);
	for (unsigned i = 1; i < 40; i += 2)
		put(w, w->chunk[i] + 8, (end - w->chunk[i]) | 1);
	assert_null(blocks_build(&w->env, &w->img, &b));
	for (size_t i = 0; i < b.heaps[0].info->n_wheres; i++)
		returnable += b.heaps[0].info->wheres[i].returnable;
	assert_true(returnable >= 0x10000);
	assert_true(returnable <= 4 * HEAP_SIZE);
	blocks_fini(&b);
	world_free(w);
}

/* Chunks of fast bins in all places: next to each other, far from each other, last before top. */
static void fast_bins_all_over(void **state)
{
	char layout[MAX_CHUNKS * 8] = "", states[MAX_CHUNKS + 1] = "";
	struct world *w = world_new(112);
	struct blocks b;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i + 1 < MAX_CHUNKS - 1; i++) {
		bool is_fast = i % 3 != 1;

		sprintf(layout + strlen(layout), i % 7 ? "%c%x " : "%c%x0 ", is_fast && i % 7 ? 'q' : 'u',
			i % 7 ? 0x20 + 16 * (i % 8) : 0x3f + i / 7);
		states[i] = is_fast && i % 7 ? 'f' : 'u';
		n += states[i] == 'f';
	}
	strcat(states, "f");
	lay_out(w, layout);
	expect(w, states, 0);
	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(n_in_fastbins(b.heaps[0].info), n);
	assert_int_equal(b.heaps[0].info->checks_failed, 0);
	blocks_fini(&b);
	world_free(w);
}

/* Freed twice: into a cache and a fast bin, or twice into one fast bin.  It is free once. */
static void freed_twice(void **state)
{
	struct world *w = world_new(112);
	taddr entry, mem;

	(void)state;
	lay_out(w, "T290 u30 c40 q40 q40 u20");
	entry = w->chunk[0] + 16 + 128 + 8 * 2;
	mem = w->chunk[3] + 16;
	put(w, mem, mem >> 12); /* the last of the fast bin is the last of the cache */
	put(w, w->chunk[2] + 16, mem ^ (w->chunk[2] + 16) >> 12);
	put(w, entry, w->chunk[2] + 16);
	bytes_at(w, w->chunk[0] + 16)[2 * 2]++;
	expect(w, ".ufffuf", 1);
	world_free(w);

	w = world_new(112);
	lay_out(w, "u30 q40 q40 u40 q40 u20");
	mem = w->chunk[1] + 16; /* the last leads to the one before */
	put(w, mem, w->chunk[2] ^ mem >> 12);
	expect(w, "uffufuf", 1);
	world_free(w);
}

/* A free chunk in its list stays free, whatever was written over its end. */
static void footer_overwritten(void **state)
{
	struct world *w = world_new(112);

	(void)state;
	lay_out(w, "u30 f90 u30");
	put(w, w->chunk[2], 0x4242424242424242);
	expect(w, "ufuf", 1);
	world_free(w);
}

/* What hangs behind a break is met from the list's other end: all of it, once. */
static void bins_broken_in_the_middle(void **state)
{
	static const unsigned cases[] = { 16, 24, 0 }; /* fd, bk or both are overwritten */

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new(112);
		const struct heap_info *info;
		struct blocks b;

		lay_out(w, "u20 f420 u20 f430 u20 f440 u20 f450 u20 f460 u20");
		if (cases[i] != 24)
			put(w, w->chunk[5] + 16, w->chunk[5]);
		if (cases[i] != 16)
			put(w, w->chunk[5] + 24, w->chunk[5]);
		assert_null(blocks_build(&w->env, &w->img, &b));
		info = b.heaps[0].info;
		assert_int_equal(info->n_damage, 1);
		for (size_t k = 0; k < info->n_wheres; k++)
			if (!strcmp(info->wheres[k].where, "unsorted"))
				assert_int_equal(info->wheres[k].count, 5);
		for (unsigned k = 1; k < w->n_chunks; k += 2) {
			struct block block;

			block_get(&b, block_at(&b, w->chunk[k] + 16), &block);
			assert_false(block.used);
			assert_string_equal(block.where, "unsorted");
		}
		blocks_fini(&b);
		world_free(w);
	}
}

static void mapped_chunks(void **state)
{
	struct world *w = world_new(112);
	struct blocks b;
	struct block block;

	(void)state;
	lay_out(w, "u30");
	put(w, MAPPED + 8, 0x3000 | 2);			/* alone */
	put(w, MAPPED + 0x5000 + 8, 0x10000 | 2);	/* as it was before it was aligned */
	put(w, MAPPED + 0x8000 - 16, 0x2ff0);
	put(w, MAPPED + 0x8000 - 8, 0xd010 | 2);
	put(w, MAPPED + 0x20000 + 8, 0x80000 | 2);	/* runs out of the mapping */
	put(w, MAPPED + 0x22000 + 8, 0x1230 | 2);	/* ends in no page's end */
	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(b.n_claims, 3);
	block_get(&b, block_at(&b, MAPPED + 0x1234), &block);
	assert_true(block.used);
	assert_int_equal(block.addr, MAPPED + 16);
	assert_int_equal(block.usable, 0x3000 - 16);
	block_get(&b, block_at(&b, MAPPED + 0x9000), &block);
	assert_true(block.used);
	assert_int_equal(block.addr, MAPPED + 0x8000);
	assert_int_equal(block.usable, 0xd000);
	assert_null(blocks_claim_at(&b, MAPPED + 0x20100));
	blocks_fini(&b);
	world_free(w);
}

/* A chunk whose header's page is a mapping of its own: madvise() of what lies behind splits it. */
static void mapped_chunks_in_two_mappings(void **state)
{
	struct world *w = world_new(112);
	struct segment *seg = &w->img.segments[w->img.n_segments - 1];
	struct segment *more = calloc(w->img.n_segments + 1, sizeof(*more)), *old = w->img.segments;
	struct block block;
	struct blocks b;

	(void)state;
	assert_non_null(more);
	while (seg > old && seg->start != MAPPED)
		seg--;
	assert_int_equal(seg->start, MAPPED);
	for (size_t i = 0, k = 0; i < w->img.n_segments; i++) {
		more[k++] = old[i];
		if (&old[i] != seg)
			continue;
		more[k] = old[i];
		more[k - 1].end = more[k].start = MAPPED + 0x2000;
		more[k++].bytes += 0x2000;
	}
	w->img.segments = more;
	w->img.n_segments++;
	lay_out(w, "u30");
	put(w, MAPPED + 0x1000 + 8, 0x5000 | 2);
	put(w, MAPPED + 0x3000 + 8, 0x1000 | 2); /* the program's own data */
	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(b.n_claims, 2);
	block_get(&b, block_at(&b, MAPPED + 0x3010), &block);
	assert_int_equal(block.addr, MAPPED + 0x1010);
	assert_int_equal(block.usable, 0x5000 - 16);
	blocks_fini(&b);
	w->img.segments = old;
	w->img.n_segments--;
	free(more);
	world_free(w);
}

/* Others took brk memory between two pieces, and filled it with what looks like chunks. */
static void foreign_brk(void **state)
{
	struct world *w = world_new(112);

	(void)state;
	put(w, HEAP + 8, 0x2000 - 0x60 + 1);
	put(w, HEAP + 0x2000 - 0x60 + 8, 0x41);
	put(w, HEAP + 0x1fe0 + 8, 0x11);
	put(w, HEAP + 0x1ff0 + 8, 0x11);
	for (taddr at = HEAP + 0x2000; at < HEAP + 0x3000; at += 16)
		put(w, at + 8, 0x21);
	put(w, HEAP + 0x3000 + 8, 0x1000 | 1);
	put(w, HEAP + 0x4000 + 8, (HEAP_SIZE - 0x4000) | 1);
	put(w, STATE + 112 - 16, HEAP + 0x4000);
	w->chunk[0] = HEAP;
	w->chunk[1] = HEAP + 0x2000 - 0x60;
	w->chunk[2] = HEAP + 0x2000;
	w->chunk[3] = HEAP + 0x2fe0;
	w->chunk[4] = HEAP + 0x3000;
	w->chunk[5] = HEAP + 0x4000;
	{
		struct blocks b;
		static const char is_used[] = "110010";

		assert_null(blocks_build(&w->env, &w->img, &b));
		for (int i = 0; i < 6; i++) {
			uint32_t id = block_at(&b, w->chunk[i] + 16);

			assert_int_equal(block_is_used(&b, id), is_used[i] - '0');
		}
		assert_int_equal(b.n_claims, 2);
		blocks_fini(&b);
	}
	world_free(w);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

/* Where a walk must look closer, by the definition: the first chunk from `at` on that is not ordinary. */
static taddr first_unusual(struct world *w, taddr at, taddr limit, uint64_t flags)
{
	while (at < limit) {
		uint64_t header = get(w, at + 8), size = header & ~7ull, next;

		if (size < 0x20 || size > GLIBC_RUN_MAX || (header & 14) != (flags & 14))
			break;
		next = get(w, at + size + 8);
		if (!(next & 1) && get(w, at + size) != size)
			break;
		for (taddr in = at + 0x20; next & 1 && in <= at + size - 0x20; in += 16) {
			uint64_t word = get(w, in + 8);

			if (word >= 0x20 && !(word & 15 & ~flags) && (word & ~7ull) <= at + size - in)
				return at;
		}
		at += size;
	}
	return at;
}

/* Chunks of any size and state, with words in them that are headers or nearly. */
static void fill_at_random(struct world *w, uint64_t flags, uint64_t *seed)
{
	static const uint64_t words[] = { 0x20, 0x21, 0x25, 0x1f, 0x29, 0x22, 0x31, 0x3e1, 0x3f5, 0x401, 0x421, 0x2021, 0x100000021, ~0ull };
	bool prev_in_use = true;

	for (taddr at = HEAP; at < HEAP + HEAP_SIZE - 0x3000;) {
		uint64_t most = next_random(seed) % 8 ? 8 : next_random(seed) % 4 ? 63 : 500;
		uint64_t size = 0x20 + 16 * (next_random(seed) % most), odds = next_random(seed) % 40;

		put(w, at + 8, size | flags | prev_in_use);
		for (taddr in = at + 16; in < at + size; in += 8)
			put(w, in, next_random(seed) % 64 ? 0 : words[next_random(seed) % ARRAY_SIZE(words)]);
		if (odds == 1)
			put(w, at + 8, words[next_random(seed) % ARRAY_SIZE(words)] | 1);
		prev_in_use = odds > 3;
		at += size;
		put(w, at, odds > 2 ? 0x21 : size);
		put(w, at + 8, 0x20 | flags | prev_in_use);
	}
}

static void runs_end_where_the_walk_must_look(void **state)
{
	uint64_t seed = 88172645463325252ull, n = 0, n_plain = 0;

	(void)state;
	for (unsigned round = 0; round < 64; round++) {
		struct world *w = world_new(112);
		struct window window = { .img = &w->img };
		struct grain_range range = { HEAP + 16, HEAP + HEAP_SIZE + 16 };
		struct grains grains;
		_free_ uint64_t *used = calloc(HEAP_SIZE, 1), *plain = calloc(HEAP_SIZE, 1);
		struct block_sink sink = { .grains = &grains, .used = used, .plain = plain,
					   .files = { { 0x2000, 0x100000000 }, { 0x22, 0x22 } } };
		struct glibc_run run = { .flags = round & 1 ? 5 : 1 };
		taddr limit = HEAP + HEAP_SIZE - 0x5000;

		fill_at_random(w, run.flags & 4, &seed);
		assert_null(grains_open(&w->env, &range, 1, GRAIN_SHIFT, &grains));
		assert_true(window_move(&window, HEAP));
		for (taddr at = HEAP; at < limit;) {
			taddr end = glibc_run(&run, &window, at, limit, &sink);

			assert_int_equal(end, first_unusual(w, at, limit, run.flags));
			for (; at < end; at += get(w, at + 8) & ~7ull, n++) {
				bool in_use = get(w, at + 8 + (get(w, at + 8) & ~7ull)) & 1;
				uint64_t first = get(w, at + 16);
				/* of the words that there are: above any size, and in neither range */
				bool is_plain = first == ~0ull;

				assert_true(grain_is_start(&grains, grain_of(&grains, at + 16), at + 16));
				assert_int_equal(bit_get(used, grain_of(&grains, at + 16)), in_use);
				assert_int_equal(bit_get(plain, grain_of(&grains, at + 16)), is_plain);
				n_plain += is_plain;
			}
			at += end < limit ? 0x10 : 0; /* a walk would look; here it is enough to go on */
			while (at < limit && (get(w, at + 8) & ~7ull) < 0x20)
				at += 0x10;
		}
		grains_close(&grains);
		world_free(w);
	}
	assert_true(n > 1000);
	assert_true(n_plain > 10);
}

/* mcheck()'s headers {size, magic, prev, next, block, magic2}: the newest leads to an older one; glibc malloc/mcheck.c. */
static void mcheck_is_told(void **state)
{
	enum { MODULE = 0x10000, NEW = 0x20040, OLD = 0x20100 };
	static const struct fake_mapping mappings[] = {
		{ MODULE, 0x1000, SEG_R | SEG_W, 2, false },
		{ 0x20000, 0x1000, SEG_R | SEG_W, 0, false },
		{},
	};
	static const struct fake_word words[] = {
		{ MODULE + 0x100, NEW },
		{ NEW, 16 }, { NEW + 8, 0xfedabeeb ^ OLD }, { NEW + 24, OLD }, { NEW + 32, NEW }, { NEW + 40, 0xfedabeeb ^ NEW },
		{ OLD, 16 }, { OLD + 8, 0xfedabeeb ^ NEW }, { OLD + 16, NEW }, { OLD + 32, OLD }, { OLD + 40, 0xfedabeeb ^ OLD },
		{},
	};
	struct fake_image *f;
	struct env env;

	(void)state;
	for (unsigned damaged = 0; damaged < 3; damaged++) {
		env_init(&env);
		f = fake_image_new(&env, mappings, words);
		assert_non_null(f);
		if (damaged)
			fake_image_put(f, NEW + 8 * (2 * damaged - 1), 1); /* magic, next */
		glibc_tell_mcheck(&env, &f->img, &f->modules[1]);
		assert_int_equal(env.diags.n, !damaged);
		fake_image_free(f);
		env_fini(&env);
	}
}

static void no_heap_is_no_error(void **state)
{
	struct world *w = world_new(112);
	struct blocks b;

	(void)state;
	memset(w->data, 0, sizeof(w->data));
	assert_null(blocks_build(&w->env, &w->img, &b));
	assert_int_equal(b.n_heaps, 0);
	assert_int_equal(block_at(&b, HEAP + 16), BLOCK_NONE);
	blocks_fini(&b);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_say_what_is_free), cmocka_unit_test(cache_without_tls),
		cmocka_unit_test(cache_turned_off),
		cmocka_unit_test(later_form_without_fast_bins), cmocka_unit_test(damaged_headers),
		cmocka_unit_test(remnant_of_a_free_chunk), cmocka_unit_test(word_behind_a_remnant),
		cmocka_unit_test(sizes_that_swallow),
		cmocka_unit_test(headers_of_before), cmocka_unit_test(blocks_that_hold_chunks),
		cmocka_unit_test(objects_that_look_split), cmocka_unit_test(words_of_the_allocator),
		cmocka_unit_test(lists_that_loop), cmocka_unit_test(free_chunks_that_overlap),
		cmocka_unit_test(fast_bins_all_over),
		cmocka_unit_test(freed_twice), cmocka_unit_test(footer_overwritten),
		cmocka_unit_test(bins_broken_in_the_middle), cmocka_unit_test(mapped_chunks),
		cmocka_unit_test(mapped_chunks_in_two_mappings),
		cmocka_unit_test(runs_end_where_the_walk_must_look), cmocka_unit_test(foreign_brk),
		cmocka_unit_test(mcheck_is_told),
		cmocka_unit_test(no_heap_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
