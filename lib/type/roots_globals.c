/*
 * type/roots_globals.c - the data of modules: .data, .bss, and what was made read-only after
 * relocation (RELRO).
 *
 * memcheck takes writable memory alone, and calls lost what libc's start-up keeps in RELRO
 * variables (the search paths of a static program): docs/valgrind.md.
 */
#include "type/rooter.h"

static int32_t data_of(const struct image *img, const struct segment *seg)
{
	if (seg->module < 0 && seg->start >= img->brk_start && seg->start < img->brk_end)
		return -1; /* without randomisation the brk heap begins where a .bss does */
	return image_data_module(img, seg);
}

/* Read-only, written once, and right before the module's writable data: the RELRO part of it. */
static bool is_relro(const struct image *img, size_t i)
{
	const struct segment *seg = &img->segments[i], *next = seg + 1;

	return i + 1 < img->n_segments && seg->origin == SEG_CORE && seg->flags == SEG_R && seg->module >= 0 &&
	       next->start == seg->end && next->module == seg->module && next->flags & SEG_W;
}

static bool is_data(const struct image *img, size_t i)
{
	const struct segment *seg = &img->segments[i];

	if (!seg->bytes || seg->zero_reserve)
		return false;
	return (seg->flags & (SEG_R | SEG_W)) == (SEG_R | SEG_W) || is_relro(img, i);
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink)
{
	(void)env;
	(void)blocks;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		struct root_source source = {
			.kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1, .start = seg->start, .end = seg->end,
		};
		struct err *err = NULL;

		if (!is_data(img, i))
			continue;
		source.module = data_of(img, seg);
		if (source.module >= 0)
			err = sink->range(sink, &source);
		if (err)
			return err;
	}
	return NULL;
}

extern const struct rooter_ops rooter_globals;
const struct rooter_ops rooter_globals = { .name = "globals", .find = find };
