/* The file of a DWARF's index: what goes in comes out, and nothing else is believed. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "image/dbg_cache.h"
#include "unit_env.h"

enum { INFO = 0x10000, REST = 0x90000, BYTES = 0x1000 };

static const struct dbg_cache_key key = { 1234, 0, 7 };
static const struct dbg_space spaces[] = { { INFO, BYTES }, {}, { REST, BYTES } },
			      moved_spaces[] = { { 0x500000, BYTES }, {}, { 0x300000, BYTES } },
			      shorter_spaces[] = { { INFO, 0x90 }, {}, { REST, BYTES } };
static const struct dbg_cache_base base = { spaces, 3 }, moved = { moved_spaces, 3 }, shorter = { shorter_spaces, 3 };

static struct dbg_var vars[] = {
	{ 0x4000, (void *)(INFO + 0x20), "shop::orders", false, false, DBG_LANG_CXX },
	{ 0x10, (void *)(REST + 0x40), "of_thread", true, true, DBG_LANG_C },
};
static struct dbg_func funcs[] = { { 0x100, 0x180, (void *)(INFO + 0x60), false, DBG_LANG_RUST } };
static struct dbg_named named[] = {
	{ (void *)(INFO + 0x80), "shop::Order", 77, 48, 56, 12, false, false, false, DBG_LANG_CXX },
	{ (void *)(INFO + 0xa0), "line_t", 78, 0, 0, 0, true, false, true, DBG_LANG_C },
};
static uint32_t by_hash[] = { 0 };

static struct dbg_types filled(void)
{
	return (struct dbg_types){
		.vars = { vars, 2, 2 }, .funcs = { funcs, 1, 1 }, .named = { named, 2, 2 }, .by_hash = { by_hash, 1, 1 },
	};
}

static void close_read(struct dbg_types *t)
{
	free(t->vars.v);
	free(t->funcs.v);
	free(t->named.v);
	free(t->by_hash.v);
	arena_fini(&t->mem);
}

static bool read_back(const uint8_t *bytes, uint64_t n, const struct dbg_cache_key *k, const struct dbg_cache_base *b)
{
	struct dbg_types t = {};
	bool ok;

	assert_null(dbg_cache_parse(&t, bytes, n, k, b, &ok));
	if (!ok)
		assert_int_equal(t.vars.n + t.funcs.n + t.named.n + t.by_hash.n, 0);
	close_read(&t);
	return ok;
}

static void round_trip(void **state)
{
	struct dbg_types t = filled(), r = {};
	uint64_t n;
	_free_ uint8_t *bytes = dbg_cache_bytes(&t, &key, &base, &n);
	bool ok;

	(void)state;
	assert_non_null(bytes);
	assert_null(dbg_cache_parse(&r, bytes, n, &key, &moved, &ok));
	assert_true(ok);
	assert_int_equal(r.vars.n, 2);
	assert_ptr_equal(r.vars.v[0].die, (void *)(uintptr_t)0x500020);
	assert_ptr_equal(r.vars.v[1].die, (void *)(uintptr_t)0x300040);
	assert_string_equal(r.vars.v[1].name, "of_thread");
	assert_true(r.vars.v[1].is_tls && r.vars.v[1].in_alt && !r.vars.v[0].is_tls);
	assert_int_equal(r.vars.v[0].addr, 0x4000);
	assert_int_equal(r.funcs.v[0].high, 0x180);
	assert_int_equal(r.funcs.v[0].language, DBG_LANG_RUST);
	assert_string_equal(r.named.v[0].name, "shop::Order");
	assert_int_equal(r.named.v[0].size, 48);
	assert_int_equal(r.named.v[0].outer, 56);
	assert_int_equal(r.named.v[0].line, 12);
	assert_true(r.named.v[1].is_declaration && !r.named.v[0].is_declaration);
	assert_true(r.named.v[1].is_alias && !r.named.v[0].is_alias);
	assert_int_equal(r.named.v[0].language, DBG_LANG_CXX);
	assert_int_equal(r.by_hash.v[0], 0);
	close_read(&r);
}

static void nothing_else(void **state)
{
	static const struct dbg_cache_base none = {};
	static const struct dbg_cache_key others[] = { { 1235, 0, 7 }, { 1234, 1, 7 }, { 1234, 0, 8 } };
	struct dbg_types t = filled();
	uint64_t n;
	_free_ uint8_t *bytes = dbg_cache_bytes(&t, &key, &base, &n);

	(void)state;
	assert_true(read_back(bytes, n, &key, &base));
	for (uint64_t i = 0; i < n; i++)
		assert_false(read_back(bytes, i, &key, &base));
	for (uint64_t i = 0; i < 8 * n; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(read_back(bytes, n, &key, &base));
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(read_back(bytes, n, &others[i], &base));
	assert_false(read_back(bytes, n, &key, &none)); /* an entry past the end of the DWARF */
	assert_null(dbg_cache_bytes(&t, &key, &shorter, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_else, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
