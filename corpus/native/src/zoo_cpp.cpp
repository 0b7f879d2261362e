/*
 * zoo_cpp.cpp - how C++ holds and loses memory, with truth.
 *
 *	zoo_cpp TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Rings of shared_ptr, a vector of objects with vtables that is dropped, blocks known only by a
 * pointer to their second base or past an array cookie or a length, and one cache that retains
 * nearly everything.  operator new notes each block under the kind of the scope it is called in.
 */
#include "truth.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

static truth_kind current_kind = TRUTH_KINDS;	/* TRUTH_KINDS = do not note */

struct Noting {
	truth_kind outer;
	explicit Noting(truth_kind kind) : outer(current_kind) { current_kind = kind; }
	~Noting() { current_kind = outer; }
};

void *operator new(std::size_t size)
{
	void *block = malloc(size);

	if (!block)
		throw std::bad_alloc();
	return current_kind == TRUTH_KINDS ? block : truth_note(block, size, current_kind);
}

void operator delete(void *block) noexcept
{
	if (block && current_kind != TRUTH_KINDS)
		truth_note(block, 0, TRUTH_FREED_AGAIN);
	free(block);
}

void operator delete(void *block, std::size_t) noexcept
{
	operator delete(block);
}

struct Parent;

struct Child {
	std::shared_ptr<Parent> up;
	char padding[40];
	virtual ~Child() {}
};

struct Parent {
	std::shared_ptr<Child> kid;
	char padding[100];
	virtual ~Parent() {}
};

struct FirstBase {
	long first = 1;
	virtual ~FirstBase() {}
};

struct SecondBase {
	long second = 2;
	virtual ~SecondBase() {}
};

struct TwoBases : FirstBase, SecondBase {
	char padding[64];
};

struct WithDestructor {
	std::string text;
	~WithDestructor() {}
};

struct Session {
	std::string user;
	std::vector<char> buffer;
	std::map<int, std::string> attributes;
	virtual ~Session() {}
};

struct Cache {
	std::unordered_map<std::string, Session *> by_name;
	std::list<std::string> recent;
	std::deque<Session *> queue;
	virtual ~Cache() {}
};

/* What std::string was before C++11: its pointer is past this header. */
struct CowHeader {
	std::size_t length, capacity;
	long references;
};

Cache *volatile g_cache;
SecondBase *volatile g_second_bases[40];
WithDestructor *volatile g_arrays[20];
char *volatile g_cow_strings[20];
char *volatile g_length_prefixed[20];
std::function<int()> *volatile g_function;

static NOINLINE void drop_shared_ptr_rings()
{
	Noting noting(CYC2);

	for (int i = 0; i < 200; i++) {
		auto parent = std::make_shared<Parent>();

		parent->kid = std::make_shared<Child>();
		parent->kid->up = parent;
	}
}

static NOINLINE Session *new_session(const std::string &user, std::size_t buffer, int attributes)
{
	auto *session = new Session;

	session->user = user;
	session->buffer.resize(buffer);
	for (int k = 0; k < attributes; k++)
		session->attributes[k] = std::string(30, 'v');
	return session;
}

static NOINLINE void drop_vector_of_sessions()
{
	Noting noting(DEF);
	auto *sessions = new std::vector<Session *>;
	Noting held(IND);

	for (int i = 0; i < 50; i++)
		sessions->push_back(
			new_session("leaked-session-user-name-" + std::to_string(i), 4096, 0));
}

static NOINLINE void hold_by_second_base()
{
	Noting noting(MULTINH);

	for (auto &base : g_second_bases)
		base = new TwoBases;
}

static NOINLINE void hold_arrays_by_first_element()
{
	for (auto &array : g_arrays) {
		Noting cookie(NEWARRAY);

		array = new WithDestructor[7];
		Noting elements(REACH);
		for (int k = 0; k < 7; k++)
			array[k].text = std::string(64, 'x');
	}
}

static NOINLINE void hold_cow_strings()
{
	for (auto &text : g_cow_strings) {
		const std::size_t length = 40, capacity = 64;
		const std::size_t size = sizeof(CowHeader) + capacity + 1;
		auto *header = static_cast<CowHeader *>(noted_alloc(size, COWSTRING));

		*header = CowHeader{ length, capacity, 0 };
		text = reinterpret_cast<char *>(header + 1);
	}
}

static NOINLINE void hold_length_prefixed()
{
	for (auto &text : g_length_prefixed) {
		const uint64_t length = 100;
		void *block = noted_alloc(sizeof length + length, LENGTH64);
		auto *prefix = static_cast<uint64_t *>(block);

		*prefix = length;
		text = reinterpret_cast<char *>(prefix + 1);
	}
}

static NOINLINE void hold_cache()
{
	Noting noting(REACH);

	g_cache = new Cache;
	for (int i = 0; i < 20000; i++) {
		auto *session = new_session("user-with-a-long-name-" + std::to_string(i), 512, 3);

		g_cache->by_name[session->user] = session;
		g_cache->recent.push_back(session->user);
		g_cache->queue.push_back(session);
	}
}

static NOINLINE void hold_function()
{
	Noting noting(REACH);
	std::string captured(300, 'c');

	g_function = new std::function<int()>([captured] { return (int)captured.size(); });
}

int main(int argc, char **argv)
{
	static void (*const makers[])() = {
		hold_cache, drop_shared_ptr_rings, drop_vector_of_sessions, hold_by_second_base,
		hold_arrays_by_first_element, hold_cow_strings, hold_length_prefixed, hold_function,
	};

	if (argc != 2) {
		fprintf(stderr, "usage: zoo_cpp TRUTH\n");
		return 2;
	}
	puts("zoo_cpp");
	truth_open(argv[1], 1 << 20);
	for (auto make : makers) {
		make();
		wipe_stack();
	}
	truth_total("rings", 200);
	truth_close();
	ready_and_wait();
}
