/*
 * base/col.h - one column: an append-only array counted in millions.
 *
 * Life: open -> append -> seal -> read through `base`.  The memory is a private
 * reservation that grows in place (no copy on growth, no malloc), taken from
 * env->mem_budget, and from what the system lets be committed, as it is touched.
 * What is past the budget lies in a file without a name in env->tmp_dir, mapped
 * behind the rest: nobody else sees a difference.  ERR_LIMIT when that is past
 * env->disk_budget, or the disk is full.
 * Random writes are not offered before the seal; col_fixed() is for columns
 * whose length is known and that are filled in any order.
 */
#ifndef HEAPFX_BASE_COL_H
#define HEAPFX_BASE_COL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

struct col {
	void *base;	/* elements; stays from open to close, but see col_open_moving() */
	uint64_t n;	/* elements */
	uint64_t cap;	/* elements that `committed` has room for */
	uint64_t max;	/* elements that `reserved` has room for, or would after moving */
	uint32_t elem_size;
	bool sealed;
	bool sparse; /* its pages may never have been touched: none are left for others */
	bool moves;  /* when it needs more than is reserved */
	int spill;	/* the file, + 1; 0: none */
	uint64_t anon;	/* bytes of `committed` before the file's, of the memory budget */
	uint64_t committed, reserved; /* bytes: in memory and in the file; of the address space */
	struct env *env;
	const char *what; /* for the ERR_LIMIT message; a literal */
};

/* `max` elements at most are ever appended: an upper bound that costs address space only. */
struct err *col_open(struct env *env, uint32_t elem_size, uint64_t max, const char *what,
		     struct col *ret) MUST_CHECK;
/* The same where the input does not bound `max`: little is reserved at first, and base moves. */
struct err *col_open_moving(struct env *env, uint32_t elem_size, uint64_t max, const char *what,
			    struct col *ret) MUST_CHECK;
/* A zeroed column of exactly n elements, writable in place. */
struct err *col_fixed(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		      struct col *ret) MUST_CHECK;
/*
 * The same where few elements may ever be written: until then a page takes address space and
 * budget, but no memory.
 */
struct err *col_sparse(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		       struct col *ret) MUST_CHECK;
struct err *col_append(struct col *col, const void *elems, uint64_t n) MUST_CHECK;
/* Room for n more elements at the end, to be filled by the caller; then col->n += written. */
struct err *col_reserve(struct col *col, uint64_t n, void *ret_room) MUST_CHECK;
/*
 * Makes it a column of n elements of another size, in place: bytes stay where they are, what lies
 * past the new end is given back for good.  It never takes more address space than it was opened
 * with, and what was not there before is anything.  For steps that need one thing after the other.
 */
struct err *col_recast(struct col *col, uint32_t elem_size, uint64_t n) MUST_CHECK;
void col_seal(struct col *col);	 /* gives back what lies past n; read-only by convention */
void col_close(struct col *col); /* safe on a zeroed, half-built or closed column */

#endif
