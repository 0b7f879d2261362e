/* Which mapping goes into a core by which filter, build ids of hostile pages, streams with gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>

#include "capture/plan.h"

enum { PAGE = 4096 };

/* One mapping of 16 KiB, as smaps tells it, and how much of it each filter takes. */
static const struct {
	const char *row, *fields;
	unsigned filter;
	uint64_t dumped;
} cases[] = {
	{ "rw-p 00000000 00:00 0", "Anonymous: 4 kB\n", 0x33, 4 * PAGE },
	{ "rw-p 00000000 00:00 0", "Anonymous: 4 kB\n", 0x32, 0 },
	{ "rw-p 00000000 00:00 0", "Anonymous: 0 kB\n", 0x33, 4 * PAGE }, /* zeros cost nothing */
	{ "---p 00000000 00:00 0", "Anonymous: 0 kB\n", 0x33, 0 },
	{ "---p 00000000 00:00 0", "Swap: 4 kB\n", 0x33, 4 * PAGE }, /* protected after its use */
	{ "rw-p 00000000 00:00 0", "Anonymous: 4 kB\nVmFlags: rd wr dd\n", 0x33, 0 },
	{ "rw-p 00000000 00:00 0", "VmFlags: rd wr io\n", 0x7f, 0 },
	{ "rw-s 00000000 00:01 9 /dev/zero (deleted)", "", 0x33, 4 * PAGE },
	{ "rw-s 00000000 00:01 9 /dev/zero (deleted)", "", 0x31, 0 },
	{ "rw-s 00000000 fe:00 9 /data", "", 0x33, 0 },
	{ "rw-s 00000000 fe:00 9 /data", "", 0x3b, 4 * PAGE },
	{ "r--p 00000000 fe:00 9 /data", "", 0x33, 0 },
	{ "r--p 00000000 fe:00 9 /data", "", 0x37, 4 * PAGE },
	{ "rw-p 00000000 fe:00 9 /data", "Anonymous: 4 kB\n", 0x33, 4 * PAGE },
	{ "rw-p 00000000 00:0f 9 /anon_hugepage (deleted)", "VmFlags: ht\n", 0x33, 4 * PAGE },
	{ "rw-p 00000000 00:0f 9 /anon_hugepage (deleted)", "VmFlags: ht\n", 0x13, 0 },
	{ "r-xp 00000000 00:00 0 [vdso]", "VmFlags: rd ex de\n", 0, 4 * PAGE },
	{ "--xp 00000000 00:00 0 [vsyscall]", "", 0x7f, 0 },
};

static struct err *parse(const char *s, struct maps *ret)
{
	struct bytes text = {};

	assert_true(bytes_add(&text, s, strlen(s)));
	return maps_parse(&text, ret);
}

static void test_filter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[256];
		struct maps maps = {};
		struct plan plan = {};
		struct plan_request r = { .maps = &maps, .mem = -1, .pagemap = -1 };

		snprintf(text, sizeof(text), "10000-14000 %s\nSize: 16 kB\n%s", cases[i].row,
			 cases[i].fields);
		r.filter = cases[i].filter;
		assert_null(parse(text, &maps));
		assert_null(plan_make(&r, &plan));
		if (plan.dumped != cases[i].dumped)
			print_error("%s, filter 0x%x\n", cases[i].row, cases[i].filter);
		assert_int_equal(plan.dumped, cases[i].dumped);
		plan_fini(&plan);
		maps_fini(&maps);
	}
}

/* A copy lacks the first mapping and was given zeros for the second. */
static void test_copy(void **state)
{
	struct maps target = {}, copy = {};
	struct plan plan = {};
	struct plan_request r = {
		.filter = 0x33, .maps = &copy, .original = &target, .mem = -1, .pagemap = -1,
	};

	(void)state;
	assert_null(parse("1000-2000 rw-p 0 00:00 0\n3000-5000 rw-p 0 00:00 0\n", &target));
	assert_null(parse("3000-5000 rw-p 0 00:00 0\nVmFlags: rd wr wf\n", &copy));
	assert_null(plan_make(&r, &plan));
	assert_int_equal(plan.segments.n, 2);
	assert_int_equal(plan.segments.v[0].start, 0x1000);
	assert_int_equal(plan.dontfork, PAGE);
	assert_int_equal(plan.wiped, 2 * PAGE);
	assert_int_equal(plan.dumped, 0);
	plan_fini(&plan);
	maps_fini(&target);
	maps_fini(&copy);
}

/* Of what a copy lacks only pages that exist count: in memory or swapped, and those the filter asks for. */
static void test_lacking(void **state)
{
	static const char target_text[] = "1000-4000 rw-p 0 00:00 0\n5000-7000 rw-p 0 00:00 0\n"
					  "8000-a000 rw-p 0 00:00 0\nb000-d000 rw-s 0 00:01 7 /dev/x\n";
	static const uint64_t pages[] = { 0, 1ull << 63, 0, 1ull << 62, 0, 1ull << 63, 1ull << 63, 0, 1ull << 63, 1ull << 63, 0, 1ull << 63 };
	struct maps target = {}, copy = {};
	struct plan_request r = { .filter = 0x33, .maps = &copy, .original = &target };
	FILE *pagemap = tmpfile();

	(void)state;
	assert_non_null(pagemap);
	assert_int_equal(fwrite(pages, 1, sizeof(pages), pagemap), sizeof(pages));
	assert_int_equal(fflush(pagemap), 0);
	assert_null(parse(target_text, &target));
	assert_null(parse("5000-7000 rw-p 0 00:00 0\nVmFlags: rd wr wf\n8000-a000 rw-p 0 00:00 0\nVmFlags: rd wr\n", &copy));
	assert_int_equal(plan_lacking(&r, fileno(pagemap)), 4 * PAGE);
	assert_int_equal(plan_lacking(&r, -1), 0);
	r.filter = 0x32;
	assert_int_equal(plan_lacking(&r, fileno(pagemap)), 0);
	fclose(pagemap);
	maps_fini(&target);
	maps_fini(&copy);
}

static void test_maps(void **state)
{
	struct maps m = {};
	static const char *const bad[] = { "x", "2000-1000 rw-p 0 00:00 0\n",
					   "2000-3000 rw-p 0 00:00 0\n1000-2000 rw-p 0 00:00 0\n" };

	(void)state;
	assert_null(parse("1000-2000 r-xp 3000 fe:01 7  /a b\\012c (deleted)\n", &m));
	assert_string_equal(m.v[0].path, "/a b\nc (deleted)");
	assert_true(map_is_deleted(&m.v[0]));
	assert_int_equal(m.v[0].offset, 0x3000);
	assert_int_equal(m.v[0].dev, 0xfe00000001);
	assert_int_equal(m.v[0].flags, VMA_R | VMA_X);
	assert_ptr_equal(maps_find(&m, 0x1fff), &m.v[0]);
	assert_null(maps_find(&m, 0x2000));
	maps_fini(&m);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err *err = parse(bad[i], &m);

		assert_non_null(err);
		err_free(err);
	}
}

static size_t make_page(uint8_t *page)
{
	static const uint8_t note[] = { 4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3 };
	Elf64_Ehdr e = { .e_phoff = sizeof(e), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2 };
	Elf64_Phdr p[2] = { { .p_type = PT_LOAD },
			    { .p_type = PT_NOTE, .p_offset = 512, .p_filesz = sizeof(note) + 1 } };

	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	memset(page, 0, PAGE);
	memcpy(page, &e, sizeof(e));
	memcpy(page + sizeof(e), p, sizeof(p));
	memcpy(page + 512, note, sizeof(note));
	return 512 + sizeof(note) + 1;
}

static void test_build_id(void **state)
{
	uint8_t page[PAGE], id[BUILD_ID_MAX];
	size_t n = make_page(page);

	(void)state;
	assert_int_equal(build_id_of(page, PAGE, id), 3);
	assert_memory_equal(id, "\1\2\3", 3);
	for (size_t i = 0; i < n; i++) { /* whatever it says, it reads nothing but the page */
		uint8_t *copy = malloc(n);

		memcpy(copy, page, n);
		copy[i] ^= 0xff;
		build_id_of(copy, n, id);
		build_id_of(copy, i, id);
		free(copy);
	}
}

static void test_stream(void **state)
{
	struct stream s = { .mem = -1, .pagemap = -1 };
	uint8_t buf[16];
	bool zeros;

	(void)state;
	assert_null(stream_add(&s, &(struct piece){ 2, 3, .bytes = (const uint8_t *)"abc" }));
	assert_null(stream_add(&s, &(struct piece){ 8, 2, .bytes = (const uint8_t *)"de" }));
	assert_int_equal(s.size, 10);
	assert_null(stream_read(&s, 0, buf, 10, &zeros));
	assert_false(zeros);
	assert_memory_equal(buf, "\0\0abc\0\0\0de", 10);
	assert_null(stream_read(&s, 3, buf, 6, &zeros));
	assert_memory_equal(buf, "bc\0\0\0d", 6);
	assert_null(stream_read(&s, 5, buf, 3, &zeros));
	assert_true(zeros);
	stream_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),	 cmocka_unit_test(test_copy),
		cmocka_unit_test(test_lacking),
		cmocka_unit_test(test_maps),	 cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
