/*
 * khashes.c - tables in the shape of klib's khash.h, with values that are structs, keys of numbers, and what
 * deleted and empty buckets still have in them.
 *
 *	khashes TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#define _GNU_SOURCE
#include "types.h"

#include <stdint.h>

typedef uint32_t khint_t;

/* As KHASH_TYPE makes one. */
#define KHASH(name, key, value) \
	struct kh_##name { \
		khint_t n_buckets, size, n_occupied, upper_bound; \
		khint_t *flags; \
		key *keys; \
		value *vals; \
	}

struct price {
	char *text;
	long amount[6];
};

struct seat {
	long number;
	char *guest;
	long rest[10];
};

KHASH(prices, const char *, struct price);
KHASH(seats, uint64_t, struct seat *);
KHASH(names, const char *, char);

struct shop {
	long id;
	struct kh_names seen;	/* a set: no values */
	struct kh_seats *seats;
};

struct kh_prices *prices;
struct shop *shop;

enum { ROOM = 64, USED = 12, FLAGS = ROOM / 16 };
enum { EMPTY = 2, DELETED = 1 };

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
	return s;
}

static khint_t *flags_new(void)
{
	khint_t *flags = zeroed(FLAGS * sizeof *flags);

	memset(flags, 0xaa, FLAGS * sizeof *flags);
	types_note(flags, FLAGS * sizeof *flags, ARRAY, "unsigned int", 0, NULL);
	return flags;
}

static void set(khint_t *flags, unsigned at, unsigned is)
{
	flags[at / 16] &= ~(3u << at % 16 * 2);
	flags[at / 16] |= is << at % 16 * 2;
}

static void make_prices(void)
{
	struct kh_prices *h = prices = zeroed(sizeof *h);

	h->n_buckets = ROOM;
	h->upper_bound = ROOM * 77 / 100;
	h->flags = flags_new();
	h->keys = zeroed(ROOM * sizeof *h->keys);
	h->vals = zeroed(ROOM * sizeof *h->vals);
	types_note(h, sizeof *h, VALUE, "struct kh_prices", 0, "prices");
	types_note(h->keys, ROOM * sizeof *h->keys, ARRAY, "char *", 0, "prices->keys");
	types_note(h->vals, ROOM * sizeof *h->vals, ARRAY, "struct price", 0, "prices->vals");
	for (int i = 0; i < USED; i++) {
		unsigned at = (unsigned)i * 37 % ROOM;

		h->keys[at] = text("the price of item %d in the shop", i);
		h->vals[at].text = text("what is told of item %d in the shop", i);
		h->vals[at].amount[0] = i;
		set(h->flags, at, 0);
		h->size = ++h->n_occupied;
		types_note(h->keys[at], strlen(h->keys[at]) + 1, ARRAY, "char", 0, i == 5 ? text("prices->keys[%d]", (int)at) : NULL);
		types_note(h->vals[at].text, strlen(h->vals[at].text) + 1, ARRAY, "char", 0,
			   i == 5 ? text("prices->vals[%d].text", (int)at) : NULL);
	}
	/* What deleted ones had was freed, and is something else by now; empty ones have no meaning. */
	for (unsigned i = 0, at = 1; i < 8; i++, at++) {
		while (!(h->flags[at / 16] >> at % 16 * 2 & EMPTY))
			at++;
		h->vals[at].text = zeroed(sizeof(struct seat));
		types_note(h->vals[at].text, sizeof(struct seat), TRAP, "char[]", 0, NULL);
		if (i % 2) {
			set(h->flags, at, DELETED);
			h->n_occupied++;
		}
	}
	for (unsigned at = 0; at < ROOM; at++)
		if (!h->vals[at].text)
			h->vals[at].text = (char *)(uintptr_t)0x5a5a5a5a5a5a5a5a;
}

static void make_shop(void)
{
	struct kh_seats *h;

	shop = zeroed(sizeof *shop);
	types_note(shop, sizeof *shop, VALUE, "struct shop", 0, "shop");
	shop->seats = h = zeroed(sizeof *h);
	h->n_buckets = ROOM;
	h->flags = flags_new();
	h->keys = zeroed(ROOM * sizeof *h->keys);
	h->vals = zeroed(ROOM * sizeof *h->vals);
	types_note(h, sizeof *h, VALUE, "struct kh_seats", 0, "shop->seats");
	types_note(h->vals, ROOM * sizeof *h->vals, ARRAY, "struct seat *", 0, "shop->seats->vals");
	for (int i = 0; i < USED; i++) {
		unsigned at = (unsigned)i * 29 % ROOM;
		struct seat *s = zeroed(sizeof *s);

		s->number = 100 + i;
		s->guest = text("who sits there: guest %d", i);
		h->keys[at] = (uint64_t)s->number;
		h->vals[at] = s;
		set(h->flags, at, 0);
		h->size = ++h->n_occupied;
		types_note(s, sizeof *s, VALUE, "struct seat", 0, i == 4 ? text("shop->seats->vals[%d]", (int)at) : NULL);
		types_note(s->guest, strlen(s->guest) + 1, ARRAY, "char", 0, NULL);
	}
	shop->seen.n_buckets = ROOM;
	shop->seen.flags = flags_new();
	shop->seen.keys = zeroed(ROOM * sizeof *shop->seen.keys);
	types_note(shop->seen.keys, ROOM * sizeof *shop->seen.keys, ARRAY, "char *", 0, "shop->seen.keys");
	for (int i = 0; i < USED; i++) {
		unsigned at = (unsigned)i * 41 % ROOM;
		char *name = text("a name that was seen, number %d", i);

		shop->seen.keys[at] = name;
		set(shop->seen.flags, at, 0);
		shop->seen.size = ++shop->seen.n_occupied;
		types_note(name, strlen(name) + 1, ARRAY, "char", 0, i == 7 ? text("shop->seen.keys[%d]", (int)at) : NULL);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	make_prices();
	make_shop();
	types_wipe_stack();
	types_close(argv[1]);
	types_ready();
}
