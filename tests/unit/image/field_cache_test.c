/* Offsets of fields in a file of the DWARF cache: whole ones are believed, of the same files alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "image/field_cache.h"

enum { SIZE = 4000000, ALT_SIZE = 70000, HEADER = 40, NAME = 60, ROW = 8 + 2 * NAME, ROWS = 2 };

struct file {
	uint8_t bytes[HEADER + ROWS * ROW];
};

static void seal(struct file *f)
{
	uint64_t hash = hash_bytes(f->bytes + HEADER, sizeof(f->bytes) - HEADER);

	memcpy(f->bytes + 16, &hash, 8);
}

static struct file sound(void)
{
	static const struct {
		uint64_t offset;
		const char *of, *name;
	} rows[ROWS] = { { 96, "malloc_state", "bins" }, { 0, "node", "next" } };
	const uint64_t numbers[] = { 1, 0, SIZE, ALT_SIZE };
	struct file f = {};

	memcpy(f.bytes, "heapfxDF", 8);
	memcpy(f.bytes + 8, numbers, sizeof(numbers));
	for (unsigned i = 0; i < ROWS; i++) {
		uint8_t *row = f.bytes + HEADER + i * ROW;

		memcpy(row, &rows[i].offset, 8);
		memcpy(row + 8, rows[i].of, strlen(rows[i].of));
		memcpy(row + 8 + NAME, rows[i].name, strlen(rows[i].name));
	}
	seal(&f);
	return f;
}

static bool parses(const struct file *f, uint64_t n, uint64_t size, struct dbg *ret)
{
	uint8_t *exact = malloc(n + 1); /* for the sanitizer to see a step too far */
	bool ok;

	memcpy(exact, f->bytes, n);
	ok = field_cache_parse(ret, exact, n, size, ALT_SIZE);
	free(exact);
	return ok;
}

static void forget(struct dbg *d)
{
	for (size_t i = 0; i < d->fields.n; i++) {
		free(d->fields.v[i].of);
		free(d->fields.v[i].name);
	}
	free(d->fields.v);
	*d = (struct dbg){};
}

static void what_is_whole_is_believed(void **state)
{
	struct file f = sound();
	struct dbg d = {};

	(void)state;
	assert_true(parses(&f, sizeof(f.bytes), SIZE, &d));
	assert_int_equal(d.fields.n, ROWS);
	assert_string_equal(d.fields.v[0].of, "malloc_state");
	assert_string_equal(d.fields.v[0].name, "bins");
	assert_int_equal(d.fields.v[0].offset, 96);
	assert_true(d.fields.v[0].found);
	assert_string_equal(d.fields.v[1].name, "next");
	forget(&d);
}

static void what_is_not_is_not(void **state)
{
	struct dbg d = {};
	struct file f = sound();

	(void)state;
	assert_false(parses(&f, sizeof(f.bytes), SIZE + 1, &d));
	for (uint64_t n = 0; n < sizeof(f.bytes); n++)
		assert_false(parses(&f, n, SIZE, &d));
	for (size_t i = 0; i < sizeof(f.bytes); i++) {
		f = sound();
		f.bytes[i] ^= 0x40;
		assert_false(parses(&f, sizeof(f.bytes), SIZE, &d));
	}
	assert_int_equal(d.fields.n, 0);
	f = sound(); /* a name without an end, though the hash is right */
	memset(f.bytes + HEADER + 8, 'x', NAME);
	seal(&f);
	assert_false(parses(&f, sizeof(f.bytes), SIZE, &d));
	forget(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whole_is_believed),
		cmocka_unit_test(what_is_not_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
