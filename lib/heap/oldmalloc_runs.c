/*
 * oldmalloc_runs.c - where musl's old malloc has memory: runs of chunks, and chunks in mappings of
 * their own.
 *
 * A run begins with a chunk whose `psize` is 1 and ends in one of size 0; each size stands twice, in
 * its chunk and in the next.  Runs are the brk heap, mappings where brk is blocked, and what the
 * loader donates: the rests of modules' pages.  A mapped chunk is 16 bytes behind a page's start, or
 * where its alignment wants it, and says how far behind.  Nothing records either: they are looked for.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/search.h"
#include "base/vec.h"
#include "heap/module_data.h"
#include "heap/oldmalloc.h"

enum {
	FIRST_AT = OLD_ALIGN - OLD_HEADER, /* of the first chunk, in a page */
	MEND_CHUNKS = 8,		   /* that follow each other prove that they are some */
	DONATED_CHUNKS = 3,		   /* sound ones beside a break */
};

/* ---- from chunk to chunk */

/* Its size can be, and the next chunk says the same. */
static bool agrees(const struct image *img, taddr at, taddr limit, taddr *ret_next)
{
	struct old_chunk c, next;
	uint64_t size;

	if (!old_read_chunk(img, at, &c))
		return false;
	size = old_size(c.csize);
	if (size < OLD_ALIGN || size & (OLD_ALIGN - 2) || size > limit - at ||
	    !old_read_chunk(img, at + size, &next) || next.psize != c.csize)
		return false;
	*ret_next = at + size;
	return true;
}

static bool is_end(const struct image *img, taddr at, taddr limit)
{
	struct old_chunk c;

	return at <= limit && limit - at < OLD_ALIGN && old_read_chunk(img, at, &c) &&
	       c.csize == OLD_IN_USE;
}

/* Chunks in a row, or the end of all. */
static bool is_row(const struct image *img, taddr at, taddr limit)
{
	for (unsigned i = 0; i < MEND_CHUNKS; i++) {
		if (is_end(img, at, limit))
			return true;
		if (!agrees(img, at, limit, &at))
			return false;
	}
	return true;
}

/* The next chunk that begins a row; `by_size`: and says that the one before it begins at `at`. */
static bool find_next(const struct image *img, taddr at, taddr limit, bool by_size,
		      uint64_t *budget, taddr *ret)
{
	for (taddr next = at + OLD_ALIGN; next <= limit && *budget; next += OLD_ALIGN, --*budget) {
		struct old_chunk c;

		if (!old_read_chunk(img, next, &c))
			return false;
		if (by_size ? old_size(c.psize) == next - at : c.psize > OLD_IN_USE) {
			if (!is_row(img, next, limit))
				continue;
			*ret = next;
			return true;
		}
	}
	return false;
}

/* Where its size says, if it can be one; 0: it cannot. */
static taddr by_own_size(const struct image *img, taddr at, taddr limit)
{
	struct old_chunk c;
	uint64_t size;

	if (!old_read_chunk(img, at, &c))
		return 0;
	size = old_size(c.csize);
	return size >= OLD_ALIGN && !(size & (OLD_ALIGN - 1)) && size <= limit - at ? at + size : 0;
}

/*
 * An overrun comes from below: it destroys a chunk's `psize` before its `csize`.  So a size that
 * the next chunk denies is right if that one is sound behind its `psize`; wrong if another chunk says
 * that this is the one before it; and right again if nothing says otherwise.
 */
enum old_step old_next_chunk(const struct image *img, taddr at, taddr limit, uint64_t *budget,
			     taddr *ret_next, taddr *ret_bad)
{
	taddr next, after;

	if (agrees(img, at, limit, ret_next))
		return OLD_OK;
	next = by_own_size(img, at, limit);
	*ret_bad = next;
	*ret_next = next;
	if (next && (is_end(img, next, limit) || agrees(img, next, limit, &after)))
		return OLD_MENDED;
	*ret_bad = at;
	if (find_next(img, at, limit, true, budget, ret_next))
		return OLD_MENDED;
	*ret_bad = next;
	if (next && find_next(img, next, limit, false, budget, &after))
		return OLD_MENDED;
	*ret_bad = at;
	if (find_next(img, at, limit, false, budget, ret_next))
		return OLD_MENDED;
	if (!next)
		return OLD_LOST;
	*ret_next = *ret_bad = next;
	return OLD_MENDED;
}

/* ---- runs */

static bool starts_run(const struct image *img, taddr at)
{
	struct old_chunk c, next;

	return !((at + OLD_HEADER) & (OLD_ALIGN - 1)) && old_read_chunk(img, at, &c) &&
	       c.psize == OLD_IN_USE && old_size(c.csize) >= OLD_ALIGN &&
	       !(c.csize & (OLD_ALIGN - 2)) && old_read_chunk(img, at + old_size(c.csize), &next) &&
	       next.psize == c.csize;
}

/*
 * The brk heap is malloc's alone: it begins where brk does, though either header of its first chunk may
 * be damaged.
 */
static bool starts_brk(const struct image *img, taddr at, taddr limit)
{
	struct old_chunk c;
	taddr next;

	return old_read_chunk(img, at, &c) &&
	       (c.psize == OLD_IN_USE || (agrees(img, at, limit, &next) && is_row(img, next, limit)));
}

/* Where a run that starts at `at` ends: the chunk of size 0; 0: it does not. */
static taddr end_of_run(const struct image *img, taddr at, taddr limit, uint64_t *budget)
{
	while (*budget) {
		struct old_chunk c;

		--*budget;
		if (old_read_chunk(img, at, &c) && c.csize == OLD_IN_USE)
			return at;
		if (!agrees(img, at, limit, &at))
			return 0;
	}
	return 0;
}

/*
 * The same for what the loader gave away, which ends with its page, where one header is damaged: a few
 * sound chunks, and a way over the break that leads to the end.
 */
static taddr end_of_donated(const struct image *img, taddr at, taddr page_end, uint64_t *budget)
{
	taddr last = page_end - OLD_HEADER;
	unsigned good = 0, breaks = 0;

	if (!is_end(img, last, last))
		return 0;
	while (at < last && breaks <= 1 && *budget) {
		taddr bad;
		enum old_step step = old_next_chunk(img, at, last, budget, &at, &bad);

		if (step == OLD_LOST)
			return 0;
		good += step == OLD_OK;
		breaks += step != OLD_OK;
	}
	return at == last && breaks <= 1 && good >= DONATED_CHUNKS ? last : 0;
}

static struct err *add_run(struct old_heap *h, const struct old_run *run)
{
	return vec_push(&h->runs, run) ? NULL : &err_nomem;
}

/* A page's start in [at, limit), one stretch of memory: a run? *ret_end: behind it. */
static struct err *try_run(struct old_heap *h, taddr page, taddr limit, bool is_brk,
			   uint64_t *budget, taddr *ret_end)
{
	struct old_run run = { .start = page + FIRST_AT };
	taddr last = limit - OLD_HEADER;

	if (!starts_run(h->img, run.start) && !(is_brk && starts_brk(h->img, run.start, limit)))
		return NULL;
	if (is_end(h->img, last, last))
		run.end = last;
	else
		run.end = end_of_run(h->img, run.start, limit, budget);
	/* The brk heap is malloc's alone: a break in it is damage. */
	if (!run.end && is_brk) {
		run.end = last;
		run.broken = true;
	}
	if (!run.end)
		return NULL;
	*ret_end = align_up(run.end + OLD_HEADER, OLD_PAGE);
	return add_run(h, &run);
}

/* ---- chunks in mappings of their own */

/* A chunk in [base, limit) that says its mapping begins at base, and ends with it at a page. */
static bool is_mapped_chunk(const struct image *img, taddr base, taddr at, taddr limit,
			    taddr *ret_end)
{
	struct old_chunk c;

	if (at < base || !old_read_chunk(img, at, &c) || c.psize != at - base ||
	    c.csize & OLD_IN_USE || c.csize < OLD_ALIGN || c.csize > limit - at ||
	    (at + c.csize) & (OLD_PAGE - 1))
		return false;
	*ret_end = at + c.csize;
	return true;
}

/* An aligned one is at the first address of its alignment; the header it had before is still in front. */
static struct err *try_mapped(struct old_heap *h, taddr page, taddr limit, taddr *ret_end)
{
	struct old_run run = { .start = page };
	taddr first = page + OLD_ALIGN, end;
	struct old_chunk c;

	if (!old_read_chunk(h->img, page + FIRST_AT, &c) || c.psize != FIRST_AT ||
	    c.csize & (OLD_HEADER - 1) || c.csize < OLD_ALIGN)
		return NULL;
	for (uint64_t align = 2 * OLD_ALIGN; align && align < limit - page; align *= 2) {
		taddr mem = align_up(first, align);

		if (mem != first && mem < limit &&
		    is_mapped_chunk(h->img, page, mem - OLD_HEADER, limit, &end))
			run.chunk = mem - OLD_HEADER;
		if (run.chunk)
			break;
	}
	if (!run.chunk && is_mapped_chunk(h->img, page, page + FIRST_AT, limit, &end))
		run.chunk = page + FIRST_AT;
	if (!run.chunk)
		return NULL;
	run.end = end;
	*ret_end = end;
	return add_run(h, &run);
}

/* ---- where to look */

static bool is_anonymous(const struct segment *seg)
{
	return seg->bytes && (seg->flags & (SEG_R | SEG_W)) == (SEG_R | SEG_W) && seg->module < 0 &&
	       !seg->file && !seg->zero_reserve;
}

static struct err *search_mapping(struct old_heap *h, taddr start, taddr end, uint64_t *budget)
{
	bool is_brk = start < h->img->brk_end && h->img->brk_start < end;

	for (taddr page = align_up(start, OLD_PAGE); page < end && end - page >= OLD_PAGE;) {
		taddr next = page + OLD_PAGE;
		bool first = is_brk && page == h->img->brk_start;
		struct err *err = try_run(h, page, end, first, budget, &next);

		if (!err && next == page + OLD_PAGE)
			err = try_mapped(h, page, end, &next);
		if (err)
			return err;
		page = next;
	}
	return NULL;
}

/* Anonymous memory, mappings that touch as one: a chunk knows no borders between them. */
static struct err *search_anonymous(struct old_heap *h, uint64_t *budget)
{
	const struct image *img = h->img;

	for (size_t i = 0; i < img->n_segments;) {
		size_t last = i;
		struct err *err;

		if (!is_anonymous(&img->segments[i])) {
			i++;
			continue;
		}
		while (last + 1 < img->n_segments && is_anonymous(&img->segments[last + 1]) &&
		       img->segments[last].end == img->segments[last + 1].start)
			last++;
		err = search_mapping(h, img->segments[i].start, img->segments[last].end, budget);
		if (err)
			return err;
		i = last + 1;
	}
	return NULL;
}

/* The rests of pages that the loader gave away: whole runs, to their end, in one page or two. */
static struct err *search_modules(struct old_heap *h, uint64_t *budget)
{
	struct module_data d = module_data(h->img);
	const struct segment *seg;

	while ((seg = module_data_next(&d)))
		for (taddr at = align_up(seg->start, OLD_ALIGN) + FIRST_AT;
		     at < seg->end && seg->end - at >= 2 * OLD_ALIGN; at += OLD_ALIGN) {
			struct old_run run = { .start = at };
			taddr page_end;
			struct err *err;

			if (load_u64(seg->bytes + (at - seg->start)) != OLD_IN_USE)
				continue;
			page_end = align_up(at, OLD_PAGE);
			if (starts_run(h->img, at))
				run.end = end_of_run(h->img, at, page_end + OLD_PAGE, budget);
			for (unsigned i = 0; i < 2 && !run.end; i++)
				run.end = end_of_donated(h->img, at, page_end + i * OLD_PAGE, budget);
			if (!run.end)
				continue;
			err = add_run(h, &run);
			if (err)
				return err;
			at = run.end;
		}
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct old_run *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

struct err *old_find_runs(struct old_heap *h)
{
	uint64_t budget = 0;
	struct err *err;
	size_t kept = 0;

	for (size_t i = 0; i < h->img->n_segments; i++)
		budget += (h->img->segments[i].end - h->img->segments[i].start) / OLD_ALIGN;
	err = search_modules(h, &budget);
	if (!err)
		err = search_anonymous(h, &budget);
	if (err || !h->runs.n)
		return err;
	qsort(h->runs.v, h->runs.n, sizeof(*h->runs.v), by_start);
	/* .bss behind a module is anonymous as well, and was searched twice. */
	for (size_t i = 0; i < h->runs.n; i++)
		if (!kept || h->runs.v[kept - 1].end <= h->runs.v[i].start)
			h->runs.v[kept++] = h->runs.v[i];
	h->runs.n = kept;
	return NULL;
}
