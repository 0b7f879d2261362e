/*
 * containers.cpp - containers of the C++ library and what they hold, by variables and by objects.
 *
 *	containers TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#include "types.h"

#include <any>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace shop {

struct Line {
	int article = 0;
	double price = 0;
	std::string text;
	const char *literal = "a literal";
};

struct Order {
	long id = 0;
	std::string customer;
	std::vector<Line> lines;
	std::unique_ptr<Line> special;
	std::shared_ptr<Order> replaced;
	std::optional<std::string> note;
	std::variant<int, std::string, std::vector<int>> extra;
	Order *next = nullptr;
};

struct Shop {
	std::map<std::string, Order *> orders;
	std::map<int, Line> by_number;
	std::set<std::string> names;
	std::list<Order> queue;
	std::forward_list<Line> returned;
	std::unordered_map<std::string, Order> index;
	std::unordered_map<long, std::vector<int>> numbers;
	std::unordered_set<Order *> open;
	std::deque<Line> recent;
	std::deque<long> ids;
	std::vector<Order *> all;
	std::vector<std::string> tags;
	std::vector<const Order *> constant;
	std::vector<std::vector<std::unique_ptr<Order>>> grid;
	std::unique_ptr<Line[]> fixed;
	std::vector<std::wstring> wide;
	Order *first = nullptr;
	std::multimap<std::string, int> counts;
	std::vector<std::any> things;
	std::vector<std::function<long()>> callbacks;
};

/* What a function keeps: in itself, by a pointer, or in a block of its own. */
struct Call {
	Line *line;
	long operator()() const { return line->article; }
};
struct LargeCall {
	std::string text;
	std::unique_ptr<Line> line;
	LargeCall(std::string t, int article) : text(t), line(std::make_unique<Line>()) { line->article = article; }
	LargeCall(const LargeCall &of) : text(of.text), line(std::make_unique<Line>(*of.line)) {}
	long operator()() const { return line->article; }
};

} // namespace shop

using namespace shop;

static Shop store;
Shop *apart;
std::vector<std::list<int>> lists;

struct Stub {
	long words[5];
};
struct Visit {
	long day;
	Stub *stub;
};
static std::vector<Visit> visits;
static std::deque<Visit> past;

template <typename T> static void note(const T *p, enum form form, size_t n, const char *path = nullptr)
{
	types_note(p, n * sizeof(T), form, typeid(T).name(), 0, path);
}

/* A node begins `links` bytes before its value; behind it there may be the hash. */
template <typename C>
static void note_node(const C &, const void *value, size_t links, size_t size, const char *path = nullptr)
{
	types_note((const char *)value - links, links + size, NODE, typeid(C).name(), 0, path);
}

static void note_string(const std::string &s, const char *path = nullptr)
{
	if (s.capacity() > 15)
		types_note(s.data(), s.capacity() + 1, ARRAY, "char", 0, path);
}

#define LONG_TEXT(i) (std::string(20 + (i) % 60, 'x') + std::to_string(i))

static void fill_line(Line &l, int i)
{
	l.article = i;
	l.text = LONG_TEXT(i);
}

static void fill(Order &o, int i)
{
	o.id = i;
	o.customer = LONG_TEXT(i + 7);
	o.lines.reserve(4);
	for (int k = 0; k < 1 + i % 3; k++) {
		o.lines.emplace_back();
		fill_line(o.lines.back(), i + k);
	}
	o.special = std::make_unique<Line>();
	fill_line(*o.special, i);
	if (i % 2)
		o.note = LONG_TEXT(i + 3);
	if (i % 3 == 1)
		o.extra = LONG_TEXT(i + 5);
	if (i % 3 == 2)
		o.extra = std::vector<int>(10 + i % 5);
}

static void note_line(const Line &l, const char *text_path = nullptr)
{
	note_string(l.text, text_path);
}

static void note_order(const Order &o)
{
	note_string(o.customer);
	note(o.lines.data(), ARRAY, o.lines.capacity());
	for (auto &l : o.lines)
		note_line(l);
	note(o.special.get(), VALUE, 1);
	note_line(*o.special);
	if (o.note)
		note_string(*o.note);
	if (o.extra.index() == 1)
		note_string(std::get<1>(o.extra));
	if (o.extra.index() == 2)
		note(std::get<2>(o.extra).data(), ARRAY, std::get<2>(o.extra).capacity());
}

static Order *new_order(int i)
{
	Order *o = new Order;

	fill(*o, i);
	return o;
}

static NOINLINE void fill_shop(Shop &s)
{
	for (int i = 0; i < 40; i++) {
		Order *o = new_order(i);

		s.orders[LONG_TEXT(i)] = o;
		fill_line(s.by_number[i], i);
		s.names.insert(LONG_TEXT(1000 + i));
		s.queue.emplace_back();
		fill(s.queue.back(), i);
		s.returned.emplace_front();
		fill_line(s.returned.front(), i);
		fill(s.index[LONG_TEXT(i)], i);
		s.numbers[i] = std::vector<int>(8 + i);
		s.open.insert(o);
		s.recent.emplace_back();
		fill_line(s.recent.back(), i);
		s.all.push_back(o);
		s.tags.push_back(LONG_TEXT(i));
		s.constant.push_back(o);
		s.counts.emplace(LONG_TEXT(i), i);
		o->replaced = std::make_shared<Order>();
		fill(*o->replaced, i);
	}
	for (long i = 0; i < 300; i++)
		s.ids.push_back(i);
	for (int i = 0; i < 100; i++)
		s.ids.pop_front();
	for (int i = 0; i < 5; i++) {
		s.grid.emplace_back();
		for (int k = 0; k < 5; k++)
			s.grid.back().push_back(std::unique_ptr<Order>(new_order(k)));
	}
	for (int i = 0; i < 20; i++) {
		Line *l = new Line;

		fill_line(*l, i);
		s.things.push_back(l);
		s.things.push_back(*l);
		s.things.push_back(LONG_TEXT(i));
		s.things.push_back(i);
		s.callbacks.push_back(Call{ l });
		s.callbacks.push_back(LargeCall(LONG_TEXT(i + 2), i));
	}
	s.fixed = std::make_unique<Line[]>(9);
	for (int i = 0; i < 9; i++)
		fill_line(s.fixed[i], i);
	for (int i = 0; i < 9; i++)
		s.wide.push_back(std::wstring(20 + 5 * i, L'w'));
	s.first = new_order(1);
	s.first->next = new_order(2);
}

template <typename C> static void note_tree(const C &of, const typename C::value_type &value, const char *path = nullptr)
{
	note_node(of, &value, 32, (sizeof value + 7) / 8 * 8, path);
}

static void note_erased(const Shop &s, bool is_static)
{
	note(s.things.data(), ARRAY, s.things.capacity());
	note(s.callbacks.data(), ARRAY, s.callbacks.capacity());
	for (size_t i = 0; i < s.things.size(); i++) {
		if (auto l = std::any_cast<Line *>(&s.things[i])) {
			note(*l, VALUE, 1, is_static && i == 8 ? "store.things[8]" : nullptr);
			note_line(**l);
		} else if (auto l = std::any_cast<Line>(&s.things[i])) {
			note(l, VALUE, 1, is_static && i == 9 ? "store.things[9]" : nullptr);
			note_line(*l);
		} else if (auto t = std::any_cast<std::string>(&s.things[i])) {
			note(t, VALUE, 1);
			note_string(*t);
		}
	}
	for (auto &f : s.callbacks)
		if (auto large = f.target<LargeCall>()) {
			note(large, VALUE, 1);
			note_string(large->text);
			note(large->line.get(), VALUE, 1);
			note_line(*large->line);
		}
}

static void note_shop(const Shop &s, bool is_static)
{
	for (auto &e : s.orders) {
		note_tree(s.orders, e);
		note_string(e.first);
		note(e.second, VALUE, 1);
		note_order(*e.second);
		types_note((const char *)e.second->replaced.get() - 16, 16 + sizeof(Order), VALUE,
			   typeid(std::_Sp_counted_ptr_inplace<Order, std::allocator<void>,
							       __gnu_cxx::_S_atomic>).name(), 1, nullptr);
		note_order(*e.second->replaced);
	}
	for (auto &e : s.by_number) {
		note_tree(s.by_number, e);
		note_line(e.second, is_static && e.first == 4 ? "store.by_number[...].text" : nullptr);
	}
	for (auto &e : s.names) {
		note_tree(s.names, e);
		note_string(e);
	}
	size_t place = 0;
	for (auto &e : s.queue) {
		if (is_static && place == 7)
			note(e.special.get(), VALUE, 1, "store.queue[7].special");
		if (is_static && place == 36)
			note(e.special.get(), VALUE, 1, "store.queue[36].special");
		place++;
		note_node(s.queue, &e, 16, sizeof e);
		note_order(e);
	}
	place = 0;
	for (auto &e : s.returned) {
		const char *path = !is_static ? nullptr : place == 3 ? "store.returned[3].text" :
						  place == 38 ? "store.returned[38].text" : nullptr;

		note_node(s.returned, &e, 8, sizeof e);
		note_line(e, path);
		place++;
	}
	for (auto &e : s.index) {
		if (is_static && e.second.id == 5)
			note(e.second.special.get(), VALUE, 1, "store.index[...].special");
		note_node(s.index, &e, 8, sizeof e + 8);
		note_string(e.first);
		note_order(e.second);
	}
	for (auto &e : s.numbers) {
		note_node(s.numbers, &e, 8, sizeof e);
		note(e.second.data(), ARRAY, e.second.size());
	}
	for (auto &e : s.open)
		note_node(s.open, &e, 8, sizeof e);
	for (size_t i = 0; i < s.recent.size(); i++) {
		if (i % (512 / sizeof(Line)) == 0)
			note(&s.recent[i], ARRAY, 512 / sizeof(Line));
		note_line(s.recent[i]);
	}
	for (size_t i = 0; i < s.ids.size(); i++)
		if ((i + 100) % 64 == 0)
			note(&s.ids[i], ARRAY, 64);
	note(s.all.data(), ARRAY, s.all.capacity(), is_static ? "store.all" : nullptr);
	note(s.tags.data(), ARRAY, s.tags.capacity());
	for (size_t i = 0; i < s.tags.size(); i++)
		note_string(s.tags[i], is_static && i == 5 ? "store.tags[5]" : nullptr);
	for (auto &e : s.counts) {
		note_tree(s.counts, e);
		note_string(e.first);
	}
	for (auto &row : s.grid) {
		note(row.data(), ARRAY, row.capacity());
		for (auto &o : row) {
			note(o.get(), VALUE, 1, is_static && &row == &s.grid[2] && &o == &row[1] ? "store.grid[2][1]" :
										  nullptr);
			note_order(*o);
		}
	}
	note(s.grid.data(), ARRAY, s.grid.capacity());
	types_note((const char *)s.fixed.get() - 8, 8 + 9 * sizeof(Line), COUNTED, typeid(Line).name(), 0, nullptr);
	for (int i = 0; i < 9; i++)
		note_line(s.fixed[i]);
	for (const std::wstring &w : s.wide)
		types_note(w.data(), 4 * (w.capacity() + 1), ARRAY, "wchar_t", 0, nullptr);
	note_erased(s, is_static);
	note(s.first, VALUE, 1);
	note_order(*s.first);
	note(s.first->next, VALUE, 1, is_static ? "store.first->next" : nullptr);
	note_order(*s.first->next);
}

/* Of six the last two were taken out again: their bytes lie where the next ones would. */
static NOINLINE void fill_visits(void)
{
	Visit all[6];

	visits.reserve(8);
	for (int i = 0; i < 6; i++)
		visits.push_back(all[i] = { i, new Stub() });
	visits.pop_back();
	visits.pop_back();
	for (int i = 0; i < 6; i++)
		note(all[i].stub, VALUE, 1, i == 2 ? "visits[2].stub" : i == 4 ? "visits[4 unused].stub" : nullptr);
	note(visits.data(), ARRAY, visits.capacity(), "visits");
}

/* Of forty two at each end; a place is one of its buffer, which is one of the map: its first two words, of ten. */
static NOINLINE void fill_past(void)
{
	enum { N = 40, PER_BUFFER = 512 / sizeof(Visit) };
	static char paths[N][64];
	Visit all[N];
	uintptr_t words[10];
	size_t first;

	for (int i = 0; i < N; i++)
		past.push_back(all[i] = { i, new Stub() });
	memcpy(words, (const void *)&past, sizeof words);
	first = (words[5] - words[0]) / sizeof(void *); /* of the iterator's words the last: its node */
	for (int i = 0; i < 2; i++) {
		past.pop_front();
		past.pop_back();
	}
	for (int i = 0; i < N; i++) {
		bool is_spare = i < 2 || i >= N - 2;

		snprintf(paths[i], sizeof paths[i], "past[%zu][%d%s].stub", first + i / PER_BUFFER, i % PER_BUFFER, is_spare ? " unused" : "");
		note(all[i].stub, VALUE, 1, is_spare || i == 20 ? paths[i] : nullptr);
	}
	memset(words, 0, sizeof words);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	fill_shop(store);
	apart = new Shop;
	note(apart, VALUE, 1, "apart");
	fill_shop(*apart);
	lists.resize(20);
	for (int i = 0; i < 400; i++)
		lists[i % 20].push_back(i);
	fill_visits();
	fill_past();
	note_shop(store, true);
	note_shop(*apart, false);
	note(lists.data(), ARRAY, lists.capacity(), "lists");
	for (auto &l : lists)
		for (auto &i : l)
			note_node(l, &i, 16, 8);
	types_close(argv[1]);
	types_ready();
}
