/*
 * holders.c - one block that several others hold, each at a known distance from a root of its own.
 *
 *	holders TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 *	g_near -> near -> target
 *	g_middle -> middle[0] -> middle[1] -> target
 *	t_far -> far[0] -> far[1] -> far[2] -> target		(thread-local)
 *	target -> behind -> target				(reached through the target alone)
 *	lost -> target						(reached by nobody)
 *
 * The totals say where each of them is, masked: "chain.2.3" is the third block of the second
 * shortest chain.
 */
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>

struct cell {
	uint64_t number;
	struct cell *to;
};

struct cell *volatile g_near, *volatile g_middle;
static __thread struct cell *volatile t_far;

/* Each of a size of its own, so that no two look alike. */
static struct cell *cell(struct cell *to, enum truth_kind kind)
{
	static uint64_t n;
	struct cell *made = noted_alloc(48 + 32 * n, kind);

	made->number = n++;
	made->to = to;
	return made;
}

static void note_place(const char *key, const struct cell *at)
{
	truth_total(key, (uintptr_t)at ^ TRUTH_MASK);
}

static void note_chain(const char *const *keys, const struct cell *first, const struct cell *target)
{
	for (const struct cell *at = first; ; at = at->to) {
		note_place(*keys++, at);
		if (at == target)
			break;
	}
}

static NOINLINE void make_holders(void)
{
	static const char *const near[] = { "chain.1.1", "chain.1.2" };
	static const char *const middle[] = { "chain.2.1", "chain.2.2", "chain.2.3" };
	static const char *const far[] = { "chain.3.1", "chain.3.2", "chain.3.3", "chain.3.4" };
	struct cell *target = cell(NULL, REACH);

	g_near = cell(target, REACH);
	g_middle = cell(cell(target, REACH), REACH);
	t_far = cell(cell(cell(target, TLSROOT), TLSROOT), TLSROOT);
	target->to = cell(target, REACH);
	note_place("target", target);
	note_place("behind", target->to);
	note_place("lost", cell(target, DEF));
	note_chain(near, g_near, target);
	note_chain(middle, g_middle, target);
	note_chain(far, t_far, target);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: holders TRUTH\n");
		return 2;
	}
	puts("holders");
	truth_open(argv[1], 64);
	make_holders();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
