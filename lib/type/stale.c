/*
 * type/stale.c - who had a lost block last: pointers to it in freed memory and dead stacks.
 *
 * A free chunk's list links point at the headers of others, which lie in the last 16 bytes that
 * the index gives to the block before: such hits are the allocator's and are left out.  So is what
 * it writes to the start of a free block (walker_ops.links), where links may be masked: these lead
 * anywhere, by chance to a lost block.
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
	uint64_t pages[SCAN_PAGES / 64];
};

static int by_id(const void *a, const void *b)
{
	node_id x = *(const node_id *)a, y = *(const node_id *)b;

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

/* Inside the last 16 bytes of its block, where the next one's header lies. */
static bool is_header(const struct grains *g, const struct image *img, taddr at)
{
	uint64_t value, grain;

	if (image_read_u64(img, at, &value))
		return true;
	grain = grain_of(g, value);
	return grain == GRAIN_NONE || (grain_next_start(g, grain) - grain) << g->shift <= 16;
}

/* How many places of a node are known; NULL: it is none that is asked for, or there are enough. */
static uint8_t *count_of(const struct search *s, node_id node)
{
	const node_id *found = bsearch(&node, s->nodes, s->n_nodes, sizeof(node), by_id);
	uint8_t *count = found ? &s->count[found - s->nodes] : NULL;

	return count && *count < s->max ? count : NULL;
}

static struct err *keep(struct search *s, const struct stale *place, uint8_t *count)
{
	++*count;
	return vec_push(&s->places, place) ? NULL : &err_nomem;
}

static struct err *on_word(void *arg, taddr at, uint32_t target)
{
	struct search *s = arg;
	node_id node = EDGE_NODE(target);
	struct stale place = { .node = node, .kind = s->kind, .at = at, .thread = s->thread };
	uint8_t *count = count_of(s, node);

	if (!count || ((target & EDGE_INTERIOR) && is_header(&s->blocks->grains, s->blocks->img, at)))
		return NULL;
	return keep(s, &place, count);
}

/* Where in a free block the program's own words may have stayed. */
static taddr behind_links(const struct blocks *b, taddr key, const struct claim **near)
{
	const struct claim *c = *near;

	if (!c || key - (c->start + c->bias) >= c->end - c->start)
		c = *near = blocks_claim_at(b, key);
	return c ? key + c->head + b->heaps[b->claim_heap[c - b->claims]].ops->links : key;
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
			taddr from = behind_links(b, it.key, &near), end = it.key + it.size;
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
	struct places *found;
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
	s.kind = STALE_FREE_BLOCK;
	s.thread = UINT32_MAX;
	err = in_free_blocks_of(p->scan, &s, first, last);
	p->found[index] = s.places;
	return err;
}

static struct err *in_free_blocks(struct env *env, const struct scan *scan, struct search *s)
{
	uint64_t words = bits_words(s->blocks->grains.n), n = words / PART_WORDS + 1;
	_free_ struct places *found = calloc(n, sizeof(*found));
	struct parts parts = { scan, s, found };
	struct err *err = found ? par_ranges(env, words, PART_WORDS, in_part, &parts) : &err_nomem;

	for (uint64_t i = 0; found && i < n; i++) {
		for (size_t k = 0; k < found[i].n && !err; k++) {
			uint8_t *count = count_of(s, found[i].v[k].node);

			err = count ? keep(s, &found[i].v[k], count) : NULL;
		}
		free(found[i].v);
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
	struct err *err;

	if (!sorted || !count)
		return &err_nomem;
	if (n_nodes)
		memcpy(sorted, nodes, n_nodes * sizeof(*nodes));
	qsort(sorted, n_nodes, sizeof(*sorted), by_id);
	mark_pages(&s);
	scan.pages = s.pages;
	err = in_dead_stacks(&scan, &s);
	if (!err)
		err = in_free_blocks(env, &scan, &s);
	image_leave_all(img);
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
