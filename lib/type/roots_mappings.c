/*
 * type/roots_mappings.c - every other writable mapping, shared and file-backed ones too, but for
 * devices, as memcheck does.  Heaps, stacks and module data in it were named before.
 */
#include "type/rooter.h"

static bool is_device(const char *file)
{
	return file && !strncmp(file, "/dev/", 5) && strncmp(file, "/dev/zero", 9) && strncmp(file, "/dev/shm/", 9);
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink)
{
	(void)env;
	(void)blocks;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		struct root_source source = {
			.kind = ROOT_ANON, .thread = UINT32_MAX, .module = -1, .start = seg->start, .end = seg->end,
		};
		struct err *err;

		if ((seg->flags & (SEG_R | SEG_W)) != (SEG_R | SEG_W) || !seg->bytes || seg->zero_reserve ||
		    is_device(seg->file))
			continue;
		err = sink->range(sink, &source);
		if (err)
			return err;
	}
	return NULL;
}

extern const struct rooter_ops rooter_mappings;
const struct rooter_ops rooter_mappings = { .name = "mappings", .find = find };
