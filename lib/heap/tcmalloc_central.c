/*
 * tcmalloc_central.c - a copy's size classes, central free lists and thread caches, by their structure.
 *
 * gperftools src/{common,central_freelist,thread_cache}.h, 2.8 to 2.18.  They lie in the data of the module
 * that has the page heap: SizeMap as ascending sizes up to 256 KiB with the number of classes behind, the
 * central lists as records that count their classes up, a ThreadCache as 128 lists that repeat the sizes.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/tcmalloc_fields.h"

enum {
	SIZES_MIN = 20,		/* classes; 2.8 to 2.18 have 86 to 91 */
	SIZE_BYTES = 4 * TCM_CLASSES,
	PAGES_BYTES = 8 * TCM_CLASSES,
	STRIDE_MIN = 128,
	STRIDE_MAX = 4096,
	TLS_MAX = 64 << 10,	/* of one thread, looked at */
};

static bool is_data_of(const struct image *img, const struct segment *seg, const struct module *m)
{
	return seg->bytes && seg->flags & SEG_W && seg->module >= 0 && &img->modules[seg->module] == m;
}

/* ---- SizeMap */

/* A size that does not ascend past both of its neighbours' is wrong, or one too large to be any. */
static bool size_fits(const uint32_t *size, uint32_t k, uint32_t n, uint32_t last)
{
	if (size[k] <= last || size[k] > TCM_MAX_SIZE || size[k] & 7)
		return false;
	return k + 2 >= n || size[k] < size[k + 1] || size[k] < size[k + 2];
}

/* Of the first n classes, those whose size is overwritten become TCM_SIZE_LOST; how many. */
static uint32_t drop_sizes(uint32_t *size, uint32_t n)
{
	uint32_t last = 0, n_lost = 0;

	for (uint32_t k = 1; k < n; k++) {
		if (size_fits(size, k, n, last)) {
			last = size[k];
		} else {
			size[k] = TCM_SIZE_LOST;
			n_lost++;
		}
	}
	return n_lost;
}

/*
 * class_to_size_[128] and class_to_pages_[128] from `at` on: 0, then sizes that ascend to 256 KiB, then
 * nothing, and the number of classes behind, as num_size_classes or behind min_span_size_in_pages_.  A few
 * of them may be damaged.
 */
static bool read_sizes(const struct image *img, taddr at, struct tcm_copy *c)
{
	uint32_t size[TCM_CLASSES], n = 1;
	taddr pages_at = align_up(at + SIZE_BYTES, 8);
	uint64_t behind[2] = {};

	if (image_read(img, at, size, sizeof(size)) != MEM_OK ||
	    image_read(img, pages_at + PAGES_BYTES, behind, sizeof(behind)) != MEM_OK)
		return false;
	while (n < TCM_CLASSES && size[n])
		n++;
	for (unsigned i = 0; i < 2; i++)
		if (behind[i] > SIZES_MIN && behind[i] <= TCM_CLASSES && size[behind[i] - 1] == TCM_MAX_SIZE)
			n = (uint32_t)behind[i];
	if (n < SIZES_MIN || size[n - 1] != TCM_MAX_SIZE || drop_sizes(size, n) > n / 16)
		return false;
	memset(size + n, 0, (TCM_CLASSES - n) * sizeof(*size));
	memcpy(c->class_size, size, sizeof(size));
	c->class_size_at = at;
	c->n_classes = n;
	c->has_min_span = behind[0] != n;
	return true;
}

/* The first of its sizes are 0, 8, 16: two of them are enough. */
static bool may_be_sizes(const uint8_t *bytes)
{
	static const uint32_t first[] = { 0, 8, 16 };
	unsigned good = 0;

	if (!load_u64(bytes + 4)) /* most words */
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
		good += load_u32(bytes + 4 * i) == first[i];
	return good >= 2;
}

bool tcm_find_sizes(const struct image *img, struct tcm_copy *c)
{
	for (size_t s = 0; s < img->n_segments; s++) {
		const struct segment *seg = &img->segments[s];
		uint64_t n = seg->end - seg->start;

		if (!is_data_of(img, seg, c->module) || n < 16)
			continue;
		for (uint64_t i = 0; i <= n - 16; i += 4)
			if (may_be_sizes(seg->bytes + i) && read_sizes(img, seg->start + i, c))
				return true;
	}
	return false;
}

/* Each thread cache has the sizes once more. */
static void mend_sizes(struct tcmalloc *t, struct tcm_copy *c)
{
	for (uint32_t k = 1; k < c->n_classes; k++) {
		uint32_t found = TCM_SIZE_LOST, size;

		if (c->class_size[k] != TCM_SIZE_LOST)
			continue;
		for (size_t i = 0; i < c->caches.n && found == TCM_SIZE_LOST; i++)
			if (image_read_u32(t->img, c->caches.v[i].addr + k * CACHE_LIST + CACHE_LIST_SIZE, &size) ==
				    MEM_OK &&
			    size > c->class_size[k - 1] && size <= TCM_MAX_SIZE && !(size & 7))
				found = size;
		c->class_size[k] = found;
		tc_damage(&t->spans, c->class_size_at + 4 * k, "size class %u: its size at 0x%lx is overwritten; %s", k,
			   c->class_size_at + 4 * k,
			   found == TCM_SIZE_LOST ? "each of its spans counts as one block" :
						    "thread caches have it");
	}
}

/* ---- central_cache_ */

static bool is_central(const struct image *img, taddr at, uint64_t no)
{
	uint64_t class;

	return image_read_u64(img, at + CENTRAL_CLASS, &class) == MEM_OK && class == no &&
	       tcm_is_linked(img, at + CENTRAL_EMPTY) && tcm_is_linked(img, at + CENTRAL_NONEMPTY);
}

/* Three records in a row, from class 1 on, and most of the rest: some may be damaged. */
static bool try_central(const struct image *img, taddr second, uint32_t stride, struct tcm_copy *c)
{
	taddr first = second - stride;
	uint32_t good = 0;

	if (!is_central(img, second + stride, 2) || !is_central(img, second + 2 * stride, 3))
		return false;
	for (uint32_t i = 0; i < c->n_classes; i++)
		good += is_central(img, first + (uint64_t)i * stride, i);
	if (good < c->n_classes - c->n_classes / 16)
		return false;
	c->central = first;
	c->central_stride = stride;
	c->has_slots = stride >= CENTRAL_USED_SLOTS + 4;
	return true;
}

static void find_central(const struct image *img, const struct segment *seg, struct tcm_copy *c)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t i = CENTRAL_CLASS; n >= 64 && i <= n - 64; i += 8) {
		taddr at = seg->start + i - CENTRAL_CLASS;

		if (load_u64(seg->bytes + i) != 1 || !is_central(img, at, 1))
			continue;
		for (uint32_t stride = STRIDE_MIN; stride <= STRIDE_MAX; stride += 8)
			if (at - seg->start >= stride && try_central(img, at, stride, c))
				return;
	}
}

/* ---- ThreadCache */

static bool is_cache(const struct image *img, const struct tcm_copy *c, taddr at)
{
	unsigned good = 0;

	if (!at || at & 7)
		return false;
	for (uint32_t k = 1; k < c->n_classes; k++) {
		uint32_t size;

		if (image_read_u32(img, at + k * CACHE_LIST + CACHE_LIST_SIZE, &size) != MEM_OK)
			return false;
		good += size == c->class_size[k] || c->class_size[k] == TCM_SIZE_LOST;
		if (k == 4 && good < 3)
			return false;
	}
	return good >= c->n_classes - c->n_classes / 8;
}

static bool has_cache(const struct tcm_copy *c, taddr at)
{
	for (size_t i = 0; i < c->caches.n; i++)
		if (c->caches.v[i].addr == at)
			return true;
	return false;
}

static struct err *add_cache(struct tcm_copy *c, taddr at)
{
	struct tcm_cache cache = { .addr = at };

	if (has_cache(c, at) || c->caches.n >= TCM_CACHES_MAX)
		return NULL;
	return vec_push(&c->caches, &cache) ? NULL : &err_nomem;
}

/* What a static variable leads to: thread_heaps_ and next_memory_steal_. */
static struct err *find_caches(const struct image *img, const struct segment *seg, struct tcm_copy *c)
{
	uint64_t n = seg->end - seg->start;
	struct err *err = NULL;

	for (uint64_t i = 0; n >= 8 && i <= n - 8 && !err; i += 8) {
		taddr at = load_u64(seg->bytes + i);

		if (at && is_cache(img, c, at))
			err = add_cache(c, at);
	}
	return err;
}

/*
 * next_ and prev_ lie behind the lists, size_, max_size_ and the sampler, and, before 2.16, the
 * thread: the first pair of words in which next leads to a cache that leads back.
 */
static uint32_t links_of(const struct image *img, const struct tcm_copy *c, taddr cache)
{
	for (uint32_t at = CACHE_SIZE + 8; at < CACHE_LINKS_END; at += 8) {
		uint64_t next, prev, back;

		if (image_read_u64(img, cache + at, &next) != MEM_OK || image_read_u64(img, cache + at + 8, &prev) != MEM_OK)
			return 0;
		if (next && is_cache(img, c, next) && image_read_u64(img, next + at + 8, &back) == MEM_OK && back == cache)
			return at;
		if (prev && is_cache(img, c, prev) && image_read_u64(img, prev + at, &back) == MEM_OK && back == cache)
			return at;
	}
	return 0;
}

/* The list of all caches, from those that are known on, both ways. */
static struct err *follow_caches(const struct image *img, struct tcm_copy *c)
{
	for (size_t i = 0; i < c->caches.n && !c->cache_next; i++)
		c->cache_next = links_of(img, c, c->caches.v[i].addr);
	for (size_t i = 0; i < c->caches.n && c->cache_next; i++)
		for (unsigned way = 0; way < 2; way++) {
			uint64_t at;
			struct err *err = NULL;

			if (image_read_u64(img, c->caches.v[i].addr + c->cache_next + 8 * way, &at) == MEM_OK &&
			    is_cache(img, c, at))
				err = add_cache(c, at);
			if (err)
				return err;
		}
	return NULL;
}

static uint64_t tls_bytes(const struct image *img)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < img->n_modules; i++) {
		uint64_t size = img->modules[i].tls_size + img->modules[i].tls_align;

		sum += size < TLS_MAX ? size : TLS_MAX;
	}
	return sum < TLS_MAX ? sum : TLS_MAX;
}

static void note_owner(const struct image *img, struct tcm_copy *c, taddr at, uint32_t tid)
{
	uint32_t size;

	if (!at || image_read_u32(img, at + CACHE_LIST + CACHE_LIST_SIZE, &size) != MEM_OK || size != c->class_size[1])
		return;
	for (size_t k = 0; k < c->caches.n; k++)
		if (c->caches.v[k].addr == at)
			c->caches.v[k].tid = tid;
}

/*
 * threadlocal_data_ (from 2.16 tls_data_): words of a thread's static block, below its pointer on
 * x86-64 and above it on AArch64, that lead to a cache.
 */
static void find_owners(const struct image *img, struct tcm_copy *c)
{
	uint64_t n = tls_bytes(img);

	for (size_t i = 0; i < img->n_threads && c->caches.n; i++) {
		const struct thread *th = &img->threads[i];
		taddr tp = align_down(th->tp, 8);

		for (taddr at = tp - n; tp && at < tp + n; at += 8) {
			uint64_t word;

			if (image_read_u64(img, at, &word) == MEM_OK)
				note_owner(img, c, word, th->tid);
		}
	}
}

struct err *tcm_find_lists(struct tcmalloc *t, struct tcm_copy *c)
{
	const struct image *img = t->img;
	struct err *err;

	for (size_t s = 0; s < img->n_segments; s++) {
		const struct segment *seg = &img->segments[s];

		if (!is_data_of(img, seg, c->module))
			continue;
		if (!c->central)
			find_central(img, seg, c);
		err = find_caches(img, seg, c);
		if (err)
			return err;
	}
	err = follow_caches(img, c);
	if (err)
		return err;
	mend_sizes(t, c);
	find_owners(img, c);
	if (!c->central)
		tc_damage(&t->spans, c->lists, "page heap at 0x%lx: its central free lists are not to be found", c->lists);
	return NULL;
}
