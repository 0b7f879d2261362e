/*
 * mallocng.c - the walker of musl's malloc since 1.2.1: bids, claims, explains, sums up.
 *
 * The steps are files of their own: mallocng_anchor.c, mallocng_groups.c, mallocng_slots.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "heap/mallocng.h"
#include "image/shadow.h"

enum { CONTEXT_BYTES = 936, ARENA_GROUPS = 0, ARENA_MAPPED = 1 };

static void ng_close(void *ctx)
{
	struct ng_heap *h = ctx;

	if (!h)
		return;
	damages_free(&h->damage);
	free(h->areas.v);
	free(h->groups.v);
	free(h->pieces.v);
	free(h);
}

static void guard_heap(struct ng_heap **h)
{
	ng_close(*h);
}

static struct err *ng_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct ng_heap *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->env = env;
	h->img = img;
	if (!ng_find_context(env, img, &h->ctx))
		return err_new(ERR_FORMAT, "no malloc_context");
	err = ng_open_groups(h);
	if (err)
		return err;
	*ret_ctx = take(&h);
	return NULL;
}

/* "__malloc_context at 0x.. by symbols and layout, its secret is the kernel's" */
static void say_why(const struct ng_context *c, char *ret, size_t n)
{
	snprintf(ret, n, "__malloc_context at 0x%" PRIx64 " by %slayout, mallocng%s", c->at,
		 c->by_symbol ? "symbols+" : "", c->random ? "; its secret is AT_RANDOM's" : "");
}

static void ng_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct ng_context c;

	if (!ng_find_context(env, img, &c))
		return;
	ret->score = 70 + 10 * c.by_symbol + 10 * !!c.random;
	say_why(&c, ret->why, sizeof(ret->why));
}

static struct err *ng_claim(void *ctx, struct claim_sink *sink)
{
	const struct ng_heap *h = ctx;

	for (size_t i = 0; i < h->pieces.n; i++) {
		const struct ng_group *g = &h->groups.v[h->pieces.v[i].first];
		struct claim claim = {
			.start = g->mem,
			.end = g->end,
			.arena = g->sizeclass == NG_CLASS_MAPPED ? UINT32_MAX : ARENA_GROUPS,
			.kind = g->kind,
			.overhead = NG_HEADER,
		};
		struct err *err = sink->add(sink, &claim);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- totals */

static void sum_piece(struct ng_heap *h, const struct ng_piece *p, uint64_t n_in[NG_WHERES],
		      uint64_t bytes_in[NG_WHERES])
{
	const struct ng_group *g = &h->groups.v[p->first];
	struct heap_arena *a =
		&h->arenas[g->sizeclass == NG_CLASS_MAPPED ? ARENA_MAPPED : ARENA_GROUPS];

	a->bytes += g->end - g->mem;
	a->n_used += p->n_used;
	a->used += p->used;
	a->n_free += p->n_free;
	a->free += p->free;
	for (int w = 0; w < NG_WHERES; w++) {
		n_in[w] += p->n_in[w];
		bytes_in[w] += p->bytes_in[w];
	}
	if (p->n_free && g->sizeclass < NG_CLASSES &&
	    NG_UNIT * ng_size_classes[g->sizeclass] > a->largest_free)
		a->largest_free = NG_UNIT * ng_size_classes[g->sizeclass];
	h->passed += p->passed;
	for (uint32_t i = 0; p->n_unsound && i < p->n; i++)
		ng_check_header(h, &h->groups.v[p->first + i]);
	if (p->n_denied)
		ng_damage(h, p->denied,
			  "meta at 0x%" PRIx64 ": %" PRIu64
			  " slots are free by its masks and used by their headers; its masks were overwritten",
			  p->denied, p->n_denied);
	if (p->bad) {
		ng_damage(h, p->bad,
			  "slot at 0x%" PRIx64 ": its header is not malloc's, nor are %" PRIu64
			  " more in that mapping; likely an overrun of the block before it",
			  p->bad, p->failed - 1);
		h->failed += p->failed - 1;
	}
}

/* A thread inside malloc or free has one slot in hand, or two; with more than that, words were lost. */
static void check_moving(struct ng_heap *h)
{
	uint64_t n = 0;
	taddr first = 0;

	for (size_t i = 0; i < h->pieces.n; i++) {
		n += h->pieces.v[i].n_moving;
		first = first ? first : h->pieces.v[i].moving;
	}
	if (n && n <= 2 * h->img->n_threads + 1)
		diag(h->env, "heap/in-flight", first,
		     "%" PRIu64 " used slots, the first at 0x%" PRIx64
		     ", have the header of a free one: malloc or free has them in hand, or they were run over",
		     n, first);
	if (n <= 2 * h->img->n_threads + 1)
		h->passed++;
	else
		ng_damage(
			h, h->ctx.at,
			"%" PRIu64
			" used slots have headers of free ones, with %zu threads to be at work on them",
			n, h->img->n_threads);
}

static void fill_info(struct ng_heap *h)
{
	struct heap_info *info = &h->info;
	uint64_t n_in[NG_WHERES] = {}, bytes_in[NG_WHERES] = {};

	for (size_t i = 0; i < h->pieces.n; i++)
		sum_piece(h, &h->pieces.v[i], n_in, bytes_in);
	check_moving(h);
	for (int w = 0; w < NG_WHERES; w++)
		if (n_in[w])
			info->wheres[info->n_wheres++] =
				(struct where_total){ ng_where_names[w], n_in[w], bytes_in[w], 0 };
	h->arenas[ARENA_GROUPS].addr = h->ctx.at;
	h->arenas[ARENA_MAPPED].kind = ARENA_MMAP;
	info->arenas = h->arenas;
	info->n_arenas = h->arenas[ARENA_MAPPED].bytes ? 2 : 1;
	for (size_t i = 0; i < info->n_arenas; i++) {
		struct heap_arena *a = &h->arenas[i];

		a->overhead = a->bytes - a->used - a->free;
		info->n_used += a->n_used;
		info->used += a->used;
		info->n_free += a->n_free;
		info->free += a->free;
		info->overhead += a->overhead;
	}
}

/* libc names its release in a variable; otherwise its structures are the same since 1.2.1. */
static void read_version(const struct ng_heap *h, char *ret, size_t n)
{
	const struct module *m = image_module_at(h->img, h->ctx.at);
	struct symbol sym;

	if (!m || !image_symbol(h->img, m, "__libc_version", &sym) ||
	    image_read_str(h->img, sym.addr, ret, n) != MEM_OK ||
	    strspn(ret, "0123456789.") != strlen(ret) || !*ret)
		snprintf(ret, n, "1.2.1 or later");
}

static const struct heap_info *ng_info(void *ctx)
{
	struct ng_heap *h = ctx;
	struct heap_info *info = &h->info;

	if (h->have_info)
		return info;
	h->have_info = true;
	info->allocator = "musl";
	read_version(h, info->version, sizeof(info->version));
	snprintf(info->how, sizeof(info->how), "%slayout", h->ctx.by_symbol ? "symbols+" : "");
	say_why(&h->ctx, info->why, sizeof(info->why));
	fill_info(h);
	info->knows_returnable = true; /* nothing does: free() gives back what it can */
	info->checks_passed = h->passed;
	info->checks_failed = h->failed;
	info->damage = h->damage.v;
	info->n_damage = h->damage.n;
	return info;
}

/* ---- one block in words */

static const char *place_of(const struct ng_group *g)
{
	switch (g->kind) {
	case NG_OWN_MAPPING:
		return "mapped by itself";
	case NG_NESTED:
		return "in a slot of a larger group";
	case NG_DONATED:
		return "the rest of a module's page";
	default:
		return "in no slot that is known";
	}
}

static void explain_group(const struct ng_group *g, unsigned i, struct text *ret)
{
	if (g->sizeclass == NG_CLASS_MAPPED)
		text_printf(ret, "a mapping of its own, 0x%" PRIx64 "-0x%" PRIx64, g->mem, g->end);
	else
		text_printf(ret,
			    "slot %u of %u, size class %u (%u bytes), of the group at 0x%" PRIx64
			    ", %s",
			    i, g->n_slots, g->sizeclass, NG_UNIT * ng_size_classes[g->sizeclass],
			    g->mem, place_of(g));
	text_printf(ret, "; meta 0x%" PRIx64, g->meta);
}

static void explain_used(const struct ng_used *slot, taddr start, struct text *ret)
{
	switch (slot->state) {
	case NG_SLOT_USED:
		text_printf(ret, "; %" PRIu64 " bytes were asked for", slot->nominal);
		if (slot->mem != start)
			text_printf(ret, ", %" PRIu64 " bytes into the slot", slot->mem - start);
		break;
	case NG_SLOT_MOVING:
		text_add(ret, "; its header is a free one's: malloc or free has it in hand");
		break;
	case NG_SLOT_BAD:
		text_add(ret, "; its header is not malloc's, likely run over");
		break;
	case NG_SLOT_UNREAD:
		text_add(ret, "; its header is not in the dump");
		break;
	default:
		break;
	}
}

static const char *ng_explain(void *ctx, taddr block, struct text *ret)
{
	const struct ng_heap *h = ctx;
	const struct ng_group *g = ng_group_at(h, block);
	struct ng_used slot;
	unsigned i;

	if (!g || block < g->mem + NG_UNIT)
		return NULL;
	i = g->stride ? (unsigned)((block - g->mem - NG_UNIT) / g->stride) : 0;
	if (i >= g->n_slots)
		return NULL;
	explain_group(g, i, ret);
	if (ng_slot_is_free(h, g, i)) {
		static const char *const means[] = {
			[NG_AVAIL] = "given out next",
			[NG_FREED] = "freed, not given out before the others are",
			[NG_INACTIVE] = "not used yet",
		};
		enum ng_where where = ng_where_of(g, i);

		text_printf(ret, "; %s", means[where]);
		return ng_where_names[where];
	}
	ng_read_slot(h, g, i, &slot);
	explain_used(&slot, ng_slot(g, i), ret);
	return NULL;
}

/* A mapping goes back when no slot of the group in it is used, those of groups inside included. */
static bool ng_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct ng_heap *h = ctx;
	const struct ng_piece *v = h->pieces.v;
	size_t i = partition_point(h->pieces.n, k, h->groups.v[v[k].first].mem <= block);
	const struct ng_group *g = i ? &h->groups.v[v[i - 1].first] : NULL;

	if (!g || block >= g->end || g->kind != NG_OWN_MAPPING || g->sizeclass == NG_CLASS_MAPPED)
		return false;
	*ret_start = g->mem;
	*ret_end = g->end;
	return true;
}

/* ---- its own data */

static struct err *ng_metadata(void *ctx, struct claim_sink *sink)
{
	const struct ng_heap *h = ctx;
	struct claim own = { .start = h->ctx.at, .end = h->ctx.at + CONTEXT_BYTES };
	struct err *err = sink->add(sink, &own);

	for (size_t i = 0; i < h->areas.n && !err; i++) {
		struct claim area = { .start = h->areas.v[i], .end = h->areas.v[i] + NG_AREA };

		err = sink->add(sink, &area);
	}
	return err;
}

static struct err *ng_regions(void *ctx, struct region_sink *sink)
{
	const struct ng_heap *h = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < h->areas.n && !err; i++) {
		struct heap_region area = { h->areas.v[i], h->areas.v[i] + NG_AREA, "musl/metadata",
					    "musl: meta areas", false };

		err = sink->add(sink, &area);
	}
	return err;
}

/* In front of what malloc gave out; of an offset of 32 bits, all eight bytes. */
static void keep_header(const struct ng_heap *h, taddr at)
{
	uint64_t avail;
	const uint8_t *far = image_view(h->img, at - NG_HEADER, &avail);
	uint64_t n = far && *far ? 2 * NG_HEADER : NG_HEADER;

	image_keep(h->img, at - n, n);
}

/* Headers are read in views; what a slot has reserved may stand in its last four bytes. */
static struct err *ng_keep(void *ctx, const struct blocks *b)
{
	const struct ng_heap *h = ctx;

	(void)b;
	if (h->ctx.random)
		image_keep(h->img, h->ctx.random, sizeof(h->ctx.secret));
	for (size_t k = 0; k < h->groups.n; k++) {
		const struct ng_group *g = &h->groups.v[k];

		image_keep(h->img, g->mem, NG_UNIT);
		for (unsigned i = 0; i < g->n_slots; i++) {
			taddr end = ng_slot_end(g, i) - NG_HEADER;
			struct ng_used slot;

			keep_header(h, ng_slot(g, i));
			if (ng_slot_is_free(h, g, i))
				continue;
			ng_read_slot(h, g, i, &slot);
			if (slot.mem != ng_slot(g, i))
				keep_header(h, slot.mem);
			if (slot.state == NG_SLOT_USED && end - slot.mem - slot.nominal > NG_HEADER)
				image_keep(h->img, end - NG_HEADER, NG_HEADER);
		}
	}
	return NULL;
}

extern const struct walker_ops mallocng_walker;
const struct walker_ops mallocng_walker = {
	.name = "musl",
	.bid = ng_bid,
	.open = ng_open,
	.claim = ng_claim,
	.walk = ng_walk,
	.info = ng_info,
	.explain = ng_explain,
	.metadata = ng_metadata,
	.keep = ng_keep,
	.regions = ng_regions,
	.unit = ng_unit,
	.unit_name = "group",
	.close = ng_close,
};
