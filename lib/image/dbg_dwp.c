/*
 * image/dbg_dwp.c - the index of a package, and the parts of its sections that a unit has.
 *
 * Source of truth: DWARF 5, 7.3.5.3; version 2, of DWARF 4, as in the GCC wiki's DebugFissionDWP.
 * Units of types (.debug_tu_index) are not looked for.
 */
#include "image/dbg_dwp.h"

#include <stdio.h>

#include "base/cursor.h"
#include "base/guard.h"

enum {
	COLUMNS_MAX = 16,
	SECT_INFO = 1,
	HEADER_BYTES = 16, ID_BYTES = 8, CELL_BYTES = 4,
};

struct table {
	struct cursor ids, rows, cells; /* cells: names of columns, then offsets, then sizes */
	uint32_t version, columns, units, slots;
};

/* What a column of that number is of: names of versions 2 and 5. */
static const char *const sections[][2] = {
	[SECT_INFO] = { ".debug_info", ".debug_info" },
	[3] = { ".debug_abbrev", ".debug_abbrev" },
	[4] = { ".debug_line", ".debug_line" },
	[5] = { ".debug_loc", ".debug_loclists" },
	[6] = { ".debug_str_offsets", ".debug_str_offsets" },
	[8] = { NULL, ".debug_rnglists" },
};

static bool table_open(const struct dbg_section *s, struct table *ret)
{
	struct cursor c = cursor_init(s->at, s->n, s->name, 0);

	/* Version 5 has two bytes of it, then two of nothing. */
	ret->version = cursor_u32(&c);
	ret->columns = cursor_u32(&c);
	ret->units = cursor_u32(&c);
	ret->slots = cursor_u32(&c);
	if (c.bad || (ret->version != 2 && ret->version != 5) || !ret->columns || ret->columns > COLUMNS_MAX ||
	    !ret->slots || ret->slots & (ret->slots - 1) || ret->units > ret->slots)
		return false;
	ret->ids = cursor_sub(&c, (uint64_t)ret->slots * ID_BYTES);
	ret->rows = cursor_sub(&c, (uint64_t)ret->slots * CELL_BYTES);
	ret->cells = cursor_sub(&c, ((uint64_t)ret->units * 2 + 1) * ret->columns * CELL_BYTES);
	return !c.bad;
}

static uint32_t cell(const struct table *t, uint64_t row, uint32_t column)
{
	struct cursor c = t->cells;

	cursor_skip(&c, (row * t->columns + column) * CELL_BYTES);
	return cursor_u32(&c);
}

/* Of an open hash table with a second step: no more steps than slots. False: it is not there. */
static bool find_row(const struct table *t, uint64_t id, uint32_t *ret)
{
	uint32_t mask = t->slots - 1, at = (uint32_t)id & mask, step = ((uint32_t)(id >> 32) & mask) | 1;

	for (uint32_t i = 0; i < t->slots; i++, at = (at + step) & mask) {
		struct cursor ids = t->ids, rows = t->rows;

		cursor_skip(&ids, (uint64_t)at * ID_BYTES);
		cursor_skip(&rows, (uint64_t)at * CELL_BYTES);
		*ret = cursor_u32(&rows);
		if (!*ret)
			return false;
		if (cursor_u64(&ids) == id)
			return *ret <= t->units;
	}
	return false;
}

/* What of a section a unit has. False: it lies outside. */
static bool part_of(struct Elf *package, const char *name, uint64_t offset, uint64_t size, struct dbg_section *ret)
{
	char dwo[32];

	snprintf(dwo, sizeof(dwo), "%s.dwo", name);
	if (!dbg_section_of(package, dwo, ret) || offset > ret->n || size > ret->n - offset)
		return false;
	*ret = (struct dbg_section){ name, (const uint8_t *)ret->at + offset, size };
	return true;
}

bool dbg_dwp_unit(struct Elf *package, uint64_t id, const struct dbg_section addr[2], struct dbg_view *ret)
{
	struct dbg_section all[COLUMNS_MAX + 3], index;
	bool has_info = false;
	struct table t;
	uint32_t row;
	size_t n = 0;

	if (!dbg_section_of(package, ".debug_cu_index", &index) || !table_open(&index, &t) || !find_row(&t, id, &row))
		return false;
	for (uint32_t k = 0; k < t.columns; k++) {
		uint32_t kind = cell(&t, 0, k);
		const char *name = kind < ARRAY_SIZE(sections) ? sections[kind][t.version == 5] : NULL;

		if (name && part_of(package, name, cell(&t, row, k), cell(&t, (uint64_t)t.units + row, k), &all[n])) {
			has_info = has_info || kind == SECT_INFO;
			n++;
		}
	}
	if (dbg_section_of(package, ".debug_str.dwo", &all[n]))
		all[n++].name = ".debug_str"; /* all units have one */
	for (size_t i = 0; i < 2; i++)
		if (addr[i].n)
			all[n++] = addr[i];
	return has_info && dbg_view_open(package, all, n, ret);
}
