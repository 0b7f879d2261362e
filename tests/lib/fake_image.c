/* tests/lib/fake_image.c - see the header. A mistake in a table is one in the test: it stops. */
#include "fake_image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "heap/blocks.h"

struct fake_image *fake_image_new(struct env *env, const struct fake_mapping *mappings,
				  const struct fake_word *words)
{
	struct fake_image *f = calloc(1, sizeof(*f));
	size_t n = 0;

	assert(f);
	for (; mappings[n].size; n++) {
		assert(n < FAKE_SEGMENTS);
		f->segments[n] = (struct segment){
			.start = mappings[n].start,
			.end = mappings[n].start + mappings[n].size,
			.bytes = mappings[n].absent ? NULL : calloc(1, mappings[n].size),
			.flags = mappings[n].flags,
			.origin = mappings[n].absent ? SEG_NONE : SEG_CORE,
			.load = (uint32_t)n,
			.module = mappings[n].module - 1,
		};
		assert(mappings[n].absent || f->segments[n].bytes);
	}
	f->target = (struct target){ .id = TARGET_X86_64, .name = "x86_64", .tls_below_tp = 1 };
	f->modules[0].path = "prog";
	f->modules[1].path = "libx.so";
	f->img = (struct image){
		.env = env,
		.target = &f->target,
		.segments = f->segments,
		.n_segments = n,
		.modules = f->modules,
		.n_modules = ARRAY_SIZE(f->modules),
	};
	for (; words->at; words++)
		fake_image_put(f, words->at, words->value);
	return f;
}

uint8_t *fake_image_bytes(struct fake_image *f, taddr at)
{
	for (size_t i = 0; i < f->img.n_segments; i++) {
		const struct segment *s = &f->segments[i];

		if (s->bytes && at >= s->start && at < s->end)
			return (uint8_t *)s->bytes + (at - s->start);
	}
	assert(!"memory outside every mapping");
	return NULL;
}

void fake_image_put(struct fake_image *f, taddr at, uint64_t value)
{
	memcpy(fake_image_bytes(f, at), &value, sizeof(value));
}

void fake_image_free(struct fake_image *f)
{
	for (size_t i = 0; i < f->img.n_segments; i++)
		free((uint8_t *)f->segments[i].bytes);
	free(f);
}

/* ---- walkers: one for each place of the table of heaps ---- */

static const struct fake_heap *heap_of(const struct image *img, unsigned i)
{
	return &((const struct fake_image *)img)->heaps[i];
}

static struct err *open_heap(const struct image *img, unsigned i, void **ret)
{
	const struct fake_heap *h = heap_of(img, i);

	if (h->unreadable)
		return err_new(ERR_FORMAT, "the fake heap %u is not to be opened", i);
	*ret = (void *)h;
	return NULL;
}

static struct err *claim(void *ctx, struct claim_sink *sink)
{
	const struct fake_heap *h = ctx;

	for (unsigned i = 0; i < FAKE_CLAIMS && (h->claims[i].start || h->claims[i].end); i++) {
		struct err *err = sink->add(sink, &h->claims[i]);

		if (err)
			return err;
	}
	return NULL;
}

static struct err *walk(void *ctx, uint32_t no, struct block_sink *sink)
{
	const struct fake_heap *h = ctx;
	const struct claim *c = &h->claims[no];

	for (unsigned i = 0; i < FAKE_BLOCKS && h->blocks[i].at; i++) {
		const struct fake_block *b = &h->blocks[i];

		if (b->at < c->start + c->bias || b->at >= c->end + c->bias)
			continue;
		if (b->state == '.')
			block_sink_gap(sink, b->at);
		else
			block_sink_add(sink, b->at, b->state == 'u');
	}
	for (uint32_t i = 0; i < h->freed.n; i++)
		block_sink_add(sink, h->freed.at + 32 * i, false);
	return NULL;
}

static const struct heap_info *info(void *ctx)
{
	static const struct heap_info none = { .allocator = "fake" };

	(void)ctx;
	return &none;
}

static const char *explain(void *ctx, taddr block, struct text *ret)
{
	(void)ctx;
	(void)block;
	(void)ret;
	return "free list";
}

static void no_close(void *ctx)
{
	(void)ctx;
}

static void slots(void *ctx, uint32_t no, taddr at, unsigned n, uint64_t *mask)
{
	const struct fake_heap *h = ctx;

	(void)no;
	memset(mask, 0, bits_words(n) * sizeof(*mask));
	for (unsigned i = 0; i < FAKE_SLOTS && h->slots[i]; i++)
		if (h->slots[i] >= at && h->slots[i] < at + 8 * n)
			bit_set(mask, (h->slots[i] - at) / 8);
}

#define WALKER(i, ...)                                                                            \
	static void bid_##i(struct env *env, const struct image *img, struct walker_bid *ret)  \
	{                                                                                      \
		(void)env;                                                                     \
		ret->score = heap_of(img, i)->score;                                           \
	}                                                                                      \
	static struct err *open_##i(struct env *env, const struct image *img, void **ret)      \
	{                                                                                      \
		(void)env;                                                                     \
		return open_heap(img, i, ret);                                                 \
	}                                                                                      \
	static const struct walker_ops walker_##i = {                                          \
		.name = "fake" #i,                                                             \
		.links = 8,                                                                    \
		.bid = bid_##i,                                                                \
		.open = open_##i,                                                              \
		.claim = claim,                                                                \
		.walk = walk,                                                                  \
		.info = info,                                                                  \
		.explain = explain,                                                            \
		.close = no_close,                                                             \
		__VA_ARGS__                                                                    \
	}

WALKER(0);
WALKER(1);
WALKER(2);
WALKER(3, .precise = true, .slots = slots);

const struct walker_ops *const fake_walkers[] = { &walker_0, &walker_1, &walker_2, &walker_3, NULL };
