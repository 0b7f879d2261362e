/*
 * type/native_folds.c - nodes by the container that has them.
 *
 * A library's node is one of a map or of a multimap: its own name does not say.  The container's parts
 * lead to it, and what has these parts is what the program called it.  Where two kinds of containers
 * have one type of nodes they keep the library's name.  Nodes of one container, and the pointers to
 * them that a table has, are counted as one type.
 *
 * Source of truth: as native_containers.c; alloc/src/collections/btree/node.rs of Rust 1.60 to 1.95.
 */
#include <string.h>

#include "base/guard.h"
#include "type/native.h"

/* What programs call containers with nodes. */
static const char *const holders[] = {
	"map<", "multimap<", "set<", "multiset<", "list<", "forward_list<",
	"unordered_map<", "unordered_multimap<", "unordered_set<", "unordered_multiset<",
};

static bool is_holder(const struct dbg_type *type)
{
	static const char *const spaces[] = { "std::", "__cxx11::", "__1::", "__debug::" };
	const char *name = type && type->name ? type->name : "";

	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		name += native_begins(name, spaces[i]) ? strlen(spaces[i]) : 0;
	if (!type || name == type->name)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(holders); i++)
		if (native_begins(name, holders[i]))
			return true;
	return false;
}

void native_note_holder(const struct native_nodes *nodes, const struct dbg_type *holder)
{
	struct native_type *node = nodes->node;

	if (!node || node->many_holders || !is_holder(holder))
		return;
	node->many_holders = node->holder && strcmp(node->holder->name, holder->name) != 0;
	node->holder = node->many_holders ? NULL : holder;
}

struct native_type *native_buckets(struct native *n, const struct native_nodes *nodes, struct native_type *pointer)
{
	struct native_type *node = nodes->node, *buckets;
	struct dbg_type *dbg;

	if (!pointer || !node || !native_is_link(pointer->dbg))
		return pointer;
	if (node->buckets)
		return node->buckets;
	/* A type of its own: the debug info has one for all tables. */
	dbg = arena_memdup(&n->mem, pointer->dbg, sizeof(*dbg));
	if (!dbg)
		return pointer;
	dbg->user = NULL;
	dbg->place = node->dbg->place;
	buckets = native_type_of(n, dbg);
	if (!buckets)
		return pointer;
	buckets->bucket_of = node;
	node->buckets = buckets;
	return buckets;
}

/* ---- names */

/* "alloc::...::LeafNode<u64, T>" -> "alloc::...::BTreeMap<u64, T>", and how that part of it is called. */
static const char *btree_part(const char *name, struct text *ret)
{
	static const char path[] = "alloc::collections::btree::node::";
	static const struct {
		const char *name, *part;
	} parts[] = { { "LeafNode<", "leaf" }, { "InternalNode<", "inner node" } };

	if (!native_begins(name, path))
		return NULL;
	name += strlen(path);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (native_begins(name, parts[i].name)) {
			text_add(ret, "alloc::collections::btree::map::BTreeMap<");
			text_add(ret, name + strlen(parts[i].name));
			return parts[i].part;
		}
	return NULL;
}

/* Which part of which container it is; NULL: of none that is known. */
static const char *part_of(const struct native_type *type, struct text *ret)
{
	const struct native_type *node = type->bucket_of ? type->bucket_of : type;

	if (node->holder) {
		native_pretty(node->holder->name, ret);
		return type->bucket_of ? "buckets" : "node";
	}
	if (type->dbg->language != DBG_LANG_RUST || !type->dbg->name)
		return NULL;
	return btree_part(type->dbg->name, ret);
}

static struct err *rename_shape(struct native *n, struct native_shape *shape)
{
	struct text whole = TEXT_INIT, name = TEXT_INIT;
	const char *part = part_of(shape->type, &whole);
	struct err *err = NULL;

	if (part && !whole.bad) {
		text_printf(&name, "%s %s%s", text_str(&whole), part, shape->is_guess ? "?" : "");
		text_add(&whole, shape->is_guess ? " nodes?" : " nodes");
		err = types_rename(n->cols->types, shape->id, text_str(&name), text_str(&whole));
	}
	text_fini(&whole);
	text_fini(&name);
	return err;
}

struct err *native_name_nodes(struct native *n)
{
	struct err *err = NULL;

	for (size_t i = 0; i < n->by_id.n && !err; i++) {
		struct native_shape *shape = n->by_id.v[i];
		bool is_one = shape && shape->type && (shape->kind == NATIVE_VALUE || shape->type->bucket_of);

		if (is_one)
			err = rename_shape(n, shape);
	}
	return err;
}
