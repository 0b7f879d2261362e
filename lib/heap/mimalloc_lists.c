/*
 * mimalloc_lists.c - the blocks of a page: all are used that no free list has.
 *
 * Lists of a page are `free`, `local_free` and, of what other threads freed, `thread_free`; 2.x has
 * one more a heap.  In secure builds a link is encoded with two keys of the page, and each block ends
 * in a canary that is made of them.
 */
#include <inttypes.h>

#include "base/fetch.h"
#include "base/search.h"
#include "heap/mimalloc.h"

enum { PADDING_TRIED = 64 };

const char *const mi_where_names[MI_WHERES] = { NULL, "free", "local_free", "thread_free",
						"thread_delayed_free" };

static uint64_t rotate_left(uint64_t x, uint64_t n)
{
	n &= 63;
	return n ? x << n | x >> (64 - n) : x;
}

/* mi_ptr_decode(): `null` stands for 0. */
uint64_t mi_decode(taddr null, uint64_t word, const uint64_t *keys)
{
	uint64_t p = rotate_left(word - keys[0], 64 - (keys[0] & 63)) ^ keys[1];

	return p == null ? 0 : p;
}

static uint64_t encode(taddr p, const uint64_t *keys)
{
	return rotate_left(p ^ keys[1], keys[0]) + keys[0];
}

/* ---- padding */

bool mi_read_padding(const struct mi_heap *h, const struct mi_page *p, taddr block, uint64_t *ret)
{
	uint64_t room = p->block_size - MI_PADDING, word;
	uint32_t delta;

	if (p->block_size <= MI_PADDING || image_read_u64(h->img, block + room, &word) != MEM_OK)
		return false;
	delta = word >> 32;
	/* Its lowest byte is 0 in some releases: a string that runs over ends there. */
	if (((uint32_t)word ^ (uint32_t)encode(block, p->keys)) & 0xffffff00 || delta > room)
		return false;
	*ret = room - delta;
	return true;
}

/* What is not in a list is used; in a build with padding it ends in a canary. */
void mi_find_padding(struct mi_heap *h)
{
	uint64_t good = 0, bad = 0, size;

	for (size_t i = 0; i < h->pages.n && h->layout.encoded && good + bad < PADDING_TRIED; i++) {
		const struct mi_page *p = &h->pages.v[i];

		/* Full pages have no block that is free, but for what other threads freed. */
		if (p->used == p->capacity && p->used)
			mi_read_padding(h, p, p->start, &size) ? good++ : bad++;
	}
	for (size_t i = 0; i < h->pages.n && h->layout.encoded && !good && i < PADDING_TRIED; i++)
		for (uint32_t b = 0; b < h->pages.v[i].capacity && b < PADDING_TRIED && !good; b++)
			good += mi_read_padding(h, &h->pages.v[i],
						h->pages.v[i].start + b * h->pages.v[i].block_size,
						&size);
	h->padded = good > bad;
}

/* ---- lists */

static void set_mark(const struct mi_heap *h, const struct mi_page *p, uint32_t i,
		     enum mi_where where)
{
	h->marks[p->marks + i / 16] |= (uint64_t)where << (i % 16 * 4);
}

static void page_damage(struct mi_heap *h, struct mi_page *p, taddr at, const char *fmt, ...)
	PRINTF(4, 5);
static void page_damage(struct mi_heap *h, struct mi_page *p, taddr at, const char *fmt, ...)
{
	va_list ap;

	p->failed++;
	va_start(ap, fmt);
	damage_vadd(&p->damage, h->env, at, fmt, ap);
	va_end(ap);
}

/* The number of a block of the page; false when no block begins there. */
static bool block_no(const struct mi_page *p, taddr block, uint32_t *ret)
{
	uint64_t off = block - p->start;

	if (block < p->start || block >= mi_page_end(p) || off % p->block_size)
		return false;
	*ret = (uint32_t)(off / p->block_size);
	return true;
}

static void follow(struct mi_heap *h, struct mi_page *p, enum mi_where where,
		   struct block_sink *sink)
{
	taddr at = p->lists[where], before = p->at;
	uint64_t avail, step = 0;
	const uint8_t *bytes = image_view(h->img, p->start, &avail);

	while (at) {
		uint64_t word, off = at - p->start;
		uint32_t i;

		if (!block_no(p, at, &i)) {
			page_damage(h, p, before,
				    "page 0x%" PRIx64 ": its %s list leads from 0x%" PRIx64
				    " to 0x%" PRIx64 ", no block of it; likely a write after free",
				    p->at, mi_where_names[where], before, at);
			return;
		}
		if (mi_mark(h, p, i) != MI_USED) {
			page_damage(h, p, at,
				    "block at 0x%" PRIx64
				    " is in its page's %s list, and was in %s; likely freed twice",
				    at, mi_where_names[where], mi_where_names[mi_mark(h, p, i)]);
			return;
		}
		set_mark(h, p, i, where);
		block_sink_free(sink, at);
		p->n_in[where]++;
		if (bytes && off < avail && avail - off >= 8)
			word = load_u64(bytes + off);
		else if (image_read_u64(h->img, at, &word) != MEM_OK)
			return;
		before = at;
		at = h->layout.encoded ? mi_decode(p->at, word, p->keys) : word;
		if (bytes)
			fetch_steps(bytes, avail, off, at - p->start, &step);
	}
}

static void take_delayed(struct mi_heap *h, struct mi_page *p, struct block_sink *sink)
{
	size_t k = partition_point(h->delayed.n, j, h->delayed.v[j] < p->start);

	for (; k < h->delayed.n && h->delayed.v[k] < mi_page_end(p); k++) {
		uint32_t i;

		if (!block_no(p, h->delayed.v[k], &i) || mi_mark(h, p, i) != MI_USED) {
			page_damage(
				h, p, h->delayed.v[k],
				"0x%" PRIx64
				" is in a thread_delayed_free list, and no used block of page 0x%" PRIx64,
				h->delayed.v[k], p->at);
			continue;
		}
		set_mark(h, p, i, MI_DELAYED_FREE);
		block_sink_free(sink, h->delayed.v[k]);
		p->n_in[MI_DELAYED_FREE]++;
	}
}

/* Its own structures in its own blocks. */
static void take_own(struct mi_heap *h, struct mi_page *p, struct block_sink *sink)
{
	size_t k = partition_point(h->own.n, j, h->own.v[j] < p->start);

	for (; k < h->own.n && h->own.v[k] < mi_page_end(p); k++) {
		uint32_t i;

		if (!block_no(p, h->own.v[k], &i) || mi_mark(h, p, i) != MI_USED)
			continue;
		set_mark(h, p, i, MI_OWN);
		block_sink_free(sink, h->own.v[k]);
		block_sink_gap(sink, h->own.v[k]);
		p->n_own++;
	}
}

/* mimalloc.h: used == capacity - |free| - |local_free| */
static void check_used(struct mi_heap *h, struct mi_page *p)
{
	uint32_t used = p->capacity - p->n_in[MI_FREE] - p->n_in[MI_LOCAL_FREE];

	if (used == p->used)
		p->passed++;
	else if (!p->failed)
		page_damage(h, p, p->at,
			    "page 0x%" PRIx64
			    ": it counts %u blocks as used, and %u are in no list of its own",
			    p->at, p->used, used);
}

/* A used block's canary is whole; the first that is not is told. */
static void check_padding(struct mi_heap *h, struct mi_page *p)
{
	for (uint32_t i = 0; i < p->capacity; i++) {
		taddr block = p->start + i * p->block_size;
		uint64_t size;

		if (mi_mark(h, p, i) != MI_USED)
			continue;
		if (mi_read_padding(h, p, block, &size)) {
			p->passed++;
			continue;
		}
		if (!p->n_overrun++)
			page_damage(h, p, block,
				    "block at 0x%" PRIx64 " of %" PRIu64
				    " bytes: its canary was run over; it was written past its end",
				    block, p->block_size);
		else
			p->failed++;
	}
}

struct err *mi_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct mi_heap *h = ctx;
	struct mi_page *p = &h->pages.v[claim];
	uint64_t grain = grain_of(sink->grains, p->start),
		 step = p->block_size >> sink->grains->shift;

	for (uint32_t i = 0; i < p->capacity; i++, grain += step) {
		grains_set_start(sink->grains, grain);
		bit_set(sink->used, grain);
	}
	for (enum mi_where w = MI_FREE; w <= MI_THREAD_FREE; w++)
		follow(h, p, w, sink);
	take_delayed(h, p, sink);
	take_own(h, p, sink);
	check_used(h, p);
	if (h->padded)
		check_padding(h, p);
	return NULL;
}
