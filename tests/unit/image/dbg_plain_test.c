/* Unpacked sections in a file of the DWARF cache: whole ones are believed, of the same file alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "image/dbg_plain.h"

enum { FILE_SIZE = 4000000, MTIME = 77, HEADER = 48, NAME = 40, ROW = NAME + 16, ROWS = 2, INFO = 5, STR = 3, ALL = HEADER + ROWS * ROW + INFO + STR };

struct file {
	uint8_t bytes[ALL];
};

static void seal(struct file *f)
{
	uint64_t hash = hash_bytes(f->bytes + HEADER, ROWS * ROW);

	memcpy(f->bytes + 40, &hash, 8);
}

static struct file sound(void)
{
	static const struct {
		const char *name, *bytes;
		uint64_t n;
	} rows[ROWS] = { { ".debug_info", "\1\2\3\4\5", INFO }, { ".debug_str", "ab", STR } };
	const uint64_t numbers[] = { 2, FILE_SIZE, MTIME, ROWS };
	uint8_t *at;
	struct file f = {};

	memcpy(f.bytes, "heapfxDS", 8);
	memcpy(f.bytes + 8, numbers, sizeof(numbers));
	at = f.bytes + HEADER + ROWS * ROW;
	for (unsigned i = 0; i < ROWS; at += rows[i++].n) {
		uint64_t words[] = { rows[i].n, hash_bytes(rows[i].bytes, rows[i].n) };
		uint8_t *row = f.bytes + HEADER + i * ROW;

		memcpy(row, rows[i].name, strlen(rows[i].name));
		memcpy(row + NAME, words, sizeof(words));
		memcpy(at, rows[i].bytes, rows[i].n);
	}
	seal(&f);
	return f;
}

static size_t parses_at(const struct file *f, uint64_t n, uint64_t file_size, uint64_t mtime)
{
	struct dbg_section sections[DBG_SECTIONS_MAX];
	uint8_t *exact = malloc(n + !n); /* for the sanitizer to see a step too far */
	size_t ret;

	memcpy(exact, f->bytes, n);
	ret = dbg_plain_parse(exact, n, file_size, mtime, sections);
	if (ret) {
		assert_int_equal(ret, ROWS);
		assert_string_equal(sections[0].name, ".debug_info");
		assert_int_equal(sections[0].n, INFO);
		assert_memory_equal(sections[0].at, "\1\2\3\4\5", INFO);
		assert_string_equal(sections[1].name, ".debug_str");
		assert_memory_equal(sections[1].at, "ab", STR);
	}
	free(exact);
	return ret;
}

static size_t parses(const struct file *f, uint64_t n, uint64_t file_size)
{
	return parses_at(f, n, file_size, MTIME);
}

static void whole(void **state)
{
	struct file f = sound();

	(void)state;
	assert_int_equal(parses(&f, sizeof(f), FILE_SIZE), ROWS);
	assert_int_equal(parses(&f, sizeof(f), FILE_SIZE + 1), 0);
	assert_int_equal(parses_at(&f, sizeof(f), FILE_SIZE, MTIME + 1), 0);
	for (uint64_t n = 0; n < sizeof(f); n++)
		assert_int_equal(parses(&f, n, FILE_SIZE), 0);
}

static void any_byte_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(struct file); i++) {
		struct file f = sound();

		f.bytes[i] ^= 0x40;
		assert_int_equal(parses(&f, sizeof(f), FILE_SIZE), 0);
	}
}

/* Of its own hash, but no such row is written. */
static void rows_that_lie(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} lies[] = {
		{ HEADER + 1, 'x' },		/* no section of DWARF */
		{ HEADER + NAME, INFO + 1 },	/* not that long */
		{ HEADER + NAME, 0 },		/* empty */
		{ HEADER + NAME + 7, 0x80 },	/* past the end */
		{ HEADER + ROW + NAME, STR - 1 }, /* something is left */
		{ HEADER + NAME - 1, 'x' },	/* a name that does not end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct file f = sound();

		f.bytes[lies[i].at] = lies[i].byte;
		seal(&f);
		assert_int_equal(parses(&f, sizeof(f), FILE_SIZE), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(any_byte_counts),
		cmocka_unit_test(rows_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
