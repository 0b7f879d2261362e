/*
 * stages.c - what each stage of a run costs, by the progress that heapfx shows on a terminal.
 *
 *	gcc -O2 -shared -fPIC -o stages.so tests/bench/stages.c
 *	LD_PRELOAD=./stages.so heapfx analyze CORE -o /dev/null
 *
 * A line a stage on standard error: user, system and wall seconds, the highest resident size in
 * it, mapped pages included, and the anonymous memory at its end, in MiB.  Each stage's peak is its
 * own: /proc/self/clear_refs takes the mark back, so that ru_maxrss says nothing afterwards.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct sample {
	double user, sys, wall;
} last;
static char stage[80];

int isatty(int fd)
{
	return fd == STDERR_FILENO;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct sample now(void)
{
	struct timespec wall;
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	clock_gettime(CLOCK_MONOTONIC, &wall);
	return (struct sample){ seconds(used.ru_utime), seconds(used.ru_stime),
				(double)wall.tv_sec + (double)wall.tv_nsec / 1e9 };
}

static void memory(long *ret_peak, long *ret_anon)
{
	FILE *status = fopen("/proc/self/status", "re"), *refs;
	char line[256];

	while (status && fgets(line, sizeof(line), status)) {
		sscanf(line, "VmHWM: %ld", ret_peak);
		sscanf(line, "RssAnon: %ld", ret_anon);
	}
	if (status)
		fclose(status);
	refs = fopen("/proc/self/clear_refs", "we");
	if (refs) {
		fputs("5", refs);
		fclose(refs);
	}
}

static void begin(const char *name)
{
	struct sample at = now();
	long peak = 0, anon = 0;

	memory(&peak, &anon);
	if (*stage)
		dprintf(STDERR_FILENO, "%-60.60s user %6.2f sys %6.2f wall %6.2f peak %5ld anon %5ld\n",
			stage, at.user - last.user, at.sys - last.sys, at.wall - last.wall,
			peak >> 10, anon >> 10);
	last = at;
	snprintf(stage, sizeof(stage), "%s", name);
}

/* A line that begins by going back is progress: "\r\033[K", then its name. */
int fprintf(FILE *f, const char *format, ...)
{
	char line[256];
	va_list args;
	int n = 0;

	va_start(args, format);
	if (f == stderr && *format == '\r') {
		vsnprintf(line, sizeof(line), format, args);
		begin(line + strspn(line, "\r\033[K"));
	} else {
		n = vfprintf(f, format, args);
	}
	va_end(args);
	return n;
}

__attribute__((destructor)) static void end(void)
{
	begin("");
}
