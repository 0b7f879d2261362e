/*
 * entries.c - blocks that functions were given whose callers alone still have them, as numbers: what they are only
 * a call site tells, by what it says of its arguments (DW_OP_entry_value).  And structs of two words in registers.
 *
 *	entries TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * Traps are what a call site says nothing of: the function that it is for called another one in its place.
 */
#define _GNU_SOURCE
#include "types.h"

/* It is needed behind this, and nothing else is known of it. */
#define USED(p) __asm__ volatile("" : : "r"(p) : "memory")
#define HIDE(p) __asm__("" : "+r"(p))
/* Calls are made as they are written. */
#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noipa))
#endif

struct job {
	long number;
	char *name;
	long payload[5];
};

struct ticket {
	struct job *job;
	long payload[12];
};

struct part {
	long id;
	char *text;
	long payload[8];
};

struct parts {
	struct part *first;
	long n;
};

struct lamp {
	long watts;
	char *where;
	long payload[20];
};

struct shade {
	long colour;
	long payload[30];
};

struct link {
	long id;
	struct link *next;
	long payload[38];
};

struct gauge {
	long value;
	long payload[44];
};

static const char *path;
static volatile long sum;

static void *zeroed(size_t size)
{
	void *block = calloc(1, size);

	if (!block)
		exit(3);
	return block;
}

static char *text(const char *s, const char *holder)
{
	char *copy = strdup(s);

	if (!copy)
		exit(3);
	types_note(copy, strlen(s) + 1, ARRAY, "char", 0, holder);
	return copy;
}

/* Compilers must not know that nobody comes back: they would tell what is so of registers behind calls. */
static volatile int waits = 1;

static APART void stops(long n)
{
	sum += n;
	types_close(path);
	if (waits)
		types_ready();
}

/* It is in neither memory nor a register while these wait. */
static APART long watches(struct gauge *gauge)
{
	sum += gauge->value;
	stops(1);
	return sum + 1;
}

/* Called by what was called in its place. */
static APART long behind(struct shade *shade, long n)
{
	struct gauge *gauge = zeroed(sizeof *gauge);
	uintptr_t kept = (uintptr_t)gauge;

	types_note(gauge, sizeof *gauge, VALUE, "struct gauge", 0, "gauge");
	HIDE(kept);
	sum += shade->colour + n;
	sum += watches((struct gauge *)kept);
	USED(kept);
	return sum + 2;
}

static APART long before(struct lamp *lamp, long n)
{
	sum += lamp->watts;
	return behind((struct shade *)(lamp->payload), n); /* a tail call */
}

static APART long tails(long n)
{
	struct lamp *lamp = zeroed(sizeof *lamp);
	uintptr_t kept = (uintptr_t)lamp;

	types_note(lamp, sizeof *lamp, TRAP, "struct shade", 0, NULL);
	HIDE(kept);
	sum += before((struct lamp *)kept, n);
	USED(kept);
	return sum + 3;
}

static APART long odd(struct link *link, long n);

/* The frame that waits may be of any of the calls. */
static APART long even(struct link *link, long n)
{
	sum += link->id;
	if (n)
		return odd(link->next, n - 1);
	sum += tails(n);
	return sum + 4;
}

static APART long odd(struct link *link, long n)
{
	sum += 2 * link->id;
	return even(link->next, n - 1);
}

static APART long rounds(long other, long another, long n)
{
	struct link *first = NULL;
	uintptr_t kept;

	sum += other + another;
	for (int i = 0; i < 3; i++) {
		struct link *l = zeroed(sizeof *l);

		l->next = first;
		first = l;
	}
	/* Nothing is known of its type: had the last call been told of the first one's argument, something were. */
	types_note(first, sizeof *first, TRAP, "struct link", 0, NULL);
	kept = (uintptr_t)first;
	HIDE(kept);
	sum += even((struct link *)kept, n);
	USED(kept);
	return sum + 5;
}

/* A struct in two registers. */
static APART long counts(struct parts parts, long n)
{
	sum += parts.first->id + parts.n;
	sum += rounds(n + 7, n + 9, n);
	USED(parts.first);
	USED(parts.n);
	return sum + 6;
}

static APART struct part *new_part(void)
{
	struct part *p = zeroed(sizeof *p);

	types_note(p, sizeof *p, VALUE, "struct part", 0, "parts.first");
	p->text = text("what is written on the part", "parts.first->text");
	return p;
}

static APART long holds(uintptr_t part, long n)
{
	struct parts parts = { (struct part *)part, n + 1 };

	HIDE(parts.n);
	sum += counts(parts, n);
	return sum + 7;
}

/* What this one was given its caller was given as well. */
static APART long works(struct job *job, long n)
{
	sum += job->number + n;
	sum += holds((uintptr_t)new_part(), n);
	return sum + 8;
}

static APART long passes(struct job *job, long n)
{
	sum += job->number;
	sum += works(job, n);
	return sum + 9;
}

static APART uintptr_t new_job(const char *holder, const char *name)
{
	struct job *j = zeroed(sizeof *j);

	types_note(j, sizeof *j, VALUE, "struct job", 0, NULL);
	j->name = text(name, holder);
	return (uintptr_t)j;
}

static APART long collects(struct ticket *ticket, long n)
{
	uintptr_t job = new_job("job->name", "the name of the job that is passed on");

	HIDE(job);
	sum += ticket->payload[0];
	sum += passes((struct job *)job, n);
	USED(job);
	return sum + 10;
}

static APART long starts(long n)
{
	struct ticket *ticket = zeroed(sizeof *ticket);
	uintptr_t kept = (uintptr_t)ticket;

	types_note(ticket, sizeof *ticket, VALUE, "struct ticket", 0, "ticket");
	ticket->job = (struct job *)new_job("ticket->job->name", "the name of the job on the ticket");
	HIDE(kept);
	sum += collects((struct ticket *)kept, n);
	USED(kept);
	return sum + 11;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	path = argv[1];
	types_open();
	types_wipe_stack();
	sum = starts(2);
	return (int)sum;
}
