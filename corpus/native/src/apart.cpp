/*
 * apart.cpp - types without linkage: each of two units has its own of one name, and each lambda is one.
 *
 * Built twice, with UNIT 1 and 2, and linked together.
 *
 *	apart TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "types.h"

using note_fn = void (const void *block, size_t size, enum form form, const char *type, int polymorphic,
		      const char *holder);

#define PLAIN "(anonymous namespace)::"

/* Of one name, size and line in both units, with other members. */
namespace {
struct Small { long words[2]; };
struct Large { long words[5]; };
#if UNIT == 1
#define LEAF "Small"
typedef Small Leaf;
struct Item { long number; Leaf *leaf; }; struct Speaker { virtual ~Speaker() = default; Leaf *leaf = nullptr; long number = 0; };
#else
#define LEAF "Large"
typedef Large Leaf;
struct Item { Leaf *leaf; long number; }; struct Speaker { virtual ~Speaker() = default; long number = 0; Leaf *leaf = nullptr; };
#endif
}

#define NAMED_(name, unit) name##unit
#define NAMED(name, unit) NAMED_(name, unit)

struct NAMED(Holder, UNIT) {
	std::vector<Item> items;
	std::map<int, Item> by_number;
	std::map<int, std::unique_ptr<Item>> owned;
	std::unique_ptr<Speaker> speaker;
	std::shared_ptr<Leaf> first, second;
	std::function<long()> plain, wide, texts;
};

NAMED(Holder, UNIT) *NAMED(holder, UNIT);

static Leaf *leaf_of(note_fn *note, const char *holder = nullptr)
{
	Leaf *leaf = new Leaf();

	note(leaf, sizeof *leaf, VALUE, PLAIN LEAF, 0, holder);
	return leaf;
}

void NAMED(fill, UNIT)(note_fn *note)
{
	auto *h = NAMED(holder, UNIT) = new NAMED(Holder, UNIT)();
	long room[5] = { 1 };
	std::string text = "a text that is captured, and too long to lie in its string";

	note(h, sizeof *h, VALUE, UNIT == 1 ? "Holder1" : "Holder2", 0, nullptr);
	h->items.resize(4);
	note(h->items.data(), 4 * sizeof(Item), ARRAY, PLAIN "Item", 0, nullptr);
	for (auto &item : h->items)
		item.leaf = leaf_of(note);
	for (int i = 0; i < 20; i++) {
		h->by_number[i].leaf = leaf_of(note);
		h->owned[i] = std::make_unique<Item>();
		h->owned[i]->leaf = leaf_of(note);
		note(h->owned[i].get(), sizeof(Item), VALUE, PLAIN "Item", 0, nullptr);
	}
	h->speaker = std::make_unique<Speaker>();
	h->speaker->leaf = leaf_of(note);
	note(h->speaker.get(), sizeof(Speaker), VALUE, PLAIN "Speaker", 1, nullptr);
	Leaf *a = leaf_of(note), *b = leaf_of(note), *c = leaf_of(note), *d = leaf_of(note), *e = leaf_of(note);
	h->plain = [a] { return a->words[0]; };
	h->wide = [b, room] { return b->words[0] + room[1]; };
	h->texts = [text, c] { return c->words[0] + (long)text.size(); };
	/* Their blocks of counts are of two classes that GCC's debug info calls alike. */
	h->first = std::shared_ptr<Leaf>(leaf_of(note), [d](Leaf *leaf) { delete leaf; delete d; });
	h->second = std::shared_ptr<Leaf>(leaf_of(note), [e, room](Leaf *leaf) { delete leaf; delete e; (void)room; });
}

#if UNIT == 1
void fill2(note_fn *note);

static void make()
{
	fill1(types_note);
	fill2(types_note);
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
#endif
