/* touched.c - whole pages that hold anything but zeros. */
#include "heap/touched.h"

#include "base/bits.h"

enum { PAGE = 4096 };

uint64_t touched_pages(const struct image *img, taddr start, taddr end)
{
	taddr at = align_up(start, PAGE);
	uint64_t sum = 0;

	while (at >= start && at < end && end - at >= PAGE) {
		uint64_t avail, n;
		const uint8_t *b = image_view(img, at, &avail);

		if (!b) {
			const struct segment *seg = image_segment(img, at);

			if (!seg || seg->end <= at)
				break;
			at = align_up(seg->end, PAGE);
			continue;
		}
		if (!avail)
			break;
		n = avail < end - at ? avail : end - at;
		for (; n >= PAGE; n -= PAGE, at += PAGE, b += PAGE)
			sum += bytes_are_zero(b, PAGE) ? 0 : PAGE;
		at += n ? PAGE : 0; /* a page of two segments */
	}
	return sum;
}
