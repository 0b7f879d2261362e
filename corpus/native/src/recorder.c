/*
 * recorder.c - writes down every allocation of a whole process, libc's own included.
 *
 * Preloaded (or, in a static program, linked with --wrap), it passes each call on to glibc, or with
 * RECORDER_NEXT to whatever allocator comes next, unchanged and appends one event to a log that the harness handed over as descriptor
 * RECORDER_FD; make_cores.py replays the log into the exact set of live blocks.  The heap is not
 * altered by a byte.  The log is a shared mapping left out of dumps, its addresses are masked.
 *
 * A free is logged before it happens and an allocation after, so that the order of the events on
 * one address is right whatever the threads do.  corpus/README.md says what stays unseen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDER_FD 198
#define MASK 0xa5a5a5a5a5a5a5a5ull

#ifdef RECORDER_WRAP
#define OURS(f) __wrap_##f
#define REAL(f) __real_##f
#elif defined(RECORDER_NEXT)
#define OURS(f) f
#define REAL(f) next_##f
#else
#define OURS(f) f
#define REAL(f) __libc_##f
#endif

#ifdef RECORDER_NEXT
/* Before glibc 2.34 dlsym() itself calls calloc(): it is served from here, and never recorded. */
static __thread __attribute__((tls_model("initial-exec"))) volatile bool in_dlsym;
static char for_dlsym[4096];
static _Atomic size_t n_for_dlsym;

static void *calloc_for_dlsym(size_t size)
{
	size_t at = atomic_fetch_add(&n_for_dlsym, (size + 15) & -16ul);

	return size <= sizeof for_dlsym && at <= sizeof for_dlsym - size ? for_dlsym + at : NULL;
}

static bool is_for_dlsym(const void *block)
{
	return (uintptr_t)block - (uintptr_t)for_dlsym < sizeof for_dlsym;
}

static void *next_one(const char *name)
{
	void *found;

	in_dlsym = true;
	found = dlsym(RTLD_NEXT, name);
	in_dlsym = false;
	return found;
}

/* Looked up by the first call of each, so that a function that nobody has is not asked for. */
#define NEXT(ret, name, as, params, args)						\
	static ret next_##name params							\
	{										\
		static ret(*real) params;						\
											\
		if (!real)								\
			*(void **)&real = next_one(as);					\
		return real args;							\
	}
NEXT(void *, malloc, "malloc", (size_t size), (size))
NEXT(void *, calloc, "calloc", (size_t n, size_t size), (n, size))
NEXT(void *, realloc, "realloc", (void *block, size_t size), (block, size))
NEXT(void *, aligned_alloc, "aligned_alloc", (size_t align, size_t size), (align, size))
NEXT(void, free, "free", (void *block), (block))
NEXT(void *, new, "_Znwm", (size_t size), (size))
NEXT(void *, new_array, "_Znam", (size_t size), (size))
NEXT(void, delete, "_ZdlPv", (void *block), (block))
NEXT(void, delete_array, "_ZdaPv", (void *block), (block))
NEXT(void *, new_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t align), (size, align))
NEXT(void *, new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t align), (size, align))
NEXT(void *, new_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, const void *tag), (size, tag))
NEXT(void *, new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, const void *tag), (size, tag))
NEXT(void, delete_aligned, "_ZdlPvSt11align_val_t", (void *block, size_t align), (block, align))
NEXT(void, delete_array_aligned, "_ZdaPvSt11align_val_t", (void *block, size_t align), (block, align))
#else
void *REAL(malloc)(size_t);
void *REAL(calloc)(size_t, size_t);
void *REAL(realloc)(void *, size_t);
void *REAL(memalign)(size_t, size_t);
void *REAL(aligned_alloc)(size_t, size_t);
void REAL(free)(void *);
#endif

/* glibc has the one, and in musl memalign() calls aligned_alloc(), which would come back to us. */
#if defined(RECORDER_WRAP) || defined(RECORDER_NEXT)
#define ALIGNED(align, size) REAL(aligned_alloc)(align, size)
#else
#define ALIGNED(align, size) REAL(memalign)(align, size)
#endif

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
	return allocated(REAL(malloc)(size), size);
}

void *OURS(calloc)(size_t n, size_t size)
{
#ifdef RECORDER_NEXT
	if (in_dlsym)
		return calloc_for_dlsym(n * size);
#endif
	return allocated(REAL(calloc)(n, size), n * size);
}

void OURS(free)(void *block)
{
#ifdef RECORDER_NEXT
	if (is_for_dlsym(block))
		return;
#endif
	if (block)
		record(block, 0, OP_FREE);
	REAL(free)(block);
}

void *OURS(realloc)(void *block, size_t size)
{
	void *moved;

	if (block)
		record(block, 0, OP_FREE);
	moved = REAL(realloc)(block, size);
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
	return allocated(ALIGNED(align, size), size);
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

#ifdef RECORDER_NEXT
/* Those of C++, for an allocator that has its own: the names are the ABI's. */
void *_Znwm(size_t size)
{
	return allocated(next_new(size), size);
}

void *_Znam(size_t size)
{
	return allocated(next_new_array(size), size);
}

void _ZdlPv(void *block)
{
	if (block)
		record(block, 0, OP_FREE);
	next_delete(block);
}

void _ZdaPv(void *block)
{
	if (block)
		record(block, 0, OP_FREE);
	next_delete_array(block);
}

void *_ZnwmSt11align_val_t(size_t size, size_t align)
{
	return allocated(next_new_aligned(size, align), size);
}

void *_ZnamSt11align_val_t(size_t size, size_t align)
{
	return allocated(next_new_array_aligned(size, align), size);
}

void *_ZnwmRKSt9nothrow_t(size_t size, const void *tag)
{
	return allocated(next_new_nothrow(size, tag), size);
}

void *_ZnamRKSt9nothrow_t(size_t size, const void *tag)
{
	return allocated(next_new_array_nothrow(size, tag), size);
}

void _ZdlPvSt11align_val_t(void *block, size_t align)
{
	if (block)
		record(block, 0, OP_FREE);
	next_delete_aligned(block, align);
}

void _ZdaPvSt11align_val_t(void *block, size_t align)
{
	if (block)
		record(block, 0, OP_FREE);
	next_delete_array_aligned(block, align);
}

void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	_ZdlPvSt11align_val_t(block, align);
}

void _ZdaPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	_ZdaPvSt11align_val_t(block, align);
}

void _ZdlPvm(void *block, size_t size)
{
	(void)size;
	_ZdlPv(block);
}

void _ZdaPvm(void *block, size_t size)
{
	(void)size;
	_ZdaPv(block);
}
#endif
