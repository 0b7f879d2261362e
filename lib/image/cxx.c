/*
 * image/cxx.c - reads vtables and the type_info behind them.
 *
 * Source of truth: Itanium C++ ABI 2.5.2 and 2.9.5.  The word before the place that objects point
 * at (the address point) is the type_info's address, the one before that the offset from there to
 * the object's first byte.  A type_info begins with a vtable pointer of one of three classes of
 * __cxxabiv1, whose own type_info says so in words; then comes the mangled name of its type.  All
 * of it must hold; the rest of a vtable (virtual bases' offsets, functions) is not looked at, but
 * for the first function.
 *
 * Without type_info (-fno-rtti) the symbol of the vtable has the name.
 */
#include "image/cxx.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/demangle.h"

enum {
	POINTS_MAX = 1 << 18,	 /* different words that are judged */
	OBJECT_MAX = 1 << 24,	 /* bytes in front of a base */
	GROUP_WORDS = 1 << 14,	 /* of the vtables of one class, one after another */
	PARTS_MAX = 256,
	NAME_BYTES = 4000,	 /* of a mangled name */
	WORD = 8,
};

/* ---- data of modules */

/* .bss too: the linker may copy a library's vtable there. */
static bool is_data(const struct image *img, const struct segment *seg)
{
	return seg->bytes && (seg->flags & (SEG_R | SEG_X)) == SEG_R && image_data_module(img, seg) >= 0;
}

/* The brk area may begin in the mapping of .bss. */
static struct err *add_range(struct cxx *c, size_t *cap, taddr start, taddr end)
{
	const struct image *img = c->img;
	struct {
		struct cxx_range *v;
		size_t n, cap;
	} ranges = { c->ranges, c->n_ranges, *cap };

	if (img->brk_start < end && img->brk_start >= start)
		end = img->brk_start;
	if (start >= end)
		return NULL;
	if (ranges.n && ranges.v[ranges.n - 1].end == start) {
		ranges.v[ranges.n - 1].end = end;
		return NULL;
	}
	if (!vec_push(&ranges, (&(struct cxx_range){ start, end })))
		return &err_nomem;
	c->ranges = ranges.v;
	c->n_ranges = ranges.n;
	*cap = ranges.cap;
	return NULL;
}

struct err *cxx_open(const struct image *img, struct cxx *c)
{
	size_t cap = 0;
	struct err *err = NULL;

	*c = (struct cxx){ .img = img };
	for (size_t i = 0; i < img->n_segments && !err; i++) {
		const struct segment *seg = &img->segments[i];

		if (is_data(img, seg))
			err = add_range(c, &cap, seg->start, seg->end);
	}
	if (c->n_ranges) {
		c->low = c->ranges[0].start;
		c->span = c->ranges[c->n_ranges - 1].end - c->low;
	}
	return err;
}

void cxx_close(struct cxx *c)
{
	addrmap_fini(&c->points);
	addrmap_fini(&c->classes);
	addrmap_fini(&c->kinds);
	arena_fini(&c->mem);
	free(c->ranges);
	*c = (struct cxx){};
}

static bool in_data(const struct cxx *c, taddr at)
{
	size_t i = partition_point(c->n_ranges, k, c->ranges[k].end <= at);

	return i < c->n_ranges && at >= c->ranges[i].start;
}

static uint64_t word_at(const struct cxx *c, taddr at)
{
	uint64_t v = 0;

	return image_read_u64(c->img, at, &v) ? 0 : v;
}

/* ---- type_info */

/* The name of a type_info as it is in memory; a leading "*" says that addresses are compared. */
static bool read_name(const struct cxx *c, taddr type_info, char *ret, size_t max)
{
	taddr at = word_at(c, type_info + WORD);

	if (!in_data(c, at) || image_read_str(c->img, at, ret, max))
		return false;
	if (ret[0] == '*')
		memmove(ret, ret + 1, strlen(ret));
	return ret[0];
}

/* What a type_info is, as its own vtable pointer says. */
struct cxx_kind {
	const char *name;
	bool is_class, has_bases;
};

enum { KIND_OTHER = 3, KIND_MISSING };

static const struct cxx_kind kinds[] = {
	{ "N10__cxxabiv117__class_type_infoE", true, false },
	{ "N10__cxxabiv120__si_class_type_infoE", true, true },
	{ "N10__cxxabiv121__vmi_class_type_infoE", true, true },
	[KIND_OTHER] = { NULL, false, false },
	[KIND_MISSING] = { NULL, true, true },
};

/* What lies there is of a module, but neither in the dump nor in a file of this machine. */
static bool is_missing(const struct cxx *c, taddr at)
{
	const struct segment *seg = image_segment(c->img, at);

	return seg && !seg->bytes && seg->module >= 0;
}

/*
 * Where the C++ library is not at hand, the names of its own classes are not: then what is in a
 * type_info's place, and has the mangled name of a type, is taken for one of a class.
 */
static const struct cxx_kind *read_kind(const struct cxx *c, taddr vptr)
{
	taddr own = word_at(c, vptr - WORD);
	char name[64];

	if (!own || own % WORD || !in_data(c, own))
		return &kinds[is_missing(c, vptr) || is_missing(c, own) ? KIND_MISSING : KIND_OTHER];
	if (!read_name(c, own, name, sizeof(name)))
		return &kinds[is_missing(c, word_at(c, own + WORD)) ? KIND_MISSING : KIND_OTHER];
	for (unsigned i = 0; i < KIND_OTHER; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return &kinds[KIND_OTHER];
}

static const struct cxx_kind *kind_of(struct cxx *c, taddr type_info)
{
	taddr vptr = word_at(c, type_info);
	const struct cxx_kind *kind;

	if (vptr < 2 * WORD || vptr % WORD || !image_segment(c->img, vptr))
		return &kinds[KIND_OTHER];
	kind = addrmap_get(&c->kinds, vptr);
	if (kind)
		return kind;
	kind = read_kind(c, vptr);
	if (c->kinds.n < POINTS_MAX)
		addrmap_put(&c->kinds, vptr, kind); /* without memory: again the next time */
	return kind;
}

/* "3Foo" -> "Foo"; what the demangler refuses is no name of a type. */
static const char *type_name(struct cxx *c, const char *prefix, const char *mangled, const char *words)
{
	struct text symbol = TEXT_INIT, name = TEXT_INIT;
	const char *ret = NULL;
	size_t n = strlen(words);

	text_printf(&symbol, "%s%s", prefix, mangled);
	if (!symbol.bad && demangle(text_str(&symbol), &name) && name.n > n &&
	    !strncmp(text_str(&name), words, n))
		ret = arena_strdup(&c->mem, text_str(&name) + n);
	text_fini(&symbol);
	text_fini(&name);
	return ret;
}

static struct cxx_class *new_class(struct cxx *c, const char *name)
{
	struct cxx_class *ret = name ? arena_alloc(&c->mem, sizeof(*ret)) : NULL;

	if (ret)
		ret->name = name;
	return ret;
}

static struct cxx_class *class_of(struct cxx *c, taddr type_info)
{
	const struct cxx_class *known = addrmap_get(&c->classes, type_info);
	struct cxx_class *ret;
	char name[NAME_BYTES];

	if (known)
		return (struct cxx_class *)known;
	if (!kind_of(c, type_info)->is_class || !read_name(c, type_info, name, sizeof(name)))
		return NULL;
	ret = new_class(c, type_name(c, "_ZTS", name, "typeinfo name for "));
	if (!ret)
		return NULL;
	ret->type_info = type_info;
	return addrmap_put(&c->classes, type_info, ret) ? ret : NULL;
}

/* ---- vtables */

/* The offset to the top of what is in front of an address point: how far in a base lies. */
static bool read_inside(const struct cxx *c, taddr point, uint64_t *ret)
{
	uint64_t to_top;

	if (!in_data(c, point - 2 * WORD) || image_read_u64(c->img, point - 2 * WORD, &to_top))
		return false;
	*ret = 0 - to_top;
	return *ret < OBJECT_MAX && !(*ret % WORD);
}

/* A virtual function, or a pure one that nobody may call; a vtable of virtual bases may have none. */
static bool may_be_function(struct cxx *c, taddr point, taddr type_info)
{
	uint64_t word;
	const struct segment *code;

	if (image_read_u64(c->img, point, &word) || !word)
		return true; /* the vtable ends where its memory does */
	code = image_segment(c->img, word);
	return (code && code->flags & SEG_X) || kind_of(c, type_info)->has_bases;
}

/*
 * The other vtables of a class come right behind its first one, each behind the offset to the top
 * and the same type_info.
 */
static void find_parts(struct cxx *c, taddr at, struct cxx_point *point)
{
	struct {
		struct cxx_part *v;
		size_t n, cap;
	} parts = {};
	uint64_t avail;
	const uint8_t *b = image_view(c->img, at, &avail);
	uint64_t n = b && point->of->type_info ? avail / WORD : 0;

	n = n < GROUP_WORDS ? n : GROUP_WORDS;
	for (uint64_t i = 1; i < n && parts.n < PARTS_MAX; i++) {
		uint64_t word = load_u64(b + i * WORD);
		struct cxx_part part = { .offset = 0 - load_u64(b + (i - 1) * WORD),
					 .point = at + (i + 1) * WORD };

		if (word != point->of->type_info) {
			if (in_data(c, word) && kind_of(c, word)->is_class)
				break; /* of the next class */
			continue;
		}
		if (!part.offset || part.offset >= OBJECT_MAX || part.offset % WORD || !vec_push(&parts, &part))
			break;
		if (part.offset + WORD > point->least)
			point->least = part.offset + WORD;
	}
	point->parts = arena_memdup(&c->mem, parts.v, parts.n * sizeof(*parts.v));
	point->n_parts = point->parts ? (uint32_t)parts.n : 0;
	free(parts.v);
}

static bool by_structure(struct cxx *c, taddr point, struct cxx_point *ret)
{
	uint64_t inside, type_info = word_at(c, point - WORD);

	if (!type_info || type_info % WORD || !in_data(c, type_info) || !read_inside(c, point, &inside) ||
	    !may_be_function(c, point, type_info))
		return false;
	ret->of = class_of(c, type_info);
	ret->inside = inside;
	return ret->of;
}

/* "_ZTV3Foo" covers the point, at least two words in. */
static bool by_symbol(struct cxx *c, taddr point, struct cxx_point *ret)
{
	struct symbol s;
	const char *name;

	if (!image_symbol_at(c->img, point - 2 * WORD, &s) || strncmp(s.name, "_ZTV", 4) != 0)
		return false;
	if (!read_inside(c, point, &ret->inside)) {
		if (point - s.addr != 2 * WORD)
			return false;
		ret->inside = 0;
	}
	if (s.size && point - s.addr >= s.size + WORD)
		return false;
	/* All points of one vtable are of one class. */
	ret->of = (struct cxx_class *)addrmap_get(&c->classes, s.addr);
	if (ret->of)
		return true;
	name = type_name(c, "", s.name, "vtable for ");
	ret->of = new_class(c, name);
	return ret->of && addrmap_put(&c->classes, s.addr, ret->of);
}

static const struct cxx_point *judge(struct cxx *c, taddr at)
{
	struct cxx_point found = { .least = WORD }, *kept;
	bool is = by_structure(c, at, &found) || by_symbol(c, at, &found);

	kept = is ? arena_alloc(&c->mem, sizeof(*kept)) : &c->none;
	if (!kept)
		return &c->none;
	if (is) {
		*kept = found;
		if (!found.inside)
			find_parts(c, at, kept);
	}
	c->n_points++;
	addrmap_put(&c->points, at, kept); /* without memory: again the next time */
	return kept;
}

/* Most words of a heap's point back into it: between the same two ranges. */
static bool lies_in_gap(struct cxx *c, taddr at)
{
	size_t i = partition_point(c->n_ranges, k, c->ranges[k].end <= at);

	if (at >= c->ranges[i].start)
		return false;
	c->gap = c->ranges[i - 1].end;
	c->gap_span = c->ranges[i].start - c->gap;
	return true;
}

const struct cxx_point *cxx_find_point(struct cxx *c, uint64_t word)
{
	const struct cxx_point *known;

	if (lies_in_gap(c, word) || word % WORD)
		return &c->none;
	known = addrmap_get(&c->points, word);
	if (known)
		return known;
	return c->n_points < POINTS_MAX ? judge(c, word) : &c->none;
}
