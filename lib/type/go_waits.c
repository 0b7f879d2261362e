/*
 * type/go_waits.c - goroutines that only another goroutine can wake, and what that one would need.
 *
 * A parked goroutine holds a sudog for each thing it waits for, in g.waiting (channels) or in a
 * frame of runtime.semacquire1 alone (mutexes, wait groups): a block whose first word is the g.
 * Its `c` is the channel, its `elem` the semaphore's word (runtime/runtime2.go, chan.go, sema.go).
 * One that waits for a sync.Cond is in the list that the Cond in its frame leads to.
 * Who waits for a timer, the network or a signal is not noted: others wake those.
 */
#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/go_sched.h"
#include "type/noter.h"

enum {
	MAIN = 1,	      /* goid of the one that calls main.main */
	SUDOGS_MAX = 1 << 16, /* cases of one select */
	/* Cond {L, notify {wait, notify uint32; lock; head, tail *sudog}}, the same from 1.19 to 1.27 */
	COND_HEAD = 32,
};

enum blocked_on { ON_NOTHING_KNOWN, ON_CHANNEL, ON_SEMAPHORE, ON_COND, ON_NOBODY };

/* By the runtime's own words, which differ between versions; those that are absent wait for others. */
static enum blocked_on blocked_on(const char *reason)
{
	static const struct {
		const char *reason;
		enum blocked_on on;
	} reasons[] = {
		{ "chan receive", ON_CHANNEL },
		{ "chan send", ON_CHANNEL },
		{ "select", ON_CHANNEL },
		{ "semacquire", ON_SEMAPHORE },
		{ "sync.Mutex.Lock", ON_SEMAPHORE },
		{ "sync.RWMutex.RLock", ON_SEMAPHORE },
		{ "sync.RWMutex.Lock", ON_SEMAPHORE },
		{ "sync.WaitGroup.Wait", ON_SEMAPHORE },
		{ "sync.Cond.Wait", ON_COND },
		{ "chan receive (nil chan)", ON_NOBODY },
		{ "chan send (nil chan)", ON_NOBODY },
		{ "select (no cases)", ON_NOBODY },
	};

	for (size_t i = 0; reason && i < ARRAY_SIZE(reasons); i++)
		if (!strcmp(reason, reasons[i].reason))
			return reasons[i].on;
	return ON_NOTHING_KNOWN;
}

/* `select {}` is written for main to stay while others work: it waits for nobody. */
static bool is_meant(const struct goroutine *g)
{
	return g->id == MAIN && g->wait_reason && !strcmp(g->wait_reason, "select (no cases)");
}

struct waits {
	const struct image *img;
	const struct go *go;
	const struct graph *g;
	struct note_sink *sink;
	struct {
		struct wait *v;
		size_t n, cap;
	} rows; /* of the goroutine that is looked at */
	const uint32_t *row, *roots; /* roots[row[i]] .. roots[row[i + 1] - 1]: of goroutine i */
	struct addrmap lists;	     /* of Conds that were read: any value */
	struct addrmap conds;	     /* by g: its struct in_list */
	uint64_t listed;	     /* sudogs in them: lists may loop */
	struct arena mem;
};

struct in_list {
	taddr cond, sudog;
};

/* What one goroutine's sudogs say. */
struct found {
	unsigned n;    /* things it waits for that are blocks */
	bool elsewhere; /* one of them is no block, or could not be read: anybody may wake it */
};

static uint64_t word(const struct waits *w, taddr at)
{
	uint64_t v;

	return image_read_u64(w->img, at, &v) == MEM_OK ? v : 0;
}

static node_id node_of(const struct waits *w, taddr at)
{
	node_id node = at ? graph_node_at(w->g, at) : NODE_NONE;

	return node != NODE_NONE && graph_is_live(w->g, node) ? node : NODE_NONE;
}

static struct err *hide(struct waits *w, uint32_t thread, node_id node)
{
	struct wait wait = { .node = node, .thread = thread, .kind = WAIT_HIDDEN };

	return vec_push(&w->rows, &wait) ? NULL : &err_nomem;
}

/* The thing at `at`, which is in `node`. */
static struct err *note(struct waits *w, uint32_t thread, node_id node, taddr at, enum wait_on on)
{
	struct wait wait = { .node = node, .thread = thread, .kind = WAIT_FOR, .on = (uint8_t)on };
	uint64_t offset = node == NODE_NONE ? 0 : at - graph_key(w->g, node);

	wait.offset = offset < UINT32_MAX ? (uint32_t)offset : UINT32_MAX;
	return vec_push(&w->rows, &wait) ? NULL : &err_nomem;
}

/* By a thing that others could reach, and the sudog that knows it. */
static struct err *note_thing(struct waits *w, uint32_t thread, node_id sudog, taddr what,
			      enum wait_on on, struct found *found)
{
	node_id node = node_of(w, what);
	struct err *err;

	if (node == NODE_NONE) {
		found->elsewhere = true;
		return NULL;
	}
	found->n++;
	err = hide(w, thread, sudog);
	return err ? err : note(w, thread, node, what, on);
}

/* Which lock a semaphore is of, by the functions that wait for it: those of sync, innermost first. */
struct lock {
	enum wait_on on;
	unsigned into; /* of the semaphore in it: the same from 1.19 to 1.27 */
	bool mutex, done;
};

static void take_lock(void *arg, const char *function, const char *file, unsigned line)
{
	struct lock *l = arg;

	(void)file;
	(void)line;
	if (!strncmp(function, "internal/", 9))
		function += 9;
	if (strncmp(function, "sync.", 5)) {
		l->done |= strncmp(function, "runtime.", 8) != 0;
		return;
	}
	if (l->done)
		return;
	if (!strncmp(function, "sync.(*Mutex).", 14)) { /* {state, sema} */
		*l = (struct lock){ WAIT_MUTEX, 4, true, false };
	} else if (!strcmp(function, "sync.(*RWMutex).RLock")) { /* {Mutex, writerSem, readerSem} */
		*l = (struct lock){ WAIT_RWMUTEX, 12, false, true };
	} else if (!strcmp(function, "sync.(*RWMutex).Lock")) {
		*l = (struct lock){ WAIT_RWMUTEX, l->mutex ? 4 : 8, false, true };
	} else if (!strcmp(function, "sync.(*WaitGroup).Wait")) { /* {state uint64, sema} */
		*l = (struct lock){ WAIT_GROUP, 8, false, true };
	}
}

static struct lock lock_of(const struct waits *w, const struct goroutine *g)
{
	struct lock l = { .on = WAIT_SEMAPHORE };

	for (size_t i = 0; i < g->n_frames && !l.done; i++)
		go_source(w->go, g->frames[i].pc - (i > 0), take_lock, &l);
	return l;
}

static struct err *note_lock(struct waits *w, const struct goroutine *g, uint32_t thread,
			     node_id sudog, taddr semaphore, struct found *found)
{
	struct lock l = lock_of(w, g);

	if (node_of(w, semaphore - l.into) != node_of(w, semaphore))
		l = (struct lock){ .on = WAIT_SEMAPHORE };
	return note_thing(w, thread, sudog, semaphore - l.into, l.on, found);
}

/*
 * hchan {qcount, dataqsiz uint; buf; elemsize uint16; closed uint32; ...}: what a goroutine waits on
 * is open, and holds no more than it has room for (runtime/chan.go).
 */
static bool is_open_channel(const struct waits *w, taddr at)
{
	uint64_t words[4];

	return image_read(w->img, at, words, sizeof(words)) == MEM_OK && words[0] <= words[1] &&
	       words[1] < 1ull << 32 && (uint16_t)words[3] == (uint32_t)words[3] &&
	       !(words[3] >> 32);
}

/* A sudog at `at`, if it is one of this goroutine. */
static struct err *note_sudog(struct waits *w, const struct goroutine *g, uint32_t thread, taddr at,
			      enum blocked_on on, struct found *found)
{
	taddr what = word(w, at + (on == ON_CHANNEL ? w->go->layout.sudog.c : w->go->layout.sudog.elem));
	node_id sudog = node_of(w, at);

	if (sudog == NODE_NONE || word(w, at + w->go->layout.sudog.g) != g->g)
		return NULL;
	if (!what || (on == ON_CHANNEL && !is_open_channel(w, what)))
		return NULL; /* not the one it waits by */
	return on == ON_CHANNEL ? note_thing(w, thread, sudog, what, WAIT_CHANNEL, found) :
				  note_lock(w, g, thread, sudog, what, found);
}

static struct err *note_channels(struct waits *w, const struct goroutine *g, uint32_t thread,
				 struct found *found)
{
	taddr at = word(w, g->g + w->go->layout.g.waiting);
	struct err *err = NULL;

	for (unsigned i = 0; at && !err; i++) {
		unsigned before = found->n;

		if (i == SUDOGS_MAX) {
			found->elsewhere = true;
			break;
		}
		err = note_sudog(w, g, thread, at, ON_CHANNEL, found);
		found->elsewhere |= found->n == before; /* a list that is not what it should be */
		at = word(w, at + w->go->layout.sudog.waitlink);
	}
	return err;
}

/* The sudog is in a frame: among the blocks that the goroutine's own roots lead to. */
static struct err *note_semaphore(struct waits *w, const struct goroutine *g, uint32_t thread,
				  struct found *found)
{
	struct err *err = NULL;
	node_id last = NODE_NONE;

	for (uint32_t i = w->row[thread]; i < w->row[thread + 1] && !err; i++) {
		node_id node = EDGE_NODE(w->g->root_node[w->roots[i]]);

		if (node != last)
			err = note_sudog(w, g, thread, graph_key(w->g, node), ON_SEMAPHORE, found);
		last = node;
	}
	return err;
}

/* Everyone in the list of a Cond that may be there; once for each address. */
static struct err *read_list(struct waits *w, taddr cond)
{
	taddr at = word(w, cond + COND_HEAD), tail = word(w, cond + COND_HEAD + 8);

	if (!at || !tail || addrmap_get(&w->lists, cond))
		return NULL;
	if (!addrmap_put(&w->lists, cond, w))
		return &err_nomem;
	for (; at && w->listed < w->go->n_goroutines; at = word(w, at + w->go->layout.sudog.next)) {
		taddr g = word(w, at + w->go->layout.sudog.g);
		struct in_list *in;

		if (node_of(w, at) == NODE_NONE || !g || addrmap_get(&w->conds, g))
			break;
		in = arena_alloc(&w->mem, sizeof(*in));
		if (!in || !addrmap_put(&w->conds, g, in))
			return &err_nomem;
		*in = (struct in_list){ cond, at };
		w->listed++;
			}
	return NULL;
}

/* The frame of Cond.Wait holds the Cond: its list has this goroutine's sudog. */
static struct err *note_cond(struct waits *w, const struct goroutine *g, uint32_t thread,
			     struct found *found)
{
	const struct in_list *in;

	for (uint32_t i = w->row[thread]; i < w->row[thread + 1]; i++) {
		taddr cond = word(w, w->g->root_at[w->roots[i]]);
		struct err *err = node_of(w, cond) == NODE_NONE ? NULL : read_list(w, cond);

		if (err)
			return err;
	}
	in = addrmap_get(&w->conds, g->g);
	return in ? note_thing(w, thread, node_of(w, in->sudog), in->cond, WAIT_CONDITION, found) :
		    NULL;
}

/* Fills w->rows; false: it is not known that only another goroutine can wake it. */
static struct err *look_at(struct waits *w, uint32_t thread, bool *ret)
{
	const struct goroutine *g = &w->go->goroutines[thread];
	enum blocked_on on = blocked_on(g->wait_reason);
	node_id node = node_of(w, g->g);
	struct found found = {};
	struct err *err = NULL;

	w->rows.n = 0;
	*ret = false;
	if (g->status != GO_WAITING || g->is_system || !g->n_frames || on == ON_NOTHING_KNOWN || is_meant(g))
		return NULL;
	if (on == ON_CHANNEL)
		err = note_channels(w, g, thread, &found);
	else if (on == ON_SEMAPHORE)
		err = note_semaphore(w, g, thread, &found);
	else if (on == ON_COND)
		err = note_cond(w, g, thread, &found);
	else
		err = note(w, thread, NODE_NONE, 0, WAIT_NOTHING);
	if (err || found.elsewhere || (on != ON_NOBODY && !found.n))
		return err;
	*ret = true;
	return node == NODE_NONE ? NULL : hide(w, thread, node);
}

/* ---- those that stand at one place are one owner ---- */

struct place {
	struct text name;
	bool done;
};

static void take_place(void *arg, const char *function, const char *file, unsigned line)
{
	static const char *const inner[] = { "runtime.", "sync.", "internal/", "time.", "syscall." };
	const char *slash = file ? strrchr(file, '/') : NULL;
	struct place *p = arg;

	for (size_t i = 0; i < ARRAY_SIZE(inner); i++)
		if (!strncmp(function, inner[i], strlen(inner[i])))
			return;
	if (p->done)
		return;
	p->done = true;
	text_printf(&p->name, " in %s", function);
	if (file)
		text_printf(&p->name, " (%s:%u)", slash ? slash + 1 : file, line);
}

/* What a go statement stands in; an inlined function where the statement is in its lines. */
static void take_starter(void *arg, const char *function, const char *file, unsigned line)
{
	struct text *t = arg;

	(void)file;
	(void)line;
	if (!t->n)
		text_add(t, function);
}

/* "chan receive in main.worker (main.go:33)": the program's innermost function. */
static struct err *add_owner(struct waits *w, const struct goroutine *const *v, size_t n,
			     enum owner_kind kind, uint32_t *ret)
{
	const struct goroutine *g = v[0];
	struct place p = { .name = TEXT_INIT };
	struct owner owner = { .kind = (uint8_t)kind, .count = n, .is_main = n == 1 && g->id == MAIN };
	struct text starter = TEXT_INIT;
	struct err *err;

	text_add(&p.name, g->wait_reason ? g->wait_reason : go_status_name(g->status));
	for (size_t i = 0; i < g->n_frames && !p.done; i++)
		go_source(w->go, g->frames[i].pc - (i > 0), take_place, &p);
	owner.name = text_str(&p.name);
	if (g->go_pc)
		go_source(w->go, g->go_pc - 1, take_starter, &starter);
	owner.starter = starter.n ? text_str(&starter) : NULL;
	for (size_t i = 0; i < n; i++) {
		uint64_t waited = goroutine_waited(w->go, v[i]);

		owner.stacks += v[i]->stack_high - v[i]->stack_low;
		owner.waited = waited > owner.waited ? waited : owner.waited;
	}
	err = w->sink->owner(w->sink, &owner, ret);
	text_fini(&starter);
	text_fini(&p.name);
	return err;
}

static int by_stack(const void *pa, const void *pb)
{
	const struct goroutine *const *a = pa, *const *b = pb;
	int diff = goroutine_compare(*a, *b);

	return diff ? diff : (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

static struct err *add_owners(struct waits *w, const struct goroutine **v, size_t n,
			      enum owner_kind kind)
{
	uint32_t owner = 0;

	qsort(v, n, sizeof(*v), by_stack);
	for (size_t i = 0, end = 0; i < n; i++) {
		struct err *err = NULL;

		if (i == end) {
			while (end < n && !goroutine_compare(v[i], v[end]))
				end++;
			err = add_owner(w, v + i, end - i, kind, &owner);
		}
		if (!err)
			err = w->sink->owner_of_roots(w->sink, ROOT_GOROUTINE,
						      (uint32_t)(v[i] - w->go->goroutines),
						      owner);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *note_all(struct waits *w)
{
	size_t n = 0, n_others = 0;
	_free_ const struct goroutine **v = calloc(w->go->n_goroutines + 1, sizeof(*v));
	_free_ const struct goroutine **others = calloc(w->go->n_goroutines + 1, sizeof(*v));
	struct err *err = v && others ? NULL : &err_nomem;

	for (uint32_t i = 0; i < w->go->n_goroutines && !err; i++) {
		bool waits = false;

		err = look_at(w, i, &waits);
		for (size_t k = 0; waits && k < w->rows.n && !err; k++)
			err = w->sink->wait(w->sink, &w->rows.v[k]);
		if (waits)
			v[n++] = &w->go->goroutines[i];
		else if (w->go->goroutines[i].n_frames)
			others[n_others++] = &w->go->goroutines[i];
	}
	if (!err)
		err = add_owners(w, v, n, OWNER_STUCK);
	return err ? err : add_owners(w, others, n_others, OWNER_GOROUTINES);
}

/* ---- roots by goroutine: a counting sort ---- */

static bool is_of_goroutine(const struct waits *w, uint32_t root, uint32_t *ret)
{
	const struct root_source *source = &w->g->sources[w->g->root_source[root]];

	*ret = source->thread;
	return source->kind == ROOT_GOROUTINE && source->thread < w->go->n_goroutines;
}

static void sort_roots(const struct waits *w, uint32_t *row, uint32_t *roots)
{
	uint32_t thread;

	for (uint32_t i = 0; i < w->g->n_roots; i++)
		if (is_of_goroutine(w, i, &thread))
			row[thread + 2]++;
	for (size_t t = 2; t < w->go->n_goroutines + 2; t++)
		row[t] += row[t - 1];
	for (uint32_t i = 0; i < w->g->n_roots; i++)
		if (is_of_goroutine(w, i, &thread))
			roots[row[thread + 1]++] = i;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct waits w = { .img = img, .go = img->go, .g = g, .sink = sink };
	_free_ uint32_t *row = NULL, *roots = NULL;
	struct err *err;

	(void)env;
	(void)blocks;
	if (!w.go || !w.go->n_goroutines || w.go->n_goroutines >= UINT32_MAX)
		return NULL;
	row = calloc(w.go->n_goroutines + 2, sizeof(*row));
	roots = calloc((size_t)g->n_roots + 1, sizeof(*roots));
	if (!row || !roots)
		return &err_nomem;
	sort_roots(&w, row, roots);
	w.row = row;
	w.roots = roots;
	err = note_all(&w);
	free(w.rows.v);
	addrmap_fini(&w.lists);
	addrmap_fini(&w.conds);
	arena_fini(&w.mem);
	return err;
}

extern const struct noter_ops noter_go_waits;
const struct noter_ops noter_go_waits = { .name = "goroutines that wait", .find = find };
