/*
 * heap/blocks.h - every block of every heap: bitmaps with rank, not rows.
 *
 * Ids are dense, in address order, over all blocks: used ones, free ones and fillers (headers,
 * gaps, fence posts: never used).  Start and size come from the index (base/grains.h); one bit
 * an id says used, and again, of most, a mark beside the index.
 */
#ifndef HEAPFX_HEAP_BLOCKS_H
#define HEAPFX_HEAP_BLOCKS_H

#include "base/bits.h"
#include "base/grains.h"
#include "heap/walker.h"

struct heap {
	const struct walker_ops *ops;
	void *ctx;
	struct walker_bid bid;
	const struct heap_info *info; /* the walker's own totals */
};

/* Whether a word that is not known to be a pointer may keep the blocks of a 1-MiB unit. */
enum unit_heap {
	UNIT_LOOSE,   /* yes: no precise heap */
	UNIT_PRECISE, /* no */
	UNIT_MIXED,   /* ask the claims */
};

struct blocks {
	struct env *env;
	const struct image *img;
	struct grains grains;
	uint64_t *used;	  /* one bit an id */
	uint64_t *filler; /* one bit an id: neither used nor free memory of the allocator */
	uint64_t *plain;  /* one bit an id, see word_is_plain(); NULL: nobody told */
	struct col used_col, filler_col, plain_col;
	struct heap *heaps;
	size_t n_heaps;
	struct claim *claims; /* of all heaps, ascending, disjoint */
	uint16_t *claim_heap; /* index in heaps of each claim */
	uint32_t *claim_no;   /* the walker's own number of each claim: the order it added them in */
	size_t n_claims;
	uint8_t *unit_heap; /* enum unit_heap of each unit of grains; NULL without precise heaps */
	uint64_t loose_low, loose_high; /* all claims of heaps that are not precise; 0, 0: none */
};

/* Where segments of a kind are, in two ranges with the widest gap between them: programs, and libraries. */
struct word_spans {
	taddr low[2];
	uint64_t span[2];
};

struct word_spans word_spans(const struct image *img, bool (*is_one)(const struct segment *seg));

static inline bool word_in_spans(const struct word_spans *files, uint64_t word)
{
	return (word - files->low[0] < files->span[0]) | (word - files->low[1] < files->span[1]);
}

enum { PLAIN_LEAST = 4096 };
/*
 * The first word of a block of at most PLAIN_LEAST bytes is neither a size of something in it nor
 * the address of a vtable: no interior pointer makes it look like an object with a header.
 */
static inline bool word_is_plain(const struct word_spans *files, uint64_t word)
{
	return (word > PLAIN_LEAST) & !word_in_spans(files, word);
}

/* The sink of one claim; used from one thread. */
struct block_sink {
	struct grains *grains;
	uint64_t *used;		/* by grain while walking */
	uint64_t *filler;	/* by grain */
	uint64_t *plain;	/* by grain, set where the first word is; NULL: nobody asks */
	struct word_spans files;
	const struct claim *claim;
};

static inline void block_sink_add(struct block_sink *s, taddr at, bool is_used)
{
	uint64_t grain = grain_of(s->grains, at);

	grains_set_start(s->grains, grain);
	if (is_used)
		bit_set(s->used, grain);
}
/* [at, next start) is no block: a header, a fence post, damage. */
static inline void block_sink_gap(struct block_sink *s, taddr at)
{
	uint64_t grain = grain_of(s->grains, at);

	grains_set_start(s->grains, grain);
	bit_set(s->filler, grain);
}
/* A block that turned out to be free after it was added as used (tcache, fastbins). */
static inline void block_sink_free(struct block_sink *s, taddr at)
{
	bit_clear(s->used, grain_of(s->grains, at));
}

struct err *blocks_build(struct env *env, const struct image *img, struct blocks *ret) MUST_CHECK;
/* For who scans no memory: `plain` stays NULL. */
struct err *blocks_build_alone(struct env *env, const struct image *img, struct blocks *ret) MUST_CHECK;
/* With other walkers than the registry's; NULL-terminated. */
struct err *blocks_build_with(struct env *env, const struct image *img,
			      const struct walker_ops *const *walkers, struct blocks *ret) MUST_CHECK;
void blocks_fini(struct blocks *b);

/* Containing block, interior pointers too; BLOCK_NONE outside every claim. O(1). */
static inline uint32_t block_at(const struct blocks *b, taddr addr)
{
	return grains_at(&b->grains, addr);
}
static inline bool block_is_used(const struct blocks *b, uint32_t id)
{
	return bit_get(b->used, id);
}
/* Of the block that grain_block_no() found: without a look at another cache line, mostly. */
static inline bool block_is_used_no(const struct blocks *b, const struct grain_word *w, uint32_t id,
				    unsigned no)
{
	return no - 1 < 32 ? w->marks >> (no - 1) & 1 : bit_get(b->used, id);
}
static inline bool block_is_filler(const struct blocks *b, uint32_t id)
{
	return bit_get(b->filler, id);
}
const struct claim *blocks_claim_at(const struct blocks *b, taddr addr); /* NULL outside */
const struct heap *blocks_heap_at(const struct blocks *b, taddr addr);	 /* NULL outside */
bool blocks_is_dead(const struct blocks *b, taddr addr); /* walker_ops.is_dead, of a used block */

bool blocks_is_precise(const struct blocks *b, size_t claim); /* of claims */
unsigned blocks_rounding(const struct blocks *b, size_t claim); /* its walker's */

/* Everything about one block, for output (slow path: a select and a claim search). */
struct block {
	uint32_t id;
	taddr addr;	 /* what the program holds */
	taddr start;	 /* of the block in the index: addr, less a header of Go's */
	uint64_t size;	 /* bytes from start on that the allocator spends, header included */
	uint64_t usable; /* bytes the program may use from addr on */
	bool used, filler;
	const char *where; /* free ones: "tcache", "smallbin", ...; NULL for used */
	const struct heap *heap;
	const struct claim *claim;
};
void block_get(const struct blocks *b, uint32_t id, struct block *ret);
/* The used block that the program holds by this address; false: none. */
bool block_get_at(const struct blocks *b, taddr addr, struct block *ret);

/* Every block of the heap with this ctx, by its key in the index, fillers too. */
void blocks_each_of(const struct blocks *b, const void *ctx, void (*each)(const void *ctx, taddr at));

#endif
