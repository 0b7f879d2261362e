/*
 * hundred.c - one GiB in blocks of 100 bytes, on whatever malloc there is: what a walk of it costs.
 *
 *	hundred TRUTH
 *
 * All of them are held, in lists.  One in eight was freed again, so that free ones lie between.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 100, BLOCKS = (1 << 30) / SIZE, LISTS = 1024, EMPTIED = 8 };

struct block {
	struct block *next;
	char rest[SIZE - sizeof(struct block *)];
};

struct block *volatile g_lists[LISTS];

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: hundred TRUTH\n");
		return 2;
	}
	truth_open(argv[1], 16);
	for (int i = 0; i < BLOCKS; i++) {
		struct block *b = malloc(sizeof *b);

		if (!b)
			abort();
		memset(b, 0x5a, sizeof *b);
		b->next = g_lists[i % LISTS];
		g_lists[i % LISTS] = b;
	}
	for (int i = 0; i < LISTS; i += EMPTIED)
		while (g_lists[i]) {
			struct block *b = g_lists[i];

			g_lists[i] = b->next;
			free(b);
		}
	truth_total("blocks", BLOCKS - BLOCKS / EMPTIED);
	truth_close();
	ready_and_wait();
}
