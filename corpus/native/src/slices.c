/*
 * slices.c - GLib's slices: what the program has of each size, and what its slabs took of malloc.
 *
 *	slices TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * GLib aligns its slabs with posix_memalign() to a power of two from 128 on, and nothing else here does: this
 * program's own counts them by alignment and size.  A thread ends, so that its magazines go to the
 * common ones; another stays with its own.
 */
#include "pool_truth.h"

#include <dlfcn.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZES = 4 };
static const size_t sizes[SIZES] = { 24, 48, 200, 1000 };
static uint64_t slabs[16];
static long live[SIZES];
static void *held[SIZES][3000];
static pthread_barrier_t parked;

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	static int (*next)(void **, size_t, size_t);
	int status;

	if (!next)
		next = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
	status = next(ret, alignment, size);
	if (!status && alignment >= 128 && size == alignment - 16)
		__atomic_add_fetch(&slabs[__builtin_ctzl(alignment)], 1, __ATOMIC_RELAXED);
	return status;
}

/* Takes n of each, gives the first back of every three; from `at` on in `held`. */
static void churn(size_t at, size_t n)
{
	for (int k = 0; k < SIZES; k++) {
		for (size_t i = 0; i < n; i++)
			held[k][at + i] = g_slice_alloc0(sizes[k]);
		for (size_t i = 0; i < n; i += 3) {
			g_slice_free1(sizes[k], held[k][at + i]);
			held[k][at + i] = NULL;
		}
		__atomic_add_fetch(&live[k], (long)(n - (n + 2) / 3), __ATOMIC_RELAXED);
	}
}

static void *ends(void *arg)
{
	churn(1000, 700);
	return arg;
}

static void *stays(void *arg)
{
	churn(2000, 333);
	pthread_barrier_wait(&parked);
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	static const char *const keys[SIZES] = { "slice.32.live", "slice.48.live", "slice.208.live", "slice.1008.live" };
	/* of 256, 512, 2048 and 8192 bytes: room for eight chunks and 48 bytes */
	static const char *const taken[SIZES] = { "slice.32.slabs", "slice.48.slabs", "slice.208.slabs", "slice.1008.slabs" };
	pthread_t thread;

	(void)argc;
	truth_open(argv[1], 1000);
	pthread_barrier_init(&parked, NULL, 2);
	churn(0, 900);
	pthread_create(&thread, NULL, ends, NULL);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, stays, NULL);
	pthread_barrier_wait(&parked);
	for (int k = 0; k < SIZES; k++) {
		size_t page = 128;

		while (page < 8 * ((sizes[k] + 15) & ~15ul) + 48)
			page *= 2;
		truth_total(keys[k], (uint64_t)live[k]);
		truth_total(taken[k], slabs[__builtin_ctzl(page)]);
	}
	wipe_stack();
	truth_close();
	ready_and_wait();
}
