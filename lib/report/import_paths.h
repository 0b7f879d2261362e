/*
 * report/import_paths.h - names of Go for a line that is too narrow for them.
 *
 * Go's symbols name a package by all of its import path; programmers by the path's last element,
 * as the runtime's names of types do.  What differs between two long names stands behind it.
 */
#ifndef HEAPFX_REPORT_IMPORT_PATHS_H
#define HEAPFX_REPORT_IMPORT_PATHS_H

#include "base/text.h"

/*
 * s, where each "example.org/team/app/cache.Name" is "cache.Name", and "example.org/app/v2.Name"
 * is "app/v2.Name".  A path is one if a host's name begins it: the standard library's are short.
 */
void import_paths_add_short(struct text *t, const char *s);

#endif
