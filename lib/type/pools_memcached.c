/*
 * type/pools_memcached.c - memcached's slab classes: pages of malloc's, cut into chunks of one size.
 *
 * Source of truth: slabs.c of 1.6 (slabclass_t).  The table of classes lies in the program's data; it
 * counts when each class's list leads to as many used blocks as it says, and sizes rise.  Pages that were
 * allocated at once (-L, -e) are one block: their classes are listed, its type stays unknown.
 */
#include "base/bits.h"
#include "heap/module_data.h"
#include "type/pools.h"

enum {
	CLASS = 40,   /* sizeof(slabclass_t) */
	CLASSES = 63, /* MAX_NUMBER_OF_SLAB_CLASSES, less class 0 */
	LEAST_CLASSES = 4,
	SIZE_MIN = 48, /* of an item's head */
	PAGE_MAX = 1 << 30,
};

struct slab_class {
	uint64_t size, perslab, sl_curr, slabs;
	taddr slab_list;
};

static struct slab_class read_class(const uint8_t *at)
{
	return (struct slab_class){
		.size = load_u32(at),
		.perslab = load_u32(at + 4),
		.sl_curr = load_u32(at + 16),
		.slabs = load_u32(at + 20),
		.slab_list = load_u64(at + 24),
	};
}

static bool is_class(const struct pools *p, const struct slab_class *c)
{
	uint64_t first, last;

	return c->size >= SIZE_MIN && !(c->size & 7) && c->perslab &&
	       c->size * c->perslab <= PAGE_MAX &&
	       c->sl_curr <= c->slabs * c->perslab &&
	       (!c->slabs ||
		(image_read_u64(p->img, c->slab_list, &first) == MEM_OK &&
		 block_at(p->blocks, first) != BLOCK_NONE &&
		 image_read_u64(p->img, c->slab_list + 8 * (c->slabs - 1), &last) == MEM_OK &&
		 block_at(p->blocks, last) != BLOCK_NONE));
}

/* How many there are: their sizes rise, each has what fits into a page, one of them has a slab. */
static unsigned count_classes(const struct pools *p, const uint8_t *table)
{
	uint64_t below = 0, page = 0;
	bool any = false;
	unsigned n = 0;

	for (; n < CLASSES; n++) {
		struct slab_class c = read_class(table + n * CLASS);

		if (!is_class(p, &c) || c.size <= below)
			break;
		page = page ? page : c.size * (c.perslab + 1);
		if (c.size * c.perslab >= page || c.size * (c.perslab + 1) <= page / 4)
			break;
		below = c.size;
		any |= c.slabs != 0;
	}
	return any && n >= LEAST_CLASSES ? n : 0;
}

static struct err *add_class(struct pools *p, taddr at, const struct slab_class *c)
{
	struct pool pool = { .addr = at, .kind = "memcached slabs", .parent = POOL_NONE };
	struct pool_content *items = arena_alloc(&p->mem, sizeof(*items));
	uint64_t used = c->slabs * c->perslab - c->sl_curr, n = 0;
	struct err *err;
	uint32_t no;

	pool.name = arena_printf(&p->mem, "%u", (unsigned)c->size);
	err = items && pool.name ? pools_add(p, &pool, &no) : &err_nomem;
	for (uint64_t i = 0; i < c->slabs && !err; i++) {
		uint64_t slab;
		uint32_t id;

		if (image_read_u64(p->img, c->slab_list + 8 * i, &slab) != MEM_OK)
			break;
		id = block_at(p->blocks, slab);
		if (id == BLOCK_NONE || !block_is_used(p->blocks, id))
			continue;
		err = pools_add_chunk(p, no, slab, c->size * c->perslab);
		n++;
	}
	if (err)
		return err;
	*items = (struct pool_content){ "chunks", used, used * c->size };
	p->v[no].bytes = n * c->size * c->perslab;
	p->v[no].free = n == c->slabs ? c->sl_curr * c->size : UINT64_MAX;
	p->v[no].counts = true;
	p->v[no].agrees = n == c->slabs;
	p->v[no].contents = items;
	p->v[no].n_contents = 1;
	return NULL;
}

static uint64_t heap_bytes(const struct pools *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->blocks->n_claims; i++)
		sum += p->blocks->claims[i].end - p->blocks->claims[i].start;
	return sum;
}

/* Together they have no more pages than the heaps have room for. */
static struct err *add_classes(struct pools *p, taddr at, const uint8_t *table, unsigned n)
{
	uint64_t room = heap_bytes(p);
	struct err *err = NULL;

	for (unsigned i = 0; i < n && !err; i++) {
		struct slab_class c = read_class(table + i * CLASS);
		uint64_t bytes = c.slabs * c.size * c.perslab;

		if (bytes > room)
			break;
		room -= bytes;
		if (c.slabs)
			err = add_class(p, at + i * CLASS, &c);
	}
	return err;
}

static struct err *find(struct pools *p, void *ctx)
{
	struct module_data data = module_data(p->img);
	const struct segment *seg;
	uint8_t table[CLASS * CLASSES]; /* class 0 has no chunks; those from 1 on */

	(void)ctx;
	if (!pools_at_home(p, "memcached", NULL, "slab class %3d: chunk size"))
		return NULL;
	while ((seg = module_data_next(&data)))
		for (taddr at = seg->start; seg->end - at >= CLASS; at += 8) {
			struct slab_class c = read_class(seg->bytes + (at - seg->start));
			unsigned n;

			if (!is_class(p, &c) ||
			    image_read(p->img, at, table, sizeof(table)) != MEM_OK)
				continue;
			n = count_classes(p, table);
			if (n)
				return add_classes(p, at, table, n);
		}
	return NULL;
}

extern const struct pool_ops pools_memcached;
const struct pool_ops pools_memcached = { .name = "memcached", .find = find };
