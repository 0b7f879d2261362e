/*
 * ownpools.c - an arena of a program's own, for ownpools.layout: names, parents, large blocks.
 *
 *	ownpools TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Arenas lie in blocks of their own; one that was freed, and blocks that only begin like one, are none.
 */
#include "pool_truth.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4000 };

struct chunk {
	struct chunk *next;
	char *end, *avail;
};
struct large {
	struct large *next;
	void *data;
};
struct arena {
	uint64_t magic;
	const char *name;
	struct arena *parent;
	struct chunk *first; /* the newest */
	struct large *large;
};

struct arena *g_arenas[8];
void *g_look_alikes[64];

static struct chunk *add_chunk(struct arena *a)
{
	struct chunk *c = malloc(CHUNK);

	c->next = a->first;
	c->end = (char *)c + CHUNK;
	c->avail = (char *)(c + 1);
	a->first = c;
	return c;
}

static void *take(struct arena *a, size_t n)
{
	struct chunk *c = a->first;

	if (!c || (size_t)(c->end - c->avail) < n)
		c = add_chunk(a);
	c->avail += n;
	return c->avail - n;
}

/* `small` pieces of 40 bytes, `large` blocks of 6,008 (which malloc makes 6,008 of). */
static struct arena *make(const char *name, struct arena *parent, unsigned small, unsigned large)
{
	struct arena *a = calloc(1, sizeof *a);
	uint64_t chunks = 0, left = 0;

	a->magic = 0x414e455241;
	a->name = name;
	a->parent = parent;
	add_chunk(a);
	for (unsigned i = 0; i < small; i++)
		memset(take(a, 40), 0, 40);
	for (unsigned i = 0; i < large; i++) {
		struct large *l = take(a, sizeof *l);

		l->data = calloc(1, 6008);
		l->next = a->large;
		a->large = l;
	}
	for (struct chunk *c = a->first; c; c = c->next, chunks++)
		left += (uint64_t)(c->end - c->avail);
	note_pool(name, a, parent, chunks * CHUNK + large * 6008ull, chunks + large, left);
	return a;
}

static NOINLINE void make_all(void)
{
	struct arena *gone = malloc(sizeof *gone);

	g_arenas[0] = make("session", NULL, 1000, 2);
	g_arenas[1] = make("query", g_arenas[0], 50, 0);
	g_arenas[2] = make("rows", g_arenas[1], 0, 30);
	*gone = *g_arenas[0];
	free(gone);
	for (int i = 0; i < 64; i++) { /* the magic without the list */
		uint64_t *w = calloc(1, sizeof(struct arena));

		w[0] = 0x414e455241;
		w[3] = (uint64_t)(uintptr_t)g_arenas[i % 3] + (uint64_t)i % 4 * 8;
		g_look_alikes[i] = w;
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	truth_open(argv[1], 1000);
	make_all();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
