/*
 * heap/jemalloc_fields.h - jemalloc 5.2 and 5.3 as the walker knows it: copies, extents, thread caches.
 *
 * Source of truth: jemalloc 5.2.1, 5.3.0, 5.3.1, include/jemalloc/internal/{rtree,extent_structs,edata,
 * cache_bin,tcache_structs,base_structs,sc}.h (docs/formats/jemalloc.md).  What the build chose (page size,
 * quantum, address bits, prefix) is read from the dump, never assumed.
 */
#ifndef HEAPFX_HEAP_JEMALLOC_FIELDS_H
#define HEAPFX_HEAP_JEMALLOC_FIELDS_H

#include "base/col.h"
#include "heap/blocks.h"
#include "heap/damage.h"

enum {
	JE_SIZES_MAX = 256, /* SC_NSIZES is 232 to 239 */
	JE_REGS_MAX = 8192,
	JE_LEVELS_MAX = 3,
	JE_BITMAP_AT = 64,	/* e_slab_data in an edata_t (5.2: extent_t) */
	JE_BASE_UNIT = 2 << 20, /* base blocks are whole huge pages */
	JE_CACHE_BIN = 24,	/* sizeof(cache_bin_t) */
};

enum je_state {
	JE_ACTIVE,
	JE_DIRTY,
	JE_MUZZY,
	JE_RETAINED,
	JE_STATES,
	/* No state of its own: pages of a huge page that no block has (opt.hpa). */
	JE_HPA = 8,
	JE_ALL_STATES
};

/* Where the fields of e_bits lie; the arena is in bits 0-11 and `slab` is bit 12 in all of them. */
struct je_form {
	const char *versions;
	uint8_t state_shift, state_bits, szind_shift, nfree_shift;
	bool tail_descriptor; /* of thread caches: the descriptor lies behind the small bins, not in a tcache_slow_t */
};

/* How an address is looked up: rtree.h, by the significant address bits of the build. */
struct je_geometry {
	uint8_t n_levels;
	uint8_t bits[JE_LEVELS_MAX];
	uint8_t shift[JE_LEVELS_MAX];
	bool compact; /* a leaf element is one word; else pointer and metadata, 16 bytes */
	bool apart; /* of the latter: szind and slab in fields of their own (5.2), not in one word */
};

/* One jemalloc in the process. */
struct je_copy {
	const struct je_form *form;
	struct je_geometry geometry;
	const struct module *module; /* NULL if none has it */
	taddr bin_infos, root;
	uint32_t n_bins, n_sizes, page;
	uint64_t sizes[JE_SIZES_MAX];	   /* usable bytes of each size class */
	uint64_t slab_bytes[JE_SIZES_MAX]; /* of bins */
	uint32_t large_pad;		   /* bytes after large allocations for cache colouring */
	bool size_by_pages;		/* large allocations are whole pages, not classes (5.3.1) */
	uint32_t first_arena, n_arenas; /* of those of all copies */
	bool by_symbol;
	char version[24];
};

/* A run of pages that jemalloc manages, as its edata says. */
struct je_extent {
	taddr base, edata;
	taddr addr; /* of a large allocation: behind base by its colour; of others base */
	uint64_t bytes;
	uint64_t usable;		  /* of a large allocation */
	uint32_t n_regs;		  /* 1 of a large allocation */
	uint32_t n_used, n_cached, n_own; /* found by the walk; own: jemalloc's */
	uint16_t arena;
	uint8_t szind, state, copy;
	bool slab;
	bool by_hpa; /* in a huge page of hpa.c's */
	taddr cached_free; /* a region that both its bitmap and a cache have as free; 0: none */
	bool bitmap_lost,
		miscounted; /* the bitmap: not in the dump; not as many free as nfree says */
};

struct je_run { /* one claim: active extents one behind the other */
	size_t first, n;
};

struct jemalloc {
	struct env *env;
	const struct image *img;
	struct {
		struct je_copy *v;
		size_t n, cap;
	} copies;
	struct col extents_col;
	struct je_extent *extents; /* by base, disjoint */
	size_t n_extents;
	struct {
		struct je_run *v;
		size_t n, cap;
	} runs;
	/* Sorted, each once: what thread caches hold, and blocks that are jemalloc's own. */
	struct {
		taddr *v;
		size_t n, cap;
	} cached, own;
	struct {
		struct je_cache {
			taddr bins, arena;
			taddr low,
				high; /* of the tsd_t it is in, as far as it is known; 0, 0: in none */
		} * v;
		size_t n, cap;
	} caches;
	struct {
		struct je_base {
			taddr start, end;
		} * v;
		size_t n, cap;
	} bases; /* blocks of metadata, sorted, disjoint */
	struct damages damage;
	uint64_t passed, failed;
	uint64_t n_caches_lost; /* threads whose TLS the dump does not hold */
	uint32_t n_arenas;	/* of all copies */
	bool busy;		/* a thread was inside jemalloc when the dump was taken */
	bool have_info;
	struct heap_info info;
};

void je_damage(struct jemalloc *je, taddr at, const char *fmt, ...) PRINTF(3, 4);
/* The same for what an operation that had begun explains as well, if a thread was inside jemalloc. */
void je_doubt(struct jemalloc *je, taddr at, const char *fmt, ...) PRINTF(3, 4);
static inline uint32_t je_bits(uint64_t e_bits, unsigned shift, unsigned n)
{
	return (uint32_t)(e_bits >> shift & ((1ull << n) - 1));
}
/* The n 64-bit words from `at`; false when they are not all in one segment of the dump. */
bool je_words(const struct image *img, taddr at, uint64_t *ret, unsigned n);

/* ---- jemalloc_anchor.c: every jemalloc of the process, by bin_infos and the radix tree */
struct err *je_find_copies(struct env *env, const struct image *img,
			   struct jemalloc *je) MUST_CHECK;

/* Its size classes, whole (image/shadow.h). */
void je_keep_copy(const struct image *img, const struct je_copy *copy);

/* ---- jemalloc_extents.c */
/* What a leaf element says; false when it is empty or cleared. */
struct je_leaf {
	taddr edata;
	uint8_t szind, state; /* 5.2 has no state there: 0 */
	bool slab;
};
bool je_leaf_parse(const struct je_geometry *g, const uint8_t *elem, struct je_leaf *ret);
struct err *je_read_extents(struct jemalloc *je) MUST_CHECK;
struct je_extent *je_extent_at(const struct jemalloc *je, taddr addr); /* NULL if none */
/* The bitmap of a slab: a set bit is a free region. False when it is not in the dump. */
bool je_slab_bitmap(const struct jemalloc *je, const struct je_extent *x,
		    uint64_t ret[JE_REGS_MAX / 64]);

/* ---- jemalloc_tcache.c: what threads have cached */
struct err *je_read_tcaches(struct jemalloc *je) MUST_CHECK;
bool je_is_cached(const struct jemalloc *je, taddr block);

/* ---- jemalloc_prof.c: its profiler's own blocks, into je->own; what it sampled */
struct err *je_find_prof(struct jemalloc *je) MUST_CHECK;
void je_keep_prof(const struct jemalloc *je); /* what each sample stands for */
struct err *je_samples(void *ctx, struct sample_sink *sink) MUST_CHECK;

/* ---- jemalloc_base.c: where its own data lie */
struct err *je_find_bases(struct jemalloc *je) MUST_CHECK;
/* The addresses of the first n arenas of a copy, by arenas[]; false when it is not found. */
bool je_arena_addrs(const struct jemalloc *je, uint8_t copy, size_t n, taddr *ret);
struct err *je_regions(void *ctx, struct region_sink *sink) MUST_CHECK;
struct err *je_metadata(void *ctx, struct claim_sink *sink) MUST_CHECK;

#endif
