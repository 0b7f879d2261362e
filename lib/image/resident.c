/* image/resident.c - pages of the dump's own mapping, taken in and left by ranges of addresses. */
#include "image/resident.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/search.h"

enum {
	HOST_PAGES = 64 << 10,	/* of any machine */
	BOUND_LEAST = 64 << 20, /* bytes of which all may stay */
};

/* Whole pages around `n` bytes of the mapping. Advice may fail: it is only advice. */
static void advise(const struct member *core, const uint8_t *bytes, uint64_t n, int advice)
{
	uintptr_t map = (uintptr_t)core->map, from = align_down((uintptr_t)bytes, HOST_PAGES);
	uintptr_t to = align_up((uintptr_t)bytes + n, HOST_PAGES);

	if (from < map)
		from = align_up(map, 4096);
	if (to > map + core->size)
		to = align_down(map + core->size, 4096);
	if (from < to)
		(void)madvise((void *)from, to - from, advice);
}

static void advise_range(const struct image *img, taddr start, taddr end, int advice)
{
	size_t i = partition_point(img->n_segments, k, img->segments[k].end <= start);

	if (!img->core || !img->core->in_file)
		return;
	for (; i < img->n_segments && img->segments[i].start < end; i++) {
		const struct segment *seg = &img->segments[i];
		taddr from = seg->start > start ? seg->start : start;
		taddr to = seg->end < end ? seg->end : end;

		if (seg->origin == SEG_CORE)
			advise(img->core, seg->bytes + (from - seg->start), to - from, advice);
	}
}

void image_expect(const struct image *img, taddr start, taddr end)
{
	advise_range(img, start, end, MADV_WILLNEED);
}

void image_take(const struct image *img, taddr start, taddr end)
{
	advise_range(img, start, end, MADV_POPULATE_READ);
}

void image_leave(const struct image *img, taddr start, taddr end)
{
	advise_range(img, start, end, MADV_DONTNEED);
}

void image_leave_all(const struct image *img)
{
	if (img->core && img->core->in_file)
		advise(img->core, img->core->map, img->core->size, MADV_DONTNEED);
}

void resident_pass_move(struct resident_pass *p, taddr at)
{
	image_leave_all(p->img);
	p->from = at;
}

struct err *resident_bound_open(const struct image *img, uint64_t bytes, struct resident_bound *ret)
{
	const struct member *core = img->core;
	struct resident_bound b = { .img = img };

	*ret = (struct resident_bound){};
	if (!core || !core->in_file || bytes <= BOUND_LEAST || !core->size)
		return NULL;
	b.first = (uintptr_t)core->map >> RESIDENT_PIECE_SHIFT;
	b.n = ((uintptr_t)(core->map + core->size - 1) >> RESIDENT_PIECE_SHIFT) - b.first + 1;
	b.most = bytes / 3 >> RESIDENT_PIECE_SHIFT;
	b.touched = calloc(bits_words(b.n), sizeof(*b.touched));
	if (!b.touched)
		return &err_nomem;
	*ret = b;
	return NULL;
}

void resident_bound_close(struct resident_bound *b)
{
	free(b->touched);
	*b = (struct resident_bound){};
}

void resident_bound_more(struct resident_bound *b, uint64_t piece)
{
	if (b->n_touched == b->most) {
		image_leave_all(b->img);
		memset(b->touched, 0, bits_words(b->n) * sizeof(*b->touched));
		b->n_touched = 0;
	}
	bit_set(b->touched, piece);
	b->n_touched++;
}
