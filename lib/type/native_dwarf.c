/*
 * type/native_dwarf.c - types of DWARF as blocks have them: where their pointers are, and how their
 * bytes are called.
 *
 * What a union or void pointer holds is left open.
 */
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
};

struct native_type *native_type_of(struct native *n, const struct dbg_type *type)
{
	struct dbg_type *dbg = (struct dbg_type *)type; /* the typer's own: `user` is for it */

	if (!type || type->kind == DBG_KIND_NONE || !type->size)
		return NULL;
	if (!dbg->user) {
		struct native_type *t = arena_alloc(&n->mem, sizeof(*t));

		if (t)
			t->dbg = dbg;
		dbg->user = t;
	}
	return dbg->user;
}

struct native_type *native_type_named(struct native *n, const char *name)
{
	uint64_t hash = dbg_name_hash(name);
	struct dbg_type *type = NULL;

	for (size_t i = 0; n->has_dwarf && i < n->img->n_modules && !type; i++)
		if (n->dwarf[i])
			type = dbg_types_named(n->dwarf[i], hash);
	return type ? native_type_of(n, type) : NULL;
}

/* ---- names */

void native_type_name(const struct dbg_type *type, struct text *ret)
{
	unsigned stars = 0;

	while (type && type->kind == DBG_KIND_POINTER && stars < DEPTH_MAX) {
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
};

struct part {
	const struct dbg_type *type;
	uint64_t at;
};

struct parts {
	struct part *v;
	size_t n, cap;
};

static void add_slot(struct native *n, struct slots *slots, uint64_t at, const struct dbg_type *pointer,
		     enum native_op op)
{
	struct native_slot slot = { .offset = at, .op = (uint8_t)op };

	dbg_type_load((struct dbg_type *)pointer);
	slot.to = native_type_of(n, pointer->to);
	if (slot.to && slots->n < SLOTS_MAX)
		vec_push(slots, &slot);
}

static const struct dbg_member *member_named(const struct dbg_type *type, const char *name)
{
	for (uint32_t i = 0; i < type->n_members; i++)
		if (type->members[i].name && !strcmp(type->members[i].name, name))
			return &type->members[i];
	return NULL;
}

/* Three pointers: the first element, the end of those there are, the end of the room. */
static const struct dbg_member *vector_in(const struct dbg_type *type)
{
	static const char *const names[][3] = {
		{ "_M_start", "_M_finish", "_M_end_of_storage" },
		{ "__begin_", "__end_", "__end_cap_" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct dbg_member *start = member_named(type, names[i][0]), *end = member_named(type, names[i][1]);

		if (start && end && start->type->kind == DBG_KIND_POINTER && end->offset == start->offset + 8 &&
		    member_named(type, names[i][2]))
			return start;
	}
	return NULL;
}

static void push_part(struct parts *todo, const struct dbg_type *type, uint64_t at)
{
	struct part part = { type, at };

	if (type->kind != DBG_KIND_BASE && type->kind != DBG_KIND_NONE && todo->n < PARTS_MAX)
		vec_push(todo, &part);
}

static void push_members(struct native *n, const struct dbg_type *type, uint64_t at, struct parts *todo,
			 struct slots *slots)
{
	const struct dbg_member *vector;

	dbg_type_load((struct dbg_type *)type);
	vector = vector_in(type);
	if (vector) {
		add_slot(n, slots, at + vector->offset, vector->type, NATIVE_VECTOR);
		return;
	}
	for (uint32_t i = 0; i < type->n_members; i++)
		push_part(todo, type->members[i].type, at + type->members[i].offset);
}

static int by_offset(const void *a, const void *b)
{
	const struct native_slot *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void native_compile(struct native *n, struct native_type *type)
{
	struct slots slots = {};
	struct parts todo = {};
	struct native_slot *kept;
	unsigned seen = 0;

	if (type->compiled)
		return;
	type->compiled = true;
	push_part(&todo, type->dbg, 0);
	while (todo.n && seen++ < PARTS_MAX) {
		struct part p = todo.v[--todo.n];

		if (p.type->kind == DBG_KIND_POINTER)
			add_slot(n, &slots, p.at, p.type, NATIVE_POINTER);
		else if (p.type->kind == DBG_KIND_STRUCT)
			push_members(n, p.type, p.at, &todo, &slots);
		for (uint64_t i = 0; p.type->kind == DBG_KIND_ARRAY && i < p.type->count && i < SLOTS_MAX; i++)
			push_part(&todo, p.type->to, p.at + i * p.type->to->size);
	}
	if (slots.n)
		qsort(slots.v, slots.n, sizeof(*slots.v), by_offset);
	kept = slots.n ? arena_alloc(&n->mem, slots.n * sizeof(*kept)) : NULL;
	if (kept) {
		memcpy(kept, slots.v, slots.n * sizeof(*kept));
		type->slots = kept;
		type->n_slots = (uint32_t)slots.n;
	}
	free(slots.v);
	free(todo.v);
}

/* ---- how bytes are called */

/* The member that a byte is in; NULL: none. */
static const struct dbg_member *member_at(const struct dbg_type *type, uint64_t offset)
{
	uint32_t i;

	dbg_type_load((struct dbg_type *)type);
	i = partition_point(type->n_members, k, type->members[k].offset <= offset);
	while (i--) {
		const struct dbg_member *m = &type->members[i];

		if (offset - m->offset < m->type->size)
			return m;
	}
	return NULL;
}

bool native_path(const struct dbg_type *type, bool is_array, uint64_t offset, const char *first, struct text *ret)
{
	size_t before = ret->n;

	if (is_array && type->size) {
		text_printf(ret, "[%llu]", (unsigned long long)(offset / type->size));
		offset %= type->size;
		first = ".";
	}
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		const struct dbg_member *m = NULL;

		if (type->kind == DBG_KIND_ARRAY && type->to->size) {
			text_printf(ret, "[%llu]", (unsigned long long)(offset / type->to->size));
			offset %= type->to->size;
			type = type->to;
			first = ".";
			continue;
		}
		if (type->kind == DBG_KIND_STRUCT)
			m = member_at(type, offset);
		if (!m)
			break;
		if (m->name) {
			text_add(ret, first);
			text_add(ret, m->name);
			first = ".";
		}
		type = m->type;
		offset -= m->offset;
	}
	return ret->n > before;
}
