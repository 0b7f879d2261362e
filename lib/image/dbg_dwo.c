/*
 * image/dbg_dwo.c - the sections of a .dwo file, as if they were a file of their own.
 *
 * Source of truth: DWARF 5, 7.3.2.2, and the GNU extension of DWARF 4.  GCC puts each unit of types in a section of
 * its own, all of one name, where libdw reads the first alone: they are read as one, in their order.
 */
#include "image/dbg_dwo.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "image/dbg.h"
#include "image/elf.h"
#include "input/input.h"
#include "image/parts.h"

enum { JOINED = 2 };

struct dbg_dwo {
	struct elf_file *file;
	struct dbg_reader reader;
};

/* As views have them, without ".dwo": first the JOINED that there may be several of. */
static const char *const sections[] = {
	".debug_info", ".debug_types", ".debug_abbrev", ".debug_line", ".debug_loc", ".debug_loclists",
	".debug_str_offsets", ".debug_rnglists", ".debug_str",
};

void dbg_dwo_close(struct dbg_dwo *d)
{
	if (!d)
		return;
	dbg_reader_close(&d->reader);
	elf_file_free(d->file);
	free(d);
}

static void guard_dwo(struct dbg_dwo **d)
{
	dbg_dwo_close(*d);
}

/* All sections of that name; false: there is none, or no memory. */
static bool whole(const struct dbg_dwo *d, unsigned kind, struct dbg_section *ret, void **joined)
{
	struct dbg_section all = { .name = sections[kind] };
	char name[32];
	size_t count;

	snprintf(name, sizeof(name), "%s.dwo", sections[kind]);
	count = dbg_sections_named(d->reader.elf, name, NULL, &all.n);
	if (!count)
		return false;
	if (count == 1 || kind >= JOINED) {
		if (!dbg_section_of(d->reader.elf, name, ret))
			return false;
		ret->name = sections[kind];
		return true;
	}
	joined[kind] = malloc(all.n);
	if (!joined[kind])
		return false;
	dbg_sections_named(d->reader.elf, name, joined[kind], &all.n);
	all.at = joined[kind];
	*ret = all;
	return true;
}

static bool has_unit(Dwarf *dwarf, uint64_t id)
{
	Dwarf_CU *cu = NULL;
	uint64_t theirs;
	uint8_t kind;

	while (!dwarf_get_units(dwarf, cu, &cu, NULL, &kind, NULL, NULL))
		if (kind == DW_UT_split_compile && !dwarf_cu_info(cu, NULL, NULL, NULL, NULL, &theirs, NULL, NULL) &&
		    theirs == id)
			return true;
	return false;
}

/* `err`: of opening `file`, which is taken; one that is not there is counted by who asks. */
static bool open_unit(const struct image *img, struct err *err, struct elf_file *file, uint64_t id,
		      const struct dbg_section addr[2], struct dbg_dwo **ret, struct dbg_view *ret_view)
{
	_cleanup_(guard_dwo) struct dbg_dwo *d = calloc(1, sizeof(*d));
	struct dbg_section all[ARRAY_SIZE(sections) + 2];
	void *joined[JOINED] = {};
	struct dbg_view view;
	size_t n = 0;

	if (d)
		d->file = err ? NULL : file;
	else if (!err)
		elf_file_free(file);
	err_free(err);
	if (!d || !d->file || !dbg_reader_elf(img, d->file, &d->reader))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
		n += whole(d, i, &all[n], joined);
	for (size_t i = 0; i < 2; i++)
		if (addr[i].n)
			all[n++] = addr[i];
	if (!dbg_view_open_joined(d->reader.elf, all, n, joined, &view))
		return false;
	if (!has_unit(view.dwarf, id)) {
		dbg_view_close(&view);
		return false;
	}
	*ret = take(&d);
	*ret_view = view;
	return true;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool dbg_dwo_open(const struct image *img, const char *path, bool may_look, uint64_t id,
		  const struct dbg_section addr[2], struct dbg_dwo **ret, struct dbg_view *ret_view)
{
	struct elf_file *file = NULL;
	struct err *err;

	for (size_t i = 0; img->input && i < img->input->n; i++) {
		const struct member *m = &img->input->members[i];

		if (m == img->core || strcmp(base_name(m->name), base_name(path)) != 0)
			continue;
		err = elf_file_open_bytes(m->name, m->map, m->size, &file);
		if (open_unit(img, err, file, id, addr, ret, ret_view))
			return true;
	}
	if (!may_look || path[0] != '/')
		return false;
	err = elf_file_open_path(path, &file);
	return open_unit(img, err, file, id, addr, ret, ret_view);
}
