/*
 * mallocng_groups.c - meta areas, the groups that their metas describe, and which lie in which.
 *
 * Metas are apart from what they describe, between guard pages: an overrun of a block cannot reach
 * them.  So a group whose own header was run over is believed as its meta has it, if it fits where
 * it is; a meta that cannot be is left out, and said.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/search.h"
#include "base/sort.h"
#include "base/vec.h"
#include "heap/mallocng.h"

enum {
	AREA_NEXT = 8,
	/* Of a meta: struct meta. */
	META_PREV = 0,
	META_NEXT = 8,
	META_MEM = 16,
	META_AVAIL = 24,
	META_FREED = 28,
	META_BITS = 32, /* last_idx:5, freeable:1, sizeclass:6, maplen:52 */
	GROUP_ACTIVE = 8,
	AREAS_MAX = 1 << 24,
	IN_ONE_MAX = 1 << 16, /* groups inside of one */
	NESTING_MAX =
		16, /* each level is less than half the one around it; 4 is the most that malloc makes */
};

const uint16_t ng_size_classes[NG_CLASSES] = {
	1,   2,	  3,   4,    5,	   6,	 7,    8,    9,	   10,	 12,   15,   18,   20,	 25,   31,
	36,  42,  50,  63,   72,   84,	 102,  127,  146,  170,	 204,  255,  292,  340,	 409,  511,
	584, 682, 818, 1023, 1169, 1364, 1637, 2047, 2340, 2730, 3276, 4095, 4680, 5460, 6552, 8191,
};

void ng_damage(struct ng_heap *h, taddr at, const char *fmt, ...)
{
	va_list ap;

	h->failed++;
	va_start(ap, fmt);
	damage_vadd(&h->damage, h->env, at, fmt, ap);
	va_end(ap);
}

/* ---- meta areas */

static bool is_area(const struct ng_heap *h, taddr at)
{
	uint64_t check;

	return at && !(at & (NG_AREA - 1)) && image_read_u64(h->img, at, &check) == MEM_OK &&
	       check == h->ctx.secret;
}

static int by_address(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_areas(struct ng_heap *h)
{
	size_t kept = 0;

	if (!h->areas.n)
		return;
	qsort(h->areas.v, h->areas.n, sizeof(*h->areas.v), by_address);
	for (size_t i = 0; i < h->areas.n; i++)
		if (!kept || h->areas.v[kept - 1] != h->areas.v[i])
			h->areas.v[kept++] = h->areas.v[i];
	h->areas.n = kept;
}

static bool has_area(const struct ng_heap *h, taddr at)
{
	return h->areas.n && bsearch(&at, h->areas.v, h->areas.n, sizeof(at), by_address);
}

/* Areas from `at` on by their links, new ones only; where the list breaks goes to *ret_broken. */
static struct err *follow_areas(struct ng_heap *h, taddr at, taddr *ret_broken)
{
	size_t before = h->areas.n;
	taddr mark = 0;
	uint64_t n = 0, next_mark = 1;

	*ret_broken = 0;
	for (; at; n++) {
		if (at == mark || !is_area(h, at) || n >= AREAS_MAX) {
			*ret_broken = at;
			break;
		}
		if (n == next_mark) {
			mark = at;
			next_mark *= 2;
		}
		if (!vec_push(&h->areas, &at))
			return &err_nomem;
		if (image_read_u64(h->img, at + AREA_NEXT, &at) != MEM_OK)
			break;
	}
	(void)before;
	sort_areas(h);
	return NULL;
}

static struct err *try_area_of(struct ng_heap *h, taddr meta, bool *ret_more)
{
	taddr at = align_down(meta, NG_AREA), broken;

	if (!is_area(h, at) || has_area(h, at))
		return NULL;
	*ret_more = true;
	return follow_areas(h, at, &broken);
}

/* The list is broken: areas are also behind active groups, their neighbours, and beside each other. */
static struct err *search_areas(struct ng_heap *h)
{
	bool more = true;
	struct err *err = try_area_of(h, h->ctx.tail, &more);

	for (unsigned c = 0; c < NG_CLASSES && !err; c++)
		err = try_area_of(h, h->ctx.active[c], &more);
	for (unsigned round = 0; more && round < 64 && !err; round++) {
		size_t n = h->areas.n;

		more = false;
		for (size_t i = 0; i < n && !err; i++) {
			taddr area = h->areas.v[i];

			err = try_area_of(h, area + NG_AREA, &more);
			if (!err)
				err = try_area_of(h, area - NG_AREA, &more);
			for (unsigned m = 0; m < NG_AREA_METAS && !err; m++) {
				taddr meta = area + NG_META_AT + NG_META * m;
				uint64_t prev = 0, next = 0;

				(void)image_read_u64(h->img, meta + META_PREV,
						     &prev); /* 0 leads nowhere */
				(void)image_read_u64(h->img, meta + META_NEXT, &next);
				err = try_area_of(h, prev, &more);
				if (!err)
					err = try_area_of(h, next, &more);
			}
		}
	}
	return err;
}

static struct err *read_areas(struct ng_heap *h)
{
	taddr broken;
	struct err *err = follow_areas(h, h->ctx.head, &broken);

	if (err)
		return err;
	if (!broken && has_area(h, h->ctx.tail)) {
		h->passed += h->areas.n;
		return NULL;
	}
	ng_damage(h, broken ? broken : h->ctx.head,
		  "the list of meta areas from 0x%" PRIx64 " breaks at 0x%" PRIx64
		  ": no area with malloc's secret there",
		  h->ctx.head, broken);
	return search_areas(h);
}

/* ---- groups */

static bool is_mapped(const struct ng_heap *h, taddr start, taddr end)
{
	while (start < end) {
		const struct segment *seg = image_segment(h->img, start);

		if (!seg)
			return false;
		start = seg->end;
	}
	return true;
}

/* What a meta says, in form; false when it cannot be. */
static bool decode(const uint8_t *meta, struct ng_group *g)
{
	uint64_t bits = load_u64(meta + META_BITS), maplen = bits >> 12, n = (bits & 31) + 1, size;
	unsigned class = bits >> 6 & 63;
	bool freeable = bits >> 5 & 1;
	uint64_t all = (2ull << (bits & 31)) - 1;

	g->mem = load_u64(meta + META_MEM);
	g->avail = load_u32(meta + META_AVAIL);
	g->freed = load_u32(meta + META_FREED);
	g->n_slots = (uint8_t)n;
	g->active_idx = (uint8_t)(n - 1);
	g->sizeclass = (uint8_t) class;
	if (g->mem & (NG_UNIT - 1) || g->mem >> 47 || maplen >> 35 ||
	    (g->avail | g->freed) & ~all || g->avail & g->freed)
		return false;
	if (class >= NG_CLASSES &&
	    (class != NG_CLASS_MAPPED || n != 1 || !maplen || g->avail | g->freed))
		return false;
	if (maplen && g->mem & 4095)
		return false;
	g->stride =
		class < NG_CLASSES && !(n == 1 && maplen) ? NG_UNIT * ng_size_classes[class] : 0;
	size = NG_UNIT + n * g->stride;
	if (maplen && maplen * 4096 < size)
		return false;
	g->end = g->mem + (maplen ? maplen * 4096 : size);
	g->kind = maplen ? NG_OWN_MAPPING : freeable ? NG_NESTED : NG_DONATED;
	return true;
}

bool ng_read_header(struct ng_group *g, const uint8_t *bytes, uint64_t avail)
{
	unsigned active;

	if (avail < NG_UNIT || load_u64(bytes) != g->meta)
		return false;
	active = bytes[GROUP_ACTIVE] & 31;
	if (active < g->n_slots)
		g->active_idx = (uint8_t)active;
	return true;
}

void ng_check_header(struct ng_heap *h, const struct ng_group *g)
{
	uint64_t avail;
	const uint8_t *bytes = image_view(h->img, g->mem, &avail);

	if (!bytes || avail < NG_UNIT) /* a mapping that ends within it has pages of its own */
		diag(h->env, "heap/not-dumped", g->mem,
		     "the group at 0x%" PRIx64
		     " is not in the dump: its blocks are where slots begin",
		     g->mem);
	else if (load_u64(bytes) != g->meta)
		ng_damage(h, g->mem,
			  "group at 0x%" PRIx64 ": its header names meta 0x%" PRIx64
			  ", and that of 0x%" PRIx64
			  " describes it; likely an overrun of the block before it",
			  g->mem, load_u64(bytes), g->meta);
}

static struct err *read_meta(struct ng_heap *h, taddr at, const uint8_t *bytes)
{
	struct ng_group g = { .meta = at };

	if (!load_u64(bytes + META_MEM))
		return NULL;
	if (!decode(bytes, &g) || !is_mapped(h, g.mem, g.end)) {
		ng_damage(h, at,
			  "meta at 0x%" PRIx64 ": it describes no group (memory 0x%" PRIx64
			  ", masks 0x%x and 0x%x); what it had is not listed",
			  at, g.mem, g.avail, g.freed);
		return NULL;
	}
	return vec_push(&h->groups, &g) ? NULL : &err_nomem;
}

static struct err *read_metas(struct ng_heap *h)
{
	for (size_t i = 0; i < h->areas.n; i++) {
		taddr area = h->areas.v[i];
		uint8_t bytes[NG_META_AT + NG_META * NG_AREA_METAS];

		if (image_read(h->img, area, bytes, sizeof(bytes)) != MEM_OK) {
			ng_damage(h, area,
				  "the meta area at 0x%" PRIx64
				  " is not in the dump whole: its groups are not listed",
				  area);
			continue;
		}
		for (unsigned m = 0; m < NG_AREA_METAS; m++) {
			size_t off = NG_META_AT + NG_META * m;
			struct err *err = read_meta(h, area + off, bytes + off);

			if (err)
				return err;
		}
	}
	return NULL;
}

/* ---- which lie in which */

static int by_place(const void *a, const void *b)
{
	const struct ng_group *x = a, *y = b;

	if (x->mem != y->mem)
		return x->mem > y->mem ? 1 : -1;
	if (x->end != y->end)
		return x->end < y->end ? 1 : -1;
	return (x->meta > y->meta) - (x->meta < y->meta);
}

/* Is it all in one slot of the other, and that slot not free? */
static bool is_in_slot(const struct ng_group *in, const struct ng_group *of)
{
	uint64_t i = of->stride ? (in->mem - of->mem - NG_UNIT) / of->stride : 0;

	return in->mem >= of->mem + NG_UNIT && i < of->n_slots &&
	       in->end <= ng_slot_end(of, (unsigned)i) && !((of->avail | of->freed) >> i & 1);
}

/* Groups by place; those that lie across each other cannot both be: the first stays. */
static struct err *nest_groups(struct ng_heap *h)
{
	struct ng_group *v, around[NESTING_MAX];
	size_t kept = 0, depth = 0;

	sort_by_key(h->groups.v, h->groups.n, sizeof(*v), by_place);
	v = h->groups.v;
	for (size_t i = 0; i < h->groups.n; i++) {
		struct ng_group g = v[i];

		while (depth && around[depth - 1].end <= g.mem)
			depth--;
		if (depth && (g.kind != NG_NESTED || depth == NESTING_MAX ||
			      !is_in_slot(&g, &around[depth - 1]))) {
			ng_damage(h, g.meta,
				  "meta at 0x%" PRIx64 ": its group 0x%" PRIx64 "-0x%" PRIx64
				  " lies across that of 0x%" PRIx64 "; left out",
				  g.meta, g.mem, g.end, around[depth - 1].meta);
			continue;
		}
		if (!depth && g.kind == NG_NESTED) {
			ng_damage(
				h, g.meta,
				"group at 0x%" PRIx64
				": it lies in no other group's slot, and has no mapping of its own",
				g.mem);
			g.kind = NG_ORPHAN;
		}
		around[depth++] = g;
		v[kept++] = g;
	}
	h->groups.n = kept;
	return NULL;
}

static struct err *make_pieces(struct ng_heap *h)
{
	struct ng_piece piece = {};

	for (size_t i = 0; i < h->groups.n; i++) {
		if (h->groups.v[i].kind != NG_NESTED) {
			if (piece.n && !vec_push(&h->pieces, &piece))
				return &err_nomem;
			piece = (struct ng_piece){ .first = (uint32_t)i };
		}
		piece.n++;
	}
	return !piece.n || vec_push(&h->pieces, &piece) ? NULL : &err_nomem;
}

/* The allocator counts the slots of each class; what was donated is not in it. */
static void check_usage(struct ng_heap *h)
{
	uint64_t n[NG_CLASSES] = {};

	for (size_t i = 0; i < h->groups.n; i++) {
		const struct ng_group *g = &h->groups.v[i];

		if (g->sizeclass < NG_CLASSES && g->kind != NG_DONATED)
			n[g->sizeclass] += g->n_slots;
	}
	for (unsigned c = 0; c < NG_CLASSES; c++)
		if (n[c] == h->ctx.usage[c])
			h->passed++;
		else
			ng_damage(h, h->ctx.at,
				  "size class %u: groups have %" PRIu64
				  " slots, and malloc counts %" PRIu64,
				  c, n[c], h->ctx.usage[c]);
}

struct err *ng_open_groups(struct ng_heap *h)
{
	struct err *err = read_areas(h);

	if (!err)
		err = read_metas(h);
	if (err)
		return err;
	err = nest_groups(h);
	if (err)
		return err;
	check_usage(h);
	return make_pieces(h);
}

const struct ng_group *ng_group_at(const struct ng_heap *h, taddr at)
{
	const struct ng_group *v = h->groups.v;
	size_t lo = partition_point(h->groups.n, i, v[i].mem <= at);

	/* The last that begins at or before; those around it come before it. */
	for (unsigned n = 0; lo-- > 0 && n < IN_ONE_MAX; n++) {
		if (at < v[lo].end)
			return &v[lo];
		if (v[lo].kind != NG_NESTED)
			return NULL;
	}
	return NULL;
}
