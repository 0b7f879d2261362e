/*
 * oldmalloc_bins.c - find the 64 bins of musl's old malloc by their shape, and follow their lists.
 *
 * A bin's head and tail are 0 before its first use, then point to the bin itself, or to the ends of
 * a list whose ends point back; chunks are of the size that the bin is for and have it at both ends,
 * and `binmap` in front says which bins have any.  No other data looks like this.
 */
#include <inttypes.h>
#include <string.h>

#include "base/fetch.h"
#include "heap/module_data.h"
#include "heap/oldmalloc.h"
#include "image/insn.h"
#include "image/shadow.h"

enum {
	HEAD = 8, /* of a bin */
	CHUNK_NEXT = 16,
	CHUNK_PREV = 24,
	BINS_GOOD = 62, /* of 64: some may be damaged */
	REFS_MAX = 64,
};

/* How sizes are spread over bins: one each up to 32 units, then four to a power of two. */
unsigned old_bin_index(uint64_t size)
{
	uint64_t units = size / OLD_ALIGN - 1;
	unsigned log;

	if (!size || units <= 32)
		return (unsigned)(size ? units : 0);
	if (units > 0x1c00)
		return 63;
	log = 63 - (unsigned)__builtin_clzll(units);
	return 4 * (log - 5) + 32 + (unsigned)(units >> (log - 2) & 3);
}

bool old_read_chunk(const struct image *img, taddr at, struct old_chunk *ret)
{
	return image_read(img, at, ret, sizeof(*ret)) == MEM_OK;
}

/* What the bin takes for a chunk: its head is where a chunk's `next` is. */
static taddr bin_as_chunk(taddr bin)
{
	return bin + HEAD - CHUNK_NEXT;
}

/* Proved: the chunk at the head of its list has its size at both ends. */
enum bin_state { BIN_WRONG, BIN_UNUSED, BIN_EMPTY, BIN_FILLED, BIN_PROVED };

static bool links_to(const struct image *img, taddr chunk, unsigned link, taddr to)
{
	uint64_t word;

	return !((chunk + OLD_HEADER) & (OLD_ALIGN - 1)) &&
	       image_read_u64(img, chunk + link, &word) == MEM_OK && word == to;
}

static bool has_size_at_end(const struct image *img, taddr at, const struct old_chunk *c)
{
	struct old_chunk next;

	return !(c->csize & OLD_IN_USE) && old_read_chunk(img, at + c->csize, &next) &&
	       next.psize == c->csize;
}

static enum bin_state bin_state(const struct image *img, taddr bin, unsigned i)
{
	taddr self = bin_as_chunk(bin);
	struct old_chunk c;
	uint64_t ends[2];

	if (image_read(img, bin + HEAD, ends, sizeof(ends)) != MEM_OK)
		return BIN_WRONG;
	if (!ends[0] && !ends[1])
		return BIN_UNUSED;
	if (ends[0] == self && ends[1] == self)
		return BIN_EMPTY;
	if (!links_to(img, ends[0], CHUNK_PREV, self) ||
	    !links_to(img, ends[1], CHUNK_NEXT, self) || !old_read_chunk(img, ends[0], &c) ||
	    old_bin_index(old_size(c.csize)) != i)
		return BIN_WRONG;
	return has_size_at_end(img, ends[0], &c) ? BIN_PROVED : BIN_FILLED;
}

static bool try_bins(const struct image *img, taddr at, struct old_bins *ret)
{
	unsigned good = 0, filled = 0, used = 0, proved = 0;
	uint64_t map;

	if (image_read_u64(img, at - 8, &map) != MEM_OK)
		return false;
	for (unsigned i = 0; i < OLD_BINS && i <= good + OLD_BINS - BINS_GOOD; i++) {
		enum bin_state state = bin_state(img, at + OLD_BIN * i, i);

		good += state != BIN_WRONG && (state >= BIN_FILLED) == (map >> i & 1);
		filled += state >= BIN_FILLED;
		used += state != BIN_UNUSED;
		proved += state == BIN_PROVED;
	}
	if (good < BINS_GOOD || !proved || used < 2)
		return false;
	*ret = (struct old_bins){ .at = at, .n_filled = filled, .n_used = used };
	return true;
}

/*
 * A head and a tail with a list: which bin's they are, their place must tell.  A member of a list
 * with zeros around it may pass for one as well: the bins are where most are in use.
 */
static void try_pair(const struct image *img, taddr pair, struct old_bins *best)
{
	struct old_bins bins;

	for (unsigned i = 0; i < OLD_BINS; i++)
		if (try_bins(img, pair - HEAD - OLD_BIN * i, &bins) && bins.n_used > best->n_used)
			*best = bins;
}

static void search_segment(const struct image *img, const struct segment *seg,
			   struct old_bins *best)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t at = 0; at + 16 <= n; at += 8) {
		uint64_t head = load_u64(seg->bytes + at), tail = load_u64(seg->bytes + at + 8);
		taddr bin = seg->start + at - HEAD, self = bin_as_chunk(bin);

		if (!head || !tail || head >> 47 || head == self ||
		    !links_to(img, head, CHUNK_PREV, self) ||
		    !links_to(img, tail, CHUNK_NEXT, self))
			continue;
		if (bin - best->at >= OLD_BINS * OLD_BIN)
			try_pair(img, seg->start + at, best);
	}
}

static bool search_data(const struct image *img, struct old_bins *ret)
{
	struct module_data d = module_data(img);
	const struct segment *seg;

	*ret = (struct old_bins){};
	while ((seg = module_data_next(&d)))
		search_segment(img, seg, ret);
	return ret->at;
}

/* Does musl's own code refer to the struct? It confirms what the shape found. */
static bool code_agrees(const struct image *img, taddr bins)
{
	static const char *const functions[] = { "malloc", "free", "__bin_chunk" };
	const struct module *m = image_module_at(img, bins);

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions) && m; i++) {
		struct insn_ref refs[REFS_MAX];
		struct symbol sym;
		size_t n;

		if (!image_symbol(img, m, functions[i], &sym) || !sym.is_func)
			continue;
		n = insn_refs(img, sym.addr, sym.size ? sym.size : 1024, 400, refs, REFS_MAX);
		while (n-- > 0)
			if (refs[n].kind != INSN_CALL && refs[n].kind != INSN_TLS &&
			    refs[n].target >= bins - 8 &&
			    refs[n].target < bins + OLD_BINS * OLD_BIN)
				return true;
	}
	return false;
}

bool old_find_bins(struct env *env, const struct image *img, struct old_bins *ret)
{
	(void)env;
	if (!search_data(img, ret))
		return false;
	ret->by_code = code_agrees(img, ret->at);
	return true;
}

/* ---- lists */

/* struct chunk, of a free one */
struct free_chunk {
	struct old_chunk head;
	uint64_t next, prev;
};

/* The memory that a list's last member lay in: the next one mostly does, too. */
struct list_view {
	const uint8_t *bytes;
	taddr start;
	uint64_t n, step;
};

static bool read_free_chunk(const struct image *img, struct list_view *v, taddr at, struct free_chunk *ret)
{
	if (at - v->start >= v->n) {
		const struct segment *seg = image_segment(img, at);

		*v = (struct list_view){};
		if (seg && seg->bytes)
			*v = (struct list_view){ seg->bytes, seg->start, seg->end - seg->start, 0 };
	}
	if (at - v->start >= v->n || v->n - (at - v->start) < sizeof(*ret))
		return image_read(img, at, ret, sizeof(*ret)) == MEM_OK;
	image_keep(img, at, sizeof(*ret));
	memcpy(ret, v->bytes + (at - v->start), sizeof(*ret));
	fetch_steps(v->bytes, v->n, at - v->start, ret->next - v->start, &v->step);
	return true;
}

/* Returns false where it breaks. */
static bool read_list(struct old_heap *h, unsigned i, uint64_t *ret_n)
{
	taddr self = bin_as_chunk(h->bins.at + OLD_BIN * i), before = self, at, mark = 0;
	uint64_t n = 0, next_mark = 64;
	struct list_view view = {};

	if (image_read_u64(h->img, self + CHUNK_NEXT, &at) != MEM_OK)
		return false;
	for (; at && at != self; n++) {
		struct free_chunk c;

		if (at == mark || (at + OLD_HEADER) & (OLD_ALIGN - 1) ||
		    !read_free_chunk(h->img, &view, at, &c) || c.prev != before) {
			h->failed++;
			damage_add(&h->damage, h->env, at,
				   "bin %u: its list breaks at chunk 0x%" PRIx64
				   ", behind 0x%" PRIx64 "; likely a write after free",
				   i, at, before);
			break;
		}
		if (old_bin_index(old_size(c.head.csize)) != i || c.head.csize & OLD_IN_USE) {
			h->failed++;
			damage_add(&h->damage, h->env, at,
				   "bin %u: chunk 0x%" PRIx64 " in it says size 0x%" PRIx64 "%s", i,
				   at, old_size(c.head.csize),
				   c.head.csize & OLD_IN_USE ? ", in use" : "");
		} else {
			h->passed++;
		}
		if (n == next_mark) {
			mark = at;
			next_mark *= 2;
		}
		before = at;
		at = c.next;
	}
	*ret_n += n;
	return at == self || !at;
}

void old_read_lists(struct old_heap *h)
{
	bool whole = true;

	for (unsigned i = 0; i < OLD_BINS; i++)
		whole &= read_list(h, i, &h->n_binned);
	if (!whole)
		h->n_binned = UINT64_MAX;
}
