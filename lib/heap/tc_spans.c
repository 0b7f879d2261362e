/*
 * tc_spans.c - spans of a tcmalloc: sorted, joined into claims, found by address; what caches hold of them.
 */
#include "heap/tc_spans.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/search.h"
#include "base/vec.h"

enum { RUN_BYTES = 16 << 20 }; /* of one claim: they are walked in parallel */

/* ---- life */

struct err *tc_spans_open(struct env *env, struct tc_spans *ret)
{
	struct err *err;

	ret->env = env;
	err = col_open_moving(env, sizeof(struct tc_span), UINT32_MAX, "tcmalloc spans", &ret->col);
	return err ? err :
		     col_open_moving(env, sizeof(struct tc_listed), UINT32_MAX, "objects in caches",
			      &ret->listed_col);
}

void tc_spans_close(struct tc_spans *s)
{
	damages_free(&s->damage);
	free(s->runs.v);
	col_close(&s->col);
	col_close(&s->listed_col);
}

struct err *tc_spans_add(struct tc_spans *s, const struct tc_span *span)
{
	return col_append(&s->col, span, 1);
}

/* ---- all of them */

static int by_base(const void *pa, const void *pb)
{
	const struct tc_span *a = pa, *b = pb;

	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void drop_overlaps(struct tc_spans *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct tc_span *span = &s->v[i], *last = kept ? &s->v[kept - 1] : NULL;

		if (last && span->base < last->end)
			tc_damage(s, span->addr,
				  "span at 0x%" PRIx64 ": its pages are those of the one at 0x%" PRIx64,
				  span->addr, last->addr);
		else
			s->v[kept++] = *span;
	}
	s->n = kept;
}

static struct err *join_runs(struct tc_spans *s)
{
	struct tc_run *run = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct tc_span *span = &s->v[i];
		struct tc_run fresh = { .first = (uint32_t)i };

		if (span->location != SPAN_IN_USE) {
			run = NULL;
			continue;
		}
		if (!run || span[-1].end != span->base || span[-1].copy != span->copy ||
		    span->base - s->v[run->first].base >= RUN_BYTES) {
			if (!vec_push(&s->runs, &fresh))
				return &err_nomem;
			run = &s->runs.v[s->runs.n - 1];
		}
		run->n++;
		run->small_grains |= span->small_grains;
	}
	return NULL;
}

struct err *tc_spans_join(struct tc_spans *s)
{
	s->v = s->col.base;
	s->n = s->col.n;
	if (s->n && s->v[0].copy != s->v[s->n - 1].copy)
		qsort(s->v, s->n, sizeof(*s->v), by_base);
	drop_overlaps(s);
	return join_runs(s);
}

struct tc_span *tc_span_at(const struct tc_spans *s, taddr addr)
{
	size_t after = partition_point(s->n, i, s->v[i].base <= addr);

	return after && addr < s->v[after - 1].end ? &s->v[after - 1] : NULL;
}

/* ---- what caches hold */

struct err *tc_list(struct tc_spans *s, const struct tc_listed *l)
{
	return col_append(&s->listed_col, l, 1);
}

static int by_at(const void *pa, const void *pb)
{
	const struct tc_listed *a = pa, *b = pb;

	return (a->at > b->at) - (a->at < b->at);
}

void tc_sort_listed(struct tc_spans *s)
{
	s->listed = s->listed_col.base;
	if (s->listed_col.n)
		qsort(s->listed, s->listed_col.n, sizeof(*s->listed), by_at);
}

const struct tc_listed *tc_listed_at(const struct tc_spans *s, taddr at)
{
	size_t n = s->listed_col.n, first = partition_point(n, i, s->listed[i].at < at);

	return first < n && s->listed[first].at == at ? &s->listed[first] : NULL;
}

/* ---- what was found */

void tc_damage(struct tc_spans *s, taddr at, const char *fmt, ...)
{
	va_list ap;

	s->failed++;
	va_start(ap, fmt);
	damage_vadd(&s->damage, s->env, at, fmt, ap);
	va_end(ap);
}

void tc_tell(struct tc_spans *s, const struct tc_span *span, uint32_t n)
{
	switch ((enum tc_problem)span->problem) {
	case SPAN_NOT_WALKED:
		break;
	case SPAN_FINE:
		s->passed += span->class != 0;
		break;
	case SPAN_BAD_CLASS:
		tc_damage(s, span->addr,
			  "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64
			  ": no such size class; shown as one block",
			  span->addr, span->base, span->end);
		break;
	case SPAN_BAD_LIST:
		tc_damage(s, span->bad_at,
			  "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64
			  ": its free list breaks at 0x%" PRIx64
			  " behind %u objects; likely a write after free",
			  span->addr, span->base, span->end, span->bad_at, span->n_free);
		break;
	case SPAN_BAD_COUNT:
		tc_damage(s, span->addr,
			  "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64
			  ": %u objects free, %u counted in use, of %u",
			  span->addr, span->base, span->end, span->n_free, span->counted, n);
		break;
	}
}

void tc_count(struct heap_info *info, const struct tc_span *span, uint64_t size, uint32_t n)
{
	struct heap_arena *a = &info->arenas[span->copy];
	uint64_t n_free = span->n_free + span->n_cached, n_used = n - n_free - span->n_proxies;
	uint64_t overhead = tc_span_bytes(span) - (n_used + n_free) * size;

	info->n_used += n_used;
	info->used += n_used * size;
	info->n_free += n_free;
	info->free += n_free * size;
	info->overhead += overhead;
	a->bytes += tc_span_bytes(span);
	a->n_used += n_used;
	a->used += n_used * size;
	a->n_free += n_free;
	a->free += n_free * size;
	a->overhead += overhead;
	if (n_free && size > a->largest_free)
		a->largest_free = size;
}

/* Not to be returned: what a cache gives up goes to spans first. */
void tc_add_where(struct heap_info *info, const char *where, uint64_t count, uint64_t bytes)
{
	if (count)
		info->wheres[info->n_wheres++] = (struct where_total){ where, count, bytes, 0 };
}

/* ---- of the walkers */

struct err *tc_claim(void *ctx, struct claim_sink *sink)
{
	const struct tc_spans *s = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < s->runs.n && !err; i++) {
		const struct tc_run *run = &s->runs.v[i];
		const struct tc_span *first = &s->v[run->first];
		struct claim claim = {
			.start = first->base,
			.end = first[run->n - 1].end,
			.arena = first->copy,
			.small_grains = run->small_grains,
		};

		err = sink->add(sink, &claim);
	}
	return err;
}

/* A span goes back to the page heap when its last object has come back to its list. */
bool tc_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct tc_span *span = tc_span_at(ctx, block);

	if (!span || !span->class)
		return false;
	*ret_start = span->base;
	*ret_end = span->end;
	return true;
}
