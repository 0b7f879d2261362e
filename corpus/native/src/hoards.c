/*
 * hoards.c - large structures, each held in a way of its own: what suspects are to say of them.
 *
 *	hoards TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 *	g_cache -> cache -> table -> a million entries in chains		(one way in)
 *	g_list -> a list							(one global alone)
 *	g_front -> front -> registry <- back <- g_back; registry -> table -> members
 *						(two holders: cutting one frees nothing)
 *	g_tree -> a binary tree, each node knows its parent
 *	g_ring -> a ring linked both ways
 *
 * The totals say of each how many blocks there are and their bytes with what malloc adds, and where
 * its first block is, masked.
 */
#include "truth.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = 1000000, BUCKETS = 1 << 18, LINKS = 200000, MEMBERS = 100000, LEAVES = 100000,
	BEADS = 100000 };

struct entry {
	struct entry *next;
	uint64_t key;
};
struct cache {
	struct entry **table;
	uint64_t buckets, entries;
};
struct link {
	struct link *next;
	uint64_t payload[6];
};
struct member {
	uint64_t payload[15];
};
struct registry {
	struct member **table;
	uint64_t n;
};
struct holder {
	uint64_t number;
	struct registry *registry;
	uint64_t pad[4];
};
struct leaf {
	struct leaf *left, *right, *parent;
	uint64_t payload[6];
};
struct bead {
	struct bead *next, *prev;
	uint64_t payload[9];
};

struct cache *volatile g_cache;
struct link *volatile g_list;
struct holder *volatile g_front, *volatile g_back;
struct leaf *volatile g_tree;
struct bead *volatile g_ring;

static uint64_t made_blocks, made_bytes;

/* A chunk of glibc's has a word before what is usable; two where it is a mapping of its own (bit 1 of its size). */
static void *make(size_t size)
{
	uint64_t *block = calloc(1, size);

	made_blocks++;
	made_bytes += malloc_usable_size(block) + sizeof(size_t) * (1 + (block[-1] >> 1 & 1));
	return block;
}

static void note(const char *blocks, const char *bytes, const char *address, const void *first)
{
	truth_total(blocks, made_blocks);
	truth_total(bytes, made_bytes);
	truth_total(address, (uintptr_t)first ^ TRUTH_MASK);
	made_blocks = made_bytes = 0;
}

static NOINLINE void make_cache(void)
{
	struct cache *cache = make(sizeof(*cache));

	cache->buckets = BUCKETS;
	cache->table = make(BUCKETS * sizeof(*cache->table));
	for (uint64_t i = 0; i < ENTRIES; i++) {
		struct entry *entry = make(sizeof(*entry)), **bucket = &cache->table[i * 2654435761 % BUCKETS];

		entry->key = i;
		entry->next = *bucket;
		*bucket = entry;
	}
	g_cache = cache;
	note("cache.blocks", "cache.bytes", "cache", cache);
}

static NOINLINE void make_list(void)
{
	for (uint64_t i = 0; i < LINKS; i++) {
		struct link *link = make(sizeof(*link));

		link->next = g_list;
		g_list = link;
	}
	note("list.blocks", "list.bytes", "list", g_list);
}

static NOINLINE void make_registry(void)
{
	struct registry *registry = make(sizeof(*registry));

	registry->table = make(MEMBERS * sizeof(*registry->table));
	for (registry->n = 0; registry->n < MEMBERS; registry->n++)
		registry->table[registry->n] = make(sizeof(struct member));
	note("registry.blocks", "registry.bytes", "registry", registry);
	g_front = make(sizeof(struct holder));
	g_back = make(sizeof(struct holder));
	g_front->registry = g_back->registry = registry;
	note("holders.blocks", "holders.bytes", "front", g_front);
}

static NOINLINE void make_tree(void)
{
	struct leaf **all = malloc(LEAVES * sizeof(struct leaf *));

	for (uint64_t i = 0; i < LEAVES; i++) {
		all[i] = make(sizeof(struct leaf));
		if (!i)
			continue;
		all[i]->parent = all[(i - 1) / 2];
		*(i % 2 ? &all[i]->parent->left : &all[i]->parent->right) = all[i];
	}
	g_tree = all[0];
	free(all);
	note("tree.blocks", "tree.bytes", "tree", g_tree);
}

static NOINLINE void make_ring(void)
{
	struct bead *first = make(sizeof(*first));

	first->next = first->prev = first;
	for (uint64_t i = 1; i < BEADS; i++) {
		struct bead *bead = make(sizeof(*bead));

		bead->next = first;
		bead->prev = first->prev;
		bead->prev->next = first->prev = bead;
	}
	g_ring = first;
	note("ring.blocks", "ring.bytes", "ring", first);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: hoards TRUTH\n");
		return 2;
	}
	puts("hoards");
	truth_open(argv[1], 64);
	make_cache();
	make_list();
	make_registry();
	make_tree();
	make_ring();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
