/*
 * image/dbg_parts.c - all units of a module's DWARF, wherever they are.
 *
 * Source of truth: DWARF 5, 7.3.2 and 7.3.5, the GNU extension of DWARF 4 that they come from, through
 * libdw.
 */
#include "image/dbg_parts.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/text.h"
#include "base/vec.h"
#include "image/dbg.h"
#include "image/dbg_dwo.h"
#include "image/dbg_dwp.h"

enum { PARTS_MAX = 1 << 16 };

static void part_close(struct dbg_part *p)
{
	dbg_view_close(&p->view);
	dbg_dwo_close(p->dwo);
}

void dbg_parts_close(struct dbg_parts *ps)
{
	for (size_t i = 0; i < ps->parts.n; i++)
		part_close(&ps->parts.v[i]);
	free(ps->parts.v);
	free(ps->signatures.v);
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

static bool add_signature(struct dbg_parts *ps, Dwarf_Die *unit)
{
	struct dbg_signature s = {};
	Dwarf_Die type = {};
	uint8_t kind;

	if (dwarf_cu_info(unit->cu, NULL, &kind, NULL, NULL, &s.signature, NULL, NULL) ||
	    (kind != DW_UT_type && kind != DW_UT_split_type) ||
	    dwarf_cu_info(unit->cu, NULL, NULL, NULL, &type, NULL, NULL, NULL) || !type.addr)
		return true;
	s.die = (uintptr_t)type.addr;
	return vec_push(&ps->signatures, &s);
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
		if (!is_skeleton(&die) && (!vec_push(&ps->units, &u) || !add_signature(ps, &die)))
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

static const char *text_of(Dwarf_Die *die, unsigned attr_name)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, attr_name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* With the folder that the unit was compiled in, where that is told; false: no memory. */
static bool path_of(Dwarf_Die *skeleton, char **ret)
{
	const char *name = text_of(skeleton, DW_AT_dwo_name), *folder = text_of(skeleton, DW_AT_comp_dir);

	*ret = NULL;
	name = name ? name : text_of(skeleton, DW_AT_GNU_dwo_name);
	if (!name)
		return true;
	*ret = name[0] == '/' || !folder ? strdup(name) : text_format("%s/%s", folder, name);
	return *ret;
}

static bool add_split(const struct image *img, struct dbg *d, struct dbg_dwp *package, Dwarf_Die *skeleton)
{
	struct dbg_part p = { .is_split = true };
	struct dbg_section addr[2];
	_free_ char *path = NULL;

	dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, NULL, &p.id, NULL, NULL);
	addr[0] = from_base(d, skeleton, ".debug_addr", DW_AT_addr_base, DW_AT_GNU_addr_base);
	addr[1] = from_base(d, skeleton, ".debug_ranges", DW_AT_GNU_ranges_base, DW_AT_GNU_ranges_base);
	if (!path_of(skeleton, &path))
		return false;
	if (d->parts.parts.n >= PARTS_MAX ||
	    ((!package || !dbg_dwp_unit(package, p.id, addr, &p.view)) &&
	     (!path || !dbg_dwo_open(img, path, d->may_look, p.id, addr, &p.dwo, &p.view)))) {
		d->parts.missing++;
		return true;
	}
	p.dwarf = p.view.dwarf;
	if (add_part(&d->parts, &p))
		return true;
	if (!d->parts.parts.n || d->parts.parts.v[d->parts.parts.n - 1].dwarf != p.dwarf)
		part_close(&p); /* nobody else has it */
	return false;
}

static bool add_splits(const struct image *img, struct dbg *d, struct dbg_dwp *package)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t kind;

	while (!dwarf_get_units(d->main.dwarf, cu, &cu, NULL, &kind, &die, NULL))
		if (kind == DW_UT_skeleton && !add_split(img, d, package, &die))
			return false;
	return true;
}

/* ---- by address */

static uint64_t place_of(const struct dbg_part *parts, uint32_t view)
{
	return parts[view / DBG_SECTIONS].sections[view % DBG_SECTIONS].at;
}

static int by_place(const void *a, const void *b, void *arg)
{
	uint64_t x = place_of(arg, *(const uint32_t *)a), y = place_of(arg, *(const uint32_t *)b);

	return x < y ? -1 : x > y;
}

static bool sort_views(struct dbg_parts *ps)
{
	for (uint32_t i = 0; i < ps->parts.n * DBG_SECTIONS; i++) {
		const struct dbg_part *p = &ps->parts.v[i / DBG_SECTIONS];

		if (p->view.dwarf && p->sections[i % DBG_SECTIONS].size && !vec_push(&ps->views, &i))
			return false;
	}
	if (ps->views.n)
		qsort_r(ps->views.v, ps->views.n, sizeof(*ps->views.v), by_place, ps->parts.v);
	return true;
}

/* The part with a view that has these bytes. */
static const struct dbg_part *part_at(const struct dbg_parts *ps, const void *at, uint64_t bytes)
{
	uint64_t addr = (uintptr_t)at;
	size_t i = partition_point(ps->views.n, k, place_of(ps->parts.v, ps->views.v[k]) <= addr);
	const struct dbg_part *p = i ? &ps->parts.v[ps->views.v[i - 1] / DBG_SECTIONS] : NULL;
	unsigned section = i ? ps->views.v[i - 1] % DBG_SECTIONS : 0;
	uint64_t offset = p ? addr - p->sections[section].at : 0;

	return p && offset < p->sections[section].size && bytes <= p->sections[section].size - offset ? p : NULL;
}

struct Dwarf *dbg_parts_view(const struct dbg_parts *ps, const void *at)
{
	const struct dbg_part *p = part_at(ps, at, 1);

	return p ? p->dwarf : NULL;
}

/* ---- by signature */

static int by_signature(const void *a, const void *b)
{
	const struct dbg_signature *x = a, *y = b;

	if (x->signature != y->signature)
		return x->signature < y->signature ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

uint64_t dbg_parts_signature(const struct dbg_parts *ps, const void *at)
{
	return part_at(ps, at, sizeof(uint64_t)) ? load_u64(at) : 0;
}

void *dbg_parts_signed(const struct dbg_parts *ps, uint64_t signature)
{
	size_t i = partition_point(ps->signatures.n, k, ps->signatures.v[k].signature < signature);

	return signature && i < ps->signatures.n && ps->signatures.v[i].signature == signature ?
		       (void *)(uintptr_t)ps->signatures.v[i].die : NULL;
}

static void guard_package(struct dbg_dwp **p)
{
	dbg_dwp_close(*p);
}

struct err *dbg_parts_open(const struct image *img, struct dbg *d)
{
	struct dbg_part own = { .dwarf = d->main.dwarf }, alt = { .dwarf = d->rest.dwarf, .in_alt = true };
	_cleanup_(guard_package) struct dbg_dwp *package = NULL;
	struct dbg_parts *ps = &d->parts;
	struct err *err;

	if (ps->parts.n)
		return NULL;
	err = dbg_dwp_open(d->package.elf, &package);
	if (err)
		return err;
	if (!add_part(ps, &own) || (alt.dwarf && !add_part(ps, &alt)) || !add_splits(img, d, package) || !sort_views(ps))
		return &err_nomem;
	if (ps->signatures.n)
		qsort(ps->signatures.v, ps->signatures.n, sizeof(*ps->signatures.v), by_signature);
	return NULL;
}
