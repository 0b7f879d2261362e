/*
 * image/dbg_dwp.c - the index of a package, and the parts of its sections that a unit has.
 *
 * Source of truth: DWARF 5, 7.3.5.3; version 2, of DWARF 4, as in the GCC wiki's DebugFissionDWP.
 * Units of types (.debug_tu_index) are read with the first unit that has their abbreviations and strings: both
 * come from one .dwo file.  A package has each of them once, whoever else needs it: dbg_parts_ref() finds them.
 */
#include "image/dbg_dwp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	COLUMNS_MAX = 16,
	SECT_INFO = 1,
	SECT_TYPES = 2,
	SECT_ABBREV = 3,
	SECT_STRINGS = 6,
	JOINED = 2,
	HEADER_BYTES = 16, ID_BYTES = 8, CELL_BYTES = 4,
};

struct table {
	struct cursor ids, rows, cells; /* cells: names of columns, then offsets, then sizes */
	uint32_t version, columns, units, slots;
};

/* What a column of that number is of: names of versions 2 and 5. */
static const char *const sections[][2] = {
	[SECT_INFO] = { ".debug_info", ".debug_info" },
	[SECT_TYPES] = { ".debug_types", NULL },
	[SECT_ABBREV] = { ".debug_abbrev", ".debug_abbrev" },
	[4] = { ".debug_line", ".debug_line" },
	[5] = { ".debug_loc", ".debug_loclists" },
	[SECT_STRINGS] = { ".debug_str_offsets", ".debug_str_offsets" },
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

/* ---- units of types */

struct types_unit {
	uint64_t file; /* which .dwo it comes from: where its abbreviations and its strings are */
	uint32_t row;
	bool is_taken; /* of a file's first one: a unit has them all */
};

struct dbg_dwp {
	struct Elf *elf;
	struct table units, types; /* no `types` where their index has no columns */
	struct {
		struct types_unit *v; /* by file, then by row */
		size_t n, cap;
	} of_types;
	uint64_t left; /* bytes that may still be joined: a package that lies says the same ones again and again */
};

/* Where a row's part of a section of this kind is; false: it has none. */
static bool find_part(const struct table *t, uint32_t row, uint32_t kind, uint32_t *ret, uint32_t *ret_size)
{
	for (uint32_t k = 0; k < t->columns; k++) {
		if (cell(t, 0, k) != kind)
			continue;
		*ret = cell(t, row, k);
		*ret_size = cell(t, (uint64_t)t->units + row, k);
		return true;
	}
	return false;
}

static uint64_t file_of(const struct table *t, uint32_t row)
{
	uint32_t abbrevs = 0, strings = 0, size;

	find_part(t, row, SECT_ABBREV, &abbrevs, &size);
	find_part(t, row, SECT_STRINGS, &strings, &size);
	return (uint64_t)abbrevs << 32 | strings;
}

static int by_file(const void *a, const void *b)
{
	const struct types_unit *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

void dbg_dwp_close(struct dbg_dwp *p)
{
	if (p)
		free(p->of_types.v);
	free(p);
}

struct err *dbg_dwp_open(struct Elf *package, struct dbg_dwp **ret)
{
	struct dbg_section index, bytes;
	struct dbg_dwp *p;

	*ret = NULL;
	if (!package || !dbg_section_of(package, ".debug_cu_index", &index))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return &err_nomem;
	p->elf = package;
	*ret = p;
	if (!table_open(&index, &p->units))
		p->units = (struct table){ .slots = 0 };
	if (!dbg_section_of(package, ".debug_tu_index", &index) || !table_open(&index, &p->types))
		return NULL;
	p->left = dbg_section_of(package, ".debug_info.dwo", &bytes) ? bytes.n : 0;
	p->left += dbg_section_of(package, ".debug_types.dwo", &bytes) ? bytes.n : 0;
	for (uint32_t row = 1; row <= p->types.units; row++) {
		struct types_unit u = { .file = file_of(&p->types, row), .row = row };

		if (!vec_push(&p->of_types, &u)) {
			dbg_dwp_close(p);
			*ret = NULL;
			return &err_nomem;
		}
	}
	if (p->of_types.n)
		qsort(p->of_types.v, p->of_types.n, sizeof(*p->of_types.v), by_file);
	return NULL;
}

/* What the units of types from `first` on have of a section, behind what is there of it; false: no memory. */
static bool join(const struct dbg_dwp *p, size_t first, uint32_t kind, struct dbg_section *section, void **joined)
{
	uint64_t file = p->of_types.v[first].file;
	uint64_t most = section->n + p->left;
	uint8_t *bytes = NULL;

	for (size_t i = first; i < p->of_types.n && p->of_types.v[i].file == file; i++) {
		uint32_t offset, size;
		struct dbg_section one;
		uint8_t *more;

		if (!find_part(&p->types, p->of_types.v[i].row, kind, &offset, &size) || !size || size > most - section->n ||
		    !part_of(p->elf, sections[kind][0], offset, size, &one))
			continue;
		more = realloc(bytes, section->n + size);
		if (!more) {
			free(bytes);
			return false;
		}
		if (!bytes && section->n)
			memcpy(more, section->at, section->n);
		bytes = more;
		memcpy(bytes + section->n, one.at, size);
		*section = (struct dbg_section){ one.name, bytes, section->n + size };
	}
	*joined = bytes;
	return true;
}

/* Adds them to the sections of a unit whose own bytes are in the one at `info`; false: no memory. */
static bool with_types(struct dbg_dwp *p, uint64_t file, struct dbg_section *all, size_t *n, size_t info, void **joined)
{
	size_t first = partition_point(p->of_types.n, i, p->of_types.v[i].file < file);
	uint64_t before = all[info].n;
	struct dbg_section types = { .name = ".debug_types" };

	if (first == p->of_types.n || p->of_types.v[first].file != file || p->of_types.v[first].is_taken)
		return true;
	p->of_types.v[first].is_taken = true;
	if (!join(p, first, SECT_INFO, &all[info], &joined[0]))
		return false;
	p->left -= all[info].n - before;
	if (!join(p, first, SECT_TYPES, &types, &joined[1])) {
		free(joined[0]);
		return false;
	}
	p->left -= types.n;
	if (types.n)
		all[(*n)++] = types;
	return true;
}

/* ---- units */

bool dbg_dwp_unit(struct dbg_dwp *p, uint64_t id, const struct dbg_section addr[2], struct dbg_view *ret)
{
	struct dbg_section all[COLUMNS_MAX + 4];
	const struct table *t = &p->units;
	size_t n = 0, info = COLUMNS_MAX;
	void *joined[JOINED] = {};
	uint32_t row;

	if (!t->slots || !find_row(t, id, &row))
		return false;
	for (uint32_t k = 0; k < t->columns; k++) {
		uint32_t kind = cell(t, 0, k);
		const char *name = kind < ARRAY_SIZE(sections) ? sections[kind][t->version == 5] : NULL;

		if (name && part_of(p->elf, name, cell(t, row, k), cell(t, (uint64_t)t->units + row, k), &all[n])) {
			info = kind == SECT_INFO ? n : info;
			n++;
		}
	}
	if (dbg_section_of(p->elf, ".debug_str.dwo", &all[n]))
		all[n++].name = ".debug_str"; /* all units have one */
	for (size_t i = 0; i < 2; i++)
		if (addr[i].n)
			all[n++] = addr[i];
	return info < COLUMNS_MAX && with_types(p, file_of(t, row), all, &n, info, joined) &&
	       dbg_view_open_joined(p->elf, all, n, joined, ret);
}
