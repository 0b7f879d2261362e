/*
 * type/stale.c - who had a lost block last: pointers to it in freed memory and dead stacks.
 *
 * A free chunk's list links point at the headers of others, which lie in the last 16 bytes that
 * the index gives to the block before: such hits are the allocator's and are left out.  So is what
 * it writes to the start of a free block (walker_ops.links), where links may be masked: these lead
 * anywhere, by chance to a lost block.  malloc() and free() leave such a link in a dead frame, too:
 * a word there that is the same is one.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/par.h"
#include "base/vec.h"
#include "image/resident.h"
#include "type/build.h"
#include "type/scan.h"

struct places {
	struct stale *v;
	size_t n, cap;
};

struct search {
	const struct blocks *blocks;
	const node_id *nodes; /* sorted */
	size_t n_nodes;
	uint8_t *count; /* places found of each */
	unsigned max;
	struct places places;
	uint8_t kind; /* of the range that is being scanned */
	uint32_t thread;
	taddr links_end; /* of a free block: what lies before is the allocator's */
	struct links {
		uint64_t *v;
		size_t n, cap;
	} links; /* such words that lead into a node */
	uint64_t pages[SCAN_PAGES / 64];
};

static int by_id(const void *a, const void *b)
{
	node_id x = *(const node_id *)a, y = *(const node_id *)b;

	return x < y ? -1 : x > y;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_node_and_place(const void *a, const void *b)
{
	const struct stale *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Where the nodes lie: other words of freed memory, most of them, need not be looked up. */
static void mark_pages(struct search *s)
{
	const struct grains *g = &s->blocks->grains;

	for (size_t i = 0; i < s->n_nodes; i++) {
		struct grains_iter it = grains_iter(g, s->nodes[i]);
		taddr at = align_down(it.key, 1 << 12);

		for (unsigned k = 0; k < SCAN_PAGES && (!k || at - it.key < it.size); k++, at += 1 << 12)
			bit_set(s->pages, SCAN_PAGE(at));
	}
}

/* It leads into the last 16 bytes of a block, where the next one's header lies, or is a masked link. */
static bool is_allocators(const struct search *s, taddr at)
{
	const struct grains *g = &s->blocks->grains;
	uint64_t value, grain;

	if (image_read_u64(s->blocks->img, at, &value))
		return true;
	if (s->links.n && bsearch(&value, s->links.v, s->links.n, sizeof(value), by_value))
		return true;
	grain = grain_of(g, value);
	return grain == GRAIN_NONE || (grain_next_start(g, grain) - grain) << g->shift <= 16;
}

/* How many places of a node are known; NULL: it is none that is asked for. */
static uint8_t *count_of(const struct search *s, node_id node)
{
	const node_id *found = bsearch(&node, s->nodes, s->n_nodes, sizeof(node), by_id);

	return found ? &s->count[found - s->nodes] : NULL;
}

static struct err *keep(struct search *s, const struct stale *place)
{
	uint8_t *count = count_of(s, place->node);

	if (*count >= s->max)
		return NULL;
	++*count;
	return vec_push(&s->places, place) ? NULL : &err_nomem;
}

static struct err *keep_link(struct search *s, taddr at)
{
	uint64_t value;

	if (image_read_u64(s->blocks->img, at, &value))
		return NULL;
	return vec_push(&s->links, &value) ? NULL : &err_nomem;
}

static struct err *on_word(void *arg, taddr at, uint32_t target)
{
	struct search *s = arg;
	node_id node = EDGE_NODE(target);
	struct stale place = { .node = node, .kind = s->kind, .at = at, .thread = s->thread };

	if (!count_of(s, node))
		return NULL;
	if (s->kind == STALE_FREE_BLOCK && at < s->links_end)
		return target & EDGE_INTERIOR ? keep_link(s, at) : NULL;
	if ((target & EDGE_INTERIOR) && is_allocators(s, at))
		return NULL;
	return keep(s, &place);
}

/* The start of a free block as the allocator gave it out, and where its own words there end. */
static taddr links_of(const struct blocks *b, taddr key, const struct claim **near, taddr *ret_end)
{
	const struct claim *c = *near;

	if (!c || key - (c->start + c->bias) >= c->end - c->start)
		c = *near = blocks_claim_at(b, key);
	*ret_end = c ? key + c->head + b->heaps[b->claim_heap[c - b->claims]].ops->links : key;
	return c ? key + c->head : key;
}

/* Blocks of the allocator that the program has freed; fillers are no memory of the program. */
static struct err *in_free_blocks_of(const struct scan *scan, struct search *s, uint64_t first, uint64_t last)
{
	const struct blocks *b = s->blocks;
	struct resident_pass pass = { .img = b->img };
	const struct claim *near = NULL;

	for (uint64_t w = first; w < last; w++) {
		uint64_t rest = ~(b->used[w] | b->filler[w]);

		if (w == b->grains.n / 64)
			rest &= (1ull << (b->grains.n & 63)) - 1;
		for (; rest; rest &= rest - 1) {
			uint32_t id = (uint32_t)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			struct grains_iter it = grains_iter(&b->grains, id);
			taddr from = links_of(b, it.key, &near, &s->links_end);
			taddr end = it.key + it.size;
			struct err *err = from < end ? scan_range(scan, from, end, on_word, s) : NULL;

			resident_pass_at(&pass, it.key);
			if (err)
				return err;
		}
	}
	return NULL;
}

enum { PART_WORDS = 1 << 10 };

/* What is found in ranges of blocks, by 64: of each node as much as if its range were the only one. */
struct parts {
	const struct scan *scan;
	const struct search *s;
	uint64_t n;
	struct places *found;
	struct links *links;
};

static struct err *in_part(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct parts *p = arg;
	_free_ uint8_t *count = calloc(p->s->n_nodes + 1, 1);
	struct search s = *p->s;
	struct err *err;

	if (!count)
		return &err_nomem;
	s.count = count;
	s.places = (struct places){};
	s.links = (struct links){};
	s.kind = STALE_FREE_BLOCK;
	s.thread = UINT32_MAX;
	err = in_free_blocks_of(p->scan, &s, first, last);
	p->found[index] = s.places;
	p->links[index] = s.links;
	return err;
}

static void parts_fini(struct parts *p)
{
	for (uint64_t i = 0; i < p->n && p->found && p->links; i++) {
		free(p->found[i].v);
		free(p->links[i].v);
	}
	free(p->found);
	free(p->links);
}

static struct err *in_free_blocks(struct env *env, struct search *s, struct parts *p)
{
	uint64_t words = bits_words(s->blocks->grains.n);
	struct err *err;

	p->n = words / PART_WORDS + 1;
	p->found = calloc(p->n, sizeof(*p->found));
	p->links = calloc(p->n, sizeof(*p->links));
	if (!p->found || !p->links)
		return &err_nomem;
	err = par_ranges(env, words, PART_WORDS, in_part, p);
	for (uint64_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->links[i].n && !err; k++)
			err = vec_push(&s->links, &p->links[i].v[k]) ? NULL : &err_nomem;
	}
	if (s->links.n)
		qsort(s->links.v, s->links.n, sizeof(*s->links.v), by_value);
	return err;
}

static struct err *keep_parts(struct search *s, const struct parts *p)
{
	struct err *err = NULL;

	for (uint64_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->found[i].n && !err; k++)
			err = keep(s, &p->found[i].v[k]);
	}
	return err;
}

static struct err *in_dead_stacks(const struct scan *scan, struct search *s)
{
	const struct image *img = s->blocks->img;

	s->kind = STALE_DEAD_STACK;
	for (uint32_t i = 0; i < img->n_threads; i++) {
		struct err *err;

		s->thread = i;
		if (img->threads[i].stack_low >= img->threads[i].live_low)
			continue;
		err = scan_range(scan, img->threads[i].stack_low, img->threads[i].live_low, on_word,
				 s);
		if (err)
			return err;
	}
	return NULL;
}

struct err *find_stale(struct env *env, const struct image *img, const struct blocks *blocks,
		       const node_id *nodes, size_t n_nodes, unsigned max_per_node,
		       struct stale **ret, size_t *ret_n)
{
	struct scan scan = scan_init(img, blocks);
	_free_ node_id *sorted = calloc(n_nodes + 1, sizeof(*sorted));
	_free_ uint8_t *count = calloc(n_nodes + 1, 1);
	struct search s = {
		.blocks = blocks, .nodes = sorted, .n_nodes = n_nodes, .count = count,
		.max = max_per_node < UINT8_MAX ? max_per_node : UINT8_MAX,
	};
	struct parts parts = { .scan = &scan, .s = &s };
	struct err *err;

	if (!sorted || !count)
		return &err_nomem;
	if (n_nodes)
		memcpy(sorted, nodes, n_nodes * sizeof(*nodes));
	qsort(sorted, n_nodes, sizeof(*sorted), by_id);
	mark_pages(&s);
	scan.pages = s.pages;
	err = in_free_blocks(env, &s, &parts);
	if (!err)
		err = in_dead_stacks(&scan, &s);
	if (!err)
		err = keep_parts(&s, &parts);
	image_leave_all(img);
	parts_fini(&parts);
	free(s.links.v);
	if (err) {
		free(s.places.v);
		return err;
	}
	if (s.places.n)
		qsort(s.places.v, s.places.n, sizeof(*s.places.v), by_node_and_place);
	*ret = s.places.v;
	*ret_n = s.places.n;
	return NULL;
}
