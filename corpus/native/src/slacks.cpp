/*
 * slacks.cpp - containers with room for more than they hold, and healthy twins of each.
 *
 *	slacks TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * A row `spare` is a block that a container has: the bytes asked for, and in the place of the type which
 * slack it is, values in use and room for. Of those with nothing in them all counts. Other rows have the type
 * of what a container has, with room or without.
 */
#include "types.h"

#include <deque>
#include <string>
#include <typeinfo>
#include <unordered_map>
#include <vector>

namespace shop {

struct Line {
	long article = 0;
	double price = 0;
};

struct Shelf {
	std::vector<Line> lines;
	std::string label;
	std::unordered_map<long, Line> index;
	std::deque<long> queue;
};

} // namespace shop

using namespace shop;

enum { N = 100 };

static std::vector<Line> few, none, right;
static std::unordered_map<long, long> cleared, thinned, full;
static Shelf shelves[4];
std::vector<Shelf *> kept;
std::vector<std::vector<Line>> rows;
std::string label;

/* What a program writes down of itself; lives until it ends. */
static const char *words(const char *kind, size_t used, size_t room)
{
	static char pool[1 << 20];
	static size_t at;
	char *s = pool + at;

	at += 1 + (size_t)snprintf(s, sizeof pool - at, "%s %zu of %zu", kind, used, room);
	if (at >= sizeof pool)
		exit(3);
	return s;
}

static void note(const void *block, size_t size, const char *kind, size_t used, size_t room)
{
	types_note(block, size, SPARE, words(kind, used, room), 0, nullptr);
}

static bool is_wasted(size_t used, size_t room, size_t size)
{
	return (room - used) * size >= 32 && (room - used) * 5 >= room * 3;
}

static void note_vector(const std::vector<Line> &v)
{
	if (v.capacity())
		types_note(v.data(), v.capacity() * sizeof(Line), ARRAY, typeid(Line).name(), 0, nullptr);
	if (is_wasted(v.size(), v.capacity(), sizeof(Line)))
		note(v.data(), v.capacity() * sizeof(Line), v.empty() ? "empty" : "capacity", v.size(), v.capacity());
}

static void note_string(const std::string &s)
{
	bool is_short = (uintptr_t)s.data() - (uintptr_t)&s < sizeof s;

	if (!is_short)
		types_note(s.data(), s.capacity() + 1, ARRAY, typeid(char).name(), 0, nullptr);
	if (!is_short && is_wasted(s.size() + 1, s.capacity() + 1, 1))
		note(s.data(), s.capacity() + 1, "capacity", s.size() + 1, s.capacity() + 1);
}

/* Its buckets are where no way of the library leads: the first word of the table. */
template <typename M> static void note_table(const M &m)
{
	const void *const *table = (const void *const *)&m;

	if (m.bucket_count() > 1)
		types_note(*table, 8 * m.bucket_count(), BUCKETS, typeid(M).name(), 0, nullptr);
	if (m.bucket_count() > 1 && is_wasted(m.size(), m.bucket_count(), 8))
		note(*table, 8 * m.bucket_count(), m.empty() ? "empty" : "table", m.size(), m.bucket_count());
}

/* The map of its buffers is the first word, one buffer stays whatever is in it. */
static void note_deque(const std::deque<long> &d)
{
#ifndef _LIBCPP_VERSION /* whose empty ones keep no buffer that was never used */
	const void *const *map = (const void *const *)&d; /* its words: the map, its size, two iterators of four */
	const long *const *first = (const long *const *)map[5], *const *last = (const long *const *)map[9];

	types_note(*map, 8 * (size_t)map[1], ARRAY, typeid(long *).name(), 0, nullptr);
	for (; first <= last; first++)
		types_note(*first, 512, ARRAY, typeid(long).name(), 0, nullptr);
	if (!d.empty())
		return;
	note(*map, 8 * (size_t)map[1], "empty", 0, (size_t)map[1]);
	note(map[3], 512, "buffer", 0, 64);
#else
	(void)d;
#endif
}

static void note_shelf(const Shelf &s)
{
	note_vector(s.lines);
	note_string(s.label);
	note_table(s.index);
	note_deque(s.queue);
}

static void fill(Shelf &s, int i)
{
	s.lines.reserve(40 + i % 7);
	s.lines.resize(i % 3 ? i % 17 : 30); /* some waste, some do not, some hold nothing */
	s.label.reserve(60 + i);
	s.label = i % 4 ? "short enough to leave room" : std::string(55 + i, 'x');
	for (int k = 0; k < 20 + i; k++)
		s.index[k] = Line();
	if (i % 2)
		for (int k = 0; k < 17 + i; k++)
			s.index.erase(k);
	if (i % 5 == 0)
		for (long k = 0; k < 300; k++)
			s.queue.push_back(k);
}

static NOINLINE void fill_all(void)
{
	few.reserve(5000);
	few.resize(3);
	none.reserve(300);
	right.resize(400);
	for (long i = 0; i < 1000; i++)
		cleared[i] = thinned[i] = full[i] = i;
	cleared.clear();
	for (long i = 0; i < 990; i++)
		thinned.erase(i);
	label.reserve(5000);
	label = "of which little is used, but too much to be short";
	for (int i = 0; i < N; i++) {
		kept.push_back(new Shelf);
		fill(*kept.back(), i);
	}
	for (int i = 0; i < 4; i++)
		fill(shelves[i], i + 1);
	for (int i = 0; i < 50; i++) {
		rows.emplace_back();
		rows.back().reserve(20);
		rows.back().resize(i % 2 ? 2 : 18);
	}
	/* Those behind the end are no more: what is left of them there wastes nothing. */
	for (int i = 0; i < 15; i++)
		rows.pop_back();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	fill_all();
	note_vector(few);
	note_vector(none);
	note_vector(right);
	note_table(cleared);
	note_table(thinned);
	note_table(full);
	note_string(label);
	for (auto &s : shelves)
		note_shelf(s);
	for (auto s : kept)
		note_shelf(*s);
	for (auto &r : rows)
		note_vector(r);
	types_close(argv[1]);
	types_ready();
}
