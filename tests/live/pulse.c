/*
 * pulse.c - a process to be captured: it knows how long it stood still, and what its heap held.
 *
 * usage: pulse MIB THREADS
 *
 * Threads wait in every kind of place: in a read, in a sleep that is interrupted or not, in user
 * mode, in a futex.  One beats the heart: it keeps the longest gap it saw.  A mebibyte is advised
 * MADV_DONTFORK, another MADV_WIPEONFORK, a third MADV_DONTDUMP.  Commands on standard input, an
 * answer line each:
 *	gap	the longest pause in nanoseconds since the last time it was asked
 *	sum	a checksum of the heap's contents as they are, 16 hexadecimal digits
 *	child	waitpid(-1, WNOHANG): "none", or the number of what it found; then SIGCHLDs seen
 *	fork	starts a child that ends at once, and waits for it
 *	exec	becomes `sleep 1000`
 *	bad	what went wrong in any thread so far (a call that failed with EINTR): a count
 *	close	closes the write end of a pipe that threads read: they must see its end
 *	read	how many of those threads saw it
 *	quit
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS_PER_MIB = 1024, BLOCK = 1000, BEAT = 100000 /* ns */ };

static _Atomic uint64_t longest, bad, sigchlds, spins, ends;
static int never[2];
static _Atomic uint32_t futex_word;
static _Atomic int started; /* threads that are where they will be found */

static _Atomic uint64_t beats;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static __attribute__((noreturn)) void *beat(void *arg)
{
	(void)arg;
	started++;
	for (uint64_t last = now(), at;; last = at) {
		nanosleep(&(struct timespec){ .tv_nsec = BEAT }, NULL);
		at = now();
		if (at - last > longest)
			longest = at - last;
		beats++;
	}
}

static void *wait_in_read(void *arg)
{
	char c;

	(void)arg;
	started++;
	if (read(never[0], &c, 1))
		bad++;
	ends++;
	return NULL;
}

static __attribute__((noreturn)) void *wait_in_sleep(void *arg)
{
	(void)arg;
	started++;
	for (;;) {
		struct timespec ts = { .tv_nsec = 20000000 };
		uint64_t began = now();

		if (nanosleep(&ts, NULL) || now() - began < 20000000)
			bad++;
	}
}

static __attribute__((noreturn)) void *wait_in_futex(void *arg)
{
	struct timespec ts = { .tv_sec = 1000 };

	(void)arg;
	started++;
	for (;;)
		if (syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0) &&
		    errno != ETIMEDOUT)
			bad++;
}

/* All its registers are a pattern that must stay. */
static __attribute__((noreturn)) void *spin(void *arg)
{
	(void)arg;
	started++;
	for (uint64_t a = 1, b = 2, c = 3;; spins++) {
		double d = (double)a;

		for (unsigned i = 0; i < 1000; i++) {
			a++;
			b += 2;
			c += 3;
			d += 1;
			__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+x"(d));
		}
		if (b != 2 * a || c != 3 * a || d != (double)a)
			bad++;
	}
}

static void on_child(int sig)
{
	(void)sig;
	sigchlds++;
}

static uint64_t checksum(void **blocks, size_t n)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < BLOCK / 8; k++)
			h = (h ^ ((uint64_t *)blocks[i])[k]) * 1099511628211u;
	return h;
}

static void map_special(int advice)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, 1 << 20, advice))
		exit(1);
	memset(p, 's', 1 << 20);
}

static void tell_child(void)
{
	int status;
	pid_t got = waitpid(-1, &status, WNOHANG);

	printf("%s%.0d %llu\n", got > 0 ? "child " : "none", got > 0 ? (int)got : 0,
	       (unsigned long long)sigchlds);
}

int main(int argc, char **argv)
{
	enum { N_KINDS = 4 };
	static void *(*const kinds[N_KINDS])(void *) = { wait_in_read, wait_in_sleep, wait_in_futex, spin };
	size_t n = argc > 1 ? (size_t)atoi(argv[1]) * BLOCKS_PER_MIB : 0;
	int threads = argc > 2 ? atoi(argv[2]) : 0;
	void **blocks = calloc(n, sizeof(*blocks));
	uint64_t x = 88172645463325252u;
	pthread_t t;
	char line[64];

	signal(SIGCHLD, on_child);
	if (!blocks || pipe(never))
		return 1;
	for (size_t i = 0; i < n; i++) {
		blocks[i] = malloc(BLOCK);
		for (size_t k = 0; k < BLOCK / 8; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			((uint64_t *)blocks[i])[k] = k % 4 ? k : x;
		}
	}
	map_special(MADV_DONTFORK);
	map_special(MADV_WIPEONFORK);
	map_special(MADV_DONTDUMP);
	for (int i = 0; i < threads || !i; i++)
		if (pthread_create(&t, NULL, i ? kinds[(size_t)i % N_KINDS] : beat, NULL))
			return 1;
	while (started < (threads > 1 ? threads : 1))
		usleep(1000);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d %p %zu\n", (int)getpid(), (void *)blocks, n);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "gap\n")) {
			/* a pause that has just ended: that thread may still wait for a processor */
			for (uint64_t n = beats; beats == n;)
				usleep(1000);
			printf("%llu\n", (unsigned long long)atomic_exchange(&longest, 0));
		} else if (!strcmp(line, "sum\n"))
			printf("%016llx\n", (unsigned long long)checksum(blocks, n));
		else if (!strcmp(line, "child\n"))
			tell_child();
		else if (!strcmp(line, "bad\n"))
			printf("%llu\n", (unsigned long long)bad);
		else if (!strcmp(line, "read\n"))
			printf("%llu\n", (unsigned long long)ends);
		else if (!strcmp(line, "fork\n")) {
			pid_t child = fork();

			if (!child)
				_exit(7);
			int status = 0;
			printf("%d\n", waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1);
		} else if (!strcmp(line, "exec\n")) {
			puts("now");
			execlp("sleep", "sleep", "1000", NULL);
		} else if (!strcmp(line, "close\n")) {
			printf("%d\n", close(never[1]));
		} else if (!strcmp(line, "quit\n")) {
			return 0;
		}
	}
	return 0;
}
