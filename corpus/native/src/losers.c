/*
 * losers.c - threads that lose blocks, each in functions of its own, and wait where they did it.
 *
 *	losers TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * The type of a row is the function that allocated the block and lost it; its holder is the thread.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "types.h"

enum { THREADS = 3 };

static char names[THREADS + 1][16];
static atomic_int n_ready;
static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE void note(const void *p, size_t size, const char *function, unsigned no)
{
	pthread_mutex_lock(&notes);
	types_note(p, size, VALUE, function, 0, names[no]);
	pthread_mutex_unlock(&notes);
}

/* The only pointer stays in the frame of who calls them. */
#define LOSER(name, size)                                         \
	static NOINLINE void name(unsigned no)                    \
	{                                                         \
		void *volatile kept = malloc((size) + 16 * no);   \
                                                                  \
		note(kept, (size) + 16 * no, #name, no);          \
		__asm__ volatile("" : : "r"(&kept) : "memory");   \
	}

LOSER(lose_order, 1000)
LOSER(lose_line, 3000)
LOSER(lose_page, 9000)

static void (*const losers[THREADS])(unsigned no) = { lose_order, lose_line, lose_page };

/* Frames that later calls do not reach: theirs are smaller than this. */
static NOINLINE void deep(unsigned no)
{
	volatile char room[1 << 14];

	room[0] = room[sizeof room - 1] = 0;
	if (no == 0)
		lose_order(no);
	else if (no == 1)
		lose_line(no);
	else
		losers[no](no); /* through a pointer: who it was the call does not say */
	__asm__ volatile("" : : "r"(&room) : "memory");
}

static void *worker(void *arg)
{
	unsigned no = (unsigned)(uintptr_t)arg;

	snprintf(names[no], sizeof names[no], "%ld", syscall(SYS_gettid));
	deep(no);
	n_ready++;
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 2)
		return 2;
	types_open();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, worker, (void *)(uintptr_t)i);
	while (n_ready < THREADS)
		usleep(1000);
	types_close(argv[1]);
	types_ready();
}
