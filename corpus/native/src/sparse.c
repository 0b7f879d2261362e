/*
 * sparse.c - slabs, spans or groups in which nearly everything was freed, on whatever malloc there is.
 *
 *	sparse TRUTH
 *
 * One in KEEP small blocks stays, in a list that a global holds; a million bytes of larger ones stay
 * together, and pin nothing.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 80000, SIZE = 64, KEEP = 100, TOGETHER = 1000, TOGETHER_SIZE = 1000 };

struct session {
	struct session *next;
	char rest[SIZE - sizeof(struct session *)];
};

struct session *volatile g_sessions;
void *volatile g_together[TOGETHER];
static struct session *volatile all[BLOCKS];

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: sparse TRUTH\n");
		return 2;
	}
	truth_open(argv[1], BLOCKS);
	for (int i = 0; i < BLOCKS; i++)
		all[i] = malloc(SIZE);
	for (int i = 0; i < TOGETHER; i++)
		g_together[i] = truth_note(malloc(TOGETHER_SIZE), TOGETHER_SIZE, REACH);
	for (int i = 0; i < BLOCKS; i++) {
		struct session *s = all[i];

		all[i] = NULL;
		if (i % KEEP) {
			free(s);
			continue;
		}
		s->next = g_sessions;
		g_sessions = truth_note(s, SIZE, REACH);
	}
	wipe_stack();
	truth_total("kept", BLOCKS / KEEP);
	truth_close();
	ready_and_wait();
}
