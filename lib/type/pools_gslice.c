/*
 * type/pools_gslice.c - GLib's slices, 2.10 to 2.74 (2.76 has none): one pool a size of chunk.
 *
 * Source of truth: glib/gslice.c of 2.74.  Its one Allocator lies in the data of the module; slab_stack has
 * a ring of slabs for each size, magazines and the ThreadMemory of each thread have chunks that are
 * free but count as given out.  Which of them are instances of GLib's type system their first words
 * say.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/module_data.h"
#include "image/shadow.h"
#include "type/gobject.h"
#include "type/pools.h"

enum {
	MAX_PAGE_SIZE = 8192,
	MIN_PAGE_SIZE = 128,
	INFO = 32, /* sizeof(SlabInfo): chunks, n_allocated, next, prev */
	INFO_SIZE = 48,
	PADDING = 16,				     /* NATIVE_MALLOC_PADDING */
	MAX_CHUNK = (MAX_PAGE_SIZE - INFO_SIZE) / 8, /* MAX_SLAB_CHUNK_SIZE */
	SIZES = MAX_CHUNK / 16,			     /* MAX_SLAB_INDEX */
	THREAD_MEMORY = 16 + 2 * SIZES * 16,
	MAGAZINE_MAX = 8192, /* chunks; more are never cached in one */
	STEPS_MAX = 1 << 26,
	ALIGN = 16, /* P2ALIGNMENT */
};

/* Where an Allocator has what. */
enum {
	AT_MAX_PAGE = 8,
	AT_MAX_CHUNK = 48,
	AT_MAGAZINES = 64,
	AT_SLAB_STACK = 104,
};

/* Instances of one class in the chunks of one size. */
struct kind {
	const struct gobject_class *class;
	uint64_t n;
};

struct kinds {
	struct kind *v;
	size_t n, cap;
};

struct slices {
	struct pools *p;
	struct gobject_types types;
	taddr magazines, slab_stack;
	uint64_t cached[SIZES]; /* chunks in magazines */
	uint64_t steps;
};

static uint64_t word(const struct slices *s, taddr at)
{
	uint64_t v;

	return image_read_u64(s->p->img, at, &v) == MEM_OK ? v : 0;
}

static uint64_t chunk_size(unsigned ix)
{
	return 16 * (ix + 1ull);
}

/* A power of two with room for eight chunks. */
static uint64_t page_size(unsigned ix)
{
	uint64_t n = 8 * chunk_size(ix) + INFO_SIZE, size = MIN_PAGE_SIZE;

	while (size < n)
		size *= 2;
	return size;
}

/* ---- chunks in magazines: free, though their slabs count them as given out */

/* Linked by `next`; of a magazine as a thread has it, `data` of each leads to more. */
static uint64_t count_chain(struct slices *s, taddr chunk, uint64_t max, bool has_more)
{
	uint64_t n = 0;

	for (; chunk && n < max && s->steps++ < STEPS_MAX; chunk = word(s, chunk)) {
		n++;
		if (has_more)
			n += count_chain(s, word(s, chunk + 8), max, false);
	}
	return n;
}

/*
 * Magazines of one size in a ring: the data of a magazine's first four chunks are the magazine before, a
 * stamp, the next, and how many chunks it has.
 */
static uint64_t count_cached(struct slices *s, taddr first)
{
	taddr at = first;
	uint64_t n = 0;

	while (at && s->steps++ < STEPS_MAX) {
		taddr third = word(s, word(s, at)), fourth = word(s, third);
		uint64_t count = word(s, fourth + 8);

		if (!fourth || count > MAGAZINE_MAX)
			break;
		n += count;
		at = word(s, third + 8);
		if (at == first)
			break;
	}
	return n;
}

static void count_thread(struct slices *s, taddr memory)
{
	for (unsigned ix = 0; ix < SIZES; ix++)
		for (unsigned k = 0; k < 2; k++)
			s->cached[ix] +=
				count_chain(s, word(s, memory + 16 + 16 * (k * SIZES + ix)),
					    MAGAZINE_MAX, true);
}

/* A ThreadMemory leads to its own two arrays. */
static void count_threads(struct slices *s)
{
	const struct blocks *b = s->p->blocks;

	for (struct grains_iter it = grains_iter(&b->grains, 0); it.id < b->grains.n;
	     grains_next(&it))
		if (it.size >= THREAD_MEMORY && it.size <= THREAD_MEMORY + 64 &&
		    block_is_used(b, it.id) && word(s, it.key) == it.key + 16 &&
		    word(s, it.key + 8) == it.key + 16 + 16 * SIZES)
			count_thread(s, it.key);
}

/* ---- slabs */

static bool is_info(const struct slices *s, taddr info, unsigned ix)
{
	taddr next = word(s, info + 16), prev = word(s, info + 24);
	uint32_t id = block_at(s->p->blocks, info);

	return !(info & 7) && (info & (page_size(ix) - 1)) == page_size(ix) - INFO_SIZE &&
	       id != BLOCK_NONE && block_is_used(s->p->blocks, id) && word(s, next + 24) == info &&
	       word(s, prev + 16) == info;
}

/* ---- what the chunks are: instances begin with their class, behind their private data */

/* Chunks begin at any multiple of 16 that leaves room for all of them: `colour`. */
static const struct gobject_class *class_in(const struct slices *s, taddr chunk, uint64_t size)
{
	for (uint64_t at = 0; at <= s->types.most_before && at + 8 <= size; at += ALIGN) {
		const struct gobject_class *c = gobject_class_at(&s->types, word(s, chunk + at));

		if (c && c->name && c->before == at &&
		    align_up(c->before + (uint64_t)c->size, ALIGN) == size)
			return c;
	}
	return NULL;
}

static uint64_t count_instances(const struct slices *s, taddr first, uint64_t each, uint64_t size)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < each; i++)
		n += class_in(s, first + i * size, size) != NULL;
	return n;
}

static struct err *add_instance(struct kinds *kinds, const struct gobject_class *class)
{
	struct kind fresh = { class, 1 };

	for (size_t i = 0; i < kinds->n; i++)
		if (kinds->v[i].class == class) {
			kinds->v[i].n++;
			return NULL;
		}
	return vec_push(kinds, &fresh) ? NULL : &err_nomem;
}

/* A free chunk begins with a link, and is no instance. */
static struct err *add_instances(const struct slices *s, taddr slab, unsigned ix, taddr free,
				 struct kinds *kinds)
{
	uint64_t size = chunk_size(ix), room = page_size(ix) - INFO_SIZE, each = room / size;
	uint64_t most = 0, colour = 0, n;
	struct err *err = NULL;

	if (!s->types.classes.n)
		return NULL;
	if (free > slab && free - slab < room)
		colour = (free - slab) % size;
	for (uint64_t at = 0; !free && at <= room - each * size; at += ALIGN) {
		n = count_instances(s, slab + at, each, size);
		if (n > most) {
			most = n;
			colour = at;
		}
	}
	for (uint64_t i = 0; i < each && colour + each * size <= room && !err; i++) {
		const struct gobject_class *c = class_in(s, slab + colour + i * size, size);

		if (c)
			err = add_instance(kinds, c);
	}
	return err;
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct pool_content *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->name, b->name);
}

/* Instances by class, and what else is given out. */
static struct err *add_contents(struct slices *s, const struct kinds *kinds, uint64_t given,
				uint64_t size, struct pool *pool)
{
	struct pool_content *v = arena_alloc(&s->p->mem, (kinds->n + 1) * sizeof(*v));
	uint64_t known = 0;
	uint32_t n = 0;

	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < kinds->n; i++)
		known += kinds->v[i].n;
	for (size_t i = 0; i < kinds->n && known <= given; i++) {
		const char *name = arena_strdup(&s->p->mem, kinds->v[i].class->name);

		if (!name)
			return &err_nomem;
		v[n++] = (struct pool_content){ name, kinds->v[i].n, kinds->v[i].n * size };
	}
	if (!n)
		v[n++] = (struct pool_content){ "chunks", given, given * size };
	else if (known < given)
		v[n++] = (struct pool_content){ "other chunks", given - known,
						(given - known) * size };
	qsort(v, n, sizeof(*v), by_bytes);
	pool->contents = v;
	pool->n_contents = n;
	return NULL;
}

/* The slabs of one size, in a ring. */
static struct err *add_size(struct slices *s, unsigned ix, taddr slot)
{
	uint64_t each = (page_size(ix) - INFO_SIZE) / chunk_size(ix), given = 0, n = 0;
	taddr first = word(s, slot), info = first;
	struct pool pool = { .addr = slot, .kind = "GSlice", .parent = POOL_NONE, .counts = true };
	struct kinds kinds = {};
	uint32_t no;
	struct err *err;

	if (!is_info(s, first, ix))
		return NULL;
	pool.name = arena_printf(&s->p->mem, "%u", (unsigned)chunk_size(ix));
	err = pool.name ? pools_add(s->p, &pool, &no) : &err_nomem;
	pool.agrees = true;
	while (!err) {
		uint32_t allocated = 0;
		uint64_t left = count_chain(s, word(s, info), each, false);

		/* 32 bits: behind them lies whatever was there. */
		image_read_u32(s->p->img, info + 8, &allocated);
		pool.agrees &= allocated + left == each;
		given += allocated < each ? allocated : each;
		n++;
		err = pools_add_chunk(s->p, no, info & -page_size(ix), page_size(ix) - PADDING);
		if (!err)
			err = add_instances(s, info & -page_size(ix), ix, word(s, info), &kinds);
		info = word(s, info + 16);
		if (info == first || !is_info(s, info, ix) || s->steps++ >= STEPS_MAX)
			break;
	}
	given = given > s->cached[ix] ? given - s->cached[ix] : 0;
	if (!err)
		err = add_contents(s, &kinds, given, chunk_size(ix), &s->p->v[no]);
	free(kinds.v);
	if (err)
		return err;
	s->p->v[no].bytes = n * (page_size(ix) - PADDING);
	s->p->v[no].free = (n * each - given) * chunk_size(ix);
	s->p->v[no].agrees = pool.agrees && info == first;
	return NULL;
}

/* ---- its one Allocator */

static bool is_array(const struct pools *p, taddr at)
{
	uint32_t id = block_at(p->blocks, at);
	struct block b;

	if (id == BLOCK_NONE)
		return false;
	block_get(p->blocks, id, &b);
	return b.used && b.addr == at && b.usable >= 8 * SIZES;
}

/* It may begin in the file's data and end in what lies behind. */
static bool find_allocator(struct slices *s, const struct segment *seg)
{
	for (taddr at = seg->start; seg->end - at >= 8; at += 8) {
		if (load_u64(seg->bytes + (at - seg->start)) != MIN_PAGE_SIZE ||
		    word(s, at + AT_MAX_PAGE) != MAX_PAGE_SIZE ||
		    word(s, at + AT_MAX_CHUNK) != MAX_CHUNK)
			continue;
		s->magazines = word(s, at + AT_MAGAZINES);
		s->slab_stack = word(s, at + AT_SLAB_STACK);
		if (is_array(s->p, s->magazines) && is_array(s->p, s->slab_stack)) {
			image_keep(s->p->img, at, 8);
			return true;
		}
	}
	return false;
}

static struct err *find(struct pools *p, void *ctx)
{
	struct slices s = { .p = p };
	struct module_data data = module_data(p->img);
	const struct segment *seg;
	bool found = false;
	struct err *err = NULL;

	(void)ctx;
	if (!pools_at_home(p, "libglib-2.0", "g_slice_alloc", "G_SLICE"))
		return NULL;
	while (!found && (seg = module_data_next(&data)))
		found = find_allocator(&s, seg);
	if (!found)
		return NULL;
	err = gobject_open(p->img, p->blocks, &s.types);
	if (err)
		return err;
	count_threads(&s);
	for (unsigned ix = 0; ix < SIZES && !err; ix++) {
		s.cached[ix] += count_cached(&s, word(&s, s.magazines + 8 * ix));
		err = add_size(&s, ix, s.slab_stack + 8 * ix);
	}
	gobject_close(&s.types);
	return err;
}

extern const struct pool_ops pools_gslice;
const struct pool_ops pools_gslice = { .name = "GSlice", .find = find };
