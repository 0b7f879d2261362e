/*
 * heap/tcmalloc_fields.h - gperftools' tcmalloc, 2.8 to 2.18, as its walker knows it.
 *
 * Source of the layouts: gperftools src/{span,pagemap,page_heap,common,central_freelist,thread_cache}.h at
 * the tags 2.8.1 to 2.18.1 (docs/formats/tcmalloc.md).  Everything here is found by its own structure.
 */
#ifndef HEAPFX_HEAP_TCMALLOC_FIELDS_H
#define HEAPFX_HEAP_TCMALLOC_FIELDS_H

#include "heap/tc_spans.h"

enum {
	TCM_CLASSES = 128,	 /* kClassSizesMax */
	TCM_MAX_SIZE = 256 << 10, /* kMaxSize: the last size class */
	TCM_COPIES_MAX = 8,
	TCM_CACHES_MAX = 1 << 14,
	TCM_PROFILERS_MAX = 4,
	/* struct Span: start and length in pages, then links of lists that hold spans. */
	SPAN_START = 0,
	SPAN_LENGTH = 8,
	SPAN_NEXT = 16,
	SPAN_PREV = 24,
	SPAN_OBJECTS = 32, /* first free object; StackTrace * of a sampled one; an iterator of a large free one */
	SPAN_BITS = 40,	   /* refcount 16, sizeclass 8, location 2, sample 1, has_span_iter 1 */
	SPAN_SIZE = 48,
	/* ThreadCache: list_[128] of 32 bytes each, then size_. */
	CACHE_LIST = 32,
	CACHE_LIST_LENGTH = 8,
	CACHE_LIST_SIZE = 24,
	CACHE_SIZE = TCM_CLASSES * CACHE_LIST,
	CACHE_LINKS_END = CACHE_SIZE + 128, /* next_ and prev_ lie before it */
	/* CentralFreeList */
	CENTRAL_CLASS = 8,
	CENTRAL_EMPTY = 16,
	CENTRAL_NONEMPTY = 64,
	CENTRAL_SPANS = 112,
	CENTRAL_COUNTER = 120,
	CENTRAL_SLOTS = 128, /* 64 pairs of head and tail */
	CENTRAL_SLOTS_MAX = 64,
	CENTRAL_USED_SLOTS = CENTRAL_SLOTS + 16 * CENTRAL_SLOTS_MAX,
	/* StackTrace: size, depth, then pcs. */
	STACK_MAX = 31,
};

#define TCM_SIZE_LOST UINT32_MAX /* of a class: larger than any span */

/* A ThreadCache. */
struct tcm_cache {
	taddr addr;
	uint32_t tid; /* whose thread-local storage leads here; 0: nobody's */
};

/* How many bits of a page's number each level of the radix tree takes; 0 for a level that is not there. */
struct tcm_map {
	taddr root;
	uint8_t root_bits, node_bits, leaf_bits;
};

/* One tcmalloc in the process. */
struct tcm_copy {
	const struct module *module;
	struct tcm_map map;
	uint8_t page_shift;
	taddr lists;	   /* PageHeap::free_ */
	uint32_t n_lists;  /* kMaxPages: each a normal and a returned one */
	taddr stats;	   /* PageHeap::stats_ */
	taddr class_size_at; /* SizeMap::class_to_size_ */
	uint32_t class_size[TCM_CLASSES];
	uint32_t n_classes; /* with class 0, which is none */
	bool has_min_span;  /* SizeMap of 2.11 and later */
	taddr central;	    /* central_cache_[0]; 0: not found */
	uint32_t central_stride;
	bool has_slots;	    /* transfer caches */
	uint32_t cache_next; /* offset of ThreadCache::next_; 0: only one cache, or none */
	struct {
		struct tcm_cache *v;
		size_t n, cap;
	} caches;
	bool by_symbol, by_code;
	char version[16]; /* as its read-only data says; "" */
	uint64_t pages[N_SPAN_LOCATIONS];
};

/* A HeapProfileTable: of the heap profiler, or of the heap checker. */
struct tcm_profiler {
	taddr table, map, buckets; /* itself, address_map_, bucket_table_ */
	taddr variable;		   /* of the module, that leads to it */
	uint64_t live;		   /* allocations that it counts */
	uint32_t copy;
	bool known, wide; /* a bucket was found; its counts are 64 bits each (2.11 and later) */
};

/* Memory of its own. */
struct tcm_range {
	taddr start, end;
	bool exact; /* what lies near it may be anything */
};

struct tcm_ranges {
	struct tcm_range *v;
	size_t n, cap;
};

#define TCM_TRANSFER TC_NO_CACHE /* of what is listed: in a transfer cache */

struct tcmalloc {
	struct tc_spans spans; /* first */
	const struct image *img;
	struct tcm_copy copies[TCM_COPIES_MAX];
	uint32_t n_copies;
	struct tcm_profiler profilers[TCM_PROFILERS_MAX];
	uint32_t n_profilers;
	uint64_t absent, n_mended; /* what tcm_read_spans() spent of its bounds */
	uint64_t n_in_caches, bytes_in_caches, n_in_transfer, bytes_in_transfer;
	struct heap_info info;
	bool have_info;
};

/* Of its objects; of a span that is one block, its bytes. */
static inline uint64_t tcm_object_size(const struct tcmalloc *t, const struct tc_span *s)
{
	return s->class ? t->copies[s->copy].class_size[s->class] : tc_span_bytes(s);
}
static inline uint32_t tcm_span_objects(const struct tcmalloc *t, const struct tc_span *s)
{
	return (uint32_t)(tc_span_bytes(s) / tcm_object_size(t, s));
}

/* tcmalloc_anchor.c: every tcmalloc whose page heap can be proved. */
struct err *tcm_find_copies(struct tcmalloc *t) MUST_CHECK;
void tcm_copies_fini(struct tcmalloc *t);
/* The span of a page by the page map; 0 if it has none. */
taddr tcm_map_get(const struct image *img, const struct tcm_copy *c, uint64_t page);
/* Is it a head or a member of a ring: do its neighbours lead back? */
bool tcm_is_linked(const struct image *img, taddr span);

/* tcmalloc_central.c: size classes, central lists and thread caches of a copy. */
bool tcm_find_sizes(const struct image *img, struct tcm_copy *c);
struct err *tcm_find_lists(struct tcmalloc *t, struct tcm_copy *c) MUST_CHECK;

/* tcmalloc_spans.c: what the page maps lead to, sorted and joined. */
struct err *tcm_read_spans(struct tcmalloc *t) MUST_CHECK;

/* tcmalloc_walk.c */
struct block_sink;
struct err *tcm_walk(void *ctx, uint32_t claim, struct block_sink *sink);
struct err *tcm_settle(void *ctx, struct block_sink *sink);

/* tcmalloc_profiler.c: every allocation while it was on, and the memory that it keeps that in. */
void tcm_find_profilers(struct tcmalloc *t);
bool tcm_is_profiled(const struct tcmalloc *t, uint32_t copy);
struct err *tcm_profiler_samples(const struct tcmalloc *t, struct sample_sink *sink) MUST_CHECK;
struct err *tcm_keep_profilers(const struct tcmalloc *t) MUST_CHECK;
bool tcm_profiler_ranges(const struct tcmalloc *t, struct tcm_ranges *r) MUST_CHECK; /* false: no memory */

/* tcmalloc_samples.c */
struct err *tcm_samples(void *ctx, struct sample_sink *sink) MUST_CHECK;

#endif
