/* touched.c - whole pages that hold anything but zeros. */
#include "heap/touched.h"

#include "base/bits.h"

enum { PAGE = 4096 };
#define ABSENT_MAX (16ull << 30)

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

bool is_believable(const struct image *img, taddr start, taddr end, uint64_t *absent)
{
	for (taddr at = start; at < end;) {
		const struct segment *seg = image_segment(img, at);
		taddr to = seg && seg->end < end ? seg->end : end;

		if (!seg)
			return false;
		if (!seg->bytes && absent) {
			if (to - at > ABSENT_MAX - *absent)
				return false;
			*absent += to - at;
		}
		at = to;
	}
	return true;
}
