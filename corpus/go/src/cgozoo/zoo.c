// The C side: blocks of malloc that a global, a thread's stack or the stack of a call from Go holds.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "_cgo_export.h"	// and zoo.h with it

static struct cnode *held_by_c;

struct cnode *cnode_new(struct cnode *next)
{
	struct cnode *node = calloc(1, sizeof(*node));

	if (node)
		node->next = next;
	return node;
}

void hold_in_c(struct cnode *node)
{
	held_by_c = node;
}

void refer_in_c(void *ref)
{
	held_by_c->ref = ref;
}

// Never returns: nobody writes to the pipe.
long block_in_c(struct cnode *node, int fd)
{
	struct cnode *volatile mine = node;
	char byte;
	long n = read(fd, &byte, 1);

	return n + (long)mine->next;
}

static void *thread_main(void *arg)
{
	struct cnode *volatile mine = arg;

	for (;;)
		pause();
	return mine;
}

void thread_hold(struct cnode *node)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_main, node))
		abort();
}

void call_go(int id)
{
	calledFromC(id);
}
