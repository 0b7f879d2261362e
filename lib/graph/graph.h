/*
 * graph/graph.h - the narrow waist: everything before it builds this, everything after it reads
 * only this.
 *
 * A core gives one node per block (free ones and fillers too: they are not `live`, have no edges
 * and cost two bits); a snapshot gives one node per object.  Immutable once built.  graph/ does
 * not know that keys are addresses.
 */
#ifndef HEAPFX_GRAPH_GRAPH_H
#define HEAPFX_GRAPH_GRAPH_H

#include <string.h>

#include "base/arena.h"
#include "base/bits.h"
#include "base/col.h"
#include "base/grains.h"
#include "base/text.h"
#include "graph/edge_rows.h"
#include "graph/types.h"

#define NODE_NONE UINT32_MAX
#define EDGE_INTERIOR (1u << 31) /* in dst[] and root_node[]: points inside the block, not at its start */
#define EDGE_NODE(d) ((d) & ~EDGE_INTERIOR)
enum { SLOT_BLOCK = 512, SLOT_UNKNOWN = UINT8_MAX };

/* In the order chains prefer them: a global explains more than a stack slot. */
enum root_kind {
	ROOT_GLOBAL,	/* .data/.bss of a module */
	ROOT_TLS,	/* thread-local storage, thread control block, pthread keys */
	ROOT_STACK,	/* live part of a stack */
	ROOT_GOROUTINE, /* a goroutine's stack */
	ROOT_REGISTER,
	ROOT_FINALIZER, /* a finalizer or cleanup: what it calls, what its object refers to */
	ROOT_RUNTIME,	/* a language runtime's own structures: timers, defers, pinned objects */
	ROOT_ANON,	/* an anonymous mapping that no heap claims */
	/*
	 * A vector register: what a copy left in one may be long dead, so a chain begins there only
	 * where none begins elsewhere, however much longer that is.
	 */
	ROOT_VECTOR,
	ROOT_COUNTED, /* nothing was found that holds it, but its count says that something does: after all others */
	ROOT_KINDS
};
const char *root_kind_name(enum root_kind kind); /* "global", "tls", "stack", "register", "mapping" */

/* root_at[] is the number of a register, no address. */
static inline bool root_is_register(enum root_kind kind)
{
	return kind == ROOT_REGISTER || kind == ROOT_VECTOR;
}

/*
 * Something of which it is asked what it alone keeps: a pool, goroutines that nobody can wake.  Its
 * roots say so (root_source.owner), or its gates: nodes behind which all is reached by way of it.
 */
enum owner_kind {
	OWNER_POOL,
	OWNER_FINALIZER, /* what waits for finalizers and cleanups to run */
	OWNER_GOROUTINES, /* any others at one place: of FACT_HELD alone */
	OWNER_STUCK, /* counts for those of its goroutines alone that FACT_STUCK finds stuck */
	OWNER_KINDS
};
struct owner {
	uint8_t kind;	  /* enum owner_kind */
	const char *name; /* for people; lives as long as the graph */
	uint64_t count;	  /* goroutines of a group; things in a pool; finalizers and cleanups that are due */
	uint64_t address; /* of a pool itself; 0: none */
	uint64_t old;	  /* of a pool's things: they were in it at the last collection already */
	uint64_t undrawn; /* and those that it never fell below as far as its records go; 0: unknown */
	uint64_t stacks;  /* bytes of the goroutines' stacks */
	uint64_t waited;  /* ns: one of the goroutines waits at least so long, the longest; 0: unknown */
	const char *starter; /* the function whose go statement made them; NULL: unknown. As name */
	bool is_main; /* the goroutine that the program ends with: what it keeps is the program's, stuck or not */
};
struct gate {
	node_id node;
	uint32_t owner; /* index in owners, + 1 */
};

/*
 * A goroutine that only another one can wake, and what that other one would have to reach.  Without
 * a WAIT_FOR row that names a node, nobody can.
 */
enum wait_kind {
	/* who reaches this node (channel, mutex, ...) may wake it; NODE_NONE: nobody may */
	WAIT_FOR,
	WAIT_HIDDEN, /* its own control block: leads on only for itself, or once it is awake */
};
enum wait_on {
	WAIT_CHANNEL,
	WAIT_MUTEX,
	WAIT_RWMUTEX,
	WAIT_GROUP,
	WAIT_CONDITION,
	WAIT_SEMAPHORE, /* of something else */
	WAIT_NOTHING,	/* that could ever come: a nil channel */
	WAIT_ONS
};
struct wait {
	node_id node;
	uint32_t thread; /* as in root_source of ROOT_GOROUTINE */
	uint8_t kind;	 /* enum wait_kind */
	uint8_t on;	 /* enum wait_on, of WAIT_FOR */
	uint32_t offset; /* of the thing inside the node; UINT32_MAX: further on */
};

/* A container that has room for more than it holds. */
enum slack_kind {
	SLACK_MAP,	/* slots of a hash table that are empty or deleted */
	SLACK_CAPACITY, /* a buffer longer than what is used of it */
	SLACK_SUBSLICE, /* a part in use keeps the whole array alive */
	SLACK_EMPTY,	/* an allocated container with nothing in it */
	SLACK_KINDS
};
struct slack {
	node_id node;	   /* what a program would rebuild or cut: the array, the map's header */
	uint8_t kind;	   /* enum slack_kind */
	uint64_t used, capacity; /* entries; bytes for SUBSLICE */
	uint64_t bytes;	   /* of all its storage */
	uint64_t wasted;   /* bytes of it that a rebuilt one would not have; never more than `bytes` */
};

/* A container whose keys are pointers, and the edges that come from the slots of keys alone. */
struct keyed {
	node_id node; /* as in struct slack */
	uint64_t keys;
	uint64_t first, n; /* of key_edges: ascending */
};

/* The same bytes in several blocks, and those blocks. */
struct content {
	uint64_t length; /* bytes of them */
	uint64_t size;	 /* of each block that holds them */
	uint64_t every; /* each block of it that is named stands for so many; 0, 1: for itself alone */
	const char *sample; /* how they begin, not escaped; lives as long as the graph; NULL: of little of it */
};
struct copy {
	node_id node;
	uint32_t content; /* index in contents */
};

/* A block with a count of the references that keep it: a control block, an Rc, what a rule describes. */
struct counted {
	node_id node;
	node_id value;	 /* what it keeps, where that is a block of its own; NODE_NONE */
	uint64_t strong; /* references that keep it, as it says itself; never 0 */
	uint64_t weak;	 /* those that do not; 0 where nobody counts them */
	uint64_t found_weak; /* of these, words that were found in blocks */
	const char *kind; /* "shared_ptr", "Rc", the name of a rule; lives as long as the graph */
};
/* A word of a block that is such a reference. */
struct reference {
	node_id from;
	uint32_t to;	 /* index in counteds */
	uint64_t offset; /* in `from`, as the program holds it */
	bool sure; /* a strong one, by its type; false: it may be a weak one, or nobody's any more */
	bool owns; /* its target goes with `from` whatever counts: nothing that could be made weak */
};

/* A chain begins there wherever it can, however much longer it is than others. */
enum root_first {
	FIRST_NONE,
	FIRST_NAMED, /* what a program's text names from anywhere */
	FIRST_FRAME, /* variables of a runtime's calls that have not ended: after those; rooter_ops.describe knows them */
	N_FIRST
};

/* Where roots of one kind lie together: a module's data, a thread's stack. Few; roots refer to it. */
struct root_source {
	uint8_t kind;	  /* enum root_kind */
	uint32_t thread;  /* index of the thread, UINT32_MAX if none; of the goroutine for ROOT_GOROUTINE */
	int32_t module;	  /* index of the module, -1 if none */
	uint64_t start, end; /* addresses it covers; 0, 0 for registers */
	uint32_t owner;	     /* index in graph.owners, + 1; 0: nobody in particular */
	uint8_t first; /* enum root_first */
	bool is_last; /* ... only what no other leads to: what it holds goes by itself in time */
	bool is_busy; /* of a goroutine that runs: it may be giving up what it holds */
	bool exact; /* a collector's own maps say that each of its words is a pointer; false: it looks like one */
};

/* How one edge or root is called; strings live as long as the graph, NULL where unknown. */
struct edge_label {
	uint64_t offset;     /* of the pointer inside the source block */
	uint64_t into;	     /* offset of where it points inside the target: 0 for a start */
	const char *name;    /* field, element, key */
	bool exact;	     /* by type information; false = conservative scan */
};

/* Where a root of a stack is, as a report shows it beside its words. */
struct root_place {
	uint64_t goroutine;    /* its id; 0: of none */
	struct text function;  /* of the frame; empty: of none, or unknown */
	struct text frame;     /* "main.worker (main.go:33)" */
	struct text variable;  /* of that call, which the root is in: "rows"; empty: of none, or unknown */
	/*
	 * Where its code, or the variable, stands in the source; of a Go runtime's frame the call
	 * in the program that led there; empty: unknown.
	 */
	struct text file;
	unsigned line;
};
#define ROOT_PLACE_INIT { .function = TEXT_INIT, .frame = TEXT_INIT, .variable = TEXT_INIT, .file = TEXT_INIT }
static inline void root_place_fini(struct root_place *p)
{
	text_fini(&p->function);
	text_fini(&p->frame);
	text_fini(&p->variable);
	text_fini(&p->file);
}

/*
 * Where a type is declared in the source; where programs do not tell that (Go), a method of it
 * begins there, which is named.
 */
struct type_place {
	struct text file;
	unsigned line;
	struct text method; /* "main.(*Session).Touch"; empty: it is the declaration */
};
#define TYPE_PLACE_INIT { .file = TEXT_INIT, .method = TEXT_INIT }
static inline void type_place_fini(struct type_place *p)
{
	text_fini(&p->file);
	text_fini(&p->method);
}

/*
 * A hash table whose entries are nodes, chained from an array of buckets.  Counts are of what lies
 * between the first bucket with an entry and the last.
 */
enum { TABLE_SAMPLES = 8 };
#define TABLE_ANY_LINK UINT64_MAX
#define TABLE_TAG UINT64_C(7)
struct graph_table {
	uint64_t buckets, used; /* used: that have an entry */
	uint64_t first;		/* buckets before those: one that moves into another empties them in order */
	uint64_t entries, bytes;
	uint64_t first_bytes; /* of the first entry of each bucket */
	uint64_t least, most; /* bytes of an entry */
	uint64_t link;	/* offset of the word that leads to the next one; TABLE_TAG: how those are tagged that lead to such */
	uint8_t tags;	/* of all that lead to entries: bit i, there are some with i in their low bits, */
	uint8_t headers; /* and some that lead i words behind the start */
	bool is_spread; /* there are chains, and as many empty buckets as hashing leaves, or fewer, */
	bool is_thinned; /* or more, as if whole ones were emptied: it may be the half of a table that is resized */
	node_id some[TABLE_SAMPLES]; /* the first of the entries */
};

struct graph;

/* What only the producer of the graph can tell; called for output, not in loops. Absent ops are NULL. */
struct graph_ops {
	/* The first slot of src that points at dst: false if there is none. */
	bool (*edge)(void *ctx, node_id src, node_id dst, struct edge_label *ret);
	/*
	 * Its offset alone, for passes over many small nodes; false, too, when the slot is not found.
	 * Absent: nobody can tell.
	 */
	bool (*slot)(void *ctx, node_id src, node_id dst, uint64_t *ret);
	/*
	 * All slots of src that point somewhere, by offset: for those who ask of many edges, each of
	 * which costs as much by edge().  Ends early when fn fails.
	 */
	struct err *(*slots)(void *ctx, node_id src,
			     struct err *(*fn)(void *arg, uint64_t offset, node_id dst), void *arg);
	/* How a slot is called, as in edge_label.name; NULL: unknown. */
	const char *(*field)(void *ctx, node_id src, uint64_t offset);
	/*
	 * The same of any node of that type, without what depends on its contents: keys are "[...]"
	 * or "[]", and a slot whose meaning depends on them is unknown.
	 */
	const char *(*field_of)(void *ctx, type_id type, uint64_t offset);
	/* "main.sessions", "stack of thread 12 in worker+0x40": a root in words, demangled, not escaped. */
	void (*root)(void *ctx, uint32_t root, struct text *ret);
	/* Where a root of a stack is, or a variable in the source; `ret` has texts that may be added to. */
	void (*place)(void *ctx, uint32_t root, struct root_place *ret);
	/* The address a program holds of a node that starts at `start`; NULL: `start` for all. */
	uint64_t (*held)(void *ctx, uint64_t start);
	/* Entries of a container with keys; 0: it is none, or empty, or nobody can tell. */
	uint64_t (*entries)(void *ctx, node_id node);
	/*
	 * The table that this node is the buckets of; link: TABLE_ANY_LINK, or where entries of another
	 * part of the same table have theirs.  False: none that can be told.  Reads every entry.
	 */
	bool (*table)(void *ctx, node_id node, uint64_t link, struct graph_table *ret);
	/* False: unknown. `ret` has texts that may be added to. */
	bool (*type_place)(void *ctx, type_id type, struct type_place *ret);
	/* What a live node's bytes look like, in a short word ("text"); NULL if there is none. A literal. */
	const char *(*label)(void *ctx, node_id node);
	/* How the byte at an offset of a node is called: "main.Account.mu"; false: of no known type. */
	bool (*inside)(void *ctx, node_id node, uint64_t offset, struct text *ret);
	/* Before the columns go: what ctx owns besides them. */
	void (*close)(void *ctx);
};

struct graph {
	struct env *env;
	node_id n;
	edge_id m;
	/* nodes, ascending by key */
	const struct grains *grains; /* keys and sizes, for cores; borrowed from the producer */
	const uint64_t *key;	     /* keys, for snapshots (sorted); NULL with grains */
	const uint64_t *size;	     /* bytes, for snapshots; NULL with grains */
	const uint64_t *live;	     /* one bit a node: a used block; the others have no edges */
	node_id n_live;
	uint64_t live_bytes;
	/* To be asked by graph_type(): one of them, narrow where the types' numbers fit; both NULL: no types known. */
	const uint16_t *type_narrow;
	const type_id *type_wide;
	const struct types *types;   /* NULL: no types known */
	/* One bit a node: a collector's, so that it is uncollected when nothing reaches it, not lost; NULL: none. */
	const uint64_t *collected;
	/*
	 * edges, compressed sparse rows: dst[graph_row(i)] .. dst[graph_row(i + 1) - 1], in order of
	 * their slots, adjacent duplicates, a pointer into the block that the one before it gives the
	 * start of, and self edges dropped.
	 */
	struct edge_rows rows;
	const uint32_t *dst; /* m: node, EDGE_INTERIOR */
	/*
	 * m: the word that each comes from, counted in eights of bytes from the start of its node;
	 * SLOT_UNKNOWN where that has more than SLOT_BLOCK bytes. NULL: nobody asked.
	 */
	const uint8_t *slot;
	/* roots, in order of source, then of slot */
	uint32_t n_roots;
	const uint32_t *root_node;   /* node, EDGE_INTERIOR */
	const uint32_t *root_source; /* index in sources */
	const uint64_t *root_at;     /* address of the slot, or register number */
	const struct root_source *sources;
	uint32_t n_sources;

	const struct owner *owners; /* NULL: none */
	uint32_t n_owners;
	const struct gate *gates; /* ascending by node, each once */
	uint32_t n_gates;

	const struct wait *waits; /* ascending by node */
	uint32_t n_waits;
	const node_id *finalizable; /* nodes with a finalizer, ascending, each once */
	uint64_t n_finalizable;
	const node_id *queued; /* nodes whose finalizer is due or runs, ascending, each once */
	uint64_t n_queued;
	const struct slack *slacks; /* ascending by node, then kind; each pair once */
	uint64_t n_slacks;
	const struct keyed *keyeds; /* ascending by node, each once */
	uint64_t n_keyeds;
	const edge_id *key_edges;
	const struct content *contents; /* NULL: nobody looked, or none */
	uint32_t n_contents;
	const struct copy *copies; /* ascending by node, each once */
	uint64_t n_copies;
	const struct counted *counteds; /* ascending by node, each once */
	uint32_t n_counteds;
	const struct reference *references; /* ascending by from, then offset */
	uint64_t n_references;
	struct arena names; /* of owners, samples and what counts */

	const struct graph_ops *ops;
	void *ctx; /* for ops */
	struct col cols[31]; /* owners of the columns above; graph_free closes them */
	unsigned n_cols;
};

static inline edge_id graph_row(const struct graph *g, node_id i) /* 0 <= i <= n */
{
	return edge_rows_start(&g->rows, i);
}
static inline bool graph_is_live(const struct graph *g, node_id i)
{
	return bit_get(g->live, i);
}
static inline type_id graph_type(const struct graph *g, node_id i) /* 0: unknown */
{
	return g->type_narrow ? g->type_narrow[i] : g->type_wide ? g->type_wide[i] : 0;
}
uint64_t graph_start(const struct graph *g, node_id i); /* of its bytes: a select for cores, for output only */
uint64_t graph_key(const struct graph *g, node_id i);  /* what the program holds: behind a header of Go's; likewise */
uint64_t graph_size(const struct graph *g, node_id i); /* likewise */
/* graph_size() of nodes that mostly lie near the one before; *near is 0 at first. */
static inline uint64_t graph_size_near(const struct graph *g, node_id i, uint64_t *near)
{
	uint64_t grain;

	if (!g->grains)
		return g->size[i];
	grain = grains_select_near(g->grains, i, near);
	return (grain_next_start(g->grains, grain) - grain) << g->grains->shift;
}
/* No node of [64 * word, 64 * word + 64) is larger. */
static inline uint64_t graph_size_most(const struct graph *g, uint64_t word)
{
	return g->grains && g->grains->select ? grains_size_most(g->grains, word) : UINT64_MAX;
}
/* Of the nodes 64 * word + i whose bit i is set, all bytes; *near as above. */
static inline uint64_t graph_sizes_near(const struct graph *g, uint64_t word, uint64_t bits,
					uint64_t *near)
{
	uint64_t bytes = 0, first = 64 * word;

	if (bits == UINT64_MAX && g->grains && first + 64 < g->n) {
		uint64_t from = grains_select_near(g->grains, (node_id)first, near);

		return (grains_select_near(g->grains, (node_id)first + 64, near) - from)
		       << g->grains->shift;
	}
	for (; bits; bits &= bits - 1)
		bytes += graph_size_near(g, (node_id)(first | (uint64_t)__builtin_ctzll(bits)), near);
	return bytes;
}
/* Of all nodes 64 * word + i there are, ret[i]: bytes; *near as above. */
static inline void graph_sizes_of(const struct graph *g, uint64_t word, uint64_t *near,
				  uint64_t ret[64])
{
	node_id first = (node_id)(64 * word), n = g->n - first < 64 ? g->n - first : 64;

	if (g->grains)
		grains_sizes(g->grains, first, n, near, ret);
	else
		memcpy(ret, g->size + first, n * sizeof(*ret));
}
node_id graph_node_at(const struct graph *g, uint64_t key); /* containing; NODE_NONE; live or not */

/* In id order, for passes over all nodes; skips what is not live. */
struct graph_iter {
	const struct graph *g;
	struct grains_iter grains;
	node_id id;
	uint64_t key, size; /* key: graph_start() */
};
struct graph_iter graph_iter(const struct graph *g, node_id first); /* on the first live node >= first */
/* id >= g->n at the end.  Without calls, so that a pass keeps the iterator in registers. */
static inline void graph_next(struct graph_iter *it)
{
	const struct graph *g = it->g;

	do {
		if (++it->id >= g->n)
			return;
		if (!g->grains)
			continue;
		grains_iter_step(&it->grains);
	} while (!graph_is_live(g, it->id));
	if (g->grains) {
		it->key = grain_key(g->grains, it->grains.grain);
		it->size = (it->grains.next - it->grains.grain) << g->grains->shift;
	} else {
		it->key = g->key[it->id];
		it->size = g->size[it->id];
	}
}

/* For producers: the graph's from now on, sealed; g->rows are these. */
void graph_own(struct graph *g, struct col *col);
void graph_own_rows(struct graph *g, struct edge_row_cols *rows);

void graph_free(struct graph *g); /* NULL is fine */

/* Its type's name; NULL = unknown. Lives as long as the graph. */
static inline const char *graph_type_name(const struct graph *g, node_id node)
{
	type_id type = graph_type(g, node);
	const char *name;

	if (!type || !g->types || type >= g->types->n)
		return NULL;
	name = g->types->v[type].name;
	return *name ? name : NULL;
}
/* The same; of a part of something what it is counted as: "std::map<int, shop::Line> nodes". */
static inline const char *graph_kind_name(const struct graph *g, node_id node)
{
	const char *name = graph_type_name(g, node), *whole = name ? g->types->v[graph_type(g, node)].whole : NULL;

	return whole ? whole : name;
}
/* Those, or "64-byte block". */
void graph_name_node(const struct graph *g, node_id node, uint64_t size, struct text *ret);
void graph_name_kind(const struct graph *g, node_id node, uint64_t size, struct text *ret);

/*
 * A builder for graphs given edge by edge in source order (snapshots, tests); the conservative
 * scan of cores fills the columns itself (type/scan.c).
 */
struct graph_builder;
struct err *graph_builder_new(struct env *env, struct graph_builder **ret) MUST_CHECK;
void graph_builder_free(struct graph_builder *b); /* NULL is fine */
struct err *graph_add_node(struct graph_builder *b, uint64_t key, uint64_t size) MUST_CHECK; /* keys ascend */
struct err *graph_add_edge(struct graph_builder *b, node_id src, uint32_t dst_and_flags) MUST_CHECK; /* src never goes down */
struct err *graph_add_root(struct graph_builder *b, const struct root_source *source, uint32_t node_and_flags, uint64_t at) MUST_CHECK;
struct err *graph_build_finish(struct graph_builder *b, struct graph **ret) MUST_CHECK; /* b must still be freed */

#endif
