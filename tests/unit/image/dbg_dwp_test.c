/*
 * dbg_dwp.c on packages written out by hand: which unit has which bytes, units of types once and with the unit of
 * their file, and indexes that lie.
 */
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_elf.h"
#include "image/dbg_dwp.h"

enum { SLOTS = 4, ROWS_MAX = 3, COLUMNS_MAX = 2, PLACE_AT = 16 + SLOTS * 12 + COLUMNS_MAX * 4 };

static const struct dbg_section no_addr[2];

/* Ids, and of each column its number, offset and size. */
struct row {
	uint64_t id;
	uint32_t place[COLUMNS_MAX][2];
};

static void put_index(struct bytes *b, unsigned version, const uint32_t columns[COLUMNS_MAX], const struct row *rows,
		      uint32_t n)
{
	uint64_t ids[SLOTS] = {};
	uint32_t at_row[SLOTS] = {};

	b->n = 0;
	put_u32(b, version);
	put_u32(b, COLUMNS_MAX);
	put_u32(b, n);
	put_u32(b, SLOTS);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)rows[i].id & (SLOTS - 1), step = ((uint32_t)(rows[i].id >> 32) & (SLOTS - 1)) | 1;

		while (at_row[at])
			at = (at + step) & (SLOTS - 1);
		ids[at] = rows[i].id;
		at_row[at] = i + 1;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		put_u64(b, ids[i]);
	for (unsigned i = 0; i < SLOTS; i++)
		put_u32(b, at_row[i]);
	for (unsigned k = 0; k < COLUMNS_MAX; k++)
		put_u32(b, columns[k]);
	for (unsigned what = 0; what < 2; what++)
		for (uint32_t i = 0; i < n; i++)
			for (unsigned k = 0; k < COLUMNS_MAX; k++)
				put_u32(b, rows[i].place[k][what]);
}

/* A unit of DWARF 4 with one entry; of types: with a signature. */
static void put_unit(struct bytes *b, uint64_t signature, unsigned code)
{
	put_u32(b, 2 + 4 + 1 + (signature ? 12 : 0) + 1);
	put_u16(b, 4);
	put_u32(b, 0);
	put_u8(b, 8);
	if (signature) {
		put_u64(b, signature);
		put_u32(b, 23);
	}
	put_u8(b, code);
}

static void put_abbrevs(struct bytes *b, unsigned code, unsigned tag)
{
	put_u8(b, code);
	put_u8(b, tag);
	put_u8(b, 0);
	put_u16(b, 0);
	put_u8(b, 0);
}

enum { UNIT_BYTES = 12, TYPES_BYTES = 24, ABBREV_BYTES = 6 };

/* Two files with a unit each; the first one has two units of types, and all of the second one's. */
struct world {
	struct bytes cu, tu, info, types, abbrev;
	struct fake_elf file;
	Elf *elf;
	struct dbg_dwp *package;
};

static const uint32_t cu_columns[COLUMNS_MAX] = { 1, 3 }, tu_columns[COLUMNS_MAX] = { 2, 3 };
static const struct row cus[] = {
	{ 0x11, { { 0, UNIT_BYTES }, { 0, ABBREV_BYTES } } },
	{ 0x700000011, { { UNIT_BYTES, UNIT_BYTES }, { ABBREV_BYTES, ABBREV_BYTES } } }, /* begins at the same slot */
};
static const struct row tus[] = {
	{ 0x33, { { 0, TYPES_BYTES }, { 0, ABBREV_BYTES } } },
	{ 0x44, { { TYPES_BYTES, TYPES_BYTES }, { 0, ABBREV_BYTES } } },
};

static void put_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	put_index(&w->cu, 2, cu_columns, cus, ARRAY_SIZE(cus));
	put_index(&w->tu, 2, tu_columns, tus, ARRAY_SIZE(tus));
	put_unit(&w->info, 0, 1);
	put_unit(&w->info, 0, 2);
	put_unit(&w->types, 0x33, 1);
	put_unit(&w->types, 0x44, 1);
	put_abbrevs(&w->abbrev, 1, DW_TAG_compile_unit);
	put_abbrevs(&w->abbrev, 2, DW_TAG_compile_unit);
}

static void open_world(struct world *w)
{
	const struct fake_section sections[] = {
		{ ".debug_cu_index", 0, &w->cu },     { ".debug_tu_index", 0, &w->tu },
		{ ".debug_info.dwo", 0, &w->info },   { ".debug_types.dwo", 0, &w->types },
		{ ".debug_abbrev.dwo", 0, &w->abbrev }, { NULL },
	};

	fake_elf_init(&w->file, ET_REL, 0, 0, sections);
	elf_version(EV_CURRENT);
	w->elf = elf_memory((char *)w->file.v, w->file.n);
	assert_non_null(w->elf);
	assert_null(dbg_dwp_open(w->elf, &w->package));
}

static void close_world(struct world *w)
{
	dbg_dwp_close(w->package);
	elf_end(w->elf);
}

static unsigned count_units(const struct dbg_view *v, bool of_types)
{
	Dwarf_Off at = 0, next;
	uint64_t signature;
	size_t header;
	unsigned n = 0;

	while (!dwarf_next_unit(v->dwarf, at, &next, &header, NULL, NULL, NULL, NULL, of_types ? &signature : NULL, NULL)) {
		at = next;
		n++;
	}
	return n;
}

static void test_a_unit_has_its_own_bytes_and_types_once(void **state)
{
	static const struct {
		uint64_t id;
		unsigned units, types;
	} cases[] = { { 0x11, 1, 2 }, { 0x700000011, 1, 0 }, { 0x11, 1, 0 } /* again: they are taken */ };
	struct dbg_view views[ARRAY_SIZE(cases)], none;
	struct world w;

	(void)state;
	put_world(&w);
	open_world(&w);
	assert_false(dbg_dwp_unit(w.package, 0x55, no_addr, &none));
	assert_false(dbg_dwp_unit(w.package, 0x33, no_addr, &none)); /* of types: no unit of its own */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(dbg_dwp_unit(w.package, cases[i].id, no_addr, &views[i]));
		assert_int_equal(count_units(&views[i], false), cases[i].units);
		assert_int_equal(count_units(&views[i], true), cases[i].types);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		dbg_view_close(&views[i]);
	close_world(&w);
}

/* What the index says of the first unit's entries, word by word: `bytes` is the size of the section that has it. */
static void test_an_index_that_lies_costs_the_unit(void **state)
{
	static const struct {
		size_t at;
		uint32_t word;
		bool is_there;
	} cases[] = {
		{ 0, 2, true },	       { 0, 3, false },		     /* the version */
		{ 4, 0, false },       { 4, UINT32_MAX, false },     /* columns */
		{ 8, UINT32_MAX, false }, { 8, 5, false },	     /* units */
		{ 12, 3, false },      { 12, 0, false },	     /* slots */
		{ 12, 1u << 31, false },
		{ PLACE_AT, UNIT_BYTES, true }, { PLACE_AT, 2 * UNIT_BYTES + 1, false }, /* where it is */
		{ PLACE_AT, UINT32_MAX, false },
		{ PLACE_AT + 16, 2 * UNIT_BYTES + 1, false }, /* how large */
		{ PLACE_AT + 16, UINT32_MAX, false },
		{ 16 + SLOTS * 12, 9, false }, /* which column */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dbg_view v = {};
		struct world w;

		put_world(&w);
		set_u32(&w.cu, cases[i].at, cases[i].word);
		open_world(&w);
		assert_int_equal(w.package && dbg_dwp_unit(w.package, 0x11, no_addr, &v), cases[i].is_there);
		dbg_view_close(&v);
		close_world(&w);
	}
}

/* All slots are taken, by others: looking for one more ends. */
static void test_a_full_index_is_gone_through_once(void **state)
{
	struct row rows[SLOTS] = { { 1, { { 0 } } }, { 2, { { 0 } } }, { 3, { { 0 } } }, { 4, { { 0 } } } };
	struct dbg_view none;
	struct world w;

	(void)state;
	put_world(&w);
	put_index(&w.cu, 2, cu_columns, rows, SLOTS);
	open_world(&w);
	assert_false(dbg_dwp_unit(w.package, 0x11, no_addr, &none));
	close_world(&w);
}

/* Units of types that all claim the whole section: no more than it has is joined. */
static void test_types_that_overlap_are_not_joined_for_ever(void **state)
{
	struct row rows[3];
	struct dbg_view v;
	struct world w;

	(void)state;
	put_world(&w);
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (struct row){ 0x30 + i, { { 0, 2 * TYPES_BYTES }, { 0, ABBREV_BYTES } } };
	put_index(&w.tu, 2, tu_columns, rows, ARRAY_SIZE(rows));
	open_world(&w);
	assert_true(dbg_dwp_unit(w.package, 0x11, no_addr, &v));
	assert_in_range(count_units(&v, true), 2, (2 * UNIT_BYTES + 2 * TYPES_BYTES) / TYPES_BYTES);
	dbg_view_close(&v);
	close_world(&w);
}

static void test_every_cut_and_every_flip_of_the_indexes(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++)
		for (size_t i = 0; i < 2 * 100; i++) {
			struct dbg_view v = {};
			struct world w;
			struct bytes *b;

			put_world(&w);
			b = which ? &w.tu : &w.cu;
			if (i / 2 >= b->n)
				continue;
			if (i % 2)
				b->n = i / 2;
			else
				b->v[i / 2] ^= 0xff;
			open_world(&w);
			if (w.package && dbg_dwp_unit(w.package, 0x11, no_addr, &v))
				dbg_view_close(&v);
			close_world(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_unit_has_its_own_bytes_and_types_once),
		cmocka_unit_test(test_an_index_that_lies_costs_the_unit),
		cmocka_unit_test(test_a_full_index_is_gone_through_once),
		cmocka_unit_test(test_types_that_overlap_are_not_joined_for_ever),
		cmocka_unit_test(test_every_cut_and_every_flip_of_the_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
