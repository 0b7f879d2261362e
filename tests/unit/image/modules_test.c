/* modules_build(): modules from rows and headers in memory, their build ids, what else is mapped. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/parts.h"

enum { AT = 0x10000, PAGE = 0x1000 };

/* The first page of a library: header, program headers, a build id. */
struct page {
	Elf64_Ehdr h;
	Elf64_Phdr p[4];
	uint32_t note[3];
	char name[4];
	uint8_t id[20];
	uint8_t rest[PAGE - 64 - 4 * 56 - 12 - 4 - 20];
};
_Static_assert(sizeof(struct page) == PAGE, "one page");

static struct page library(void)
{
	struct page page = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_phoff = 64,
		       .e_phentsize = 56,
		       .e_phnum = 4 },
		.p = { { PT_LOAD, PF_R | PF_X, 0, 0, 0, 2 * PAGE, 2 * PAGE, PAGE },
		       { PT_LOAD, PF_R | PF_W, 2 * PAGE, 2 * PAGE, 0, 0x100, PAGE + 0x100, PAGE },
		       { PT_NOTE, PF_R, offsetof(struct page, note), offsetof(struct page, note), 0, 36, 36, 4 },
		       { PT_TLS, PF_R, 2 * PAGE, 2 * PAGE, 0, 0x10, 0x40, 32 } },
		.note = { 4, 20, NT_GNU_BUILD_ID },
		.name = "GNU",
	};

	for (unsigned i = 0; i < 20; i++)
		page.id[i] = (uint8_t)(0xa0 + i);
	return page;
}

/* What gcore leaves: the header's page and the data, no word of the code but in NT_FILE. */
static void build(struct env *env, const struct page *page, struct image *ret)
{
	static const struct mapped_file files[] = {
		{ AT, AT + 2 * PAGE, 0, "/lib/a.so" },
		{ AT + 2 * PAGE, AT + 3 * PAGE, 2 * PAGE, "/lib/a.so" },
		{ AT + 8 * PAGE, AT + 9 * PAGE, 0, "/data" },
	};
	static const uint8_t zeros[2 * PAGE];
	struct image_options opt = { .no_host_files = true };

	*ret = (struct image){ .env = env, .target = target_by_machine(EM_X86_64), .n_segments = 2 };
	ret->segments = calloc(2, sizeof(*ret->segments));
	assert_non_null(ret->segments);
	ret->segments[0] = (struct segment){ AT, AT + PAGE, (const uint8_t *)page, SEG_R, SEG_CORE, .module = -1 };
	ret->segments[1] = (struct segment){ AT + 2 * PAGE, AT + 4 * PAGE, zeros, SEG_R | SEG_W, SEG_CORE,
					     .module = -1, .load = 1 };
	assert_null(modules_build(ret, files, ARRAY_SIZE(files), &opt));
}

static void image_fini(struct image *img)
{
	free(img->modules);
	free(img->segments);
	arena_fini(&img->names);
}

static void from_rows(void **state)
{
	struct page page = library();
	struct env env;
	struct image img;

	(void)state;
	env_init(&env);
	build(&env, &page, &img);
	assert_int_equal(img.n_modules, 1); /* /data is no module */
	assert_string_equal(img.modules[0].path, "/lib/a.so");
	assert_int_equal(img.modules[0].start, AT);
	assert_int_equal(img.modules[0].end, AT + 4 * PAGE); /* .bss is in no row */
	assert_int_equal(img.modules[0].bias, AT);
	assert_int_equal(img.modules[0].n_build_id, 20);
	assert_memory_equal(img.modules[0].build_id, page.id, 20);
	assert_int_equal(img.modules[0].tls_image, AT + 2 * PAGE);
	assert_int_equal(img.modules[0].tls_image_size, 0x10);
	assert_int_equal(img.modules[0].tls_size, 0x40);
	assert_int_equal(img.modules[0].tls_align, 32);
	assert_null(img.modules[0].found);
	image_fini(&img);
	env_fini(&env);
}

static void mapped_but_not_dumped(void **state)
{
	static const struct segment want[] = {
		{ AT, AT + PAGE, .flags = SEG_R, .origin = SEG_CORE, .module = 0, .file = "/lib/a.so" },
		{ AT + PAGE, AT + 2 * PAGE, .flags = SEG_R | SEG_X, .origin = SEG_NONE, .module = 0,
		  .file = "/lib/a.so", .file_offset = PAGE },
		{ AT + 2 * PAGE, AT + 4 * PAGE, .flags = SEG_R | SEG_W, .origin = SEG_CORE, .module = 0 },
		{ AT + 8 * PAGE, AT + 9 * PAGE, .flags = SEG_R, .origin = SEG_NONE, .module = -1, .file = "/data" },
	};
	struct page page = library();
	struct env env;
	struct image img;

	(void)state;
	env_init(&env);
	build(&env, &page, &img);
	assert_int_equal(img.n_segments, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct segment *s = &img.segments[i];

		assert_int_equal(s->start, want[i].start);
		assert_int_equal(s->end, want[i].end);
		assert_int_equal(s->flags, want[i].flags);
		assert_int_equal(s->origin, want[i].origin);
		assert_int_equal(s->module, want[i].module);
		assert_int_equal(s->file != NULL, want[i].file != NULL);
		if (s->file)
			assert_string_equal(s->file, want[i].file);
		assert_int_equal(s->file_offset, want[i].file_offset);
	}
	image_fini(&img);
	env_fini(&env);
}

/* Headers that lie give no module, or one no larger than its rows; nothing crashes. */
static void hostile_headers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct page page = library();
		struct env env;
		struct image img;

		if (i == 0)
			page.h.e_phnum = 0xffff;
		if (i == 1)
			page.h.e_phoff = UINT64_MAX - 8;
		if (i == 2)
			page.p[1].p_vaddr = UINT64_MAX - 8;
		if (i == 3)
			page.note[1] = UINT32_MAX;
		env_init(&env);
		build(&env, &page, &img);
		assert_int_equal(img.n_modules, i == 3);
		if (img.n_modules)
			assert_int_equal(img.modules[0].n_build_id, 0);
		image_fini(&img);
		env_fini(&env);
	}
}

/* What a program maps of its own file far away is not the module, nor what lies between. */
static void mapped_again(void **state)
{
	enum { FAR = 0x7f000000 };
	static const uint8_t code[PAGE], zeros[2 * PAGE];
	static const struct mapped_file files[] = {
		{ AT, AT + PAGE, 0, "/lib/a.so" },
		{ AT + PAGE, AT + 2 * PAGE, PAGE, "/lib/a.so" },
		{ AT + 2 * PAGE, AT + 3 * PAGE, 2 * PAGE, "/lib/a.so" },
		{ FAR, FAR + PAGE, PAGE, "/lib/a.so" },
	};
	struct image_options opt = { .no_host_files = true };
	struct page page = library();

	(void)state;
	for (unsigned has_headers = 0; has_headers < 2; has_headers++) {
		const struct segment rows[] = {
			{ .start = AT, .end = AT + PAGE, .flags = SEG_R,
			  .bytes = has_headers ? (const uint8_t *)&page : NULL,
			  .origin = has_headers ? SEG_CORE : SEG_NONE, .module = -1 },
			{ .start = AT + PAGE, .end = AT + 2 * PAGE, .bytes = code, .flags = SEG_R | SEG_X,
			  .origin = SEG_CORE, .module = -1, .load = 1 },
			{ .start = AT + 2 * PAGE, .end = AT + 4 * PAGE, .bytes = zeros, .flags = SEG_R | SEG_W,
			  .origin = SEG_CORE, .module = -1, .load = 2 },
			{ .start = FAR, .end = FAR + PAGE, .bytes = code, .flags = SEG_R | SEG_X,
			  .origin = SEG_CORE, .module = -1, .load = 3 },
		};
		struct env env;
		struct image img = {
			.env = &env,
			.target = target_by_machine(EM_X86_64),
			.n_segments = ARRAY_SIZE(rows),
		};

		env_init(&env);
		img.segments = malloc(sizeof(rows));
		assert_non_null(img.segments);
		memcpy(img.segments, rows, sizeof(rows));
		assert_null(modules_build(&img, files, ARRAY_SIZE(files), &opt));
		assert_true(img.n_modules >= 1);
		assert_int_equal(img.modules[0].start, AT);
		assert_int_equal(img.modules[0].end, has_headers ? AT + 4 * PAGE : AT + 3 * PAGE);
		assert_int_equal(img.modules[0].is_whole, has_headers);
		image_fini(&img);
		env_fini(&env);
	}
}

/* A file of code that a program reads: its first page alone, or all of it, and never to run. */
static void mapped_to_be_read(void **state)
{
	static const uint8_t code[PAGE];
	struct image_options opt = { .no_host_files = true };
	struct page page = library();

	(void)state;
	for (unsigned whole = 0; whole < 2; whole++) {
		const struct mapped_file files[] = { { AT, AT + (whole ? 3 : 1) * PAGE, 0, "/lib/a.so" } };
		const struct segment rows[] = {
			{ .start = AT, .end = AT + PAGE, .flags = SEG_R, .bytes = (const uint8_t *)&page, .origin = SEG_CORE,
			  .module = -1 },
			{ .start = AT + PAGE, .end = AT + 2 * PAGE, .bytes = code, .flags = SEG_R | (whole ? 0 : SEG_W),
			  .origin = SEG_CORE, .module = -1, .load = 1 },
		};
		struct env env;
		struct image img = { .env = &env, .target = target_by_machine(EM_X86_64), .n_segments = ARRAY_SIZE(rows) };

		env_init(&env);
		img.segments = malloc(sizeof(rows));
		assert_non_null(img.segments);
		memcpy(img.segments, rows, sizeof(rows));
		assert_null(modules_build(&img, files, ARRAY_SIZE(files), &opt));
		assert_int_equal(img.n_modules, 0);
		image_fini(&img);
		env_fini(&env);
	}
}

/* Neighbours in memory whose bytes are neighbours too are viewed as one. */
static void views_go_on(void **state)
{
	static const uint8_t bytes[5 * PAGE];
	_cleanup_(env_fini) struct env env;
	_cleanup_(image_fini) struct image img = { .env = &env };
	static const struct segment rows[] = {
		{ .start = AT, .end = AT + PAGE, .bytes = bytes, .origin = SEG_CORE, .module = -1 },
		{ .start = AT + PAGE, .end = AT + 2 * PAGE, .bytes = bytes + PAGE, .origin = SEG_CORE, .module = -1 },
		{ .start = AT + 2 * PAGE, .end = AT + 3 * PAGE, .bytes = bytes + 3 * PAGE, .origin = SEG_CORE, .module = -1 },
		{ .start = AT + 3 * PAGE, .end = AT + 4 * PAGE, .module = -1 },
		{ .start = AT + 5 * PAGE, .end = AT + 6 * PAGE, .bytes = bytes + 4 * PAGE, .origin = SEG_CORE, .module = -1 },
	};
	static const struct {
		taddr at;
		uint64_t avail; /* 0: nothing is there */
	} views[] = {
		{ AT, 2 * PAGE }, { AT + 8, 2 * PAGE - 8 }, { AT + PAGE, PAGE }, { AT + 2 * PAGE + 1, PAGE - 1 },
		{ AT + 3 * PAGE, 0 }, { AT + 4 * PAGE, 0 }, { AT + 5 * PAGE, PAGE },
	};

	(void)state;
	env_init(&env);
	img.segments = malloc(sizeof(rows));
	assert_non_null(img.segments);
	memcpy(img.segments, rows, sizeof(rows));
	img.n_segments = ARRAY_SIZE(rows);
	assert_null(modules_restore_bytes(&img));
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		uint64_t avail = 0;

		assert_int_equal(image_view(&img, views[i].at, &avail) != NULL, views[i].avail != 0);
		assert_int_equal(avail, views[i].avail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_rows),
		cmocka_unit_test(mapped_but_not_dumped),
		cmocka_unit_test(hostile_headers),
		cmocka_unit_test(mapped_again),
		cmocka_unit_test(mapped_to_be_read),
		cmocka_unit_test(views_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
