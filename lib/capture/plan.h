/*
 * capture/plan.h - which memory goes into the core, and where in the file.
 *
 * By /proc/PID/coredump_filter, as the kernel's own dump obeys it (core(5); Linux fs/coredump.c,
 * vma_dump_size).  Every mapping has a program header; what is left out has none of its bytes in
 * the file, so that a reader can tell it from zeros.
 */
#ifndef HEAPFX_CAPTURE_PLAN_H
#define HEAPFX_CAPTURE_PLAN_H

#include "capture/stream.h"

enum filter_bit {
	FILTER_ANON_PRIVATE = 1,
	FILTER_ANON_SHARED = 2,
	FILTER_MAPPED_PRIVATE = 4,
	FILTER_MAPPED_SHARED = 8,
	FILTER_ELF_HEADERS = 16,
	FILTER_HUGETLB_PRIVATE = 32,
	FILTER_HUGETLB_SHARED = 64,
};

enum { BUILD_ID_MAX = 32 };

struct module_id {
	const char *path; /* of the mapping */
	uint64_t base;
	uint8_t id[BUILD_ID_MAX];
	unsigned n_id; /* bytes; 0: it has none */
	bool deleted;
};

struct segment_plan {
	uint64_t start, end;
	uint64_t dumped; /* bytes from `start` on that go into the file */
	unsigned flags;	 /* of its mapping */
	bool sparse;	 /* see struct piece */
};

struct plan {
	struct {
		struct segment_plan *v; /* ascending */
		size_t n, cap;
	} segments;
	struct {
		struct module_id *v; /* by base */
		size_t n, cap;
	} modules;
	uint64_t dumped, left_out; /* bytes */
	uint64_t shared;	   /* of `dumped`, shared with other processes */
	uint64_t dontfork, wiped;  /* bytes that a copy does not have */
};

struct plan_request {
	unsigned filter;
	bool only_heap; /* of files' pages only those that were written to, if a build id has the rest */
	const struct maps *maps; /* by smaps of the process that is read */
	/*
	 * Of the process as it stood, when another one is read; else NULL.  What the copy lacks is
	 * left out.
	 */
	const struct maps *original;
	int mem, pagemap; /* of the process that is read */
};

/* Paths are borrowed from the maps. */
struct err *plan_make(const struct plan_request *r, struct plan *ret) MUST_CHECK;
void plan_fini(struct plan *p);

/*
 * Bytes that were written to in memory that the filter asks for and a copy lacks; `pagemap`: of the
 * original.  0 where the kernel does not say.
 */
uint64_t plan_lacking(const struct plan_request *r, int pagemap);

/*
 * The headers of an ELF core with these notes, and its pieces.  `ret_head` must live as long as the
 * stream.
 */
struct err *plan_layout(const struct plan *p, const struct bytes *notes, struct bytes *ret_head,
			struct stream *s) MUST_CHECK;

/* Of the first page of a module; 0 bytes: none is told there. */
unsigned build_id_of(const uint8_t *page, size_t n, uint8_t ret[BUILD_ID_MAX]);

#endif
