/*
 * set_aside.c - holds blocks by pointers in memory that a copy of the process, or a dump, is not given.
 *
 * usage: set_aside dontfork|wipeonfork|dontdump|none MIB
 *
 * A thousand blocks of 1000 bytes, each held by one word of a mapping of MIB MiB, written to in every
 * page.  Prints "ready" and where the mapping is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCKS = 1000, BLOCK = 1000 };

static __attribute__((noinline)) void hang_up(void **area, size_t words)
{
	for (size_t i = 0; i < words; i += 512) /* small odd numbers: no pointers */
		area[i] = (void *)(uintptr_t)(2 * i + 1);
	for (size_t i = 0; i < BLOCKS; i++) {
		area[1 + i * (words / BLOCKS)] = malloc(BLOCK);
		memset(area[1 + i * (words / BLOCKS)], 1 + (int)(i % 100), BLOCK);
	}
}

/* What was on the stack and in registers meanwhile. */
static __attribute__((noinline)) void wipe_stack(void)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

int main(int argc, char **argv)
{
	size_t bytes = (size_t)(argc > 2 ? atoi(argv[2]) : 1) << 20;
	void **area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int advice = argc < 2			      ? -1 :
		     !strcmp(argv[1], "dontfork")     ? MADV_DONTFORK :
		     !strcmp(argv[1], "wipeonfork")   ? MADV_WIPEONFORK :
		     !strcmp(argv[1], "dontdump")     ? MADV_DONTDUMP :
						      MADV_NORMAL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (area == MAP_FAILED || madvise(area, bytes, advice))
		return 1;
	hang_up(area, bytes / sizeof(*area));
	wipe_stack();
	printf("ready\n%p\n", (void *)area);
	for (;;)
		pause();
}
