/*
 * obstacks.c - glibc's obstacks, in a variable, in a block and on the stack, and what each one took.
 *
 *	obstacks TRUTH		writes the truth, prints "ready PID", waits to be dumped
 */
#include "pool_truth.h"

#include <obstack.h>
#include <stdlib.h>

static uint64_t taken, chunks;

static void *chunk_alloc(size_t n)
{
	taken += n;
	chunks++;
	return malloc(n);
}

static void chunk_free(void *chunk)
{
	free(chunk);
}
#define obstack_chunk_alloc chunk_alloc
#define obstack_chunk_free chunk_free

struct obstack g_symbols;
struct parser {
	long line;
	struct obstack trees;
	struct parser *next;
} *g_parser;

static void fill(const char *name, struct obstack *o, size_t n, size_t size)
{
	taken = chunks = 0;
	obstack_init(o);
	for (size_t i = 0; i < n; i++)
		*(long *)obstack_alloc(o, size) = 1;
	note_pool(name, o, NULL, taken, chunks, obstack_room(o));
}

static NOINLINE void make_all(void)
{
	fill("symbols", &g_symbols, 1000, 48);
	g_parser = noted_alloc(sizeof *g_parser, REACH);
	fill("trees", &g_parser->trees, 100, 1000);
}

int main(int argc, char **argv)
{
	struct obstack local;

	(void)argc;
	truth_open(argv[1], 1000);
	make_all();
	fill("local", &local, 3, 16);
	wipe_stack();
	truth_close();
	ready_and_wait();
}
