/* python_objects.c - blocks as objects, by the type that each has to name. */
#include "type/python_objects.h"

#include <stdlib.h>

#include "base/guard.h"
#include "image/python.h"

enum {
	FRONT_MOST = 32,
	COUNT_MOST = 1 << 24, /* of references that are believed */
	IMMORTAL_LEAST = 0x3fffffff, /* since 3.12 */
};

static uint64_t word(const struct py_objects *o, taddr at)
{
	uint64_t w;

	return image_read_u64(o->img, at, &w) == MEM_OK ? w : 0;
}

struct err *py_objects_new(const struct image *img, struct py_objects **ret)
{
	struct py_version version;

	*ret = NULL;
	if (!py_version(img, &version))
		return NULL;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return &err_nomem;
	(*ret)->img = img;
	(*ret)->version = version;
	return NULL;
}

struct py_known *py_objects_type(struct py_objects *o, taddr at)
{
	struct py_known *k = &o->known[((at >> 4) * 0x9e3779b97f4a7c15 >> 52) % ARRAY_SIZE(o->known)];

	if (!at || at & 7)
		return NULL;
	if (k->at != at) {
		*k = (struct py_known){ .at = at };
		k->is_type = py_type(o->img, &o->version, at, &k->type);
	}
	return k->is_type ? k : NULL;
}

/* Do so many bytes hold an object of that type? */
static bool fits(const struct py_objects *o, const struct py_type *t, taddr at, uint64_t bytes)
{
	uint64_t count = py_count(&o->version, word(o, at)), least = t->basic, n;

	if (!count || count > UINT32_MAX || (count > COUNT_MOST && count < IMMORTAL_LEAST))
		return false;
	if (t->flags & PY_FLAG_TEXT) /* compact ones end before the fields of others */
		least = o->version.text;
	if (least > bytes)
		return false;
	/* Its items, if nothing else is counted there. */
	if (t->item && !(t->flags & (PY_FLAG_LONG | PY_FLAG_TEXT)) && t->at != o->img->python->type) {
		n = word(o, at + PY_SIZE);
		if (t->flags & PY_FLAG_TUPLE && (n > bytes || n * t->item > bytes - least))
			return false;
	}
	return true;
}

struct py_known *py_objects_in(struct py_objects *o, taddr addr, uint64_t usable, unsigned *ret_front)
{
	for (unsigned front = 0; front <= FRONT_MOST && front + 16 <= usable; front += 16) {
		struct py_known *k = py_objects_type(o, word(o, addr + front + PY_TYPE));

		if (!k || k->type.front != front || !fits(o, &k->type, addr + front, usable - front))
			continue;
		*ret_front = front;
		return k;
	}
	return NULL;
}
