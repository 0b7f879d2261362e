/*
 * expired.cpp - what weak references lead to that is gone: blocks of something else are there now.
 *
 *	expired TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * Nothing with a type leads to these blocks but what is gone: a name for one is wrong.
 */
#include <memory>
#include <string>
#include <vector>

#include "types.h"

struct Line { long words[3]; };
struct Order {
	long id = 0;
	std::string text;
	std::unique_ptr<Line> line;
};

enum { ROUNDS = 30 };

std::vector<std::weak_ptr<Order>> weak;	 /* their Order is a block by itself */
std::vector<std::weak_ptr<Order>> emplaced; /* in the block of the counts, which stays */
std::vector<std::shared_ptr<Order>> alive;
void *opaque[3 * ROUNDS];

/* Of the size of what was freed last: malloc gives the same again. */
static void *other(size_t size, const char *was)
{
	void *block = malloc(size);

	if (block)
		memset(block, 0x11, size);
	types_note(block, size, TRAP, was, 0, nullptr);
	return block;
}

/* The block that the counts lie in, with what they count; its name is the library's own. */
static void note_counts(const std::shared_ptr<Order> &one, int i)
{
	types_note(one.get(), 0, SPARE, "-", 0, i ? nullptr : "emplaced[0]");
}

static void make()
{
	static const char text[] = "a text that is too long for the string itself";
	size_t n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		auto one = std::shared_ptr<Order>(new Order());
		weak.push_back(one);
		one.reset();
		opaque[n++] = other(sizeof(Order), "Order");
		auto two = std::make_shared<Order>();
		two->text = text;
		two->line = std::make_unique<Line>();
		emplaced.push_back(two);
		note_counts(two, i);
		two.reset();
		opaque[n++] = other(sizeof(text), "char[]");
		opaque[n++] = other(sizeof(Line), "Line");
		alive.push_back(i & 1 ? std::make_shared<Order>() : std::shared_ptr<Order>(new Order()));
		alive.back()->line = std::make_unique<Line>();
		types_note(alive.back()->line.get(), sizeof(Line), VALUE, "Line", 0, nullptr);
		weak.push_back(alive.back());
	}
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
