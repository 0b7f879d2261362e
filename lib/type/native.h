/*
 * type/native.h - what a block of a C or C++ program can be, and how it came to be known.
 *
 * A shape is made once for each kind of block and class; type rows refer to it.
 */
#ifndef HEAPFX_TYPE_NATIVE_H
#define HEAPFX_TYPE_NATIVE_H

#include <string.h>

#include "image/cxx.h"
#include "image/dbg_types.h"
#include "image/window.h"
#include "type/count_rules.h"
#include "type/gobject.h"
#include "type/typer.h"

/* A name of debug info's; NULL begins with nothing. */
static inline bool native_begins(const char *name, const char *with)
{
	return name && *name == *with && !strncmp(name, with, strlen(with));
}

enum native_kind {
	NATIVE_VALUE,  /* one object */
	NATIVE_ARRAY,  /* objects one after another: of a vector, of malloc(n * size) */
	NATIVE_COUNTED, /* the same behind the count that new[] keeps */
	NATIVE_SHARED,	/* behind the two counts of Rust's Rc<[T]> and Arc<[T]> */
	NATIVE_TABLE,	/* pairs of keys and values of Rust's HashMap, not all of them there */
	NATIVE_KINDS
};

enum { NATIVE_SHARED_HEAD = 16 }; /* bytes of the counts; of values that must lie at larger powers of two nothing is said */

struct native_type;
struct native_use;

struct native_shape {
	const char *name; /* "shop::Order", "shop::Order[]"; with "?" behind it where that is a guess */
	uint8_t kind;	  /* enum native_kind */
	uint8_t language; /* enum type_language */
	bool is_guess, is_gobject;
	uint32_t head; /* bytes in front of a value, its library's: a GObject's private data */
	uint8_t glib;  /* enum glib_part, native_glib.c's own: of a container of GLib's */
	bool by_class; /* what blocks of it say themselves: a vtable, its type_info */
	struct native_type *type; /* of one object; NULL: DWARF does not tell */
	type_id id;	  /* 0 before one is assigned */
};

enum native_op {
	NATIVE_POINTER, /* to one object, or to the first of some */
	NATIVE_VECTOR,	/* to the first of those up to the next word; the one behind that ends their room */
	NATIVE_DEQUE,	/* to pointers to buffers; behind it their number, and where the first and the last value are */
	NATIVE_LIBCXX_DEQUE, /* the same, as libc++ says it */
	NATIVE_DYN,	/* to what a trait's vtable is for, which another word points at (native_room.length) */
	NATIVE_ERASED,	/* std::any, std::function: what a manager tells (native_room.length); native_erased_type() */
	NATIVE_KHASH,	/* to keys or values of a table of klib's, as many as it has buckets (native_room) */
	NATIVE_RUST,	/* a container of Rust's: `offset` is where its word is that leads to the block (native_room) */
};

/* What counts only while a number in the same value lies in [low, high], or does not. */
struct native_guard {
	uint64_t offset, low, high;
	uint8_t size; /* bytes of it */
	bool is_other;
	const struct native_guard *outer; /* and only while that holds; NULL */
};

/* Where a type has a pointer. */
struct native_slot {
	uint64_t offset;
	struct native_type *to;
	uint8_t op; /* enum native_op */
	const struct native_guard *guard; /* NULL: it always counts */
	const struct native_room *room;	  /* of Rust's containers, and klib's */
};

/* Where it has a reference that its target counts. */
struct native_ref {
	uint64_t offset;
	bool is_weak;
	uint8_t rule;	 /* + 1, of n->rules: to what has that one's count alone; 0: to the library's own */
	bool by_pointer; /* no rule speaks of this field, but its type leads to what has a count */
	bool is_open;	 /* a void pointer: perhaps one */
	const struct native_guard *guard;
};

/* Where it has a container whose values lie in a block of their own, which may have room for more. */
struct native_store {
	uint64_t offset; /* of the container */
	uint64_t size;	 /* of a value in its block */
	uint8_t kind;	 /* enum store_kind, native_stores.c's own */
	const struct native_guard *guard; /* NULL: it always counts */
	const struct native_slot *slot;	  /* of Rust's containers, and klib's */
};

/* A type of DWARF's as blocks have it: dbg_type.user. */
struct native_type {
	struct dbg_type *dbg; /* loaded when `slots` are made */
	const struct native_slot *slots; /* ascending, of one object */
	const struct native_ref *refs;	 /* the same; after native_refs() */
	const struct native_store *stores; /* in no order; after native_stores() */
	uint32_t n_slots, n_refs, n_stores;
	bool compiled, refs_made, stores_made;
	bool is_node; /* of a container */
	bool is_ring; /* such a one whose links may lead to the container, too */
	bool is_link, link_known; /* of what C programs link by it: native_is_link_of() */
	struct native_list *lists; /* native_lists.c's own */
	uint8_t class, rank; /* native_join.c's own */
	const struct dbg_type *holder; /* of a node: the container that has such ones; NULL: unknown, or several have */
	bool many_holders;
	struct native_type *buckets;	     /* of a node: the pointers to such ones in a table */
	const struct native_type *bucket_of; /* the node whose `buckets` this is; NULL: none */
	struct native_type *larger; /* begins with this one, and is what a large enough block has; NULL */
	struct native_shape *shapes[NATIVE_KINDS][2]; /* sure, and guessed */
};

/* A variable of a thread or frame that has a root in it. */
struct native_local {
	taddr start, end;
	const char *name;
	const struct dbg_type *type;
};

/* A word that is one of a variable's, or is the same as one: in a register, or where that was saved. */
struct native_var_word {
	taddr at; /* or typer_register() */
	const char *name;
	const struct dbg_type *type; /* of the variable */
	uint64_t offset; /* which word of it */
	uint32_t order;
	bool is_entry; /* of an argument that was what the caller has here */
};

/* A handler of a signal, which is its object's; blocks. */
struct native_handler {
	uint32_t block, object, closure;
	uint32_t data; /* the object that its closure has a reference to; BLOCK_NONE */
	uint32_t signal;
};
struct native_signals {
	struct {
		struct native_handler *v; /* by object */
		size_t n, cap;
	} handlers;
	struct col quiet; /* one bit a block: its words are none that count */
	taddr unref;	  /* g_object_unref(); 0: unknown */
};

/* native_live.c: which bytes of a block hold values, where a container tells that. */
struct native_live {
	struct native_part {
		uint32_t id;
		uint64_t from, to;
	} *v; /* by block, after native_live_sort() */
	size_t n, cap;
	uint64_t max; /* containers that claim the same memory again and again end at this many */
	bool is_full; /* they did: diag()'ed */
};

/* native_places.c: of nodes of lists that go one way. */
struct native_places {
	struct native_place {
		taddr node;
		uint64_t place;
	} *v; /* by node, after native_places_sort() */
	size_t n, cap;
};

struct native {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	struct type_columns *cols; /* while typers run */
	struct cxx cxx;
	struct dbg_types **dwarf; /* by module; NULL: it has none */
	bool has_dwarf;
	struct {
		struct native_shape **v; /* by type_id; of other typers: NULL */
		size_t n, cap;
	} by_id;
	struct {
		struct native_local *v; /* by address */
		size_t n, cap;
	} locals;
	struct {
		struct native_var_word *v; /* by place */
		size_t n, cap;
	} words;
	const struct count_rules *rules; /* NULL: none */
	uint32_t few; /* blocks that a round of native_spread() keeps a list of; of more a bitmap is read */
	uint32_t step; /* of few, so many of the last ones are followed in a round; 0: all of them */
	uint32_t *state; /* while types spread, instead of cols->type and ->confidence: native_join.c's own */
	struct addrmap rivals; /* the same */
	struct addrmap managers; /* native_erased.c's own */
	struct addrmap tables;	 /* native_glib.c's own */
	struct addrmap khashes;	 /* native_khash.c's own */
	struct gobject_types gobjects; /* GLib's classes */
	struct native_signals signals;
	struct col objects; /* ids of blocks where objects say what they are, ascending */
	struct native_live live;    /* of blocks with room for more than they hold; empty before graph's notes are made */
	struct native_places places; /* the same */
	uint64_t *steps_left; /* along lists, for names */
	/* Bytes of khash's flags, and of hashbrown's control bytes, that are still looked at: many tables may claim the same ones. */
	uint64_t flags_left, controls_left;
	struct arena mem;
	struct image_window window;
};

/* `name` of one object.  NULL when out of memory. */
struct native_shape *native_shape_new(struct native *n, const char *name, enum native_kind kind, bool is_guess,
				      enum type_language language);
/* Gives it its type_id. */
struct err *native_intern(struct native *n, struct native_shape *shape) MUST_CHECK;
/* A block is of a shape from now on. */
struct err *native_assign(struct native *n, uint32_t id, struct native_shape *shape,
			  enum type_confidence confidence) MUST_CHECK;
/* NULL: of no type, or of another typer. */
struct native_shape *native_shape_now(const struct native *n, uint32_t id);
/* Bytes at an address; NULL when there are none. */
const uint8_t *native_view(struct native *n, taddr at, uint64_t *ret_avail);
/* Words of memory that the dump has: no more things of one each can be there, whatever it claims. */
uint64_t native_words(const struct native *n);

/* The allocator of an address gives so large a block for so many bytes. */
bool native_is_made_for(const struct native *n, taddr at, uint64_t usable, uint64_t size);

/* A used block that no other typer is sure of. */
struct native_block {
	uint32_t id;
	taddr at;	 /* what the program holds */
	uint64_t usable; /* bytes from there on; at least one word */
};
/* Until fn fails, in order; blocks of collected heaps are not among them. */
struct err *native_each(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b), void *arg) MUST_CHECK;
/* The same without those whose first word is known to be no vtable and no count of what follows (word_is_plain()). */
struct err *native_each_headed(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b),
			       void *arg) MUST_CHECK;
/* The same of those in n->objects. */
struct err *native_each_object(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b),
			       void *arg) MUST_CHECK;

/* native_dwarf.c: what a type of DWARF's is to blocks.  NULL when out of memory, or for a type of no size. */
struct native_type *native_type_of(struct native *n, const struct dbg_type *type);
/* Of that name, as a demangler writes it, best of the unit that `near` is of, or else of its module; NULL: no module's DWARF has one. */
struct native_type *native_type_named(struct native *n, const char *name, const struct dbg_type *near);
struct native_shape *native_shape_of(struct native *n, struct native_type *type, enum native_kind kind, bool is_guess);
/* Makes the list of slots, once. */
void native_compile(struct native *n, struct native_type *type);
/* And that of its counted references. */
void native_refs(struct native *n, struct native_type *type);
/* And that of its containers. */
void native_stores(struct native *n, struct native_type *type);
/* "order *" */
void native_type_name(const struct dbg_type *type, struct text *ret);
/*
 * How the byte at an offset of a value is called: "->next", "[3].items", `["key"]`; `first` stands
 * before the first field.  Nothing is added for what libraries keep to themselves.  False: nothing
 * is known.
 */
bool native_path(const struct native *n, const struct dbg_type *type, bool is_array, taddr addr, uint64_t offset,
		 const char *first, struct text *ret);
/* The same in a table of pairs: `["eu"].items`. */
bool native_table_path(const struct native *n, const struct dbg_type *pair, taddr addr, uint64_t offset,
		       struct text *ret);
/* A name of C++ as people write it: std::string, no default allocators. */
void native_pretty(const char *name, struct text *ret);

/* native_containers.c: what DWARF does not say of the containers of libstdc++ and libc++. */

/* What a node of a container is, where its pointers are to a part of it only. */
struct native_nodes {
	const char *part;	  /* the type of the pointers: native_is_part() */
	struct native_type *node; /* what is there; NULL: nothing is known */
};
bool native_is_part(const char *name, const char *part);
/* A struct that is a container or a node of one: false for others, `ret` is left as it is. */
bool native_nodes_of(struct native *n, const struct dbg_type *type, struct native_nodes *ret);
/* The value in a node's, or a buffer's, bytes that have no type of their own. */
const struct dbg_type *native_stored(const struct dbg_type *type);
const struct dbg_member *native_member(const struct dbg_type *type, const char *name);

/* native_deques.c: buffers of one size, one after another, and in bytes of all of them where values begin and end. */
struct native_deque {
	taddr map;	    /* the pointers to buffers */
	uint64_t map_bytes; /* that it has room for */
	taddr first;	    /* of them that of the first buffer */
	uint64_t n;	    /* buffers */
	uint64_t room;	    /* bytes of values in one; never 0 */
	uint64_t from, to;
};
enum { NATIVE_DEQUE_BYTES = 80, NATIVE_LIBCXX_DEQUE_BYTES = 48 };
/* Of what a slot with one of these operations has, `words`; false: it does not hold together. */
bool native_deque_read(const struct native_slot *slot, const uint8_t *words, struct native_deque *ret);
/* Of a buffer's bytes those with values. */
void native_deque_part(const struct native_deque *d, uint64_t i, uint64_t *ret_from, uint64_t *ret_to);
bool native_is_node(const struct dbg_type *type);
bool native_is_ring(const struct dbg_type *type); /* of a list that ends where it begins */
/* How many nodes of a std::list or std::forward_list come before the one at an address; false: that is not known. */
bool native_place_in_list(const struct native *n, const struct dbg_type *node, taddr at, uint64_t *ret);
/* A pointer to the part of a node that links are in. */
bool native_is_link(const struct dbg_type *type);
/* "eu" in `["eu"]`, "..." where contents are not to be shown. */
void native_key(const struct native *n, const struct dbg_type *key, taddr at, struct text *ret);

/* native_erased.c: std::any and what is like it, `at` bytes in a value: where it has what it holds. False: it is none. */
bool native_erased(struct native *n, const struct dbg_type *type, uint64_t at, struct native_slot *ret);
/* What the manager at an address is for; NULL: unknown. *ret_here: it lies in the value, which else points at it. */
struct native_type *native_erased_type(struct native *n, taddr manager, bool *ret_here);
/* Of a slot with room.is_inner: the object in the value itself, in the `size` bytes there, that a word of it leads to; NULL. */
struct native_type *native_inner_type(struct native *n, const uint8_t *bytes, uint64_t size, taddr at);
/* native_vtables.c: of an object that begins with such a word; NULL: it is no vtable's, or DWARF does not have the class. */
struct native_type *native_class_type(struct native *n, taddr vtable);

/* native_folds.c: nodes are called and counted by the container that has them. */
/* `nodes` are of a container, which is a part of `holder`, that is what the program calls it. */
void native_note_holder(const struct native_nodes *nodes, const struct dbg_type *holder);
/* What a table's pointers to the first node of each chain are, where `pointer` is one; itself where nothing is known. */
struct native_type *native_buckets(struct native *n, const struct native_nodes *nodes, struct native_type *pointer);
/* "std::map<int, shop::Line> node", counted as "... nodes"; after all types are known. */
struct err *native_name_nodes(struct native *n) MUST_CHECK;

/* What a guard asks of a value; `size`: bytes of the value at hand. */
bool native_holds(const struct native_guard *guard, const uint8_t *value, uint64_t size);

/* native_lists.c: structs that are linked by one inside of them. */
bool native_is_link_type(const struct dbg_type *type);
/* The same, asked once. */
static inline bool native_is_link_of(struct native_type *type)
{
	if (!type->link_known) {
		type->is_link = native_is_link_type(type->dbg);
		type->link_known = true;
	}
	return type->is_link;
}
/* A type has such a link so many bytes in. */
bool native_has_link(const struct dbg_type *type, const struct dbg_type *link, uint64_t offset);
/* What a block of `usable` bytes is that has a link at an offset; NULL: several types may be it, or none. */
struct native_type *native_list_of(struct native *n, struct native_type *link, uint64_t offset, taddr at,
				   uint64_t usable);

/* native_rust.c: containers of Rust's std, as far as DWARF does not say where their values are. */

/* Where the words of one are, from the value that has it on. */
struct native_room {
	uint8_t kind; /* enum room_kind, its own */
	bool is_inner; /* libc++'s function: what it calls may lie in the value itself */
	uint64_t first, capacity, length, head;
	const struct dbg_type *key; /* of a table of klib's: the pointer to its keys */
	const char *wrapper; /* what a pointer to a trait points at besides: the name of an Rc's block; NULL */
};
/* A container: its values' type, what their block is found by. False: it is none. */
bool native_rust_room(struct native *n, const struct dbg_type *type, uint64_t at, struct native_slot *ret);
/* A part of a container's block that holds values. */
struct native_run {
	taddr start;   /* of the block */
	uint8_t kind;  /* enum native_kind */
	uint64_t room; /* bytes of it for values, from `skip` on */
	uint64_t skip, from, to; /* from `start` on */
};
/* Until fn answers false; at least once where there is a block. `value`: the one that has the slot. */
void native_rust_runs(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		      bool (*fn)(void *arg, const struct native_run *run), void *arg);
/* The concrete type behind a NATIVE_DYN, by its other word; NULL: unknown. */
struct native_type *native_rust_dyn(struct native *n, const struct native_slot *slot, uint64_t vtable);
/* How many values it has, and has room for; false: it has no block, or is damaged. */
bool native_rust_use(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		     struct native_use *ret);
/* Where the bytes of a String or &str at an address are. */
bool native_rust_text(const struct native *n, const struct dbg_type *type, taddr at, uint64_t *ret_at,
		      uint64_t *ret_length);
/* A OnceLock or LazyLock: what lies so many bytes in while it is initialized, else what will make that. */
struct native_once {
	const struct dbg_type *value, *maker; /* maker: NULL of a OnceLock */
	uint64_t offset;
	struct native_guard done, undone; /* offsets in the value */
};
bool native_rust_once(const struct dbg_type *type, struct native_once *ret);
/* Fields of these are their library's business. */
bool native_is_rust_std(const struct dbg_type *type);
/* The member of a pointer to a slice that says where that is. */
bool native_is_rust_pointer(const struct dbg_type *type, const struct dbg_member *m);
/* What structs of std that have one thing alone are around: ManuallyDrop<T>. */
const struct dbg_type *native_rust_bare(const struct dbg_type *type);

/* native_khash.c: a struct that klib's khash.h makes. */
bool native_is_khash(const struct dbg_type *type);
/* Of its member `m`, if that leads to keys or values; the struct lies `at` bytes in a value. */
bool native_khash_slot(struct native *n, const struct dbg_type *type, const struct dbg_member *m, uint64_t at,
		       struct native_slot *ret);
/* As native_rust_runs() and native_rust_use(). */
void native_khash_runs(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		       bool (*fn)(void *arg, const struct native_run *run), void *arg);
bool native_khash_use(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		      struct native_use *ret);
/* Such values are called by their keys from now on: `["eu"]`. */
void native_khash_note(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot);
/* Of the array of values that begins at an address; false: it is called by its number. */
bool native_khash_path(const struct native *n, const struct dbg_type *value, taddr start, uint64_t offset, struct text *ret);

/* native_stores.c: a struct that is a container with a block for its values, `at` bytes in a value. */
bool native_store_of(struct native *n, const struct dbg_type *type, uint64_t at, struct native_store *ret);
/* How much of it is in use. */
struct native_use {
	taddr start;	     /* of its block */
	uint64_t used, room; /* values, or entries of a table */
	uint64_t size;	     /* bytes of each */
	uint64_t spare;	     /* another block that goes with it, where there is nothing in it; 0 */
	taddr nodes;	     /* the first of a list that goes one way, of which nothing else is told; 0 */
	bool is_table;
};
/* `value` lies at an address; false: it has no block, or is damaged. */
bool native_use_of(struct native *n, const struct native_store *store, taddr at, const uint8_t *value, uint64_t size,
		   struct native_use *ret);

/* native_live.c */
struct native_values {
	uint64_t at, n; /* of the first; how many */
};
/*
 * What the containers in a block's, or a variable's, values say of theirs, if those are `wanted`; of
 * arrays of other types all is looked at.
 */
struct err *native_live_add(struct native *n, struct native_live *live, const struct native_shape *shape, const uint8_t *bytes,
			    uint64_t size, bool (*wanted)(struct native *n, struct native_type *type)) MUST_CHECK;
/* Values of that type have containers that say something of what is `wanted`. */
bool native_live_says(struct native *n, struct native_type *type, bool (*wanted)(struct native *n, struct native_type *type));
void native_live_sort(struct native_live *live);
/* Sorted: leaves out the blocks that are full. */
void native_live_spare(const struct native *n, struct native_live *live);
/* A container says that there is no value so far into a block. */
bool native_is_spare(const struct native_live *live, uint32_t id, uint64_t offset);
void native_live_fini(struct native_live *live);
/* The values of a block, in runs: all that have room where no container has a say. */
struct native_live_iter {
	const struct native_live *live;
	size_t at;	  /* its own */
	uint64_t end;
	bool begun, all;
};
bool native_live_next(struct native_live_iter *it, uint32_t id, const struct native_shape *shape, const uint8_t *bytes,
		      uint64_t size, struct native_values *ret);

/* native_places.c: the nodes of a list, from its first one on. */
struct err *native_places_add(const struct native *n, struct native_places *places, taddr first) MUST_CHECK;
void native_places_sort(struct native_places *places);
/* How many come before a node; false: no list has it, or several have it at different places. */
bool native_places_find(const struct native_places *places, taddr node, uint64_t *ret);
void native_places_fini(struct native_places *places);

/* native_counts.c: a struct that is a counted reference: its word that leads to the count; NULL: it is none. */
/* The last strong reference ends what a block of counts manages: it is there while this says so. False: it is none. */
bool native_lives_by(const struct dbg_type *type, struct native_guard *ret);
/* A weak_ptr: the block of counts alone knows whether what its first word leads to is there. */
bool native_is_weak(const struct dbg_type *type);
const struct dbg_member *native_counted(const struct dbg_type *type, uint64_t *ret_offset, bool *ret_is_weak);

/* native_rules.c: counts that a rule describes. */
struct native_number {
	const struct count_place *place;
	uint64_t offset; /* in the value */
	uint8_t width;
};
struct native_ruled {
	const struct count_rule *rule;
	uint64_t at; /* where in the value the struct lies that the rule speaks of */
	struct native_number strong, weak;
};
/* What values of a shape have their count by; NULL: no rule, or its fields are not there. */
const struct native_ruled *native_ruled_of(struct native *n, const struct native_shape *shape);
/* False: they do not lie in those bytes, or are no counts. */
bool native_ruled_counts(const struct native_ruled *ruled, const uint8_t *bytes, uint64_t size,
			 uint64_t *ret_strong, uint64_t *ret_weak);
/* Pointers of a struct that rules speak of: `size` bytes of them. */
struct native_rule_refs {
	struct native_rule_ref {
		uint64_t offset, size;
		uint8_t kind; /* enum count_ref_kind */
		uint8_t rule; /* + 1 */
	} v[2 * COUNT_LIST_MAX];
	unsigned n;
};
void native_rule_refs(const struct native *n, const struct dbg_type *type, struct native_rule_refs *ret);
/* The rule, + 1, that has no list of fields and whose structs a pointer leads to; 0. */
uint8_t native_rule_leads(struct native *n, const struct dbg_type *pointer);
/* Some rule has no list of fields. */
bool native_rules_open(const struct native *n);
/* Whether a reference counts with what is counted so (NULL: by a library): of the same rule, or open. */
bool native_is_ref_to(const struct native *n, const struct native_ref *ref, const struct native_ruled *ruled);
/* What nothing typed leads to and has a count that is right: guessed, and followed. */
struct native_spread;
struct err *native_rule_seeds(struct native *n, struct native_spread *spread) MUST_CHECK;

/* native_spread.c: from roots and blocks that are typed, along pointers, to blocks. */
/* `roots` tells of all variables, by native_follow() and native_follow_value(), in any order. */
struct err *native_spread(struct native *n, struct err *(*roots)(struct native *n, struct native_spread *s)) MUST_CHECK;
/* A block of no known type that begins at an address is perhaps a T, and what that leads to: after native_spread_on(). */
void native_suppose(struct native_spread *s, taddr at, struct native_type *type);
struct err *native_spread_on(struct native_spread *s) MUST_CHECK;
/* A value of a type lies at an address outside the heap. */
void native_follow(struct native_spread *s, taddr at, uint64_t bytes, const struct dbg_type *type);
/* A value of a type, from registers or so; of larger ones the first bytes. Bits of `known`: words that are there. */
enum { NATIVE_VALUE_MAX = 256 };
void native_follow_value(struct native_spread *s, const uint8_t value[NATIVE_VALUE_MAX], uint32_t known,
			 const struct dbg_type *type);

/* native_roots.c: has all variables followed in which a root is. */
struct err *native_roots(struct native *n, struct native_spread *s) MUST_CHECK;
/* The same variables again, each once, until fn fails. */
struct err *native_each_variable(struct native *n, const struct graph *g,
				 struct err *(*fn)(void *arg, const struct native_local *l), void *arg) MUST_CHECK;
bool native_global(struct native *n, taddr at, struct text *ret);

/* Bytes of a block in front of its first value. */
static inline uint64_t native_skip(const struct native_shape *shape)
{
	if (shape->kind == NATIVE_SHARED)
		return NATIVE_SHARED_HEAD;
	return shape->kind == NATIVE_COUNTED ? 8 : shape->head;
}

/* native_gobjects.c: objects of GLib, into n->signals their handlers; after native_vtables(). */
struct err *native_gobjects(struct native *n) MUST_CHECK;
void native_signals_fini(struct native_signals *s);
/* What an object's address at an offset of a block is. */
enum native_word { NATIVE_WORD_NONE, NATIVE_WORD_PERHAPS, NATIVE_WORD_COUNTED };
enum native_word native_gobject_word(const struct native *n, uint32_t block, const uint8_t *bytes, uint64_t size,
				     uint64_t at);
/* An offset in an object that stands for its handler of a signal. */
#define NATIVE_HANDLER_AT (1ull << 40)
#define NATIVE_CLOSURE_DATA 48u /* in the block of a closure */

/* native_glib.c: tables and trees of GLib, by what is in them. */
struct err *native_glib(struct native *n) MUST_CHECK;
/* A GArray or GByteArray, whose first words alone programs are shown. */
struct native_garray {
	taddr data;
	uint64_t used, room, size; /* elements, bytes of each */
	uint32_t block;
};
/* Of what debug info says is one; false: it does not hold together. */
bool native_garray_read(const struct native *n, taddr at, struct native_garray *ret);
/* Blocks of elements that nothing else is sure of; after native_spread(). */
struct err *native_garrays(struct native *n) MUST_CHECK;
/* How the word at an offset of one's block is called; false: it is none of the program's. */
bool native_glib_path(const struct native *n, uint8_t part, taddr addr, uint64_t offset, struct text *ret);

/* native_vtables.c: objects with virtual functions or bases, by their vtable pointers. */
struct err *native_vtables(struct native *n) MUST_CHECK;

/* native_join.c: all that is said of a block, joined; the result is the same in whatever order it comes. */

/* What a pointer or a container says of a block. */
struct native_evidence {
	struct native_type *type;
	uint8_t kind, confidence; /* enum native_kind; TYPE_GUESSED or TYPE_SPREAD */
	bool is_exact; /* and which of its bytes hold values */
};
enum native_news {
	NATIVE_NEWS_NONE,
	NATIVE_NEWS_SAME, /* exact as well, and what is queued of the block is of the same type */
	NATIVE_NEWS_TYPE, /* it is of another type than before, or exactly told only now */
};
/* `queued`: one bit an id: what it holds has changed since it was followed last. */
struct err *native_join(struct native *n, const uint64_t *queued, uint32_t id, const struct native_evidence *e,
			enum native_news *ret) MUST_CHECK;
/* By its row of n->state: what it is; NULL: unknown, or of another typer. */
#define NATIVE_TYPE_OF(state) ((state) & ((1u << 23) - 1))
static inline struct native_shape *native_shape_in(const struct native *n, uint32_t state)
{
	type_id type = NATIVE_TYPE_OF(state);

	return type < n->by_id.n ? n->by_id.v[type] : NULL;
}
/* And whether it is told which of its bytes hold values. */
bool native_is_exact(uint32_t state);
/* Columns become n->state, and again columns; what contradicts is kept then (native_add_rival). */
void native_join_begin(struct native *n);
struct err *native_join_finish(struct native *n) MUST_CHECK;
/* Fills class and rank. */
void native_rank(struct native_type *type);
/* What a block may be besides; shape NULL: no memory. */
struct err *native_add_rival(struct native *n, uint32_t id, struct native_shape *shape) MUST_CHECK;

#endif
