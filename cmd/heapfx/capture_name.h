/* capture_name.h - what files of captures are called. */
#ifndef HEAPFX_CMD_CAPTURE_NAME_H
#define HEAPFX_CMD_CAPTURE_NAME_H

#include <stdbool.h>
#include <sys/types.h>

bool is_directory(const char *path);
/* What is not a letter, a digit or one of "._-" becomes "_". */
void make_safe(char *s);
/*
 * "DIR/heapfx-20260102T030405-123456789-shop-4711<ending>", UTC; without "DIR/" when that is NULL;
 * malloc'd, NULL: out of memory
 */
char *capture_name(const char *dir, const char *comm, pid_t pid, const char *ending);
/* ".core.zst" and its kind; `bare`: without ".core", for names that the user chose. */
const char *capture_ending(bool bundle, bool packed, bool bare);
/* Without what the name says of the file's kind, with ".json"; malloc'd, NULL: out of memory */
char *capture_meta_name(const char *path);
/* UTC, to the second, as the metadata have it. */
void capture_time(char *ret, size_t n);

#endif
