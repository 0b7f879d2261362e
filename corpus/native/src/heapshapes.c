/*
 * heapshapes.c - every kind of chunk, bin and arena that glibc's malloc knows, with truth.
 *
 *	heapshapes TRUTH plain		the main arena in one piece
 *	heapshapes TRUTH foreign	pieces of brk that are not malloc's lie between its own
 *	heapshapes TRUTH noncontig	brk is blocked, so that the main arena goes on in mappings
 *
 * One maker a shape.  What is freed on purpose is freed last, in an order that leaves it in the
 * list its maker names; nothing allocates after that.  Sizes suit glibc 2.28 to 2.43, in which
 * the same frees may fill other lists (2.42: larger tcache bins; 2.43: no fastbins).
 */
#define _GNU_SOURCE
#include "truth.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	THREADS = 8,
	KEPT_PER_THREAD = 400,
	TCACHE_PER_BIN = 16,	/* 7 before glibc 2.43; what is more goes to the bins behind */
	BIG_SIZE = 120000,
	BIG_BLOCKS = 600,
	PAGE = 4096,
};

struct node {
	struct node *next;
	uint64_t payload[5];
};

void *volatile g_held[4096];
static size_t n_held;
void *volatile g_thread_held[THREADS][KEPT_PER_THREAD];
void *volatile g_big[BIG_BLOCKS];
static pthread_barrier_t all_in_place;

static void *hold(void *block, size_t size)
{
	memset(block, 0x11, size);
	g_held[n_held++] = truth_note(block, size, REACH);
	return block;
}

/* Blocks that keep their neighbours from growing together when these are freed. */
static void *hold_separated(size_t size)
{
	void *block = malloc(size);

	hold(malloc(24), 24);
	return block;
}

/* --- mapped chunks, aligned chunks ---------------------------------------------------------- */

static NOINLINE void make_mapped(void)
{
	static const size_t sizes[] = { 200000, 262144, 300001, 1 << 20 };
	void *shrunk, *grown;

	mallopt(M_MMAP_THRESHOLD, 128 * 1024);	/* fixed: a freed mapping must not raise it */
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		hold(malloc(sizes[i]), sizes[i]);
	shrunk = realloc(malloc(500000), 135000);
	hold(shrunk, 135000);
	/* To almost nothing: stays mapped, in one page. */
	shrunk = realloc(malloc(400000), 3000);
	hold(shrunk, 3000);
	grown = realloc(malloc(140000), 600000);
	hold(grown, 600000);
	hold(memalign(64 * 1024, 150000), 150000);
	hold(memalign(1 << 20, 200000), 200000);
	free(malloc(700000));
}

static NOINLINE void make_aligned(void)
{
	static const size_t aligns[] = { 32, 64, 256, 1024, 4096, 16384 };

	for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
		void *block;

		hold(memalign(aligns[i], 100 + i), 100 + i);
		if (!posix_memalign(&block, aligns[i], 1000))
			hold(block, 1000);
	}
}

/* --- ordinary chunks, every size class of them; rings ----------------------------------------- */

static NOINLINE void make_every_size(void)
{
	for (size_t size = 0; size <= 1100; size += 8)
		hold(malloc(size), size);
	for (size_t size = 1200; size < 120000; size += size / 5)
		hold(malloc(size), size);
}

static NOINLINE void drop_ring(int n)
{
	struct node *first = noted_alloc(sizeof *first, n == 2 ? CYC2 : RING), *last = first;

	for (int i = 1; i < n; i++)
		last = last->next = noted_alloc(sizeof *last, n == 2 ? CYC2 : RING);
	last->next = first;
}

static NOINLINE void drop_rings(void)
{
	drop_ring(2);
	drop_ring(1000);
}

/* A block that only an interior pointer holds, and one that only that block holds. */
static NOINLINE void make_possibly_lost(void)
{
	struct node *outer = noted_alloc(sizeof *outer, POSS);

	outer->next = noted_alloc(sizeof *outer->next, POSSIND);
	g_held[n_held++] = &outer->payload[2];
}

/* --- free chunks: allocated first, freed last --------------------------------------------- */

enum { FASTBIN_SIZES = 7, BIN_CHUNKS = 12 };

static struct free_plan {
	void *tcache[24][TCACHE_PER_BIN];
	void *fast[FASTBIN_SIZES][BIN_CHUNKS + TCACHE_PER_BIN];
	void *small[BIN_CHUNKS], *large[BIN_CHUNKS], *unsorted[BIN_CHUNKS];
} *plan;

/* The plan lies in a mapping and is unmapped after use: it must hold nothing. */
static NOINLINE void plan_frees(void)
{
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int bin = 0; bin < 24; bin++)
		for (int i = 0; i < TCACHE_PER_BIN; i++)
			plan->tcache[bin][i] = malloc(200 + 16 * bin);
	for (int size = 0; size < FASTBIN_SIZES; size++)
		for (int i = 0; i < BIN_CHUNKS + TCACHE_PER_BIN; i++)
			plan->fast[size][i] = malloc(24 + 16 * size);
	for (int i = 0; i < BIN_CHUNKS; i++) {
		plan->small[i] = hold_separated(600 + 16 * i);
		plan->large[i] = hold_separated(2000 + 700 * i);
		plan->unsorted[i] = hold_separated(3000 + 100 * i);
	}
}

static void free_each(void **blocks, int n)
{
	for (int i = 0; i < n; i++)
		free(blocks[i]);
}

/*
 * The small and the large ones go through the unsorted list, and the large request sorts them
 * into their bins; then come those that stay: unsorted, tcache, and what overflows it.
 */
static NOINLINE void free_planned(void)
{
	/* Of these small sizes one chunk each: they would stay in tcache, so fill it first. */
	for (int i = 0; i < BIN_CHUNKS; i++) {
		void *fillers[TCACHE_PER_BIN];

		for (int k = 0; k < TCACHE_PER_BIN; k++)
			fillers[k] = malloc(600 + 16 * i);
		free_each(fillers, TCACHE_PER_BIN);
	}
	free_each(plan->small, BIN_CHUNKS);
	free_each(plan->large, BIN_CHUNKS);
	hold(malloc(60000), 60000);
	free_each(plan->unsorted, BIN_CHUNKS);
	for (int bin = 0; bin < 24; bin++)
		free_each(plan->tcache[bin], TCACHE_PER_BIN);
	for (int size = 0; size < FASTBIN_SIZES; size++)
		free_each(plan->fast[size], BIN_CHUNKS + TCACHE_PER_BIN);
	munmap(plan, sizeof *plan);
	plan = NULL;
}

/* --- threads with arenas of their own --------------------------------------------- */

/* A fragmented arena: of every four blocks one is kept. */
static NOINLINE void fill_arena(int number)
{
	enum { BLOCKS = 4 * KEPT_PER_THREAD };
	size_t map_size = BLOCKS * sizeof(void *);
	void **blocks = mmap(NULL, map_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t size = 40 + 24 * number;

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(size);
		memset(blocks[i], 0x22, size);
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (i % 4)
			free(blocks[i]);
		else
			g_thread_held[number][i / 4] = truth_note(blocks[i], size, REACH);
	}
	munmap(blocks, map_size);
}

/* 64 MiB and more in blocks below the mmap threshold: a second heap for this arena. */
static NOINLINE void outgrow_first_heap(void)
{
	for (int i = 0; i < BIG_BLOCKS; i++)
		g_big[i] = truth_note(malloc(BIG_SIZE), BIG_SIZE, REACH);
}

static __thread struct node *volatile t_only;

static void *arena_thread(void *number)
{
	int n = (uintptr_t)number;

	fill_arena(n);
	if (n == THREADS - 1)
		outgrow_first_heap();
	t_only = noted_alloc(sizeof *t_only, TLSROOT);
	wipe_stack();
	pthread_barrier_wait(&all_in_place);
	for (;;)
		pause();
	return NULL;
}

/* The last of them to arrive lets main go on. */
static NOINLINE void start_threads(void)
{
	pthread_t thread;

	pthread_barrier_init(&all_in_place, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, arena_thread, (void *)i);
	pthread_barrier_wait(&all_in_place);
	usleep(50000);
}

/* --- the main arena's growth ----------------------------------------------------------------- */

/* Spends what is left of top, so that the next request asks the system for more. */
static NOINLINE void spend_top(void)
{
	for (int i = 0; i < 4; i++)
		hold(malloc(100000), 100000);
}

/* Words that look like a chunk, in brk memory that is not malloc's. */
static void take_foreign_brk(size_t size)
{
	uint64_t *piece = sbrk(size);

	if (piece == (void *)-1)
		return;
	for (size_t i = 0; i + 1 < size / sizeof *piece; i += 2) {
		piece[i] = 0;
		piece[i + 1] = 0x21;
	}
}

static NOINLINE void grow_between_foreign_pieces(void)
{
	static const size_t pieces[] = { 4096, 64, 70001, 8192 };

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		spend_top();
		take_foreign_brk(pieces[i]);
	}
	spend_top();
	truth_total("foreign_pieces", sizeof pieces / sizeof *pieces);
}

/* A page mapped right above brk: sbrk() fails from here on, and malloc falls back to mmap. */
static NOINLINE void grow_where_brk_is_blocked(void)
{
	char *end = sbrk(0);
	uintptr_t page = ((uintptr_t)end + PAGE - 1) & -(uintptr_t)PAGE;
	void *wall = mmap((void *)page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			  -1, 0);

	truth_total("wall", (uintptr_t)wall);
	for (int i = 0; i < 6; i++)
		spend_top();
	for (int i = 0; i < 200; i++)
		hold(malloc(5000), 5000);
}

static void grow(const char *mode)
{
	if (!strcmp(mode, "foreign"))
		grow_between_foreign_pieces();
	else if (!strcmp(mode, "noncontig"))
		grow_where_brk_is_blocked();
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: heapshapes TRUTH plain|foreign|noncontig\n");
		return 2;
	}
	puts("heapshapes");
	truth_open(argv[1], 1 << 16);
	make_mapped();
	make_aligned();
	make_every_size();
	wipe_stack();
	drop_rings();
	wipe_stack();
	make_possibly_lost();
	wipe_stack();
	start_threads();
	grow(argv[2]);
	plan_frees();
	free_planned();
	wipe_stack();
	truth_total("rings", 2);
	truth_close();
	ready_and_wait();
}
