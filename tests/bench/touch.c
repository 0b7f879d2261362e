/*
 * touch.c - what it costs to have had the bytes of a file at all: one byte of each page read, once.
 *
 *	touch FILE [STEP]
 *
 * With a STEP of 64 each cache line is read: what no reader of every header in it can stay below.
 *
 * Holes are skipped, as heapfx does.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	int step = argc > 2 ? atoi(argv[2]) : PAGE;
	const volatile uint8_t *bytes;
	off_t at = 0, hole;
	struct stat st;
	uint64_t sum = 0;

	if (fd < 0 || step < 1 || fstat(fd, &st))
		return 2;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return 2;
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole <= at)
			return 2;
		for (; at < hole; at += step)
			sum += bytes[at];
	}
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
