/*
 * image/go_func.h - what go_open() needs of the function tables beyond image/go.h.
 */
#ifndef HEAPFX_IMAGE_GO_FUNC_H
#define HEAPFX_IMAGE_GO_FUNC_H

#include "image/go.h"

struct go_names *go_names_new(void); /* NULL if out of memory */
void go_names_free(struct go_names *names); /* NULL is fine */

/*
 * The functions of these names (of packages runtime and sync), in one pass over the tables; ret[i]
 * has entry 0 where there is none.
 */
void go_funcs_find(const struct go *go, const char *const *names, size_t n, struct go_func *ret);

#endif
