/* ship/secret.h - a secret that lies in a file or comes by a pipe: a presigned URL, a pod's token. */
#ifndef HEAPFX_SHIP_SECRET_H
#define HEAPFX_SHIP_SECRET_H

#include <stddef.h>

#include "base/err.h"

/*
 * All of it, less the white space at its end; malloc'd.  ERR_USAGE where it is longer than `max` bytes: half a
 * secret opens nothing.  No message has any of it.
 */
struct err *secret_read(const char *path, size_t max, char **ret) MUST_CHECK;
/* Frees it, and leaves nothing of it in memory; NULL is as good as none. */
void secret_free(char *s);

#endif
