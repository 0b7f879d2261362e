/*
 * lists.c - structs that C programs link by what lies in them: rings of list_head, hash lists, a tree,
 * sys/queue.h, the BSDs' sys/tree.h, uthash, chains in buckets, a table in the shape of khash.
 *
 *	lists TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#define _GNU_SOURCE
#include "types.h"

#include <stddef.h>
#include <sys/queue.h>

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct rb_node {
	unsigned long parent_color;
	struct rb_node *right, *left;
};

/* As uthash.h 2.3 has them. */
struct UT_hash_table;
typedef struct UT_hash_handle {
	struct UT_hash_table *tbl;
	void *prev, *next;
	struct UT_hash_handle *hh_prev, *hh_next;
	const void *key;
	unsigned keylen, hashv;
} UT_hash_handle;
typedef struct UT_hash_bucket {
	UT_hash_handle *hh_head;
	unsigned count, expand_mult;
} UT_hash_bucket;
typedef struct UT_hash_table {
	UT_hash_bucket *buckets;
	unsigned num_buckets, log2_num_buckets, num_items;
	UT_hash_handle *tail;
	ptrdiff_t hho;
	long rest[3];
} UT_hash_table;

struct step {
	char *what;
	struct list_head of_job;
	long number;
};

struct job {
	long id;
	char *name;
	struct list_head link;
	struct list_head steps;
	long payload[3];
};

/* As large as a job, with the same link elsewhere. */
struct timer {
	struct list_head link;
	char *label;
	long payload[6];
};

struct user {
	long id;
	struct hlist_node by_id;
	char *mail;
	long payload[9];
};

struct range {
	char *owner;
	struct rb_node node;
	long from, to;
	long payload[12];
};

struct packet {
	char *bytes;
	TAILQ_ENTRY(packet) queue;
	LIST_ENTRY(packet) flow;
	long payload[14];
};

struct task {
	long id;
	STAILQ_ENTRY(task) queued;
	char *title;
	long payload[16];
};

/* RB_ENTRY of the BSDs' sys/tree.h. */
struct alarm {
	long at;
	struct {
		struct alarm *rbe_left, *rbe_right, *rbe_parent;
		int rbe_color;
	} entry;
	char *label;
	long payload[18];
};

/* A hash table of one's own: chains in buckets. */
struct word {
	struct word *next;
	char *letters;
	unsigned long hash;
	long payload[21];
};

struct words {
	struct word **buckets;
	size_t n_buckets, n;
};

struct symbol {
	char *name;
	long value[12];
	UT_hash_handle hh;
};

/* A table of open addresses as klib's khash.h documents one: two bits a bucket say that it is empty (2) or deleted (1). */
struct account {
	char *owner;
	long amount[9];
};

struct kh_accounts {
	uint32_t n_buckets, size, n_occupied, upper_bound;
	uint32_t *flags;
	const char **keys;
	struct account **vals;
};

/* Two that nobody can tell apart by their size and link. */
struct twin_a {
	struct list_head link;
	char *text;
	long payload[26];
};

struct twin_b {
	struct list_head link;
	long number;
	long payload[26];
};

struct list_head jobs = { &jobs, &jobs };
struct list_head timers = { &timers, &timers };
/* The same, but that one of them has no name of its own. */
struct lone {
	struct list_head link;
	char *text;
	long payload[34];
};

typedef struct {
	struct list_head link;
	long number;
	long payload[34];
} bare;

struct list_head twins = { &twins, &twins }, bares = { &bares, &bares };
struct lone *no_lone;
struct hlist_head users[16];
struct rb_node *ranges;
TAILQ_HEAD(packets, packet) packets = TAILQ_HEAD_INITIALIZER(packets);
LIST_HEAD(flows, packet) flows = LIST_HEAD_INITIALIZER(flows);
STAILQ_HEAD(tasks, task) tasks = STAILQ_HEAD_INITIALIZER(tasks);
struct {
	struct alarm *rbh_root;
} alarms;
struct words *words;
struct symbol *symbols;
struct kh_accounts *accounts;

static void *zeroed(size_t size)
{
	void *block = calloc(1, size);

	if (!block)
		exit(3);
	return block;
}

static char *text(const char *format, int i)
{
	char *s = NULL;

	if (asprintf(&s, format, i) < 0)
		exit(3);
	types_note(s, strlen(s) + 1, ARRAY, "char", 0, NULL);
	return s;
}

static const char *holder(const char *format, int i)
{
	char *s = NULL;

	if (asprintf(&s, format, i) < 0)
		exit(3);
	return s;
}

static void add_tail(struct list_head *head, struct list_head *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static void make_jobs(void)
{
	static const char *const first[] = { "jobs.next", "jobs.next->link.next" };

	for (int i = 0; i < 20; i++) {
		struct job *j = zeroed(sizeof *j);

		j->id = i;
		j->name = text("job number %d", i);
		j->steps.next = j->steps.prev = &j->steps;
		add_tail(&jobs, &j->link);
		types_note(j, sizeof *j, VALUE, "struct job", 0, i < 2 ? first[i] : NULL);
		for (int k = 0; k < 3; k++) {
			struct step *s = zeroed(sizeof *s);

			s->what = text("what is done in step %d", k);
			s->number = k;
			add_tail(&j->steps, &s->of_job);
			types_note(s, sizeof *s, VALUE, "struct step", 0, i || k ? NULL : "jobs.next->steps.next");
		}
	}
	for (int i = 0; i < 10; i++) {
		struct timer *t = zeroed(sizeof *t);

		t->label = text("timer number %d", i);
		add_tail(&timers, &t->link);
		types_note(t, sizeof *t, VALUE, "struct timer", 0, NULL);
	}
	for (int i = 0; i < 4; i++) {
		struct twin_a *a = zeroed(sizeof *a);

		add_tail(&twins, &a->link);
		types_note(a, sizeof *a, TRAP, "struct twin_b", 0, NULL);
	}
	for (int i = 0; i < 2; i++) {
		bare *b = zeroed(sizeof *b);

		add_tail(&bares, &b->link);
		types_note(b, sizeof *b, TRAP, "struct lone", 0, NULL);
	}
}

static void make_users(void)
{
	for (int i = 0; i < 64; i++) {
		struct user *u = zeroed(sizeof *u);
		struct hlist_head *h = &users[i % 16];

		u->id = i;
		u->mail = text("user-%d@example.org", i);
		u->by_id.next = h->first;
		u->by_id.pprev = &h->first;
		if (h->first)
			h->first->pprev = &u->by_id.next;
		h->first = &u->by_id;
		types_note(u, sizeof *u, VALUE, "struct user", 0,
			   i >= 48 ? holder("users[%d].first", i % 16) : NULL);
	}
}

/* A tree without colours and without balance. */
static void make_ranges(void)
{
	for (int i = 0; i < 40; i++) {
		struct range *r = zeroed(sizeof *r);
		struct rb_node **at = &ranges, *parent = NULL;

		r->from = i * 7 % 40;
		r->owner = text("owner of range %d", i);
		while (*at) {
			struct range *o = (struct range *)((char *)*at - offsetof(struct range, node));

			parent = *at;
			at = r->from < o->from ? &parent->left : &parent->right;
		}
		r->node.parent_color = (unsigned long)parent;
		*at = &r->node;
		types_note(r, sizeof *r, VALUE, "struct range", 0, i ? NULL : "ranges");
	}
}

static void make_packets(void)
{
	for (int i = 0; i < 30; i++) {
		struct packet *p = zeroed(sizeof *p);

		p->bytes = text("bytes of packet %d", i);
		TAILQ_INSERT_TAIL(&packets, p, queue);
		LIST_INSERT_HEAD(&flows, p, flow);
		types_note(p, sizeof *p, VALUE, "struct packet", 0,
			   i == 0 ? "packets.tqh_first" : i == 1 ? "packets.tqh_first->queue.tqe_next" : NULL);
	}
}

static void make_tasks(void)
{
	for (int i = 0; i < 20; i++) {
		struct task *t = zeroed(sizeof *t);

		t->title = text("title of task %d", i);
		STAILQ_INSERT_TAIL(&tasks, t, queued);
		types_note(t, sizeof *t, VALUE, "struct task", 0,
			   i == 0 ? "tasks.stqh_first" : i == 1 ? "tasks.stqh_first->queued.stqe_next" : NULL);
	}
}

/* Without balance. */
static void make_alarms(void)
{
	for (int i = 0; i < 24; i++) {
		struct alarm *a = zeroed(sizeof *a), **at = &alarms.rbh_root;

		a->at = i * 11 % 24;
		a->label = text("label of alarm %d", i);
		while (*at) {
			a->entry.rbe_parent = *at;
			at = a->at < (*at)->at ? &(*at)->entry.rbe_left : &(*at)->entry.rbe_right;
		}
		*at = a;
		types_note(a, sizeof *a, VALUE, "struct alarm", 0,
			   i == 0 ? "alarms.rbh_root" : i == 1 ? "alarms.rbh_root->entry.rbe_right" : NULL);
	}
}

static void make_words(void)
{
	enum { BUCKETS = 32 };

	words = zeroed(sizeof *words);
	words->n_buckets = BUCKETS;
	words->buckets = zeroed(BUCKETS * sizeof *words->buckets);
	types_note(words, sizeof *words, VALUE, "struct words", 0, "words");
	types_note(words->buckets, BUCKETS * sizeof *words->buckets, ARRAY, "struct word *", 0, "words->buckets");
	for (int i = 0; i < 48; i++) {
		struct word *w = zeroed(sizeof *w);

		w->hash = (unsigned long)i * 5 % BUCKETS;
		w->letters = text("the letters of word %d", i);
		w->next = words->buckets[w->hash];
		words->buckets[w->hash] = w;
		words->n++;
		types_note(w, sizeof *w, VALUE, "struct word", 0, i == 40 ? "words->buckets[8]" : NULL);
	}
}

static void make_symbols(void)
{
	UT_hash_table *t = zeroed(sizeof *t);
	struct symbol *last = NULL;

	t->num_buckets = 8;
	t->buckets = zeroed(t->num_buckets * sizeof *t->buckets);
	t->hho = offsetof(struct symbol, hh);
	types_note(t, sizeof *t, VALUE, "struct UT_hash_table", 0, "symbols->hh.tbl");
	types_note(t->buckets, t->num_buckets * sizeof *t->buckets, ARRAY, "struct UT_hash_bucket", 0, NULL);
	for (int i = 0; i < 25; i++) {
		struct symbol *s = zeroed(sizeof *s);
		UT_hash_bucket *b = &t->buckets[i % 8];

		s->name = text("symbol %d of the table", i);
		s->hh.tbl = t;
		s->hh.prev = last;
		if (last)
			last->hh.next = s;
		else
			symbols = s;
		s->hh.hh_next = b->hh_head;
		if (b->hh_head)
			b->hh_head->hh_prev = &s->hh;
		b->hh_head = &s->hh;
		t->tail = &s->hh;
		s->hh.key = s->name;
		last = s;
		types_note(s, sizeof *s, VALUE, "struct symbol", 0, i == 0 ? "symbols" : i == 1 ? "symbols->hh.next" : NULL);
	}
}

static void make_accounts(void)
{
	enum { BUCKETS = 64, USED = 20, FLAGS = BUCKETS / 16 };
	struct kh_accounts *h = accounts = zeroed(sizeof *h);

	h->n_buckets = BUCKETS;
	h->flags = zeroed(FLAGS * sizeof *h->flags);
	h->keys = zeroed(BUCKETS * sizeof *h->keys);
	h->vals = zeroed(BUCKETS * sizeof *h->vals);
	memset(h->flags, 0xaa, FLAGS * sizeof *h->flags);
	types_note(h, sizeof *h, VALUE, "struct kh_accounts", 0, "accounts");
	types_note(h->flags, FLAGS * sizeof *h->flags, ARRAY, "unsigned int", 0, NULL);
	types_note(h->keys, BUCKETS * sizeof *h->keys, ARRAY, "char *", 0, "accounts->keys");
	types_note(h->vals, BUCKETS * sizeof *h->vals, ARRAY, "struct account *", 0, "accounts->vals");
	for (int i = 0; i < USED; i++) {
		unsigned at = (unsigned)i * 37 % BUCKETS;
		struct account *a = zeroed(sizeof *a);

		a->owner = text("who has account number %d", i);
		h->keys[at] = text("account number %d of the bank", i);
		h->vals[at] = a;
		h->flags[at / 16] &= ~(3u << at % 16 * 2);
		h->size = ++h->n_occupied;
		types_note(a, sizeof *a, VALUE, "struct account", 0, i == 3 ? holder("accounts->vals[%d]", (int)at) : NULL);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	make_jobs();
	make_users();
	make_ranges();
	make_packets();
	make_tasks();
	make_alarms();
	make_words();
	make_symbols();
	make_accounts();
	types_wipe_stack();
	types_close(argv[1]);
	types_ready();
}
