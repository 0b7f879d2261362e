/*
 * pins.c - a few used blocks that keep much free memory from going back to the system.
 *
 *	pins TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * In the main arena, from its start: SPREAD buffers freed again, a small used block above each; a
 * floor of used blocks; 64 MiB of freed blocks; one used block, g_pin, below the top.  In the arena
 * of a thread: a heap full of used blocks; a heap where all but one, g_lone, are freed; the heap of
 * the top.  Every tcache bin that comes into it is filled by other blocks beforehand, so that what
 * is freed here lies in no cache.
 *
 * The totals say where the blocks are (masked) and how many bytes they keep, summed over the chunks
 * that the program itself freed below them.
 */
#include "truth.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CACHED = 16,	   /* blocks a tcache bin may take, in any version */
	SPREAD = 40,
	SPREAD_SIZE = 100000,
	SMALL = 40,
	FLOOR = 128,
	FLOOR_SIZE = 60000,
	BURST = 65536,
	BURST_SIZE = 1000, /* chunks of 1,008: 64 MiB in all */
	HEAP_MAX = 64 << 20,
	PER_HEAP = HEAP_MAX / FLOOR_SIZE,
};

void *g_pin, *g_lone, *g_top_block, *g_below;
void *g_small[SPREAD], *g_floor[FLOOR], *g_first_heap[PER_HEAP + 1];

static uint64_t chunk_size(void *block)
{
	return malloc_usable_size(block) + 8;
}

static void *plain_alloc(size_t size)
{
	void *block = malloc(size);

	if (!block)
		abort();
	return block;
}

static void note_place(const char *key, const void *at)
{
	truth_total(key, (uintptr_t)at ^ TRUTH_MASK);
}

static NOINLINE void make_spread(void **buffers)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SPREAD; i++) {
		buffers[i] = plain_alloc(SPREAD_SIZE);
		g_small[i] = noted_alloc(SMALL, REACH);
		bytes += chunk_size(buffers[i]);
	}
	buffers[SPREAD] = plain_alloc(SPREAD_SIZE); /* above the last of them */
	for (unsigned i = 0; i < FLOOR; i++)
		g_floor[i] = noted_alloc(FLOOR_SIZE, REACH);
	truth_total("spread.blocks", SPREAD);
	truth_total("spread.bytes", bytes);
}

/* All of one size and one after another, or the sum would mean nothing. */
static NOINLINE void make_burst(void **blocks)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < BURST; i++) {
		blocks[i] = plain_alloc(BURST_SIZE);
		if (i && (char *)blocks[i] != (char *)blocks[i - 1] + chunk_size(blocks[i - 1]))
			abort();
		bytes += chunk_size(blocks[i]);
	}
	g_pin = noted_alloc(BURST_SIZE, REACH);
	note_place("pin", g_pin);
	truth_total("pin.bytes", bytes);
}

static void free_all(void **blocks, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(blocks[i]);
}

static NOINLINE void make_main(void)
{
	static void *for_cache[CACHED], *buffers[SPREAD + 1], *blocks[BURST];

	for (unsigned i = 0; i < CACHED; i++)
		for_cache[i] = plain_alloc(BURST_SIZE);
	g_below = noted_alloc(SMALL, REACH);
	make_spread(buffers);
	make_burst(blocks);
	free_all(for_cache, CACHED);
	free_all(buffers, SPREAD + 1);
	free_all(blocks, BURST);
}

static uintptr_t heap_of(const void *block)
{
	return (uintptr_t)block & ~(uintptr_t)(HEAP_MAX - 1);
}

/* From the middle of its heap one block stays; the thread's next block is in a heap after it. */
static void make_lone(void *first)
{
	static void *blocks[PER_HEAP + 1];
	unsigned n = 1, kept = PER_HEAP / 2;
	uint64_t bytes = 0;
	void *last;

	for (blocks[0] = first; n <= PER_HEAP; n++) {
		blocks[n] = plain_alloc(FLOOR_SIZE);
		if (heap_of(blocks[n]) != heap_of(first))
			break;
	}
	last = blocks[n - 1];
	g_top_block = truth_note(blocks[n], FLOOR_SIZE, REACH);
	g_lone = truth_note(blocks[kept], FLOOR_SIZE, REACH);
	for (unsigned i = 0; i < n; i++)
		bytes += i != kept ? chunk_size(blocks[i]) : 0;
	truth_total("lone.rest", heap_of(first) + HEAP_MAX - ((uintptr_t)last + chunk_size(last)));
	for (unsigned i = 0; i < n; i++)
		if (i != kept)
			free(blocks[i]);
	note_place("lone", g_lone);
	truth_total("lone.bytes", bytes);
}

static void *in_thread(void *arg)
{
	pthread_barrier_t *done = arg;

	for (unsigned i = 0; i <= PER_HEAP; i++) {
		void *block = plain_alloc(FLOOR_SIZE);

		if (i && heap_of(block) != heap_of(g_first_heap[0])) {
			make_lone(block);
			break;
		}
		g_first_heap[i] = truth_note(block, FLOOR_SIZE, REACH);
	}
	wipe_stack();
	pthread_barrier_wait(done);
	pthread_barrier_wait(done); /* for good: nobody else comes */
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_barrier_t done;
	pthread_t thread;

	if (argc != 2) {
		fprintf(stderr, "usage: pins TRUTH\n");
		return 2;
	}
	puts("pins");
	truth_open(argv[1], 1 << 16);
	pthread_barrier_init(&done, NULL, 2);
	if (pthread_create(&thread, NULL, in_thread, &done))
		return 1;
	pthread_barrier_wait(&done);
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	make_main();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
