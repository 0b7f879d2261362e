/*
 * image/segments.c - loads in any order, perhaps overlapping -> sorted, disjoint segments.
 *
 * A sweep over the starts with a heap of the ranges that are open, the one to keep on top (first
 * those with contents, then by the order of the file): n log n whatever the overlaps.  Loads and
 * NT_FILE rows go through the same sweep, then the two lists are merged.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/parts.h"

struct range {
	taddr start, end;
	size_t owner; /* index in file order; of loads without contents, past all others */
};

struct ranges {
	struct range *v;
	size_t n, cap;
};

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static void heap_down(struct range *heap, size_t n)
{
	for (size_t i = 0, child; (child = 2 * i + 1) < n; i = child) {
		struct range swap = heap[i];

		if (child + 1 < n && heap[child + 1].owner < heap[child].owner)
			child++;
		if (heap[i].owner <= heap[child].owner)
			return;
		heap[i] = heap[child];
		heap[child] = swap;
	}
}

static void heap_push(struct range *heap, size_t n, const struct range *r)
{
	size_t i = n;

	for (; i && heap[(i - 1) / 2].owner > r->owner; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = *r;
}

static bool emit(struct ranges *out, const struct range *r)
{
	struct range *last = out->n ? &out->v[out->n - 1] : NULL;

	if (last && last->owner == r->owner && last->end == r->start) {
		last->end = r->end;
		return true;
	}
	return vec_push(out, r);
}

/* Disjoint pieces of `in`, ascending; of overlapping ones that of the lowest owner. Sorts `in`. */
static struct err *disjoint(struct env *env, struct range *in, size_t n, const char *what,
			    struct ranges *ret)
{
	_free_ struct range *heap = malloc((n + 1) * sizeof(*heap));
	size_t open = 0, next = 0;
	taddr pos = 0;

	if (!heap)
		return &err_nomem;
	if (n)
		qsort(in, n, sizeof(*in), by_start);
	while (open || next < n) {
		struct range piece;

		while (open && heap[0].end <= pos) { /* closed; those deeper go when they come up */
			heap[0] = heap[--open];
			heap_down(heap, open);
		}
		if (!open && next == n)
			break;
		if (!open && pos < in[next].start)
			pos = in[next].start;
		for (; next < n && in[next].start <= pos; next++) {
			if (open && heap[0].end > in[next].start)
				diag(env, "core/overlap", in[next].start,
				     "%s: 0x%llx-0x%llx overlaps 0x%llx-0x%llx; the first with "
				     "contents is kept",
				     what, (unsigned long long)in[next].start,
				     (unsigned long long)in[next].end,
				     (unsigned long long)heap[0].start,
				     (unsigned long long)heap[0].end);
			heap_push(heap, open++, &in[next]);
		}
		if (heap[0].end <= pos)
			continue;
		piece = (struct range){ pos, heap[0].end, heap[0].owner };
		if (next < n && in[next].start < piece.end)
			piece.end = in[next].start;
		if (!emit(ret, &piece))
			return &err_nomem;
		pos = piece.end;
	}
	return NULL;
}

struct merge {
	struct image *img;
	const struct member *core;
	const struct dump *dump;
	struct {
		struct segment *v;
		size_t n, cap;
	} out;
};

/* [start, end) of one load, inside or outside one file: its dumped part, then the absent one. */
static bool push_piece(struct merge *m, taddr start, taddr end, size_t owner,
		       const struct mapped_file *file)
{
	const struct load *load = &m->dump->loads[owner];
	taddr dumped_end = load->start + load->n_bytes;
	struct segment seg = {
		.start = start,
		.end = end,
		.flags = load->flags,
		.zero_reserve = load->n_bytes && !(load->flags & (SEG_R | SEG_W | SEG_X)),
		.load = (uint32_t)owner,
		.module = -1,
		.file = file ? file->path : NULL,
		.file_offset = file ? file->offset + (start - file->start) : 0,
	};

	if (start < dumped_end) {
		seg.end = end < dumped_end ? end : dumped_end;
		seg.origin = SEG_CORE;
		seg.bytes = m->core->map + load->offset + (start - load->start);
		if (!vec_push(&m->out, &seg))
			return false;
	}
	if (end > dumped_end) {
		seg.start = start > dumped_end ? start : dumped_end;
		seg.end = end;
		seg.origin = SEG_NONE;
		seg.bytes = NULL;
		seg.zero_reserve = false;
		seg.file_offset = file ? file->offset + (seg.start - file->start) : 0;
		return vec_push(&m->out, &seg);
	}
	return true;
}

static struct err *merge_lists(struct merge *m, const struct ranges *loads,
			       const struct ranges *files)
{
	size_t f = 0;

	for (size_t i = 0; i < loads->n; i++) {
		const struct range *load = &loads->v[i];

		for (taddr pos = load->start, end; pos < load->end; pos = end) {
			const struct mapped_file *file = NULL;

			while (f < files->n && files->v[f].end <= pos)
				f++;
			end = load->end;
			if (f < files->n && files->v[f].start <= pos) {
				file = &m->dump->files[files->v[f].owner];
				if (files->v[f].end < end)
					end = files->v[f].end;
			} else if (f < files->n && files->v[f].start < end) {
				end = files->v[f].start;
			}
			if (!push_piece(m, pos, end, load->owner, file))
				return &err_nomem;
		}
	}
	return NULL;
}

static struct err *sweep_loads(struct image *img, const struct dump *dump, struct ranges *ret)
{
	_free_ struct range *in = calloc(dump->n_loads + 1, sizeof(*in));
	struct err *err;
	size_t n = 0;

	if (!in)
		return &err_nomem;
	for (size_t i = 0; i < dump->n_loads; i++)
		if (dump->loads[i].start < dump->loads[i].end)
			in[n++] = (struct range){ dump->loads[i].start, dump->loads[i].end,
						  dump->loads[i].n_bytes ? i : i + dump->n_loads };
	err = disjoint(img->env, in, n, "segment", ret);
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].owner %= dump->n_loads;
	return err;
}

static struct err *sweep_files(struct image *img, const struct dump *dump, struct ranges *ret)
{
	_free_ struct range *in = calloc(dump->n_files + 1, sizeof(*in));
	size_t n = 0;

	if (!in)
		return &err_nomem;
	for (size_t i = 0; i < dump->n_files; i++)
		if (dump->files[i].start < dump->files[i].end)
			in[n++] = (struct range){ dump->files[i].start, dump->files[i].end, i };
	return disjoint(img->env, in, n, "mapped file", ret);
}

struct err *segments_build(struct image *img, const struct member *core, const struct dump *dump)
{
	struct merge m = { .img = img, .core = core, .dump = dump };
	struct ranges loads = {}, files = {};
	struct err *err = sweep_loads(img, dump, &loads);

	if (!err)
		err = sweep_files(img, dump, &files);
	if (!err)
		err = merge_lists(&m, &loads, &files);
	free(loads.v);
	free(files.v);
	if (err) {
		free(m.out.v);
		return err;
	}
	img->segments = m.out.v;
	img->n_segments = m.out.n;
	return NULL;
}
