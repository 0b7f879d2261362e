/*
 * type/pointers_in.c - who points into memory that is no heap's: words of used blocks, of what
 * holds as roots do, and registers.
 *
 * Who mapped memory keeps where it begins, or what lies there begins: pointers to the start come
 * first, then those of variables, for what is in the memory is mostly pointed at from blocks.
 */
#include "base/bits.h"
#include "image/resident.h"
#include "type/build.h"

struct search {
	const struct image *img;
	const struct blocks *blocks;
	taddr start, end;
	struct pointers_in *found;
};

/* What the word belongs to; false: to nobody, or to an allocator. */
static bool holder_of(const struct search *s, taddr at, node_id *ret)
{
	const struct blocks *b = s->blocks;

	*ret = block_at(b, at);
	if (*ret != BLOCK_NONE)
		return bit_get(b->used, *ret);
	*ret = NODE_NONE;
	return !blocks_claim_at(b, at) && !image_is_dead_stack(s->img, at);
}

static bool comes_before(const struct search *s, const struct pointer_in *a, const struct pointer_in *b)
{
	if ((a->value == s->start) != (b->value == s->start))
		return a->value == s->start;
	if ((a->node == NODE_NONE) != (b->node == NODE_NONE))
		return a->node == NODE_NONE;
	return false; /* addresses ascend */
}

static void add(struct search *s, const struct pointer_in *p)
{
	struct pointers_in *f = s->found;
	unsigned i = f->n_kept < POINTERS_KEPT ? f->n_kept : POINTERS_KEPT - 1;

	f->n++;
	f->n_start += p->value == s->start;
	if (f->n_kept == POINTERS_KEPT && !comes_before(s, p, &f->v[i]))
		return;
	f->n_kept = i + 1;
	for (; i && comes_before(s, p, &f->v[i - 1]); i--)
		f->v[i] = f->v[i - 1];
	f->v[i] = *p;
}

static void search_segment(struct search *s, const struct segment *seg)
{
	struct resident_pass pass = { .img = s->img };
	uint64_t size = seg->end - seg->start, span = s->end - s->start;

	for (uint64_t i = -seg->start & 7; i + 8 <= size; i += 8) {
		struct pointer_in p = { .at = seg->start + i, .value = load_u64(seg->bytes + i), .thread = UINT32_MAX };

		if (!(p.at & 0xfff))
			resident_pass_at(&pass, p.at);
		if (p.value - s->start >= span || p.at - s->start < span)
			continue;
		if (holder_of(s, p.at, &p.node))
			add(s, &p);
	}
}

static void search_registers(struct search *s)
{
	for (uint32_t t = 0; t < s->img->n_threads; t++)
		for (unsigned i = 0; s->img->threads[t].has_regs && i < s->img->target->n_regs; i++) {
			struct pointer_in p = {
				.at = i, .value = s->img->threads[t].regs[i], .node = NODE_NONE, .thread = t
			};

			if (p.value - s->start < s->end - s->start)
				add(s, &p);
		}
}

void find_pointers_in(const struct image *img, const struct blocks *blocks, taddr start, taddr end,
		      struct pointers_in *ret)
{
	struct search s = { img, blocks, start, end, ret };

	*ret = (struct pointers_in){};
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];

		if (seg->bytes && seg->flags & SEG_W && !seg->zero_reserve)
			search_segment(&s, seg);
	}
	search_registers(&s);
	image_leave_all(img);
}
