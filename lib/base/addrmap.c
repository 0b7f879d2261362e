/*
 * base/addrmap.c - open addressing, linear probing; a table that is full is copied into one twice
 * its size, and stays behind it for readers that are still in it.
 */
#include "base/addrmap.h"

#include <stdlib.h>

struct addrmap_table {
	struct addrmap_table *older;
	size_t mask;
	struct {
		_Atomic uint64_t key;
		const void *value; /* written before the key */
	} slots[];
};

static size_t slot_of(uint64_t key, size_t mask)
{
	return (size_t)(key * 0x9e3779b97f4a7c15ull >> 20) & mask;
}

const void *addrmap_get(const struct addrmap *m, uint64_t key)
{
	struct addrmap_table *t =
		atomic_load_explicit(&((struct addrmap *)m)->now, memory_order_acquire);

	if (!t)
		return NULL;
	for (size_t i = slot_of(key, t->mask);; i = (i + 1) & t->mask) {
		uint64_t k = atomic_load_explicit(&t->slots[i].key, memory_order_acquire);

		if (k == key)
			return t->slots[i].value;
		if (!k)
			return NULL;
	}
}

static void insert(struct addrmap_table *t, uint64_t key, const void *value)
{
	size_t i = slot_of(key, t->mask);

	while (atomic_load_explicit(&t->slots[i].key, memory_order_relaxed))
		i = (i + 1) & t->mask;
	t->slots[i].value = value;
	atomic_store_explicit(&t->slots[i].key, key, memory_order_release);
}

static struct addrmap_table *grown(const struct addrmap_table *old)
{
	size_t n = old ? 2 * (old->mask + 1) : 64;
	struct addrmap_table *t = calloc(1, sizeof(*t) + n * sizeof(t->slots[0]));

	if (!t)
		return NULL;
	t->mask = n - 1;
	t->older = (struct addrmap_table *)old;
	for (size_t i = 0; old && i <= old->mask; i++)
		if (old->slots[i].key)
			insert(t, old->slots[i].key, old->slots[i].value);
	return t;
}

bool addrmap_put(struct addrmap *m, uint64_t key, const void *value)
{
	struct addrmap_table *t = atomic_load_explicit(&m->now, memory_order_relaxed);

	if (!t || 2 * m->n > t->mask) {
		t = grown(t);
		if (!t)
			return false;
		atomic_store_explicit(&m->now, t, memory_order_release);
	}
	insert(t, key, value);
	m->n++;
	return true;
}

void addrmap_each(const struct addrmap *m, void (*fn)(void *arg, uint64_t key, const void *value),
		  void *arg)
{
	const struct addrmap_table *t = m->now;

	for (size_t i = 0; t && i <= t->mask; i++)
		if (t->slots[i].key)
			fn(arg, t->slots[i].key, t->slots[i].value);
}

void addrmap_fini(struct addrmap *m)
{
	struct addrmap_table *t = atomic_load_explicit(&m->now, memory_order_relaxed), *older;

	for (; t; t = older) {
		older = t->older;
		free(t);
	}
	*m = (struct addrmap){};
}
