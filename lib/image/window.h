/*
 * image/window.h - image_view() for who reads address after address: the segment used last is tried first.
 */
#ifndef HEAPFX_IMAGE_WINDOW_H
#define HEAPFX_IMAGE_WINDOW_H

#include "image/image.h"

struct image_window {
	taddr start, end; /* of the segment used last and what lies behind it; zeros: none yet */
	const uint8_t *bytes;
};

static inline bool window_has(const struct image_window *w, taddr at)
{
	return at - w->start < w->end - w->start;
}

/* As image_view(); always of the same image. */
static inline const uint8_t *window_view(struct image_window *w, const struct image *img, taddr at,
					 uint64_t *ret_avail)
{
	if (!window_has(w, at)) {
		const struct segment *seg = image_segment(img, at);

		if (!seg || !seg->bytes)
			return NULL;
		*w = (struct image_window){ seg->start, seg->end + seg->behind, seg->bytes };
	}
	*ret_avail = w->end - at;
	return w->bytes + (at - w->start);
}

#endif
