/*
 * plugins.c - two allocators in one process: the program's own malloc, and that of a library it opens.
 *
 *	plugins TRUTH LIBRARY
 *
 * The library (plugin_own.c) has its own jemalloc linked in, hidden from everybody else.  Both are
 * used in turn, by several threads; lists go from the one's blocks to the other's.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, STEPS = 600 };

struct item {
	struct item *next;
	size_t size;
};

struct item *volatile g_items[THREADS];
static void *(*plugin_alloc)(size_t);
static void (*plugin_free)(void *);
static pthread_barrier_t in_place;

/* One of three stays; of these each second is the library's. */
static NOINLINE void work(unsigned number)
{
	struct item *kept = NULL;

	for (unsigned i = 0; i < STEPS; i++) {
		size_t size = sizeof(struct item) + (i * 7919 + number * 104729) % 2000;
		int theirs = i / 3 % 2;
		struct item *item = theirs ? plugin_alloc(size) : malloc(size);

		if (!item)
			abort();
		memset(item, 0x5a, size);
		if (i % 3) {
			theirs ? plugin_free(item) : free(item);
			continue;
		}
		item->next = kept;
		item->size = size;
		kept = truth_note(item, size, theirs ? PLUGIN : REACH);
	}
	g_items[number] = kept;
}

static void *worker(void *number)
{
	work((unsigned)(uintptr_t)number);
	wipe_stack();
	pthread_barrier_wait(&in_place);
	while (pause() < 0)
		;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *library;

	if (argc != 3) {
		fprintf(stderr, "usage: plugins TRUTH LIBRARY\n");
		return 2;
	}
	library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "plugins: %s\n", dlerror());
		return 1;
	}
	*(void **)&plugin_alloc = dlsym(library, "plugin_alloc");
	*(void **)&plugin_free = dlsym(library, "plugin_free");
	if (!plugin_alloc || !plugin_free)
		return 1;
	truth_open(argv[1], THREADS * STEPS);
	pthread_barrier_init(&in_place, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, worker, (void *)i);
	pthread_barrier_wait(&in_place);
	usleep(50000);
	wipe_stack();
	truth_close();
	ready_and_wait();
}
