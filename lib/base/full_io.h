/*
 * base/full_io.h - read() and write() that go on: neither a signal nor a pipe ends them early.
 */
#ifndef HEAPFX_BASE_FULL_IO_H
#define HEAPFX_BASE_FULL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Bytes read: fewer than n only where it ends; -1: see errno. */
ssize_t read_full(int fd, void *to, size_t n);
/* False: see errno; some of it may be written. */
bool write_full(int fd, const void *from, size_t n);

#endif
