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

/* Pieces are left when more than a third of them were touched, each counted once. */
static void touched_pieces_are_bounded(void **state)
{
	enum { PIECES = 100, PIECE = 1 << RESIDENT_PIECE_SHIFT };
	uint8_t *room = mmap(NULL, (PIECES + 1ul) * PIECE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *map = (uint8_t *)(((uintptr_t)room + PIECE - 1) / PIECE * PIECE);
	struct resident_bound b;
	struct world w;

	(void)state;
	assert_ptr_not_equal(room, MAP_FAILED);
	make(&w, map, true);
	w.core.size = (uint64_t)PIECES * PIECE;
	assert_null(resident_bound_open(&w.img, w.core.size, &b));
	for (unsigned again = 0; again < 2; again++) {
		map[0] = 0x5a;
		for (unsigned i = 0; i < 33 * 3; i++)
			resident_touch(&b, map + (uint64_t)(i % 33) * PIECE + i);
		resident_touch(&b, map - 1);
		resident_touch(&b, map + w.core.size);
		assert_int_equal(map[0], 0x5a);
		resident_touch(&b, map + 99ul * PIECE);
		assert_int_equal(map[0], 0);
		resident_bound_close(&b);
		assert_null(resident_bound_open(&w.img, w.core.size, &b));
	}
	resident_bound_close(&b);
	w.core.in_file = false;
	map[0] = 0x5a;
	assert_null(resident_bound_open(&w.img, w.core.size, &b));
	for (unsigned i = 0; i < PIECES; i++)
		resident_touch(&b, map + (uint64_t)i * PIECE);
	assert_int_equal(map[0], 0x5a);
	resident_bound_close(&b);
	munmap(room, (PIECES + 1ul) * PIECE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_stays),
		cmocka_unit_test(pages_are_left),
		cmocka_unit_test(touched_pieces_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
