/*
 * type/native_dwarf.c - types of DWARF as blocks have them: where their pointers are, and how their
 * bytes are called.
 *
 * What a union or void pointer holds is left open.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "type/native.h"

enum {
	SLOTS_MAX = 4096,  /* of one type */
	PARTS_MAX = 1 << 16, /* looked at for them */
	DEPTH_MAX = 64,
	ALTERNATIVES_MAX = 64, /* of one variant */
	GUARDS_MAX = 4, /* inside each other */
	BTREE_KEYS = 11, /* of one node */
	RULE_NONE = UINT8_MAX, /* a rule says that a field does not count */
};

#define LEAF_NODE "alloc::collections::btree::node::LeafNode<"

/* Links of a BTreeMap lead to its leaves' type, whatever node is there. */
static struct native_type *larger_of(struct native *n, const struct dbg_type *type)
{
	static const char leaf[] = LEAF_NODE;
	struct text name = TEXT_INIT;
	struct native_type *ret = NULL;

	if (type->language != DBG_LANG_RUST || !type->name || strncmp(type->name, leaf, strlen(leaf)) != 0)
		return NULL;
	text_printf(&name, "alloc::collections::btree::node::InternalNode<%s", type->name + strlen(leaf));
	if (!name.bad)
		ret = native_type_named(n, text_str(&name), type);
	text_fini(&name);
	return ret;
}

struct native_type *native_type_of(struct native *n, const struct dbg_type *type)
{
	struct dbg_type *dbg = (struct dbg_type *)type; /* the typer's own: `user` is for it */

	if (!type || type->kind == DBG_KIND_NONE || !type->size)
		return NULL;
	if (!dbg->user) {
		struct native_type *t = arena_alloc(&n->mem, sizeof(*t));

		if (t) {
			t->dbg = dbg;
			t->is_node = native_is_node(dbg);
			t->is_ring = native_is_ring(dbg);
			t->larger = larger_of(n, dbg);
			native_rank(t);
		}
		dbg->user = t;
	}
	return dbg->user;
}

struct native_type *native_type_named(struct native *n, const char *name, const struct dbg_type *near)
{
	uint64_t hash = dbg_name_hash(name);
	struct dbg_type *type = near && near->of ? dbg_types_named(near->of, hash, near) : NULL;

	for (size_t i = 0; n->has_dwarf && i < n->img->n_modules && !type; i++)
		if (n->dwarf[i])
			type = dbg_types_named(n->dwarf[i], hash, NULL);
	return type ? native_type_of(n, type) : NULL;
}

/* ---- names */

void native_type_name(const struct dbg_type *type, struct text *ret)
{
	unsigned stars = 0;

	while (type && type->kind == DBG_KIND_POINTER && !type->name && stars < DEPTH_MAX) {
		dbg_type_load((struct dbg_type *)type);
		type = type->to;
		stars++;
	}
	if (type && type->kind == DBG_KIND_ARRAY)
		type = type->to;
	text_add(ret, type && type->name ? type->name : !type || type->kind == DBG_KIND_NONE ? "void" : "(unnamed)");
	for (unsigned i = 0; i < stars; i++)
		text_add(ret, i ? "*" : " *");
}

static enum type_language language_of(const struct dbg_type *type)
{
	static const uint8_t languages[] = {
		[DBG_LANG_C] = LANG_C, [DBG_LANG_CXX] = LANG_CXX, [DBG_LANG_RUST] = LANG_RUST, [DBG_LANG_OTHER] = LANG_C,
	};

	return languages[type->language];
}

struct native_shape *native_shape_of(struct native *n, struct native_type *type, enum native_kind kind, bool is_guess)
{
	struct native_shape **shape = &type->shapes[kind][is_guess];
	struct text name = TEXT_INIT;

	if (*shape)
		return *shape;
	native_type_name(type->dbg, &name);
	if (kind == NATIVE_VALUE && type->dbg->kind == DBG_KIND_ARRAY) /* Box<[u64; 5]>: one of these is several */
		text_add(&name, "[]");
	*shape = native_shape_new(n, text_str(&name), kind, is_guess, language_of(type->dbg));
	if (*shape)
		(*shape)->type = type;
	text_fini(&name);
	return *shape;
}

/* ---- pointers */

struct slots {
	struct native_slot *v;
	size_t n, cap;
	struct refs {
		struct native_ref *v;
		size_t n, cap;
	} *refs; /* wanted instead of slots; NULL: not */
	struct stores {
		struct native_store *v;
		size_t n, cap;
	} *stores; /* the same */
};

static bool wants_slots(const struct slots *slots)
{
	return !slots->refs && !slots->stores && slots->n < SLOTS_MAX;
}

/* Something inside a type, that a byte may say is not there. */
struct part {
	const struct dbg_type *type;
	uint64_t at;
	const struct dbg_type *in; /* what it is a part of; NULL: nothing */
	struct native_nodes nodes; /* of the container that it is in */
	const struct native_guard *guard;
	unsigned n_guards;
};

struct parts {
	struct part *v;
	size_t n, cap;
};

static void add_slot(struct native *n, struct slots *slots, const struct part *in, uint64_t at,
		     const struct dbg_type *pointer, enum native_op op)
{
	struct native_slot slot = { .offset = at, .op = (uint8_t)op, .guard = in->guard };

	if (!wants_slots(slots))
		return;
	dbg_type_load((struct dbg_type *)pointer);
	slot.to = native_type_of(n, pointer->to);
	if (slot.to && in->nodes.part && native_is_part(slot.to->dbg->name, in->nodes.part))
		slot.to = in->nodes.node;
	slot.to = native_buckets(n, &in->nodes, slot.to);
	if (slot.to)
		vec_push(slots, &slot);
}

static void add_ref(const struct part *in, struct refs *refs)
{
	struct native_ref ref = { .guard = in->guard };
	uint64_t offset;

	if (!native_counted(in->type, &offset, &ref.is_weak))
		return;
	ref.offset = in->at + offset;
	if (refs->n < SLOTS_MAX)
		vec_push(refs, &ref);
}

/* Fields that rules speak of; those that do not count are dropped in the end (keep_refs()). */
static void add_rule_refs(const struct native *n, const struct part *in, struct refs *refs)
{
	struct native_rule_refs found;

	native_rule_refs(n, in->type, &found);
	for (unsigned i = 0; i < found.n; i++)
		for (uint64_t at = 0; at < found.v[i].size && refs->n < SLOTS_MAX; at += 8) {
			struct native_ref ref = {
				.offset = in->at + found.v[i].offset + at,
				.is_weak = found.v[i].kind == COUNT_REF_WEAK,
				.rule = found.v[i].kind == COUNT_REF_NONE ? RULE_NONE : found.v[i].rule,
				.guard = in->guard,
			};

			vec_push(refs, &ref);
		}
}

/* A pointer that is one because of what it points at. */
static void add_pointer_ref(struct native *n, const struct part *p, struct refs *refs)
{
	struct native_ref ref = { .offset = p->at, .by_pointer = true, .guard = p->guard };

	if (!native_rules_open(n) || refs->n >= SLOTS_MAX)
		return;
	ref.rule = native_rule_leads(n, p->type);
	ref.is_open = !ref.rule && (!p->type->to || p->type->to->kind == DBG_KIND_NONE);
	if (ref.rule || ref.is_open)
		vec_push(refs, &ref);
}

static void push_part(struct parts *todo, const struct part *in, const struct dbg_type *type, uint64_t at)
{
	struct part part = *in;

	part.in = in->type;
	part.type = type;
	part.at = at;
	if (type->kind != DBG_KIND_BASE && type->kind != DBG_KIND_NONE && todo->n < PARTS_MAX)
		vec_push(todo, &part);
}

/* What is there only while something in the value says so; past a few inside each other nothing is said. */
static void push_guarded(struct native *n, struct parts *todo, const struct part *in, const struct dbg_type *type,
			 uint64_t at, const struct native_guard *guard)
{
	struct native_guard *kept = in->n_guards < GUARDS_MAX ? arena_alloc(&n->mem, sizeof(*kept)) : NULL;
	struct part part = *in;

	if (!kept)
		return;
	*kept = *guard;
	kept->outer = in->guard;
	part.guard = kept;
	part.n_guards++;
	push_part(todo, &part, type, at);
}

bool native_holds(const struct native_guard *guard, const uint8_t *value, uint64_t size)
{
	for (; guard; guard = guard->outer) {
		uint64_t v = 0;

		if (guard->size > sizeof(v) || size < guard->size || guard->offset > size - guard->size)
			return false;
		memcpy(&v, value + guard->offset, guard->size); /* little-endian, as all targets are */
		if ((v - guard->low <= guard->high - guard->low) == guard->is_other)
			return false;
	}
	return true;
}

/* Three pointers: the first element, the end of those there are, the end of the room. */
static bool add_vector(struct native *n, const struct part *p, struct slots *slots)
{
	static const char *const names[][3] = {
		{ "_M_start", "_M_finish", "_M_end_of_storage" },
		{ "__begin_", "__end_", "__end_cap_" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct dbg_member *start = native_member(p->type, names[i][0]),
					*end = native_member(p->type, names[i][1]);

		if (!start || !end || start->type->kind != DBG_KIND_POINTER || end->offset != start->offset + 8 ||
		    !native_member(p->type, names[i][2]))
			continue;
		add_slot(n, slots, p, p->at + start->offset, start->type, NATIVE_VECTOR);
		return true;
	}
	return false;
}

/*
 * libc++'s string (its <string>, the layout that is not alternate): short ones lie in its 24 bytes,
 * of others the last word points at the characters.  Characters are no address of a block.
 */
static bool add_string(struct native *n, const struct part *p, struct slots *slots)
{
	static const char name[] = "std::__1::basic_string<";
	struct native_slot slot = { .offset = p->at + 16, .op = NATIVE_POINTER, .guard = p->guard };

	if (!p->type->name || strncmp(p->type->name, name, strlen(name)) != 0 || p->type->size != 24 ||
	    !p->type->n_params)
		return false;
	slot.to = native_type_of(n, p->type->params[0].type);
	if (slot.to && wants_slots(slots))
		vec_push(slots, &slot);
	return true;
}

static bool add_deque(struct native *n, const struct part *p, struct slots *slots)
{
	const struct dbg_member *map = native_member(p->type, "_M_map"), *start = native_member(p->type, "_M_start"),
				*finish = native_member(p->type, "_M_finish"), *begin;

	if (!map) { /* libc++'s */
		map = native_member(p->type, "__map_");
		start = native_member(p->type, "__start_");
		begin = map && start ? native_member(map->type, "__begin_") : NULL;
		if (!begin || begin->type->kind != DBG_KIND_POINTER || begin->offset != 8 || start->offset != map->offset + 32)
			return false;
		add_slot(n, slots, p, p->at + map->offset, begin->type, NATIVE_LIBCXX_DEQUE);
		return true;
	}
	if (!map || !start || !finish || map->type->kind != DBG_KIND_POINTER || start->offset != map->offset + 16 ||
	    finish->offset != map->offset + 48)
		return false;
	add_slot(n, slots, p, p->at + map->offset, map->type, NATIVE_DEQUE);
	return true;
}

/* std::optional and std::variant, by the parts of theirs that hold the value. */
static bool push_alternatives(struct native *n, const struct part *p, struct parts *todo)
{
	struct native_guard guard = { .size = 1, .low = 1, .high = 1 };
	const struct dbg_member *at = native_member(p->type, "_M_payload"), *is = native_member(p->type, "_M_engaged"),
				*value = at && is ? native_member(at->type, "_M_value") : NULL;

	if (value) {
		guard.offset = p->at + is->offset;
		push_guarded(n, todo, p, value->type, p->at + at->offset, &guard);
		return true;
	}
	at = native_member(p->type, "_M_u");
	is = native_member(p->type, "_M_index");
	if (!at || !is || is->type->size != 1)
		return false;
	for (unsigned i = 0; at && i < ALTERNATIVES_MAX; i++) {
		value = native_member(at->type, "_M_first");
		guard = (struct native_guard){ .offset = p->at + is->offset, .low = i, .high = i, .size = 1 };
		if (value)
			push_guarded(n, todo, p, value->type, p->at, &guard);
		at = native_member(at->type, "_M_rest");
	}
	return true;
}

/* libc++'s: a union of what is there or not, and which. */
static bool push_libcxx_alternatives(struct native *n, const struct part *p, struct parts *todo)
{
	const struct dbg_member *is = native_member(p->type, "__engaged_"), *at, *head, *value;
	struct native_guard guard = { .size = 1, .low = 1, .high = 1 };

	for (uint32_t i = 0; is && i < p->type->n_members; i++) {
		at = &p->type->members[i];
		value = at->type->kind == DBG_KIND_UNION ? native_member(at->type, "__val_") : NULL;
		guard.offset = p->at + is->offset;
		if (!value)
			continue;
		push_guarded(n, todo, p, value->type, p->at + at->offset, &guard);
		return true;
	}
	at = native_member(p->type, "__data");
	is = native_member(p->type, "__index");
	if (!at || !is || at->type->kind != DBG_KIND_UNION || is->type->size > 4)
		return false;
	for (unsigned i = 0; at && i < ALTERNATIVES_MAX; i++) {
		head = native_member(at->type, "__head");
		value = head ? native_member(head->type, "__value") : NULL;
		guard = (struct native_guard){
			.offset = p->at + is->offset, .low = i, .high = i, .size = (uint8_t)is->type->size,
		};
		if (value)
			push_guarded(n, todo, p, value->type, p->at, &guard);
		at = native_member(at->type, "__tail");
	}
	return true;
}

/* std::any, std::function. */
static bool add_erased(struct native *n, const struct part *p, struct slots *slots)
{
	struct native_slot slot = { .guard = p->guard };

	if (!native_erased(n, p->type, p->at, &slot))
		return false;
	if (wants_slots(slots))
		vec_push(slots, &slot);
	return true;
}

/* libc++'s block of make_shared() (<__memory/shared_ptr.h>): bytes for an allocator, which is empty, and the object. */
static bool push_emplaced(const struct part *p, struct parts *todo)
{
	const struct dbg_member *m = native_member(p->type, "__storage_");
	const struct dbg_type *value = p->type->n_params ? p->type->params[0].type : NULL;

	if (!m || !native_begins(p->type->name, "std::__1::__shared_ptr_emplace<") || !value)
		return false;
	if (value->size <= m->type->size && m->type->size - value->size < 8)
		push_part(todo, p, value, p->at + m->offset);
	return true;
}

/* The ends of arrays point behind them: at who knows what. */
static bool is_end(const char *name)
{
	return name && (!strcmp(name, "_M_finish") || !strcmp(name, "_M_end_of_storage") || !strcmp(name, "_M_last"));
}

static void push_member(struct native *n, const struct part *p, const struct dbg_member *m, struct parts *todo)
{
	const struct dbg_variant *v = m->variant;
	struct native_guard guard;

	if (is_end(m->name))
		return;
	if (!v) {
		push_part(todo, p, m->type, p->at + m->offset);
		return;
	}
	guard = (struct native_guard){
		.offset = p->at + v->offset, .low = v->low, .high = v->high, .size = v->size, .is_other = v->is_other,
	};
	push_guarded(n, todo, p, m->type, p->at + m->offset, &guard);
}

static bool add_room(struct native *n, const struct part *p, struct slots *slots)
{
	struct native_slot slot = { .op = NATIVE_RUST, .guard = p->guard };

	if (p->type->language != DBG_LANG_RUST || !native_rust_room(n, p->type, p->at, &slot))
		return false;
	if ((slot.to || slot.op == NATIVE_DYN) && wants_slots(slots))
		vec_push(slots, &slot);
	return true;
}

/* Rust's MaybeUninit<T>: a union of nothing and the value. */
static const struct dbg_type *uninit_of(const struct dbg_type *type)
{
	const struct dbg_member *value = type->kind == DBG_KIND_UNION ? native_member(type, "value") : NULL;

	return value ? value->type : NULL;
}

static bool push_once(struct native *n, const struct part *p, struct parts *todo)
{
	struct native_once once;

	if (p->type->language != DBG_LANG_RUST || !native_rust_once(p->type, &once))
		return false;
	once.done.offset += p->at;
	once.undone.offset += p->at;
	push_guarded(n, todo, p, once.value, p->at + once.offset, &once.done);
	if (once.maker)
		push_guarded(n, todo, p, once.maker, p->at + once.offset, &once.undone);
	return true;
}

/* Each of an array of what may not be there, as long as the node has more than so many. */
static void push_filled(struct native *n, const struct part *p, const struct dbg_member *m, uint64_t length,
			uint64_t more, struct parts *todo)
{
	const struct dbg_type *value = m && m->type->kind == DBG_KIND_ARRAY ? uninit_of(m->type->to) : NULL;

	for (uint64_t i = 0; value && i < m->type->count && i <= BTREE_KEYS; i++) {
		struct native_guard guard = { .offset = length, .low = i + more, .high = BTREE_KEYS, .size = 2 };

		push_guarded(n, todo, p, value, p->at + m->offset + i * m->type->to->size, &guard);
	}
}

/* Rust's BTreeMap (alloc/src/collections/btree/node.rs): how many keys and values a node has, `len` says. */
static bool push_node(struct native *n, const struct part *p, struct parts *todo)
{
	const struct dbg_member *length, *data, *parent;

	if (p->type->language != DBG_LANG_RUST || !p->type->name)
		return false;
	if (native_begins(p->type->name, LEAF_NODE)) {
		length = native_member(p->type, "len");
		parent = native_member(p->type, "parent");
		if (parent)
			push_part(todo, p, parent->type, p->at + parent->offset);
		if (length) {
			push_filled(n, p, native_member(p->type, "keys"), p->at + length->offset, 1, todo);
			push_filled(n, p, native_member(p->type, "vals"), p->at + length->offset, 1, todo);
		}
		return true;
	}
	if (strncmp(p->type->name, "alloc::collections::btree::node::InternalNode<", 46) != 0)
		return false;
	data = native_member(p->type, "data");
	length = data ? native_member(data->type, "len") : NULL;
	if (!length)
		return false;
	push_part(todo, p, data->type, p->at + data->offset);
	push_filled(n, p, native_member(p->type, "edges"), p->at + data->offset + length->offset, 0, todo);
	return true;
}

static void add_store(struct native *n, const struct part *p, struct stores *stores)
{
	struct native_store store = { .guard = p->guard };

	if (stores->n < SLOTS_MAX && native_store_of(n, p->type, p->at, &store))
		vec_push(stores, &store);
}

/* What a block of counts manages counts while something holds it. False: too deep to say. */
static bool guard_managed(struct native *n, struct part *p)
{
	struct native_guard guard = {}, *kept;

	if (!native_lives_by(p->type, &guard))
		return true;
	kept = p->n_guards < GUARDS_MAX ? arena_alloc(&n->mem, sizeof(*kept)) : NULL;
	if (!kept)
		return false;
	*kept = guard;
	kept->offset += p->at;
	kept->outer = p->guard;
	p->guard = kept;
	p->n_guards++;
	return true;
}

/* What its first pointer leads to may be gone; of GLib's GArray it has any size, which programs are not shown. */
static bool tells_nothing(const struct dbg_type *type)
{
	return native_is_weak(type) || (type->name && !strcmp(type->name, "struct _GArray"));
}

/* Keys or values of a table of klib's, which flags say are there. */
static bool add_buckets(struct native *n, const struct part *p, const struct dbg_member *m, struct slots *slots)
{
	struct native_slot slot = { .guard = p->guard };

	if (slots->refs || slots->stores || !native_khash_slot(n, p->type, m, p->at, &slot))
		return false;
	if (wants_slots(slots))
		vec_push(slots, &slot);
	return true;
}

static void push_members(struct native *n, const struct part *in, struct parts *todo, struct slots *slots)
{
	struct part p = *in;
	const struct dbg_type *stored = native_stored(p.type);
	bool is_khash;

	dbg_type_load((struct dbg_type *)p.type);
	if (!guard_managed(n, &p))
		return;
	if (native_nodes_of(n, p.type, &p.nodes))
		native_note_holder(&p.nodes, p.in);
	if (slots->refs) {
		add_ref(&p, slots->refs);
		add_rule_refs(n, &p, slots->refs);
	}
	if (slots->stores)
		add_store(n, &p, slots->stores);
	if (stored)
		push_part(todo, &p, stored, p.at);
	if (stored || add_vector(n, &p, slots) || add_deque(n, &p, slots) || push_alternatives(n, &p, todo))
		return;
	if (push_libcxx_alternatives(n, &p, todo) || add_erased(n, &p, slots))
		return;
	if (push_emplaced(&p, todo) || add_string(n, &p, slots) || add_room(n, &p, slots) || push_node(n, &p, todo) ||
	    push_once(n, &p, todo))
		return;
	is_khash = native_is_khash(p.type);
	for (uint32_t i = 0; i < p.type->n_members; i++)
		if ((p.type->members[i].offset || !tells_nothing(p.type)) &&
		    !(is_khash && add_buckets(n, &p, &p.type->members[i], slots)))
			push_member(n, &p, &p.type->members[i], todo);
}

static int by_offset(const void *a, const void *b)
{
	const struct native_slot *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* What uthash links by void pointers are structs of the type that it is in. */
static void add_hashed(struct native_type *type, const struct part *p, struct slots *slots)
{
	static const char *const names[] = { "prev", "next" };

	for (size_t i = 0; i < ARRAY_SIZE(names) && wants_slots(slots); i++) {
		const struct dbg_member *m = native_member(p->type, names[i]);
		struct native_slot slot = { .op = NATIVE_POINTER, .to = type, .guard = p->guard };

		if (!m || m->type->kind != DBG_KIND_POINTER)
			continue;
		slot.offset = p->at + m->offset;
		vec_push(slots, &slot);
	}
}

/* All that lies in a type. */
static void walk_parts(struct native *n, struct native_type *type, struct slots *slots)
{
	struct parts todo = {};
	unsigned seen = 0;

	push_part(&todo, &(struct part){}, type->dbg, 0);
	while (todo.n && seen++ < PARTS_MAX) {
		struct part p = todo.v[--todo.n];

		if (p.type->kind == DBG_KIND_POINTER && slots->refs)
			add_pointer_ref(n, &p, slots->refs);
		else if (p.type->kind == DBG_KIND_POINTER && !slots->stores)
			add_slot(n, slots, &p, p.at, p.type, NATIVE_POINTER);
		else if (p.type->kind == DBG_KIND_STRUCT)
			push_members(n, &p, &todo, slots);
		if (p.type->name && !strcmp(p.type->name, "struct UT_hash_handle") && p.type != type->dbg)
			add_hashed(type, &p, slots);
		for (uint64_t i = 0; p.type->kind == DBG_KIND_ARRAY && i < p.type->count && i < SLOTS_MAX; i++)
			push_part(&todo, &p, p.type->to, p.at + i * p.type->to->size);
	}
	free(todo.v);
}

void native_compile(struct native *n, struct native_type *type)
{
	struct slots slots = {};

	if (type->compiled)
		return;
	type->compiled = true;
	walk_parts(n, type, &slots);
	if (slots.n)
		qsort(slots.v, slots.n, sizeof(*slots.v), by_offset);
	type->slots = arena_memdup(&n->mem, slots.v, slots.n * sizeof(*slots.v));
	type->n_slots = type->slots ? (uint32_t)slots.n : 0;
	free(slots.v);
}

/* What rules say of a field before what its type says. */
static int by_ref_offset(const void *a, const void *b)
{
	const struct native_ref *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->by_pointer - y->by_pointer;
}

static size_t keep_refs(const struct refs *refs, struct native_ref *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < refs->n; i++) {
		const struct native_ref *ref = &refs->v[i];

		if (ref->rule != RULE_NONE &&
		    !(ref->by_pointer && i && refs->v[i - 1].offset == ref->offset))
			ret[n++] = *ref;
	}
	return n;
}

void native_refs(struct native *n, struct native_type *type)
{
	struct refs refs = {};
	struct native_ref *kept;

	if (type->refs_made)
		return;
	type->refs_made = true;
	walk_parts(n, type, &(struct slots){ .refs = &refs });
	if (refs.n)
		qsort(refs.v, refs.n, sizeof(*refs.v), by_ref_offset);
	kept = refs.n ? arena_alloc(&n->mem, refs.n * sizeof(*kept)) : NULL;
	if (kept) {
		type->n_refs = (uint32_t)keep_refs(&refs, kept);
		type->refs = kept;
	}
	free(refs.v);
}

void native_stores(struct native *n, struct native_type *type)
{
	struct stores stores = {};

	if (type->stores_made)
		return;
	type->stores_made = true;
	walk_parts(n, type, &(struct slots){ .stores = &stores });
	type->stores = arena_memdup(&n->mem, stores.v, stores.n * sizeof(*stores.v));
	type->n_stores = type->stores ? (uint32_t)stores.n : 0;
	free(stores.v);
}

/* ---- how bytes are called */

/* Not one of a variant that is not there, or may not be there. */
static bool is_active(const struct native *n, const struct dbg_member *m, taddr addr)
{
	const struct dbg_variant *v = m->variant;
	uint64_t tag = 0;

	if (!v)
		return true;
	if (!addr)
		return false;
	if (image_read(n->img, addr + v->offset, &tag, v->size))
		return true;
	return (tag - v->low <= v->high - v->low) != v->is_other;
}

/* The member that a byte of a value at `addr` is in; NULL: none. */
static const struct dbg_member *member_at(const struct native *n, const struct dbg_type *type, taddr addr,
					  uint64_t offset)
{
	uint32_t i;

	dbg_type_load((struct dbg_type *)type);
	i = partition_point(type->n_members, k, type->members[k].offset <= offset);
	while (i--) {
		const struct dbg_member *m = &type->members[i];

		if (offset - m->offset < m->type->size && is_active(n, m, addr))
			return m;
	}
	return NULL;
}

/* Identifiers that are not for programs: parts of libraries. */
static bool is_reserved(const char *name)
{
	return name[0] == '_' && (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z'));
}

/* A place on the way from a value to one byte of it. */
struct step {
	const struct dbg_type *type;
	taddr addr; /* of the value; 0: unknown */
	uint64_t offset;
	const char *before; /* the next field */
};

static void step_into(struct step *s, const struct dbg_type *type, uint64_t at)
{
	s->type = type;
	s->offset -= at;
	s->addr = s->addr ? s->addr + at : 0;
}

static void step_element(struct step *s, const struct dbg_type *elem, struct text *ret)
{
	uint64_t i = s->offset / elem->size;

	text_printf(ret, "[%llu]", (unsigned long long)i);
	s->before = ".";
	step_into(s, elem, i * elem->size);
}

/* What a node holds: `["eu"]`, and into the value; `["eu"] key` is in the key itself; `[3]` of a list. `node`: the one. */
static void step_stored(const struct native *n, struct step *s, const struct step *node, const struct dbg_type *stored,
			struct text *ret)
{
	uint64_t place;

	const struct dbg_member *key = native_member(stored, "first"), *value = native_member(stored, "second");

	step_into(s, stored, 0);
	text_add(ret, "[");
	s->before = ".";
	if (node && node->addr && native_place_in_list(n, node->type, node->addr, &place)) {
		text_printf(ret, "%" PRIu64 "]", place);
		return;
	}
	if (!key || !value || (!native_begins(stored->name, "std::pair<") && !native_begins(stored->name, "std::__1::pair<"))) {
		text_add(ret, "]");
		return;
	}
	if (s->addr)
		native_key(n, key->type, s->addr + key->offset, ret);
	text_add(ret, "]");
	if (s->offset >= value->offset)
		step_into(s, value->type, value->offset);
	if (s->type == stored && s->offset < key->type->size) {
		text_add(ret, " key");
		step_into(s, key->type, key->offset);
	}
}

/* What a node of libc++'s has, of a map in a struct of its own: into that. False: the member is another one. */
static bool step_libcxx_value(const struct native *n, struct step *s, const struct dbg_member *m, const struct step *node,
			      struct text *ret)
{
	const struct dbg_member *pair;

	if (!m->name || strcmp(m->name, "__value_") != 0)
		return false;
	step_into(s, m->type, m->offset);
	if (native_begins(m->type->name, "std::__1::__value_type<") || native_begins(m->type->name, "std::__1::__hash_value_type<")) {
		pair = native_member(m->type, "__cc"); /* since LLVM 16 __cc_ */
		pair = pair ? pair : native_member(m->type, "__cc_");
		if (pair)
			step_into(s, pair->type, pair->offset);
	}
	step_stored(n, s, node, s->type, ret);
	return true;
}

/* Rust calls the fields of tuples by their number: ".0"; of its own enums nobody does. */
static void add_number(struct step *s, const struct dbg_member *m, struct text *ret)
{
	if (s->type->language != DBG_LANG_RUST || native_is_rust_std(s->type) || strncmp(m->name, "__", 2) != 0)
		return;
	text_add(ret, ".");
	text_add(ret, m->name + 2);
	s->before = ".";
}

/* A value of a map's table or node of Rust: `["eu"]`, and into the value. */
static void step_pair(const struct native *n, struct step *s, const struct dbg_type *key, taddr key_at, struct text *ret)
{
	text_add(ret, "[");
	if (key_at)
		native_key(n, key, key_at, ret);
	else
		text_add(ret, "...");
	text_add(ret, "]");
	s->before = ".";
}

/* A leaf of BTreeMap's: which key belongs to it. False: it is no key or value of a node. */
static bool step_node(const struct native *n, struct step *s, struct text *ret)
{
	const struct dbg_member *m, *keys;
	const struct dbg_type *key, *to;
	uint64_t i;

	m = member_at(n, s->type, s->addr, s->offset);
	keys = native_member(s->type, "keys");
	if (!m || !m->name || !keys || m->type->kind != DBG_KIND_ARRAY || keys->type->kind != DBG_KIND_ARRAY ||
	    !m->type->to->size)
		return false;
	to = uninit_of(m->type->to);
	key = uninit_of(keys->type->to);
	if (!to || !key)
		return false;
	key = native_rust_bare(key);
	i = (s->offset - m->offset) / m->type->to->size;
	step_pair(n, s, key, s->addr ? s->addr + keys->offset + i * keys->type->to->size : 0, ret);
	if (m == keys)
		text_add(ret, " key");
	step_into(s, to, m->offset + i * m->type->to->size);
	return true;
}

/* Into what a OnceLock or LazyLock has while it is initialized; false: it is none, or is not. */
static bool step_once(const struct native *n, struct step *s)
{
	struct native_once once;
	uint32_t state;

	if (!s->addr || !native_rust_once(s->type, &once) || s->offset - once.offset >= once.value->size ||
	    image_read_u32(n->img, s->addr + once.done.offset, &state) || state != once.done.low)
		return false;
	step_into(s, once.value, once.offset);
	return true;
}

/* It keeps nothing alive that it points at. */
static bool is_weak_type(const struct dbg_type *type)
{
	return native_is_weak(type) || native_begins(type->name, "alloc::rc::Weak<") ||
	       native_begins(type->name, "alloc::sync::Weak<");
}

/* What a type's name says of it, told once: paths are asked for millions of pointers. */
enum { STEP_KNOWN = 1, STEP_NODE = 2, STEP_WEAK = 4, STEP_STORED = 8, STEP_LIBRARY = 16, STEP_LEAF = 32, STEP_ONCE = 64 };

static unsigned step_flags(const struct dbg_type *type)
{
	struct dbg_type *own = (struct dbg_type *)type; /* its flags are for the typer */

	if (!own->user_flags)
		own->user_flags = (uint8_t)(
			STEP_KNOWN | (native_is_node(type) ? STEP_NODE : 0) | (is_weak_type(type) ? STEP_WEAK : 0) |
			(native_stored(type) ? STEP_STORED : 0) | (native_is_rust_std(type) ? STEP_LIBRARY : 0) |
			(type->language == DBG_LANG_RUST && native_begins(type->name, LEAF_NODE) ? STEP_LEAF : 0) |
			(type->language == DBG_LANG_RUST && native_begins(type->name, "std::sync::") ? STEP_ONCE : 0));
	return own->user_flags;
}

bool native_path(const struct native *n, const struct dbg_type *type, bool is_array, taddr addr, uint64_t offset,
		 const char *first, struct text *ret)
{
	struct step s = { type, addr, offset, first }, node = {};
	size_t before = ret->n;
	bool in_library = false, in_node = false, in_edges = false, is_weak = false;

	if (is_array && native_is_link(type)) {
		text_add(ret, "*"); /* the buckets of a table: what they lead to stands for them */
		return true;
	}
	if (is_array && type->size)
		step_element(&s, type, ret);
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		const struct dbg_type *stored;
		const struct dbg_member *m;
		unsigned flags;

		if (s.type->kind == DBG_KIND_ARRAY && s.type->to->size) {
			if (in_edges) /* which child of a node of BTreeMap's says nothing */
				step_into(&s, s.type->to, s.offset - s.offset % s.type->to->size);
			else
				step_element(&s, s.type->to, ret);
			continue;
		}
		if (s.type->kind != DBG_KIND_STRUCT)
			break;
		flags = step_flags(s.type);
		if (flags & STEP_LEAF && step_node(n, &s, ret))
			continue;
		if (flags & STEP_ONCE && step_once(n, &s)) {
			in_library = true;
			continue;
		}
		is_weak |= (flags & STEP_WEAK) != 0;
		if (flags & STEP_NODE) {
			in_node = true;
			node = s;
		}
		stored = flags & STEP_STORED ? native_stored(s.type) : NULL;
		if (stored && in_node) {
			step_stored(n, &s, &node, stored, ret);
			in_node = false;
			continue;
		}
		if (stored) {
			step_into(&s, stored, 0);
			continue;
		}
		m = member_at(n, s.type, s.addr, s.offset);
		if (!m)
			break;
		if (in_node && step_libcxx_value(n, &s, m, &node, ret)) {
			in_node = false;
			continue;
		}
		if (m->name && (is_reserved(m->name) || flags & STEP_LIBRARY || native_is_rust_pointer(s.type, m))) {
			in_library = true;
			in_edges = !strcmp(m->name, "edges");
			add_number(&s, m, ret);
		} else if (m->name) {
			text_add(ret, s.before);
			text_add(ret, m->name);
			s.before = ".";
		}
		step_into(&s, m->type, m->offset);
	}
	if (is_weak) /* what it leads to is kept by others, or is no more */
		text_add(ret, " (weak)");
	return ret->n > before || in_library || in_node;
}

bool native_table_path(const struct native *n, const struct dbg_type *pair, taddr addr, uint64_t offset,
		       struct text *ret)
{
	const struct dbg_member *key = native_member(pair, "__0"), *value = native_member(pair, "__1");
	struct step s = { pair, addr, offset % pair->size, "." };

	s.addr = addr ? addr + (offset - s.offset) : 0;
	if (!key || !value)
		return native_path(n, pair, true, addr, offset, ".", ret);
	if (!value->type->size) { /* a set: the key is what it holds */
		text_add(ret, "[]");
		step_into(&s, key->type, key->offset);
	} else {
		step_pair(n, &s, key->type, s.addr ? s.addr + key->offset : 0, ret);
		if (s.offset >= key->offset && s.offset - key->offset < key->type->size) {
			text_add(ret, " key");
			step_into(&s, key->type, key->offset);
		} else if (s.offset >= value->offset) {
			step_into(&s, value->type, value->offset);
		}
	}
	if (s.type != pair)
		native_path(n, s.type, false, s.addr, s.offset, ".", ret);
	return true;
}
