/*
 * blocks.c - runs the walkers over what they claim and makes one index of all their blocks.
 *
 * Claims are walked at once, into bitmaps by grain; one pass at the end turns those into bitmaps
 * by id.  Nothing depends on the number of threads: each claim writes words of its own.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/in_flight.h"
#include "image/resident.h"

enum {
	CLAIM_PAGE = 4096,
	HEAPS_MAX = 1024,
	RUN_BYTES = 4 << 20, /* of claims that one thread walks in turn, at least */
	NUMBERED_AT_ONCE = 1 << 10, /* words of 64 grains */
};

#define ADDRESS_END (1ull << 48)

struct owned_claim {
	struct claim claim;
	uint16_t heap;
	uint32_t no;
};

struct build {
	struct claim_sink sink; /* first: add_claim() gets the build from it */
	struct blocks *b;
	const struct walker_ops *const *walkers;
	struct {
		struct owned_claim *v;
		size_t n, cap;
	} claims;
	struct col used, filler, plain; /* by grain */
	struct word_spans files;
	size_t *runs; /* the first claim of each, and n_claims: those that share pages are one */
	size_t n_runs;
	uint32_t next_no;
	size_t n_heaps_cap;
	bool sure;	/* nothing is taken for granted: it was, and was wrong */
	bool scanned;	/* words of the blocks will be looked at: which of them are plain matters */
	bool claims_meet; /* of two heaps */
};

/* --- heaps --------------------------------------------------------------------------------- */

static struct err *open_heaps(struct build *build)
{
	struct blocks *b = build->b;
	size_t n = 0;

	while (build->walkers[n])
		n++;
	b->heaps = calloc(n + 1, sizeof(*b->heaps));
	if (!b->heaps)
		return &err_nomem;
	for (size_t i = 0; i < n && i < HEAPS_MAX; i++) {
		struct heap heap = { .ops = build->walkers[i] };
		struct err *err;

		heap.ops->bid(b->env, b->img, &heap.bid);
		if (!heap.bid.score)
			continue;
		err = (build->sure && heap.ops->open_sure ? heap.ops->open_sure : heap.ops->open)(b->env, b->img, &heap.ctx);
		if (err && err->kind == ERR_NOMEM)
			return err;
		if (err)
			diag_err(b->env, "heap/unreadable", err);
		else
			b->heaps[b->n_heaps++] = heap;
	}
	/* The surest first: of claims that meet, the earlier heap's stays. Ties by the registry. */
	for (size_t i = 1; i < b->n_heaps; i++)
		for (size_t k = i; k && b->heaps[k].bid.score > b->heaps[k - 1].bid.score; k--) {
			struct heap heap = b->heaps[k];

			b->heaps[k] = b->heaps[k - 1];
			b->heaps[k - 1] = heap;
		}
	return NULL;
}

/* --- claims -------------------------------------------------------------------------------- */

static struct err *add_claim(struct claim_sink *sink, const struct claim *claim)
{
	struct build *build = (struct build *)sink;
	struct owned_claim owned = {
		.claim = *claim,
		.heap = build->b->n_claims, /* the heap being asked, see collect_claims() */
		.no = build->next_no++,
	};

	if (claim->start >= claim->end || claim->end > ADDRESS_END - CLAIM_PAGE ||
	    (claim->start + claim->bias) & (claim->small_grains ? 7 : 15)) {
		diag(build->b->env, "heap/bad-claim", claim->start,
		     "a heap's range 0x%lx-0x%lx is impossible: left out", claim->start,
		     claim->end);
		return NULL;
	}
	return vec_push(&build->claims, &owned) ? NULL : &err_nomem;
}

static int by_start(const void *a, const void *b)
{
	const struct owned_claim *x = a, *y = b;

	if (x->claim.start != y->claim.start)
		return x->claim.start > y->claim.start ? 1 : -1;
	if (x->heap != y->heap)
		return (x->heap > y->heap) - (x->heap < y->heap);
	return (x->no > y->no) - (x->no < y->no);
}

static bool share_a_page(const struct claim *a, const struct claim *b) /* a->start <= b->start */
{
	return align_down(b->start, CLAIM_PAGE) < align_up(a->end, CLAIM_PAGE);
}

/* Two ranges of one heap may share a page, as long as no address is in both. */
static bool claims_meet(const struct owned_claim *a, const struct owned_claim *b)
{
	if (a->heap == b->heap && a->claim.end <= b->claim.start &&
	    a->claim.bias == b->claim.bias)
		return false;
	return share_a_page(&a->claim, &b->claim);
}

/* Of claims that meet, the surer heap's stays. */
static void refuse_overlaps(struct build *build)
{
	struct owned_claim *v = build->claims.v;
	size_t kept = 0;

	for (size_t i = 0; i < build->claims.n; i++) {
		struct owned_claim c = v[i];

		while (kept && claims_meet(&v[kept - 1], &c)) {
			bool drop_new = v[kept - 1].heap <= c.heap;
			const struct claim *bad = drop_new ? &c.claim : &v[kept - 1].claim;

			build->claims_meet = true;
			diag(build->b->env, "heap/claim-overlap", bad->start,
			     "range 0x%lx-0x%lx meets another heap's: left out", bad->start,
			     bad->end);
			if (drop_new)
				goto next;
			kept--;
		}
		v[kept++] = c;
next:;
	}
	build->claims.n = kept;
}

static struct err *collect_claims(struct build *build)
{
	struct blocks *b = build->b;
	size_t n;

	for (size_t i = 0; i < b->n_heaps; i++) {
		struct err *err;

		b->n_claims = i;
		build->next_no = 0;
		err = b->heaps[i].ops->claim(b->heaps[i].ctx, &build->sink);
		if (err)
			return err;
	}
	b->n_claims = 0;
	n = build->claims.n;
	if (n)
		qsort(build->claims.v, n, sizeof(*build->claims.v), by_start);
	refuse_overlaps(build);
	n = build->claims.n;
	b->claims = calloc(n + 1, sizeof(*b->claims));
	b->claim_heap = calloc(n + 1, sizeof(*b->claim_heap));
	b->claim_no = calloc(n + 1, sizeof(*b->claim_no));
	if (!b->claims || !b->claim_heap || !b->claim_no)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		b->claims[i] = build->claims.v[i].claim;
		b->claim_heap[i] = build->claims.v[i].heap;
		b->claim_no[i] = build->claims.v[i].no;
	}
	b->n_claims = n;
	return NULL;
}

/* In a copy that is blanked, what readers ask for is what is kept: then none looks less than others. */
static bool tells_plain(const struct blocks *b)
{
	bool tells = false;

	for (size_t i = 0; i < b->n_heaps; i++)
		tells |= b->heaps[i].ops->tells_plain;
	return tells && !b->img->shadow;
}

/* What interior.c may take for the home of a vtable. */
static bool is_of_file(const struct segment *seg)
{
	return seg->file || seg->module >= 0;
}

struct word_spans word_spans(const struct image *img, bool (*is_one)(const struct segment *seg))
{
	struct word_spans ret = {};
	taddr first = 0, end = 0, gap_start = 0, gap_end = 0;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];

		if (!is_one(seg))
			continue;
		if (!end)
			first = gap_start = gap_end = seg->start;
		else if (seg->start - end > gap_end - gap_start) {
			gap_start = end;
			gap_end = seg->start;
		}
		end = seg->end;
	}
	ret.low[0] = first;
	ret.span[0] = gap_start - first;
	ret.low[1] = gap_end;
	ret.span[1] = end - gap_end;
	return ret;
}

static struct err *open_index(struct build *build)
{
	struct blocks *b = build->b;
	_free_ struct grain_range *ranges = calloc(b->n_claims + 1, sizeof(*ranges));
	unsigned shift = GRAIN_SHIFT;
	uint64_t n_words;
	struct err *err;

	if (!ranges)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		taddr start = b->claims[i].start + b->claims[i].bias;

		if (b->claims[i].small_grains)
			shift = GRAIN_SHIFT_SMALL;
		/* Another bias beside it may reach into this range's first bytes. */
		if (i && ranges[i - 1].end > start)
			start = ranges[i - 1].end;
		ranges[i] = (struct grain_range){ start, b->claims[i].end + b->claims[i].bias };
	}
	err = grains_open(b->env, ranges, b->n_claims, shift, &b->grains);
	if (err)
		return err;
	n_words = grains_words(&b->grains) + 1;
	err = col_fixed(b->env, sizeof(uint64_t), n_words, "used bits", &build->used);
	if (!err)
		err = col_fixed(b->env, sizeof(uint64_t), n_words, "filler bits", &build->filler);
	if (!err && build->scanned && tells_plain(b))
		err = col_fixed(b->env, sizeof(uint64_t), n_words, "plain bits", &build->plain);
	return err;
}

/* --- the walk ------------------------------------------------------------------------------ */

/*
 * Claims that share a page are walked by one thread: their blocks share words of the bitmaps.  So are
 * small ones that follow each other: pages of the dump are left by the run.
 */
static struct err *find_runs(struct build *build)
{
	const struct blocks *b = build->b;
	uint64_t bytes = 0; /* of the run so far */

	build->runs = calloc(b->n_claims + 1, sizeof(*build->runs));
	if (!build->runs)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		if (!i || (bytes >= RUN_BYTES && !share_a_page(&b->claims[i - 1], &b->claims[i]))) {
			build->runs[build->n_runs++] = i;
			bytes = 0;
		}
		bytes += b->claims[i].end - b->claims[i].start;
	}
	build->runs[build->n_runs] = b->n_claims;
	return NULL;
}

static struct err *walk_runs(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct build *build = arg;
	struct blocks *b = build->b;

	(void)index; /* results go to bitmaps and to the walker's slot of the claim */
	for (size_t i = build->runs[first]; i < build->runs[last]; i++) {
		const struct heap *heap = &b->heaps[b->claim_heap[i]];
		struct block_sink sink = {
			.grains = &b->grains,
			.used = build->used.base,
			.filler = build->filler.base,
			.plain = build->plain.base,
			.files = build->files,
			.claim = &b->claims[i],
		};
		struct err *err = heap->ops->walk(heap->ctx, b->claim_no[i], &sink);

		if (err)
			return err_wrap(err, "%s heap, range 0x%lx-0x%lx", heap->ops->name,
					b->claims[i].start, b->claims[i].end);
	}
	image_leave(b->img, b->claims[build->runs[first]].start, b->claims[build->runs[last] - 1].end);
	return NULL;
}

static void fill_at(struct build *build, taddr key)
{
	uint64_t grain = grain_of(&build->b->grains, key);

	if (grain == GRAIN_NONE || grain_is_start(&build->b->grains, grain, key))
		return;
	grains_set_start(&build->b->grains, grain);
	bit_set(build->filler.base, grain);
}

static struct err *settle_heaps(struct build *build)
{
	struct blocks *b = build->b;
	struct block_sink sink = {
		.grains = &b->grains,
		.used = build->used.base,
		.filler = build->filler.base,
	};

	for (size_t i = 0; i < b->n_heaps; i++) {
		const struct heap *heap = &b->heaps[i];
		struct err *err = heap->ops->settle ? heap->ops->settle(heap->ctx, &sink) : NULL;

		if (err)
			return err_wrap(err, "%s heap", heap->ops->name);
	}
	return NULL;
}

/* What nobody listed is a filler: before a claim's first block, behind its last, at unit bases. */
static void add_fillers(struct build *build)
{
	const struct blocks *b = build->b;

	for (size_t i = 0; i < b->n_claims; i++) {
		fill_at(build, b->claims[i].start + b->claims[i].bias);
		fill_at(build, b->claims[i].end + b->claims[i].bias);
	}
	for (uint64_t u = 0; u < b->grains.n_units; u++)
		if (!u || b->grains.unit_base[u] !=
				  b->grains.unit_base[u - 1] + (1ull << UNIT_SHIFT))
			fill_at(build, b->grains.unit_base[u]);
}

/* What a word found by chance may keep, for each unit that is looked up (type/scan.c). */
static struct err *tell_units(struct build *build)
{
	struct blocks *b = build->b;
	bool any_precise = false;

	for (size_t i = 0; i < b->n_claims; i++) {
		if (blocks_is_precise(b, i)) {
			any_precise = true;
			continue;
		}
		if (!b->loose_high)
			b->loose_low = b->claims[i].start;
		b->loose_high = b->claims[i].end + b->claims[i].bias;
	}
	if (!any_precise)
		return NULL;
	b->unit_heap = malloc(b->grains.n_units);
	if (!b->unit_heap)
		return &err_nomem;
	memset(b->unit_heap, 0xff, b->grains.n_units);
	for (size_t i = 0; i < b->n_claims; i++) {
		taddr start = b->claims[i].start + b->claims[i].bias, end = b->claims[i].end + b->claims[i].bias;
		uint8_t kind = blocks_is_precise(b, i) ? UNIT_PRECISE : UNIT_LOOSE;

		for (taddr at = align_down(start, 1ull << UNIT_SHIFT); at < end; at += 1ull << UNIT_SHIFT) {
			uint8_t *unit = &b->unit_heap[grain_of(&b->grains, at) >> b->grains.unit_shift];

			*unit = *unit == 0xff || *unit == kind ? kind : UNIT_MIXED;
		}
	}
	return NULL;
}

/* The bits of `set` that stand where `places` has bits, next to each other: often all or none. */
static inline uint64_t bits_gather(uint64_t set, uint64_t places)
{
	int n = __builtin_popcountll(places);
	bool most = 2 * __builtin_popcountll(set & places) > n;
	uint64_t few = most ? places & ~set : places & set, ret = 0;

	for (; few; few &= few - 1)
		ret |= 1ull << __builtin_popcountll(places & ((few & -few) - 1));
	return most ? ret ^ ~0ull >> (64 - n) : ret;
}

/*
 * Bits of ids that follow each other, written word by word.  The words where one row of them begins and
 * ends are others' as well, who write at the same time.
 */
struct bit_row {
	uint64_t *to, at; /* at: the id that comes next */
	uint64_t held;	  /* of its word */
	bool is_inside;	  /* its word has no bits of another row before them */
};

static inline void share_word(uint64_t *to, uint64_t bits)
{
	if (bits)
		__atomic_fetch_or(to, bits, __ATOMIC_RELAXED);
}

static inline void row_put(struct bit_row *r, uint64_t bits, unsigned n)
{
	unsigned from = r->at & 63;
	uint64_t *to = &r->to[r->at >> 6];

	r->held |= bits << from;
	r->at += n;
	if (from + n < 64)
		return;
	if (r->is_inside)
		*to = r->held;
	else
		share_word(to, r->held);
	r->is_inside = true;
	r->held = from ? bits >> (64 - from) : 0;
}

static void row_end(const struct bit_row *r)
{
	if (r->at & 63)
		share_word(&r->to[r->at >> 6], r->held);
}

/* Hardly any. */
static void put_fillers(struct blocks *b, uint64_t at, uint64_t bits)
{
	for (; bits; bits &= bits - 1) {
		uint64_t id = at + (unsigned)__builtin_ctzll(bits);

		share_word(&b->filler[id >> 6], 1ull << (id & 63));
	}
}

/* From bits by grain to bits by id: one pass over the words [first, last), in order. */
static struct err *number_words(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct build *build = arg;
	struct blocks *b = build->b;
	const uint64_t *by_grain = build->used.base, *fill_by_grain = build->filler.base;
	const uint64_t *plain_by_grain = build->plain.base;
	struct grain_word *words = b->grains.words;
	struct bit_row used = { .to = b->used, .at = words[first].rank };
	struct bit_row plain = { .to = b->plain, .at = words[first].rank };

	(void)index;
	for (uint64_t w = first; w < last; w++) {
		uint64_t starts = words[w].start, bits = bits_gather(by_grain[w], starts);
		unsigned n = (unsigned)__builtin_popcountll(starts);

		words[w].marks = (uint32_t)bits;
		row_put(&used, bits, n);
		if (plain_by_grain)
			row_put(&plain, bits_gather(plain_by_grain[w], starts), n);
		if (fill_by_grain[w] & starts)
			put_fillers(b, words[w].rank, bits_gather(fill_by_grain[w], starts));
	}
	row_end(&used);
	if (plain_by_grain)
		row_end(&plain);
	return NULL;
}

static struct err *number_bits(struct build *build)
{
	struct blocks *b = build->b;
	uint64_t by_id = bits_words(b->grains.n) + 1;
	struct err *err = col_fixed(b->env, sizeof(uint64_t), by_id, "used bits", &b->used_col);

	if (!err)
		err = col_fixed(b->env, sizeof(uint64_t), by_id, "filler bits", &b->filler_col);
	if (!err && build->plain.base)
		err = col_fixed(b->env, sizeof(uint64_t), by_id, "plain bits", &b->plain_col);
	if (err)
		return err;
	b->used = b->used_col.base;
	b->filler = b->filler_col.base;
	b->plain = b->plain_col.base;
	return par_ranges(b->env, grains_words(&b->grains), NUMBERED_AT_ONCE, number_words, build);
}

/* Has a walker taken for granted what is not so? */
static bool is_mistaken(const struct build *build)
{
	const struct blocks *b = build->b;
	bool ret = false;

	for (size_t i = 0; i < b->n_heaps && !build->sure; i++)
		ret |= b->heaps[i].ops->mistaken && b->heaps[i].ops->mistaken(b->heaps[i].ctx, build->claims_meet);
	return ret;
}

static void build_fini(struct build *build)
{
	free(build->claims.v);
	free(build->runs);
	col_close(&build->used);
	col_close(&build->filler);
	col_close(&build->plain);
}

static struct err *build_all(struct build *build, bool *ret_mistaken)
{
	struct blocks *b = build->b;
	struct err *err = open_heaps(build);

	if (!err)
		err = collect_claims(build);
	*ret_mistaken = !err && is_mistaken(build);
	if (*ret_mistaken)
		return NULL;
	/* What opening heaps has read stays until the walk has passed it. */
	build->files = word_spans(b->img, is_of_file);
	if (!err)
		err = open_index(build);
	if (!err)
		err = find_runs(build);
	if (!err)
		err = par_ranges(b->env, build->n_runs, 1, walk_runs, build);
	*ret_mistaken = !err && is_mistaken(build);
	if (*ret_mistaken)
		return NULL;
	if (!err)
		err = settle_heaps(build);
	image_leave_all(b->img);
	if (err)
		return err;
	add_fillers(build);
	err = grains_seal(&b->grains);
	if (!err)
		err = number_bits(build);
	if (!err)
		err = tell_units(build);
	for (size_t i = 0; !err && i < b->n_heaps; i++) {
		b->heaps[i].info = b->heaps[i].ops->info(b->heaps[i].ctx);
		in_flight_settle(b->env, b->img, &b->heaps[i]);
	}
	return err;
}

/* How it is to be built, in `how`: the rest is zeros. */
static struct err *try_build(struct env *env, const struct image *img, const struct build *how, struct blocks *ret,
			     bool *ret_mistaken)
{
	struct blocks b = { .env = env, .img = img };
	_cleanup_(build_fini) struct build build = *how;
	struct err *err;

	build.sink.add = add_claim;
	build.b = &b;
	err = build_all(&build, ret_mistaken);
	if (err || *ret_mistaken) {
		blocks_fini(&b);
		return err;
	}
	*ret = b;
	return NULL;
}

static struct err *build_with(struct env *env, const struct image *img, struct build *how, struct blocks *ret)
{
	struct diags_mark before;
	bool mistaken = false;
	struct err *err;

	diags_mark(env, &before);
	err = try_build(env, img, how, ret, &mistaken);
	if (err || !mistaken)
		return err;
	image_leave_all(img);
	diags_back(env, &before);
	how->sure = true;
	return try_build(env, img, how, ret, &mistaken);
}

struct err *blocks_build_with(struct env *env, const struct image *img,
			      const struct walker_ops *const *walkers, struct blocks *ret)
{
	return build_with(env, img, &(struct build){ .walkers = walkers, .scanned = true }, ret);
}

struct err *blocks_build(struct env *env, const struct image *img, struct blocks *ret)
{
	return blocks_build_with(env, img, walker_registry, ret);
}

struct err *blocks_build_alone(struct env *env, const struct image *img, struct blocks *ret)
{
	return build_with(env, img, &(struct build){ .walkers = walker_registry }, ret);
}

void blocks_fini(struct blocks *b)
{
	for (size_t i = 0; i < b->n_heaps; i++)
		b->heaps[i].ops->close(b->heaps[i].ctx);
	free(b->heaps);
	free(b->claims);
	free(b->claim_heap);
	free(b->claim_no);
	free(b->unit_heap);
	col_close(&b->used_col);
	col_close(&b->filler_col);
	col_close(&b->plain_col);
	if (b->env)
		grains_close(&b->grains);
	*b = (struct blocks){};
}

/* --- questions ----------------------------------------------------------------------------- */

const struct claim *blocks_claim_at(const struct blocks *b, taddr addr)
{
	size_t lo = partition_point(b->n_claims, i, b->claims[i].end + b->claims[i].bias <= addr);

	return lo < b->n_claims && b->claims[lo].start <= addr ? &b->claims[lo] : NULL;
}

bool blocks_is_precise(const struct blocks *b, size_t claim)
{
	return b->heaps[b->claim_heap[claim]].ops->precise;
}

unsigned blocks_rounding(const struct blocks *b, size_t claim)
{
	return b->heaps[b->claim_heap[claim]].ops->rounding;
}

static const struct heap *heap_of(const struct blocks *b, const struct claim *claim)
{
	return claim ? &b->heaps[b->claim_heap[claim - b->claims]] : NULL;
}

const struct heap *blocks_heap_at(const struct blocks *b, taddr addr)
{
	return heap_of(b, blocks_claim_at(b, addr));
}

bool blocks_is_dead(const struct blocks *b, taddr addr)
{
	const struct heap *heap = blocks_heap_at(b, addr);

	return heap && heap->ops->is_dead && heap->ops->is_dead(heap->ctx, addr);
}

void block_get(const struct blocks *b, uint32_t id, struct block *ret)
{
	struct grains_iter it = grains_iter(&b->grains, id);
	const struct claim *claim = blocks_claim_at(b, it.key);
	struct block block = {
		.id = id,
		.start = it.key,
		.addr = it.key,
		.size = it.size,
		.used = block_is_used(b, id),
		.filler = block_is_filler(b, id),
		.heap = heap_of(b, claim),
		.claim = claim,
	};

	if (block.claim && !block.filler && block.size > block.claim->overhead)
		block.usable = block.size - block.claim->overhead;
	if (block.claim && block.usable > block.claim->head) {
		block.addr += block.claim->head;
		block.usable -= block.claim->head;
	}
	if (block.heap && !block.used && !block.filler) {
		struct text words = TEXT_INIT;

		block.where = block.heap->ops->explain(block.heap->ctx, block.addr, &words);
		text_fini(&words);
	}
	*ret = block;
}

bool block_get_at(const struct blocks *b, taddr addr, struct block *ret)
{
	uint32_t id = block_at(b, addr);

	if (id == BLOCK_NONE || !block_is_used(b, id))
		return false;
	block_get(b, id, ret);
	return ret->addr == addr;
}

void blocks_each_of(const struct blocks *b, const void *ctx, void (*each)(const void *ctx, taddr at))
{
	for (size_t i = 0; i < b->n_claims; i++) {
		const struct claim *c = &b->claims[i];
		uint32_t first = block_at(b, c->start + c->bias);

		if (b->heaps[b->claim_heap[i]].ctx != ctx || first == BLOCK_NONE)
			continue;
		for (struct grains_iter it = grains_iter(&b->grains, first);
		     it.id < b->grains.n && it.key < c->end + c->bias; grains_next(&it))
			each(ctx, it.key);
	}
}
