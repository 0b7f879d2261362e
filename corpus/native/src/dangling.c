/*
 * dangling.c - large blocks that a chain of whole pointers holds, and nearer an old pointer into them.
 *
 *	dangling TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * A block of no known type keeps an address of what was freed; a large block has come to lie there since.
 * Rows have the blocks on the way from `registry` to each large one in that order, the path in the place
 * of the holder.
 */
#include "types.h"

#include <malloc.h>

enum { DEEP = 5, LARGE = 100 << 10, N = 4 };

struct level {
	struct level *below;
	void *large[N];
};

struct port {
	char head[48];
	void *old[N];
	char rest[480 - 48 - N * sizeof(void *)];
};

void *registry, *port; /* no type leads on */

static NOINLINE void make(void)
{
	struct level *top = NULL, *last = NULL;
	struct port *p = calloc(1, sizeof(*p));
	void *first;

	mallopt(M_MMAP_THRESHOLD, 8 << 20); /* no mapping of its own */
	first = malloc(N * LARGE + 4096);

	for (int i = 0; i < N; i++)
		p->old[i] = (char *)first + i * (LARGE + 64) + LARGE / 2 / 16 * 16 + 8;
	port = p;
	for (int i = 0; i < DEEP; i++) {
		struct level *level = calloc(1, sizeof(*level));

		types_note(level, sizeof(*level), VALUE, "level", 0, "registry");
		if (last)
			last->below = level;
		else
			top = level;
		last = level;
	}
	free(first);
	for (int i = 0; i < N; i++) {
		void *large = malloc(LARGE);

		memset(large, 'x', LARGE);
		if ((uintptr_t)p->old[i] - (uintptr_t)large >= LARGE)
			exit(3); /* another malloc */
		last->large[i] = large;
		types_note(large, LARGE, VALUE, "large", 0, "registry");
	}
	registry = top;
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
