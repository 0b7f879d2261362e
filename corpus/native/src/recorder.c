/*
 * recorder.c - writes down every allocation of a whole process, libc's own included.
 *
 * Preloaded (or, in a static program, linked with --wrap), it passes each call on to glibc
 * unchanged and appends one event to a log that the harness handed over as descriptor
 * RECORDER_FD; make_cores.py replays the log into the exact set of live blocks.  The heap is not
 * altered by a byte.  The log is a shared mapping left out of dumps, its addresses are masked.
 *
 * A free is logged before it happens and an allocation after, so that the order of the events on
 * one address is right whatever the threads do.  corpus/README.md says what stays unseen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDER_FD 198
#define MASK 0xa5a5a5a5a5a5a5a5ull

#ifdef RECORDER_WRAP
#define OURS(f) __wrap_##f
#define GLIBC(f) __real_##f
#else
#define OURS(f) f
#define GLIBC(f) __libc_##f
#endif

void *GLIBC(malloc)(size_t);
void *GLIBC(calloc)(size_t, size_t);
void *GLIBC(realloc)(void *, size_t);
void *GLIBC(memalign)(size_t, size_t);
void GLIBC(free)(void *);

enum op { OP_NONE, OP_ALLOC, OP_FREE, OP_FREE_UNDONE };

struct event {
	uint64_t masked;
	_Atomic uint64_t size_op;	/* size << 8 | op; written last, so 0 = not complete */
};

struct log {
	_Atomic uint64_t n;		/* events begun; more than fit means the log is too small */
	_Atomic uint64_t pid;		/* a forked child writes nothing */
	struct event events[];
};

static _Atomic(struct log *) the_log;
static uint64_t max_events;
static atomic_int state;		/* 0 = not looked, 1 = being opened, 2 = open, 3 = none */

/* No constructor: the first calls come from ld.so, before any constructor runs. */
static struct log *open_log(void)
{
	int not_looked = 0;
	struct stat st;
	struct log *log;
	int saved = errno;

	if (!atomic_compare_exchange_strong(&state, &not_looked, 1))
		return NULL;
	if (fstat(RECORDER_FD, &st)) {
		state = 3;
		errno = saved;
		return NULL;
	}
	log = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, RECORDER_FD, 0);
	if (log == MAP_FAILED)
		_exit(98);
	madvise(log, st.st_size, MADV_DONTDUMP);
	fcntl(RECORDER_FD, F_SETFD, FD_CLOEXEC);
	max_events = (st.st_size - sizeof *log) / sizeof log->events[0];
	log->pid = getpid();
	the_log = log;
	state = 2;
	errno = saved;
	return log;
}

static void record(const void *block, size_t size, enum op op)
{
	struct log *log = the_log;
	uint64_t i;

	if (!log && state == 0)
		log = open_log();
	if (!log || log->pid != (uint64_t)getpid())
		return;
	i = atomic_fetch_add(&log->n, 1);
	if (i >= max_events)
		return;
	log->events[i].masked = (uintptr_t)block ^ MASK;
	log->events[i].size_op = (uint64_t)size << 8 | op;
}

static void *allocated(void *block, size_t size)
{
	if (block)
		record(block, size, OP_ALLOC);
	return block;
}

void *OURS(malloc)(size_t size)
{
	return allocated(GLIBC(malloc)(size), size);
}

void *OURS(calloc)(size_t n, size_t size)
{
	return allocated(GLIBC(calloc)(n, size), n * size);
}

void OURS(free)(void *block)
{
	if (block)
		record(block, 0, OP_FREE);
	GLIBC(free)(block);
}

void *OURS(realloc)(void *block, size_t size)
{
	void *moved;

	if (block)
		record(block, 0, OP_FREE);
	moved = GLIBC(realloc)(block, size);
	if (!moved && block && size)
		record(block, 0, OP_FREE_UNDONE);
	return allocated(moved, size);
}

void *OURS(reallocarray)(void *block, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return OURS(realloc)(block, total);
}

void *OURS(memalign)(size_t align, size_t size)
{
	return allocated(GLIBC(memalign)(align, size), size);
}

void *OURS(aligned_alloc)(size_t align, size_t size)
{
	return OURS(memalign)(align, size);
}

int OURS(posix_memalign)(void **ret, size_t align, size_t size)
{
	void *block;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	block = OURS(memalign)(align, size);
	if (!block)
		return ENOMEM;
	*ret = block;
	return 0;
}

void *OURS(valloc)(size_t size)
{
	return OURS(memalign)(sysconf(_SC_PAGESIZE), size);
}

void *OURS(pvalloc)(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return OURS(memalign)(page, (size + page - 1) & ~(page - 1));
}
