/*
 * image/dbg_parts.h - where the DWARF of a module lies: its own, what dwz moved out, and each unit
 * that was split off (-gsplit-dwarf), from its own file or from the module's package (.dwp).
 */
#ifndef HEAPFX_IMAGE_DBG_PARTS_H
#define HEAPFX_IMAGE_DBG_PARTS_H

#include "image/dbg_view.h"
#include "image/image.h"

enum { DBG_INFO, DBG_TYPES, DBG_SECTIONS }; /* .debug_info, .debug_types of DWARF 4 */

struct dbg_part {
	struct Dwarf *dwarf;
	struct dbg_view view; /* of a split unit; zeroed: the module's own `dwarf` */
	struct dbg_dwo *dwo;  /* whose sections the view has; NULL: it has the package's */
	bool in_alt, is_split;
	uint64_t id;	      /* of the split unit */
	struct {
		uint64_t at, size; /* size 0: there is none, or it is damaged */
	} sections[DBG_SECTIONS];
};

/* A unit that has entries: none of those that only say where they are. */
struct dbg_unit {
	uint64_t offset, size; /* of its first entry, in the section; of the unit */
	uint32_t part;
	uint8_t section;
};

struct dbg_parts {
	struct {
		struct dbg_part *v; /* the module's own; the other half if any; split units in its order */
		size_t n, cap;
	} parts;
	struct {
		struct dbg_unit *v; /* by part, section and offset */
		size_t n, cap;
	} units;
	struct {
		uint32_t *v; /* part * DBG_SECTIONS + section, by where that is: those with a view */
		size_t n, cap;
	} views;
	struct { /* of all parts: libdw finds those of the same part alone */
		struct dbg_signature { /* of a unit of types, and its type's entry */
			uint64_t signature, die;
		} *v; /* by signature */
		size_t n, cap;
	} signatures;
	uint64_t missing; /* split units that are nowhere */
};

struct dbg;
struct dbg_dwo;

/*
 * Under the module's lock, once.  Libdw finds the unit of an address among those alone that it has
 * met: all are met here.
 */
struct err *dbg_parts_open(const struct image *img, struct dbg *d) MUST_CHECK;
void dbg_parts_close(struct dbg_parts *ps); /* zeroed is fine */
/* The entry of the type with that signature, in whichever part; NULL: there is none. */
void *dbg_parts_signed(const struct dbg_parts *ps, uint64_t signature);
/* The signature that is at `at`, in a split unit; 0: it lies in none. */
uint64_t dbg_parts_signature(const struct dbg_parts *ps, const void *at);
/* The split unit that an address lies in; NULL: in none. */
struct Dwarf *dbg_parts_view(const struct dbg_parts *ps, const void *at);

#endif
