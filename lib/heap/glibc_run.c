/*
 * glibc_run.c - runs of ordinary chunks: small, with sound headers, and nothing inside that could be one.
 *
 * Nearly all chunks of a heap are such, so these loops see most of memory.  They go by windows of 1 KiB,
 * those of the block index: the words of a window that could be headers are found sixteen at a time, and
 * a chunk with none of them inside costs a shift and a mask.  What is not ordinary is the walk's.
 */
#include "base/words.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"

enum {
	WINDOW_SHIFT = 10, /* 64 grains of 16 bytes */
	RUN_ROOM = GLIBC_RUN_MAX + CHUNK_HEADER, /* a chunk and the next one's header */
	FEW_BYTES = 4096,  /* glibc_find_inner() knows how to look at more */
	AHEAD = 4096,
	CACHE_LINE = 64,
};

bool glibc_has_headers(const struct window *w, taddr at, uint64_t size, uint64_t flags)
{
	const uint8_t *bytes;

	if (size > FEW_BYTES || at < w->start) /* the window holds the next header */
		return true;
	bytes = w->bytes + (at - w->start) + 8;
	for (uint64_t off = CHUNK_MIN; off <= size - CHUNK_MIN; off += 16) {
		uint64_t header = load_u64(bytes + off);

		if (header - CHUNK_MIN < size - off - CHUNK_MIN + 8 && !(header & 15 & ~flags))
			return true;
	}
	return false;
}

/* Bits of a header less CHUNK_MIN that a chunk inside of a small one cannot have. */
static inline uint64_t impossible_bits(uint64_t flags)
{
	return ~((uint64_t)(GLIBC_RUN_MAX - 16) | flags);
}

#ifdef __SSE4_2__
/* For 4 grains each: all ones where the second word could be a header. */
static inline __m128i four_headers(const uint8_t *bytes, __m128i min, __m128i impossible)
{
	__m128i pairs[2];

	for (unsigned i = 0; i < 2; i++) {
		const __m128i *v = (const __m128i *)(const void *)(bytes + 32 * i);
		__m128i words = _mm_unpackhi_epi64(_mm_loadu_si128(v), _mm_loadu_si128(v + 1));

		words = _mm_and_si128(_mm_sub_epi64(words, min), impossible);
		pairs[i] = _mm_cmpeq_epi64(words, _mm_setzero_si128());
	}
	return _mm_packs_epi32(pairs[0], pairs[1]);
}
#endif

/* Bit i: the second word of the i-th 16 bytes could be the header of a chunk inside of a small one. */
static inline uint64_t find_headers(const uint8_t *bytes, unsigned n, uint64_t flags)
{
	uint64_t mask = 0, impossible = impossible_bits(flags);
	unsigned i = 0;

#ifdef __SSE4_2__
	__m128i min = _mm_set1_epi64x(CHUNK_MIN), wrong = _mm_set1_epi64x((long long)impossible);

	for (; i + 16 <= n; i += 16) {
		const uint8_t *at = bytes + 16 * i;
		__m128i low = _mm_packs_epi16(four_headers(at, min, wrong), four_headers(at + 64, min, wrong));
		__m128i high = _mm_packs_epi16(four_headers(at + 128, min, wrong), four_headers(at + 192, min, wrong));

		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high)) << i;
	}
#endif
	for (; i < n; i++)
		mask |= (uint64_t)!((load_u64(bytes + 16 * i + 8) - CHUNK_MIN) & impossible) << i;
	return mask;
}

/* Of window `no`: bit i stands for the header of the chunk whose key is its i-th grain. */
static uint64_t window_headers(const struct window *w, uint64_t no, uint64_t flags)
{
	taddr start = (no << WINDOW_SHIFT) - CHUNK_HEADER, end = start + GLIBC_RUN_MAX;
	unsigned skip = 0;

	if (start < w->start) {
		skip = (unsigned)((w->start - start + 15) / 16);
		start += 16 * skip;
	}
	if (end > w->start + w->n)
		end = w->start + w->n;
	if (end < start + 16)
		return 0;
	return find_headers(w->bytes + (start - w->start), (unsigned)((end - start) / 16), flags) << skip;
}

static void go_to_window(struct glibc_run *r, const struct window *w, uint64_t no)
{
	bool follows = r->segment == w->start && r->no + 1 == no;

	/* What fetches by itself stops at a page's end. */
	for (unsigned i = 0; i < 1 << WINDOW_SHIFT; i += CACHE_LINE)
		window_prefetch(w, (no << WINDOW_SHIFT) + AHEAD + i);
	r->headers = follows ? r->ahead : window_headers(w, no, r->flags);
	r->ahead = window_headers(w, no + 1, r->flags);
	r->segment = w->start;
	r->no = no;
}

/* Could a word inside of n grains from grain g of the window on be a header?  Not in the first two, nor the last. */
static inline bool may_hold_headers(const struct glibc_run *r, uint64_t g, uint64_t n)
{
	uint64_t headers = r->headers >> g | r->ahead << 1 << (63 - g);

	return headers & ~0ull << 2 & ~(~0ull << (n - 1));
}

/* What a run writes to the index in one window. */
struct marks {
	uint64_t start, used, plain;
};

/*
 * Ordinary chunks at [at, stop), whose keys are in the run's window: answers how far they go.  Without
 * `files` nobody asks which of them are plain.
 */
static inline __attribute__((always_inline)) const uint8_t *
run_window(struct glibc_run *r, const struct window *w, const uint8_t *at, const uint8_t *stop,
	   const struct word_spans *files, struct marks *ret)
{
	const struct word_spans spans = files ? *files : (struct word_spans){};
	uint64_t grain = ((w->start + (uint64_t)(at - w->bytes) + CHUNK_HEADER) >> GRAIN_SHIFT) & 63;
	uint64_t header = load_u64(at + 8), next, size, free = 0, largest = r->largest_free;
	struct marks m = {};

	for (; at < stop; at += size, grain += size / 16, header = next) {
		size = chunk_size(header);
		if (size - CHUNK_MIN > GLIBC_RUN_MAX - CHUNK_MIN || ((header ^ r->flags) & 14))
			break;
		next = load_u64(at + size + 8);
		if (next & CHUNK_PREV_INUSE) {
			if (may_hold_headers(r, grain, size / 16) &&
			    glibc_has_headers(w, w->start + (uint64_t)(at - w->bytes), size, r->flags))
				break;
			m.used |= 1ull << grain;
		} else {
			if (load_u64(at + size) != size)
				break;
			free += size;
			largest = size > largest ? size : largest;
		}
		m.start |= 1ull << grain;
		if (files)
			m.plain |= (uint64_t)word_is_plain(&spans, load_u64(at + CHUNK_HEADER)) << grain;
	}
	r->free += free;
	r->largest_free = largest;
	*ret = m;
	return at;
}

static void put_marks(struct glibc_run *r, const struct marks *m, struct block_sink *sink)
{
	uint64_t word = grain_of(sink->grains, r->no << WINDOW_SHIFT) >> 6;
	unsigned last;

	if (!m->start)
		return;
	sink->grains->words[word].start |= m->start;
	sink->used[word] |= m->used;
	if (sink->plain)
		sink->plain[word] |= m->plain;
	r->n_used += (unsigned)__builtin_popcountll(m->used);
	r->n_free += (unsigned)__builtin_popcountll(m->start & ~m->used);
	last = 63 - (unsigned)__builtin_clzll(m->start);
	r->last = (r->no << WINDOW_SHIFT) + (last << GRAIN_SHIFT) - CHUNK_HEADER;
	r->last_used = m->used >> last & 1;
}

taddr glibc_run(struct glibc_run *r, const struct window *w, taddr at, taddr limit, struct block_sink *sink)
{
	taddr end = w->start + w->n, first = at;

	if (at & 15 || at < w->start || at >= end || end - at < RUN_ROOM || sink->grains->shift != GRAIN_SHIFT)
		return at;
	if (limit > end - RUN_ROOM)
		limit = end - RUN_ROOM;
	while (at < limit) {
		uint64_t no = (at + CHUNK_HEADER) >> WINDOW_SHIFT;
		taddr stop = ((no + 1) << WINDOW_SHIFT) - CHUNK_HEADER;
		const uint8_t *from = w->bytes + (at - w->start), *to;
		struct marks m;

		if (r->segment != w->start || r->no != no)
			go_to_window(r, w, no);
		if (stop > limit)
			stop = limit;
		to = sink->plain ? run_window(r, w, from, from + (stop - at), &sink->files, &m) :
				   run_window(r, w, from, from + (stop - at), NULL, &m);
		put_marks(r, &m, sink);
		at += (uint64_t)(to - from);
		if (at < stop)
			break;
	}
	r->bytes += at - first;
	return at;
}
