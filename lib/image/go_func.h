/*
 * image/go_func.h - what go_open() needs of the function tables beyond image/go.h.
 */
#ifndef HEAPFX_IMAGE_GO_FUNC_H
#define HEAPFX_IMAGE_GO_FUNC_H

#include "image/go.h"

/* The program's own table is in the dump or in a matching file. */
bool go_has_functions(const struct go *go);

/* Function i of a module's table, in order of addresses. */
bool go_func_nth(const struct go *go, const struct go_module *m, uint64_t i, struct go_func *ret);
/* Where its code begins and ends, and nothing else. */
bool go_func_bounds(const struct go *go, const struct go_module *m, uint64_t i, taddr *ret_entry, taddr *ret_end);

/*
 * Functions whose names begin with either prefix, by address, until `fn` takes one: one pass over
 * all names.  False: it took none.
 */
bool go_funcs_beginning(const struct go *go, const char *a, const char *b,
			bool (*fn)(void *arg, const struct go_func *f), void *arg);

struct go_names *go_names_new(void); /* NULL if out of memory */
void go_names_free(struct go_names *names); /* NULL is fine */

#endif
