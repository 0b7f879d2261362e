/*
 * heap/mimalloc.h - mimalloc's heap as its walker knows it: pages, whichever version laid them out.
 *
 * mimalloc 2.0.3 to 2.4.1 (segments; mimalloc_segments.c) and 3.0.1 to 3.6.0 (a page map and arenas;
 * mimalloc_map.c).  Layouts from include/mimalloc/types.h at each release's tag, that of 3.6.0 from
 * its code; which one it is, the dump's own structures tell (docs/formats/mimalloc.md).
 */
#ifndef HEAPFX_HEAP_MIMALLOC_H
#define HEAPFX_HEAP_MIMALLOC_H

#include "base/bits.h"
#include "base/col.h"
#include "heap/blocks.h"
#include "heap/damage.h"

enum {
	MI_SLICE = 64 << 10,
	MI_PADDING = 8, /* struct mi_padding_s: canary and delta, at a block's end */
	MI_CAPACITY_MAX = 65535,
	MI_OS_PAGE = 4096,
};

/* Which list a block hangs on; a nibble each in mi_heap.marks. */
enum mi_where {
	MI_USED,
	MI_FREE,
	MI_LOCAL_FREE,
	MI_THREAD_FREE,
	MI_DELAYED_FREE,
	MI_WHERES,
	MI_OWN = MI_WHERES, /* in use, by mimalloc itself */
};
extern const char *const mi_where_names[MI_WHERES];

/* struct mi_page_s: blocks of one size; a claim. */
struct mi_page {
	taddr at;	/* of the struct */
	taddr start;	/* the first block */
	taddr area_end; /* of the slices it has, by its own figures */
	taddr slices_end; /* and by the map's; 0: there is none */
	uint64_t block_size;
	uint32_t capacity;	/* blocks that were carved out */
	uint32_t reserved;	/* that there is room for */
	uint32_t used;		/* as mimalloc counts: not in `free` or `local_free` */
	bool aligned;		/* may have blocks whose holders point inside them: aligned ones */
	taddr lists[MI_WHERES]; /* the head of each */
	uint64_t keys[2];
	taddr heap;	/* that owns it; 0: abandoned */
	uint32_t arena; /* index of that heap */
	uint64_t marks; /* its first word in mi_heap.marks */
	uint32_t n_in[MI_WHERES], n_own;
	uint32_t n_overrun;
	struct damages damage;
	uint64_t passed, failed;
};

static inline taddr mi_page_end(const struct mi_page *p)
{
	return p->start + p->capacity * p->block_size;
}

/* Memory that mimalloc took from the system: a segment, or an arena. */
struct mi_area {
	taddr start, end;
	taddr info_end; /* its own data come first */
	taddr arena;	/* 3.x: of its mi_arena_s; 0: none */
	uint64_t *purge; /* 3.x: a bit for each slice that is to go back, n_purge words; NULL: not looked for, or not found */
	uint64_t n_purge;
};

/* What is known before pages are read, and goes into the bid. */
struct mi_layout {
	unsigned form;	 /* of mimalloc_segments.c or mimalloc_map.c */
	bool has_map;	 /* 3.x */
	taddr map;	 /* 3.x: the page map */
	uint64_t secret; /* 2.x: cookie of a segment, XOR its address */
	taddr secret_at; /* in a module's data; 0: nowhere */
	bool by_symbol;
	bool encoded;	      /* free lists are: a secure or a debug build */
	const char *versions; /* "2.0.9-2.1.2" */
	/* mi_collect(true) gives memory without used blocks back at once; else what is due by then, by MIMALLOC_RESET_DELAY */
	bool collect_purges;
	uint64_t n;	      /* segments, or pages */
	taddr module_data;    /* an address in the data of mimalloc's module */
};

struct mi_heap {
	struct env *env;
	const struct image *img;
	struct mi_layout layout;
	bool padded; /* blocks end in a canary */
	struct {
		struct mi_page *v; /* by start */
		size_t n, cap;
	} pages;
	struct {
		struct mi_area *v; /* by start */
		size_t n, cap;
	} areas;
	struct {
		taddr *v; /* sorted */
		size_t n, cap;
	} delayed; /* blocks that other threads freed to the heap that owns their page (2.x) */
	struct {
		taddr *v; /* sorted */
		size_t n, cap;
	} own; /* blocks that hold mimalloc's own structures (3.4 and later) */
	struct {
		taddr *v; /* heaps (theaps) that own pages; sorted, 0 first if there are abandoned ones */
		size_t n, cap;
	} owners;
	struct col marks_col;
	uint64_t *marks;
	struct damages damage;
	struct {
		struct heap_region *v;
		size_t n, cap;
	} regions;
	bool never_purged;     /* nothing goes back: MIMALLOC_PURGE_DELAY=-1 */
	unsigned purge_slices; /* 3.x: that go back at once, or none of them */
	uint64_t passed, failed;
	struct heap_info info;
	struct heap_arena *arenas;
	bool have_info;
};

/* One failed check: listed, and diag()'ed as heap/corrupt. */
void mi_damage(struct mi_heap *h, taddr at, const char *fmt, ...) PRINTF(3, 4);
/* Do its figures make sense where it is? */
bool mi_page_fits(const struct image *img, const struct mi_page *p);
/* The page whose blocks are at an address; NULL. */
const struct mi_page *mi_page_at(const struct mi_heap *h, taddr at);
int mi_by_address(const void *a, const void *b); /* of two taddr, for qsort */

/* ---- mimalloc_segments.c */
bool mi_find_segments(const struct image *img, struct mi_layout *ret);
struct err *mi_read_segments(struct mi_heap *h) MUST_CHECK;
void mi_keep_segments(const struct mi_heap *h); /* image/shadow.h */

/* ---- mimalloc_map.c */
bool mi_find_map(const struct image *img, struct mi_layout *ret);
struct err *mi_read_map(struct mi_heap *h) MUST_CHECK;
void mi_keep_map(const struct mi_heap *h);
/* Which blocks are theaps and tlds: needs pages and owners. */
struct err *mi_find_own(struct mi_heap *h) MUST_CHECK;

/* ---- mimalloc_purge.c */
void mi_keep_purge(const struct mi_heap *h);
/* How mi_collect(true) gives memory back: needs areas. */
struct err *mi_find_purge(struct mi_heap *h) MUST_CHECK;
/* A page without used blocks, which it frees first. All of them, then: */
void mi_purge_page(struct mi_heap *h, const struct mi_page *p);
/* Bytes of [start, end), in no page or in such a one, that hold anything and go back. */
uint64_t mi_returnable(struct mi_heap *h, taddr start, taddr end);

/* ---- mimalloc_lists.c */
uint64_t mi_decode(taddr null, uint64_t word, const uint64_t *keys);
struct err *mi_walk(void *ctx, uint32_t claim, struct block_sink *sink);
/* Tries whether blocks end in canaries: needs pages. */
void mi_find_padding(struct mi_heap *h);
/* Bytes the program asked for, from the padding; false without padding, or if it was run over. */
bool mi_read_padding(const struct mi_heap *h, const struct mi_page *p, taddr block, uint64_t *ret);
static inline enum mi_where mi_mark(const struct mi_heap *h, const struct mi_page *p, uint32_t i)
{
	return h->marks[p->marks + i / 16] >> (i % 16 * 4) & 15;
}

#endif
