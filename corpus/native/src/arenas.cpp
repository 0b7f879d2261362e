/*
 * arenas.cpp - a large heap in many threads: lists, hash tables, maps, vectors, strings, objects.
 *
 *	arenas MIB THREADS TRUTH	fills MIB MiB, writes the truth, prints "ready PID", waits
 *
 * Each thread fills a store of its own, in an arena of its own, and drops a short chain now and
 * then.  The truth notes those chains; everything else is held.  No time, no address and no order
 * of threads enters into what a thread allocates: the same arguments give the same heap.
 */
#include "truth.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <vector>

struct Shape {
	uint64_t id = 0;
	virtual ~Shape() {}
	virtual int area() const = 0;
};

struct Circle : Shape {
	double radius = 1;
	int area() const override { return (int)(radius * radius * 3); }
};

struct Square : Shape {
	double a = 1, b = 1;
	std::string name;
	int area() const override { return (int)(a * b); }
};

struct ListNode {
	ListNode *next;
	uint64_t value;
	char payload[24];
};

struct HashEntry {
	HashEntry *next;
	uint32_t hash;
	char *key;
};

enum : std::size_t { BUCKETS = 1 << 16, FREE_AT_ONCE = 4000 };

struct Store {
	ListNode *list = nullptr;
	HashEntry **buckets = nullptr;
	std::map<uint64_t, std::string> tree;
	std::unordered_map<std::string, std::vector<int>> table;
	std::vector<std::unique_ptr<Shape>> shapes;
};

static std::vector<Store *> *g_stores;
static std::atomic<int> n_done;

static uint64_t next_random(uint64_t &seed)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static NOINLINE void drop_chain(uint64_t value, int n)
{
	ListNode *tail = nullptr;

	for (int i = 0; i < n; i++) {
		ListNode *node = new ListNode();

		truth_note(node, sizeof *node, i ? IND : DEF);
		node->value = value;
		if (tail)
			tail->next = node;
		tail = node;
	}
}

/* Each of these adds to the store and returns about how much memory that took. */

static std::size_t add_node(Store *store, uint64_t i)
{
	store->list = new ListNode{ store->list, i, {} };
	return 48;
}

static std::size_t add_hash_entry(Store *store, uint64_t &seed)
{
	HashEntry *entry = (HashEntry *)malloc(sizeof *entry);
	std::size_t length = 16 + next_random(seed) % 60;

	entry->key = (char *)malloc(length);
	memset(entry->key, 'k', length);
	entry->hash = (uint32_t)next_random(seed);
	HashEntry **bucket = &store->buckets[entry->hash % BUCKETS];
	entry->next = *bucket;
	*bucket = entry;
	return 32 + length + 16;
}

static std::size_t add_to_tree(Store *store, uint64_t &seed)
{
	uint64_t key = next_random(seed);

	store->tree.emplace(key, std::string(20 + next_random(seed) % 50, 'm'));
	return 80 + 64;
}

static std::size_t add_to_table(Store *store, uint64_t i, uint64_t &seed)
{
	auto &numbers = store->table["key-" + std::to_string(i) + "-padding-padding"];

	for (int k = 0; k < (int)(next_random(seed) % 12); k++)
		numbers.push_back(k);
	return 160;
}

static std::size_t add_shape(Store *store, uint64_t i, uint64_t &seed)
{
	if (next_random(seed) & 1) {
		auto circle = std::make_unique<Circle>();

		circle->id = i;
		store->shapes.push_back(std::move(circle));
		return 40;
	}
	auto square = std::make_unique<Square>();

	square->id = i;
	square->name = std::string(30, 's');
	store->shapes.push_back(std::move(square));
	return 130;
}

static void free_all(std::vector<void *> &blocks)
{
	for (void *block : blocks)
		free(block);
	blocks.clear();
}

static void churn(std::vector<void *> &transient, uint64_t &seed)
{
	void *block = malloc(32 + next_random(seed) % 400);

	memset(block, 'f', 32);
	transient.push_back(block);
	if (transient.size() > FREE_AT_ONCE)
		free_all(transient);
}

static NOINLINE void fill(Store *store, int number, std::size_t budget)
{
	uint64_t seed = 88172645463325252ull + number * 7919;
	std::size_t used = BUCKETS * sizeof *store->buckets;
	std::vector<void *> transient;

	store->buckets = (HashEntry **)calloc(BUCKETS, sizeof *store->buckets);
	for (uint64_t i = 1; used < budget; i++) {
		switch (next_random(seed) % 6) {
		case 0:
			used += add_node(store, i);
			break;
		case 1:
			used += add_hash_entry(store, seed);
			break;
		case 2:
			used += add_to_tree(store, seed);
			break;
		case 3:
			used += add_to_table(store, i, seed);
			break;
		case 4:
			used += add_shape(store, i, seed);
			break;
		case 5:
			churn(transient, seed);
			break;
		}
		if (i % 2000 == 0)
			drop_chain(i, 1 + (i / 2000) % 3);
	}
	free_all(transient);
}

static void run_thread(int number, std::size_t budget)
{
	fill((*g_stores)[number], number, budget);
	wipe_stack();
	n_done++;
	for (;;)
		pause();
}

static NOINLINE void start_threads(int n, std::size_t budget)
{
	g_stores = new std::vector<Store *>;
	for (int i = 0; i < n; i++)
		g_stores->push_back(new Store);
	for (int i = 0; i < n; i++)
		std::thread(run_thread, i, budget).detach();
	while (n_done != n)
		usleep(10000);
	usleep(100000);		/* until they have all reached pause() */
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: arenas MIB THREADS TRUTH\n");
		return 2;
	}
	std::size_t bytes = strtoul(argv[1], nullptr, 10) << 20;
	int n = atoi(argv[2]);

	truth_open(argv[3], 1 << 20);
	start_threads(n, bytes / n);
	wipe_stack();
	truth_close();
	ready_and_wait();
}
