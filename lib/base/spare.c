/* base/spare.c - a short list of mappings; the smallest that is large enough is taken. */
#include "base/spare.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

void pages_populate(void *start, uint64_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	if (bytes)
		(void)madvise(start, bytes, MADV_POPULATE_WRITE);
#else
	(void)start;
	(void)bytes;
#endif
}

static void lock(struct spare *s)
{
	while (atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire))
		continue;
}

static void unlock(struct spare *s)
{
	atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

static void cut(struct spare *s, unsigned i, uint64_t bytes)
{
	s->v[i].base = (char *)s->v[i].base + bytes;
	s->v[i].bytes -= bytes;
	if (!s->v[i].bytes)
		s->v[i] = s->v[--s->n];
}

static unsigned smallest(const struct spare *s)
{
	unsigned best = 0;

	for (unsigned i = 1; i < s->n; i++)
		if (s->v[i].bytes < s->v[best].bytes)
			best = i;
	return best;
}

/* The smallest of at least `bytes`, else the largest. */
static unsigned best_for(const struct spare *s, uint64_t bytes)
{
	unsigned best = 0;

	for (unsigned i = 1; i < s->n; i++) {
		uint64_t had = s->v[best].bytes, has = s->v[i].bytes;

		if (had < bytes ? has > had : has >= bytes && has < had)
			best = i;
	}
	return best;
}

void spare_give(struct spare *s, void *base, uint64_t bytes)
{
	if (bytes >= SPARE_MIN_BYTES) {
		unsigned at;

		lock(s);
		at = s->n < SPARE_MAX ? s->n : smallest(s);
		if (at == s->n) {
			s->v[s->n].base = base;
			s->v[s->n++].bytes = bytes;
			bytes = 0;
		} else if (s->v[at].bytes < bytes) {
			void *other = s->v[at].base;
			uint64_t other_bytes = s->v[at].bytes;

			s->v[at].base = base;
			s->v[at].bytes = bytes;
			base = other;
			bytes = other_bytes;
		}
		unlock(s);
	}
	if (bytes)
		munmap(base, bytes);
}

void spare_drop(struct spare *s, uint64_t bytes)
{
	lock(s);
	while (bytes && s->n) {
		unsigned i = smallest(s);
		uint64_t n = s->v[i].bytes < bytes ? s->v[i].bytes : bytes;

		munmap(s->v[i].base, n);
		cut(s, i, n);
		bytes -= n;
	}
	unlock(s);
}

void *spare_take(struct spare *s, uint64_t bytes)
{
	uint64_t had = 0;
	void *base = NULL, *grown;

	lock(s);
	if (s->n && bytes) {
		unsigned i = best_for(s, bytes);

		base = s->v[i].base;
		had = s->v[i].bytes < bytes ? s->v[i].bytes : bytes;
		cut(s, i, had);
	}
	unlock(s);
	if (!base)
		return NULL;
	grown = had < bytes ? mremap(base, had, bytes, MREMAP_MAYMOVE) : base;
	if (grown == MAP_FAILED) {
		munmap(base, had);
		return NULL;
	}
	memset(grown, 0, had);
	spare_drop(s, bytes - had);
	pages_populate((char *)grown + had, bytes - had);
	return grown;
}
