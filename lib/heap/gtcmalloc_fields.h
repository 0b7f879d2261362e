/*
 * heap/gtcmalloc_fields.h - google/tcmalloc, with caches by processor, as its walker knows it.
 *
 * Source of the layouts: google/tcmalloc tcmalloc/{pagemap,span,transfer_cache_internals,central_freelist,
 * thread_cache,huge_page_filler,huge_page_tracker}.h and internal/{percpu_tcmalloc,logging,
 * sampled_allocation_recorder}.h from June 2025 to August 2026 (docs/formats/google-tcmalloc.md).  It has no
 * releases: what differs among them is found by its own structure in each copy (struct gtc_layout).
 */
#ifndef HEAPFX_HEAP_GTCMALLOC_FIELDS_H
#define HEAPFX_HEAP_GTCMALLOC_FIELDS_H

#include "heap/tc_spans.h"

enum {
	GTC_CLASSES = 320, /* 46 to 258, by page size and NUMA */
	GTC_COPIES_MAX = 8,
	GTC_CACHES_MAX = 1 << 14,
	GTC_CPUS_MAX = 1 << 13,
	GTC_SLOTS_MAX = 1 << 24,
	GTC_HUGE_SHIFT = 21, /* kHugePageShift */
	GTC_REGION_SHIFT = 30, /* kMinMmapAlloc: what it takes from the system at once */
	/* struct Span: links, counts, then the first page's number with flags behind it. */
	GSPAN_EMBED = 16,
	GSPAN_FREELIST = 18,
	GSPAN_ALLOCATED = 20,
	GSPAN_CACHED = 22, /* 4 bits, or a byte */
	GSPAN_FIRST = 24,
	GSPAN_SIZE = 64,
	GSPAN_LIST_MAX = 12,
	GSPAN_BITMAP_WORDS = 3,
	GSPAN_LIST_END = 0xffff,
	/* CentralFreeList, from size_class_ on */
	CFL_CLASS = 0,
	CFL_SIZE = 8,
	CFL_OBJECTS = 16, /* 32 bits */
	CFL_PAGES = 24,	  /* or later */
	CFL_PAGES_MAX = 40,
	CFL_WORDS = 6,
	/* TransferCache, as seen from its central list's size_class_, and from its slots */
	TC_SLOTS = -16,
	SLOTS_USED = -8,
	SLOTS_CAPACITY = -4,
	TC_BEFORE = 56, /* of it may lie in front of size_class_ */
	/* A transfer cache of a shard has no central list of its own, and its class behind the slots. */
	SHARD_TC_CLASS = 40, /* or 48 */
	SHARD_TC_CLASS_MAX = 48,
	SHARD_TC_SLOTS = -8,
	SHARD_TC_SIZE = 128,
	SHARD_SIZE = 16,
	/* ThreadCache: a list a class, then size_ and what follows. */
	GCACHE_LIST = 24,
	GCACHE_LENGTH = 8,
	GCACHE_MAX_LENGTH = 16,
	GCACHE_TID = 16, /* behind the lists */
	GCACHE_NEXT = 32,
	GCACHE_END = 48,
	/* PageTracker: which pages are used, and behind them how many, as 16 bits */
	TRACKER_LOCATION = 16,
	TRACKER_RELEASED_COUNT = 24, /* 16 bits */
	TRACKER_USED = 40,	     /* or later */
	TRACKER_USED_MAX = 64,
	TRACKER_NUSED = 2, /* behind the bitmap */
	/*
	 * SampledAllocation: links, then a StackTrace; its proxy, if there is one, in front of the size asked for.
	 * What comes behind lies 8 bytes further from January to June 2026, which have a proxy and 16 bytes of alignment.
	 */
	SAMPLED_PROXY = 32,
	SAMPLED_REQUESTED = 32,
	SAMPLED_WEIGHT = 72,
	SAMPLED_SPAN_START = 96,
	SAMPLED_DEPTH = 104,
	SAMPLED_STACK = 112,
	SAMPLED_SIZE = 624,
	SAMPLED_MORE_MAX = 8,
	SAMPLED_STACK_MAX = 64,
	/* MetadataObjectAllocator: arena_, a lock, free_list_, objects in use, all objects */
	METADATA_FREE_LIST = 16,
	METADATA_IN_USE = 24,
	METADATA_SIZE = 40,
};

#define GTC_MAX_PAGES (1ull << 36)

/* One size class. */
struct gtc_class {
	uint64_t size; /* 0: it has none */
	uint32_t pages, objects; /* of each span */
};

/* Where a Span says what; all but the last (August 2026) have reserved bits behind the first page's number. */
struct gtc_span_form {
	uint8_t pages; /* 6 bits, of one that is neither large nor sampled; 0: they lie behind the flags */
	uint8_t large_pages; /* 64 bits, of the others */
	uint8_t sample; /* SampledAllocation * */
	uint8_t list, n_list; /* indices, 16 bits each; or a bitmap in their place */
};

/* What differs from one month's sources to another's: found in each copy (gtcmalloc_layout.c). */
struct gtc_layout {
	struct gtc_span_form span;
	uint8_t flags; /* which bit behind GSPAN_FIRST is is_large_span_; the next one is sampled_ */
	bool has_proxy;
	uint8_t sample_more; /* bytes that its weight and what follows lie further */
	uint8_t tracker_used;
	uint16_t tracker_released; /* 0: no tracker has released a page */
};

/* How a page's number is cut into indices of the radix tree; no mid_bits in a tree of two levels. */
struct gtc_map {
	taddr root;
	uint8_t page_shift, root_bits, mid_bits, leaf_bits;
	uint8_t class_bytes; /* of an entry of a leaf's first array */
};

struct gtc_leaf {
	taddr addr;
	uint64_t page; /* of its first entry */
};

enum gtc_cache_kind { GTC_CPU, GTC_THREAD, GTC_TRANSFER, GTC_SHARD, N_GTC_CACHES };

/* A cache of any kind: where it lies, and whose it is. */
struct gtc_cache {
	taddr addr;
	uint32_t no; /* processor, thread (0: unknown), shard */
	uint8_t kind; /* enum gtc_cache_kind */
};

/* One google/tcmalloc in the process. */
struct gtc_copy {
	const struct module *module;
	struct gtc_map map;
	struct {
		struct gtc_leaf *v;
		size_t n, cap;
	} leaves; /* by page */
	struct gtc_class class[GTC_CLASSES];
	uint32_t n_classes;
	struct gtc_layout layout;
	taddr central;	    /* size_class_ of class 0's central list */
	uint32_t stride;
	uint8_t central_pages; /* CFL_PAGES and up */
	uint8_t shard_class; /* SHARD_TC_CLASS or later */
	bool has_slots;	    /* central lists lie in transfer caches */
	taddr slabs;	    /* TcmallocSlab; 0: no caches by processor */
	uint8_t slab_shift;
	uint16_t slab_begin[GTC_CLASSES];
	struct {
		struct gtc_cache *v;
		size_t n, cap;
	} caches;
	struct gtc_dead {
		uint64_t *v;
		size_t n, cap;
	} dead; /* addresses of its own objects that are gone, ascending */
	bool by_symbol;
};

#define GTC_PROXY TC_NO_CACHE /* of what is listed: a sampled allocation's stand-in */

struct gtcmalloc {
	struct tc_spans spans; /* first */
	const struct image *img;
	struct gtc_copy *copies;
	uint32_t n_copies;
	struct col bits_col;
	uint64_t *free_bits; /* one an object of spans with indices: set by the walk, of those in their span's list */
	struct {
		uint64_t n, bytes;
	} in_caches[N_GTC_CACHES];
	struct heap_info info;
	bool have_info;
};

static inline uint64_t gtc_span_pages(const struct gtcmalloc *t, const struct tc_span *s)
{
	return tc_span_bytes(s) >> t->copies[s->copy].map.page_shift;
}
/* Of its objects; of a span that is one block, its bytes. */
static inline uint64_t gtc_object_size(const struct gtcmalloc *t, const struct tc_span *s)
{
	return s->class ? t->copies[s->copy].class[s->class].size : tc_span_bytes(s);
}
static inline uint32_t gtc_span_objects(const struct gtcmalloc *t, const struct tc_span *s)
{
	return s->class ? t->copies[s->copy].class[s->class].objects : 1;
}

/* Are free objects of a size listed by index?  Larger ones have a bitmap in their Span (UseBitmapForSize()). */
static inline bool gtc_size_has_indices(const struct gtc_copy *c, const struct gtc_span_form *form, uint64_t size)
{
	return size < (1u << c->map.page_shift) / (16u * form->n_list);
}
static inline bool gtc_has_indices(const struct gtcmalloc *t, const struct tc_span *s)
{
	const struct gtc_copy *c = &t->copies[s->copy];

	return s->class && gtc_size_has_indices(c, &c->layout.span, gtc_object_size(t, s));
}
static inline uint64_t gtc_bits(uint64_t word, unsigned at, unsigned n)
{
	return word >> at & ((1ull << n) - 1);
}
static inline unsigned gtc_page_bits(const struct gtc_map *m)
{
	return 48 - m->page_shift;
}

/* gtcmalloc_anchor.c: every copy whose page map proves itself, with its size classes. */
struct err *gtc_find_copies(const struct image *img, struct gtc_copy **ret, uint32_t *ret_n) MUST_CHECK;
void gtc_copies_free(struct gtc_copy *copies, uint32_t n);
/* Does an address say of itself that it is of what the allocator makes for itself? */
bool gtc_is_metadata(taddr addr);
/* The leaf of a page, and its index there; 0: it has none. */
taddr gtc_leaf_of(const struct image *img, const struct gtc_map *m, uint64_t page, uint64_t *ret_index);
/* What a leaf says of a page: Span and size class packed in one word, and the class once more. */
bool gtc_leaf_entry(const struct image *img, const struct gtc_map *m, taddr leaf, uint64_t index, taddr *ret_span,
		    uint32_t *ret_packed_class, uint32_t *ret_class);
uint64_t gtc_leaf_bytes(const struct gtc_map *m);
taddr gtc_leaf_words(const struct gtc_map *m, taddr leaf);    /* a Span and its size class of each page */
taddr gtc_leaf_trackers(const struct gtc_map *m, taddr leaf); /* its PageTracker * of each huge page */

/* gtcmalloc_layout.c: how the structures of a copy whose map, classes and leaves are known are laid out. */
void gtc_find_layout(const struct image *img, struct gtc_copy *c);
/* What a Span's words say: its pages, and whether it is of a sampled allocation. */
uint64_t gtc_words_pages(const struct gtc_layout *l, const uint64_t *words, bool *ret_sampled);
/* The PageTracker of a huge page that is said to be at an address. */
bool gtc_is_tracker(const struct image *img, taddr tracker, taddr huge);
/* A sampled span's SampledAllocation, if it leads to one that leads back. */
bool gtc_sample_of(const struct image *img, const struct gtc_copy *c, taddr span, taddr base, taddr *ret);
taddr gtc_requested_at(const struct gtc_copy *c, taddr sampled); /* where it has the size asked for */

/* gtcmalloc_caches.c: where a copy's caches are, and which of its own objects are gone. */
struct err *gtc_find_caches(struct gtcmalloc *t, struct gtc_copy *c) MUST_CHECK;
/* Where the words of a class begin in a slab, which end at `current`. */
uint32_t gtc_slab_begin(const struct image *img, const struct gtc_copy *c, taddr slab, uint32_t class, uint32_t current);
bool gtc_is_dead(const struct gtc_copy *c, taddr object);

/* gtcmalloc_spans.c: what the page maps lead to, sorted and joined. */
struct err *gtc_read_spans(struct gtcmalloc *t) MUST_CHECK;

/* gtcmalloc_walk.c */
struct block_sink;
struct blocks;
struct err *gtc_walk(void *ctx, uint32_t claim, struct block_sink *sink);
struct err *gtc_settle(void *ctx, struct block_sink *sink);
struct err *gtc_keep(void *ctx, const struct blocks *b); /* the lists inside of free objects */
bool gtc_is_in_span(const struct gtcmalloc *t, const struct tc_span *s, taddr object); /* in its own list */

/* gtcmalloc_samples.c */
struct err *gtc_samples(void *ctx, struct sample_sink *sink) MUST_CHECK;

/* gtcmalloc_regions.c: pages without spans, and its own data. */
struct err *gtc_regions(void *ctx, struct region_sink *sink) MUST_CHECK;
struct err *gtc_metadata(void *ctx, struct claim_sink *sink) MUST_CHECK;
/* Free pages that hold anything, and those that do not. */
void gtc_count_free(const struct gtcmalloc *t, struct where_total *ret_idle, uint64_t *ret_returned);

#endif
