/*
 * callers.c - blocks that nothing but local variables lead to: of functions that called others and wait for them,
 * and of one that a signal interrupted.  With -O2 these are in registers, which their callees save.
 *
 *	callers TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#define _GNU_SOURCE
#include "types.h"

#include <signal.h>

/* It is needed behind this. */
#define USED(p) __asm__ volatile("" : : "r"(p) : "memory")

struct item {
	long id;
	char *name;
	long payload[5];
};

struct basket {
	struct item *item;
	long n;
	long payload[12];
};

struct till {
	long number;
	struct basket *last;
	long payload[20];
};

struct ledger {
	char *title;
	struct item *items[3];
	long payload[27];
};

struct lamp {
	long watts;
	char *where;
	long payload[36];
};

struct fault {
	char *what;
	struct lamp *lamp;
	long payload[44];
};

static const char *path;
static volatile long *volatile nowhere = (volatile long *)8;

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

static NOINLINE struct item *new_item(long id, const char *name, const char *holder)
{
	struct item *i = zeroed(sizeof *i);

	i->id = id;
	i->name = text(name, NULL);
	types_note(i, sizeof *i, VALUE, "struct item", 0, holder);
	return i;
}

static void on_fault(int signal)
{
	(void)signal;
	types_close(path);
	types_ready();
}

static NOINLINE void fails(struct fault *fault)
{
	*nowhere = 1;
	USED(fault);
}

static NOINLINE struct fault *new_fault(void)
{
	struct fault *f = zeroed(sizeof *f);

	types_note(f, sizeof *f, VALUE, "struct fault", 0, "fault");
	f->what = text("what went wrong there, in words", "fault->what");
	f->lamp = zeroed(sizeof *f->lamp);
	types_note(f->lamp, sizeof *f->lamp, VALUE, "struct lamp", 0, "fault->lamp");
	f->lamp->where = text("where the lamp is, in words", "fault->lamp->where");
	return f;
}

static NOINLINE long innermost(struct ledger *ledger, long n)
{
	fails(new_fault());
	USED(ledger);
	return n;
}

static NOINLINE struct ledger *new_ledger(void)
{
	struct ledger *l = zeroed(sizeof *l);

	types_note(l, sizeof *l, VALUE, "struct ledger", 0, "ledger");
	l->title = text("the title of the ledger, on its first page", "ledger->title");
	for (int i = 0; i < 3; i++)
		l->items[i] = new_item(i, "an item of the ledger's", i == 2 ? "ledger->items[2]" : NULL);
	return l;
}

static NOINLINE struct till *new_till(void)
{
	struct till *t = zeroed(sizeof *t);

	types_note(t, sizeof *t, VALUE, "struct till", 0, "till");
	t->last = zeroed(sizeof *t->last);
	types_note(t->last, sizeof *t->last, VALUE, "struct basket", 0, "till->last");
	t->last->item = new_item(7, "what was bought last", "till->last->item");
	return t;
}

static NOINLINE long middle(long n)
{
	struct till *till = new_till();

	n = innermost(new_ledger(), n);
	USED(till);
	return n;
}

static NOINLINE long outermost(long n)
{
	struct item *single = new_item(n, "a single one", "single");
	struct basket *basket = zeroed(sizeof *basket);
	char *label = text("a label that a function alone knows", "label");

	types_note(basket, sizeof *basket, VALUE, "struct basket", 0, "basket");
	basket->item = new_item(n, "the one in the basket", "basket->item");
	n = middle(n);
	USED(single);
	USED(basket);
	USED(label);
	return n;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	path = argv[1];
	types_open();
	signal(SIGSEGV, on_fault);
	types_wipe_stack();
	return (int)outermost(argc);
}
