/*
 * type/native_lists.c - what C programs link by a struct inside of it: list_head, hlist_node, rb_node,
 * dlist_node, wl_list, UT_hash_handle, and what else is nothing but pointers to its like.
 *
 * A pointer to a link leads into the struct that it is in, whose type no pointer tells.  Debug info
 * has the structs with such a link so many bytes in; where just one of them is what malloc would
 * give such a block for, it is that one.  Of several none.
 */
#include <string.h>

#include "base/guard.h"
#include "type/native.h"

enum {
	DEPTH_MAX = 16,	     /* structs inside each other */
	LOOKED_AT_MAX = 256, /* places in blocks of a size, of one link */
	TYPES_MAX = 1 << 18, /* of one module */
};

/* What was found for links at an offset of blocks of a size. */
struct native_list {
	uint64_t offset, usable;
	struct native_type *of; /* NULL: nothing, or several */
	struct native_list *next;
};

bool native_is_link_type(const struct dbg_type *type)
{
	unsigned links = 0, numbers = 0;

	if (type->kind != DBG_KIND_STRUCT || type->language != DBG_LANG_C)
		return false;
	if (type->name && !strcmp(type->name, "struct UT_hash_handle"))
		return true;
	dbg_type_load((struct dbg_type *)type);
	for (uint32_t i = 0; i < type->n_members; i++) {
		const struct dbg_type *to = type->members[i].type;

		if (to->kind == DBG_KIND_BASE && to->size == 8)
			numbers++; /* rb_node: the parent, and a colour */
		for (unsigned depth = 0; to && to->kind == DBG_KIND_POINTER && depth < 2; depth++) {
			dbg_type_load((struct dbg_type *)to);
			to = to->to;
		}
		if (to == type)
			links++;
		else if (type->members[i].type->kind != DBG_KIND_BASE)
			return false;
	}
	return links && links + numbers == type->n_members && numbers <= (links > 1);
}

/* The member that a byte is in; NULL: none, or of a union. */
static const struct dbg_member *member_at(const struct dbg_type *type, uint64_t offset)
{
	dbg_type_load((struct dbg_type *)type);
	for (uint32_t i = 0; i < type->n_members; i++)
		if (offset - type->members[i].offset < type->members[i].type->size)
			return &type->members[i];
	return NULL;
}

bool native_has_link(const struct dbg_type *type, const struct dbg_type *link, uint64_t offset)
{
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		const struct dbg_member *m;

		if (!offset && dbg_type_is_same(type, link))
			return true;
		if (type->kind == DBG_KIND_ARRAY && type->to->size) {
			offset %= type->to->size;
			type = type->to;
			continue;
		}
		m = type->kind == DBG_KIND_STRUCT ? member_at(type, offset) : NULL;
		if (!m)
			return false;
		offset -= m->offset;
		type = m->type;
	}
	return false;
}

/* The only one; a second one of another name ends it. */
static struct native_type *find(struct native *n, const struct dbg_type *link, uint64_t offset, taddr at,
				uint64_t usable)
{
	struct dbg_type *found = NULL;

	for (size_t i = 0; i < n->img->n_modules; i++)
		for (size_t k = 0; n->dwarf[i] && k < n->dwarf[i]->named.n && k < TYPES_MAX; k++) {
			const struct dbg_named *named = &n->dwarf[i]->named.v[k];
			struct dbg_type *type;

			if (named->is_declaration || named->size < offset || named->size - offset < link->size ||
			    !native_is_made_for(n, at, usable, named->size))
				continue;
			type = dbg_types_named(n->dwarf[i], named->hash, NULL);
			if (!type || dbg_type_is_same(type, link) || !native_has_link(type, link, offset))
				continue;
			if (found && !dbg_type_is_same(found, type))
				return NULL;
			found = found ? found : type;
		}
	return found ? native_type_of(n, found) : NULL;
}

struct native_type *native_list_of(struct native *n, struct native_type *link, uint64_t offset, taddr at,
				   uint64_t usable)
{
	struct native_list *l = link->lists;
	unsigned seen = 0;

	for (; l; l = l->next, seen++)
		if (l->offset == offset && l->usable == usable)
			return l->of;
	l = seen < LOOKED_AT_MAX ? arena_alloc(&n->mem, sizeof(*l)) : NULL;
	if (!l)
		return NULL;
	*l = (struct native_list){ .offset = offset, .usable = usable, .next = link->lists };
	l->of = find(n, link->dbg, offset, at, usable);
	link->lists = l;
	return l->of;
}
