/*
 * abutting.c - a thread's stack with other memory right above it, in one mapping of the kernel's, as Go's arenas
 * come to lie above the stacks of a program with cgo.
 *
 *	abutting TRUTH
 *
 * Of the memory above a mebibyte was written to, and holds a block; of the stack little is in use.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
	GUARD = 1 << 16,
	STACK = 4 << 20,
	ABOVE = 16 << 20,
	WRITTEN = 1 << 20,
};

static pthread_barrier_t there;

static void *stand(void *arg)
{
	void *volatile held = noted_alloc(200, STACKROOT);

	pthread_barrier_wait(&there);
	for (;;)
		pthread_barrier_wait(&there); /* nobody else comes */
	return held ? arg : NULL;
}

int main(int argc, char **argv)
{
	char *low = mmap(NULL, GUARD + STACK + ABOVE + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *above = low + GUARD + STACK;
	pthread_attr_t attr;
	pthread_t thread;

	if (argc != 2 || low == MAP_FAILED || mprotect(low + GUARD, STACK + ABOVE, PROT_READ | PROT_WRITE))
		return 1;
	truth_open(argv[1], 100);
	truth_total("above.written", WRITTEN);
	memset(above, 0x55, WRITTEN);
	*(void **)above = noted_alloc(100, MMAPROOT);
	pthread_barrier_init(&there, NULL, 2);
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, low + GUARD, STACK);
	if (pthread_create(&thread, &attr, stand, NULL))
		return 1;
	pthread_barrier_wait(&there);
	wipe_stack();
	truth_close();
	ready_and_wait();
}
