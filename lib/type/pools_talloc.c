/*
 * type/pools_talloc.c - talloc 2: chunks of malloc with a header that makes a tree of them.
 *
 * Source of truth: lib/talloc/talloc.c of 2.4 (struct talloc_chunk).  Its magic is random in each process: it
 * is what most blocks share that have a parent or children who lead back.  A chunk with children is a pool; names are
 * mostly types' ("struct session"), so that each chunk is called by its own.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "type/pools.h"

enum {
	FLAG_FREE = 1,
	FLAG_POOL = 4,	  /* talloc_pool(): its end and counts lie before the header */
	FLAG_POOLMEM = 8, /* cut from such a pool: no block of malloc's */
	FLAGS = 15,
	HEADER = 96, /* TC_HDR_SIZE */
	POOL_HEADER = 32,
	SLACK = 64,
	VOTES = 16, /* different magics looked at */
	ENOUGH = 64,
	CHUNKS_MAX = 1 << 26,
};

struct chunk {
	uint64_t flags; /* 32 bits */
	uint64_t next, prev, parent, child, refs, destructor, name, size;
};

struct votes {
	uint32_t magic[VOTES], n[VOTES];
};

struct search {
	struct pools *p;
	struct votes votes;
	bool enough; /* of them */
	uint32_t magic;
	uint64_t n;
};

static bool read_chunk(const struct image *img, taddr at, struct chunk *ret)
{
	if (!at || at & 15 || image_read(img, at, ret, sizeof(*ret)) != MEM_OK)
		return false;
	ret->flags &= UINT32_MAX;
	return (!ret->name || image_segment(img, ret->name)) && !(ret->flags & FLAG_FREE) && !((ret->next | ret->prev | ret->parent | ret->child) & 15);
}

/* Another chunk of the same magic. */
static bool read_other(const struct image *img, taddr at, const struct chunk *c, struct chunk *ret)
{
	return read_chunk(img, at, ret) && !((ret->flags ^ c->flags) & ~(uint64_t)FLAGS);
}

/* Its links lead to chunks of the same magic that lead back: how many there are; -1 if one does not. */
static int good_links(const struct image *img, taddr at, const struct chunk *c)
{
	struct chunk other;

	if ((c->next && (!read_other(img, c->next, c, &other) || other.prev != at)) ||
	    (c->prev && (!read_other(img, c->prev, c, &other) || other.next != at)) ||
	    (c->child && (!read_other(img, c->child, c, &other) || other.parent != at || other.prev)) ||
	    (c->parent && (!read_other(img, c->parent, c, &other) || other.child != at)))
		return -1;
	return !!c->next + !!c->prev + !!c->child + !!c->parent;
}

/* The chunk at the start of a block, or behind a pool's own header there. */
static bool chunk_of_block(const struct image *img, taddr block, uint64_t size, taddr *ret_at, struct chunk *ret)
{
	for (unsigned i = 0; i < 2; i++) {
		taddr at = block + i * POOL_HEADER;

		if (size < HEADER + i * POOL_HEADER || !read_chunk(img, at, ret) || !(ret->flags & FLAG_POOL) != !i ||
		    ret->flags & FLAG_POOLMEM || ret->size > size - HEADER - i * POOL_HEADER)
			continue;
		*ret_at = at;
		return true;
	}
	return false;
}

/* ---- the magic */

/* In a tree, and about as large as its block: a list alone may look like chunks without a name. */
static bool is_proof(const struct image *img, taddr at, const struct chunk *c, uint64_t room)
{
	return c->flags & ~(uint64_t)FLAGS && (c->child || c->parent) &&
	       room - c->size <= c->size / 4 + SLACK && good_links(img, at, c) > 0;
}

/* True when this one has enough. */
static bool vote(struct votes *v, uint32_t magic)
{
	for (unsigned i = 0; i < VOTES; i++) {
		if (!v->n[i])
			v->magic[i] = magic;
		if (v->magic[i] == magic)
			return ++v->n[i] >= ENOUGH;
	}
	return false;
}

/* Without a look anywhere else: a magic, and links of which one leads up or down. */
static bool may_be_proof(const uint8_t *bytes)
{
	uint64_t up = load_u64(bytes + offsetof(struct chunk, parent));
	uint64_t down = load_u64(bytes + offsetof(struct chunk, child));
	uint64_t side = load_u64(bytes + offsetof(struct chunk, next)) | load_u64(bytes + offsetof(struct chunk, prev));

	return (up | down) && !((up | down | side) & 15) && load_u32(bytes) > FLAGS;
}

static struct err *see(void *arg, const uint8_t *bytes, taddr block, uint64_t size)
{
	struct search *s = arg;
	struct chunk c;
	taddr at;

	if (s->enough || (!may_be_proof(bytes) &&
			  (size < HEADER + POOL_HEADER || !may_be_proof(bytes + POOL_HEADER))))
		return NULL;
	if (chunk_of_block(s->p->img, block, size, &at, &c) &&
	    is_proof(s->p->img, at, &c, size - HEADER))
		s->enough = vote(&s->votes, (uint32_t)c.flags & ~FLAGS);
	return NULL;
}

static bool find_magic(struct search *s)
{
	unsigned best = 0;

	for (unsigned i = 1; i < VOTES; i++)
		if (s->votes.n[i] > s->votes.n[best])
			best = i;
	s->magic = s->votes.magic[best];
	return s->votes.n[best] >= 3; /* a parent, and two that it has */
}

/* ---- the trees */

static bool is_chunk(const struct search *s, taddr at, struct chunk *ret)
{
	return read_chunk(s->p->img, at, ret) && (ret->flags & ~(uint64_t)FLAGS) == s->magic &&
	       good_links(s->p->img, at, ret) >= 0;
}

/* A chunk becomes a pool if it has children, or nobody to belong to. */
static struct err *add_chunk(struct search *s, taddr at, const struct chunk *c, uint32_t parent, uint32_t *ret_pool)
{
	struct pools *p = s->p;
	struct pool pool = {
		.addr = at,
		.kind = "talloc",
		.name = pools_literal(p, c->name),
		.parent = parent,
		.free = UINT64_MAX,
	};
	struct text label = TEXT_INIT;
	struct err *err = NULL;

	s->n++;
	pools_label(&pool, &label);
	*ret_pool = parent;
	if (c->child || parent == POOL_NONE)
		err = pools_add(p, &pool, ret_pool);
	if (!err)
		p->v[*ret_pool].bytes += c->size;
	if (!err && !(c->flags & FLAG_POOLMEM))
		err = pools_add_named(p, *ret_pool, at - (c->flags & FLAG_POOL ? POOL_HEADER : 0), text_str(&label));
	text_fini(&label);
	return err;
}

/*
 * One tree.  Each chunk was led to by the one link that leads back to it, so that none comes twice; the way
 * back up is by first siblings.
 */
static struct err *walk(struct search *s, taddr top, const struct chunk *first)
{
	taddr at = top;
	struct chunk c = *first;
	uint32_t pool = POOL_NONE, parent = POOL_NONE;
	struct err *err = add_chunk(s, top, first, POOL_NONE, &pool);

	while (!err && s->n < CHUNKS_MAX) {
		if (c.child) {
			parent = pool;
			at = c.child;
		} else {
			while (!c.next) { /* up */
				if (parent == POOL_NONE || s->p->v[parent].addr == top)
					return NULL;
				at = s->p->v[parent].addr;
				parent = s->p->v[parent].parent;
				if (!is_chunk(s, at, &c))
					return NULL;
			}
			if (parent == POOL_NONE)
				return NULL;
			at = c.next;
		}
		if (!is_chunk(s, at, &c))
			return NULL;
		err = add_chunk(s, at, &c, parent, &pool);
	}
	return err;
}

static struct err *open_search(struct pools *p, void **ret)
{
	struct search *s;

	if (!pools_at_home(p, "libtalloc", "talloc_version_major", "Bad talloc magic value"))
		return NULL;
	*ret = s = calloc(1, sizeof(*s));
	if (!s)
		return &err_nomem;
	s->p = p;
	return pools_seek(p, &(struct pool_seeker){ HEADER, see, s });
}

static struct err *find(struct pools *p, void *ctx)
{
	const struct blocks *b = p->blocks;
	struct search *s = ctx;
	struct err *err = NULL;

	if (!s || !find_magic(s))
		return NULL;
	for (struct grains_iter it = grains_iter(&b->grains, 0); it.id < b->grains.n && !err; grains_next(&it)) {
		struct chunk c;
		taddr at;

		if (block_is_used(b, it.id) && chunk_of_block(p->img, it.key, it.size, &at, &c) && !c.parent && !c.prev &&
		    is_chunk(s, at, &c))
			err = walk(s, at, &c);
	}
	return err;
}

extern const struct pool_ops pools_talloc;
const struct pool_ops pools_talloc = {
	.name = "talloc",
	.open = open_search,
	.close = free,
	.find = find,
};
