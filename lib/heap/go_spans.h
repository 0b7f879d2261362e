/*
 * heap/go_spans.h - the Go heap as its walker knows it: spans, what claims are made of them, totals.
 *
 * Go 1.19 to 1.27, runtime/{mheap,mcentral,mbitmap,mpagealloc}.go (docs/formats/go.md).  Read once by
 * go_spans_open(), const afterwards but for the counts of each claim's own spans.
 */
#ifndef HEAPFX_HEAP_GO_SPANS_H
#define HEAPFX_HEAP_GO_SPANS_H

#include "base/col.h"
#include "heap/blocks.h"
#include "heap/damage.h"
#include "heap/go_memstats.h"
#include "image/go.h"

enum {
	GO_PAGE = 8192,
	GO_HEADER_MIN = 512,	/* the largest element whose pointer bits are at the span's end (1.22+) */
	GO_WORD = 8,
	GO_INLINE_MARKS = 128,	/* spanInlineMarkBits, at the end of a span under Green Tea */
};

enum go_span_state { GO_SPAN_DEAD, GO_SPAN_IN_USE, GO_SPAN_MANUAL };

/* Where the pointer bits of a span's objects are. */
enum go_bits {
	GO_BITS_NONE,	/* noscan */
	GO_BITS_SPAN,	/* at its end, one a word */
	GO_BITS_HEADER, /* the type in front of each object */
	GO_BITS_LARGE,	/* the type in the span */
	GO_BITS_ARENA,	/* heapArena.bitmap */
	GO_BITS_CHUNK,	/* of a user arena since 1.22: behind its limit */
};

/* One mspan in use or manually managed. */
struct go_span {
	taddr addr, base;
	taddr alloc_bits, mark_bits;
	taddr large_type;  /* GO_BITS_LARGE */
	taddr specials;
	uint64_t elemsize;
	uint64_t ptr_bytes; /* of a large object: no pointers behind (1.19's scan bits, a chunk's use); else UINT64_MAX */
	uint32_t npages, nelems, freeindex, sweepgen;
	uint32_t alloc_count, n_used; /* the runtime's count; ours */
	uint32_t n_cached;  /* allocated since a processor took the span: not in the runtime's totals yet */
	uint8_t spanclass, state, bits;
	bool inline_marks, user_arena;
	bool bits_lost;	   /* allocBits are not in the dump: all its objects count as allocated */
};

static inline uint64_t go_span_bytes(const struct go_span *s)
{
	return (uint64_t)s->npages * GO_PAGE;
}
static inline taddr go_span_end(const struct go_span *s)
{
	return s->base + go_span_bytes(s);
}
static inline bool go_span_noscan(const struct go_span *s)
{
	return s->spanclass & 1;
}

/* A claim: spans of one class, one behind the other. */
struct go_run {
	uint32_t first, n;
};

struct go_heap {
	struct env *env;
	const struct image *img;
	const struct go *go;
	uint32_t sweepgen;
	bool has_unswept; /* any go_span_unswept() */
	struct go_span *spans; /* by base, disjoint */
	size_t n_spans;
	struct col spans_col;
	struct {
		struct go_run *v;
		size_t n, cap;
	} runs;
	struct damages damage;
	uint64_t passed, failed;
	uint64_t absent, n_clipped; /* what go_spans_open() spent of its bounds */
	struct go_memstats stats;
	struct heap_info info;
	struct arena mem;
};

/* ---- go_spans.c */
struct err *go_spans_open(struct go_heap *h) MUST_CHECK;
const struct go_span *go_span_at(const struct go_heap *h, taddr addr); /* in use or manual; NULL */
/* One failed check: listed, and diag()'ed as heap/corrupt. */
void go_damage(struct go_heap *h, taddr at, const char *fmt, ...) PRINTF(3, 4);
/* The bits of elements [0, nelems); NULL when they are not in the dump. */
const uint8_t *go_span_alloc_bits(const struct go_heap *h, const struct go_span *s);
/* Nobody swept it since marking ended: marks, which are whole then, tell its dead from the living. */
static inline bool go_span_unswept(const struct go_span *s, uint32_t sweepgen)
{
	uint32_t age = s->sweepgen - sweepgen;

	return s->state == GO_SPAN_IN_USE &&
	       (age == (uint32_t)-2 || age == (uint32_t)-1 || age == 1);
}

/* Was it marked by the collector's last or running cycle? 0, 1; -1 when its bits are not there. */
int go_span_marked(const struct go_heap *h, const struct go_span *s, uint32_t element);
static inline bool go_span_allocated(const struct go_span *s, const uint8_t *bits, uint32_t element)
{
	return element < s->freeindex || !bits || bits[element / 8] >> (element & 7) & 1;
}

/* ---- go_keep.c: walker_ops.keep */
struct err *go_keep(void *ctx, const struct blocks *b) MUST_CHECK;

/* ---- go_slots.c: walker_ops.slots */
void go_slots(void *ctx, uint32_t claim, taddr at, unsigned n, uint64_t *mask);
/* Where the pointers of a large object end by the scan bits of 1.19; UINT64_MAX if nothing says it. */
uint64_t go_slots_end(const struct go_heap *h, const struct go_span *s);

/* ---- go_pages.c: what the page allocator says, and regions */
struct err *go_pages_count(struct go_heap *h) MUST_CHECK; /* into h->stats.idle and returned */
struct err *go_regions(void *ctx, struct region_sink *sink) MUST_CHECK;
/* Of those, the runtime's own data outside the arenas. */
struct err *go_own_regions(const struct go_heap *h, struct region_sink *sink) MUST_CHECK;

#endif
