/* module_data.c - the segments that may hold an allocator's own variables. */
#include "heap/module_data.h"

enum { BSS_MAX = 64 << 20 };

struct module_data module_data(const struct image *img)
{
	struct module_data d = { .img = img, .nameless = true };

	for (size_t i = 0; i < img->n_segments && d.nameless; i++)
		d.nameless = img->segments[i].module < 0;
	return d;
}

static bool is_data(const struct module_data *d, size_t i)
{
	const struct segment *seg = &d->img->segments[i], *prev = i ? seg - 1 : NULL;

	if (!seg->bytes || !(seg->flags & SEG_W) || seg->zero_reserve)
		return false;
	if (seg->module >= 0)
		return true;
	if (seg->file || seg->end - seg->start > BSS_MAX)
		return false;
	return d->nameless ||
	       (prev && prev->end == seg->start && prev->module >= 0 && prev->flags & SEG_W);
}

const struct segment *module_data_next(struct module_data *d)
{
	while (d->next < d->img->n_segments)
		if (is_data(d, d->next++))
			return &d->img->segments[d->next - 1];
	return NULL;
}
