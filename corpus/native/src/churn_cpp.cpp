/*
 * churn_cpp.cpp - the containers of C++ in many threads, on whatever operator new the process has.
 *
 *	churn_cpp TRUTH SEED
 *
 * Maps, strings, vectors, shared and over-aligned objects and arrays are grown, moved between threads and
 * dropped; some threads exit.  What is alive in the end is for the recorder to say.
 */
#include "truth.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <pthread.h>
#include <unistd.h>

enum { WORKERS = 3, VISITORS = 2, STEPS = 500 };

struct alignas(64) Line {
	unsigned char bytes[192];
	virtual ~Line() {}
};

struct Session {
	std::string name;
	std::vector<int> marks;
	std::map<std::string, std::string> fields;
	std::shared_ptr<Session> peer;
};

struct Store {
	std::unordered_map<unsigned, std::shared_ptr<Session>> sessions;
	std::deque<std::string> queue;
	std::list<std::unique_ptr<Line>> lines;
	std::vector<std::unique_ptr<Line[]>> pages;
};

static Store *g_stores[WORKERS + VISITORS];
static std::mutex g_handing;
static std::vector<std::shared_ptr<Session>> g_handed; /* made by one thread, dropped by another */
static pthread_barrier_t all_in_place;

static std::shared_ptr<Session> make_session(std::mt19937 &chance)
{
	auto s = std::make_shared<Session>();

	s->name = std::string(chance() % 200, 'n');
	s->marks.resize(chance() % 300);
	for (unsigned i = chance() % 8; i; i--)
		s->fields[std::to_string(chance())] = std::string(chance() % 100, 'v');
	return s;
}

static void hand_over(std::mt19937 &chance, std::shared_ptr<Session> s)
{
	std::lock_guard<std::mutex> lock(g_handing);

	g_handed.push_back(std::move(s));
	if (chance() % 2)
		g_handed.erase(g_handed.begin() + (long)(chance() % g_handed.size()));
}

static NOINLINE void step(Store &store, std::mt19937 &chance)
{
	unsigned key = chance() % 200;

	switch (chance() % 8) {
	case 0:
		store.sessions.erase(key);
		break;
	case 1:
		store.queue.emplace_back(std::string(chance() % 3000, 'q'));
		if (store.queue.size() > 40)
			store.queue.pop_front();
		break;
	case 2:
		store.lines.emplace_front(new Line);
		if (store.lines.size() > 30)
			store.lines.pop_back();
		break;
	case 3:
		store.pages.emplace_back(new Line[1 + chance() % 40]);
		if (store.pages.size() > 10)
			store.pages.erase(store.pages.begin());
		break;
	case 4:
		delete new (std::nothrow) Session;
		break;
	case 5:
		hand_over(chance, make_session(chance));
		break;
	default:
		store.sessions[key] = make_session(chance);
		if (store.sessions.count(key / 2))
			store.sessions[key]->peer = store.sessions[key / 2];
	}
}

static void work(unsigned number, unsigned seed)
{
	std::mt19937 chance(seed * 7919 + number);
	Store *store = new Store;

	for (int i = 0; i < STEPS; i++)
		step(*store, chance);
	g_stores[number] = store;
}

static void worker(unsigned number, unsigned seed)
{
	work(number, seed);
	wipe_stack();
	pthread_barrier_wait(&all_in_place);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: churn_cpp TRUTH SEED\n");
		return 2;
	}
	unsigned seed = (unsigned)atoi(argv[2]);

	pthread_barrier_init(&all_in_place, NULL, WORKERS + 1);
	truth_open(argv[1], 16);
	for (unsigned i = 0; i < WORKERS; i++)
		std::thread(worker, i, seed).detach();
	for (unsigned i = WORKERS; i < WORKERS + VISITORS; i++)
		std::thread(work, i, seed).join();
	pthread_barrier_wait(&all_in_place);
	usleep(50000);
	truth_close();
	ready_and_wait();
}
