/*
 * churn.c - many threads at work on whatever malloc the process has, with truth.
 *
 *	churn TRUTH SEED [WORKERS [SLOTS [BLOCK_LIMIT]]]
 *
 * Workers take slots of one table at random and allocate, resize or free what is in them, so that
 * most blocks are freed by another thread than their own; between two rounds short-lived threads do
 * the same and exit.  In the end every worker drops a few blocks and parks, outside the allocator.
 * The same seed does the same work, but not in the same order: threads race.
 *
 * The truth: every block in a slot (REACH), every dropped one (DEF), and the allocator's own totals
 * as far as it exports any.  Nothing of the program's own lies in the heap under test.
 */
#define _GNU_SOURCE
#include "google_tcmalloc.h"
#include "truth.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_SLOTS = 1 << 16,
	MAX_WORKERS = 64,
	ROUNDS = 4,
	VISITORS = 3,		/* short-lived threads after each round */
	DROPPED = 12,		/* by each worker */
};

/* A block that this thread has in hand while its slot is empty. */
struct held {
	unsigned char *block;
	size_t size;
};

static struct slot {
	unsigned char *volatile block;	/* the holder: NULL = empty, or in a thread's hand */
	size_t size;			/* read and written by the one thread that fills the slot */
} g_slots[MAX_SLOTS];

static size_t n_slots = 2000, limit = 1 << 20;
static int n_workers = 6, n_fillers;
static uint64_t seed;
static pthread_barrier_t round_done, all_in_place;

/* --- chance -------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t chance(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Of every magnitude: mostly small, one in a few hundred up to the limit. */
static size_t some_size(uint64_t *state)
{
	uint64_t r = chance(state);
	unsigned bits = r % 100 < 90 ? 3 + r / 128 % 7 : r % 100 < 99 ? 10 + r / 128 % 6 : 16;
	size_t size = chance(state) & ((1ull << bits) - 1);

	if (bits == 16 && r / 4096 % 8 == 0)
		size = chance(state) % limit;
	return size % limit + 1;
}

/* --- one block ------------------------------------------------------------------------------ */

static unsigned char *some_block(uint64_t *state, size_t size)
{
	void *block = NULL;

	switch (chance(state) % 8) {
	case 0:
	case 1:
		return calloc(1, size);
	case 2:
		return aligned_alloc(1ul << (4 + chance(state) % 9), size);
	case 3:
		return posix_memalign(&block, 1ul << (3 + chance(state) % 12), size) ? NULL : block;
	default:
		return malloc(size);
	}
}

/*
 * All that the allocator gave, the rest behind the request too: one that is given less breaks here, and
 * no word of what was there before keeps a block alive.
 */
static struct held touched(unsigned char *block, size_t size)
{
	if (!block)
		abort();
	memset(block, 0x5a, size);
	memset(block, 0x5a, malloc_usable_size(block));
	return (struct held){ block, size };
}

static struct held resized(uint64_t *state, struct held held)
{
	size_t size = some_size(state);

	return touched(realloc(held.block, size), size);
}

/* --- slots ---------------------------------------------------------------------------------- */

static struct held take(struct slot *slot)
{
	unsigned char *block = __atomic_exchange_n(&slot->block, NULL, __ATOMIC_ACQ_REL);

	return (struct held){ block, block ? slot->size : 0 };
}

/* Only one thread at a time may fill a slot: each has those of its own number to fill. */
static void put(struct slot *slot, struct held held)
{
	slot->size = held.size;
	__atomic_store_n(&slot->block, held.block, __ATOMIC_RELEASE);
}

/* Frees what is in any slot; then fills or refills one of the caller's own. */
static NOINLINE void churn_once(uint64_t *state, int number)
{
	struct slot *theirs = &g_slots[chance(state) % n_slots];
	size_t own = chance(state) % (n_slots / n_fillers);
	struct slot *mine = &g_slots[own * n_fillers + number];
	struct held held;

	if (chance(state) % 3 == 0)
		free(take(theirs).block);
	held = take(mine);
	if (held.block && chance(state) % 2) {
		held = resized(state, held);
	} else {
		size_t size = some_size(state);

		free(held.block);
		held = touched(some_block(state, size), size);
	}
	put(mine, held);
}

static NOINLINE void churn(uint64_t *state, int number, size_t times)
{
	for (size_t i = 0; i < times; i++)
		churn_once(state, number);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void *visitor(void *number)
{
	uint64_t state = seed ^ (uintptr_t)number * 7919;

	churn(&state, (uintptr_t)number % n_fillers, n_slots / 4);
	wipe_stack();
	return NULL;
}

/* Each with slots of a number that no worker fills. */
static void have_visitors(int round)
{
	pthread_t threads[VISITORS];

	for (uintptr_t i = 0; i < VISITORS; i++)
		pthread_create(&threads[i], NULL, visitor,
			       (void *)(i + n_workers + (uintptr_t)round * n_fillers));
	for (int i = 0; i < VISITORS; i++)
		pthread_join(threads[i], NULL);
}

static NOINLINE void drop_some(uint64_t *state)
{
	for (int i = 0; i < DROPPED; i++) {
		struct { void *next; } *outer = noted_alloc(some_size(state) % 4096 + 8, DEF);

		outer->next = noted_alloc(some_size(state) % 4096 + 8, IND);
	}
}

typedef bool visitor_fn(const void *, const void *, void *, size_t, void *);
bool mi_heap_visit_blocks(const void *, bool, visitor_fn *, void *) __attribute__((weak));
void *mi_heap_get_default(void) __attribute__((weak)); /* of the thread */
void *mi_heap_main(void) __attribute__((weak));	       /* 3.x: of all */

static void *heaps[MAX_WORKERS + 1];
static int n_heaps;

static void note_heap(void)
{
	void *heap = mi_heap_main ? mi_heap_main() : mi_heap_get_default ? mi_heap_get_default() : NULL;

	heaps[__atomic_fetch_add(&n_heaps, 1, __ATOMIC_ACQ_REL)] = heap;
}

static void *worker(void *number)
{
	uint64_t state = seed ^ ((uintptr_t)number + 1) << 32;

	for (int round = 0; round < ROUNDS; round++) {
		churn(&state, (uintptr_t)number, 2 * n_slots);
		pthread_barrier_wait(&round_done);
		pthread_barrier_wait(&round_done);	/* the visitors have left */
	}
	drop_some(&state);
	note_heap();
	wipe_stack();
	pthread_barrier_wait(&all_in_place);
	for (;;)
		pause();
	return NULL;
}

static NOINLINE void have_churned(void)
{
	pthread_t thread;

	pthread_barrier_init(&round_done, NULL, n_workers + 1);
	pthread_barrier_init(&all_in_place, NULL, n_workers + 1);
	for (uintptr_t i = 0; i < (uintptr_t)n_workers; i++)
		pthread_create(&thread, NULL, worker, (void *)i);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&round_done);
		have_visitors(round);
		pthread_barrier_wait(&round_done);
	}
	pthread_barrier_wait(&all_in_place);
	if (has_google_tcmalloc())
		google_tcmalloc_release(2 << 20); /* so that some of it is given back, and some is not */
	usleep(50000);		/* the last of them is on its way into pause() */
}

/* --- the truth ------------------------------------------------------------------------------ */

/* What an allocator exports, if it is there: a program that is linked with none still starts. */
int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));
int MallocExtension_GetNumericProperty(const char *, size_t *) __attribute__((weak));
void mi_process_info(size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *)
	__attribute__((weak));

static void jemalloc_total(const char *name)
{
	uint64_t value = 0;
	size_t size = sizeof value;

	if (!mallctl(name, &value, &size, NULL, 0))
		truth_total(name, value);
}

/* MALLCTL_ARENAS_ALL is 4096. */
static void jemalloc_totals(void)
{
	static const char *const names[] = {
		"stats.allocated", "stats.active", "stats.metadata", "stats.mapped", "stats.retained",
		"stats.arenas.4096.nthreads", "stats.arenas.4096.small.allocated",
		"stats.arenas.4096.large.allocated", "stats.arenas.4096.pactive",
		"stats.arenas.4096.pdirty", "stats.arenas.4096.pmuzzy",
		"stats.arenas.4096.tcache_bytes", "stats.arenas.4096.internal",
		"stats.arenas.4096.base", "arenas.narenas", "arenas.nbins",
	};
	uint64_t epoch = 1;

	if (!mallctl || mallctl("epoch", NULL, NULL, &epoch, sizeof epoch))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		jemalloc_total(names[i]);
}

/* With opt.prof: its own heap profile, beside the truth. */
static void jemalloc_profile(const char *truth)
{
	char path[512];
	const char *name = path;
	bool on = false;
	size_t size = sizeof on;

	if (!mallctl || mallctl("opt.prof", &on, &size, NULL, 0) || !on)
		return;
	snprintf(path, sizeof path, "%s.profile", truth);
	if (mallctl("prof.dump", NULL, NULL, &name, sizeof name))
		abort();
}

/* std::string of libstdc++'s ABI, empty. */
struct cxx_string {
	char *text;
	size_t length;
	char inside[16];
};

void *_ZN15MallocExtension8instanceEv(void) __attribute__((weak));
void _ZN15MallocExtension13GetHeapSampleEPNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE(
	void *, struct cxx_string *) __attribute__((weak));

/* With TCMALLOC_SAMPLE_PARAMETER: its own sampled allocations, beside the truth. */
static void tcmalloc_profile(const char *truth)
{
	struct cxx_string profile = { .text = profile.inside };
	char path[512];
	int fd;

	if (!getenv("TCMALLOC_SAMPLE_PARAMETER") || !_ZN15MallocExtension8instanceEv)
		return;
	_ZN15MallocExtension13GetHeapSampleEPNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE(
		_ZN15MallocExtension8instanceEv(), &profile);
	snprintf(path, sizeof path, "%s.profile", truth);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, profile.text, profile.length) != (ssize_t)profile.length)
		abort();
	close(fd);
	if (profile.text != profile.inside)
		free(profile.text);
}

static void tcmalloc_totals(void)
{
	static const char *const names[] = {
		"generic.current_allocated_bytes", "generic.heap_size",
		"generic.total_physical_bytes",
		"tcmalloc.central_cache_free_bytes", "tcmalloc.transfer_cache_free_bytes",
		"tcmalloc.thread_cache_free_bytes", "tcmalloc.current_total_thread_cache_bytes",
		"tcmalloc.pageheap_free_bytes", "tcmalloc.pageheap_unmapped_bytes",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t value;

		if (MallocExtension_GetNumericProperty &&
		    MallocExtension_GetNumericProperty(names[i], &value))
			truth_total(names[i], value);
	}
}

bool MallocExtension_Internal_GetNumericProperty(const char *, size_t, size_t *) __attribute__((weak));

/* google/tcmalloc names some of them otherwise. */
static void google_tcmalloc_totals(void)
{
	static const char *const names[] = {
		"generic.current_allocated_bytes", "generic.heap_size", "tcmalloc.central_cache_free",
		"tcmalloc.cpu_free", "tcmalloc.transfer_cache_free", "tcmalloc.sharded_transfer_cache_free",
		"tcmalloc.thread_cache_free", "tcmalloc.page_heap_free", "tcmalloc.page_heap_unmapped",
		"tcmalloc.per_cpu_caches_active",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t value;

		if (MallocExtension_Internal_GetNumericProperty &&
		    MallocExtension_Internal_GetNumericProperty(names[i], strlen(names[i]), &value))
			truth_total(names[i], value);
	}
}

static struct {
	uint64_t n, bytes;
} visited;

static bool count_block(const void *heap, const void *area, void *block, size_t size, void *arg)
{
	(void)heap, (void)area, (void)arg;
	visited.n += block != NULL;
	visited.bytes += block ? size : 0;
	return true;
}

/* Every block of the heaps that threads have: all of them are parked, so that this one may look. */
static void visit_heaps(void)
{
	if (!mi_heap_visit_blocks)
		return;
	for (int i = 0; i < n_heaps; i++) {
		bool again = false;

		for (int k = 0; k < i; k++)
			again |= heaps[k] == heaps[i];
		if (heaps[i] && !again)
			mi_heap_visit_blocks(heaps[i], true, count_block, NULL);
	}
	truth_total("mimalloc.visited_blocks", visited.n);
	truth_total("mimalloc.visited_bytes", visited.bytes);
}

static void mimalloc_totals(void)
{
	size_t commit;

	visit_heaps();
	if (!mi_process_info)
		return;
	mi_process_info(NULL, NULL, NULL, NULL, NULL, &commit, NULL, NULL);
	truth_total("mimalloc.current_commit", commit);
}

static NOINLINE void note_slots(void)
{
	for (size_t i = 0; i < n_slots; i++)
		if (g_slots[i].block)
			truth_note(g_slots[i].block, g_slots[i].size, REACH);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: churn TRUTH SEED [WORKERS [SLOTS [BLOCK_LIMIT]]]\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		n_workers = atoi(argv[3]);
	if (argc > 4)
		n_slots = strtoull(argv[4], NULL, 0);
	if (argc > 5)
		limit = strtoull(argv[5], NULL, 0);
	n_fillers = n_workers + VISITORS;
	if (n_workers < 1 || n_workers > MAX_WORKERS || n_slots < (size_t)n_fillers ||
	    n_slots > MAX_SLOTS || !limit)
		return 2;
	n_slots -= n_slots % n_fillers;
	truth_open(argv[1], MAX_SLOTS + MAX_WORKERS * DROPPED * 2);
	google_tcmalloc_sample();
	have_churned();
	note_heap();
	wipe_stack();
	note_slots();
	jemalloc_profile(argv[1]);
	tcmalloc_profile(argv[1]);
	jemalloc_totals();
	tcmalloc_totals();
	google_tcmalloc_totals();
	mimalloc_totals();
	truth_total("workers", n_workers);
	truth_close();
	ready_and_wait();
}
