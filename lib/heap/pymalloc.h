/*
 * heap/pymalloc.h - CPython's allocator of small blocks as its walker knows it: arenas of pools of blocks.
 *
 * Objects/obmalloc.c of 2.7 to 3.11, Include/internal/pycore_obmalloc.h of 3.12 and 3.13 (struct pool_header,
 * struct arena_object, usedpools, _obmalloc_mgmt), 64-bit. Pools have 4 KiB and arenas 256 KiB up to 3.9, 16 KiB
 * and 1 MiB from 3.10 on; blocks are multiples of 8 bytes up to 3.7 (some), of 16 since. All of that the pools
 * themselves say. What is larger than 512 bytes is malloc's.
 */
#ifndef HEAPFX_HEAP_PYMALLOC_H
#define HEAPFX_HEAP_PYMALLOC_H

#include "base/bits.h"
#include "heap/blocks.h"
#include "heap/damage.h"

enum {
	PY_POOL_HEADER = 48,
	PY_POOL_MOST = 16 << 10,
	PY_CLASSES = 64, /* at most: 512 bytes in steps of 8 */
	PY_POOL_MARKS = PY_POOL_MOST / 8 / 64, /* words: a bit a block of a pool, as small as they are and as large as it is */
};

/* What the lists of used pools and the arenas agree on. */
struct py_layout {
	taddr used;   /* usedpools: a list a class, two words each */
	taddr arenas; /* the array of struct arena_object */
	unsigned n_classes, shift; /* sizes are (class + 1) << shift */
	uint32_t pool_bytes, arena_bytes;
	uint32_t n_arenas; /* entries of the array, associated or not */
};

enum py_where { PY_USED, PY_FREEBLOCK, PY_UNTOUCHED, PY_FREEPOOL, PY_UNCARVED, PY_WHERES };
extern const char *const py_where_names[PY_WHERES];

/* The figures of a pool's header, held against each other. */
struct py_pool {
	taddr at;
	const uint8_t *bytes; /* all of it; NULL: not in the dump */
	bool sound;
	uint32_t count, class_no, size; /* blocks in use */
	uint32_t n, carved;  /* blocks there is room for, and were ever given out or listed */
	taddr freeblock;
};

struct py_class {
	uint32_t pools;
	uint64_t used, free;
};

/* struct arena_object: a claim. */
struct py_arena {
	taddr record, start, end; /* of the arena_object; of its memory */
	taddr first, carved;	  /* the first pool, and the first that was never used */
	uint32_t index, n_free, n_pools; /* its place in the array; pools that are free or not carved; in all */
	taddr freepools;
	/* of the walk */
	uint64_t n_in[PY_WHERES], bytes_in[PY_WHERES];
	uint64_t empty; /* pools */
	uint64_t largest;
	struct py_class classes[PY_CLASSES];
	struct damages damage;
	uint64_t passed, failed;
	uint64_t n_moving; /* pools whose list is one off their count */
	taddr moving;
};

struct py_heap {
	struct env *env;
	const struct image *img;
	struct py_layout layout;
	struct {
		struct py_arena *v; /* by start */
		size_t n, cap;
	} arenas;
	struct damages damage;
	uint64_t passed, failed;
	struct heap_info info;
	struct heap_arena *rows;
	struct class_total *classes;
	bool have_info;
};

/* ---- pymalloc_anchor.c */
bool py_find(const struct image *img, struct py_layout *ret);
/* One entry of the array; false: none that holds an arena. */
bool py_read_arena(const struct image *img, const struct py_layout *l, uint32_t index, struct py_arena *ret);

/* ---- pymalloc_pools.c */
void py_read_pool(const struct py_heap *h, taddr at, struct py_pool *ret);
/* The blocks of a sound pool that its free list has: a bit each, and how many; false: it leads astray. */
bool py_free_blocks(const struct py_heap *h, const struct py_pool *p, uint64_t marks[PY_POOL_MARKS], uint32_t *ret_n);
struct err *py_walk(void *ctx, uint32_t claim, struct block_sink *sink);
const struct py_arena *py_arena_at(const struct py_heap *h, taddr at);

#endif
