/*
 * classes.cpp - objects of C++ in every shape that a vtable can have, and what only looks like one.
 *
 *	classes TRUTH		writes the truth, prints "ready PID", waits to be dumped
 */
#include "types.h"

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

namespace shop {

struct Item {
	long price = 1;
	virtual ~Item() {}
	virtual long total() const { return price; }
};

struct Book : Item {
	char title[40] = {};
	long total() const override { return price + title[0]; }
};

struct Abstract {
	virtual void act() = 0;
	virtual ~Abstract() {}
};

struct Concrete final : Abstract {
	long data[9] = {};
	void act() override { data[0]++; }
};

/* Without a destructor of its own: arrays of them need no count. */
struct Plain {
	long value = 3;
	virtual long get() const { return value; }
};

struct Left {
	long left = 1;
	virtual ~Left() {}
};

struct Right {
	long right = 2;
	virtual long side() const { return right; }
	virtual ~Right() {}
};

struct Both : Left, Right {
	char rest[48] = {};
	long side() const override { return right + left; }
};

struct Root {
	long root = 1;
	virtual ~Root() {}
};

struct One : virtual Root {
	long one = 1;
};

struct Two : virtual Root {
	long two = 2;
	virtual long get() const { return two; }
};

struct Diamond : One, Two {
	long more[4] = {};
	long get() const override { return two + one; }
};

struct Bare {
	long bare = 5;
};

/* A vtable pointer, and not one virtual function. */
struct OnlyVirtualBase : virtual Bare {
	long here = 6;
};

template <typename T, int N> struct Box : Item {
	T values[N] = {};
	long total() const override { return (long)values[0]; }
};

struct Holder {
	Item *item;
	Right *second;
	std::shared_ptr<Item> shared;
	std::vector<Book> books;
};

} // namespace shop

namespace {
struct Hidden : shop::Item {
	long hidden[5] = {};
	long total() const override { return hidden[0]; }
};
}

static shop::Holder holder;
static std::vector<void *> kept; /* of void: nothing is told by the pointers */
static std::vector<std::shared_ptr<shop::Item>> shared;
static char *volatile trap_kept[8];

template <typename T> static T *keep(T *p, const char *path = nullptr)
{
	types_note(dynamic_cast<void *>(p), sizeof(T), VALUE, typeid(*p).name(), 1, path);
	kept.push_back(dynamic_cast<void *>(p));
	return p;
}

template <> shop::OnlyVirtualBase *keep(shop::OnlyVirtualBase *p, const char *)
{
	types_note(p, sizeof(*p), VALUE, typeid(*p).name(), 1, nullptr);
	kept.push_back(p);
	return p;
}

static void make_objects()
{
	struct Local : shop::Item {
		long local[6] = {};
		long total() const override { return local[0]; }
	};

	for (int i = 0; i < 50; i++) {
		keep(new shop::Item);
		keep(new shop::Book);
		keep(new shop::Concrete);
		keep(new shop::Plain);
		keep(new shop::Both);
		keep(new shop::Diamond);
		keep(new shop::OnlyVirtualBase);
		keep(new shop::Box<int, 7>);
		keep(new shop::Box<std::string *, 3>);
		keep(new Hidden);
		keep(new Local);
	}
	keep(new std::ostringstream);
	keep(new std::runtime_error("a message of the program"));
	keep(new shop::Two);
	holder.item = keep(new shop::Book, "holder.item");
	holder.second = keep(new shop::Both, "holder.second");
}

static void make_arrays()
{
	for (size_t n = 2; n < 30; n += 3) {
		shop::Book *books = new shop::Book[n];
		shop::Plain *plain = new shop::Plain[n];
		auto *both = new std::vector<shop::Both>(n);

		types_note((char *)books - 8, 8 + n * sizeof *books, COUNTED, typeid(shop::Book).name(), 1, nullptr);
		types_note(plain, n * sizeof *plain, ARRAY, typeid(shop::Plain).name(), 1, nullptr);
		types_note(both->data(), n * sizeof(shop::Both), ARRAY, typeid(shop::Both).name(), 1, nullptr);
		kept.push_back(books);
		kept.push_back(plain);
		kept.push_back(both->data());
	}
	holder.books.resize(11);
	types_note(holder.books.data(), 11 * sizeof(shop::Book), ARRAY, typeid(shop::Book).name(), 1, "holder.books");
}

static void make_shared_ones()
{
	for (int i = 0; i < 20; i++) {
		auto together = std::make_shared<shop::Book>();
		auto apart = std::shared_ptr<shop::Item>(new shop::Book);

		types_note((char *)together.get() - 16, 16 + sizeof(shop::Book), VALUE,
			   typeid(std::_Sp_counted_ptr_inplace<shop::Book,
#if __GNUC__ >= 12 || defined(__clang__)
							       std::allocator<void>,
#else
							       std::allocator<shop::Book>,
#endif
							       __gnu_cxx::_S_atomic>).name(),
			   1, nullptr);
		types_note(apart.get(), sizeof(shop::Book), VALUE, typeid(shop::Book).name(), 1, nullptr);
		shared.push_back(together);
		shared.push_back(apart);
	}
}

/* Memory that still begins with the vtable pointer of what was there before. */
static NOINLINE void make_traps()
{
	size_t sizes[] = { sizeof(shop::Book) + 400, 3000, 24, 10 * sizeof(shop::Diamond) };

	for (int i = 0; i < 4; i++) {
		char *raw = (char *)malloc(sizes[i]);
		/* Whoever of the two fits; what follows is text. */
		shop::Item *there = i == 3 ? nullptr : new shop::Book;
		shop::Diamond *diamond = i == 3 ? new shop::Diamond : nullptr;

		memset(raw, 'x', sizes[i]);
		memcpy(raw, i == 3 ? (void *)diamond : (void *)there, sizeof(void *));
		types_note(raw, sizes[i], TRAP, i == 3 ? typeid(shop::Diamond).name() : typeid(shop::Book).name(),
			   1, nullptr);
		trap_kept[i] = raw;
		delete there;
		delete diamond;
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	make_objects();
	make_arrays();
	make_shared_ones();
	make_traps();
	std::thread waits([] { pause(); });
	types_close(argv[1]);
	types_ready();
}
