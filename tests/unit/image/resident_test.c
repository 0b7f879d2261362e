/* What a pass leaves comes back as it was; memory that is no file's is not touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/resident.h"

enum { SIZE = 1 << 20, START = 0x10000 };

struct world {
	struct member core;
	struct segment segments[2];
	struct image img;
};

/* Two segments with a hole between them, the second at an odd place of the file. */
static void make(struct world *w, const uint8_t *bytes, bool in_file)
{
	*w = (struct world){
		.core = { .map = bytes, .size = SIZE, .in_file = in_file },
		.segments = {
			{ .start = START, .end = START + SIZE / 4, .bytes = bytes, .origin = SEG_CORE },
			{ .start = START + SIZE / 2, .end = START + SIZE, .bytes = bytes + SIZE / 2 - 24,
			  .origin = SEG_CORE },
		},
	};
	w->img = (struct image){ .core = &w->core, .segments = w->segments, .n_segments = 2 };
}

static void leave_ways(const struct image *img)
{
	struct resident_pass pass = { img };

	image_expect(img, 0, UINT64_MAX);
	image_leave(img, START + 1, START + SIZE - 1);
	image_leave(img, START + SIZE, START);
	image_leave(img, 0, START);
	image_leave_all(img);
	resident_pass_at(&pass, START);
	resident_pass_at(&pass, START + 2 * (uint64_t)RESIDENT_WINDOW);
	resident_pass_at(&pass, START);
}

static void memory_stays(void **state)
{
	_free_ uint8_t *bytes = malloc(SIZE);
	struct world w;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 0x5a, SIZE);
	make(&w, bytes, false);
	leave_ways(&w.img);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(bytes[i], 0x5a);
	w.img.core = NULL;
	leave_ways(&w.img);
}

/* A file's pages as an anonymous mapping has them: what is left of it is zeros again. */
static void pages_are_left(void **state)
{
	uint8_t *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct world w;

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	memset(map, 0x5a, SIZE);
	make(&w, map, true);
	image_leave(&w.img, START, START + SIZE / 4);
	assert_int_equal(map[0], 0);
	assert_int_equal(map[SIZE / 4 - 1], 0);
	assert_int_equal(map[SIZE / 2 + 65536], 0x5a);
	image_leave_all(&w.img);
	assert_int_equal(map[SIZE - 1], 0);
	munmap(map, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_stays),
		cmocka_unit_test(pages_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
