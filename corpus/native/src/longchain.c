/*
 * longchain.c - a chain of a million nodes that is held, and one of a million that is dropped.
 *
 *	longchain TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Whatever walks this recursively runs out of stack.  The two chains alternate in memory, and each
 * node points to one at a lower address, so that no single sweep settles them.
 */
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>

enum { NODES = 1000000 };

struct link {
	struct link *next;
	uint64_t number;
};

struct link *volatile g_chain;

static struct link *push(struct link *tail, uint64_t number, enum truth_kind kind)
{
	struct link *link = malloc(sizeof *link);

	link->next = tail;
	link->number = number;
	return truth_note(link, sizeof *link, kind);
}

static NOINLINE void make_chains(void)
{
	struct link *held = NULL, *dropped = NULL;

	for (uint64_t i = 0; i < NODES; i++) {
		held = push(held, i, REACH);
		dropped = push(dropped, i, i == NODES - 1 ? DEF : IND);
	}
	g_chain = held;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: longchain TRUTH\n");
		return 2;
	}
	puts("longchain");
	truth_open(argv[1], 2 * NODES);
	make_chains();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
