/*
 * heap/tc_spans.h - the spans of a tcmalloc, and what follows from them, whoever read them.
 *
 * gperftools' tcmalloc (tcmalloc.c) and google/tcmalloc (gtcmalloc.c) have page maps, spans and caches of
 * layouts of their own; once read, a span is pages that are one block or the objects of a size class, some of
 * them free in its own list, others in caches.  Life: open -> add -> join -> walked and listed -> sort -> close.
 */
#ifndef HEAPFX_HEAP_TC_SPANS_H
#define HEAPFX_HEAP_TC_SPANS_H

#include "base/col.h"
#include "heap/damage.h"
#include "heap/walker.h"

enum tc_location { SPAN_IN_USE, SPAN_NORMAL, SPAN_RETURNED, N_SPAN_LOCATIONS };

enum tc_problem {
	SPAN_NOT_WALKED, /* none of its pages is in a claim that was taken */
	SPAN_FINE,
	SPAN_BAD_CLASS, /* no such size class, or not as many pages as its spans have: one block */
	SPAN_BAD_LIST,	/* its list of free objects breaks at `bad_at` */
	SPAN_BAD_COUNT, /* objects in use and free ones do not add up */
};

/* One Span that the page map knows. */
struct tc_span {
	taddr addr, base, end;
	taddr bad_at; /* of a problem */
	union {
		taddr objects; /* gperftools: its first free object; of a sampled one its StackTrace */
		uint64_t bits; /* google: where its bits begin in free_bits, in words */
	};
	uint32_t n_free;    /* objects in its own list: the walk's count */
	uint32_t n_cached;  /* objects in caches */
	uint32_t n_proxies; /* google: whose place a sampled allocation took */
	uint16_t class;	    /* 0: one block */
	uint16_t counted;   /* objects in use, as it says itself */
	uint8_t copy;	    /* which of the process's tcmallocs */
	uint8_t location;   /* enum tc_location; google's are all in use */
	uint8_t problem;    /* enum tc_problem; from the walk on */
	bool sampled;
	bool small_grains; /* its objects begin at multiples of 8, not of 16 */
};

/* A claim: spans in use, one behind the other. */
struct tc_run {
	uint32_t first, n;
	bool small_grains;
};

/* A free object that its own span does not list. */
struct tc_listed {
	taddr at;
	uint32_t copy;
	uint32_t cache; /* index in the copy's caches; TC_NO_CACHE: the walker's own meaning */
};
#define TC_NO_CACHE UINT32_MAX

/* First in a walker's context: tc_claim() and tc_unit() take that for it. */
struct tc_spans {
	struct env *env;
	struct tc_span *v; /* once joined: by base, disjoint */
	size_t n;
	struct {
		struct tc_run *v;
		size_t n, cap;
	} runs;
	struct tc_listed *listed; /* once sorted: by `at` */
	struct col col, listed_col;
	struct damages damage;
	uint64_t passed, failed;
};

struct err *tc_spans_open(struct env *env, struct tc_spans *ret) MUST_CHECK;
void tc_spans_close(struct tc_spans *s);
/* Any order between copies; those of one by base. */
struct err *tc_spans_add(struct tc_spans *s, const struct tc_span *span) MUST_CHECK;
struct err *tc_spans_join(struct tc_spans *s) MUST_CHECK;
struct tc_span *tc_span_at(const struct tc_spans *s, taddr addr); /* NULL outside */

struct err *tc_list(struct tc_spans *s, const struct tc_listed *l) MUST_CHECK;
void tc_sort_listed(struct tc_spans *s);
const struct tc_listed *tc_listed_at(const struct tc_spans *s, taddr at); /* NULL: in no cache */

/* One failed check: counted, diag()'ed as heap/corrupt, the first few kept in words. */
void tc_damage(struct tc_spans *s, taddr at, const char *fmt, ...) PRINTF(3, 4);
/* What the walk of its claim found in a span of n objects. */
void tc_tell(struct tc_spans *s, const struct tc_span *span, uint32_t n);
/* Adds a span of n objects of `size` bytes to the totals, and to its copy's arena. */
void tc_count(struct heap_info *info, const struct tc_span *span, uint64_t size, uint32_t n);
void tc_add_where(struct heap_info *info, const char *where, uint64_t count, uint64_t bytes);

/* Of struct walker_ops. */
struct err *tc_claim(void *ctx, struct claim_sink *sink);
bool tc_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end);

static inline uint64_t tc_span_bytes(const struct tc_span *s)
{
	return s->end - s->base;
}

#endif
