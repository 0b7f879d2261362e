/*
 * python.c - PyType_Type by its symbol, or as the one object in the data of a module that is its own type.
 *
 * tp_name would tell more, and is in memory that a core leaves out: it is not asked.
 */
#include "image/python.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"

enum {
	OB_TYPE = 8,
	TP_BASICSIZE = 32,
	TP_ITEMSIZE = 40,
	TP_FLAGS = 168,
	TP_END = 400,	    /* at least */
	MEMBER_BYTES = 40,  /* struct PyMemberDef: the items of a type */
	HEAP_TYPE_LEAST = 800, /* struct PyHeapTypeObject: 944 in 3.15 */
	HEAP_TYPE_MOST = 1600,
	FLAG_READY = 1 << 12,
	OBJECT_MOST = 1 << 24, /* believed of tp_basicsize */
	CHAIN = 4,	       /* a type, its metaclass, that one's, .. */
	HEAD_LEAST = 16,       /* PyGC_Head */
	HEAD_MOST = 32,
	TAGS_SINCE = 14,       /* a variable's word says whether it is counted (_PyStackRef): */
	TAG_BITS = 3,
	TAG_BORROWED = 1,      /* Py_TAG_REFCNT: it is not */
};
#define FLAG_TYPE_SUBCLASS (1ull << 31)

/* By sizeof(PyHeapTypeObject). */
static const struct {
	uint64_t heap_type;
	unsigned minor;
	const char *said;
} versions[] = {
	{ 864, 7, "3.7" },   { 880, 8, "3.8 or 3.9" }, { 888, 10, "3.10" },
	{ 904, 11, "3.11" }, { 920, 12, "3.12" },      { 928, 13, "3.13" },
	{ 936, 14, "3.14" }, { 944, 15, "3.15 or later" },
};

/* Its own type, with room for members behind a heap type, ready and derived from itself. */
static bool is_type_type(const struct image *img, taddr at)
{
	uint64_t type, basic, item, flags;

	return !(at & 7) && image_read_u64(img, at + OB_TYPE, &type) == MEM_OK && type == at &&
	       image_read_u64(img, at + TP_ITEMSIZE, &item) == MEM_OK && item == MEMBER_BYTES &&
	       image_read_u64(img, at + TP_BASICSIZE, &basic) == MEM_OK && basic >= HEAP_TYPE_LEAST &&
	       basic <= HEAP_TYPE_MOST && image_read_u64(img, at + TP_FLAGS, &flags) == MEM_OK &&
	       flags & FLAG_READY && flags & FLAG_TYPE_SUBCLASS;
}

static taddr search_segment(const struct image *img, const struct segment *seg)
{
	uint64_t n = seg->end - seg->start;
	taddr self = seg->start; /* that the word would be the type of */

	for (uint64_t off = OB_TYPE; n >= 8 && off <= n - 8; off += 8, self += 8)
		if (load_u64(seg->bytes + off) == self && is_type_type(img, self))
			return self;
	return 0;
}

static taddr search_data(const struct image *img)
{
	enum shadow_mode mode = image_keep_pause(img);
	taddr at = 0;

	for (size_t i = 0; i < img->n_segments && !at; i++) {
		const struct segment *seg = &img->segments[i];

		if (seg->bytes && seg->flags & SEG_W && seg->module >= 0)
			at = search_segment(img, seg);
	}
	image_keep_resume(img, mode);
	return at && is_type_type(img, at) ? at : 0;
}

struct err *python_open(struct image *img)
{
	struct python py = {};
	struct symbol sym;
	uint64_t heap_type;

	if (image_symbol(img, NULL, "PyType_Type", &sym) && is_type_type(img, sym.addr)) {
		py.type = sym.addr;
		py.by_symbol = true;
	} else {
		py.type = search_data(img);
	}
	if (!py.type)
		return NULL;
	if (image_read_u64(img, py.type + TP_BASICSIZE, &heap_type) == MEM_OK)
		for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
			if (versions[i].heap_type == heap_type)
				py.minor = versions[i].minor;
	img->python = malloc(sizeof(*img->python));
	if (!img->python)
		return &err_nomem;
	*img->python = py;
	return NULL;
}

void python_close(struct python *py)
{
	free(py);
}

const char *python_version(const struct python *py)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (versions[i].minor == py->minor)
			return versions[i].said;
	return NULL;
}

/* What any type has, whatever its own type. */
static bool has_shape(const struct image *img, taddr at, uint64_t *ret_flags)
{
	uint64_t basic;

	return image_read_u64(img, at + TP_BASICSIZE, &basic) == MEM_OK && basic >= 2 * OB_TYPE && basic <= OBJECT_MOST &&
	       image_read_u64(img, at + TP_FLAGS, ret_flags) == MEM_OK && *ret_flags & FLAG_READY;
}

bool python_is_type(const struct image *img, taddr at)
{
	uint64_t flags;

	if (!img->python || !at || at & 7)
		return false;
	for (unsigned i = 0; i < CHAIN; i++) {
		if (at == img->python->type)
			return true;
		if (!has_shape(img, at, &flags) || (i && !(flags & FLAG_TYPE_SUBCLASS)) ||
		    image_read_u64(img, at + OB_TYPE, &at) != MEM_OK || at & 7)
			return false;
	}
	return false;
}

bool python_is_object(const struct image *img, taddr at)
{
	uint64_t type;

	return !(at & 7) && image_read_u64(img, at + OB_TYPE, &type) == MEM_OK && python_is_type(img, type);
}

static bool is_values(const struct image *img, taddr start, uint64_t usable, taddr at)
{
	uint64_t prefix = at - start;
	uint8_t tail[2]; /* how many there are; the prefix's bytes */

	/* Room for n of them has n + 2 bytes in front, rounded up to a multiple of 8. */
	return prefix >= 8 && prefix <= UINT8_MAX && !(prefix & 7) && prefix < usable &&
	       image_read(img, at - sizeof(tail), tail, sizeof(tail)) == MEM_OK && tail[1] == prefix &&
	       tail[0] <= prefix - sizeof(tail) && usable - prefix < 8 * prefix + 16 &&
	       usable - prefix >= 8 * (prefix < 9 ? 0 : prefix - 9);
}

bool python_is_start(const struct image *img, taddr start, uint64_t usable, taddr value)
{
	bool is_borrowed = img->python->minor >= TAGS_SINCE && (value & TAG_BITS) == TAG_BORROWED;
	taddr at = is_borrowed ? value - TAG_BORROWED : value;
	uint64_t off = at - start;

	if (((off >= HEAD_LEAST && off <= HEAD_MOST) || (is_borrowed && !off)) &&
	    (python_is_object(img, at) || (off == HEAD_LEAST && python_is_object(img, at + HEAD_LEAST))))
		return true;
	return is_values(img, start, usable, value + (value & 1));
}
