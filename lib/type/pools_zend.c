/*
 * type/pools_zend.c - the heap of PHP's requests (ZendMM) of 7.0 to 8.5: chunks of 2 MiB from the system, huge
 * blocks beside them, and what is in use by size.
 *
 * Source of truth: Zend/zend_alloc.c and zend_alloc_sizes.h.  A heap lies in its first chunk, at a multiple of
 * 2 MiB, and both lead to each other; which pages of a chunk are taken is told twice, by bits and by a number.
 * What the heap has of the system it counts (real_size) without the chunks that 7.4 keeps from one request to
 * the next, so how many chunks there are is held against their own counts.
 * A build for another allocator (USE_ZEND_ALLOC=0) has its blocks from malloc.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/text.h"
#include "type/pools.h"

enum {
	CHUNK = 2 << 20,
	PAGE = 4096,
	PAGES = CHUNK / PAGE,
	BINS = 30,
	/* struct _zend_mm_chunk */
	C_HEAP = 0,
	C_NEXT = 8,
	C_FREE_PAGES = 24,
	C_HEAP_SLOT = 64,
	MAP_BYTES = 4 * PAGES,
	FREE_MAP_BYTES = PAGES / 8,
	/* a page in the map: a run of small blocks, of pages, the later pages of a run of small blocks (both) */
	SMALL_RUN = 1u << 31,
	LARGE_RUN = 1u << 30,
	RUN_PAGES = 0x3ff,
	RUN_BIN = 0x1f,
	/*
	 * struct _zend_mm_heap: size, the lists of free blocks (a word later since 8.4), real_size and its peak behind
	 * them, limits, and huge_list, main_chunk, cached_chunks and the counts of chunks side by side.
	 */
	H_SIZE = 16,
	H_SLOTS = 32,
	H_SLOTS_SINCE_8_4 = 40,
	REAL_SIZE = 8 * BINS,	/* from the lists on */
	REAL_PEAK = REAL_SIZE + 8,
	MAIN_FIRST = REAL_SIZE + 40,
	MAIN_LAST = MAIN_FIRST + 64,
	HUGE_LIST = -8, /* from main_chunk on */
	CACHED_CHUNKS = 8,
	N_CHUNKS = 16, /* int */
	N_CACHED = 24,
	KINDS = BINS + 2,
};

/* ZEND_MM_BINS_INFO: bytes of a block, and pages of a run. */
static const struct {
	uint16_t size;
	uint8_t pages;
} bins[BINS] = {
	{ 8, 1 },   { 16, 1 },  { 24, 1 },  { 32, 1 },	{ 40, 1 },   { 48, 1 },	  { 56, 1 },   { 64, 1 },
	{ 80, 1 },  { 96, 1 },  { 112, 1 }, { 128, 1 }, { 160, 1 },  { 192, 1 },  { 224, 1 },  { 256, 1 },
	{ 320, 5 }, { 384, 3 }, { 448, 1 }, { 512, 1 }, { 640, 5 },  { 768, 3 },  { 896, 2 },  { 1024, 2 },
	{ 1280, 5 }, { 1536, 3 }, { 1792, 7 }, { 2048, 4 }, { 2560, 5 }, { 3072, 3 },
};

struct zend {
	struct pools *p;
	taddr chunk, heap; /* the first chunk, and the heap in it */
	unsigned slots, main; /* where the heap has its lists of free blocks, and main_chunk */
	unsigned map;	   /* where chunks have their map of pages */
	uint32_t pool;
	uint64_t left;	   /* bytes that chunks and huge blocks may still be: hostile lists lead in rings */
	uint64_t bytes;
	uint32_t chunks, cached;
	uint64_t blocks[BINS]; /* in all runs of a bin */
	struct pool_content kinds[KINDS];
	bool broken;
};

static uint64_t word(const struct zend *z, taddr at)
{
	uint64_t v;

	return image_read_u64(z->p->img, at, &v) == MEM_OK ? v : 0;
}

static void broken(struct zend *z, const char *what, taddr at)
{
	diag(z->p->env, "pool/broken-list", at,
	     "%s of the zend_mm_heap at 0x%" PRIx64 ": not sound at 0x%" PRIx64 ", the rest is left out",
	     what, z->heap, at);
	z->broken = true;
}

/* ---- finding it */

/* The first page of a chunk with its map at `map`: the bits of taken pages are as many as it says. */
static bool is_map(const uint8_t *chunk, unsigned map)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < FREE_MAP_BYTES; i += 8)
		taken += (unsigned)__builtin_popcountll(load_u64(chunk + map - FREE_MAP_BYTES + i));
	return chunk[map - FREE_MAP_BYTES] & 1 && load_u32(chunk + map) == (LARGE_RUN | 1) &&
	       load_u32(chunk + C_FREE_PAGES) == PAGES - taken;
}

static bool find_places(struct zend *z, const uint8_t *heap)
{
	static const unsigned slots[] = { H_SLOTS, H_SLOTS_SINCE_8_4 };

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		const uint8_t *lists = heap + slots[i];
		uint64_t size = load_u64(lists + REAL_SIZE), peak = load_u64(lists + REAL_PEAK);

		if (size & (PAGE - 1) || size < CHUNK || size > peak || peak >> 47)
			continue;
		z->slots = slots[i];
		for (unsigned at = MAIN_FIRST; at <= MAIN_LAST; at += 8) {
			z->main = slots[i] + at;
			if (load_u64(lists + at) == z->chunk)
				return true;
		}
	}
	return false;
}

static bool is_first_chunk(struct zend *z, taddr at, const uint8_t *b)
{
	if (load_u64(b + C_HEAP) != at + C_HEAP_SLOT)
		return false;
	z->chunk = at;
	z->heap = at + C_HEAP_SLOT;
	if (!find_places(z, b + C_HEAP_SLOT))
		return false;
	for (z->map = C_HEAP_SLOT + z->main + FREE_MAP_BYTES; z->map <= PAGE - MAP_BYTES; z->map += 8)
		if (is_map(b, z->map))
			return true;
	return false;
}

/* ---- what is in it */

static struct err *add_memory(struct zend *z, const char *what, taddr at, uint64_t size, bool *ret)
{
	*ret = false;
	if (at & (CHUNK - 1) || !size || size & (PAGE - 1) || size > z->left ||
	    !image_segment(z->p->img, at)) {
		broken(z, what, at);
		return NULL;
	}
	*ret = true;
	z->left -= size;
	z->bytes += size;
	return pools_add_chunk(z->p, z->pool, at, size);
}

static void count(struct zend *z, unsigned kind, uint64_t n, uint64_t bytes)
{
	z->kinds[kind].count += n;
	z->kinds[kind].bytes += bytes;
}

static void count_pages(struct zend *z, taddr chunk, const uint8_t *b)
{
	const uint8_t *taken = b + z->map - FREE_MAP_BYTES;

	for (unsigned i = 1, n; i < PAGES; i += n) {
		uint32_t run = load_u32(b + z->map + 4 * i);
		unsigned bin = run & RUN_BIN;

		n = 1;
		if (!(taken[i / 8] >> i % 8 & 1))
			continue;
		if (run & LARGE_RUN)
			n = run & SMALL_RUN ? 0 : run & RUN_PAGES;
		else
			n = run & SMALL_RUN && bin < BINS ? bins[bin].pages : 0;
		if (!n || n > PAGES - i) {
			broken(z, "a chunk's map", chunk + z->map + 4 * i);
			return;
		}
		if (run & SMALL_RUN)
			z->blocks[bin] += n * PAGE / bins[bin].size;
		else
			count(z, BINS, 1, (uint64_t)n * PAGE);
	}
}

static struct err *add_chunks(struct zend *z)
{
	taddr at = z->chunk;
	struct err *err = NULL;

	do {
		uint64_t avail = 0;
		const uint8_t *b = image_view(z->p->img, at, &avail);
		bool good = b && avail >= PAGE && load_u64(b + C_HEAP) == z->heap && is_map(b, z->map);

		if (!good) {
			broken(z, "the list of chunks", at);
			return NULL;
		}
		err = add_memory(z, "the list of chunks", at, CHUNK, &good);
		if (err || !good)
			return err;
		z->chunks++;
		count_pages(z, at, b);
		at = load_u64(b + C_NEXT);
	} while (at != z->chunk);
	return NULL;
}

/* Chunks that are kept for later: what they say of their pages is no longer so. */
static struct err *add_cached(struct zend *z)
{
	taddr at = word(z, z->heap + z->main + CACHED_CHUNKS);
	bool good = true;
	struct err *err = NULL;

	for (; at && good && !err; at = word(z, at + C_NEXT)) {
		err = add_memory(z, "the list of cached chunks", at, CHUNK, &good);
		z->cached += good;
	}
	return err;
}

/* { ptr, size, next } */
static struct err *add_huge(struct zend *z)
{
	taddr at = word(z, z->heap + z->main + HUGE_LIST);
	struct err *err = NULL;

	while (at && !err) {
		uint64_t w[3];
		bool good;

		if (image_read(z->p->img, at, w, sizeof(w)) != MEM_OK) {
			broken(z, "the list of huge blocks", at);
			break;
		}
		err = add_memory(z, "the list of huge blocks", w[0], w[1], &good);
		if (!good)
			break;
		count(z, BINS + 1, 1, w[1]);
		at = w[2];
	}
	return err;
}

/* Is it in a page of that bin, of this heap? */
static bool is_slot(const struct zend *z, taddr at, unsigned bin)
{
	taddr chunk = align_down(at, CHUNK);
	uint32_t run;

	return !(at & 7) && word(z, chunk + C_HEAP) == z->heap &&
	       image_read_u32(z->p->img, chunk + z->map + (at - chunk) / PAGE * 4, &run) == MEM_OK &&
	       run & SMALL_RUN && (run & RUN_BIN) == bin;
}

/* Where the list breaks, none of it is known to be free. */
static void count_small(struct zend *z, unsigned bin)
{
	taddr at = word(z, z->heap + z->slots + 8ull * bin);
	uint64_t used = z->blocks[bin];

	for (; at; at = word(z, at)) {
		if (!used || !is_slot(z, at, bin)) {
			broken(z, "a list of free blocks", at);
			used = z->blocks[bin];
			break;
		}
		used--;
	}
	count(z, bin, used, used * bins[bin].size);
}

/* ---- as a pool */

static int by_bytes(const void *pa, const void *pb)
{
	const struct pool_content *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

static bool name_kinds(struct zend *z)
{
	struct text t = TEXT_INIT;

	for (unsigned i = 0; i < KINDS; i++) {
		text_reset(&t);
		if (i < BINS)
			text_printf(&t, "blocks of %u", bins[i].size);
		else
			text_add(&t, i == BINS ? "large blocks" : "huge blocks");
		z->kinds[i].name = arena_strdup(&z->p->mem, text_str(&t));
		if (!z->kinds[i].name)
			break;
	}
	text_fini(&t);
	return z->kinds[KINDS - 1].name;
}

static bool is_counted(const struct zend *z, unsigned at, uint32_t n)
{
	uint32_t counted;

	return image_read_u32(z->p->img, z->heap + z->main + at, &counted) == MEM_OK && counted == n;
}

static struct err *tell(struct zend *z)
{
	struct pool *pool = &z->p->v[z->pool];
	struct pool_content *contents = arena_alloc(&z->p->mem, sizeof(z->kinds));
	uint64_t used = 0;

	if (!contents)
		return &err_nomem;
	for (unsigned i = 0; i < KINDS; i++)
		used += z->kinds[i].bytes;
	qsort(z->kinds, KINDS, sizeof(*z->kinds), by_bytes);
	memcpy(contents, z->kinds, sizeof(z->kinds));
	pool->contents = contents;
	while (pool->n_contents < KINDS && contents[pool->n_contents].count)
		pool->n_contents++;
	pool->bytes = z->bytes;
	pool->free = z->bytes > used ? z->bytes - used : 0;
	pool->agrees = !z->broken && used == word(z, z->heap + H_SIZE) &&
		       is_counted(z, N_CHUNKS, z->chunks) && is_counted(z, N_CACHED, z->cached);
	return NULL;
}

static struct err *add_heap(struct zend *z)
{
	struct pool pool = { .addr = z->heap, .kind = "zend_mm_heap", .parent = POOL_NONE, .counts = true };
	struct err *err = pools_add(z->p, &pool, &z->pool);

	z->bytes = 0;
	z->chunks = z->cached = 0;
	z->broken = false;
	memset(z->blocks, 0, sizeof(z->blocks));
	memset(z->kinds, 0, sizeof(z->kinds));
	if (!err && !name_kinds(z))
		err = &err_nomem;
	if (!err)
		err = add_chunks(z);
	if (!err)
		err = add_huge(z);
	if (!err)
		err = add_cached(z);
	if (err)
		return err;
	for (unsigned i = 0; i < BINS; i++)
		count_small(z, i);
	return tell(z);
}

static struct err *find_in_run(void *arg, taddr start, taddr end)
{
	struct zend *z = arg;
	struct err *err = NULL;

	for (taddr at = align_up(start, CHUNK); at >= start && at < end && !err; at += CHUNK) {
		uint64_t avail = 0;
		const uint8_t *b = image_view(z->p->img, at, &avail);

		if (b && avail >= PAGE && is_first_chunk(z, at, b))
			err = add_heap(z);
	}
	return err;
}

static struct err *find(struct pools *p, void *ctx)
{
	struct zend z = { .p = p };

	(void)ctx;
	for (size_t i = 0; i < p->img->n_segments; i++)
		z.left += p->img->segments[i].end - p->img->segments[i].start;
	return pools_each_run(p, find_in_run, &z);
}

static struct err *open_zend(struct pools *p, void **ret)
{
	(void)p;
	*ret = NULL;
	return NULL;
}

static void close_zend(void *ctx)
{
	(void)ctx;
}

extern const struct pool_ops pools_zend;
const struct pool_ops pools_zend = {
	.name = "ZendMM",
	.open = open_zend,
	.close = close_zend,
	.find = find,
};
