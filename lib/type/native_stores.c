/*
 * type/native_stores.c - containers whose values lie in a block of their own: how many there are, and
 * how many it has room for; and the first node of a list that goes one way.
 *
 * Source of truth: libstdc++ of GCC 5 to 14 (bits/stl_vector.h, basic_string.h, stl_deque.h,
 * hashtable.h, forward_list.h), libc++ of LLVM 14 (vector, string without the alternate layout,
 * __hash_table); Rust's as in native_rust.c; glib/gstring.h, glib/garray.c (struct _GRealPtrArray) of
 * GLib 2.64 to 2.84, of which cores were made with 2.74 alone.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "type/native.h"

enum store_kind { STORE_VECTOR, STORE_STRING, STORE_LIBCXX_STRING, STORE_DEQUE, STORE_TABLE, STORE_LIBCXX_TABLE, STORE_LIST, STORE_GSTRING, STORE_GPTRARRAY, STORE_GARRAY, STORE_RUST, STORE_KHASH };

static const uint8_t bytes_of[] = {
	[STORE_VECTOR] = 24, [STORE_STRING] = 32, [STORE_LIBCXX_STRING] = 24, [STORE_DEQUE] = 80,
	[STORE_TABLE] = 32, [STORE_LIBCXX_TABLE] = 40, [STORE_LIST] = 8, [STORE_GSTRING] = 24, [STORE_GPTRARRAY] = 16,
	[STORE_GARRAY] = 16,
	[STORE_RUST] = 0, [STORE_KHASH] = 0,
};

/* What pointers of a member lead to has this size; 0: unknown. */
static uint64_t size_behind(const struct dbg_member *m)
{
	if (!m || m->type->kind != DBG_KIND_POINTER)
		return 0;
	dbg_type_load((struct dbg_type *)m->type);
	return m->type->to ? m->type->to->size : 0;
}

static bool find_vector(const struct dbg_type *type, struct native_store *ret)
{
	static const char *const names[][3] = {
		{ "_M_start", "_M_finish", "_M_end_of_storage" },
		{ "__begin_", "__end_", "__end_cap_" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct dbg_member *start = native_member(type, names[i][0]), *end = native_member(type, names[i][1]),
					*room = native_member(type, names[i][2]);

		ret->size = size_behind(start);
		if (!ret->size || !end || !room || end->offset != start->offset + 8 || room->offset != end->offset + 8)
			continue;
		ret->kind = STORE_VECTOR;
		ret->offset += start->offset;
		return true;
	}
	return false;
}

static bool find_deque(const struct dbg_type *type, struct native_store *ret)
{
	const struct dbg_member *map = native_member(type, "_M_map"), *start = native_member(type, "_M_start"),
				*finish = native_member(type, "_M_finish");

	if (!map || !start || !finish || start->offset != map->offset + 16 || finish->offset != map->offset + 48)
		return false;
	ret->kind = STORE_DEQUE;
	ret->offset += map->offset;
	ret->size = 8;
	return true;
}

/* By name: these are laid out alike whatever they hold. */
static bool find_named(const struct dbg_type *type, struct native_store *ret)
{
	static const struct {
		const char *name;
		uint8_t kind, size;
		uint64_t bytes;
	} named[] = {
		{ "std::__cxx11::basic_string<char,", STORE_STRING, 1, 32 },
		{ "std::__1::basic_string<char,", STORE_LIBCXX_STRING, 1, 24 },
		{ "std::_Hashtable<", STORE_TABLE, 8, 56 },
		{ "std::__1::__hash_table<", STORE_LIBCXX_TABLE, 8, 40 },
		{ "std::_Fwd_list_base<", STORE_LIST, 8, 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (native_begins(type->name, named[i].name) && type->size == named[i].bytes) {
			ret->kind = named[i].kind;
			ret->size = named[i].size;
			return true;
		}
	return false;
}

static bool find_rust(struct native *n, const struct dbg_type *type, uint64_t at, struct native_store *ret)
{
	struct native_slot slot = { .op = NATIVE_RUST }, *kept;

	if (type->language != DBG_LANG_RUST || !native_rust_room(n, type, at, &slot) || slot.op != NATIVE_RUST || !slot.to)
		return false;
	kept = arena_memdup(&n->mem, &slot, sizeof(slot));
	ret->kind = STORE_RUST;
	ret->slot = kept;
	return kept;
}

static bool find_khash(struct native *n, const struct dbg_type *type, uint64_t at, struct native_store *ret)
{
	struct native_slot slot = {}, *kept;

	if (!native_is_khash(type) || !native_khash_slot(n, type, native_member(type, "vals"), at, &slot))
		return false;
	kept = arena_memdup(&n->mem, &slot, sizeof(slot));
	ret->kind = STORE_KHASH;
	ret->slot = kept;
	return kept;
}

/* Programs see all of a GString, and of arrays where they are and their length. */
static bool find_glib(const struct dbg_type *type, struct native_store *ret)
{
	static const struct {
		const char *name, *start, *length, *room;
		uint8_t kind, size;
		uint64_t length_at, room_at, bytes;
	} parts[] = {
		{ "struct _GString", "str", "len", "allocated_len", STORE_GSTRING, 1, 8, 16, 24 },
		{ "struct _GPtrArray", "pdata", "len", NULL, STORE_GPTRARRAY, 8, 8, 0, 16 },
		{ "struct _GArray", "data", "len", NULL, STORE_GARRAY, 1, 8, 0, 16 },
		{ "struct _GByteArray", "data", "len", NULL, STORE_GARRAY, 1, 8, 0, 16 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct dbg_member *start = native_member(type, parts[i].start), *length = native_member(type, parts[i].length),
					*room = parts[i].room ? native_member(type, parts[i].room) : NULL;

		if (!type->name || strcmp(type->name, parts[i].name) != 0 || type->size != parts[i].bytes || !start || start->offset ||
		    !length || length->offset != parts[i].length_at || (parts[i].room && (!room || room->offset != parts[i].room_at)))
			continue;
		ret->kind = parts[i].kind;
		ret->size = parts[i].size;
		return true;
	}
	return false;
}

bool native_store_of(struct native *n, const struct dbg_type *type, uint64_t at, struct native_store *ret)
{
	dbg_type_load((struct dbg_type *)type);
	ret->offset = at;
	if (type->language == DBG_LANG_RUST)
		return find_rust(n, type, at, ret);
	if (type->language == DBG_LANG_C && find_glib(type, ret))
		return true;
	if (find_khash(n, type, at, ret))
		return true;
	return find_vector(type, ret) || find_deque(type, ret) || find_named(type, ret);
}

/* ---- in use */

static bool vector_use(const uint8_t *w, struct native_use *u)
{
	uint64_t start = load_u64(w), end = load_u64(w + 8), room = load_u64(w + 16);

	if (end < start || room < end || (end - start) % u->size || (room - start) % u->size)
		return false;
	u->start = start;
	u->used = (end - start) / u->size;
	u->room = (room - start) / u->size;
	return true;
}

/* `at`: where short ones are themselves. */
static bool string_use(struct native *n, const uint8_t *w, taddr at, struct native_use *u)
{
	bool is_long = load_u64(w) != at + 16;

	image_keep_bytes(n->img, w, is_long ? 24 : 8);
	u->start = load_u64(w);
	u->used = load_u64(w + 8) + 1; /* the zero behind it */
	u->room = load_u64(w + 16) + 1;
	return is_long;
}

static bool libcxx_string_use(struct native *n, const uint8_t *w, struct native_use *u)
{
	bool is_long = w[0] & 1;

	image_keep_exact(n->img, w, is_long ? 24 : 1);
	u->start = load_u64(w + 16);
	u->used = load_u64(w + 8) + 1;
	u->room = load_u64(w) & ~1ull;
	return is_long; /* else its characters are here */
}

/* Of the pointers to its buffers; an empty one has a buffer for nothing. */
static bool deque_use(struct native *n, const uint8_t *w, struct native_use *u)
{
	uint64_t first = load_u64(w + 40), last = load_u64(w + 72);

	u->start = load_u64(w);
	u->room = load_u64(w + 8);
	if (first < u->start || last < first || (last - first) % 8)
		return false;
	u->used = (last - first) / 8 + 1;
	if (u->used == 1 && load_u64(w + 16) == load_u64(w + 48)) {
		u->used = 0;
		return !image_read_u64(n->img, first, &u->spare);
	}
	return true;
}

/* Entries for buckets; one bucket lies in the table itself. */
static bool table_use(const uint8_t *w, uint64_t used_at, struct native_use *u)
{
	u->start = load_u64(w);
	u->room = load_u64(w + 8);
	u->used = load_u64(w + used_at);
	u->is_table = true;
	return u->room > 1;
}

static bool gstring_use(const uint8_t *w, struct native_use *u)
{
	u->start = load_u64(w);
	u->used = load_u64(w + 8) + 1; /* the zero behind it */
	u->room = load_u64(w + 16);
	return u->used && u->used <= u->room;
}

/* Behind what programs see is for how many there is room: a power of two, the largest one that its block can have. */
static bool gptrarray_use(const struct native *n, const uint8_t *w, struct native_use *u)
{
	struct block b;

	u->start = load_u64(w);
	u->used = load_u32(w + 8);
	u->room = load_u32(w + 12);
	if (u->used > u->room || !is_pow2(u->room) || !block_get_at(n->blocks, u->start, &b))
		return false;
	if (u->room * u->size <= b.usable / 2 || u->room * u->size > b.usable)
		return false;
	image_keep_exact(n->img, w + 8, 8); /* two counts, by now */
	return true;
}

static bool garray_use(const struct native *n, taddr at, struct native_use *u)
{
	struct native_garray a;

	if (!native_garray_read(n, at, &a))
		return false;
	*u = (struct native_use){ .start = a.data, .used = a.used, .room = a.room, .size = a.size };
	return true;
}

bool native_use_of(struct native *n, const struct native_store *store, taddr at, const uint8_t *value, uint64_t size,
		   struct native_use *ret)
{
	const uint8_t *w = value + store->offset;

	*ret = (struct native_use){ .size = store->size };
	if (!native_holds(store->guard, value, size))
		return false;
	if (store->kind == STORE_RUST)
		return native_rust_use(n, value, size, store->slot, ret) && ret->used <= ret->room;
	if (store->kind == STORE_KHASH)
		return native_khash_use(n, value, size, store->slot, ret) && ret->used <= ret->room;
	if (store->offset > size || size - store->offset < bytes_of[store->kind])
		return false;
	if (store->kind == STORE_STRING)
		return string_use(n, w, at + store->offset, ret) && ret->used <= ret->room;
	if (store->kind == STORE_LIBCXX_STRING)
		return libcxx_string_use(n, w, ret) && ret->used <= ret->room;
	image_keep_bytes(n->img, w, bytes_of[store->kind]);
	switch (store->kind) {
	case STORE_VECTOR:
		return vector_use(w, ret);
	case STORE_DEQUE:
		return deque_use(n, w, ret) && ret->used <= ret->room;
	case STORE_GSTRING:
		return gstring_use(w, ret);
	case STORE_GPTRARRAY:
		return gptrarray_use(n, w, ret);
	case STORE_GARRAY:
		return garray_use(n, at + store->offset, ret);
	case STORE_LIST:
		ret->nodes = load_u64(w);
		return ret->nodes;
	default:
		return table_use(w, 24, ret);
	}
}
