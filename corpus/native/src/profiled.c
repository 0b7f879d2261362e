/*
 * profiled.c - blocks made by functions of their own while gperftools' heap profiler (HEAPPROFILE) is on.
 *
 *	profiled TRUTH
 *
 * Who made a block is told by its kind: lose() makes what is DEF, point_inside() what is POSS, keep() what is
 * REACH.  TRUTH.profile is what the profiler itself wrote of what is in use.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT = 600, LOST = 40, INSIDE = 30, THREADS = 2, LARGE = 300000 };

void *volatile g_kept[THREADS][KEPT];
char *volatile g_inside[THREADS][INSIDE];

static NOINLINE void *zeroed(size_t size)
{
	return memset(malloc(size), 0, size);
}

static NOINLINE void keep(unsigned thread)
{
	for (unsigned i = 0; i < KEPT; i++)
		g_kept[thread][i] = zeroed(8 + i % 300);
	for (unsigned i = 0; i < KEPT; i += 3) { /* more than its block holds: another one */
		size_t size = 600 + i;

		g_kept[thread][i] = realloc(g_kept[thread][i], size);
	}
	for (unsigned i = 1; i < KEPT; i += 3) {
		free(g_kept[thread][i]);
		g_kept[thread][i] = NULL;
	}
	for (unsigned i = 0; i < KEPT; i++)
		if (g_kept[thread][i])
			truth_note(g_kept[thread][i], i % 3 ? 8 + i % 300 : 600 + i, REACH);
}

static NOINLINE void lose(void)
{
	for (unsigned i = 0; i < LOST; i++)
		truth_note(zeroed(100 + i), 100 + i, DEF);
	truth_note(zeroed(LARGE), LARGE, DEF);
}

static NOINLINE void point_inside(unsigned thread)
{
	for (unsigned i = 0; i < INSIDE; i++)
		g_inside[thread][i] = (char *)truth_note(zeroed(80), 80, POSS) + 24;
}

static void *work(void *arg)
{
	unsigned thread = (unsigned)(size_t)arg;

	keep(thread);
	lose();
	point_inside(thread);
	wipe_stack();
	return NULL;
}

char *GetHeapProfile(void) __attribute__((weak));

static void write_profile(const char *truth)
{
	char path[512], *text = GetHeapProfile ? GetHeapProfile() : NULL;
	int fd;

	if (!text)
		abort();
	snprintf(path, sizeof path, "%s.profile", truth);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	free(text);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc != 2)
		return 2;
	truth_open(argv[1], THREADS * (KEPT + LOST + INSIDE + 1));
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			abort();
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	wipe_stack();
	write_profile(argv[1]);
	truth_close();
	ready_and_wait();
}
