/* base/temp_file.h - files without a name: nothing is left behind however heapfx ends. */
#ifndef HEAPFX_BASE_TEMP_FILE_H
#define HEAPFX_BASE_TEMP_FILE_H

#include <stdint.h>

#include "base/err.h"

/* Open for reading and writing; `dir` is on the disk that it takes room of. */
struct err *temp_file_open(const char *dir, int *ret) MUST_CHECK;
/*
 * Room for [at, at + n), zeros as long as nothing is written there.  A page of a mapping that the
 * disk has no room for ends the process when it is touched, so it is taken beforehand: ERR_LIMIT
 * names --tmp.
 */
struct err *temp_file_room(int fd, uint64_t at, uint64_t n, const char *dir,
			   const char *what) MUST_CHECK;

#endif
