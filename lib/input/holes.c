/*
 * input/holes.c - the holes of a mapped file.
 *
 * A core that gcore wrote of a Go process is 1.2 GB of reservations for 3 MB of data; its holes,
 * read through the file, would take page cache and time as if they were data.
 */
#include "input/holes.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	LOOKED_AT_MAX = 1 << 16,
	HOLES_MAX = 1024,    /* each is a mapping: a process may have some ten thousand */
	HOLE_MIN = 1 << 20,  /* smaller ones are not worth one */
	PAGES = 64 << 10,    /* of any machine: what mappings are aligned to */
};

/* Of [start, end) of the mapping, what is worth it, while *left; false when no more can be done. */
static bool hole_remap(char *map, uint64_t start, uint64_t end, unsigned *left)
{
	void *place;

	start = (start + PAGES - 1) / PAGES * PAGES;
	end = end / PAGES * PAGES;
	if (end < start || end - start < HOLE_MIN)
		return true;
	if (!*left)
		return false;
	--*left;
	place = mmap(map + start, end - start, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (place == MAP_FAILED)
		return false;
	(void)madvise(place, end - start, MADV_HUGEPAGE); /* one page for all: only faster */
	return true;
}

static void holes_walk(char *map, uint64_t size, int fd)
{
	unsigned left = HOLES_MAX;
	off_t at = 0;

	for (unsigned n = 0; n < LOOKED_AT_MAX; n++) {
		off_t hole = lseek(fd, at, SEEK_HOLE), data;

		if (hole < 0 || (uint64_t)hole >= size)
			return;
		data = lseek(fd, hole, SEEK_DATA); /* fails behind the last data */
		at = data < 0 || (uint64_t)data > size ? (off_t)size : data;
		if (at <= hole || !hole_remap(map, (uint64_t)hole, (uint64_t)at, &left))
			return;
	}
}

void holes_remap(void *map, uint64_t size, int fd)
{
	off_t was = lseek(fd, 0, SEEK_CUR);

	if (was < 0)
		return;
	holes_walk(map, size, fd);
	(void)lseek(fd, was, SEEK_SET); /* where it was: others may read on */
}
