/*
 * intrusive.cpp - classes that count the references to them, and the pointer that does so
 * (intrusive.rules): rings that nobody holds, rings that somebody holds, raw pointers beside them.
 *
 *	intrusive TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Rows as refcounts.cpp has them.
 */
#include "types.h"

#include <atomic>
#include <typeinfo>
#include <vector>

namespace own {

class Counted {
public:
	virtual ~Counted() = default;
	void add_ref() { refs++; }
	void release() { refs--; } /* what nothing refers to any more stays */

private:
	std::atomic<int> refs{0};
};

template <typename T> class Ref {
public:
	Ref(T *p = nullptr) : px(p)
	{
		if (px)
			px->add_ref();
	}
	Ref(const Ref &other) : Ref(other.px) {}
	~Ref()
	{
		if (px)
			px->release();
	}
	Ref &operator=(Ref other)
	{
		T *old = px;

		px = other.px;
		other.px = old;
		return *this;
	}
	T *get() const { return px; }

private:
	T *px;
};

struct Listener {
	virtual ~Listener() = default;
	long heard = 0;
};

struct Widget : Counted {
	std::vector<Ref<Widget>> children;
	Ref<Widget> parent;
	Widget *observer = nullptr;
	long payload[4] = {};
};

/* Its count is in its second base. */
struct Session : Listener, Counted {
	Ref<Session> peer;
	Ref<Counted> any;
};

} // namespace own

using namespace own;

Ref<Widget> global_widget;
Ref<Session> global_session;
Session *known;

template <typename T> static void note(T *object, const char *what, const char *ring, int i)
{
	char *name = nullptr;

	if (asprintf(&name, "%s#%d", ring, i) < 0)
		exit(3);
	types_note(object, sizeof *object, COUNT, what, 1, name);
	types_note(object, sizeof *object, VALUE, typeid(*object).name(), 1, nullptr);
}

static Widget *new_widgets(int n, bool back, const char *what, int no)
{
	Widget *top = new Widget;

	note(top, what, "widgets", no);
	top->children.reserve(16);
	for (int i = 0; i < n; i++) {
		Widget *w = new Widget;

		top->children.emplace_back(w);
		w->observer = top;
		if (back)
			w->parent = top;
		note(w, what, "widgets", no);
	}
	return top;
}

static Session *new_sessions(const char *what, int no)
{
	Session *a = new Session, *b = new Session;

	a->peer = b;
	b->any = Ref<Counted>(a);
	note(a, what, "sessions", no);
	note(b, what, "sessions", no);
	return a;
}

static NOINLINE void make()
{
	for (int i = 0; i < 6; i++)
		new_widgets(3, true, "leaked", i);
	for (int i = 0; i < 6; i++)
		known = new_sessions("leaked", i);
	global_widget = Ref<Widget>(new_widgets(3, true, "held", 100));
	global_session = Ref<Session>(new_sessions("held", 100));
	for (int i = 0; i < 4; i++)
		new_widgets(2, false, "healthy", 200 + i)->add_ref();
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
