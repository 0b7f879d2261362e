/*
 * gtcmalloc_caches.c - where a copy keeps free objects besides its spans, by the structure of each cache;
 * what of its own structures is gone.
 *
 * Caches of processors are slabs: (1 << shift) bytes each that begin with {current, end} of every size
 * class, in words from the slab's start (internal/percpu_tcmalloc.h).  Three words of the module's data lead to them:
 * where they lie with the shift, a byte a processor, and where each class begins, whose first is known by
 * the number of classes.  Where rseq cannot be had, threads have caches: lists of all classes, each with a
 * maximum of one at least (thread_cache.h).  Shards of transfer caches hang on the data likewise
 * (transfer_cache.h).  A cache, or a Span, that is gone lies in its allocator's list of free ones, with its old
 * contents but for the first word (metadata_object_allocator.h).
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/module_data.h"
#include "image/shadow.h"

enum {
	SHIFT_MIN = 12, /* of a slab, kInitialBasePerCpuShift and up */
	SHIFT_MAX = 19,
	MAX_LENGTH = 1 << 16, /* of a thread cache's list, ten times kMaxDynamicFreeListLength */
	SHARDS_MAX = 256,
	DEAD_MAX = 1 << 26,
};

static bool add_cache(struct gtc_copy *c, enum gtc_cache_kind kind, taddr addr, uint32_t no)
{
	struct gtc_cache cache = { addr, no, (uint8_t)kind };

	for (size_t i = 0; i < c->caches.n; i++)
		if (c->caches.v[i].addr == addr)
			return true;
	return c->caches.n == GTC_CACHES_MAX || vec_push(&c->caches, &cache);
}

/* ---- objects of its own that are gone */

static int by_value(const void *pa, const void *pb)
{
	uint64_t a = load_u64(pa), b = load_u64(pb);

	return (a > b) - (a < b);
}

bool gtc_is_dead(const struct gtc_copy *c, taddr object)
{
	const struct gtc_dead *d = &c->dead;

	return d->n && bsearch(&object, d->v, d->n, sizeof(*d->v), by_value);
}

/* A list of free objects that is as long as its allocator says. */
static bool add_free_list(const struct image *img, const uint8_t *words, struct gtc_dead *d)
{
	uint64_t at = load_u64(words + METADATA_FREE_LIST), in_use = load_u64(words + METADATA_IN_USE);
	uint64_t all = load_u64(words + METADATA_IN_USE + 8);
	size_t before = d->n;

	if (in_use >= all || all > DEAD_MAX)
		return true;
	for (uint64_t i = 0; i < all - in_use; i++) {
		if (!gtc_is_metadata(at) || d->n >= DEAD_MAX)
			goto none;
		if (!vec_push(d, &at))
			return false;
		if (image_read_u64(img, at, &at) != MEM_OK)
			goto none;
	}
	if (!at)
		return true;
none:
	d->n = before;
	return true;
}

/* Of every MetadataObjectAllocator in the module's data: its arena lies there too. */
static bool find_dead(const struct image *img, struct gtc_copy *c)
{
	struct module_data data = module_data(img);
	struct gtc_dead *d = &c->dead;
	const struct segment *seg;

	while ((seg = module_data_next(&data))) {
		uint64_t n = seg->end - seg->start;

		for (uint64_t i = 0; n >= METADATA_SIZE && (i = module_data_skip(seg->bytes, i, n)) <= n - METADATA_SIZE;
		     i += 8) {
			const uint8_t *words = seg->bytes + i;

			if (gtc_is_metadata(load_u64(words + METADATA_FREE_LIST)) && load_u64(words) &&
			    image_module_at(img, load_u64(words)) == c->module && !add_free_list(img, words, d))
				return false;
		}
	}
	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), by_value);
	return true;
}

/* ---- processors */

/* Where the words of the first class begin in every slab: behind the headers, and a mark. */
static uint32_t first_begin(const struct gtc_copy *c)
{
	return (uint32_t)(align_up(4ull * c->n_classes, 8) / 8 + 1);
}

/* In front of the words of a class, of a slab that was ever used, lies the place's own address, and 1 (kBeginMark). */
static bool is_marked(const struct image *img, taddr slab, uint64_t begin)
{
	taddr at = slab + 8 * (begin - 1);
	uint64_t mark;

	return image_read_u64(img, at, &mark) == MEM_OK && mark == (at | 1);
}

/* A header of 0 was never written. */
static bool is_slab(const struct image *img, const struct gtc_copy *c, taddr slab)
{
	uint32_t headers[GTC_CLASSES], good = 0;

	if (image_read(img, slab, headers, 4ull * c->n_classes) != MEM_OK)
		return false;
	for (uint32_t k = 1; k < c->n_classes; k++)
		good += (headers[k] & 0xffff) >= c->slab_begin[k] && (headers[k] & 0xffff) <= headers[k] >> 16;
	return good >= c->n_classes - 1 - c->n_classes / 16 && is_marked(img, slab, first_begin(c));
}

/* Each class begins behind the one before; of those that do not, a few, 0 is kept: it is lost. */
static uint32_t read_begins(const struct image *img, struct gtc_copy *c, taddr at, unsigned shift)
{
	uint32_t last = first_begin(c), good = 0;
	uint16_t *begin = c->slab_begin;

	if (!gtc_is_metadata(at) || image_read(img, at, begin, 2ull * c->n_classes) != MEM_OK)
		return 0;
	for (uint32_t k = 1; k < c->n_classes; k++) {
		if (begin[k] < last || begin[k] > 1u << shift >> 3 ||
		    (k + 2 < c->n_classes && begin[k + 1] < begin[k] && begin[k + 2] < begin[k])) {
			begin[k] = 0;
		} else {
			last = begin[k];
			good++;
		}
	}
	return good;
}

/*
 * slabs_and_shift_, stopped_, begins_: two of them, which agree, are enough to say that the third is wrong.
 * Since November 2025 how many processors there are follows where a byte of each lies (state_).
 */
static bool try_slabs(struct gtcmalloc *t, struct gtc_copy *c, taddr at, const uint8_t *words, uint64_t n_words,
		      bool *ret_memory)
{
	uint64_t raw = load_u64(words), stopped = load_u64(words + 8), third = load_u64(words + 16);
	bool counted = !gtc_is_metadata(third) && n_words > 3;
	taddr begins = counted ? load_u64(words + 24) : third, slabs = raw & ~0xffull;
	uint64_t cpus = counted ? third : begins - stopped;
	unsigned shift = raw & 0xff;
	bool has_slabs = shift >= SHIFT_MIN && shift <= SHIFT_MAX && gtc_is_metadata(slabs);
	bool has_cpus = gtc_is_metadata(stopped) && cpus && cpus <= GTC_CPUS_MAX;
	uint32_t want = c->n_classes - 1, good;

	if (!has_slabs && !has_cpus)
		return false;
	good = read_begins(t->img, c, begins, has_slabs ? shift : SHIFT_MAX);
	if (good < want - want / 16)
		return false;
	if (!has_slabs) {
		tc_damage(&t->spans, at, "caches of processors: 0x%lx leads to none; what they hold counts as used", at);
		return true;
	}
	if (good < want || !has_cpus)
		tc_damage(&t->spans, has_cpus ? begins : at, "caches of processors at 0x%lx: what is said of them at 0x%lx is overwritten",
			   slabs, has_cpus ? begins : at);
	image_keep(t->img, at, counted ? 32 : 24);
	c->slabs = slabs;
	c->slab_shift = (uint8_t)shift;
	for (uint32_t cpu = 0; cpu < (has_cpus ? cpus : GTC_CPUS_MAX) && *ret_memory; cpu++)
		if (is_slab(t->img, c, slabs + ((taddr)cpu << shift)))
			*ret_memory = add_cache(c, GTC_CPU, slabs + ((taddr)cpu << shift), cpu);
	return true;
}

uint32_t gtc_slab_begin(const struct image *img, const struct gtc_copy *c, taddr slab, uint32_t class, uint32_t current)
{
	uint32_t begin = c->slab_begin[class];

	for (uint32_t at = current; !begin && at > first_begin(c) && current - at < 1u << c->slab_shift >> 3; at--)
		if (is_marked(img, slab, at))
			begin = at;
	return begin ? begin : current;
}

/* ---- threads */

static uint64_t lists_bytes(const struct gtc_copy *c)
{
	return (uint64_t)c->n_classes * GCACHE_LIST;
}

/* Do its neighbours lead back, or, where it has none, do its lists make up its size? */
static bool is_linked(const struct image *img, const struct gtc_copy *c, taddr at, uint64_t bytes)
{
	taddr behind = at + lists_bytes(c);
	uint64_t size, links[2], back;

	if (image_read_u64(img, behind, &size) != MEM_OK || image_read(img, behind + GCACHE_NEXT, links, sizeof(links)) != MEM_OK)
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (links[i] && (image_read_u64(img, links[i] + lists_bytes(c) + GCACHE_NEXT + 8 * !i, &back) != MEM_OK || back != at))
			return false;
	return links[0] || links[1] || size == bytes;
}

static bool is_thread_cache(const struct image *img, const struct gtc_copy *c, taddr at)
{
	uint8_t lists[GTC_CLASSES * GCACHE_LIST];
	uint64_t bytes = 0;
	uint32_t good = 0;

	if (!gtc_is_metadata(at) || gtc_is_dead(c, at) || image_read(img, at, lists, lists_bytes(c)) != MEM_OK)
		return false;
	for (uint32_t k = 0; k < c->n_classes; k++) {
		const uint8_t *list = lists + (size_t)k * GCACHE_LIST;
		uint32_t max = load_u32(list + GCACHE_MAX_LENGTH);

		bytes += load_u32(list + GCACHE_LENGTH) * c->class[k].size;
		good += max && max <= MAX_LENGTH && !load_u64(list) == !load_u32(list + GCACHE_LENGTH);
	}
	return good >= c->n_classes - c->n_classes / 16 && is_linked(img, c, at, bytes);
}

/* On x86-64 and AArch64 a pthread_t of glibc's is where the thread's control block is, near its thread pointer. */
static uint32_t thread_of(const struct image *img, taddr pthread)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].tp - pthread <= 4096 && img->threads[i].tp)
			return img->threads[i].tid;
	return 0;
}

/* thread_heaps_ leads to one of them, next_ to all others. */
static bool try_threads(const struct image *img, struct gtc_copy *c, taddr at)
{
	if (!is_thread_cache(img, c, at))
		return true;
	for (uint32_t i = 0; i < GTC_CACHES_MAX && is_thread_cache(img, c, at); i++) {
		taddr behind = at + lists_bytes(c);
		uint64_t tid = 0, next = 0;

		if (image_read_u64(img, behind + GCACHE_TID, &tid) != MEM_OK ||
		    image_read_u64(img, behind + GCACHE_NEXT, &next) != MEM_OK)
			break;
		if (!add_cache(c, GTC_THREAD, at, thread_of(img, tid)))
			return false;
		at = next;
	}
	return true;
}

/* ---- shards of transfer caches */

static bool is_shard(const struct image *img, struct gtc_copy *c, taddr caches)
{
	for (unsigned at = SHARD_TC_CLASS; at <= SHARD_TC_CLASS_MAX; at += 8) {
		uint32_t k = 0, class;

		while (k < c->n_classes && image_read_u32(img, caches + (taddr)k * SHARD_TC_SIZE + at, &class) == MEM_OK &&
		       class == k)
			k++;
		if (k == c->n_classes) {
			c->shard_class = (uint8_t)at;
			return true;
		}
	}
	return false;
}

/* shards_, num_shards_, active_shards_ */
static bool try_shards(const struct image *img, struct gtc_copy *c, taddr at, const uint8_t *words)
{
	uint64_t shards = load_u64(words), caches;
	uint32_t n = load_u32(words + 8), active = load_u32(words + 12);

	if (!n || n > SHARDS_MAX || !active || active > n || !gtc_is_metadata(shards))
		return true;
	for (uint32_t i = 0; i < n; i++) {
		if (image_read_u64(img, shards + (taddr)i * SHARD_SIZE, &caches) != MEM_OK || !gtc_is_metadata(caches) ||
		    !is_shard(img, c, caches))
			continue;
		image_keep(img, at, 16);
		if (!add_cache(c, GTC_SHARD, caches, i))
			return false;
	}
	return true;
}

/* ---- all */

struct err *gtc_find_caches(struct gtcmalloc *t, struct gtc_copy *c)
{
	struct module_data d = module_data(t->img);
	const struct segment *seg;
	bool memory = find_dead(t->img, c);

	if (memory && c->has_slots)
		memory = add_cache(c, GTC_TRANSFER, c->central, 0);
	while (memory && (seg = module_data_next(&d))) {
		uint64_t n = seg->end - seg->start, next = 0; /* word behind i that is not 0 */

		for (uint64_t i = 0; n >= 24 && i <= n - 24 && memory; i += 8) {
			const uint8_t *words = seg->bytes + i;

			if (next < i + 8)
				next = module_data_skip(seg->bytes, i + 8, n);
			if (!load_u64(words) && next > i + 8) {
				i = next - 16;
				continue;
			}
			if ((!gtc_is_metadata(load_u64(words) & ~0xffull) && !gtc_is_metadata(load_u64(words + 8))) ||
			    image_module_at(t->img, seg->start + i) != c->module)
				continue;
			if (!c->slabs && try_slabs(t, c, seg->start + i, words, (n - i) / 8, &memory))
				continue;
			if (is_thread_cache(t->img, c, load_u64(words)))
				image_keep(t->img, seg->start + i, 8);
			memory = memory && try_threads(t->img, c, load_u64(words)) &&
				 try_shards(t->img, c, seg->start + i, words);
		}
	}
	return memory ? NULL : &err_nomem;
}
