/* shipping.h - where cores go, by options and environment; and heapfx ship run for others. */
#ifndef HEAPFX_CMD_SHIPPING_H
#define HEAPFX_CMD_SHIPPING_H

#include <sys/types.h>

#include "cli.h"
#include "ship/ship.h"

/*
 * `ret_url`, malloc'd, is what --put-url means, or NULL.  Strings are borrowed from the environment
 * and from `opt`.
 */
struct err *shipping_config(const struct options *opt, struct ship_config *ret,
			    char **ret_url) MUST_CHECK;

/* Whether a file of this name, in a directory of captures, is to be sent and then removed. */
bool shipping_is_spooled(const char *name);
bool shipping_has_spooled(const char *dir);

/*
 * heapfx ship, as another process, with the place and the patience of `opt`: of `path`, or, when it
 * is NULL, of what it reads from `in` under `name`.  What it says goes to standard error.
 */
struct err *shipping_start(const struct options *opt, const char *path, const char *name, int in,
			   pid_t *ret) MUST_CHECK;
struct err *shipping_wait(pid_t pid) MUST_CHECK;

#endif
