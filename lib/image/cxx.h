/*
 * image/cxx.h - the class of a C++ object, by the vtable that its first word points into.
 *
 * Layouts: Itanium C++ ABI, sections 2.5.2 (virtual table components) and 2.9.5 (RTTI layout); as
 * GCC, Clang, libstdc++ and libc++abi have them.  Needs no symbols: stripping leaves type_info.
 */
#ifndef HEAPFX_IMAGE_CXX_H
#define HEAPFX_IMAGE_CXX_H

#include "base/addrmap.h"
#include "base/arena.h"
#include "image/image.h"

/* A base with virtual functions of its own, inside an object of a class. */
struct cxx_part {
	uint64_t offset; /* of its vtable pointer in the object; never 0 */
	taddr point;	 /* what that points at */
};

struct cxx_class {
	const char *name; /* "shop::Order", escaped; never NULL */
	taddr type_info;  /* 0: known by the symbol of its vtable alone */
	void *user;	  /* of who asks: NULL at first */
};

/* What a pointer into a vtable says of the object that holds it. */
struct cxx_point {
	struct cxx_class *of; /* NULL: it is no such pointer */
	uint64_t inside;      /* bytes of the object in front of the word that holds it */
	/* of an object's first word: */
	uint64_t least;	      /* bytes that it has at least */
	const struct cxx_part *parts;
	uint32_t n_parts;
};

struct cxx_range {
	taddr start, end;
};

struct cxx {
	const struct image *img;
	struct addrmap points;	/* struct cxx_point by address; `none` for what was found to be none */
	struct addrmap classes; /* struct cxx_class by the address of its type_info */
	struct addrmap kinds;	/* struct cxx_kind by the vtable pointer of a type_info */
	struct cxx_point none;
	uint64_t n_points;
	struct cxx_range *ranges; /* data of modules, ascending, disjoint */
	size_t n_ranges;
	uint64_t low, span; /* all of them lie in [low, low + span) */
	uint64_t gap, gap_span; /* between two of them, of those where words pointed the last one */
	struct arena mem;
};

/* One thread.  Nothing is read before it is asked for. */
struct err *cxx_open(const struct image *img, struct cxx *ret) MUST_CHECK;
void cxx_close(struct cxx *c); /* zeroed is fine */

/* What a word of an object says; any word may be asked about, at a few nanoseconds. */
const struct cxx_point *cxx_find_point(struct cxx *c, uint64_t word);
static inline const struct cxx_point *cxx_point_at(struct cxx *c, uint64_t word)
{
	if (word - c->low >= c->span || word - c->gap < c->gap_span)
		return &c->none;
	return cxx_find_point(c, word);
}

#endif
