/*
 * aprs.c - a tree of APR's pools, each with an allocator of its own, and what each one mapped.
 *
 *	aprs TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * libapr calls mmap() and munmap() through this program, which counts: so the bytes of each pool do
 * not come from APR's own structures.  What it has not given out is what is left of these when memnodes'
 * heads, its own head and what was asked for (in eights) are taken off.
 */
#include "pool_truth.h"

#include <apr_allocator.h>
#include <apr_general.h>
#include <apr_pools.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t mapped, mappings;

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd == -1) {
		mapped += n;
		mappings++;
	}
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}

int munmap(void *at, size_t n)
{
	mapped -= n;
	mappings--;
	return (int)syscall(SYS_munmap, at, n);
}

static apr_pool_t *make_pool(const char *tag, apr_pool_t *parent, size_t n, size_t size)
{
	uint64_t before = mapped, count = mappings, given = 0, head;
	apr_allocator_t *allocator;
	apr_pool_t *pool;

	if (apr_allocator_create(&allocator) || apr_pool_create_ex(&pool, parent, NULL, allocator))
		return NULL;
	apr_allocator_owner_set(allocator, pool);
	apr_pool_tag(pool, tag);
	head = (uint64_t)((char *)apr_palloc(pool, 8) - (char *)pool);
	for (size_t i = 0; i < n; i++) {
		void **p = apr_pcalloc(pool, size);

		given += (size + 7) & ~7ull;
		if (!i && size >= 8)
			*p = noted_alloc(100, MMAPROOT); /* held by the pool's memory alone */
	}
	note_pool(tag, pool, parent, mapped - before, mappings - count,
		  mapped - before - (mappings - count) * APR_MEMNODE_T_SIZE - head - 8 - given);
	return pool;
}

/* What a cleared pool had goes to its allocator, which keeps it: all but its first memnode is free. */
static void make_cleared(apr_pool_t *parent)
{
	uint64_t before = mapped, count = mappings, head;
	apr_allocator_t *allocator;
	apr_pool_t *pool;

	if (apr_allocator_create(&allocator) || apr_pool_create_ex(&pool, parent, NULL, allocator))
		return;
	apr_allocator_owner_set(allocator, pool);
	head = (uint64_t)((char *)apr_palloc(pool, 8) - (char *)pool);
	for (int i = 0; i < 100; i++)
		apr_palloc(pool, 5000);
	apr_palloc(pool, 300000);
	apr_pool_clear(pool);
	apr_pool_tag(pool, "cleared");
	note_pool("cleared", pool, parent, mapped - before, mappings - count,
		  mapped - before - APR_MEMNODE_T_SIZE - head);
}

static NOINLINE void make_all(void)
{
	apr_pool_t *server, *request, *dropped;
	void *hidden;

	server = make_pool("server", NULL, 10, 100);
	make_pool("config", server, 300, 72);
	request = make_pool("request", server, 1000, 333);
	make_pool("bucket", request, 3, 50000);
	make_pool("empty", request, 0, 0);
	dropped = make_pool("log", server, 1, 24);
	(void)dropped;
	make_cleared(server);
	hidden = noted_alloc(64, DEF);
	(void)hidden;
}

int main(int argc, char **argv)
{
	(void)argc;
	truth_open(argv[1], 1000);
	apr_initialize();
	make_all();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
