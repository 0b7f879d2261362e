/*
 * python_types.c - what CPython's blocks are: objects by their types, and the arrays that lists, dicts and sets own.
 *
 * What only looks like an object has no name.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "image/python.h"
#include "type/python_frames.h"
#include "type/python_objects.h"
#include "type/typer.h"

enum {
	/* Handles of what is no object; types are at higher addresses. */
	OWNED_LIST = 1,
	OWNED_KEYS,
	OWNED_SET,
	OWNED_BYTES,
	OWNED_ARRAY,
	N_OWNED,
	HANDLE_VALUES = 1, /* with the type's address */
	NUMPY_DATA = 16, /* PyArrayObject_fields.data (numpy/ndarraytypes.h, the same since 1.0) */
};

struct ctx {
	const struct image *img;
	const struct blocks *blocks;
	struct py_version version;
	struct type_columns *cols; /* while assigning */
	type_id owned[N_OWNED];
	struct py_objects *objects;
};

static struct err *open_typer(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, void **ret_ctx)
{
	struct py_objects *objects;
	struct err *err = py_objects_new(img, &objects);
	struct ctx *c;

	(void)env;
	(void)hints;
	*ret_ctx = NULL;
	if (err || !objects)
		return err;
	c = malloc(sizeof(*c));
	if (!c) {
		free(objects);
		return &err_nomem;
	}
	*c = (struct ctx){ .img = img, .blocks = blocks, .version = objects->version, .objects = objects };
	*ret_ctx = c;
	return NULL;
}

static void close_typer(void *p)
{
	struct ctx *c = p;

	if (c)
		free(c->objects);
	free(c);
}

static uint64_t word(const struct ctx *c, taddr at)
{
	uint64_t w;

	return image_read_u64(c->img, at, &w) == MEM_OK ? w : 0;
}

static struct err *intern(struct type_columns *cols, const char *name, uint64_t handle, type_id *ret)
{
	return types_intern(cols->types,
			    &(struct type_row){ .name = name,
						.handle = handle,
						.language = LANG_PYTHON,
						.typer = cols->typer,
						.confidence = CONF_RUNTIME },
			    ret);
}

static struct err *name_type(struct ctx *c, struct py_known *k)
{
	struct text name = TEXT_INIT;
	struct err *err = NULL;

	if (!k->is_named && py_type_name(c->img, &c->version, &k->type, &name))
		err = intern(c->cols, text_str(&name), k->at, &k->id);
	k->is_named = true;
	text_fini(&name);
	return err;
}

static struct err *assign_owned(struct ctx *c, taddr at, unsigned kind)
{
	struct block b;

	if (!block_get_at(c->blocks, at, &b) || c->cols->confidence[b.id] >= TYPE_EXACT)
		return NULL;
	c->cols->type[b.id] = c->owned[kind];
	c->cols->confidence[b.id] = TYPE_EXACT;
	return NULL;
}

/* Memory that begins there and is no object. */
static struct err *assign_buffer(struct ctx *c, taddr at, unsigned kind)
{
	struct block b;

	return block_get_at(c->blocks, at, &b) && b.addr == at ? assign_owned(c, at, kind) : NULL;
}

/* The bytes that a bytearray of 3.15 has to itself: they change, which no other bytes do. */
static void assign_own_bytes(struct ctx *c, taddr at)
{
	struct block b;

	if (!block_get_at(c->blocks, at, &b) || b.addr != at || py_count(&c->version, word(c, at)) != 1)
		return;
	c->cols->type[b.id] = c->owned[OWNED_BYTES];
	c->cols->confidence[b.id] = TYPE_EXACT;
}

/* Called by its class, for that tells the names of its words. */
static struct err *assign_values(struct ctx *c, const struct py_known *k, taddr at, const char *class)
{
	struct text name = TEXT_INIT;
	struct err *err;
	struct block b;
	type_id type;

	if (!block_get_at(c->blocks, at, &b) || c->cols->confidence[b.id] >= TYPE_EXACT)
		return NULL;
	text_printf(&name, "attributes of %s", class);
	err = intern(c->cols, text_str(&name), k->at | HANDLE_VALUES, &type);
	text_fini(&name);
	if (err)
		return err;
	c->cols->type[b.id] = type;
	c->cols->confidence[b.id] = TYPE_EXACT;
	return NULL;
}

static bool is_set(const char *name)
{
	return !strcmp(name, "set") || !strcmp(name, "frozenset");
}

/* What a container has outside of itself. */
static struct err *assign_parts(struct ctx *c, const struct py_known *k, taddr at, const char *name)
{
	taddr table;

	if (k->type.flags & PY_FLAG_LIST)
		return assign_owned(c, word(c, at + PY_LIST_ITEMS), OWNED_LIST);
	if (k->type.flags & PY_FLAG_DICT_SUBCLASS) {
		struct py_keys keys;

		table = word(c, at + PY_DICT_KEYS);
		return py_read_keys(c->img, &c->version, table, &keys) ? assign_owned(c, table, OWNED_KEYS) : NULL;
	}
	if (py_values_of(c->img, &c->version, &k->type, at, &table))
		return assign_values(c, k, table, name);
	if (is_set(name))
		return assign_owned(c, word(c, at + PY_SET_TABLE), OWNED_SET);
	if (!strcmp(name, "bytearray") && k->type.basic > PY_BYTEARRAY_OBJECT) {
		assign_own_bytes(c, word(c, at + PY_BYTEARRAY_OBJECT));
		return NULL;
	}
	if (!strcmp(name, "bytearray"))
		return assign_buffer(c, word(c, at + PY_BYTEARRAY_BYTES), OWNED_BYTES);
	if (!strcmp(name, "numpy.ndarray"))
		return assign_buffer(c, word(c, at + NUMPY_DATA), OWNED_ARRAY);
	return NULL;
}

static struct err *assign_block(struct ctx *c, uint32_t id)
{
	struct type_columns *cols = c->cols;
	struct py_known *k;
	unsigned front;
	struct err *err;
	struct block b;

	block_get(c->blocks, id, &b);
	k = py_objects_in(c->objects, b.addr, b.usable, &front);
	err = k ? name_type(c, k) : NULL;
	if (err || !k || !k->id)
		return err;
	if (cols->confidence[id] < TYPE_EXACT || !strcmp(cols->types->v[cols->type[id]].name, "")) {
		cols->type[id] = k->id;
		cols->confidence[id] = TYPE_EXACT;
	}
	return assign_parts(c, k, b.addr + front, cols->types->v[k->id].name);
}

static struct err *assign(void *p, struct type_columns *cols)
{
	static const char *const names[N_OWNED] = {
		[OWNED_LIST] = "list items", [OWNED_KEYS] = "dict keys", [OWNED_SET] = "set table",
		[OWNED_BYTES] = "bytearray buffer", [OWNED_ARRAY] = "numpy.ndarray data"
	};
	struct ctx *c = p;
	struct err *err = NULL;

	c->cols = cols;
	for (unsigned i = OWNED_LIST; i < N_OWNED && !err; i++)
		err = intern(cols, names[i], i, &c->owned[i]);
	for (uint32_t id = 0; id < c->blocks->grains.n && !err; id++)
		if (block_is_used(c->blocks, id))
			err = assign_block(c, id);
	c->cols = NULL;
	return err;
}

/* ---- how words are called */

static bool keys_path(const struct ctx *c, taddr addr, uint64_t offset, struct text *ret)
{
	struct py_keys k;
	uint64_t at, i;

	if (!addr || !py_read_keys(c->img, &c->version, addr, &k) || addr + offset < k.entries)
		return false;
	at = addr + offset - k.entries;
	i = at / k.bytes;
	if (i >= k.n || at % k.bytes < k.key)
		return false;
	if (at % k.bytes == k.value)
		return py_key_path(c->img, &c->version, word(c, k.entries + i * k.bytes + k.key), ret);
	text_printf(ret, ".key %" PRIu64, i);
	return true;
}

static bool values_path(const struct ctx *c, const struct py_type *t, taddr addr, uint64_t offset, struct text *ret)
{
	/* The first byte in front that says how many bytes that is, right before the first value. */
	for (unsigned prefix = 8; addr && prefix <= UINT8_MAX && prefix <= offset; prefix += 8) {
		uint8_t tail;

		if (image_read(c->img, addr + prefix - 1, &tail, 1) != MEM_OK)
			return false;
		if (tail == prefix)
			return py_attribute_path(c->img, &c->version, t, (offset - prefix) / 8, ret);
	}
	return false;
}

/* Before the object: the collector's head, and where its dict and weak references are. */
static void front_path(const struct ctx *c, const struct py_type *t, uint64_t offset, struct text *ret)
{
	uint64_t back = t->front - offset, two = t->front - c->version.gc_head;

	if (offset >= two)
		text_add(ret, back == c->version.gc_head ? ".gc_next" : ".gc_prev");
	else if (c->version.new_long)
		text_add(ret, offset ? ".__dict__" : ".__weakref__");
	else
		text_add(ret, offset ? ".__dict__" : ".attributes");
}

static bool object_path(const struct ctx *c, const struct py_type *t, uint64_t offset, struct text *ret)
{
	enum { INLINE_FIRST = 8 };

	if (offset == PY_TYPE) {
		text_add(ret, ".__class__");
		return true;
	}
	if (t->flags & PY_FLAG_TUPLE && offset >= c->version.tuple && t->basic == c->version.tuple) {
		text_printf(ret, "[%" PRIu64 "]", (offset - c->version.tuple) / 8);
		return true;
	}
	if (t->flags & PY_FLAG_LIST && offset == PY_LIST_ITEMS) {
		text_add(ret, ".items");
		return true;
	}
	if (t->flags & PY_FLAG_DICT_SUBCLASS && (offset == PY_DICT_KEYS || offset == PY_DICT_VALUES)) {
		text_add(ret, offset == PY_DICT_KEYS ? ".keys" : ".values");
		return true;
	}
	if (t->flags & PY_FLAG_INLINE_VALUES && t->flags & PY_FLAG_DICT && offset >= t->basic + INLINE_FIRST)
		return py_attribute_path(c->img, &c->version, t, (offset - t->basic - INLINE_FIRST) / 8, ret);
	return py_member_path(c->img, t, offset, ret);
}

/* A variable of a generator or coroutine, or of a call whose frame somebody keeps. */
static bool frame_path(const struct ctx *c, const struct py_type *t, taddr addr, uint64_t offset, struct text *ret)
{
	unsigned in = py_frame_in(c->img, t);
	struct py_frame f;
	size_t n = ret->n;

	text_add(ret, ".");
	if (in && addr && offset >= t->front + in && py_frame_read(c->img, &c->version, addr + t->front + in, &f) &&
	    py_frame_variable(c->img, &c->version, &f, addr + offset, ret))
		return true;
	text_cut(ret, n);
	return false;
}

static bool path(void *p, const struct type_row *row, taddr addr, uint64_t size, uint64_t offset, struct text *ret)
{
	const struct ctx *c = p;
	struct py_type t;

	(void)size;
	if (row->handle == OWNED_LIST) {
		text_printf(ret, "[%" PRIu64 "]", offset / 8);
		return true;
	}
	if (row->handle == OWNED_SET && !(offset & 15)) { /* setentry {key, hash} */
		text_add(ret, "[...]");
		return true;
	}
	if (row->handle == OWNED_KEYS)
		return keys_path(c, addr, offset, ret);
	if (row->handle < N_OWNED || offset & 7 || !py_type(c->img, &c->version, row->handle & ~7ull, &t))
		return false;
	if (row->handle & HANDLE_VALUES)
		return values_path(c, &t, addr, offset, ret);
	if (is_set(row->name) && offset == t.front + PY_SET_TABLE) {
		text_add(ret, ".table");
		return true;
	}
	if (frame_path(c, &t, addr, offset, ret))
		return true;
	if (offset >= t.front)
		return object_path(c, &t, offset - t.front, ret);
	front_path(c, &t, offset, ret);
	return true;
}

/* The one static address that matters most. */
static bool global(void *p, taddr addr, struct text *ret)
{
	const struct ctx *c = p;

	if (!py_is_modules(c->img, &c->version, word(c, addr)))
		return false;
	text_add(ret, "sys.modules");
	return true;
}

extern const struct typer_ops typer_python;
const struct typer_ops typer_python = {
	.name = "python",
	.open = open_typer,
	.assign = assign,
	.path = path,
	.global = global,
	.close = close_typer,
};
