/*
 * records.c - C structs in the shapes that programs give them, held by variables of every kind.
 *
 *	records TRUTH		writes the truth, prints "ready PID", waits to be dumped
 */
#include <pthread.h>
#include <stdbool.h>

#include "types.h"

struct line {
	char *text;
	size_t length;
	struct line *next;
};

struct account {
	int id;
	struct line *first;
	double rates[4];
	struct account *parent, *left, *right;
	void *opaque; /* nothing is told of what this leads to */
	union {
		struct line *line;
		long number;
	} either;
	struct {
		int *counts;
		size_t n_counts;
	} histogram;
	struct account **friends;
	char name[24];
};

/* What many begin with: a pointer to it says nothing of the whole. */
struct header {
	struct header *next;
	int kind;
};

struct small_event {
	struct header head;
	long detail;
};

struct large_event {
	struct header head;
	char *payload;
	long more[12];
};

struct message {
	size_t length;
	struct line *about;
	char body[]; /* as long as its maker wanted */
};

struct table {
	struct slot {
		char *key;
		struct account *value;
		unsigned hash;
	} *slots;
	size_t n;
};

typedef struct {
	long weight;
	struct line *comment;
	char pad[40];
} anonymous_t;

struct bank {
	struct account *root;
	struct table by_name;
	struct header *events;
	struct message *mail[3];
	anonymous_t *notes;
	double *series;
};

static struct bank bank;
struct line *lines;
static __thread struct account *volatile of_thread;
struct account accounts[2];
static struct line *buckets[4096]; /* the first page of .bss is of the file's mapping, the others are not */

#define NOTE(p, form, type, path) types_note(p, sizeof(*(p)), form, type, 0, path)

static void *zeroed(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		exit(3);
	return p;
}

static char *text(size_t n, const char *path)
{
	char *s = zeroed(n);

	memset(s, 't', n - 1);
	types_note(s, n, ARRAY, "char", 0, path);
	return s;
}

static NOINLINE struct line *new_line(size_t n, const char *path)
{
	struct line *l = zeroed(sizeof *l);

	l->text = text(n, NULL);
	l->length = n;
	NOTE(l, VALUE, "struct line", path);
	return l;
}

static NOINLINE struct account *new_account(int id, const char *path)
{
	struct account *a = zeroed(sizeof *a);

	a->id = id;
	a->first = new_line(100 + id % 300, NULL);
	a->first->next = new_line(64, NULL);
	a->histogram.n_counts = 20 + id % 7;
	a->histogram.counts = zeroed(a->histogram.n_counts * sizeof(int));
	types_note(a->histogram.counts, a->histogram.n_counts * sizeof(int), ARRAY, "int", 0, NULL);
	a->friends = zeroed((8 + id % 5) * sizeof *a->friends);
	types_note(a->friends, (8 + id % 5) * sizeof *a->friends, ARRAY, "struct account *", 0, NULL);
	a->friends[2] = a;
	NOTE(a, VALUE, "struct account", path);
	return a;
}

static NOINLINE void make_tree(void)
{
	bank.root = new_account(1, "bank.root");
	for (int i = 2; i < 400; i++) {
		struct account *a = new_account(i, i == 2 ? "bank.root->left" : NULL), *at = bank.root;

		while (i % 3 ? at->left != NULL : at->right != NULL)
			at = i % 3 ? at->left : at->right;
		if (i % 3)
			at->left = a;
		else
			at->right = a;
		a->parent = at;
	}
	bank.by_name.n = 50;
	bank.by_name.slots = zeroed(50 * sizeof *bank.by_name.slots);
	types_note(bank.by_name.slots, 50 * sizeof *bank.by_name.slots, ARRAY, "struct slot", 0, "bank.by_name.slots");
	for (int i = 0; i < 50; i += 3) {
		bank.by_name.slots[i].key = text(40, i == 3 ? "bank.by_name.slots[3].key" : NULL);
		bank.by_name.slots[i].value = bank.root;
	}
}

static NOINLINE void make_events(void)
{
	for (int i = 0; i < 60; i++) {
		struct header *h;

		if (i % 2) {
			struct small_event *e = zeroed(sizeof *e);

			types_note(e, sizeof *e, TRAP, "struct header", 0, NULL);
			h = &e->head;
		} else {
			struct large_event *e = zeroed(sizeof *e);

			types_note(e, sizeof *e, TRAP, "struct header", 0, NULL);
			h = &e->head;
		}
		h->next = bank.events;
		bank.events = h;
	}
}

static NOINLINE void make_others(void)
{
	for (int i = 0; i < 3; i++) {
		size_t n = 50 + 700 * (size_t)i;

		bank.mail[i] = zeroed(sizeof(struct message) + n);
		bank.mail[i]->length = n;
		bank.mail[i]->about = new_line(30, i == 1 ? "bank.mail[1]->about" : NULL);
		types_note(bank.mail[i], sizeof(struct message) + n, VALUE, "struct message", 0, NULL);
	}
	bank.notes = zeroed(sizeof *bank.notes);
	bank.notes->comment = new_line(77, "bank.notes->comment");
	NOTE(bank.notes, VALUE, "anonymous_t", "bank.notes");
	bank.series = zeroed(1000 * sizeof(double));
	types_note(bank.series, 1000 * sizeof(double), ARRAY, "double", 0, "bank.series");
	accounts[1].first = new_line(5, "accounts[1].first");
	bank.root->opaque = zeroed(300);
	types_note(bank.root->opaque, 300, TRAP, "struct account", 0, NULL);
	for (int i = 0; i < 4096; i += 63)
		buckets[i] = new_line(20 + i % 90, i == 63 * 40 ? "buckets[2520]" : NULL);
	buckets[2520]->next = new_line(33, "buckets[2520]->next");
	bank.root->either.line = new_line(9, NULL);
	n_type_notes--; /* a union's: open */
}

static void *worker(void *arg)
{
	struct account *mine = new_account(9000, NULL), *copy = mine;

	of_thread = new_account(9001, "of_thread");
	*(bool *)arg = true;
	__asm__ volatile("" : : "r"(&mine), "r"(&copy) : "memory");
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	struct line *local;
	volatile bool ready = false;
	pthread_t thread;

	if (argc != 2)
		return 2;
	types_open();
	make_tree();
	make_events();
	make_others();
	lines = new_line(10, "lines");
	lines->next = new_line(12, "lines->next");
	for (struct line *l = lines->next; l->length < 100; l = l->next)
		l->next = new_line(l->length + 1, NULL);
	local = new_line(11, "local");
	__asm__ volatile("" : : "r"(&local) : "memory");
	pthread_create(&thread, NULL, worker, (void *)&ready);
	while (!ready)
		usleep(1000);
	types_close(argv[1]);
	types_ready();
}
