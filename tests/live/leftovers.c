/*
 * leftovers old|real - blocks in use with what malloc left in them when they were free memory: headers of
 * chunks that follow each other to the block's end, and in another block a free chunk whose list leads
 * to where one of these would start.  `real`: a variable of the program leads there, as when an
 * overrun made the first block's size larger.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *blocks[8];
static void *held;

/* Nothing of it stays in main's frame or registers. */
__attribute__((noinline)) static void plant(int real)
{
	uint64_t *in = (uint64_t *)(blocks[2] - 16); /* a chunk of 0x7e0 */
	uint64_t *old = (uint64_t *)(blocks[5] + 0x200);

	in[0x550 / 8 + 1] = 0xa1;
	in[0x5f0 / 8 + 1] = 0x1f1;
	old[1] = 0x91;
	old[2] = (uint64_t)(blocks[6] - 16);
	old[3] = (uint64_t)&in[0x5f0 / 8 + 2];
	if (real)
		held = &in[0x5f0 / 8 + 2];
}

__attribute__((noinline)) static int clobber(int n)
{
	volatile char space[4096];

	for (int i = 0; i < 4096; i++)
		space[i] = (char)(i + n);
	return space[n];
}

int main(int argc, char **argv)
{
	char c;

	for (int i = 0; i < 8; i++) {
		blocks[i] = malloc(0x738 + 0x50 * (size_t)i);
		memset(blocks[i], 'A', 64);
	}
	plant(argc > 1 && !strcmp(argv[1], "real"));
	clobber(argc);
	puts("ready");
	fflush(stdout);
	return read(0, &c, 1) == 1 && held;
}
