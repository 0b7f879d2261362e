/* busy.c - threads that never leave malloc and free for long: dumps of it are taken inside the allocator. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 3, SLOTS = 64, LARGEST = 30000 };

static void *churn(void *number)
{
	void *slots[SLOTS] = { NULL };
	unsigned state = (unsigned)(unsigned long)number;

	for (;;) {
		unsigned i = (state = state * 1103515245 + 12345) >> 16 & (SLOTS - 1);

		free(slots[i]);
		slots[i] = malloc((state >> 8) % LARGEST);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	for (unsigned long i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, churn, (void *)(i + 1));
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;)
		pause();
}
