/*
 * refcounts.cpp - rings of shared_ptr that nobody holds, rings that somebody holds, and healthy twins.
 *
 *	refcounts TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * A row `count` is a block with a count; in the place of its type stands what is to be said of it (leaked,
 * held, healthy), in that of its holder the ring: blocks of one name are one ring.  `typed` rings can
 * be told from healthy ones by types alone.  A row `value` has the block's type.
 */
#include "types.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <typeinfo>
#include <unordered_map>
#include <variant>
#include <vector>

namespace shop {

struct Child;

struct Parent {
	long id = 1;
	std::vector<std::shared_ptr<Child>> children;
	std::string text = "a parent's text that is long enough for a block";
};

struct Child {
	long id = 2;
	std::shared_ptr<Parent> parent;
	std::weak_ptr<Parent> aside;
};

struct WeakChild;

struct Root {
	std::vector<std::shared_ptr<WeakChild>> children;
};

struct WeakChild {
	std::weak_ptr<Root> parent;
	Root *raw = nullptr;
};

struct Node {
	long id = 3;
	std::shared_ptr<Node> next;
	std::shared_ptr<Parent> tail;
	Node *raw = nullptr;
	virtual ~Node() = default;
};

struct Task {
	std::function<void()> callback;
	long id = 4;
};

struct Item;

struct Registry : std::enable_shared_from_this<Registry> {
	std::map<std::string, std::shared_ptr<Item>> items;
	std::unordered_map<long, std::shared_ptr<Item>> by_number;
	std::list<std::shared_ptr<Item>> order;
};

struct Item {
	std::shared_ptr<Registry> registry;
};

struct Maybe {
	std::optional<std::shared_ptr<Maybe>> one;
	std::variant<long, std::shared_ptr<Maybe>> other;
};

/* Nobody counts these. */
struct Session {
	std::shared_ptr<Parent> first;
	std::vector<std::shared_ptr<Node>> nodes;
};

/* Owned by one, known to the other. */
struct Context {
	std::vector<std::shared_ptr<struct Widget>> widgets;
};

struct App {
	std::unique_ptr<Context> context = std::make_unique<Context>();
};

struct Widget {
	std::shared_ptr<App> app;
	Context *context = nullptr;
};

/* What is inside is held by references to the whole. */
struct Hub {
	long id = 5;
	struct Port {
		std::shared_ptr<Port> peer;
		long id = 6;
	} ports[2];
};

/* An allocator with something of its own. */
template <typename T> struct Arena {
	using value_type = T;
	long *taken;

	explicit Arena(long *count) : taken(count) {}
	template <typename U> Arena(const Arena<U> &other) : taken(other.taken) {}
	T *allocate(size_t n)
	{
		*taken += n;
		return static_cast<T *>(malloc(n * sizeof(T)));
	}
	void deallocate(T *p, size_t) { free(p); }
};
template <typename T, typename U> bool operator==(const Arena<T> &a, const Arena<U> &b) { return a.taken == b.taken; }
template <typename T, typename U> bool operator!=(const Arena<T> &a, const Arena<U> &b) { return a.taken != b.taken; }

} // namespace shop

using namespace shop;

std::shared_ptr<Parent> global_parent;
std::vector<std::shared_ptr<Node>> global_nodes;
std::vector<std::shared_ptr<Root>> global_roots;
std::vector<std::weak_ptr<Parent>> global_observers;
std::shared_ptr<Child> global_child;
std::unique_ptr<Session> session = std::make_unique<Session>();
Node *stale_raw;
Parent *stale_parents[4];
Session *known = new Session;
long taken;
std::vector<std::weak_ptr<Node>> global_weak;
std::shared_ptr<Hub> global_hub;
std::shared_ptr<Hub::Port> global_port;

/* What of a ring a shared_ptr leads to: the block that make_shared made, or the control block of its own. */
template <typename T> static void note(const std::shared_ptr<T> &p, const char *what, const char *ring)
{
	struct pair {
		void *value, *control;
	} words;

	static_assert(sizeof words == sizeof p);
	memcpy((void *)&words, (const void *)&p, sizeof words);
	types_note(words.control, sizeof(T), COUNT, what, 0, ring);
	auto &control = *(std::_Sp_counted_base<> *)words.control;

	types_note(words.control, sizeof(T), VALUE, typeid(control).name(), 1, nullptr);
	words = {};
}

static const char *ring_name(const char *kind, int i)
{
	char *name = nullptr;

	if (asprintf(&name, "%s#%d", kind, i) < 0)
		exit(3);
	return name;
}

static std::shared_ptr<Parent> new_pair(int n, const char *what, const char *ring)
{
	auto p = std::make_shared<Parent>();

	note(p, what, ring);
	for (int i = 0; i < n; i++) {
		auto c = std::make_shared<Child>();

		note(c, what, ring);
		c->parent = p;
		c->aside = p;
		p->children.push_back(c);
	}
	return p;
}

static std::shared_ptr<Node> new_ring(int n, bool apart, const char *what, const char *ring)
{
	std::shared_ptr<Node> first, last;

	for (int i = 0; i < n; i++) {
		auto node = apart ? std::shared_ptr<Node>(new Node) : std::make_shared<Node>();

		note(node, what, ring);
		if (last)
			last->next = node;
		else
			first = node;
		last = node;
	}
	last->next = first;
	return first;
}

static void delete_node(Node *n)
{
	delete n;
}

static NOINLINE void leak_pairs(void)
{
	for (int i = 0; i < 10; i++)
		new_pair(1 + i % 3, "leaked", ring_name("pair", i));
	for (int i = 0; i < 3; i++) {
		auto p = new_pair(2, "leaked", ring_name("stale-parent", i));

		stale_parents[i] = p.get();
		known->nodes.emplace_back();
	}
}

static NOINLINE void leak_rings(void)
{
	for (int i = 0; i < 6; i++) {
		new_ring(1 + i, false, "leaked", ring_name("ring", i));
		new_ring(1 + i, true, "leaked", ring_name("apart", i));
	}
	new_ring(300, false, "leaked", "long#0");
	stale_raw = new_ring(4, true, "leaked", "stale#0").get();
	new_ring(4, false, "leaked", "stale#1")->raw = stale_raw;

	std::shared_ptr<Node> with_deleter(new Node, delete_node);

	note(with_deleter, "leaked", "deleter#0");
	with_deleter->next = with_deleter;
	/* What hangs off a ring is no ring, and a second ring behind it is held by the first. */
	auto first = new_ring(2, false, "leaked", "front#0");

	first->tail = std::make_shared<Parent>();
	note(first->tail, "healthy", "tail#0");
	first->next->tail = new_pair(1, "held", "behind#0");
}

static NOINLINE void leak_others(void)
{
	for (int i = 0; i < 4; i++) {
		auto task = std::make_shared<Task>();

		note(task, "leaked", ring_name("capture", i));
		task->callback = [task] { task->id++; };
	}
	for (int i = 0; i < 3; i++) {
		auto registry = std::make_shared<Registry>();
		const char *name = ring_name("registry", i);

		note(registry, "leaked", name);
		for (int k = 0; k < 5; k++) {
			auto item = std::make_shared<Item>();

			note(item, "leaked", name);
			item->registry = registry;
			if (i == 0)
				registry->items[std::to_string(k)] = item;
			if (i == 1)
				registry->by_number[k] = item;
			if (i == 2)
				registry->order.push_back(item);
		}
	}
	for (int i = 0; i < 2; i++) {
		auto a = std::make_shared<Maybe>(), b = std::make_shared<Maybe>();
		const char *name = ring_name("maybe", i);

		note(a, "leaked", name);
		note(b, "leaked", name);
		(i ? a : b)->one = i ? b : a;
		(i ? b : a)->other = i ? a : b;
	}
	auto app = std::make_shared<App>();

	note(app, "leaked", "context#0");
	for (int i = 0; i < 3; i++) {
		auto widget = std::make_shared<Widget>();

		note(widget, "leaked", "context#0");
		widget->app = app;
		widget->context = app->context.get();
		app->context->widgets.push_back(widget);
	}
	for (int i = 0; i < 2; i++)
		global_observers.push_back(new_pair(1, "typed", ring_name("observed", i)));
}

static std::shared_ptr<Hub> new_hubs(bool apart, const char *what, const char *ring)
{
	auto a = apart ? std::shared_ptr<Hub>(new Hub) : std::make_shared<Hub>(), b = std::make_shared<Hub>();

	note(a, what, ring);
	note(b, what, ring);
	a->ports[1].peer = std::shared_ptr<Hub::Port>(b, &b->ports[0]);
	b->ports[0].peer = std::shared_ptr<Hub::Port>(a, &a->ports[1]);
	return a;
}

static std::shared_ptr<Node> new_in_arena(const char *what, const char *ring)
{
	auto a = std::allocate_shared<Node>(Arena<Node>(&taken)), b = std::allocate_shared<Node>(Arena<Node>(&taken));

	note(a, what, ring);
	note(b, what, ring);
	a->next = b;
	b->next = a;
	return a;
}

static NOINLINE void leak_a_few(int i)
{
	new_ring(2 + i, i % 2, "leaked", ring_name("thread", i));
	new_hubs(i % 2, "leaked", ring_name("inside", i));
	new_in_arena("leaked", ring_name("arena", i));
}

/* Each made by a thread that is gone; its stack stays for the next one, with what was in it. */
static NOINLINE void leak_in_threads(void)
{
	for (int i = 0; i < 3; i++)
		std::thread([i] { leak_a_few(i); }).join();
}

/* Nothing but weak references keeps the memory of what is no more. */
static NOINLINE void outlive(void)
{
	for (int i = 0; i < 4; i++) {
		auto node = std::make_shared<Node>();

		note(node, "healthy", "outlived#0");
		node->next = std::make_shared<Node>();
		note(node->next, "healthy", "outlived#0");
		global_weak.push_back(node);
		global_weak.push_back(node->next);
	}
	global_hub = new_hubs(false, "held", "hub#0");
	global_port = std::shared_ptr<Hub::Port>(global_hub, &global_hub->ports[0]);
	auto behind = new_hubs(true, "held", "port#0");
	auto port = std::shared_ptr<Hub::Port>(behind, &behind->ports[1]);

	global_port->peer = port;
}

static NOINLINE void hold(void)
{
	global_parent = new_pair(3, "held", "global#0");
	session->first = new_pair(2, "held", "session#0");
	for (int i = 0; i < 3; i++) {
		session->nodes.push_back(new_ring(3, i % 2, "held", ring_name("session-ring", i)));
		global_nodes.push_back(new_ring(1 + i, i % 2, "held", ring_name("global-ring", i)));
	}
	/* One child taken out of the vector: its words are still there, behind the end. */
	auto p = std::make_shared<Parent>();
	auto c = std::make_shared<Child>();

	note(p, "healthy", "popped#0");
	note(c, "healthy", "popped#0");
	p->children.reserve(4);
	p->children.push_back(c);
	c->parent = p;
	p->children.pop_back();
	global_child = c;
}

static NOINLINE void be_healthy(void)
{
	for (int i = 0; i < 20; i++) {
		auto root = std::make_shared<Root>();

		note(root, "healthy", "twin#0");
		for (int k = 0; k < 3; k++) {
			auto child = std::make_shared<WeakChild>();

			note(child, "healthy", "twin#0");
			child->parent = root;
			child->raw = root.get();
			root->children.push_back(child);
		}
		global_roots.push_back(root);
	}
	for (int i = 0; i < 5; i++) {
		auto node = std::make_shared<Node>();

		note(node, "healthy", "single#0");
		node->raw = node.get();
		known->nodes.push_back(node);
	}
}

static NOINLINE void stay(const char *truth, std::shared_ptr<Node> local, std::shared_ptr<Parent> &reference)
{
	types_close(truth);
	types_ready();
	local->id++;
	reference->id++;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	leak_pairs();
	leak_rings();
	leak_others();
	leak_in_threads();
	hold();
	outlive();
	be_healthy();
	auto on_stack = new_pair(2, "held", "stack#0");

	stay(argv[1], new_ring(2, false, "held", "argument#0"), on_stack);
}
