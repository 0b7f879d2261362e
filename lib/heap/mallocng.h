/*
 * heap/mallocng.h - musl's malloc since 1.2.1 as its walker knows it: context, groups, totals.
 *
 * musl 1.2.1 to 1.2.6, src/malloc/mallocng/{meta.h,malloc.c,free.c,donate.c,aligned_alloc.c}.
 * Read once by ng_open_groups(), const afterwards but for each claim's own counts.
 */
#ifndef HEAPFX_HEAP_MALLOCNG_H
#define HEAPFX_HEAP_MALLOCNG_H

#include "base/bits.h"
#include "heap/blocks.h"
#include "heap/damage.h"

enum {
	NG_UNIT = 16,  /* UNIT */
	NG_HEADER = 4, /* IB: in front of each slot, the last bytes of the one before */
	NG_CLASSES = 48,
	NG_CLASS_MAPPED = 63, /* a block with a mapping of its own */
	NG_SLOTS = 32,	      /* of a group, at most */
	NG_AREA = 4096,
	NG_AREA_METAS = 101, /* (4096 - 24) / 40 */
	NG_META = 40,
	NG_META_AT = 24, /* the first of an area */
};

extern const uint16_t ng_size_classes[NG_CLASSES]; /* in units */

enum ng_where { NG_AVAIL, NG_FREED, NG_INACTIVE, NG_WHERES };
extern const char *const ng_where_names[NG_WHERES];

/* malloc_context; where the page size is no constant (aarch64) it is the second word. */
struct ng_context {
	taddr at; /* 0: none */
	uint64_t secret;
	bool has_page_size;
	bool by_symbol; /* beside its shape: its name */
	taddr random;	/* where its secret is, too: half of AT_RANDOM; 0: it is not */
	taddr head, tail;	   /* meta areas */
	taddr active[NG_CLASSES];
	uint64_t usage[NG_CLASSES]; /* slots of each class, as the allocator counts them */
};

enum ng_kind {
	NG_OWN_MAPPING, /* a group that was mapped */
	NG_NESTED,	/* in a slot of another group */
	NG_DONATED,	/* the rest of a module's page; never given back */
	NG_ORPHAN,	/* nested, and the slot it should be in is not known */
};

/* One group: a header of 16 bytes, then equal slots. */
struct ng_group {
	taddr mem, end; /* of all of it; a slot more than the last is left over in mapped ones */
	taddr meta;
	uint32_t stride;       /* of slots; 0: the one slot reaches to the end */
	uint32_t avail, freed; /* masks */
	uint8_t n_slots, active_idx, sizeclass, kind;
};

static inline taddr ng_slot(const struct ng_group *g, unsigned i)
{
	return g->mem + NG_UNIT + (uint64_t)g->stride * i;
}
static inline taddr ng_slot_end(const struct ng_group *g, unsigned i)
{
	return g->stride ? ng_slot(g, i) + g->stride : g->end;
}

/* A claim: one group that is in no other, with all that are in it. */
struct ng_piece {
	uint32_t first, n; /* groups */
	uint64_t n_used, used, n_free, free;
	uint64_t n_in[NG_WHERES], bytes_in[NG_WHERES];
	uint64_t passed, failed, n_moving;
	taddr moving; /* the first of them */
	uint64_t n_denied; /* free by a mask, used by their headers */
	taddr denied;	   /* the first such mask's meta */
	uint32_t n_unsound; /* headers of groups */
	taddr bad; /* the first slot whose header is not malloc's; 0: none */
};

struct ng_heap {
	struct env *env;
	const struct image *img;
	struct ng_context ctx;
	struct {
		taddr *v;
		size_t n, cap;
	} areas;
	struct {
		struct ng_group *v; /* by mem; of those at one place the outer one first */
		size_t n, cap;
	} groups;
	struct {
		struct ng_piece *v;
		size_t n, cap;
	} pieces;
	struct damages damage;
	uint64_t passed, failed;
	struct heap_info info;
	struct heap_arena arenas[2];
	bool have_info;
};

/* ---- mallocng_anchor.c */
bool ng_find_context(struct env *env, const struct image *img, struct ng_context *ret);

/* ---- mallocng_groups.c */
struct err *ng_open_groups(struct ng_heap *h) MUST_CHECK;
/* What its header says, of which `avail` bytes are there; false: not that this is the group of its meta. */
bool ng_read_header(struct ng_group *g, const uint8_t *bytes, uint64_t avail);
/* Says what is wrong with a header, if anything is. */
void ng_check_header(struct ng_heap *h, const struct ng_group *g);
/* The innermost group that holds an address; NULL. */
const struct ng_group *ng_group_at(const struct ng_heap *h, taddr at);
/* One failed check: listed, and diag()'ed as heap/corrupt. */
void ng_damage(struct ng_heap *h, taddr at, const char *fmt, ...) PRINTF(3, 4);

/* ---- mallocng_slots.c */
enum ng_slot_state {
	NG_SLOT_USED,
	NG_SLOT_GROUP,	/* holds a group */
	NG_SLOT_MOVING, /* malloc or free has it in hand */
	NG_SLOT_BAD,	/* its header is not malloc's */
	NG_SLOT_UNREAD, /* not in the dump */
};
/* A slot that is not free, read from its headers. */
struct ng_used {
	enum ng_slot_state state;
	taddr mem;	  /* what the program holds */
	uint64_t nominal; /* bytes it asked for; up to the slot's end if the header does not say */
};
void ng_read_slot(const struct ng_heap *h, const struct ng_group *g, unsigned i,
		  struct ng_used *ret);
/* By its group's masks, unless its header denies it. */
bool ng_slot_is_free(const struct ng_heap *h, const struct ng_group *g, unsigned i);
struct err *ng_walk(void *ctx, uint32_t claim, struct block_sink *sink);

static inline enum ng_where ng_where_of(const struct ng_group *g, unsigned i)
{
	return g->avail >> i & 1 ? NG_AVAIL : i <= g->active_idx ? NG_FREED : NG_INACTIVE;
}

#endif
