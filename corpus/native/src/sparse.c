/*
 * sparse.c - free memory that stays: slabs, spans or groups in which nearly everything was freed, large
 * blocks whose pages their allocator keeps, caches; on whatever malloc there is.
 *
 *	sparse TRUTH [fast | setting]
 *
 * One in KEEP small blocks stays, in a list that a global holds; a million bytes of larger ones stay
 * together, and pin nothing.  How much of the rest goes back when the allocator is asked to, a twin finds
 * out: a forked copy of the process, which asks, and counts its own resident pages before and after.
 *
 * fast: instead, blocks between others that glibc's fast bins have, so that only what merges them makes whole
 * pages of both.
 *
 * setting: another process that its environment tells to keep no free pages says how many it has.  With
 * glibc's malloc they are those at the end of its heap, after a large block has taught it to keep them.
 */
#define _GNU_SOURCE
#include "google_tcmalloc.h"
#include "truth.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	BLOCKS = 80000,
	SIZE = 64,
	KEEP = 100,
	TOGETHER = 1000,
	TOGETHER_SIZE = 1000,
	LARGE = 60, /* freed one after the other, each in pages of its own */
	LARGE_SIZE = 100000,
	CACHED = 8, /* freed last, few enough for a thread's cache */
	CACHED_SIZE = 14000,
	PAIRS = 12000,
	BINNED_SIZE = 1200, /* too large for a thread's cache */
	FAST_SIZE = 100,
	FAST_KEEP = 40,
	MAPPED_SIZE = 20 << 20,
	ENDS = 300,
	END_SIZE = 70000,
};

struct session {
	struct session *next;
	char rest[SIZE - sizeof(struct session *)];
};

struct session *volatile g_sessions;
void *volatile g_together[TOGETHER];
static struct session *volatile all[BLOCKS];
static void *volatile large[LARGE], *volatile cached[CACHED];

/* ---- the twin */

int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));
void MallocExtension_ReleaseFreeMemory(void) __attribute__((weak));
void _ZN15MallocExtension14MarkThreadIdleEv(void *) __attribute__((weak));
void *_ZN15MallocExtension8instanceEv(void) __attribute__((weak));
void mi_collect(bool) __attribute__((weak));
int malloc_trim(size_t) __attribute__((weak)); /* musl has none */

/* Bytes of anonymous memory; no allocation. */
static long resident(void)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	const char *line;

	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	line = strstr(text, "Anonymous:");
	return line ? atol(line + strlen("Anonymous:")) * 1024 : 0;
}

static void purge(void)
{
	if (mallctl)
		mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
	else if (MallocExtension_ReleaseFreeMemory)
		MallocExtension_ReleaseFreeMemory();
	else if (has_google_tcmalloc())
		google_tcmalloc_release((size_t)1 << 40);
	else if (mi_collect)
		mi_collect(true);
	else if (malloc_trim)
		malloc_trim(0);
}

static void flush(void)
{
	if (mallctl)
		mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	else if (_ZN15MallocExtension14MarkThreadIdleEv)
		_ZN15MallocExtension14MarkThreadIdleEv(_ZN15MallocExtension8instanceEv());
}

static void ask_a_twin(void)
{
	long said[2] = { 0, 0 };
	int ends[2], status;
	pid_t twin;

	if (pipe(ends) || (twin = fork()) < 0)
		abort();
	if (!twin) {
		long before = resident(), purged;

		purge();
		purged = resident();
		flush();
		purge();
		said[0] = before - purged;
		said[1] = purged - resident();
		_exit(write(ends[1], said, sizeof said) != sizeof said);
	}
	close(ends[1]);
	if (read(ends[0], said, sizeof said) != sizeof said || waitpid(twin, &status, 0) != twin || status)
		abort();
	close(ends[0]);
	truth_total("purge.returns", said[0] > 0 ? said[0] : 0);
	truth_total("flush.returns", said[1] > 0 ? said[1] : 0);
}

/* ---- another one, that was told by its environment to keep no free pages */

static bool is_glibc(void)
{
	return malloc_trim && !mallctl && !MallocExtension_ReleaseFreeMemory && !has_google_tcmalloc() && !mi_collect;
}

static const char *setting(void)
{
	if (is_glibc())
		return "MALLOC_TRIM_THRESHOLD_=131072";
	if (mallctl)
		return "MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0";
	if (MallocExtension_ReleaseFreeMemory)
		return "TCMALLOC_AGGRESSIVE_DECOMMIT=t";
	return NULL;
}

static void ask_another(const char *setting)
{
	long said = 0, own = resident();
	int ends[2], status;
	pid_t other;
	char to[16];

	if (pipe(ends) || (other = fork()) < 0)
		abort();
	if (!other) {
		snprintf(to, sizeof to, "%d", ends[1]);
		putenv((char *)setting);
		execl("/proc/self/exe", "sparse", "/dev/null", to, (char *)NULL);
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &said, sizeof said) != sizeof said || waitpid(other, &status, 0) != other || status)
		abort();
	close(ends[0]);
	truth_total("setting.saves", own > said ? own - said : 0);
}

/* ---- the work */

static void *filled(size_t size)
{
	void *block = malloc(size);

	if (!block)
		abort();
	return memset(block, 0x5a, size);
}

static NOINLINE void fill(void)
{
	for (int i = 0; i < BLOCKS; i++)
		all[i] = filled(SIZE);
	for (int i = 0; i < LARGE; i++)
		large[i] = filled(LARGE_SIZE);
	for (int i = 0; i < TOGETHER; i++)
		g_together[i] = truth_note(filled(TOGETHER_SIZE), TOGETHER_SIZE, REACH);
	for (int i = 0; i < CACHED; i++)
		cached[i] = filled(CACHED_SIZE);
}

static NOINLINE void empty(void)
{
	for (int i = 0; i < LARGE; i++) {
		free(large[i]);
		large[i] = NULL;
	}
	for (int i = 0; i < BLOCKS; i++) {
		struct session *s = all[i];

		all[i] = NULL;
		if (i % KEEP) {
			free(s);
			continue;
		}
		s->next = g_sessions;
		g_sessions = truth_note(s, SIZE, REACH);
	}
	for (int i = 0; i < CACHED; i++) {
		free(cached[i]);
		cached[i] = NULL;
	}
}

static NOINLINE void leave_fast_bins(void)
{
	static void *volatile binned[PAIRS], *volatile fast[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		binned[i] = filled(BINNED_SIZE);
		fast[i] = filled(FAST_SIZE);
	}
	for (int i = 0; i < PAIRS; i++) {
		free(binned[i]);
		binned[i] = NULL;
		if (i % FAST_KEEP) {
			free(fast[i]);
			fast[i] = NULL;
		}
	}
}

static NOINLINE void leave_an_end(void)
{
	static void *volatile end[ENDS];

	free(filled(MAPPED_SIZE));
	for (int i = 0; i < ENDS; i++)
		end[i] = filled(END_SIZE);
	for (int i = ENDS; i-- > 0;) {
		free(end[i]);
		end[i] = NULL;
	}
}

int main(int argc, char **argv)
{
	bool is_fast = argc == 3 && !strcmp(argv[2], "fast"), asks = argc == 3 && !strcmp(argv[2], "setting");
	int to = argc == 3 && !is_fast && !asks ? atoi(argv[2]) : 0; /* asked by ask_another() */
	bool is_told_already;

	if (argc != 2 && !is_fast && !asks && !to) {
		fprintf(stderr, "usage: sparse TRUTH [fast | setting]\n");
		return 2;
	}
	is_told_already = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* else pages that nobody wrote are resident, too */
	if (asks && !is_told_already) {
		/* Malloc has written to some before main(); another program begins with what was set. */
		execv("/proc/self/exe", argv);
		abort();
	}
	truth_open(argv[1], BLOCKS);
	if (is_fast) {
		leave_fast_bins();
	} else if ((asks || to) && is_glibc()) {
		leave_an_end();
	} else {
		fill();
		empty();
	}
	wipe_stack();
	if (to) {
		long own = resident();

		_exit(write(to, &own, sizeof own) != sizeof own);
	}
	if (asks && setting())
		ask_another(setting());
	ask_a_twin();
	truth_total("kept", BLOCKS / KEEP);
	truth_close();
	ready_and_wait();
}
