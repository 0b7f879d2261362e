/*
 * inmalloc.c - a thread that stands still inside glibc's own malloc(), with the top of the heap in hand.
 *
 *	inmalloc TRUTH inside		malloc() has asked for more memory and waits for it
 *	inmalloc TRUTH elsewhere	another function waits, with the same address
 *
 * Linked statically, for the sbrk() that malloc() asks is the program's.  The header of top says then that the
 * block before it is free, and no list has it.
 */
#include "truth.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 200, BLOCKS = 40, MORE = 100000 };

static char *volatile all[BLOCKS], *volatile large[2]; /* two do not fit into the first memory */
static volatile bool is_armed;

/* A size's lowest bit is the PREV_INUSE of the block before: the last one, as top lies behind it. */
static void spoil_top(void)
{
	char *last = all[BLOCKS - 1];

	last[malloc_usable_size(last)] &= ~1;
}

/* As libc has it; the kernel knows how far memory reaches. */
void *__sbrk(intptr_t more)
{
	char *end = (char *)syscall(SYS_brk, 0);

	if (is_armed) {
		spoil_top();
		ready_and_wait();
	}
	if (more && syscall(SYS_brk, end + more) != (intptr_t)end + more)
		return (void *)-1;
	return end;
}

void *sbrk(intptr_t more) __attribute__((alias("__sbrk")));

static NOINLINE void elsewhere(char *block)
{
	char *volatile mine = block;

	spoil_top();
	wipe_stack();
	(void)mine;
	ready_and_wait();
}

/* What blocks lie at stays in no frame. */
static NOINLINE void prepare(void)
{
	large[0] = malloc(MORE);
	for (int i = 0; i < BLOCKS; i++)
		all[i] = memset(malloc(SIZE), 0x5a, SIZE);
	truth_total("spoilt", (uintptr_t)all[BLOCKS - 1] ^ TRUTH_MASK);
	truth_close();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	truth_open(argv[1], BLOCKS);
	prepare();
	wipe_stack();
	if (!strcmp(argv[2], "elsewhere"))
		elsewhere(all[BLOCKS - 1] + SIZE);
	is_armed = true;
	large[1] = malloc(MORE);
	return large[1] == NULL;
}
