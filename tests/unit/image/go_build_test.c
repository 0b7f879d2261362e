/* Build information: what version texts and experiments mean, and which blobs are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/go_build.h"

/* cmd/internal/objabi and runtime/debug write these; "" as version: it is none. */
static void version_texts(void **state)
{
	static const struct {
		const char *text, *version, *experiments;
		unsigned minor;
	} cases[] = {
		{ "go1.22.12", "go1.22.12", "", 22 },
		{ "go1.19", "go1.19", "", 19 },
		{ "go1.21rc2", "go1.21rc2", "", 21 },
		{ "go1.25.7 X:nogreenteagc", "go1.25.7", "nogreenteagc", 25 },
		{ "go1.26.8-X:nogreenteagc,jsonv2", "go1.26.8", "nogreenteagc,jsonv2", 26 },
		{ "devel go1.28-3f2b9a Mon Jan 5 10:00:00 2026 +0000", "go1.28-3f2b9a", "", 28 },
		{ "go1.21.5 (Red Hat 1.21.5-1.el9)", "go1.21.5", "", 21 },
		{ "go1.9999999999999", "", "", 0 },
		{ "go1.", "", "", 0 },
		{ "go2.1", "", "", 0 },
		{ "", "", "", 0 },
		{ "1.22", "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct go go = {};

		assert_int_equal(go_build_version(&go, cases[i].text, strlen(cases[i].text)),
				 *cases[i].version != '\0');
		assert_string_equal(go.version, cases[i].version);
		assert_string_equal(go.experiments, cases[i].experiments);
		assert_int_equal(go.minor, cases[i].minor);
	}
}

static void what_experiments_mean(void **state)
{
	static const struct {
		unsigned minor;
		const char *experiments;
		bool greentea, swissmap, allocheaders, newer;
	} cases[] = {
		{ 19, "", false, false, false, false },
		{ 21, "", false, false, false, false },
		{ 22, "", false, false, true, false },
		{ 22, "noallocheaders", false, false, false, false },
		{ 22, "rangefunc,noallocheaders", false, false, false, false },
		{ 23, "noallocheaders", false, false, true, false }, /* there was no such choice */
		{ 24, "", false, true, true, false },
		{ 24, "noswissmap", false, false, true, false },
		{ 25, "", false, true, true, false },
		{ 25, "greenteagc", true, true, true, false },
		{ 25, "nogreenteagc", false, true, true, false },
		{ 26, "", true, true, true, false },
		{ 26, "nogreenteagc", false, true, true, false },
		{ 27, "jsonv2", true, true, true, false },
		{ 28, "", true, true, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct go go = { .minor = cases[i].minor };

		strcpy(go.experiments, cases[i].experiments);
		go_build_conclude(&go);
		assert_int_equal(go.greentea, cases[i].greentea);
		assert_int_equal(go.swissmap, cases[i].swissmap);
		assert_int_equal(go.allocheaders, cases[i].allocheaders);
		assert_int_equal(go.is_newer, cases[i].newer);
	}
}

/* ---- blobs in the memory of a module */

enum { DATA = 0x500000, SIZE = 0x2000, MOD_INFO = 16 };

static void put(struct fake_image *f, uint64_t at, const void *bytes, size_t n)
{
	memcpy((uint8_t *)f->segments[0].bytes + at, bytes, n);
}

/* debug/buildinfo: magic, pointer size 8, flags, at +32 two strings with their lengths. */
static void put_blob(struct fake_image *f, uint64_t at, uint8_t flags, const char *version,
		     const char *mod)
{
	uint8_t head[32] = "\xff Go buildinf:", n;
	char sentinel[MOD_INFO] = { 1, 2, 3 };

	head[14] = 8;
	head[15] = flags;
	put(f, at, head, sizeof(head));
	at += sizeof(head);
	n = (uint8_t)strlen(version);
	put(f, at, &n, 1);
	put(f, at + 1, version, n);
	at += 1 + n;
	n = (uint8_t)(strlen(mod) + 2 * MOD_INFO);
	assert_true(n < 0x80);
	put(f, at, &n, 1);
	put(f, at + 1, sentinel, MOD_INFO);
	put(f, at + 1 + MOD_INFO, mod, strlen(mod));
	put(f, at + 1 + MOD_INFO + strlen(mod), sentinel, MOD_INFO);
}

static void blobs(void **state)
{
	static const struct fake_mapping memory[] = { { DATA, SIZE, SEG_R | SEG_W, 1 }, {} };
	static const struct fake_word nothing[] = { {} };
	static const struct {
		uint64_t at;
		uint8_t flags;
		const char *mod, *version, *path, *main_module, *experiments;
	} cases[] = {
		{ 0x40, 2, "path\tx.y/cmd\nmod\tx.y\t(devel)\t\nbuild\tGOEXPERIMENT=noswissmap\n", "go1.24.1",
		  "x.y/cmd", "x.y", "noswissmap" },
		{ 0x40, 2, "path\ta\n", "go1.24.1", "a", "", "" },
		{ 0x40, 2, "", "go1.24.1", "", "", "" },
		{ 0x48, 2, "path\ta\n", "", "", "", "" },	 /* not aligned to 16 */
		{ 0x40, 0, "path\ta\n", "", "", "", "" },	 /* by pointers: before 1.18 */
		{ SIZE - 0x24, 2, "", "", "", "", "" },		 /* cut short, and not aligned */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct fake_image *f;
		struct go go = {};

		env_init(&env);
		f = fake_image_new(&env, memory, nothing);
		f->modules[0].start = DATA;
		f->modules[0].end = DATA + SIZE;
		if (cases[i].at + 0x80 < SIZE)
			put_blob(f, cases[i].at, cases[i].flags, "go1.24.1", cases[i].mod);
		else
			put(f, SIZE - 0x20, "\xff Go buildinf:\x08\x02", 16);
		go.env = &env;
		go.img = &f->img;
		go_build_read(&go, &f->modules[0]);
		assert_string_equal(go.version, cases[i].version);
		assert_string_equal(go.path, cases[i].path);
		assert_string_equal(go.main_module, cases[i].main_module);
		assert_string_equal(go.experiments, cases[i].experiments);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* runtime.buildVersion, when the build information is gone: a string header in the data. */
static void version_in_data(void **state)
{
	static const struct fake_mapping memory[] = { { DATA, SIZE, SEG_R | SEG_W, 1 }, {} };
	static const struct fake_word words[] = {
		{ DATA + 0x100, 0x1122334455667788 }, { DATA + 0x108, 9 }, /* leads nowhere */
		{ DATA + 0x110, DATA + 0x1000 },      { DATA + 0x118, 8 },
		{},
	};
	struct go_module m = { .data = DATA, .edata = DATA + 0x800, .rodata = DATA + 0x800,
			       .etypes = DATA + SIZE };
	struct fake_image *f;
	struct go go = { .modules = &m, .n_modules = 1 };
	struct env env;

	(void)state;
	env_init(&env);
	f = fake_image_new(&env, memory, words);
	put(f, 0x1000, "go1.23.4", 8);
	go.env = &env;
	go.img = &f->img;
	go_build_read(&go, NULL);
	assert_string_equal(go.version, "go1.23.4");
	assert_int_equal(go.minor, 23);
	fake_image_free(f);
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_texts),
		cmocka_unit_test(what_experiments_mean),
		cmocka_unit_test(blobs),
		cmocka_unit_test(version_in_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
