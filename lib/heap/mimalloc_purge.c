/*
 * mimalloc_purge.c - of idle slices and emptied pages, what mi_collect(true) gives back to the system.
 *
 * Since 3.1.6 slices go back in whole ranges as large as a huge page, where the system has transparent ones
 * and allow_thp says so (src/os.c, _mi_os_minimal_purge_size(): to 3.3.1 by default, from 3.3.2 with
 * allow_thp=2, which 3.6 has by default), and only if each slice of the range was freed before
 * (src/arena.c, slices_purge).  The options, what mimalloc found of the system, and the arenas' bitmaps are
 * in the dump.  Where they are not found, all counts that holds anything.
 */
#include <stdlib.h>

#include "base/search.h"
#include "heap/mimalloc.h"
#include "heap/module_data.h"
#include "heap/touched.h"
#include "image/shadow.h"

enum {
	OPTION = 32, /* struct mi_option_desc_s: value, init (32 bits), its own number (32 bits), two names */
	OPTION_PURGE_DELAY = 15,
	OPTION_ALLOW_THP = 43,
	OPTION_MINIMAL_PURGE_SIZE = 44, /* in KiB */
	OPTIONS_MIN = 26,
	MEM_CONFIG = 48, /* bytes of mi_os_mem_config */
	OPTIONS_MAX = 128,
	OPTIONS_STRICT_THP = 47, /* as many: allow_thp must be 2, not just set */
	FIELD = 64,		 /* slices in a word of a bitmap; ranges are no larger */
	CHUNK = 512,		 /* and in one of its chunks */
	CHUNKS_MAX = 512,
	BITMAP_HEAD = 128, /* chunk_count, padded, and a chunk's worth of summary */
	ARENA_WORDS = 32,  /* of mi_arena_s, its bitmaps among them */
	BITMAPS_MAX = 64 << 20, /* bytes from it on where they lie */
};

/* ---- the module's data */

static const uint8_t *option_at(const uint8_t *table, unsigned no)
{
	return table + (size_t)OPTION * no;
}

static bool is_option(const uint8_t *option, unsigned no)
{
	return load_u32(option + 12) == no && load_u32(option + 8) <= 2;
}

static unsigned count_options(const uint8_t *table, uint64_t avail)
{
	unsigned n = 0;

	while (n < OPTIONS_MAX && avail >= OPTION && is_option(option_at(table, n), n)) {
		avail -= OPTION;
		n++;
	}
	return n;
}

/* mi_os_mem_config: page, huge page, granularity, memory in KiB, address bits; four flags, THP the last. */
static bool is_mem_config(const uint8_t *b)
{
	uint64_t page = load_u64(b), large = load_u64(b + 8), bits = load_u64(b + 32);

	return page >= MI_OS_PAGE && page <= MI_SLICE && !(page & (page - 1)) && load_u64(b + 16) == page &&
	       large > page && large <= 1ull << 30 && !(large & (large - 1)) && bits >= 32 && bits <= 64 &&
	       !(load_u32(b + 40) & ~0x01010101u);
}

struct config {
	const uint8_t *options;
	unsigned n_options;
	const uint8_t *mem;
};

static void scan(const struct segment *seg, struct config *ret)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t at = 0; n - at >= 2 * OPTION; at += 8) {
		const uint8_t *b = seg->bytes + at;

		if (!ret->options && is_option(b, 0) && is_option(option_at(b, 1), 1)) {
			unsigned options = count_options(b, n - at);

			if (options >= OPTIONS_MIN) {
				ret->options = b;
				ret->n_options = options;
			}
		}
		if (!ret->mem && is_mem_config(b))
			ret->mem = b;
	}
}

static void find_config(const struct mi_heap *h, struct config *ret)
{
	const struct module *m = image_module_at(h->img, h->layout.module_data);
	struct module_data d = module_data(h->img);
	const struct segment *seg;

	while ((seg = module_data_next(&d)) && (!ret->options || !ret->mem))
		if (image_module_at(h->img, seg->start) == m && seg->end - seg->start >= 2 * OPTION)
			scan(seg, ret);
}

static int64_t option(const struct config *c, unsigned no)
{
	return no < c->n_options ? (int64_t)load_u64(option_at(c->options, no)) : 0;
}

/* _mi_os_minimal_purge_size(), in bytes. */
static uint64_t least_purged(const struct config *c)
{
	int64_t minimal = option(c, OPTION_MINIMAL_PURGE_SIZE), thp = option(c, OPTION_ALLOW_THP);

	if (minimal > 0)
		return (uint64_t)minimal < 1 << 20 ? (uint64_t)minimal << 10 : 1 << 30;
	if (!c->mem || !c->mem[43])
		return 0;
	return (c->n_options < OPTIONS_STRICT_THP ? thp != 0 : thp == 2) ? load_u64(c->mem + 8) : 0;
}

/* ---- an arena's bitmap of slices that are to be purged */

static uint64_t chunks_of(const struct mi_heap *h, const struct mi_area *a, taddr bitmap)
{
	uint64_t n;

	return bitmap - a->arena < BITMAPS_MAX && !(bitmap & 63) && image_read_u64(h->img, bitmap, &n) == MEM_OK ? n : 0;
}

/* slices_free, slices_committed, slices_dirty, slices_purge: of as many chunks each, one behind the other. */
static taddr find_bitmap(const struct mi_heap *h, const struct mi_area *a, uint64_t *ret_chunks)
{
	uint64_t w[ARENA_WORDS];

	if (!a->arena || image_read(h->img, a->arena, w, sizeof(w)) != MEM_OK)
		return 0;
	for (unsigned i = 0; i + 4 <= ARENA_WORDS; i++) {
		uint64_t n = chunks_of(h, a, w[i]);
		bool good = n && n <= CHUNKS_MAX;

		for (unsigned k = 1; k < 4 && good; k++)
			good = w[i + k] > w[i + k - 1] && chunks_of(h, a, w[i + k]) == n;
		if (good) {
			*ret_chunks = n;
			return w[i + 3];
		}
	}
	return 0;
}

static struct err *read_bitmap(const struct mi_heap *h, struct mi_area *a)
{
	uint64_t chunks, n;
	taddr bitmap = find_bitmap(h, a, &chunks);
	uint64_t *fields;

	if (!bitmap)
		return NULL;
	n = chunks * (CHUNK / FIELD);
	fields = calloc(n, sizeof(*fields));
	if (!fields)
		return &err_nomem;
	if (image_read(h->img, bitmap + BITMAP_HEAD, fields, n * sizeof(*fields)) != MEM_OK) {
		free(fields);
		return NULL;
	}
	a->purge = fields;
	a->n_purge = n;
	return NULL;
}

static struct mi_area *area_of(struct mi_heap *h, taddr at)
{
	size_t i = partition_point(h->areas.n, k, h->areas.v[k].start <= at);

	return i && at < h->areas.v[i - 1].end ? &h->areas.v[i - 1] : NULL;
}

void mi_purge_page(struct mi_heap *h, const struct mi_page *p)
{
	struct mi_area *a = area_of(h, p->start);

	if (!a || !a->purge)
		return;
	for (uint64_t i = (p->start - a->start) / MI_SLICE; a->start + i * MI_SLICE < p->area_end && i / FIELD < a->n_purge; i++)
		a->purge[i / FIELD] |= 1ull << i % FIELD;
}

struct err *mi_find_purge(struct mi_heap *h)
{
	struct config c = {};
	struct err *err = NULL;
	uint64_t least;

	find_config(h, &c);
	h->never_purged = option(&c, OPTION_PURGE_DELAY) < 0;
	if (!h->layout.has_map)
		return NULL;
	least = least_purged(&c);
	h->purge_slices = least <= MI_SLICE ? 1 : least / MI_SLICE < FIELD ? (unsigned)(align_up(least, MI_SLICE) / MI_SLICE) : FIELD;
	for (size_t i = 0; i < h->areas.n && !err; i++)
		err = read_bitmap(h, &h->areas.v[i]);
	return err;
}

void mi_keep_purge(const struct mi_heap *h)
{
	struct config c = {};

	find_config(h, &c);
	if (c.options)
		image_keep_exact(h->img, c.options, (uint64_t)OPTION * c.n_options);
	if (c.mem)
		image_keep_exact(h->img, c.mem, MEM_CONFIG);
	for (size_t i = 0; h->layout.has_map && i < h->areas.n; i++) {
		uint64_t chunks;
		taddr bitmap = find_bitmap(h, &h->areas.v[i], &chunks);

		if (bitmap)
			image_keep(h->img, bitmap + BITMAP_HEAD, chunks * (CHUNK / 8));
	}
}

/* ---- what goes back */

static bool goes_back(const struct mi_heap *h, const struct mi_area *a, uint64_t slice)
{
	unsigned n = h->purge_slices, shift = (unsigned)(slice % FIELD) / n * n;
	uint64_t mask = (n < FIELD ? (1ull << n) - 1 : UINT64_MAX) << shift;

	return slice / FIELD < a->n_purge && shift + n <= FIELD && (a->purge[slice / FIELD] & mask) == mask;
}

uint64_t mi_returnable(struct mi_heap *h, taddr start, taddr end)
{
	const struct mi_area *a = area_of(h, start);
	uint64_t sum = 0;

	if (!a || !a->purge)
		return touched_pages(h->img, start, end);
	while (start < end) {
		uint64_t slice = (start - a->start) / MI_SLICE;
		taddr next = a->start + (slice + 1) * MI_SLICE;

		if (goes_back(h, a, slice))
			sum += touched_pages(h->img, start, next < end ? next : end);
		start = next;
	}
	return sum;
}
