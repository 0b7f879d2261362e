/*
 * endings.c - what threads leave behind that have ended.
 *
 *	endings TRUTH [guardless]	writes the truth, prints "ready PID", waits to be dumped
 *
 * Nine threads leave pointers in their stacks and TLS, all at once, lest one gets the stack of
 * another, and wipe nothing: three are joined, three are detached, three nobody asks after.  What
 * the last return is still to be had.  A tenth does the same and lives.
 *
 * guardless: no guard pages part their stacks, which lie in one mapping then, as under glibc 2.42; what
 * lives lies above them.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENDED = 9, SLOTS = 8 };

enum ending { JOINED, DETACHED, LEFT };

static pthread_barrier_t all_made, all_left;
static __thread void *volatile own[SLOTS];

static NOINLINE void leave_in_frame(enum truth_kind kind)
{
	void *volatile slots[SLOTS];

	for (int i = 0; i < SLOTS; i++) {
		slots[i] = noted_alloc(72, kind);
		*(void **)slots[i] = noted_alloc(88, kind == ENDSTACK ? IND : kind);
	}
	pthread_barrier_wait(&all_left);
	if (kind == STACKROOT)
		for (;;)
			pause();
}

static NOINLINE void leave_in_tls(enum truth_kind kind)
{
	for (int i = 0; i < SLOTS; i++)
		own[i] = noted_alloc(104, kind);
}

static void *run(void *arg)
{
	enum ending ending = (enum ending)(*(int *)arg % 3);

	pthread_barrier_wait(&all_made);
	if (ending == JOINED)
		leave_in_tls(ENDTLS);
	leave_in_frame(ENDSTACK);
	return ending == LEFT ? noted_alloc(120, ENDRESULT) : NULL;
}

static void *live(void *unused)
{
	pthread_barrier_wait(&all_made);
	leave_in_tls(TLSROOT);
	leave_in_frame(STACKROOT);
	return unused;
}

static unsigned long tasks(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) ? 0 : st.st_nlink - 2;
}

int main(int argc, char **argv)
{
	static int numbers[ENDED];
	pthread_t threads[ENDED], other;
	pthread_attr_t attr;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: endings TRUTH [guardless]\n");
		return 2;
	}
	pthread_attr_init(&attr);
	if (argc == 3) {
		pthread_attr_setguardsize(&attr, 0);
		pthread_attr_setstacksize(&attr, 1 << 18); /* the kernel would align larger ones */
	}
	puts("endings"); /* makes libc allocate its buffer now */
	truth_open(argv[1], 1024);
	pthread_barrier_init(&all_made, NULL, ENDED + 1);
	pthread_barrier_init(&all_left, NULL, ENDED + 1);
	if (argc == 3)
		pthread_create(&other, &attr, live, NULL);
	for (int i = 0; i < ENDED; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], &attr, run, &numbers[i]);
	}
	if (argc == 2)
		pthread_create(&other, &attr, live, NULL);
	for (int i = 0; i < ENDED; i++) {
		if (i % 3 == JOINED)
			pthread_join(threads[i], NULL);
		if (i % 3 == DETACHED)
			pthread_detach(threads[i]);
	}
	while (tasks() > 2) /* until the kernel has none of them left */
		usleep(1000);
	truth_close();
	ready_and_wait();
}
