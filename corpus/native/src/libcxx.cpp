/*
 * libcxx.cpp - containers of libc++ and what they hold, by variables and by objects.
 *
 *	libcxx TRUTH		writes the truth, prints "ready PID", waits to be dumped
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
#include <variant>
#include <vector>

namespace shop {

struct Line {
	int article = 0;
	std::string text;
};

struct Parcel {
	Line line;
	long weight[4] = {};
};

struct Order {
	long id = 0;
	std::string customer;
	std::vector<Line> lines;
	std::unique_ptr<Line> special;
	std::optional<std::string> note;
	std::variant<int, std::string, std::vector<int>> extra;
	Order *next = nullptr;
};

struct Shop {
	std::map<int, Line> by_number;
	std::map<long, Order *> orders;
	std::map<std::string, Order> by_customer;
	std::set<std::string> seen;
	std::set<long> ids;
	std::list<Order> queue;
	std::forward_list<Line> returned;
	std::unordered_map<long, Order> index;
	std::deque<Line> recent;
	std::deque<std::unique_ptr<Parcel>> waiting; /* of several blocks, gone from at its front */
	std::function<size_t()> small, large;
	std::shared_ptr<Order> shared, emplaced;
	std::vector<std::any> things;
	Order *first = nullptr;
};

} // namespace shop

using namespace shop;

static Shop store;
Shop *apart;

enum { N = 60, LINKS = 16, TREE_LINKS = 32 };

static void note_string(const std::string &s)
{
	if (s.capacity() > 22)
		types_note(s.data(), s.capacity() + 1, ARRAY, "char", 0, nullptr);
}

/* A node begins `links` bytes before its value. */
template <typename N, typename C> static void note_node(const C &, const void *value, size_t links)
{
	types_note((const char *)value - links, sizeof(N), NODE, typeid(C).name(), 0, nullptr);
}

static Line line(int i)
{
	Line l;

	l.article = i;
	l.text = i % 3 ? std::string(20 + i % 40, 'x') + std::to_string(i) : "short";
	return l;
}

static Order order(int i)
{
	Order o;

	o.id = i;
	o.customer = line(i + 1).text;
	o.lines.reserve(4);
	o.lines.push_back(line(i + 2));
	o.special = std::make_unique<Line>(line(i + 4));
	if (i % 2)
		o.note = std::string(30 + i % 9, 'n');
	if (i % 3 == 1)
		o.extra = std::string(40 + i % 5, 'e');
	if (i % 3 == 2)
		o.extra = std::vector<int>(10 + i % 5);
	return o;
}

static void note_order(const Order &o)
{
	note_string(o.customer);
	types_note(o.lines.data(), 4 * sizeof(Line), ARRAY, typeid(Line).name(), 0, nullptr);
	note_string(o.lines[0].text);
	types_note(o.special.get(), sizeof(Line), VALUE, typeid(Line).name(), 0, nullptr);
	note_string(o.special->text);
	if (o.note)
		note_string(*o.note);
	if (o.extra.index() == 1)
		note_string(std::get<1>(o.extra));
	if (o.extra.index() == 2)
		types_note(std::get<2>(o.extra).data(), std::get<2>(o.extra).capacity() * sizeof(int), ARRAY, typeid(int).name(),
			   0, nullptr);
}

static void fill(Shop &s)
{
	for (int i = 0; i < N; i++) {
		Order *o = new Order(order(i));

		o->next = s.first;
		s.first = o;
		s.by_number[i] = line(i);
		s.orders[i] = o;
		s.by_customer[(i % 2 ? "customer " : "a customer with a long name, number ") + std::to_string(i)] = order(i + 3);
		s.seen.insert("what was seen there, number " + std::to_string(i));
		s.ids.insert(i);
		s.queue.push_back(order(i + 5));
		s.returned.push_front(line(i + 6));
		s.index[i] = order(i + 7);
		s.recent.push_back(line(i + 8));
		s.things.push_back(Parcel{ line(i + 9) }); /* too large for its room */
		s.things.push_back(new Line(line(i)));
	}
	for (int i = 0; i < 1700; i++)
		s.waiting.push_back(std::make_unique<Parcel>(Parcel{ line(i) }));
	for (int i = 0; i < 700; i++)
		s.waiting.pop_front();
	Line *captured = new Line(line(40)), *other = new Line(line(41));
	std::string text(100, 't');
	s.small = [captured] { return captured->text.size(); }; /* in the function's own buffer */
	s.large = [other, text] { return other->text.size() + text.size(); };
	for (const Line *l : { captured, other }) {
		types_note(l, sizeof(*l), VALUE, typeid(Line).name(), 0, nullptr);
		note_string(l->text);
	}
	s.shared = std::shared_ptr<Order>(new Order(order(44)));
	s.emplaced = std::make_shared<Order>(order(46));
	types_note(s.shared.get(), sizeof(Order), VALUE, typeid(Order).name(), 0, nullptr);
	note_order(*s.shared);
	note_order(*s.emplaced);
}

static void note_all(const Shop &s)
{
	for (const Order *o = s.first; o; o = o->next) {
		types_note(o, sizeof(*o), VALUE, typeid(Order).name(), 0, nullptr);
		note_order(*o);
	}
	for (const auto &entry : s.by_number) {
		note_node<std::__tree_node<std::__value_type<int, Line>, void *>>(s.by_number, &entry, TREE_LINKS);
		note_string(entry.second.text);
	}
	for (const auto &entry : s.orders)
		note_node<std::__tree_node<std::__value_type<long, Order *>, void *>>(s.orders, &entry, TREE_LINKS);
	for (const auto &entry : s.by_customer) {
		note_node<std::__tree_node<std::__value_type<std::string, Order>, void *>>(s.by_customer, &entry, TREE_LINKS);
		note_string(entry.first);
		note_order(entry.second);
	}
	for (const std::string &what : s.seen) {
		note_node<std::__tree_node<std::string, void *>>(s.seen, &what, TREE_LINKS);
		note_string(what);
	}
	for (const long &id : s.ids)
		note_node<std::__tree_node<long, void *>>(s.ids, &id, TREE_LINKS);
	for (const Order &o : s.queue) {
		note_node<std::__list_node<Order, void *>>(s.queue, &o, LINKS);
		note_order(o);
	}
	for (const Line &l : s.returned) {
		note_node<std::__forward_list_node<Line, void *>>(s.returned, &l, 8);
		note_string(l.text);
	}
	for (const auto &entry : s.index) {
		note_node<std::__hash_node<std::__hash_value_type<long, Order>, void *>>(s.index, &entry, LINKS);
		note_order(entry.second);
	}
	/* A buffer has 4096 bytes for values. */
	const size_t lines = 4096 / sizeof(Line), parcels = 4096 / sizeof(std::unique_ptr<Parcel>);
	for (size_t i = 0; i < s.recent.size(); i += lines)
		types_note(&s.recent[i], lines * sizeof(Line), ARRAY, typeid(Line).name(), 0, nullptr);
	for (const Line &l : s.recent)
		note_string(l.text);
	for (size_t i = 0; i < s.waiting.size(); i++) {
		const std::unique_ptr<Parcel> &p = s.waiting[i];

		types_note(p.get(), sizeof(*p), VALUE, typeid(Parcel).name(), 0, nullptr);
		note_string(p->line.text);
		if (i + 700 == parcels) /* the first of a buffer */
			types_note(&p, parcels * sizeof(p), ARRAY, typeid(p).name(), 0, nullptr);
	}
	types_note(s.things.data(), s.things.capacity() * sizeof(std::any), ARRAY, typeid(std::any).name(), 0, nullptr);
	for (const std::any &thing : s.things)
		if (auto o = std::any_cast<Parcel>(&thing)) {
			types_note(o, sizeof(*o), VALUE, typeid(*o).name(), 0, nullptr);
			note_string(o->line.text);
		} else if (auto l = std::any_cast<Line *>(&thing)) {
			types_note(*l, sizeof(**l), VALUE, typeid(**l).name(), 0, nullptr);
			note_string((*l)->text);
		}
}

/* Of what containers hold one each is enough. */
static void note_entries(void)
{
	const Order &even = store.by_customer["a customer with a long name, number 30"], &odd = store.by_customer["customer 31"];
	auto note = [](const auto *at, const char *holder) {
		types_note(at, sizeof(*at), VALUE, typeid(*at).name(), 0, holder);
	};

	note(even.special.get(), "store.by_customer[\"a customer with a long name, number 30\"].special");
	note(odd.special.get(), "store.by_customer[\"customer 31\"].special");
	note(store.index[17].special.get(), "store.index[17].special");
	note(std::next(store.queue.begin(), 5)->special.get(), "store.queue[5].special");
	for (const Line &l : store.returned)
		if (l.text.capacity() > 22) {
			types_note(l.text.data(), l.text.capacity() + 1, ARRAY, "char", 0, "store.returned[].text");
			break;
		}
	types_note(store.seen.begin()->data(), store.seen.begin()->capacity() + 1, ARRAY, "char", 0, "store.seen[]");
}

/* What leads there, as the source has it. */
static void note_paths(void)
{
	const Order *o = store.first, *next = o->next;

	types_note(o, sizeof(*o), VALUE, typeid(*o).name(), 0, "store.first");
	types_note(next, sizeof(*o), VALUE, typeid(*o).name(), 0, "store.first->next");
	types_note(o->lines.data(), 4 * sizeof(Line), ARRAY, typeid(Line).name(), 0, "store.first->lines");
	types_note(o->lines[0].text.data(), o->lines[0].text.capacity() + 1, ARRAY, "char", 0,
		   "store.first->lines[0].text");
	types_note(o->special.get(), sizeof(Line), VALUE, typeid(Line).name(), 0, "store.first->special");
	types_note(next->customer.data(), next->customer.capacity() + 1, ARRAY, "char", 0,
		   "store.first->next->customer");
	types_note(next->special->text.data(), next->special->text.capacity() + 1, ARRAY, "char", 0,
		   "store.first->next->special->text");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	fill(store);
	apart = new Shop;
	types_note(apart, sizeof(*apart), VALUE, typeid(*apart).name(), 0, "apart");
	fill(*apart);
	note_all(store);
	note_all(*apart);
	note_paths();
	note_entries();
	types_close(argv[1]);
	types_ready();
}
