/*
 * type/native_erased.c - std::any and std::function: what they hold only their manager knows, a
 * function that is a member of a class made for it.  Debug info has that class.
 *
 * Source of truth: libstdc++ of GCC 7 to 14 (<any>, bits/std_function.h): _Manager_internal<T> and
 * _Manager_external<T>; _Function_handler<S, F>, whose base _Base_manager<F> says by __stored_locally
 * whether F lies in its 16 bytes.  libc++ of LLVM 14 (<any>): _SmallHandler<T>, _LargeHandler<T>.
 * libc++'s function (<__functional/function.h>: __value_func) has what it calls behind a vtable, which says
 * what it is: in a block, or in its own buffer.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "type/native.h"

static bool has(const char *name, const char *part)
{
	return name && strstr(name, part);
}

/* Where what is held is, and the manager. */
static bool find_members(const struct dbg_type *type, struct native_room *room)
{
	static const char *const names[][2] = {
		{ "_M_storage", "_M_manager" }, /* std::any */
		{ "_M_functor", "_M_manager" }, /* std::function's base */
		{ "__s", "__h" },
		{ "__buf_", "__f_" },
	};

	if (!type->name || strncmp(type->name, "std::", 5) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct dbg_member *held = native_member(type, names[i][0]), *manager = native_member(type, names[i][1]);

		if (!held || !manager || manager->type->kind != DBG_KIND_POINTER)
			continue;
		room->first = held->offset;
		room->length = manager->offset;
		room->capacity = held->type->size;
		room->is_inner = names[i][0][2] == 'b';
		return true;
	}
	return false;
}

bool native_erased(struct native *n, const struct dbg_type *type, uint64_t at, struct native_slot *ret)
{
	struct native_room room = {}, *kept;

	if (type->language != DBG_LANG_CXX || !find_members(type, &room))
		return false;
	kept = arena_memdup(&n->mem, &room, sizeof(room));
	if (!kept)
		return false;
	kept->first += at;
	kept->length += at;
	ret->op = NATIVE_ERASED;
	ret->offset = kept->first;
	ret->room = kept;
	return true;
}

/* What a class of managers is for, and where that lies; NULL: it is none of these. */
static const struct dbg_type *held_by(const struct dbg_type *class, bool *ret_here)
{
	uint64_t here = 0;

	dbg_type_load((struct dbg_type *)class);
	if (!class->name || !class->n_params)
		return NULL;
	if (has(class->name, "_Manager_internal<") || has(class->name, "_SmallHandler<"))
		here = 1;
	else if (has(class->name, "_Function_handler<") || has(class->name, "_Base_manager<"))
		for (uint32_t i = 0; i < class->n_members && !has(class->name, "_Base_manager<"); i++)
			class = class->members[i].is_base ? class->members[i].type : class;
	else if (!has(class->name, "_Manager_external<") && !has(class->name, "_LargeHandler<"))
		return NULL;
	dbg_type_load((struct dbg_type *)class);
	if (!class->n_params || (has(class->name, "_Base_manager<") && !dbg_class_constant(class, "__stored_locally", &here)))
		return NULL;
	*ret_here = here;
	return class->params[0].type;
}

/* Of libc++'s function: `at` is where what it calls is, `bytes` its own buffer. */
struct native_type *native_inner_type(struct native *n, const uint8_t *bytes, uint64_t size, taddr at)
{
	uint64_t avail = 0;
	const uint8_t *there = at && size >= 8 ? native_view(n, at, &avail) : NULL;

	/* A block of the same bytes would say the same. */
	if (!there || avail < size || memcmp(there, bytes, size) != 0)
		return NULL;
	image_keep_bytes(n->img, bytes, size);
	image_keep_bytes(n->img, there, size);
	return native_class_type(n, load_u64(bytes));
}

/* One manager's, asked once. */
struct known {
	taddr manager;
	struct native_type *type;
	bool is_here;
};

struct native_type *native_erased_type(struct native *n, taddr manager, bool *ret_here)
{
	const struct module *m = image_module_at(n->img, manager);
	struct known *known = manager ? (void *)addrmap_get(&n->managers, manager) : NULL;
	const struct dbg_type *class, *held;

	if (!m || !n->dwarf[m - n->img->modules])
		return NULL;
	if (!known) {
		known = arena_alloc(&n->mem, sizeof(*known));
		class = dbg_func_class(n->dwarf[m - n->img->modules], manager - m->bias);
		if (!known || !addrmap_put(&n->managers, manager, known))
			return NULL;
		held = class ? held_by(class, &known->is_here) : NULL;
		known->type = held ? native_type_of(n, held) : NULL;
	}
	*ret_here = known->is_here;
	return known->type;
}
