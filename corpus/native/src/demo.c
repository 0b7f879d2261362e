/*
 * demo.c - the program of `make demo`: a small service that loses memory in four ordinary ways.
 *
 *	demo [--truth FILE]	prints "ready PID" when it has served its requests, then waits
 *
 * Worker threads answer requests.  What goes wrong: sessions are never expired (growth: all of
 * them stay reachable from session_table); the trace of each failed request is dropped (lists,
 * definitely lost); each closed channel forgets its ring of subscribers (rings, lost); the report
 * thread keeps one row in 64 of what it builds (a fragmented arena, pinned by the rows kept).
 */
#define _GNU_SOURCE
#include "truth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WORKERS = 4,
	REQUESTS = 6000,	/* of each worker */
	REQUESTS_PER_FAILURE = 20,
	SPANS_PER_TRACE = 8,
	SESSION_BUCKETS = 4096,
	CHANNELS = 40,
	SUBSCRIBERS = 50,
	REPORT_ROWS = 60000,
	ROWS_PER_KEPT = 64,
};

struct session {
	struct session *next;
	uint64_t id;
	char *user;
	uint8_t *receive_buffer;
	size_t receive_size;
};

struct trace_span {
	struct trace_span *parent;
	char *description;
	uint64_t started_ns, ended_ns;
};

struct subscriber {
	struct subscriber *next, *previous;
	int socket;
	char topic[36];
};

struct report_row {
	uint64_t day;
	double amounts[48];
};

struct session *session_table[SESSION_BUCKETS];
struct report_row **kept_rows;
static pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t served;

static char *copy_text(const char *text, enum truth_kind kind)
{
	return strcpy(noted_alloc(strlen(text) + 1, kind), text);
}

static NOINLINE void session_open(uint64_t id)
{
	struct session *session = noted_alloc(sizeof *session, REACH);
	struct session **bucket = &session_table[id * 2654435761u % SESSION_BUCKETS];
	char user[64];

	snprintf(user, sizeof user, "user-%06llu@example.org", (unsigned long long)id);
	session->id = id;
	session->user = copy_text(user, REACH);
	session->receive_size = 512;
	session->receive_buffer = noted_alloc(session->receive_size, REACH);
	pthread_mutex_lock(&session_lock);
	session->next = *bucket;
	*bucket = session;
	pthread_mutex_unlock(&session_lock);
}

/* The newest span is the head; who handles the error forgets to free the trace. */
static NOINLINE void trace_failed_request(uint64_t id)
{
	struct trace_span *innermost = NULL;

	for (int depth = SPANS_PER_TRACE; depth > 0; depth--) {
		enum truth_kind kind = depth == 1 ? DEF : IND;
		struct trace_span *span = noted_alloc(sizeof *span, kind);
		char text[80];

		snprintf(text, sizeof text, "request %llu: span %d timed out after 30000 ms",
			 (unsigned long long)id, depth);
		span->description = copy_text(text, IND);
		span->started_ns = id * 1000 + depth;
		span->parent = innermost;
		innermost = span;
	}
}

static NOINLINE void handle_request(uint64_t id)
{
	void *scratch = malloc(200 + id % 1800);

	memset(scratch, 'r', 200);
	session_open(id);
	if (id % REQUESTS_PER_FAILURE == 0)
		trace_failed_request(id);
	free(scratch);
}

static void *request_worker(void *number)
{
	uint64_t first = (uintptr_t)number * REQUESTS;

	for (uint64_t id = first; id < first + REQUESTS; id++)
		handle_request(id);
	wipe_stack();
	pthread_barrier_wait(&served);
	for (;;)
		pause();
	return NULL;
}

static NOINLINE void channel_open_and_close(void)
{
	struct subscriber *first = noted_alloc(sizeof *first, RING), *last = first;

	for (int i = 1; i < SUBSCRIBERS; i++) {
		struct subscriber *s = noted_alloc(sizeof *s, RING);

		s->socket = 100 + i;
		strcpy(s->topic, "orders.created");
		s->previous = last;
		last = last->next = s;
	}
	last->next = first;
	first->previous = last;
}

static NOINLINE void build_report(void)
{
	struct report_row **rows = malloc(REPORT_ROWS * sizeof *rows);
	size_t n_kept = 0;

	kept_rows = noted_alloc(REPORT_ROWS / ROWS_PER_KEPT * sizeof *kept_rows, REACH);
	for (size_t i = 0; i < REPORT_ROWS; i++) {
		rows[i] = malloc(sizeof *rows[i]);
		rows[i]->day = i;
	}
	for (size_t i = 0; i < REPORT_ROWS; i++) {
		if (i % ROWS_PER_KEPT || n_kept == REPORT_ROWS / ROWS_PER_KEPT)
			free(rows[i]);
		else
			kept_rows[n_kept++] = truth_note(rows[i], sizeof *rows[i], REACH);
	}
	free(rows);
}

static void *report_worker(void *unused)
{
	(void)unused;
	for (int i = 0; i < CHANNELS; i++)
		channel_open_and_close();
	wipe_stack();
	build_report();
	wipe_stack();
	pthread_barrier_wait(&served);
	for (;;)
		pause();
	return NULL;
}

static NOINLINE void serve(void)
{
	pthread_t thread;

	pthread_barrier_init(&served, NULL, WORKERS + 2);
	for (uintptr_t i = 0; i < WORKERS; i++) {
		pthread_create(&thread, NULL, request_worker, (void *)i);
		pthread_setname_np(thread, "request-worker");
	}
	pthread_create(&thread, NULL, report_worker, NULL);
	pthread_setname_np(thread, "report-worker");
	pthread_barrier_wait(&served);
	usleep(50000);		/* until they have all reached pause() */
}

int main(int argc, char **argv)
{
	const char *truth = argc == 3 && !strcmp(argv[1], "--truth") ? argv[2] : "/dev/null";

	puts("demo: serving");
	truth_open(truth, 1 << 18);
	serve();
	truth_total("rings", CHANNELS);
	truth_total("sessions", WORKERS * REQUESTS);
	truth_total("traces_dropped", WORKERS * REQUESTS / REQUESTS_PER_FAILURE);
	truth_close();
	ready_and_wait();
}
