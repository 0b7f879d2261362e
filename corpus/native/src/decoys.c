/*
 * decoys.c - memory that looks like pools of all kinds that heapfx knows, and is none.
 *
 *	decoys TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * It defines what their libraries define, so that they are looked for.  Each look-alike has one thing
 * wrong that the library never would.  The generator is seeded: the same in every run.
 */
#include "truth.h"

#include <obstack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free
#define EXPORT __attribute__((visibility("default"), used))

EXPORT void ngx_create_pool(void);
EXPORT void apr_pool_create_ex(void);
EXPORT void g_slice_alloc(void);
EXPORT void luaJIT_setmode(void);
EXPORT void arena_died(void) __asm__("_ZN6google8protobuf8internal15ThreadSafeArenaD1Ev");
void ngx_create_pool(void) {}
void apr_pool_create_ex(void) {}
void g_slice_alloc(void) {}
void luaJIT_setmode(void) {}
void arena_died(void) {}

enum { EACH = 200, PAGE = 4096 };
void *g_held[6 * EACH];
static unsigned held;
static uint64_t seed = 1;

static uint64_t draw(uint64_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % n;
}

static uint64_t *hold(void *p)
{
	g_held[held++] = p;
	return p;
}

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* last, end, next, failed, max, current, chain, large, cleanup, log; wrong: max, or end */
static void make_nginx(unsigned i)
{
	size_t size = 256 + 16 * draw(64);
	uint64_t *w = hold(calloc(1, size));

	w[0] = at(w) + 80 + draw(100);
	w[1] = at(w) + size + (i % 2 ? 0 : 64); /* behind its block */
	w[4] = size - 80 - (i % 2);
	w[5] = at(w);
	w[9] = at(&seed);
}

/* a memnode and a pool behind it; wrong: self, ref, or the ring */
static void make_apr(uint64_t *node, unsigned i)
{
	uint64_t *pool = node + 5;

	node[0] = at(node);
	node[1] = i % 3 ? at(node) : at(node + 1);
	node[3] = at(node) + 200;
	node[4] = at(node) + 8192;
	pool[3] = i % 3 == 1 ? at(pool) : 0;
	pool[11] = at(node);
	pool[12] = i % 3 == 2 ? at(node) + 8 : at(node);
}

/* chunk_size, chunk, base, next_free, limit, ...; wrong: a function, or the chunk */
static void make_obstack(unsigned i)
{
	uint64_t *chunk = hold(calloc(1, 1024)), *w = hold(calloc(1, 96));

	chunk[0] = at(chunk) + (i % 2 ? 1024 : 4096);
	w[0] = 4064;
	w[1] = at(chunk);
	w[2] = w[3] = at(chunk) + 64;
	w[4] = at(chunk) + 1024;
	w[6] = 15;
	w[7] = i % 2 ? at(&seed) : at(ngx_create_pool);
	w[8] = at(ngx_create_pool);
}

/* next, size, start; owner, head, next, used, allocated, ptr, limit; wrong: allocated, or the head */
static void make_serial(unsigned i)
{
	uint64_t *w = hold(calloc(1, 512));

	w[1] = 512;
	w[4] = i % 2 ? at(w) : at(w) + 8;
	w[7] = i % 2 ? 511 : 512;
	w[8] = at(w) + 200;
	w[9] = at(w) + 512;
}

/* GLib's Allocator in a variable: page sizes, largest chunk, arrays; wrong: rings, or the arrays */
static uint64_t g_allocators[2][15];

static void make_slices(void)
{
	for (int i = 0; i < 2; i++) {
		uint64_t *stack = hold(calloc(63, 8)), *slab = hold(aligned_alloc(512, 496));

		g_allocators[i][0] = 128;
		g_allocators[i][1] = 8192;
		g_allocators[i][6] = 1018;
		g_allocators[i][8] = at(hold(calloc(63, 8)));
		g_allocators[i][13] = i ? at(stack) : at(stack) + 8;
		stack[1] = at(slab) + 464;
		slab[59] = 3;
		slab[60] = at(slab) + 464; /* next is itself, prev is not */
		slab[61] = at(slab);
	}
}

/* gct and the link to what lies behind; wrong: the link back, or the empty string */
static void make_lua(unsigned i)
{
	uint64_t *w = hold(calloc(1, 512));

	w[1] = 6 << 8;
	w[2] = at(w + 12);
	w[12] = at(make_lua);
	w[14] = 10000;
	w[28] = i % 2 ? 4 << 8 : 0;
	w[31] = at(w);
	w[36] = i % 2 ? at(w) + 8 : at(w);
}

static NOINLINE void make_all(void)
{
	struct obstack real;
	char *pages = mmap(NULL, 2 * EACH * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	obstack_init(&real); /* calls it, and leaves none */
	obstack_free(&real, NULL);
	for (unsigned i = 0; i < EACH; i++) {
		make_nginx(i);
		make_apr((uint64_t *)(void *)(pages + 2 * i * PAGE), i);
		make_obstack(i);
		make_serial(i);
		make_lua(i);
	}
	make_slices();
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
