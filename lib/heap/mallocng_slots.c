/*
 * mallocng_slots.c - the slots of groups: which are used, where in them the program's block begins.
 *
 * A block begins at its slot's start, or some units behind it: malloc moves it so that an address
 * comes back late.  Then the header at the start says how far (7 in its upper bits); the header in
 * front of the block says its index and what is left of the slot behind it.
 */
#include "base/fetch.h"
#include "base/search.h"
#include "heap/mallocng.h"

enum {
	FREE_HEADER = 255, /* what free() leaves */
	RESERVED_FAR = 5,  /* it is in the slot's last 4 bytes */
	RESERVED_GROUP = 6,
	RESERVED_MOVED = 7,
	AHEAD = 16384,	     /* bytes between a header and the one that is fetched meanwhile */
};

const char *const ng_where_names[NG_WHERES] = { "avail", "freed", "inactive" };

/* The bytes of a group that lie in one stretch of the dump; most often all. */
struct view {
	const struct image *img;
	taddr start;
	const uint8_t *bytes;
	uint64_t n;
};

static struct view view_of(const struct ng_heap *h, const struct ng_group *g)
{
	struct view v = { .img = h->img, .start = g->mem };

	v.bytes = image_view(h->img, g->mem, &v.n);
	if (!v.bytes)
		v.n = 0;
	return v;
}

static bool view_read(const struct view *v, taddr at, void *ret, uint64_t n)
{
	uint64_t off = at - v->start;

	if (off >= v->n || n > v->n - off)
		return image_read(v->img, at, ret, n) == MEM_OK;
	memcpy(ret, v->bytes + off, n);
	return true;
}

/* The bytes in front of `at`: an index with what is reserved, and an offset from the first slot. */
struct header {
	uint8_t bits;
	uint8_t is_far; /* the offset is 32 bits, in front of it */
	uint64_t offset;
};

static bool read_header(const struct view *v, taddr at, struct header *ret)
{
	uint8_t b[8];

	if (!view_read(v, at - sizeof(b), b, sizeof(b)))
		return false;
	*ret = (struct header){ .bits = b[5],
				.is_far = b[4],
				.offset = b[4] ? load_u32(b) : load_u16(b + 6) };
	return true;
}

static bool is_header_of(const struct ng_group *g, unsigned i, taddr mem, const struct header *h)
{
	return (h->bits & 31) == i && h->offset * NG_UNIT == mem - ng_slot(g, 0);
}

/* The offset's upper bits are nowhere, when a block is aligned to 1 MiB and more: each place is tried. */
static bool find_moved(const struct view *v, const struct ng_group *g, unsigned i, uint64_t units,
		       taddr *ret, struct header *ret_header)
{
	taddr start = ng_slot(g, i), end = ng_slot_end(g, i);

	for (unsigned n = 0; units < (end - start) / NG_UNIT && n < 1 << 16;
	     units += 1 << 16, n++) {
		taddr mem = start + units * NG_UNIT;

		if (read_header(v, mem, ret_header) && is_header_of(g, i, mem, ret_header)) {
			*ret = mem;
			return true;
		}
	}
	return false;
}

/* What was asked for, from what is reserved behind it; false when that is impossible. */
static bool read_nominal(const struct view *v, taddr mem, taddr end, uint8_t bits, uint64_t *ret)
{
	uint32_t reserved = bits >> 5;

	if (reserved == RESERVED_FAR &&
	    (!view_read(v, end - NG_HEADER, &reserved, sizeof(reserved)) ||
	     reserved < RESERVED_FAR))
		return false;
	if (reserved > end - mem)
		return false;
	*ret = end - mem - reserved;
	return true;
}

static void read_slot(const struct view *v, const struct ng_group *g, unsigned i,
		      struct ng_used *ret)
{
	taddr start = ng_slot(g, i), end = ng_slot_end(g, i) - NG_HEADER;
	struct header first, own;

	*ret = (struct ng_used){ .state = NG_SLOT_UNREAD, .mem = start, .nominal = end - start };
	if (!read_header(v, start, &first))
		return;
	own = first;
	ret->state = NG_SLOT_BAD;
	if (first.bits >> 5 == RESERVED_MOVED && first.bits != FREE_HEADER) {
		if (!find_moved(v, g, i, first.offset, &ret->mem, &own)) {
			taddr mem = start + first.offset * NG_UNIT;

			if (mem < end && read_header(v, mem, &own) && own.bits == FREE_HEADER)
				ret->state = NG_SLOT_MOVING;
			return;
		}
	} else if (first.bits == FREE_HEADER || (!first.bits && !first.offset && i)) {
		ret->state = NG_SLOT_MOVING;
		return;
	} else if (!is_header_of(g, i, start, &first)) {
		return;
	}
	if (own.bits >> 5 == RESERVED_GROUP) {
		ret->state = NG_SLOT_GROUP;
		return;
	}
	if (own.bits >> 5 == RESERVED_MOVED ||
	    !read_nominal(v, ret->mem, end, own.bits, &ret->nominal)) {
		ret->nominal = end - ret->mem;
		return;
	}
	ret->state = NG_SLOT_USED;
}

void ng_read_slot(const struct ng_heap *h, const struct ng_group *g, unsigned i,
		  struct ng_used *ret)
{
	struct view v = view_of(h, g);

	read_slot(&v, g, i, ret);
}

/*
 * free() overwrites a slot's header before the mask, and malloc writes it after the mask: one that is a
 * used slot's in all it says denies the mask.  (All zeros is how memory begins, and a header of slot 0.)
 */
static bool denies_free(const struct view *v, const struct ng_group *g, unsigned i,
			struct ng_used *ret)
{
	if (!i || g->sizeclass >= NG_CLASSES)
		return false;
	read_slot(v, g, i, ret);
	return ret->state == NG_SLOT_USED;
}

bool ng_slot_is_free(const struct ng_heap *h, const struct ng_group *g, unsigned i)
{
	struct view v = view_of(h, g);
	struct ng_used slot;

	return (g->avail | g->freed) >> i & 1 && !denies_free(&v, g, i, &slot);
}

/* ---- the walk */

/* The group that a slot of another one holds, whatever the slot's own header says; NULL. */
static const struct ng_group *group_inside(const struct ng_heap *h, const struct ng_piece *p,
					   taddr start, taddr end)
{
	const struct ng_group *v = h->groups.v + p->first;
	uint32_t at = partition_point(p->n, i, v[i].mem < start);

	return at < p->n && v[at].mem < end ? &v[at] : NULL;
}

/* A slot with a group: its own blocks are listed with that. False: there is none. */
static bool list_group(const struct ng_heap *h, taddr start, taddr end, struct ng_piece *p,
		       struct block_sink *sink)
{
	const struct ng_group *in = group_inside(h, p, start, end);

	if (!in)
		return false;
	block_sink_gap(sink, start);
	if (in->end < end)
		block_sink_gap(sink, in->end);
	return true;
}

static inline void count_free(const struct ng_group *g, unsigned i, struct ng_piece *p)
{
	uint64_t bytes = ng_slot_end(g, i) - ng_slot(g, i);
	enum ng_where where = ng_where_of(g, i);

	p->n_free++;
	p->free += bytes;
	p->n_in[where]++;
	p->bytes_in[where] += bytes;
}

static void list_free(const struct ng_group *g, unsigned i, struct ng_piece *p,
		      struct block_sink *sink)
{
	block_sink_add(sink, ng_slot(g, i), false);
	count_free(g, i, p);
}

static void list_block(const struct ng_used *slot, taddr start, taddr end, struct ng_piece *p,
		       struct block_sink *sink)
{
	taddr rest = align_up(slot->mem + slot->nominal + NG_HEADER, NG_UNIT);

	if (slot->mem != start)
		block_sink_gap(sink, start);
	block_sink_add(sink, slot->mem, true);
	if (rest < end)
		block_sink_gap(sink, rest);
	else
		rest = end;
	p->n_used++;
	p->used += rest - slot->mem;
}

static void list_used(const struct ng_heap *h, const struct view *v, const struct ng_group *g,
		      unsigned i, struct ng_piece *p, struct block_sink *sink)
{
	taddr start = ng_slot(g, i), end = ng_slot_end(g, i);
	struct ng_used slot;

	read_slot(v, g, i, &slot);
	if (slot.state == NG_SLOT_USED) {
		p->passed++;
		list_block(&slot, start, end, p, sink);
		return;
	}
	if (slot.state == NG_SLOT_BAD) {
		p->failed++;
		p->bad = p->bad ? p->bad : start;
	}
	if (list_group(h, start, end, p, sink)) {
		p->passed += slot.state == NG_SLOT_GROUP;
		return;
	}
	if (slot.state == NG_SLOT_MOVING || slot.state == NG_SLOT_GROUP) {
		p->n_moving++;
		p->moving = p->moving ? p->moving : start;
	}
	if (slot.state == NG_SLOT_GROUP)
		block_sink_gap(
			sink,
			start); /* it is being made, or taken apart: no block of the program's */
	else
		list_block(&slot, start, end, p, sink);
}

/* Its mask says free, its header used: the mask was overwritten. */
static void list_denied(const struct ng_group *g, unsigned i, const struct ng_used *slot,
			struct ng_piece *p, struct block_sink *sink)
{
	p->n_denied++;
	p->denied = p->denied ? p->denied : g->meta;
	list_block(slot, ng_slot(g, i), ng_slot_end(g, i), p, sink);
}

/* Bytes of a block with its header, up to the next unit; 0: what is reserved behind it cannot be. */
static inline uint32_t plain_size(const uint8_t *slot, uint32_t stride, uint32_t reserved)
{
	if (reserved == RESERVED_FAR) {
		reserved = load_u32(slot + stride - 2 * NG_HEADER);
		if (reserved < RESERVED_FAR || reserved > stride - NG_HEADER)
			return 0;
	}
	return (stride - reserved + NG_UNIT - 1) & ~(NG_UNIT - 1u);
}

/*
 * Most slots: the group is in one stretch of the dump, and the block at the slot's start, with all that its
 * header says in order; or free, with the header that free() left.  They are listed by the place of the
 * group's grains alone.  Which they were.
 */
static uint32_t list_plain(const struct view *v, const struct ng_group *g, struct ng_piece *p,
			   struct block_sink *sink)
{
	struct grains *grains = sink->grains;
	uint64_t grain = grain_of(grains, g->mem + NG_UNIT), n_used = 0, used = 0;
	uint32_t is_free = g->avail | g->freed, done = 0, stride = g->stride;
	const uint8_t *slot = v->bytes + NG_UNIT;

	if (!stride || g->end - g->mem > v->n)
		return 0;
	for (uint32_t i = 0; i < g->n_slots; i++, slot += stride, grain += stride >> grains->shift) {
		uint32_t header = load_u32(slot - NG_HEADER), reserved = header >> 13 & 7, size;

		fetch_stream(v->bytes, v->n, (uint64_t)(slot - v->bytes) + AHEAD, 1);
		if (is_free >> i & 1) {
			if (i && (header >> 8 & 255) != FREE_HEADER)
				continue;
			count_free(g, i, p);
		} else {
			if ((header & 0xffff1fff) != ((uint64_t)stride / NG_UNIT * i << 16 | i << 8) ||
			    reserved > RESERVED_FAR)
				continue;
			size = plain_size(slot, stride, reserved);
			if (!size)
				continue;
			bit_set(sink->used, grain);
			if (size < stride)
				block_sink_gap(sink, g->mem + NG_UNIT + (uint64_t)stride * i + size);
			n_used++;
			used += size;
		}
		grains_set_start(grains, grain);
		done |= 1u << i;
	}
	p->passed += n_used;
	p->n_used += n_used;
	p->used += used;
	return done;
}

static void walk_group(const struct ng_heap *h, struct ng_group *g, struct ng_piece *p,
		       struct block_sink *sink)
{
	uint32_t is_free = g->avail | g->freed, done;
	struct view v = view_of(h, g);

	if (ng_read_header(g, v.bytes, v.n))
		p->passed++;
	else
		p->n_unsound++;
	block_sink_gap(sink, g->mem);
	done = list_plain(&v, g, p, sink);
	for (unsigned i = 0; i < g->n_slots; i++) {
		struct ng_used slot;

		if (done >> i & 1)
			continue;
		if (!(is_free >> i & 1))
			list_used(h, &v, g, i, p, sink);
		else if (denies_free(&v, g, i, &slot))
			list_denied(g, i, &slot, p, sink);
		else
			list_free(g, i, p, sink);
	}
}

struct err *ng_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct ng_heap *h = ctx;
	struct ng_piece *p = &h->pieces.v[claim];
	const struct ng_group *outer = &h->groups.v[p->first];
	taddr end;

	for (uint32_t i = 0; i < p->n; i++)
		walk_group(h, &h->groups.v[p->first + i], p, sink);
	end = ng_slot_end(outer, outer->n_slots - 1u);
	if (end < outer->end) /* less than a slot is left of its mapping */
		block_sink_gap(sink, end);
	return NULL;
}
