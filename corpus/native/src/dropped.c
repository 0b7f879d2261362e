/*
 * dropped.c - threads that free orders and forget what these have: the freed order lies in front of what it lost,
 * in the cache of the thread that freed it.
 *
 *	dropped TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Built for all orders by the main thread, in its arena.  The type of a row is what became of it: "lost", or "kept"
 * of one whose order is still there; its holder is the thread that dropped it, or that made it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "types.h"

enum { THREADS = 3, EACH = 5, KEPT = 40, TEXT = 2000, NOTE = 3000 };

/* `text` and `note` lie where the cache's link and key do not. */
struct order {
	long id, state;
	char *text;
	char *note;
	struct order *next;
};

static struct order *orders[THREADS * EACH];
struct order *kept;
static char names[THREADS + 1][16];
static atomic_int n_ready;
static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER;

static void name(unsigned no)
{
	snprintf(names[no], sizeof names[no], "%ld", syscall(SYS_gettid));
}

/* One behind the other, as from a fresh arena. */
static NOINLINE struct order *order_new(int id)
{
	struct order *o = malloc(sizeof *o);

	o->id = id;
	o->state = 0;
	o->text = malloc(TEXT);
	memset(o->text, 't', TEXT);
	o->note = malloc(NOTE);
	memset(o->note, 'n', NOTE);
	o->next = NULL;
	return o;
}

static NOINLINE void order_drop(struct order **o, unsigned no)
{
	pthread_mutex_lock(&notes);
	types_note((*o)->text, TEXT, VALUE, "lost", 0, names[no]);
	types_note((*o)->note, NOTE, VALUE, "lost", 0, names[no]);
	pthread_mutex_unlock(&notes);
	free(*o);
	*o = NULL;
}

static NOINLINE void wipe(void)
{
	volatile char room[1 << 14];

	memset((void *)room, 0, sizeof room);
}

static void *worker(void *arg)
{
	unsigned no = (unsigned)(uintptr_t)arg;

	name(no);
	for (unsigned i = 0; i < EACH; i++)
		order_drop(&orders[no * EACH + i], no);
	wipe();
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
	name(THREADS);
	for (int i = 0; i < THREADS * EACH; i++)
		orders[i] = order_new(i);
	for (int i = 0; i < KEPT; i++) {
		struct order *o = order_new(i);

		o->next = kept;
		kept = o;
		types_note(o->text, TEXT, VALUE, "kept", 0, names[THREADS]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, worker, (void *)(uintptr_t)i);
	while (n_ready < THREADS)
		usleep(1000);
	wipe();
	types_close(argv[1]);
	types_ready();
}
