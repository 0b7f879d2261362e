/*
 * tcmalloc_profiler.c - what gperftools' heap profiler (HEAPPROFILE) and heap checker (HEAPCHECK)
 * know of each allocation, and the memory they keep it in.
 *
 * Source: gperftools src/{heap-profile-table,heap-profile-stats,addressmap-inl}.h and
 * base/low_level_alloc.cc, 2.8 to 2.18.1.  A HeapProfileTable is known by its AllocationMap, which
 * repeats its two functions.  Snapshots of the heap checker are not read.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/samples.h"
#include "heap/tcmalloc_fields.h"
#include "image/shadow.h"

enum {
	TABLE_WORDS = 14, /* of a HeapProfileTable, up to the address_map_ that lies furthest */
	N_BUCKETS = 179999, /* kHashTableSize */
	DEPTH_MAX = 32,	    /* kMaxStackDepth */
	MAP_SLOTS = 4096,   /* 1 << kHashBits */
	CLUSTER_BLOCKS = 8192,
	CLUSTER_BITS = 20, /* kBlockBits + kClusterBits */
	BLOCK_BITS = 7,
	ENTRIES_MAX = 1 << BLOCK_BITS, /* of one block of 128 bytes */
	ENTRY = 32,
	HEADER = 32,		  /* AllocList::Header */
	HEADER_MAGIC = 0x4c833e95, /* kMagicAllocated; with all bits turned over: free */
	ARENA_BEFORE = 4096,	  /* LowLevelAlloc::Arena, in its own first region */
};

/* AddressMap: hashtable_, free_, alloc_, dealloc_, allocated_. */
enum { MAP_TABLE, MAP_FREE, MAP_ALLOC, MAP_DEALLOC, MAP_ALLOCATED, MAP_WORDS };

/* ---- finding it */

/* { allocs, frees, alloc_size, free_size, hash, depth, stack, next }: the last three, if so. */
static bool read_bucket(const struct tcmalloc *t, const struct tcm_profiler *p, taddr bucket,
			taddr *ret_stack, uint32_t *ret_depth, taddr *ret_next)
{
	uint64_t w[4], pc;

	/* Up to 2.10 allocs and frees are 32 bits wide, and share a word. */
	if (image_read(t->img, bucket + (p->wide ? 32 : 24), w, sizeof(w)) != MEM_OK)
		return false;
	*ret_depth = (uint32_t)w[1];
	*ret_stack = w[2];
	*ret_next = w[3];
	return *ret_depth && *ret_depth <= DEPTH_MAX && !(w[2] & 7) &&
	       image_read_u64(t->img, w[2], &pc) == MEM_OK && image_is_code(t->img, pc);
}

/* The first bucket says how wide its counts are; a table without one has nothing to tell. */
static bool find_form(const struct tcmalloc *t, struct tcm_profiler *p)
{
	for (uint64_t i = 0; i < N_BUCKETS; i++) {
		taddr bucket, stack, next;
		uint32_t depth;

		if (image_read_u64(t->img, p->buckets + 8 * i, &bucket) != MEM_OK)
			return false;
		if (!bucket)
			continue;
		p->wide = true;
		if (read_bucket(t, p, bucket, &stack, &depth, &next))
			return true;
		p->wide = false;
		return read_bucket(t, p, bucket, &stack, &depth, &next);
	}
	return false;
}

/*
 * Is this a HeapProfileTable: { alloc_, dealloc_, total_, profile_mmap_ (to 2.16), bucket_table_,
 * num_buckets_, address_map_ }?
 */
static bool table_at(const struct tcmalloc *t, taddr table, struct tcm_profiler *ret)
{
	uint64_t w[TABLE_WORDS], map[MAP_WORDS];

	if (table & 15 || image_read(t->img, table, w, sizeof(w)) != MEM_OK || w[0] == w[1] ||
	    !image_is_code(t->img, w[0]) || !image_is_code(t->img, w[1]))
		return false;
	for (unsigned at = 12; at < TABLE_WORDS; at++) {
		if (w[at] & 15 || image_read(t->img, w[at], map, sizeof(map)) != MEM_OK ||
		    map[MAP_ALLOC] != w[0] || map[MAP_DEALLOC] != w[1])
			continue;
		*ret = (struct tcm_profiler){ .table = table, .map = w[at], .buckets = w[at - 2] };
		ret->known = find_form(t, ret);
		/* total_: allocs and frees. */
		ret->live = ret->wide ? w[2] - w[3] : (uint32_t)w[2] - (uint32_t)(w[2] >> 32);
		return true;
	}
	return false;
}

static bool is_known(const struct tcmalloc *t, taddr table)
{
	for (uint32_t i = 0; i < t->n_profilers; i++)
		if (t->profilers[i].table == table)
			return true;
	return false;
}

/* A variable of the module leads to it. */
static void find_in(struct tcmalloc *t, uint32_t copy, const struct segment *seg)
{
	const struct image *img = t->img;
	uint64_t n = seg->end - seg->start;
	struct tcm_profiler found;

	for (uint64_t at = 0; n >= 8 && at <= n - 8; at += 8) {
		uint64_t word = load_u64(seg->bytes + at), first;

		/* Most words are no pointers, and most pointers lead to no code. */
		if (word & 15 || word < 4096 || image_read_u64(img, word, &first) != MEM_OK ||
		    image_module_at(img, first) != t->copies[copy].module || is_known(t, word) ||
		    t->n_profilers == TCM_PROFILERS_MAX || !table_at(t, word, &found))
			continue;
		found.copy = copy;
		found.variable = seg->start + at;
		t->profilers[t->n_profilers++] = found;
	}
}

void tcm_find_profilers(struct tcmalloc *t)
{
	const struct image *img = t->img;

	for (uint32_t i = 0; i < t->n_copies; i++)
		for (size_t k = 0; k < img->n_segments && t->copies[i].module; k++) {
			const struct segment *seg = &img->segments[k];

			if (seg->bytes && seg->flags & SEG_W && seg->module >= 0 &&
			    &img->modules[seg->module] == t->copies[i].module)
				find_in(t, i, seg);
		}
}

/* ---- each allocation */

/* What a walk may still read: hostile tables lead in rings, and to the same memory many times. */
struct walk {
	const struct tcmalloc *t;
	const struct tcm_profiler *p;
	struct sample_sink *sink;
	uint64_t clusters_left, entries_left, n;
	struct {
		taddr bucket;
		uint32_t depth;
		taddr pcs[DEPTH_MAX];
	} last;
};

static uint64_t dumped_bytes(const struct image *img)
{
	uint64_t n = 0;

	for (size_t i = 0; i < img->n_segments; i++)
		if (img->segments[i].bytes)
			n += img->segments[i].end - img->segments[i].start;
	return n;
}

static bool read_stack(struct walk *x, taddr bucket)
{
	taddr stack, next;
	uint32_t depth;

	if (x->last.bucket == bucket)
		return x->last.depth;
	x->last.bucket = bucket;
	x->last.depth = 0;
	if (!read_bucket(x->t, x->p, bucket, &stack, &depth, &next) ||
	    image_read(x->t->img, stack, x->last.pcs, 8 * (uint64_t)depth) != MEM_OK)
		return false;
	x->last.depth = depth;
	return true;
}

static void broken(const struct walk *x, const char *what, taddr from, taddr to)
{
	diag(x->t->spans.env, "tcmalloc/profiler", from,
	     "the heap profiler's table at 0x%" PRIx64 ": %s at 0x%" PRIx64 " leads to 0x%" PRIx64
	     ", where none is",
	     x->p->table, what, from, to);
}

/* { next, key, bytes, bucket and two flags } */
static struct err *on_entry(struct walk *x, taddr entry, const uint64_t w[4])
{
	struct heap_sample s = { .block = w[1], .size = w[2], .pcs = x->last.pcs, .every = true };

	x->n++;
	if (!read_stack(x, w[3] & ~3ull)) {
		broken(x, "the stack of the entry", entry, w[3] & ~3ull);
		return NULL;
	}
	s.stack = w[3] & ~3ull;
	s.n_pcs = x->last.depth;
	s.objects = 1;
	s.bytes = (double)w[2];
	sample_skip_own(x->t->img, x->t->copies[x->p->copy].module, &s);
	return x->sink->add(x->sink, &s);
}

/* The allocations of one cluster: { next, id, blocks[] }. */
static struct err *walk_cluster(struct walk *x, taddr cluster, uint64_t id)
{
	const struct image *img = x->t->img;

	for (uint64_t i = 0; i < CLUSTER_BLOCKS; i++) {
		uint64_t w[ENTRY / 8];
		taddr entry, from = cluster + 16 + 8 * i;

		if (image_read_u64(img, from, &entry) != MEM_OK)
			return NULL;
		for (unsigned k = 0; entry && k < ENTRIES_MAX && x->entries_left; k++) {
			struct err *err;

			x->entries_left--;
			if (image_read(img, entry, w, sizeof(w)) != MEM_OK ||
			    w[1] >> BLOCK_BITS != (id << (CLUSTER_BITS - BLOCK_BITS) | i)) {
				broken(x, "the list of entries", from, entry);
				break;
			}
			err = on_entry(x, entry, w);
			if (err)
				return err;
			from = entry;
			entry = w[0];
		}
	}
	return NULL;
}

static struct err *walk_map(struct walk *x)
{
	const struct image *img = x->t->img;
	uint64_t map[MAP_WORDS], w[2];
	struct err *err = NULL;

	if (image_read(img, x->p->map, map, sizeof(map)) != MEM_OK)
		return NULL;
	for (uint64_t i = 0; i < MAP_SLOTS && !err; i++) {
		taddr cluster, from = map[MAP_TABLE] + 8 * i;

		if (image_read_u64(img, from, &cluster) != MEM_OK)
			break;
		for (; cluster && x->clusters_left && !err; from = cluster, cluster = w[0]) {
			x->clusters_left--;
			if (image_read(img, cluster, w, sizeof(w)) != MEM_OK) {
				broken(x, "the list of clusters", from, cluster);
				break;
			}
			err = walk_cluster(x, cluster, w[1]);
		}
	}
	return err;
}

/* The one with most to tell: the checker's knows what the profiler's does, where both are on. */
static const struct tcm_profiler *profiler_of(const struct tcmalloc *t, uint32_t copy)
{
	const struct tcm_profiler *best = NULL;

	for (uint32_t i = 0; i < t->n_profilers; i++)
		if (t->profilers[i].copy == copy && t->profilers[i].known &&
		    (!best || t->profilers[i].live > best->live))
			best = &t->profilers[i];
	return best;
}

bool tcm_is_profiled(const struct tcmalloc *t, uint32_t copy)
{
	return profiler_of(t, copy);
}

struct err *tcm_profiler_samples(const struct tcmalloc *t, struct sample_sink *sink)
{
	uint64_t room = dumped_bytes(t->img);

	for (uint32_t i = 0; i < t->n_copies; i++) {
		struct walk x = { .t = t, .p = profiler_of(t, i), .sink = sink,
				  .clusters_left = room / (8 * CLUSTER_BLOCKS),
				  .entries_left = room / ENTRY };
		struct err *err = x.p ? walk_map(&x) : NULL;

		if (err)
			return err;
		/* One may be on its way in or out. */
		if (x.p && x.n - x.p->live + 1 > 2)
			diag(t->spans.env, "tcmalloc/profiler", x.p->table,
			     "the heap profiler knows %" PRIu64 " allocations, and counts %" PRIu64,
			     x.n, x.p->live);
	}
	return NULL;
}

/* ---- its memory */

struct headers {
	taddr *v;
	size_t n, cap;
};

/* The LowLevelAlloc block that an object is. */
static bool add_object(struct headers *h, taddr object)
{
	taddr header = object - HEADER;

	return object < HEADER || vec_push(h, &header);
}

static bool add_buckets(const struct tcmalloc *t, const struct tcm_profiler *p, uint64_t room,
			struct headers *h)
{
	if (!add_object(h, p->buckets))
		return false;
	for (uint64_t i = 0; i < N_BUCKETS && p->known; i++) {
		taddr bucket, next, stack;
		uint32_t depth;

		if (image_read_u64(t->img, p->buckets + 8 * i, &bucket) != MEM_OK)
			break;
		for (; bucket && room >= ENTRY; bucket = next, room -= ENTRY) {
			if (!read_bucket(t, p, bucket, &stack, &depth, &next))
				break;
			if (!add_object(h, bucket) || !add_object(h, stack))
				return false;
		}
	}
	return true;
}

static bool add_objects(const struct tcmalloc *t, const struct tcm_profiler *p, struct headers *h)
{
	uint64_t room = dumped_bytes(t->img), map[MAP_WORDS];
	taddr at = 0;

	if (!add_object(h, p->table) || !add_object(h, p->map) || !add_buckets(t, p, room, h))
		return false;
	if (image_read(t->img, p->map, map, sizeof(map)) == MEM_OK)
		at = map[MAP_ALLOCATED];
	/* The least that AddressMap takes at once are 64 entries. */
	for (uint64_t left = room / (64 * ENTRY); at && left; left--)
		if (!add_object(h, at))
			return false;
		else if (image_read_u64(t->img, at, &at) != MEM_OK)
			break;
	return true;
}

/* A block of LowLevelAlloc, in use or free: how long it is; by its address it says that it is one. */
static uint64_t low_block(const struct image *img, taddr header, taddr *ret_arena)
{
	uint64_t w[3], last;

	if (header & 15 || image_read(img, header, w, sizeof(w)) != MEM_OK || w[0] < HEADER ||
	    w[0] & 15 || w[0] >> 47 || image_read_u64(img, header + w[0] - 8, &last) != MEM_OK ||
	    (w[1] != (HEADER_MAGIC ^ header) && w[1] != ~(HEADER_MAGIC ^ header)))
		return 0;
	*ret_arena = w[2];
	return w[0];
}

static int by_address(const void *pa, const void *pb)
{
	const taddr *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

bool tcm_profiler_ranges(const struct tcmalloc *t, struct tcm_ranges *r)
{
	struct headers h = {};
	bool room = true;
	taddr end = 0, arena;

	for (uint32_t i = 0; i < t->n_profilers && room; i++)
		room = add_objects(t, &t->profilers[i], &h);
	if (h.n)
		qsort(h.v, h.n, sizeof(*h.v), by_address);
	/* Blocks lie one behind the other to the end of their region: free ones, too. */
	for (size_t i = 0; i < h.n && room; i++) {
		struct tcm_range range = { .start = h.v[i], .exact = true };
		uint64_t n;

		if (h.v[i] < end || !low_block(t->img, h.v[i], &arena))
			continue;
		if (arena < range.start && range.start - arena < ARENA_BEFORE)
			range.start = arena;
		for (end = h.v[i]; (n = low_block(t->img, end, &arena));)
			end += n;
		range.end = end;
		room = vec_push(r, &range);
	}
	free(h.v);
	return room;
}

/* ---- what a blanked dump keeps of it: all that is read */

static struct err *ignore(struct sample_sink *sink, const struct heap_sample *sample)
{
	(void)sink;
	(void)sample;
	return NULL;
}

struct err *tcm_keep_profilers(const struct tcmalloc *t)
{
	struct sample_sink sink = { ignore };
	struct tcm_profiler found;
	struct tcm_ranges r = {};
	bool room;

	for (uint32_t i = 0; i < t->n_profilers; i++) {
		image_keep(t->img, t->profilers[i].variable, 8);
		table_at(t, t->profilers[i].table, &found);
	}
	room = tcm_profiler_ranges(t, &r);
	free(r.v);
	return room ? tcm_profiler_samples(t, &sink) : &err_nomem;
}
