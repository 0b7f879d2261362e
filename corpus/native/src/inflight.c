/*
 * inflight.c - a chunk of glibc's whose header does not fit: while free() is at work on it, or run over.
 *
 *	inflight TRUTH free		the program's own free() stands still with the chunk in hand
 *	inflight TRUTH elsewhere	another function does
 *	inflight TRUTH other		free() stands still, with another chunk in hand
 *
 * The header behind says that the chunk is free, and no list has it: as _int_free() leaves it between
 * unlinking its neighbour and linking what came of both, or a string's NUL.
 */
#include "truth.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void __libc_free(void *block);

enum { SIZE = 200, BLOCKS = 40, OTHER = 2, SPOILT = 20 };

static char *volatile all[BLOCKS];
static char *volatile in_hand;

/* With its address in this frame. */
static NOINLINE void wait_with(char *block)
{
	char *volatile mine = block;

	in_hand = NULL;
	truth_close();
	wipe_stack();
	(void)mine;
	ready_and_wait();
}

/* A size's lowest bit is the PREV_INUSE of the block before. */
static void spoil(char *block)
{
	block[malloc_usable_size(block)] &= ~1;
}

void free(void *block)
{
	if (block && block == in_hand)
		wait_with(block);
	__libc_free(block);
}

static NOINLINE void elsewhere(char *block)
{
	wait_with(block);
}

/* Whoever waits has no other block's address than the one in hand. */
static NOINLINE void prepare(bool spoilt_is_in_hand)
{
	for (int i = 0; i < BLOCKS; i++)
		all[i] = memset(malloc(SIZE), 0x5a, SIZE);
	spoil(all[SPOILT]);
	truth_total("spoilt", (uintptr_t)all[SPOILT] ^ TRUTH_MASK);
	in_hand = all[spoilt_is_in_hand ? SPOILT : OTHER];
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	truth_open(argv[1], BLOCKS);
	prepare(strcmp(argv[2], "other"));
	wipe_stack();
	if (strcmp(argv[2], "elsewhere"))
		free(in_hand);
	else
		elsewhere(in_hand);
	return 0;
}
