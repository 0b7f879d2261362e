/*
 * type/native_glib.c - GHashTable and GTree: structs that programs are not shown, by what is in them; and
 * what of a GArray they are not shown.
 *
 * Source of truth: glib/ghash.c (keys and values of four or eight bytes each in an array of their own
 * since 2.64), glib/gtree.c, glib/garray.c (struct _GRealArray) of GLib 2.64 to 2.84; cores were made with 2.74 alone.  A table is one when
 * its size, mask and prime fit, its functions are code and as many of its hashes are in use as it says;
 * a tree, when going along its nodes meets as many as it says.  No debug info is needed.  A GArray is what
 * debug info says is one.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "heap/module_data.h"
#include "image/shadow.h"
#include "type/native.h"

enum glib_part { GLIB_NONE, GLIB_TABLE, GLIB_KEYS, GLIB_HASHES, GLIB_VALUES, GLIB_TREE, GLIB_TREE_NODE, GLIB_ELEMENTS, GLIB_PARTS };

enum {
	ROUNDING = 24, /* bytes that malloc may give more than were asked for */
	/* struct _GHashTable */
	TABLE_FLAGS = 24,
	TABLE_KEYS = 32,
	TABLE_HASHES = 40,
	TABLE_VALUES = 48,
	TABLE_HASH = 56,
	TABLE_BYTES = 96,
	TABLE_LEAST = 8, /* entries */
	BIG_KEYS = 1,
	BIG_VALUES = 2,
	/* struct _GTree, struct _GTreeNode */
	TREE_BYTES = 48,
	NODE_BYTES = 40,
	NODE_VALUE = 8,
	NODE_LEFT = 16,
	NODE_BALANCE = 32,
	HEIGHT_MAX = 40,
	TREE_LEAST = 3, /* nodes: fewer are like too much else */
	REFS_MAX = 1 << 24,
	/* struct _GRealArray: data, len, capacity, size of an element, two bits of flags (the others are never written), references, clear_func */
	ARRAY_BYTES = 40,
	ARRAY_LEAST = 16, /* bytes of its block */
	KEY_BYTES = 40,
};

struct glib {
	struct native *n;
	/*
	 * Tables and trees have each their own memory: what is left of going over all of it twice, in entries
	 * and nodes.  Blocks that claim the same again and again are no longer believed then.
	 */
	uint64_t left;
	struct native_shape *shapes[GLIB_PARTS];
};

static const char *const names[GLIB_PARTS] = {
	[GLIB_TABLE] = "GHashTable",
	[GLIB_KEYS] = "GHashTable keys",
	[GLIB_HASHES] = "GHashTable hashes",
	[GLIB_VALUES] = "GHashTable values",
	[GLIB_TREE] = "GTree",
	[GLIB_TREE_NODE] = "GTree node",
	[GLIB_ELEMENTS] = "GArray elements",
};

/* What each is counted as. */
static const char *const wholes[GLIB_PARTS] = {
	[GLIB_TABLE] = "GHashTable", [GLIB_KEYS] = "GHashTable", [GLIB_HASHES] = "GHashTable", [GLIB_VALUES] = "GHashTable",
	[GLIB_TREE] = "GTree", [GLIB_TREE_NODE] = "GTree", [GLIB_ELEMENTS] = "struct _GArray",
};

static struct err *assign(struct glib *g, uint32_t id, enum glib_part part)
{
	struct native_shape **shape = &g->shapes[part];
	struct err *err;

	if (*shape)
		return native_assign(g->n, id, *shape, TYPE_EXACT);
	*shape = native_shape_new(g->n, names[part], NATIVE_VALUE, false, LANG_C);
	if (!*shape)
		return &err_nomem;
	(*shape)->glib = (uint8_t)part;
	(*shape)->by_class = true;
	err = native_assign(g->n, id, *shape, TYPE_EXACT);
	return err ? err : types_rename(g->n->cols->types, (*shape)->id, names[part], wholes[part]);
}

/* The used block that begins there has that many bytes; BLOCK_NONE: there is none. */
static uint32_t block_of(const struct native *n, taddr at, uint64_t bytes)
{
	struct block b;

	return block_get_at(n->blocks, at, &b) && b.usable >= bytes ? b.id : BLOCK_NONE;
}

static bool is_function(const struct native *n, uint64_t word, bool may_be_none)
{
	return word ? image_is_code(n->img, word) : may_be_none;
}

/* ---- tables */

struct table {
	uint64_t size;
	uint32_t mod, mask, nodes, occupied, flags;
	uint64_t keys, hashes, values, hash;
};

static void read_table(const uint8_t *b, struct table *t)
{
	*t = (struct table){
		.size = load_u64(b), .mod = load_u32(b + 8), .mask = load_u32(b + 12), .nodes = load_u32(b + 16),
		.occupied = load_u32(b + 20), .flags = load_u32(b + TABLE_FLAGS) & (BIG_KEYS | BIG_VALUES),
		.keys = load_u64(b + TABLE_KEYS), .hashes = load_u64(b + TABLE_HASHES), .values = load_u64(b + TABLE_VALUES),
		.hash = load_u64(b + TABLE_HASH),
	};
}

/* What most blocks fail at comes first. */
static bool is_table(const struct native *n, const uint8_t *b, const struct table *t)
{
	uint64_t refs = load_u32(b + 72);

	return t->size >= TABLE_LEAST && t->size <= 1ull << 31 && is_pow2(t->size) && t->mask == t->size - 1 &&
	       t->mod < t->size && t->mod > t->size / 2 && t->nodes <= t->occupied && t->occupied <= t->size && refs &&
	       refs < REFS_MAX && is_function(n, t->hash, false) && is_function(n, load_u64(b + 64), true) &&
	       is_function(n, load_u64(b + 80), true) && is_function(n, load_u64(b + 88), true);
}

/* Whether each is in use: what it is tells of the key. */
static void keep_hashes(const struct native *n, const struct table *t, const uint8_t *hashes)
{
	for (uint64_t i = 0; i < t->size && n->img->shadow; i += 2) {
		uint64_t first = load_u32(hashes + 4 * i), second = load_u32(hashes + 4 * i + 4);

		image_keep_as(n->img, t->hashes + 4 * i, (first > 1 ? 2 : first) | (second > 1 ? 2ull : second) << 32);
	}
}

static bool may_take(struct glib *g, uint64_t steps)
{
	bool may = steps <= g->left;

	g->left -= may ? steps : 0;
	return may;
}

static bool counts_hashes(struct glib *g, const struct table *t)
{
	struct native *n = g->n;
	uint64_t avail = 0, used = 0;
	const uint8_t *hashes = native_view(n, t->hashes, &avail);

	if (!hashes || avail < 4 * t->size || !may_take(g, t->size))
		return false;
	for (uint64_t i = 0; i < t->size; i++)
		used += load_u32(hashes + 4 * i) > 1; /* 0: empty, 1: taken out */
	if (used == t->nodes)
		keep_hashes(n, t, hashes);
	return used == t->nodes;
}

static struct err *on_table(struct glib *g, const struct native_block *b, const uint8_t *bytes)
{
	struct native *n = g->n;
	taddr *kept;
	struct table t;
	uint32_t keys, hashes, values;
	struct err *err;

	read_table(bytes, &t);
	if (!is_table(n, bytes, &t))
		return NULL;
	keys = block_of(n, t.keys, t.size * (t.flags & BIG_KEYS ? 8 : 4));
	values = t.values == t.keys ? keys : block_of(n, t.values, t.size * (t.flags & BIG_VALUES ? 8 : 4));
	hashes = block_of(n, t.hashes, 4 * t.size);
	if (keys == BLOCK_NONE || values == BLOCK_NONE || hashes == BLOCK_NONE || !counts_hashes(g, &t))
		return NULL;
	image_keep_exact(n->img, bytes, TABLE_BYTES);
	kept = arena_memdup(&n->mem, &b->at, sizeof(b->at));
	if (!kept || !addrmap_put(&n->tables, t.keys, kept) ||
	    (t.values != t.keys && !addrmap_put(&n->tables, t.values, kept)))
		return &err_nomem;
	err = assign(g, b->id, GLIB_TABLE);
	if (!err)
		err = assign(g, keys, GLIB_KEYS);
	if (!err)
		err = assign(g, hashes, GLIB_HASHES);
	return err || values == keys ? err : assign(g, values, GLIB_VALUES);
}

/* ---- trees */

/* Its children: left, right; 0: there is none on that side. */
static bool read_node(const struct native *n, taddr at, taddr *ret)
{
	uint8_t flags[3]; /* balance, and whether there is a left and a right one: else that is a thread */

	if (block_of(n, at, NODE_BYTES) == BLOCK_NONE || image_read(n->img, at + NODE_LEFT, ret, 2 * sizeof(*ret)) ||
	    image_read(n->img, at + NODE_BALANCE, flags, sizeof(flags)))
		return false;
	for (unsigned i = 0; i < 2; i++)
		ret[i] = flags[1 + i] ? ret[i] : 0;
	return (uint8_t)(flags[0] + 1) <= 2 && flags[1] <= 1 && flags[2] <= 1;
}

/* All nodes, as many as there must be. */
static bool walk_tree(struct glib *g, taddr root, uint64_t nodes, bool assigns, struct err **ret_err)
{
	struct native *n = g->n;
	taddr stack[2 * HEIGHT_MAX] = { root };
	unsigned depth = 1;
	uint64_t seen = 0;

	while (depth) {
		taddr at = stack[--depth];
		taddr children[2];

		if (seen++ == nodes || !may_take(g, 1) || !read_node(n, at, children) ||
		    depth + 2 > ARRAY_SIZE(stack))
			return false;
		if (assigns)
			*ret_err = assign(g, block_at(n->blocks, at), GLIB_TREE_NODE);
		if (assigns && *ret_err)
			return false;
		for (unsigned i = 0; i < 2; i++)
			if (children[i])
				stack[depth++] = children[i];
	}
	return seen == nodes;
}

static struct err *on_tree(struct glib *g, const struct native_block *b, const uint8_t *bytes)
{
	uint64_t nodes = load_u32(bytes + 40), refs = load_u32(bytes + 44);
	struct err *err = NULL;

	if (nodes < TREE_LEAST || !refs || refs > REFS_MAX || nodes > g->n->blocks->grains.n ||
	    !is_function(g->n, load_u64(bytes + 8), false) || !is_function(g->n, load_u64(bytes + 16), true) ||
	    !is_function(g->n, load_u64(bytes + 24), true) || !walk_tree(g, load_u64(bytes), nodes, false, NULL))
		return NULL;
	image_keep_exact(g->n->img, bytes, TREE_BYTES);
	err = assign(g, b->id, GLIB_TREE);
	if (!err)
		walk_tree(g, load_u64(bytes), nodes, true, &err);
	return err;
}

/* ---- arrays */

/* Its room is a power of two of bytes; older versions keep that, later ones the elements that have room in it. */
static bool array_room(uint64_t capacity, uint64_t one, uint64_t usable, uint64_t *ret)
{
	uint64_t bytes = capacity;

	*ret = capacity;
	if (is_pow2(bytes) && bytes >= ARRAY_LEAST && bytes <= usable && usable - bytes <= ROUNDING) {
		*ret = bytes / one;
		return true;
	}
	for (bytes = ARRAY_LEAST; bytes <= usable / 2; bytes *= 2)
		;
	return bytes <= usable && capacity == bytes / one;
}

bool native_garray_read(const struct native *n, taddr at, struct native_garray *ret)
{
	uint8_t bytes[ARRAY_BYTES];
	uint64_t clear;
	struct block b;

	if (image_read(n->img, at, bytes, sizeof(bytes)) || !block_get_at(n->blocks, load_u64(bytes), &b))
		return false;
	*ret = (struct native_garray){
		.data = load_u64(bytes), .used = load_u32(bytes + 8), .size = load_u32(bytes + 16), .block = b.id,
	};
	clear = load_u64(bytes + 32);
	if (!ret->size || !load_u32(bytes + 24) || load_u32(bytes + 24) > REFS_MAX ||
	    !is_function(n, clear, true) || !array_room(load_u32(bytes + 12), ret->size, b.usable, &ret->room) || ret->used > ret->room)
		return false;
	image_keep(n->img, at + 8, ARRAY_BYTES - 8);
	return true;
}

static bool is_garray(const struct native_shape *shape)
{
	return shape && shape->type && shape->kind == NATIVE_VALUE && !shape->is_guess && shape->language == LANG_C &&
	       shape->name && !strcmp(shape->name, "struct _GArray");
}

static struct err *on_array(void *arg, const struct native_block *b)
{
	struct glib *g = arg;
	struct native *n = g->n;
	struct native_garray a;
	taddr *kept;

	if (!is_garray(native_shape_now(n, b->id)) || !native_garray_read(n, b->at, &a) ||
	    n->cols->confidence[a.block] > TYPE_GUESSED || addrmap_get(&n->tables, a.data))
		return NULL;
	kept = arena_memdup(&n->mem, &b->at, sizeof(b->at));
	if (!kept || !addrmap_put(&n->tables, a.data, kept))
		return &err_nomem;
	return assign(g, a.block, GLIB_ELEMENTS);
}

struct err *native_garrays(struct native *n)
{
	struct glib g = { .n = n };

	for (size_t i = 0; i < n->by_id.n; i++)
		if (is_garray(n->by_id.v[i]))
			return native_each(n, on_array, &g);
	return NULL;
}

static struct err *on_block(void *arg, const struct native_block *b)
{
	struct glib *g = arg;
	uint64_t avail = 0;
	const uint8_t *bytes;

	if (b->usable < TREE_BYTES || b->usable > TABLE_BYTES + ROUNDING ||
	    (b->usable > TREE_BYTES + ROUNDING && b->usable < TABLE_BYTES) ||
	    g->n->cols->confidence[b->id] >= TYPE_EXACT)
		return NULL;
	bytes = native_view(g->n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	return b->usable >= TABLE_BYTES ? on_table(g, b, bytes) : on_tree(g, b, bytes);
}

struct err *native_glib(struct native *n)
{
	struct glib g = { .n = n };
	struct symbol s;

	if (!image_symbol(n->img, NULL, "g_hash_table_new", &s))
		return NULL;
	g.left = 4 * native_words(n);
	return native_each(n, on_block, &g);
}

/* ---- names */

static void add_string(const struct native *n, taddr at, struct text *ret)
{
	char bytes[KEY_BYTES];
	size_t length = 0;

	while (length < sizeof(bytes) && !image_read(n->img, at + length, &bytes[length], 1) && bytes[length])
		length++;
	text_add(ret, "\"");
	text_add_escaped(ret, bytes, length);
	text_add(ret, length == sizeof(bytes) ? "...\"" : "\"");
}

/* Of the entry: "eu" where the table is one of strings, else the number. */
static void add_key(const struct native *n, const struct table *t, uint64_t entry, struct text *ret)
{
	unsigned width = t->flags & BIG_KEYS ? 8 : 4;
	struct symbol s;
	uint64_t key = 0;

	if (!n->env->show_contents || image_read(n->img, t->keys + entry * width, &key, width)) {
		text_add(ret, "...");
		return;
	}
	if (image_symbol(n->img, NULL, "g_str_hash", &s) && s.addr == t->hash)
		add_string(n, key, ret);
	else
		text_printf(ret, key >> 32 ? "%#" PRIx64 : "%" PRIu64, key);
}

/* `[7]`; of what is not its first word nothing tells more than where that is: `[7]+0x8`. */
static bool element_path(const struct native *n, taddr at, uint64_t offset, struct text *ret)
{
	struct native_garray a;

	if (!native_garray_read(n, at, &a))
		return false;
	text_printf(ret, offset / a.size < a.used ? "[%" PRIu64 "]" : "[%" PRIu64 " unused]", offset / a.size);
	if (offset % a.size)
		text_printf(ret, "+0x%" PRIx64, offset % a.size);
	return true;
}

bool native_glib_path(const struct native *n, uint8_t part, taddr addr, uint64_t offset, struct text *ret)
{
	const taddr *at = addrmap_get(&n->tables, addr);
	uint8_t bytes[TABLE_BYTES];
	struct table t;

	if (part == GLIB_TREE || part == GLIB_TABLE)
		return part == GLIB_TREE ? !offset : offset >= TABLE_KEYS && offset <= TABLE_VALUES;
	if (part == GLIB_TREE_NODE) {
		if (offset <= NODE_VALUE)
			text_add(ret, offset ? "[...]" : "[...] key");
		return offset < NODE_BALANCE;
	}
	if (at && part == GLIB_ELEMENTS)
		return element_path(n, *at, offset, ret);
	if (!at || part == GLIB_HASHES || image_read(n->img, *at, bytes, sizeof(bytes)))
		return false;
	read_table(bytes, &t);
	text_add(ret, "[");
	if (t.keys != t.values) /* of a set: the key is what it holds */
		add_key(n, &t, offset / (part == GLIB_KEYS && !(t.flags & BIG_KEYS) ? 4 : 8), ret);
	text_add(ret, part == GLIB_KEYS && t.keys != t.values ? "] key" : "]");
	return true;
}
