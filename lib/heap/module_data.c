/* module_data.c - the segments that may hold an allocator's own variables. */
#include "base/bits.h"
#include "heap/module_data.h"

enum {
	BSS_MAX = 64 << 20, /* behind one module */
	ZEROS = 512,	    /* passed over at once */
};

struct module_data module_data(const struct image *img)
{
	struct module_data d = { .img = img, .nameless = true };

	for (size_t i = 0; i < img->n_segments && d.nameless; i++)
		d.nameless = img->segments[i].module < 0;
	return d;
}

static bool is_data(struct module_data *d, const struct segment *seg)
{
	bool behind = d->bss_end && d->bss_end == seg->start;

	d->bss_end = 0;
	if (!seg->bytes || !(seg->flags & SEG_W) || seg->zero_reserve)
		return false;
	if (seg->module >= 0) {
		d->bss_end = d->img->modules[seg->module].is_whole ? 0 : seg->end;
		d->bss_bytes = 0;
		return true;
	}
	if (seg->file || seg->end - seg->start > BSS_MAX - d->bss_bytes)
		return false;
	if (!behind)
		return d->nameless;
	d->bss_end = seg->end;
	d->bss_bytes += seg->end - seg->start;
	return true;
}

const struct segment *module_data_next(struct module_data *d)
{
	while (d->next < d->img->n_segments) {
		const struct segment *seg = &d->img->segments[d->next++];

		if (is_data(d, seg))
			return seg;
	}
	return NULL;
}

uint64_t module_data_skip(const uint8_t *bytes, uint64_t at, uint64_t n)
{
	for (;;) {
		if (n - at < 8)
			return n;
		if (load_u64(bytes + at))
			return at;
		at += 8;
		/* Now and then: where words that are not 0 stand between, the look ahead would be in vain each time. */
		while (!(at & (ZEROS - 1)) && n - at > ZEROS && bytes_are_zero(bytes + at, ZEROS))
			at += ZEROS;
	}
}
