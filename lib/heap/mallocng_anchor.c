/*
 * mallocng_anchor.c - find malloc_context in the data of modules: by its shape, or by its symbol.
 *
 * The shape: a secret, `init_done` of 1, and the first and the last of a list of meta areas, which
 * are pages' starts that begin with that very secret.  It needs no symbols, no code and no file.
 * The secret is 8 of the 16 random bytes that the kernel gives (AT_RANDOM): this confirms it.
 */
#include "heap/mallocng.h"
#include "heap/module_data.h"

enum {
	AUXV_RANDOM = 25,
	/* Offsets without a page size; it moves all but the secret by 8. */
	CTX_INIT_DONE = 8,
	CTX_AREA_HEAD = 56,
	CTX_AREA_TAIL = 64,
	CTX_ACTIVE = 80,
	CTX_USAGE = CTX_ACTIVE + 8 * NG_CLASSES,
	CTX_END = CTX_USAGE + 8 * NG_CLASSES,
	AREA_SLOTS = 16,
};

static bool is_area(const struct image *img, taddr at, uint64_t secret)
{
	uint64_t check;
	uint32_t n;

	return at && !(at & (NG_AREA - 1)) && image_read_u64(img, at, &check) == MEM_OK &&
	       check == secret && image_read_u32(img, at + AREA_SLOTS, &n) == MEM_OK &&
	       n == NG_AREA_METAS;
}

/* True for a context with areas: a process that never called malloc has none. */
static bool read_context(const struct image *img, taddr at, bool has_page_size,
			 struct ng_context *ret)
{
	struct ng_context c = { .at = at, .has_page_size = has_page_size };
	taddr rest = at + (has_page_size ? 8 : 0);
	uint32_t done;

	if (image_read_u64(img, at, &c.secret) != MEM_OK || !c.secret ||
	    image_read_u32(img, rest + CTX_INIT_DONE, &done) != MEM_OK || done != 1 ||
	    image_read_u64(img, rest + CTX_AREA_HEAD, &c.head) != MEM_OK ||
	    image_read_u64(img, rest + CTX_AREA_TAIL, &c.tail) != MEM_OK)
		return false;
	/* One of the two may be damaged. */
	if (!is_area(img, c.head, c.secret) && !is_area(img, c.tail, c.secret))
		return false;
	if (image_read(img, rest + CTX_ACTIVE, c.active, sizeof(c.active)) != MEM_OK ||
	    image_read(img, rest + CTX_USAGE, c.usage, sizeof(c.usage)) != MEM_OK)
		return false;
	*ret = c;
	return true;
}

static bool try_context(const struct image *img, taddr at, struct ng_context *ret)
{
	return read_context(img, at, false, ret) || read_context(img, at, true, ret);
}

/* Cheap: most words are no secret with `init_done` behind them. */
static bool may_be_context(const uint8_t *bytes)
{
	return (load_u32(bytes + CTX_INIT_DONE) == 1 || load_u32(bytes + 8 + CTX_INIT_DONE) == 1) &&
	       load_u64(bytes);
}

static bool search_segment(const struct image *img, const struct segment *seg,
			   struct ng_context *ret)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t at = 0; at + 8 <= n; at += 8)
		/* One may begin at the very end of a mapping and go on in the next. */
		if ((n - at < 24 || may_be_context(seg->bytes + at)) &&
		    try_context(img, seg->start + at, ret))
			return true;
	return false;
}

static bool search_data(const struct image *img, struct ng_context *ret)
{
	struct module_data d = module_data(img);
	const struct segment *seg;

	while ((seg = module_data_next(&d)))
		if (search_segment(img, seg, ret))
			return true;
	return false;
}

static taddr find_random(const struct image *img, uint64_t secret)
{
	taddr at = image_auxv(img, AUXV_RANDOM, 0);
	uint64_t word;

	return at && image_read_u64(img, at + 8, &word) == MEM_OK && word == secret ? at + 8 : 0;
}

bool ng_find_context(struct env *env, const struct image *img, struct ng_context *ret)
{
	struct symbol sym;

	(void)env;
	ret->at = 0;
	if (image_symbol(img, NULL, "__malloc_context", &sym) && try_context(img, sym.addr, ret))
		ret->by_symbol = true;
	else if (!search_data(img, ret))
		return false;
	ret->random = find_random(img, ret->secret);
	return true;
}
