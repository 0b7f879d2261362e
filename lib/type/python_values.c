/* python_values.c - texts, numbers, dicts and names of types of CPython, each checked by what its own fields say. */
#include "type/python_values.h"

#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/python.h"
#include "image/shadow.h"

enum {
	TP_NAME = 24,
	TP_BASICSIZE = 32,
	TP_ITEMSIZE = 40,
	TP_FLAGS = 168,
	TP_WEAKLISTOFFSET = 208,
	TP_MEMBERS = 240,
	TP_BASE = 256,
	TP_DICT = 264,
	TP_DICTOFFSET = 288,
	QUALNAME = 16, /* from ht_name on */
	CACHED_KEYS = 24,
	BASES_MOST = 32,
	MEMBERS_MOST = 256,
	MEMBER_BYTES = 40, /* struct PyMemberDef */
	MEMBER_OFFSET = 16,
	/* struct PyDictKeysObject: up to 3.10, and since */
	OLD_SIZE = 8,
	OLD_USABLE = 24,
	OLD_N = 32,
	OLD_INDICES = 40,
	NEW_SIZES = 8, /* log2 of how many, log2 of bytes of indices, kind */
	NEW_USABLE = 16,
	NEW_N = 24,
	NEW_INDICES = 32,
	LOG_MOST = 40,
	ENTRY_GENERAL = 24, /* hash, key, value */
	ENTRY_TEXT = 16,    /* key, value */
	GET_MOST = 1 << 16, /* entries looked at for one key */
};

static uint64_t word(const struct image *img, taddr at)
{
	uint64_t w;

	return at && image_read_u64(img, at, &w) == MEM_OK ? w : 0;
}

bool py_version(const struct image *img, struct py_version *ret)
{
	unsigned minor = img->python ? img->python->minor : 0;

	*ret = (struct py_version){
		.gc_head = minor < 8 ? 32 : 16,
		.text = minor < 12 ? 48 : 40,
		.new_keys = minor >= 11,
		.new_long = minor >= 12,
		.tuple = minor < 14 ? 24 : 32,
		.flags = minor >= 14,
	};
	return minor != 0;
}

bool py_type(const struct image *img, const struct py_version *v, taddr at, struct py_type *ret)
{
	struct py_type t = { .at = at };

	if (!python_is_type(img, at) || image_read_u64(img, at + TP_FLAGS, &t.flags) != MEM_OK ||
	    image_read_u64(img, at + TP_BASICSIZE, &t.basic) != MEM_OK ||
	    image_read_u64(img, at + TP_ITEMSIZE, &t.item) != MEM_OK)
		return false;
	t.front = t.flags & PY_FLAG_GC ? v->gc_head : 0;
	if (v->new_keys && t.flags & (PY_FLAG_DICT | PY_FLAG_WEAKREF))
		t.front += 16;
	t.weak = (int64_t)word(img, at + TP_WEAKLISTOFFSET);
	*ret = t;
	return true;
}

/* ---- texts and numbers */

static bool is_text(const struct image *img, taddr at)
{
	return python_is_object(img, at) && word(img, word(img, at + PY_TYPE) + TP_FLAGS) & PY_FLAG_TEXT;
}

static bool read_name(const struct image *img, taddr at, char ret[PY_TEXT_MAX])
{
	uint64_t avail = 0;
	const uint8_t *bytes;
	size_t n;

	if (!at || image_read_str(img, at, ret, PY_TEXT_MAX) != MEM_OK || !*ret)
		return false;
	for (n = 0; ret[n]; n++)
		if (ret[n] < ' ' || ret[n] > '~')
			return false;
	bytes = image_view(img, at, &avail);
	if (bytes && avail > n) /* the program's own names stay when its contents go */
		image_keep_exact(img, bytes, n + 1);
	return true;
}

bool py_read_text(const struct image *img, const struct py_version *v, taddr at, char ret[PY_TEXT_MAX])
{
	uint64_t length;

	return is_text(img, at) && image_read_u64(img, at + PY_SIZE, &length) == MEM_OK && length < PY_TEXT_MAX &&
	       read_name(img, at + v->text, ret) && strlen(ret) == length;
}

bool py_read_int(const struct image *img, const struct py_version *v, taddr at, int64_t *ret)
{
	enum { DIGITS = 24, DIGIT_BITS = 30, SIGN = 3, NEGATIVE = 2, TAG_SHIFT = 3 };
	uint64_t tag, sum = 0, n;
	bool negative;

	if (!python_is_object(img, at) || !(word(img, word(img, at + PY_TYPE) + TP_FLAGS) & PY_FLAG_LONG) ||
	    image_read_u64(img, at + PY_SIZE, &tag) != MEM_OK)
		return false;
	negative = v->new_long ? (tag & SIGN) == NEGATIVE : tag >> 63;
	n = v->new_long ? tag >> TAG_SHIFT : negative ? -tag : tag;
	if (n > 2)
		return false;
	for (unsigned i = 0; i < n; i++) {
		uint32_t digit;

		if (image_read_u32(img, at + DIGITS + 4 * i, &digit) != MEM_OK || digit >> DIGIT_BITS)
			return false;
		sum |= (uint64_t)digit << (DIGIT_BITS * i);
	}
	*ret = negative ? -(int64_t)sum : (int64_t)sum;
	return true;
}

/* ---- dicts */

static bool has_room(const struct image *img, taddr usable, taddr n_at, uint64_t size, uint64_t *ret_n)
{
	uint64_t left = word(img, usable);

	return image_read_u64(img, n_at, ret_n) == MEM_OK && *ret_n <= size && left <= size - *ret_n;
}

static bool read_new(const struct image *img, taddr keys, struct py_keys *ret)
{
	uint8_t sizes[3];

	if (image_read(img, keys + NEW_SIZES, sizes, sizeof(sizes)) != MEM_OK || sizes[0] > LOG_MOST ||
	    sizes[1] < sizes[0] || sizes[1] > sizes[0] + 3 || sizes[2] > 2 ||
	    !has_room(img, keys + NEW_USABLE, keys + NEW_N, 1ull << sizes[0], &ret->n))
		return false;
	ret->entries = keys + NEW_INDICES + (1ull << sizes[1]);
	ret->bytes = sizes[2] ? ENTRY_TEXT : ENTRY_GENERAL;
	return true;
}

static bool read_old(const struct image *img, taddr keys, struct py_keys *ret)
{
	uint64_t size = word(img, keys + OLD_SIZE);
	unsigned width = size <= INT8_MAX + 1u ? 1 : size <= INT16_MAX + 1u ? 2 : size <= INT32_MAX + 1ull ? 4 : 8;

	if (!size || !is_pow2(size) || size >> LOG_MOST ||
	    !has_room(img, keys + OLD_USABLE, keys + OLD_N, size, &ret->n))
		return false;
	ret->entries = keys + OLD_INDICES + size * width;
	ret->bytes = ENTRY_GENERAL;
	return true;
}

bool py_read_keys(const struct image *img, const struct py_version *v, taddr keys, struct py_keys *ret)
{
	if (!keys || keys & 7 || !(v->new_keys ? read_new(img, keys, ret) : read_old(img, keys, ret)))
		return false;
	ret->value = ret->bytes - 8;
	ret->key = ret->value - 8;
	return true;
}

taddr py_dict_get(const struct image *img, const struct py_version *v, taddr dict, const char *key)
{
	char text[PY_TEXT_MAX];
	struct py_keys k;

	if (!dict || !python_is_object(img, dict) ||
	    !(word(img, word(img, dict + PY_TYPE) + TP_FLAGS) & PY_FLAG_DICT_SUBCLASS) || word(img, dict + PY_DICT_VALUES) ||
	    !py_read_keys(img, v, word(img, dict + PY_DICT_KEYS), &k) || k.n > GET_MOST)
		return 0;
	for (uint64_t i = 0; i < k.n; i++)
		if (py_read_text(img, v, word(img, k.entries + i * k.bytes + k.key), text) && !strcmp(text, key))
			return word(img, k.entries + i * k.bytes + k.value);
	return 0;
}

/* Under that name, and called so itself: the table of interned texts has the names, too. */
static bool has_module(const struct image *img, const struct py_version *v, taddr dict, const char *name)
{
	taddr module = py_dict_get(img, v, dict, name);
	char own[PY_TEXT_MAX];

	return module && !is_text(img, module) &&
	       py_read_text(img, v, py_dict_get(img, v, word(img, module + PY_MODULE_DICT), "__name__"), own) &&
	       !strcmp(own, name);
}

bool py_is_modules(const struct image *img, const struct py_version *v, taddr dict)
{
	return has_module(img, v, dict, "sys") && has_module(img, v, dict, "builtins");
}

/* ---- types */

bool py_is_plain_tuple(const struct image *img, const struct py_type *t)
{
	return t->flags & PY_FLAG_TUPLE && !(word(img, word(img, t->at + TP_BASE) + TP_FLAGS) & PY_FLAG_TUPLE);
}

/*
 * ht_name of a class that a program's text defines: tp_name is the characters of that very str. It stands behind
 * the slots, whose number differs from version to version.
 */
static taddr name_slot(const struct image *img, const struct py_version *v, const struct py_type *t)
{
	static const unsigned places[] = { 832, 840, 848, 856, 864 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (word(img, t->at + places[i]) + v->text == word(img, t->at + TP_NAME) &&
		    is_text(img, word(img, t->at + places[i])))
			return t->at + places[i];
	return 0;
}

bool py_type_name(const struct image *img, const struct py_version *v, const struct py_type *t, struct text *ret)
{
	char name[PY_TEXT_MAX], module[PY_TEXT_MAX];
	taddr slot = t->flags & PY_FLAG_HEAP ? name_slot(img, v, t) : 0;

	if (!slot) {
		if (!read_name(img, word(img, t->at + TP_NAME), name))
			return false;
		text_add(ret, strncmp(name, "builtins.", 9) ? name : name + 9);
		return true;
	}
	if (!py_read_text(img, v, word(img, slot + QUALNAME), name) && !py_read_text(img, v, word(img, slot), name))
		return false;
	if (py_read_text(img, v, py_dict_get(img, v, word(img, t->at + TP_DICT), "__module__"), module) &&
	    strcmp(module, "builtins"))
		text_printf(ret, "%s.", module);
	text_add(ret, name);
	return true;
}

/* ---- what words are called */

bool py_key_path(const struct image *img, const struct py_version *v, taddr key, struct text *ret)
{
	char text[PY_TEXT_MAX];
	int64_t n;

	if (py_read_text(img, v, key, text))
		text_printf(ret, "[\"%s\"]", text);
	else if (py_read_int(img, v, key, &n))
		text_printf(ret, "[%" PRId64 "]", n);
	else
		return false;
	return true;
}

/* One of n members; n UINT64_MAX: up to one without a name. */
static bool member_path(const struct image *img, taddr members, uint64_t n, uint64_t offset, struct text *ret)
{
	char name[PY_TEXT_MAX];

	for (uint64_t i = 0; i < n && i < MEMBERS_MOST; i++) {
		taddr at = members + i * MEMBER_BYTES;

		if (!word(img, at))
			return false;
		if (word(img, at + MEMBER_OFFSET) != offset)
			continue;
		if (!read_name(img, word(img, at), name))
			return false;
		text_printf(ret, ".%s", name);
		return true;
	}
	return false;
}

bool py_member_path(const struct image *img, const struct py_type *t, uint64_t offset, struct text *ret)
{
	taddr at = t->at;

	for (unsigned i = 0; at && i < BASES_MOST && python_is_type(img, at); i++, at = word(img, at + TP_BASE)) {
		uint64_t flags = word(img, at + TP_FLAGS);
		taddr meta = word(img, at + PY_TYPE), members = word(img, at + TP_MEMBERS);

		if (word(img, at + TP_DICTOFFSET) == offset) {
			text_add(ret, ".__dict__");
			return true;
		}
		if (flags & PY_FLAG_HEAP && member_path(img, at + word(img, meta + TP_BASICSIZE), word(img, at + PY_SIZE), offset, ret))
			return true;
		if (members && member_path(img, members, UINT64_MAX, offset, ret))
			return true;
	}
	return false;
}

bool py_attribute_path(const struct image *img, const struct py_version *v, const struct py_type *t, uint64_t index,
		       struct text *ret)
{
	taddr slot = t->flags & PY_FLAG_HEAP ? name_slot(img, v, t) : 0;
	char name[PY_TEXT_MAX];
	struct py_keys k;

	if (!slot || !py_read_keys(img, v, word(img, slot + CACHED_KEYS), &k) || index >= k.n ||
	    !py_read_text(img, v, word(img, k.entries + index * k.bytes + k.key), name))
		return false;
	text_printf(ret, ".%s", name);
	return true;
}

taddr py_values_of(const struct image *img, const struct py_version *v, const struct py_type *t, taddr object,
		   taddr *ret_block)
{
	enum { VALUES_311 = 32, VALUES_312 = 24 };
	uint64_t at = 0;
	uint8_t prefix;

	if (!(t->flags & PY_FLAG_DICT) || t->flags & PY_FLAG_INLINE_VALUES || !v->new_keys)
		return 0;
	if (!v->new_long)
		at = word(img, object - VALUES_311);
	else if (word(img, object - VALUES_312) & 1)
		at = word(img, object - VALUES_312) + 1;
	if (!at || at & 7 || image_read(img, at - 1, &prefix, 1) != MEM_OK || !prefix || prefix & 7)
		return 0;
	*ret_block = at - prefix;
	return at;
}
