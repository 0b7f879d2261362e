/*
 * owncounts.c - structs of C that count the references to them, in three ways (owncounts.rules):
 * rings that nobody holds, rings that somebody holds, and healthy twins.
 *
 *	owncounts TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Rows as refcounts.cpp has them: `count` with what is to be said of the block's ring in the place of
 * the type (leaked, held, healthy) and the ring's name in that of its holder, `value` with the type.
 */
#define _GNU_SOURCE
#include "types.h"

#include <stdatomic.h>

/* What others begin with. */
struct object {
	atomic_int refs;
	int kind;
};

struct child;

struct parent {
	struct object base;
	struct child **children;
	long n_children;
	char *label;
};

struct child {
	struct object base;
	struct parent *parent; /* counted */
	struct parent *asked;  /* not counted: owncounts.rules says so */
	long payload[3];
};

/* A count beside flags, and one of weak references. */
struct page {
	long flags_and_refs; /* the count from bit 4 on, less one */
	long watchers;
	struct page *next;
	struct page *watched; /* counted in `watchers` */
	long data[4];
};

/* Linked by what holds no type: a word of whoever asks to be called back. */
struct task {
	long refs;
	void (*call)(void *);
	void *arg;
	long payload[6];
};

struct parent *global_parent;
struct page *global_pages;
struct task *global_task;
struct child *stale; /* of a ring that is leaked: whoever keeps the address has no reference */

static void note(const void *block, size_t size, const char *type, const char *what, const char *ring, int i)
{
	char *name = NULL;

	if (asprintf(&name, "%s#%d", ring, i) < 0)
		exit(3);
	types_note(block, size, COUNT, what, 0, name);
	types_note(block, size, VALUE, type, 0, NULL);
}

static void *zeroed(size_t size)
{
	void *block = calloc(1, size);

	if (!block)
		exit(3);
	return block;
}

static struct parent *new_family(int n, int weak, const char *what, const char *ring, int no)
{
	struct parent *p = zeroed(sizeof(*p));

	p->base.refs = 0;
	p->n_children = n;
	p->children = zeroed((size_t)n * sizeof(*p->children));
	p->label = strdup("a family of structs");
	for (int i = 0; i < n; i++) {
		struct child *c = zeroed(sizeof(*c));

		p->children[i] = c;
		c->base.refs = 1;
		c->base.kind = 1;
		c->asked = p;
		if (!weak) {
			c->parent = p;
			p->base.refs++;
		}
		note(c, sizeof(*c), "struct child", what, ring, no);
	}
	note(p, sizeof(*p), "struct parent", what, ring, no);
	return p;
}

static struct page *new_ring(int n, const char *what, const char *ring, int no)
{
	struct page *first = NULL, *last = NULL;

	for (int i = 0; i < n; i++) {
		struct page *p = zeroed(sizeof(*p));

		p->flags_and_refs = 0x5; /* one reference */
		p->next = first;
		if (first) {
			p->watched = first;
			first->watchers++;
		}
		first = p;
		last = last ? last : p;
		note(p, sizeof(*p), "struct page", what, ring, no);
	}
	last->next = first;
	return first;
}

static void called(void *arg)
{
	(void)arg;
}

static struct task *new_tasks(const char *what, const char *ring, int no)
{
	struct task *a = zeroed(sizeof(*a)), *b = zeroed(sizeof(*b));

	a->refs = b->refs = 1;
	a->call = b->call = called;
	a->arg = b;
	b->arg = a;
	note(a, sizeof(*a), "struct task", what, ring, no);
	note(b, sizeof(*b), "struct task", what, ring, no);
	return a;
}

static NOINLINE void make(void)
{
	struct parent *p;

	for (int i = 0; i < 8; i++)
		new_family(3, 0, "leaked", "family", i);
	for (int i = 0; i < 10; i++)
		new_ring(2 + i % 3, "leaked", "pages", i);
	for (int i = 0; i < 5; i++)
		new_tasks("leaked", "tasks", i);
	stale = new_family(4, 0, "leaked", "stale", 0)->children[1];
	p = new_family(4, 0, "held", "family", 100);
	p->base.refs++;
	global_parent = p;
	global_pages = new_ring(3, "held", "pages", 100);
	global_pages->flags_and_refs += 1 << 4;
	global_task = new_tasks("held", "tasks", 100);
	global_task->refs++;
	/* Nobody's, without a ring: the children's pointers do not count. */
	for (int i = 0; i < 5; i++)
		new_family(2, 1, "healthy", "family", 200 + i)->base.refs = 1;
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
