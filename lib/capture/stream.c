/*
 * capture/stream.c - ranges of a core that is not written yet.
 *
 * Memory is read through /proc/PID/mem, which like the kernel's own dump also gives pages that
 * the process itself may not read.  /proc/PID/pagemap (Linux
 * Documentation/admin-guide/mm/pagemap.rst) says which pages exist: asking for others would make
 * them, in the process and against its limit.
 */
#include "capture/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/search.h"
#include "base/vec.h"

enum { PAGE = 4096, PAGES_AT_ONCE = 1024 };
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)

void stream_fini(struct stream *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->cap = 0;
}

struct err *stream_add(struct stream *s, const struct piece *p)
{
	if (!p->n)
		return NULL;
	if (!vec_push(s, p))
		return &err_nomem;
	s->size = p->offset + p->n;
	return NULL;
}

bool is_zero(const uint8_t *v, size_t n)
{
	static const uint8_t zeros[64];

	if (n < sizeof(zeros))
		return !memcmp(v, zeros, n);
	return !memcmp(v, zeros, sizeof(zeros)) && !memcmp(v, v + sizeof(zeros), n - sizeof(zeros));
}

/* ---- memory */

/* [addr, addr + n) into buf; page by page where a larger read fails. */
static struct err *read_pages(struct stream *s, uint64_t addr, uint8_t *buf, size_t n)
{
	size_t step = n;

	while (n) {
		ssize_t got = pread(s->mem, buf, step < n ? step : n, (off_t)addr);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 || (got < 0 && errno == ESRCH))
			return err_os(ESRCH, "process %d ended while it was read", (int)s->pid);
		if (got < 0) {
			size_t page = PAGE - (size_t)(addr % PAGE);

			if (step > PAGE) {
				step = page; /* find the page that will not come */
				continue;
			}
			got = (ssize_t)(page < n ? page : n);
			memset(buf, 0, (size_t)got);
			s->unreadable += (uint64_t)got;
		}
		s->read += (uint64_t)got;
		addr += (uint64_t)got;
		buf += got;
		n -= (size_t)got;
	}
	return NULL;
}

/* Which of the pages from `addr` on were ever made; all, when the kernel will not say. */
static unsigned read_pagemap(const struct stream *s, uint64_t addr, uint64_t *ret, unsigned n)
{
	ssize_t got = s->pagemap < 0 ? -1 :
				       pread(s->pagemap, ret, n * sizeof(*ret),
					     (off_t)(addr / PAGE * sizeof(*ret)));

	if (got < (ssize_t)sizeof(*ret)) {
		for (unsigned i = 0; i < n; i++)
			ret[i] = PAGE_PRESENT;
		return n;
	}
	return (unsigned)((size_t)got / sizeof(*ret));
}

/* Runs of pages that exist are read, others are zeros. */
static struct err *read_sparse(struct stream *s, uint64_t addr, uint8_t *buf, size_t n)
{
	uint64_t pages[PAGES_AT_ONCE], end = addr + n;

	while (addr < end) {
		uint64_t first = addr / PAGE, last = (end - 1) / PAGE;
		unsigned want = last - first < PAGES_AT_ONCE ? (unsigned)(last - first) + 1 :
							       PAGES_AT_ONCE;
		unsigned have = read_pagemap(s, addr, pages, want);

		for (unsigned i = 0, k; i < have; i = k) {
			bool there = pages[i] & (PAGE_PRESENT | PAGE_SWAPPED);
			uint64_t to;
			struct err *err;

			for (k = i + 1; k < have; k++)
				if (there != !!(pages[k] & (PAGE_PRESENT | PAGE_SWAPPED)))
					break;
			to = (first + k) * PAGE < end ? (first + k) * PAGE : end;
			err = there ? read_pages(s, addr, buf, (size_t)(to - addr)) : NULL;
			if (err)
				return err;
			if (!there)
				memset(buf, 0, (size_t)(to - addr));
			buf += to - addr;
			addr = to;
		}
	}
	return NULL;
}

/* Nothing of it was ever written: said without touching a buffer of megabytes. */
static bool is_untouched(const struct stream *s, uint64_t addr, uint64_t n)
{
	uint64_t pages[PAGES_AT_ONCE], last = (addr + n - 1) / PAGE;

	for (uint64_t first = addr / PAGE; first <= last;) {
		unsigned want = last - first < PAGES_AT_ONCE ? (unsigned)(last - first) + 1 :
							       PAGES_AT_ONCE;
		unsigned have = read_pagemap(s, first * PAGE, pages, want);

		for (unsigned i = 0; i < have; i++)
			if (pages[i] & (PAGE_PRESENT | PAGE_SWAPPED))
				return false;
		first += have;
	}
	return true;
}

/* ---- files */

/* A file that became shorter since it was laid out ends in zeros. */
static struct err *read_file(int fd, uint64_t at, uint8_t *buf, size_t n)
{
	while (n) {
		ssize_t got = pread(fd, buf, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_os(errno, "reading a file of the process");
		if (!got) {
			memset(buf, 0, n);
			return NULL;
		}
		at += (uint64_t)got;
		buf += got;
		n -= (size_t)got;
	}
	return NULL;
}

/* ---- the whole */

static struct err *read_piece(struct stream *s, const struct piece *p, uint64_t skip, uint8_t *buf,
			      size_t n)
{
	switch (p->kind) {
	case PIECE_BYTES:
		memcpy(buf, p->bytes + skip, n);
		return NULL;
	case PIECE_FILE:
		return read_file(p->fd, p->addr + skip, buf, n);
	case PIECE_MEMORY:
		return p->sparse ? read_sparse(s, p->addr + skip, buf, n) :
				   read_pages(s, p->addr + skip, buf, n);
	}
	return NULL;
}

struct err *stream_read(struct stream *s, uint64_t at, uint8_t *buf, size_t n, bool *ret_zeros)
{
	size_t i = partition_point(s->n, k, s->v[k].offset + s->v[k].n <= at);
	const struct piece *p = i < s->n ? &s->v[i] : NULL;

	*ret_zeros = !p || p->offset >= at + n ||
		     (p->kind == PIECE_MEMORY && p->sparse && p->offset <= at &&
		      n <= p->offset + p->n - at &&
		      is_untouched(s, p->addr + (at - p->offset), n));
	if (*ret_zeros)
		return NULL;
	while (n) {
		uint64_t skip;
		size_t part;
		struct err *err;

		p = i < s->n ? &s->v[i] : NULL;
		if (!p || p->offset > at) {
			part = p && p->offset - at < n ? (size_t)(p->offset - at) : n;
			memset(buf, 0, part);
		} else {
			skip = at - p->offset;
			part = p->n - skip < n ? (size_t)(p->n - skip) : n;
			err = read_piece(s, p, skip, buf, part);
			if (err)
				return err;
			i++;
		}
		at += part;
		buf += part;
		n -= part;
	}
	return NULL;
}
