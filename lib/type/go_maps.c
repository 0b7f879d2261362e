/*
 * type/go_maps.c - reads maps.
 *
 * Old maps: hmap {count, flags, B, noverflow, hash0, buckets, oldbuckets, nevacuate, extra}; a
 * bucket is {tophash [8]uint8, keys, elems, overflow}, found by chains from an array of 2^B and
 * some spare ones behind (runtime/map.go).  Swiss maps: Map {used, seed, dirPtr, dirLen, depth},
 * table {used, capacity, growthLeft u16, localDepth, index, groups {data, lengthMask}}; a group
 * begins with eight control bytes.  What a rebuilt map takes is make()'s own rule.
 */
#include "type/go_maps.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "image/window.h"
#include "type/go_block.h"
#include "type/go_shape.h"

enum {
	SLOTS = 8,	   /* of a bucket, of a group */
	TABLE_MOST = 1024, /* slots of a Swiss table */
	LOG_BUCKETS_MAX = 40,
	GROUP_MAX = 1 << 20, /* keys and elements are at most 128 bytes each */
	EMPTY_ONE = 1,
	FILLED_FIRST = 5, /* tophash; between them: evacuated */
	FLAG_WRITING = 4,
	FLAG_SAME_SIZE_GROW = 8,
	HMAP_FLAGS = 8,
	SWISS_BYTES = 48,
	SWISS_DEPTH = 32, /* u8; then globalShift, writing */
	TABLE_INDEX = 8,
	TABLE_BYTES = 32,
};

struct reader {
	struct go_maps *maps;
	const struct go *go;
	uint64_t group; /* bytes of a bucket or of a group */
	bool scan;	/* with pointers */
	struct go_map *map;
	uint64_t seen;			/* filled slots */
	bool is_trial;			/* stops at the first thing that is wrong */
	struct image_window window;
};

/* The word at an address; 0 where there is none, which is then seen as damage. */
static uint64_t word(struct reader *r, taddr at)
{
	uint64_t avail;
	const uint8_t *b = window_view(&r->window, r->maps->img, at, &avail);

	if (!b || avail < 8) {
		r->map->damaged = true;
		return 0;
	}
	if (!r->is_trial)
		image_keep(r->maps->img, at, 8);
	return load_u64(b);
}

/* The used block around an address, with at least `n` bytes behind it. */
static bool room_at(const struct reader *r, taddr at, uint64_t n, struct go_block *ret)
{
	return at && go_block_at(r->maps->blocks, at, ret) && ret->usable - (at - ret->start) >= n;
}

/* A block that is this map's from now on: it and its bytes count once. */
static bool own_block(struct reader *r, taddr at, uint64_t n, struct go_block *ret)
{
	if (!room_at(r, at, n, ret) || bit_get(r->maps->seen.base, ret->id)) {
		r->map->damaged = true;
		return false;
	}
	if (!vec_push(&r->maps->owned, &ret->id)) {
		r->maps->is_out_of_memory = r->map->damaged = true;
		return false;
	}
	bit_set(r->maps->seen.base, ret->id);
	r->map->bytes += ret->size;
	return true;
}

/* The same, with buckets or groups in it: `n` of them are its own, the rest is room. */
static bool own_array(struct reader *r, taddr at, uint64_t n, struct go_block *ret)
{
	struct go_map_array array;

	if (!own_block(r, at, n * r->group, ret))
		return false;
	array = (struct go_map_array){ ret->id, at, (ret->usable - (at - ret->start)) / r->group };
	if (!vec_push(&r->maps->arrays, &array))
		r->maps->is_out_of_memory = r->map->damaged = true;
	return true;
}

static bool goes_on(const struct reader *r)
{
	return !r->is_trial || !r->map->damaged;
}

/* ---- to 1.23 */

/* The filled and deleted slots of a bucket, by its first eight bytes. */
static void count_bucket(struct reader *r, taddr at, uint64_t top)
{
	uint64_t kept = 0;

	for (unsigned i = 0; i < SLOTS; i++) /* a filled slot's is part of a key's hash */
		kept |= ((top >> 8 * i & 0xff) < FILLED_FIRST ? top >> 8 * i & 0xff : FILLED_FIRST) << 8 * i;
	if (!r->is_trial)
		image_keep_as(r->maps->img, at, kept);
	for (unsigned i = 0; i < SLOTS; i++, top >>= 8) {
		r->seen += (top & 0xff) >= FILLED_FIRST;
		r->map->deleted += (top & 0xff) == EMPTY_ONE;
	}
}

/*
 * The buckets behind the first of a chain.  Those in the array's own block are spare ones made with
 * it, `spare` more at most: lists may loop.
 */
static void walk_chain(struct reader *r, taddr bucket, const struct go_block *array,
		       uint64_t *spare)
{
	while ((bucket = word(r, bucket + r->group - 8))) {
		struct go_block b;

		if (bucket - array->start < array->usable && *spare)
			--*spare;
		else if (!own_array(r, bucket, 1, &b))
			return;
		r->map->overflow++;
		count_bucket(r, bucket, word(r, bucket));
	}
}

/* One array of 2^bits buckets; those of an old one that are evacuated have no filled slots. */
static void walk_buckets(struct reader *r, taddr at, unsigned bits)
{
	struct go_block array;
	uint64_t spare;

	if (!at)
		return;
	if (bits > LOG_BUCKETS_MAX) {
		r->map->damaged = true;
		return;
	}
	if (!own_array(r, at, 1ull << bits, &array))
		return;
	spare = array.usable / r->group - (1ull << bits);
	for (uint64_t i = 0; i < 1ull << bits && goes_on(r); i++) {
		count_bucket(r, at + i * r->group, word(r, at + i * r->group));
		walk_chain(r, at + i * r->group, &array, &spare);
		r->maps->work++;
	}
}

/* {overflow, oldoverflow *[]*bmap, nextOverflow}: the lists keep buckets without pointers alive. */
static void add_extra(struct reader *r, taddr at)
{
	struct go_block b;

	if (!at || !own_block(r, at, 24, &b))
		return;
	for (unsigned i = 0; i < 2; i++) {
		taddr slice = word(r, at + 8 * i);

		if (slice && own_block(r, slice, 24, &b) && word(r, slice))
			own_block(r, word(r, slice), 8, &b);
	}
}

/* Twice the entries a bucket may have on average before the map grows: 6.5; in 1.21 it was 6. */
static uint64_t twice_load(const struct go *go)
{
	return go->minor == 21 ? 12 : 13;
}

/* makemap() and makeBucketArray(). */
static uint64_t need_old(const struct reader *r)
{
	uint64_t n = r->map->used, buckets;
	unsigned bits = 0;

	if (!n)
		return 0;
	while (n > SLOTS && n > twice_load(r->go) * ((1ull << bits) / 2) && bits < LOG_BUCKETS_MAX)
		bits++;
	buckets = 1ull << bits;
	if (bits < 4)
		return go_block_size(r->go, buckets * r->group, r->scan);
	return go_block_size(r->go, (buckets + (buckets >> 4)) * r->group, r->scan) +
	       go_block_size(r->go, 24, true);
}

/* 1.24 and 1.25 without Swiss maps have clearSeq before it. */
static unsigned extra_at(const struct go *go)
{
	return HMAP_EXTRA + (go->minor >= 24 ? 8 : 0);
}

static void read_old(struct reader *r, taddr h)
{
	uint64_t flags = word(r, h + HMAP_FLAGS);
	unsigned bits = flags >> 8 & 0xff;
	taddr buckets = word(r, h + HMAP_BUCKETS), old = word(r, h + HMAP_OLDBUCKETS);

	if (!r->is_trial) /* without the seed behind them */
		image_keep_as(r->maps->img, h + HMAP_FLAGS, flags & UINT32_MAX);
	r->map->used = word(r, h + HMAP_COUNT);
	r->map->growing = old;
	if (buckets && bits <= LOG_BUCKETS_MAX)
		r->map->capacity = (uint64_t)SLOTS << bits;
	walk_buckets(r, buckets, bits);
	walk_buckets(r, old, bits && !(flags & FLAG_SAME_SIZE_GROW) ? bits - 1 : bits);
	add_extra(r, word(r, h + extra_at(r->go)));
	r->map->need += need_old(r);
}

/* ---- since 1.24 */

static void count_groups(struct reader *r, taddr at, uint64_t n)
{
	const uint64_t ones = 0x0101010101010101;

	for (uint64_t i = 0; i < n && goes_on(r); i++) {
		uint64_t ctrl = word(r, at + i * r->group);
		uint64_t unused = ctrl >> 7 & ones, deleted = unused & ctrl >> 1;

		if (!r->is_trial) /* a filled slot's is part of a key's hash */
			image_keep_as(r->maps->img, at + i * r->group, ctrl & 0xff * unused);
		r->seen += SLOTS - (unsigned)__builtin_popcountll(unused);
		/* 0x80: empty, 0xfe: deleted; nothing else is there */
		r->map->deleted += (unsigned)__builtin_popcountll(deleted);
		r->map->damaged |= (ctrl & 0x7f * unused) != 0x7e * deleted;
		r->maps->work++;
	}
}

/* A table of entry `i` of the directory; it stands in several, of which its index is the first. */
static void read_table(struct reader *r, taddr at, uint64_t i)
{
	struct go_block b;
	uint64_t capacity, counts;
	taddr data;

	if (!room_at(r, at, TABLE_BYTES, &b)) {
		r->map->damaged = true;
		return;
	}
	if (word(r, at + TABLE_INDEX) != i || !own_block(r, at, TABLE_BYTES, &b))
		return;
	counts = word(r, at); /* used, capacity, growthLeft, localDepth */
	if (!r->is_trial)
		image_keep_as(r->maps->img, at, counts);
	capacity = counts >> 8 * TABLE_CAPACITY & 0xffff;
	data = word(r, at + TABLE_GROUPS);
	r->map->capacity += capacity;
	if (capacity < SLOTS || capacity > TABLE_MOST ||
	    word(r, at + TABLE_MASK) != capacity / SLOTS - 1)
		r->map->damaged = true;
	else if (own_array(r, data, capacity / SLOTS, &b))
		count_groups(r, data, capacity / SLOTS);
}

static uint64_t up_pow2(uint64_t n)
{
	return n <= 1 ? 1 : 1ull << (64 - (unsigned)__builtin_clzll(n - 1));
}

/* NewMap() and newTable(). */
static uint64_t need_swiss(const struct reader *r)
{
	uint64_t n = r->map->used, slots, tables, each;

	if (!n)
		return 0;
	if (n <= SLOTS)
		return go_block_size(r->go, r->group, r->scan);
	if (n > 1ull << LOG_BUCKETS_MAX)
		return UINT64_MAX / 2;
	slots = n * 8 / 7;
	tables = up_pow2((slots + TABLE_MOST - 1) / TABLE_MOST);
	each = up_pow2(slots / tables < SLOTS ? SLOTS : slots / tables);
	return go_block_size(r->go, 8 * tables, true) +
	       tables * (go_block_size(r->go, TABLE_BYTES, true) +
			 go_block_size(r->go, each / SLOTS * r->group, r->scan));
}

static void read_swiss(struct reader *r, taddr h)
{
	taddr at = word(r, h + SWISS_DIR), table = 0;
	uint64_t n = word(r, h + SWISS_DIR_LEN), depth = word(r, h + SWISS_DEPTH) & 0xff;
	struct go_block b;

	r->map->used = word(r, h + SWISS_USED);
	r->map->need += need_swiss(r);
	if (!at)
		return;
	if (!n) {
		if (!own_array(r, at, 1, &b))
			return;
		r->map->capacity = SLOTS;
		count_groups(r, at, 1);
		return;
	}
	if (!own_block(r, at, n > UINT64_MAX / 8 ? UINT64_MAX : 8 * n, &b))
		return;
	r->map->damaged |= depth > 63 || n != 1ull << (depth & 63);
	for (uint64_t i = 0; i < n && goes_on(r); i++) {
		taddr last = table;

		table = word(r, at + 8 * i);
		if (!i || table != last)
			read_table(r, table, i);
	}
}

/* ---- any */

struct err *go_maps_open(struct env *env, const struct image *img, const struct blocks *blocks,
			 struct go_maps *ret)
{
	*ret = (struct go_maps){ .img = img, .blocks = blocks };
	return col_fixed(env, 8, bits_words(blocks->grains.n) + 1, "maps", &ret->seen);
}

void go_maps_close(struct go_maps *m)
{
	col_close(&m->seen);
	free(m->owned.v);
	free(m->arrays.v);
}

/* The blocks of the map read last are nobody's. */
static void forget(struct go_maps *m)
{
	for (size_t i = 0; i < m->owned.n; i++)
		bit_clear(m->seen.base, m->owned.v[i]);
	m->owned.n = 0;
}

/*
 * hashWriting, Map.writing: set by who puts, deletes or clears, for as long as header and slots need
 * not agree.
 */
static bool is_written(struct reader *r, taddr header)
{
	if (r->go->swissmap)
		return (word(r, header + SWISS_DEPTH) >> 16 & 0xff) == 1;
	return word(r, header + HMAP_FLAGS) & FLAG_WRITING;
}

static bool read_map(struct reader *r, taddr header)
{
	struct go_block b;

	r->maps->owned.n = 0;
	r->maps->arrays.n = 0;
	if (r->group < 16 || r->group > GROUP_MAX ||
	    !own_block(r, header, r->go->swissmap ? SWISS_BYTES : extra_at(r->go) + 8, &b))
		return false;
	r->map->need = b.size;
	if (r->go->swissmap)
		read_swiss(r, header);
	else
		read_old(r, header);
	r->map->damaged |= r->seen != r->map->used;
	if (r->map->damaged && !r->is_trial && is_written(r, header)) {
		r->map->damaged = false;
		r->map->changing = true;
	}
	r->map->arrays = r->maps->arrays.v;
	r->map->n_arrays = r->maps->arrays.n;
	return true;
}

bool go_map_read(struct go_maps *m, const struct go_type *type, taddr header, struct go_map *ret)
{
	struct reader r = { .maps = m, .go = m->img->go, .map = ret };

	*ret = (struct go_map){ .addr = header, .type = type };
	if (!type->bucket)
		return false;
	r.group = type->bucket->size;
	r.scan = type->bucket->ptr_bytes;
	return read_map(&r, header);
}

uint64_t go_map_need(const struct go *go, const struct go_type *type, uint64_t n)
{
	struct go_map map = { .used = n };
	struct reader r = { .go = go, .map = &map };
	unsigned header = go->swissmap ? SWISS_BYTES : extra_at(go) + 8;

	if (!type->bucket)
		return 0;
	r.group = type->bucket->size;
	r.scan = type->bucket->ptr_bytes;
	return go_block_size(go, header, true) + (go->swissmap ? need_swiss(&r) : need_old(&r));
}

bool go_map_try(struct go_maps *m, uint64_t group, bool scan, taddr header, struct go_map *ret)
{
	struct reader r = { .maps = m,
			    .go = m->img->go,
			    .map = ret,
			    .group = group,
			    .scan = scan,
			    .is_trial = true };

	*ret = (struct go_map){ .addr = header };
	if (read_map(&r, header) && !ret->damaged)
		return true;
	forget(m);
	return false;
}
