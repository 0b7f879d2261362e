/* segments_build(): order, overlaps, dumped and absent parts, rows of NT_FILE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/parts.h"

enum { MAX = 6 };

struct want {
	taddr start, end;
	unsigned origin;
	uint32_t load;
	uint64_t offset; /* of the bytes in the dump */
	const char *file;
	uint64_t file_offset;
};

struct row {
	const char *name;
	struct load loads[MAX];
	struct mapped_file files[MAX];
	struct want want[MAX];
	size_t n_overlaps;
};

static const struct row rows[] = {
	{ "nothing", {}, {}, {}, 0 },
	{ "no order, one without contents",
	  { { 0x5000, 0x6000, 0x100, 0x1000, 6 }, { 0x1000, 0x2000, 0, 0, 5 } },
	  {},
	  { { 0x1000, 0x2000, SEG_NONE, 1 }, { 0x5000, 0x6000, SEG_CORE, 0, 0x100 } },
	  0 },
	{ "the dumped part, then the rest",
	  { { 0x1000, 0x4000, 0x20, 0x1000, 4 } },
	  {},
	  { { 0x1000, 0x2000, SEG_CORE, 0, 0x20 }, { 0x2000, 0x4000, SEG_NONE, 0 } },
	  0 },
	{ "nothing of size 0",
	  { { 0x1000, 0x1000, 0, 0, 6 }, { 0x1000, 0x1010, 0, 0x10, 6 } },
	  {},
	  { { 0x1000, 0x1010, SEG_CORE, 1, 0 } },
	  0 },
	{ "the first in the file keeps its bytes",
	  { { 0x2000, 0x3000, 0, 0x1000, 6 }, { 0x1000, 0x4000, 0x1000, 0x3000, 6 } },
	  {},
	  { { 0x1000, 0x2000, SEG_CORE, 1, 0x1000 },
	    { 0x2000, 0x3000, SEG_CORE, 0, 0 },
	    { 0x3000, 0x4000, SEG_CORE, 1, 0x3000 } },
	  1 },
	{ "a claim without contents yields to contents",
	  { { 0x1000, 0x9000, 0, 0, 6 }, { 0x2000, 0x3000, 0x40, 0x1000, 6 } },
	  {},
	  { { 0x1000, 0x2000, SEG_NONE, 0 },
	    { 0x2000, 0x3000, SEG_CORE, 1, 0x40 },
	    { 0x3000, 0x9000, SEG_NONE, 0 } },
	  1 },
	{ "three times the same",
	  { { 0x1000, 0x2000, 0, 0x1000, 6 },
	    { 0x1000, 0x2000, 0, 0x1000, 6 },
	    { 0x1000, 0x2000, 0, 0x1000, 6 } },
	  {},
	  { { 0x1000, 0x2000, SEG_CORE, 0, 0 } },
	  2 },
	{ "one mapping of two files and no file",
	  { { 0x1000, 0x5000, 0, 0x4000, 4 } },
	  { { 0x2000, 0x3000, 0x7000, "b" }, { 0x0000, 0x2000, 0, "a" } },
	  { { 0x1000, 0x2000, SEG_CORE, 0, 0, "a", 0x1000 },
	    { 0x2000, 0x3000, SEG_CORE, 0, 0x1000, "b", 0x7000 },
	    { 0x3000, 0x5000, SEG_CORE, 0, 0x2000 } },
	  0 },
	{ "a file whose pages were dumped in part",
	  { { 0x1000, 0x4000, 0, 0x1000, 5 } },
	  { { 0x1000, 0x4000, 0x2000, "a" } },
	  { { 0x1000, 0x2000, SEG_CORE, 0, 0, "a", 0x2000 },
	    { 0x2000, 0x4000, SEG_NONE, 0, 0, "a", 0x3000 } },
	  0 },
	{ "up to the end of the address space",
	  { { UINT64_MAX - 0xfff, UINT64_MAX, 0, 0x10, 4 } },
	  {},
	  { { UINT64_MAX - 0xfff, UINT64_MAX - 0xfef, SEG_CORE, 0, 0 },
	    { UINT64_MAX - 0xfef, UINT64_MAX, SEG_NONE, 0 } },
	  0 },
};

static size_t count_loads(const struct row *row)
{
	size_t n = 0;

	while (n < MAX && row->loads[n].end)
		n++;
	return n;
}

static size_t count_files(const struct row *row)
{
	size_t n = 0;

	while (n < MAX && row->files[n].end)
		n++;
	return n;
}

static size_t count_overlaps(const struct env *env)
{
	size_t n = 0;

	for (size_t i = 0; i < env->diags.n; i++)
		if (!strcmp(env->diags.list[i].code, "core/overlap"))
			n += env->diags.list[i].count;
	return n;
}

static void check_row(const struct row *row, const uint8_t *bytes, const struct image *img)
{
	size_t n = 0;

	for (; n < MAX && row->want[n].end; n++) {
		const struct want *want = &row->want[n];
		const struct segment *seg = &img->segments[n];

		assert_true(n < img->n_segments);
		assert_int_equal(seg->start, want->start);
		assert_int_equal(seg->end, want->end);
		assert_int_equal(seg->origin, want->origin);
		assert_int_equal(seg->load, want->load);
		assert_ptr_equal(seg->bytes,
				 want->origin == SEG_CORE ? bytes + want->offset : NULL);
		assert_int_equal(seg->file != NULL, want->file != NULL);
		if (seg->file)
			assert_string_equal(seg->file, want->file);
		assert_int_equal(seg->file_offset, want->file_offset);
		assert_int_equal(seg->module, -1);
	}
	assert_int_equal(img->n_segments, n);
}

static void test_rows(void **state)
{
	static const uint8_t bytes[0x8000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct member core = { .name = row->name, .size = sizeof(bytes), .map = bytes };
		struct dump dump = { (struct load *)row->loads, count_loads(row),
				     (struct mapped_file *)row->files, count_files(row) };
		struct env env;
		struct image img = { .env = &env };

		print_message("%s\n", row->name);
		env_init(&env);
		assert_null(segments_build(&img, &core, &dump));
		check_row(row, bytes, &img);
		assert_int_equal(count_overlaps(&env), row->n_overlaps);
		free(img.segments);
		env_fini(&env);
	}
}

static void test_reserve(void **state)
{
	static const uint8_t bytes[0x1000];
	struct load loads[] = { { 0x1000, 0x2000, 0, 0x1000, 0 }, { 0x3000, 0x4000, 0, 0, 0 } };
	struct member core = { .size = sizeof(bytes), .map = bytes };
	struct dump dump = { loads, 2, NULL, 0 };
	struct env env;
	struct image img = { .env = &env };

	(void)state;
	env_init(&env);
	assert_null(segments_build(&img, &core, &dump));
	assert_true(img.segments[0].zero_reserve);
	assert_false(img.segments[1].zero_reserve);
	free(img.segments);
	env_fini(&env);
}

/* A hundred thousand ranges that all overlap: seconds at least if anything were quadratic. */
static void test_many(void **state)
{
	enum { N = 100000 };
	static const uint8_t bytes[16];
	struct load *loads = calloc(N, sizeof(*loads));
	struct member core = { .size = sizeof(bytes), .map = bytes };
	struct dump dump = { loads, N, NULL, 0 };
	struct env env;
	struct image img = { .env = &env };

	(void)state;
	for (size_t i = 0; i < N; i++)
		loads[i] = (struct load){
			.start = 0x1000 + (N - i) * 16, .end = 0x10000000, .n_bytes = 0, .flags = 6
		};
	env_init(&env);
	assert_null(segments_build(&img, &core, &dump));
	assert_int_equal(img.n_segments, N);
	assert_int_equal(img.segments[0].start, 0x1010);
	assert_int_equal(img.segments[N - 1].end, 0x10000000);
	free(img.segments);
	free(loads);
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
