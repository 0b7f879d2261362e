/*
 * image/dbg_parts.c - all units of a module's DWARF, wherever they are.
 *
 * Source of truth: DWARF 5, 7.3.2 and 7.3.5, the GNU extension of DWARF 4 that they come from, through
 * libdw; which opens files of split units itself, and checks their ids.
 */
#include "image/dbg_parts.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

#include "base/search.h"
#include "base/vec.h"
#include "image/dbg.h"
#include "image/dbg_dwp.h"

enum { PARTS_MAX = 1 << 16 };

void dbg_parts_close(struct dbg_parts *ps)
{
	for (size_t i = 0; i < ps->parts.n; i++)
		dbg_view_close(&ps->parts.v[i].view);
	free(ps->parts.v);
	free(ps->units.v);
	free(ps->views.v);
	*ps = (struct dbg_parts){};
}

static bool first_entry(Dwarf *dwarf, unsigned section, Dwarf_Off at, Dwarf_Die *ret)
{
	return section == DBG_TYPES ? dwarf_offdie_types(dwarf, at, ret) : dwarf_offdie(dwarf, at, ret);
}

static bool is_skeleton(Dwarf_Die *die)
{
	uint8_t kind;

	return !dwarf_cu_info(die->cu, NULL, &kind, NULL, NULL, NULL, NULL, NULL) && kind == DW_UT_skeleton;
}

/* Adds the units of the part that was added last. */
static bool add_units(struct dbg_parts *ps, unsigned section)
{
	struct dbg_part *p = &ps->parts.v[ps->parts.n - 1];
	Dwarf_Off at = 0, next;
	uint64_t signature;
	size_t header;
	Dwarf_Die die;

	for (; !dwarf_next_unit(p->dwarf, at, &next, &header, NULL, NULL, NULL, NULL,
				section == DBG_TYPES ? &signature : NULL, NULL); at = next) {
		struct dbg_unit u = {
			.offset = at + header, .size = next - at, .part = (uint32_t)ps->parts.n - 1,
			.section = (uint8_t)section,
		};

		if (!first_entry(p->dwarf, section, u.offset, &die))
			break;
		p->sections[section].at = (uintptr_t)die.addr - u.offset;
		if (!is_skeleton(&die) && !vec_push(&ps->units, &u))
			return false;
	}
	p->sections[section].size = at;
	return true;
}

static bool add_part(struct dbg_parts *ps, const struct dbg_part *p)
{
	return vec_push(&ps->parts, p) && add_units(ps, DBG_INFO) && add_units(ps, DBG_TYPES);
}

/* ---- units that were split off */

/* From an address in it on: what an attribute of the unit says. */
static struct dbg_section from_base(const struct dbg *d, Dwarf_Die *die, const char *name, unsigned attr_name, unsigned gnu)
{
	struct dbg_section ret = {};
	Dwarf_Attribute attr;
	Dwarf_Word base = 0;

	if ((!dwarf_attr(die, attr_name, &attr) && !dwarf_attr(die, gnu, &attr)) || dwarf_formudata(&attr, &base) ||
	    !dbg_section_of(d->main.elf, name, &ret) || base > ret.n)
		return (struct dbg_section){};
	ret.at = (const uint8_t *)ret.at + base;
	ret.n -= base;
	return ret;
}

static bool in_package(const struct dbg *d, Dwarf_Die *skeleton, struct dbg_part *p)
{
	struct dbg_section addr[2];

	if (!d->package.elf)
		return false;
	addr[0] = from_base(d, skeleton, ".debug_addr", DW_AT_addr_base, DW_AT_GNU_addr_base);
	addr[1] = from_base(d, skeleton, ".debug_ranges", DW_AT_GNU_ranges_base, DW_AT_GNU_ranges_base);
	if (!dbg_dwp_unit(d->package.elf, p->id, addr, &p->view))
		return false;
	p->dwarf = p->view.dwarf;
	return true;
}

static bool in_file(const struct dbg *d, Dwarf_Die *skeleton, struct dbg_part *p)
{
	Dwarf_Die split = {};

	if (!d->may_look || dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) || !split.addr)
		return false;
	p->dwarf = dwarf_cu_getdwarf(split.cu);
	return p->dwarf;
}

static bool add_split(struct dbg *d, Dwarf_Die *skeleton)
{
	struct dbg_part p = { .is_split = true };

	dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, NULL, &p.id, NULL, NULL);
	if (d->parts.parts.n >= PARTS_MAX || (!in_package(d, skeleton, &p) && !in_file(d, skeleton, &p))) {
		d->parts.missing++;
		return true;
	}
	if (add_part(&d->parts, &p))
		return true;
	if (!d->parts.parts.n || d->parts.parts.v[d->parts.parts.n - 1].dwarf != p.dwarf)
		dbg_view_close(&p.view); /* nobody else has it */
	return false;
}

static bool add_splits(struct dbg *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t kind;

	while (!dwarf_get_units(d->main.dwarf, cu, &cu, NULL, &kind, &die, NULL))
		if (kind == DW_UT_skeleton && !add_split(d, &die))
			return false;
	return true;
}

/* ---- by address */

static int by_place(const void *a, const void *b, void *arg)
{
	const struct dbg_part *parts = arg;
	uint64_t x = parts[*(const uint32_t *)a].sections[DBG_INFO].at;
	uint64_t y = parts[*(const uint32_t *)b].sections[DBG_INFO].at;

	return x < y ? -1 : x > y;
}

static bool sort_views(struct dbg_parts *ps)
{
	for (uint32_t i = 0; i < ps->parts.n; i++)
		if (ps->parts.v[i].view.dwarf && ps->parts.v[i].sections[DBG_INFO].size && !vec_push(&ps->views, &i))
			return false;
	if (ps->views.n)
		qsort_r(ps->views.v, ps->views.n, sizeof(*ps->views.v), by_place, ps->parts.v);
	return true;
}

struct Dwarf *dbg_parts_view(const struct dbg_parts *ps, const void *at)
{
	uint64_t addr = (uintptr_t)at;
	size_t i = partition_point(ps->views.n, k, ps->parts.v[ps->views.v[k]].sections[DBG_INFO].at <= addr);
	const struct dbg_part *p = i ? &ps->parts.v[ps->views.v[i - 1]] : NULL;

	return p && addr - p->sections[DBG_INFO].at < p->sections[DBG_INFO].size ? p->dwarf : NULL;
}

struct err *dbg_parts_open(struct dbg *d)
{
	struct dbg_part own = { .dwarf = d->main.dwarf }, alt = { .dwarf = d->rest.dwarf, .in_alt = true };
	struct dbg_parts *ps = &d->parts;

	if (ps->parts.n)
		return NULL;
	if (!add_part(ps, &own) || (alt.dwarf && !add_part(ps, &alt)) || !add_splits(d) || !sort_views(ps))
		return &err_nomem;
	return NULL;
}
