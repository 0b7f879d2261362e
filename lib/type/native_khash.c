/*
 * type/native_khash.c - tables in the shape of klib's khash.h, which its macros make a struct of their own for
 * each kind of key and value.
 *
 * Source of truth: klib's khash.h 0.2.8 (KHASH_TYPE): two bits a bucket in `flags`, 2 for an empty one, 1 for
 * a deleted one; keys and, but in a set, values in arrays of their own, as long as there are buckets.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "type/native.h"

enum { PER_WORD = 16 /* buckets that a word of flags tells of */, BUCKETS_MAX = 1 << 30 };

/* A table whose values are named by their keys. */
struct khash_keys {
	taddr keys;
	const struct dbg_type *key;
};

/* An unsigned of four bytes, as khint_t is. */
static const struct dbg_member *number(const struct dbg_type *type, const char *name)
{
	const struct dbg_member *m = native_member(type, name);

	return m && m->type->kind == DBG_KIND_BASE && m->type->size == sizeof(uint32_t) ? m : NULL;
}

static const struct dbg_member *pointer(const struct dbg_type *type, const char *name)
{
	const struct dbg_member *m = native_member(type, name);

	return m && m->type->kind == DBG_KIND_POINTER ? m : NULL;
}

bool native_is_khash(const struct dbg_type *type)
{
	return type->kind == DBG_KIND_STRUCT && number(type, "n_buckets") && number(type, "size") && number(type, "n_occupied") &&
	       number(type, "upper_bound") && pointer(type, "flags") && pointer(type, "keys") && pointer(type, "vals");
}

bool native_khash_slot(struct native *n, const struct dbg_type *type, const struct dbg_member *m, uint64_t at,
		       struct native_slot *ret)
{
	struct native_room *room;

	if (!m->name || (strcmp(m->name, "keys") != 0 && strcmp(m->name, "vals") != 0))
		return false;
	room = arena_alloc(&n->mem, sizeof(*room));
	if (!room)
		return false;
	*room = (struct native_room){
		.first = at + m->offset, .capacity = at + native_member(type, "n_buckets")->offset,
		.length = at + native_member(type, "flags")->offset, .head = at + native_member(type, "keys")->offset,
		.key = native_member(type, "keys")->type,
	};
	dbg_type_load((struct dbg_type *)m->type);
	ret->op = NATIVE_KHASH;
	ret->offset = room->first;
	ret->room = room;
	ret->to = native_type_of(n, m->type->to);
	return ret->to;
}

static bool is_live(const uint8_t *flags, uint64_t bucket)
{
	return !(load_u32(flags + bucket / PER_WORD * 4) >> bucket % PER_WORD * 2 & 3);
}

/* Which buckets are in use, and nothing else of bytes that may be no flags: `bytes` of them at `addr`. */
static void keep_flags(const struct image *img, taddr addr, const uint8_t *flags, uint64_t bytes)
{
	const uint64_t lows = 0x5555555555555555ull;

	for (uint64_t at = 0; img->shadow && at < bytes; at += 8) {
		uint64_t word = bytes - at < 8 ? load_u32(flags + at) : load_u64(flags + at);

		image_keep_as(img, addr + at, ((word | word >> 1) & lows) << 1); /* empty, for deleted ones too */
	}
}

static bool has(uint64_t size, uint64_t offset, uint64_t bytes)
{
	return offset <= size && bytes <= size - offset;
}

/* Its flags; NULL: it has no buckets, or none that can be. */
static const uint8_t *read_table(struct native *n, const uint8_t *value, uint64_t size, const struct native_room *room,
				 uint64_t *ret_buckets)
{
	uint64_t avail = 0, bytes;
	const uint8_t *flags;

	if (!has(size, room->first, 8) || !has(size, room->capacity, 4) || !has(size, room->length, 8))
		return NULL;
	*ret_buckets = load_u32(value + room->capacity);
	if (!*ret_buckets || *ret_buckets > BUCKETS_MAX || !is_pow2(*ret_buckets))
		return NULL;
	bytes = *ret_buckets < PER_WORD ? 4 : *ret_buckets / PER_WORD * 4;
	flags = native_view(n, load_u64(value + room->length), &avail);
	if (!flags || avail < bytes || bytes > n->flags_left)
		return NULL;
	n->flags_left -= bytes;
	image_keep_exact(n->img, value + room->capacity, 4);
	image_keep_exact(n->img, value + room->length, 8);
	image_keep_exact(n->img, value + room->first, 8);
	keep_flags(n->img, load_u64(value + room->length), flags, bytes);
	return flags;
}

void native_khash_runs(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		       bool (*fn)(void *arg, const struct native_run *run), void *arg)
{
	uint64_t buckets = 0, one = slot->to->dbg->size;
	const uint8_t *flags = read_table(n, value, size, slot->room, &buckets);
	struct native_run run = { .kind = NATIVE_ARRAY };

	if (!flags || !checked_mul(buckets, one, &run.room))
		return;
	run.start = load_u64(value + slot->room->first);
	if (!run.start || !fn(arg, &run))
		return;
	for (uint64_t i = 0; i < buckets; i++) {
		if (!is_live(flags, i))
			continue;
		run.from = i * one;
		while (i + 1 < buckets && is_live(flags, i + 1))
			i++;
		run.to = (i + 1) * one;
		if (!fn(arg, &run))
			return;
	}
}

bool native_khash_use(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		      struct native_use *ret)
{
	uint64_t buckets = 0;
	const uint8_t *flags = read_table(n, value, size, slot->room, &buckets);

	*ret = (struct native_use){ .size = slot->to->dbg->size, .room = buckets, .is_table = true };
	if (!flags)
		return false;
	ret->start = load_u64(value + slot->room->first);
	for (uint64_t i = 0; i < buckets; i++)
		ret->used += is_live(flags, i);
	return ret->start;
}

void native_khash_note(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot)
{
	struct khash_keys *kept;
	taddr start;

	if (!has(size, slot->room->first, 8) || !has(size, slot->room->head, 8) || slot->room->first == slot->room->head)
		return;
	start = load_u64(value + slot->room->first);
	if (addrmap_get(&n->khashes, start))
		return;
	dbg_type_load((struct dbg_type *)slot->room->key);
	kept = slot->room->key->to ? arena_alloc(&n->mem, sizeof(*kept)) : NULL;
	if (!kept)
		return;
	*kept = (struct khash_keys){ load_u64(value + slot->room->head), slot->room->key->to };
	addrmap_put(&n->khashes, start, kept); /* without memory: by its number */
}

bool native_khash_path(const struct native *n, const struct dbg_type *value, taddr start, uint64_t offset, struct text *ret)
{
	const struct khash_keys *keys = n->env->show_contents ? addrmap_get(&n->khashes, start) : NULL;
	uint64_t i = offset / value->size;

	if (!keys)
		return false;
	text_add(ret, "[");
	native_key(n, keys->key, keys->keys + i * keys->key->size, ret);
	text_add(ret, "]");
	native_path(n, value, false, start + i * value->size, offset - i * value->size, ".", ret);
	return true;
}
