/*
 * result_fuzz.c - saved results whose maker is not heapfx: words of one are overwritten, checksums
 * made right again, and all of it is read.
 *
 * The input is a list of 12-byte patches: where, and what to put there.
 */
#include "fuzz.h"
#include "result.h"

static char *whole, *bytes;
static size_t size;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cursor c = cursor_init(data, n, "patches", 0);

	if (!whole) {
		whole = result_make(&size);
		bytes = aligned_alloc(SECTION_ALIGN, align_up(size, SECTION_ALIGN));
		if (!bytes)
			abort();
	}
	memcpy(bytes, whole, size);
	while (cursor_left(&c) >= 12) {
		uint32_t at = cursor_u32(&c);
		uint64_t value = cursor_u64(&c);
		unsigned width = 1u << (at >> 30);

		memcpy(bytes + (at & 0x3fffffff) % (size - 8), &value, width);
	}
	result_fix_hashes(bytes, size);
	(void)result_use(bytes, size);
	return 0;
}
