/*
 * type/gobject.c - from the table of fundamental types, which each lead to themselves, to all that are
 * derived of them.
 */
#include "type/gobject.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/module_data.h"
#include "image/shadow.h"

enum {
	WORD = 8,
	FUNDAMENTALS = 22, /* G_TYPE_INVALID to G_TYPE_VARIANT */
	OBJECT = 20,	   /* G_TYPE_OBJECT */
	FUNDAMENTAL_MAX = 255 << 2,
	/* GTypeFundamentalInfo, in front of the node */
	INFO_FLAGS = 8,
	INSTANTIATABLE = 2, /* G_TYPE_FLAG_INSTANTIATABLE */
	/* struct _TypeNode */
	NODE_N_CHILDREN = 16,
	NODE_N_SUPERS = 20, /* the low byte */
	NODE_CHILDREN = 24,
	NODE_DATA = 32,
	NODE_QNAME = 40,
	NODE_SUPERS = 72,
	/* struct _InstanceData; the private size is behind that of the instance */
	DATA_CLASS = 56,
	DATA_INSTANCE_SIZE = 64,
	DATA_PRIVATE_SIZE = 66,
	CLOSURE = 32, /* in struct _GRealClosure */
	REAL_CLOSURE_WORDS = 8,
	CLOSURE_REFS = 0x7fff, /* its ref_count, in its first word */
	SIGNAL_NAME = 16, /* in struct _SignalNode, which begins with its id */
	SIGNALS_LEAST = 2,
	TYPES_MAX = 1 << 14,
	QUARKS_LEAST = 2048, /* QUARK_BLOCK_SIZE: room for names that g_quark_new() begins with */
	NAME_BYTES = 256,
};

static uint64_t word(const struct image *img, taddr at)
{
	uint64_t v;

	return image_read_u64(img, at, &v) == MEM_OK ? v : 0;
}

static uint32_t half(const struct image *img, taddr at)
{
	uint32_t v;

	return image_read_u32(img, at, &v) == MEM_OK ? v : 0;
}

/* ---- where it begins */

static bool is_of(const struct image *img, const struct segment *seg, const char *name)
{
	int32_t no = image_data_module(img, seg);

	return no >= 0 && !strncmp(module_base_name(&img->modules[no]), name, strlen(name));
}

bool gobject_has_data(const struct image *img, const struct segment *seg)
{
	return is_of(img, seg, "libgobject-2.0");
}

/* Each of the built-in fundamental types is what its place in the table says. */
static bool is_table(const struct image *img, taddr at)
{
	if (word(img, at))
		return false;
	for (unsigned i = 1; i < FUNDAMENTALS; i++) {
		taddr node = word(img, at + i * WORD);

		if (!node || word(img, node + NODE_SUPERS) != (uint64_t)i << 2 || (half(img, node + NODE_N_SUPERS) & 0xff))
			return false;
	}
	return true;
}

/* The first word of a library's data that fn says yes of; 0. */
static taddr find_word(const struct image *img, const char *library, bool (*fn)(const void *arg, taddr at),
		       const void *arg)
{
	struct module_data d = module_data(img);
	const struct segment *seg;

	while ((seg = module_data_next(&d)))
		for (taddr at = is_of(img, seg, library) ? seg->start : seg->end; seg->end - at >= WORD; at += WORD)
			if (fn(arg, at))
				return at;
	return 0;
}

static bool on_table(const void *arg, taddr at)
{
	return is_table(arg, at);
}

/* ---- names */

struct names {
	const struct image *img;
	const struct blocks *blocks;
	uint32_t object; /* the quark of "GObject" */
};

static bool read_name(const struct image *img, taddr at, char *ret)
{
	if (!at || image_read_str(img, at, ret, NAME_BYTES) != MEM_OK || !*ret)
		return false;
	for (const char *c = ret; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
		    !strchr("_-+", *c))
			return false;
	return true;
}

/* The program's own name of something stays when its contents go. */
static void keep_name(const struct image *img, taddr at, const char *name)
{
	uint64_t avail = 0;
	const uint8_t *bytes = image_view(img, at, &avail);

	if (bytes && avail > strlen(name))
		image_keep_exact(img, bytes, strlen(name) + 1);
}

/* The array of all quarks' names: "GObject" is where its type says. */
static bool on_quarks(const void *arg, taddr at)
{
	const struct names *n = arg;
	taddr array = word(n->img, at), name;
	uint32_t id = array && !(array & 7) ? block_at(n->blocks, array) : BLOCK_NONE;
	struct block b;
	char text[NAME_BYTES];

	if (id == BLOCK_NONE)
		return false;
	block_get(n->blocks, id, &b);
	if (b.addr != array || b.usable < QUARKS_LEAST * WORD || n->object >= b.usable / WORD || word(n->img, array))
		return false;
	name = word(n->img, array + (uint64_t)n->object * WORD);
	return read_name(n->img, name, text) ? !strcmp(text, "GObject") : image_segment(n->img, name) != NULL;
}

static const char *name_of(struct gobject_types *g, const struct image *img, taddr quarks, taddr node)
{
	char text[NAME_BYTES];
	taddr array = quarks ? word(img, quarks) : 0, at;

	at = array ? word(img, array + (uint64_t)half(img, node + NODE_QNAME) * WORD) : 0;
	if (!read_name(img, at, text))
		return NULL;
	keep_name(img, at, text);
	return arena_strdup(&g->mem, text);
}

/* ---- classes */

/* What all types of a fundamental one share. */
struct family {
	taddr quarks;
	bool has_instances, is_object;
};

static struct err *add_class(struct gobject_types *g, const struct image *img, const struct family *f, taddr node,
			     taddr data)
{
	taddr class = data && f->has_instances ? word(img, data + DATA_CLASS) : 0;
	struct gobject_class c = { .at = class, .is_object = f->is_object };
	uint32_t sizes;

	/* Before there is a first instance there is no class; one that there is leads back. */
	if (!class || word(img, class) != word(img, node + NODE_SUPERS))
		return NULL;
	sizes = half(img, data + DATA_INSTANCE_SIZE);
	c.size = sizes & 0xffff;
	c.before = align_up(sizes >> 16, 16);
	c.name = name_of(g, img, f->quarks, node);
	if (c.size < (f->is_object ? GOBJECT_SIZE : WORD) || addrmap_get(&g->by_class, class))
		return NULL;
	if (!vec_push(&g->classes, &c))
		return &err_nomem;
	if (!addrmap_put(&g->by_class, class, (void *)(uintptr_t)g->classes.n))
		return &err_nomem;
	g->low = g->classes.n == 1 || class < g->low ? class : g->low;
	g->high = class >= g->high ? class + 1 : g->high;
	g->most_before = c.before > g->most_before ? c.before : g->most_before;
	return NULL;
}

/* A type and all that are derived of it. */
static struct err *add_types(struct gobject_types *g, const struct image *img, const struct family *f, taddr first)
{
	struct {
		taddr *v;
		size_t n, cap;
	} todo = {};
	struct err *err = vec_push(&todo, &first) ? NULL : &err_nomem;

	while (todo.n && !err && g->nodes.n < TYPES_MAX) {
		taddr at = todo.v[--todo.n], children = word(img, at + NODE_CHILDREN);
		struct gobject_node node = { at, word(img, at + NODE_DATA) };
		uint32_t n = half(img, at + NODE_N_CHILDREN);

		err = vec_push(&g->nodes, &node) ? add_class(g, img, f, at, node.data) : &err_nomem;
		for (uint32_t i = 0; i < n && i < TYPES_MAX && todo.n < TYPES_MAX && !err; i++) {
			taddr child = word(img, children + (uint64_t)i * WORD);

			if (child > FUNDAMENTAL_MAX && word(img, child + NODE_SUPERS) == child &&
			    !vec_push(&todo, &child))
				err = &err_nomem;
		}
	}
	free(todo.v);
	return err;
}

/* Fundamental types of programs' own as well. */
static struct err *add_all(struct gobject_types *g, const struct image *img, taddr quarks, taddr table)
{
	struct err *err = NULL;

	for (unsigned i = 1; i <= FUNDAMENTAL_MAX >> 2 && !err; i++) {
		taddr node = word(img, table + (uint64_t)i * WORD);
		struct family f = { .quarks = quarks, .is_object = i == OBJECT };

		if (!node || word(img, node + NODE_SUPERS) != (uint64_t)i << 2)
			continue;
		f.has_instances = half(img, node - INFO_FLAGS) & INSTANTIATABLE;
		err = add_types(g, img, &f, node);
	}
	return err;
}

/* g_signal_nodes: what each leads to says that it is it. */
static bool on_signals(const void *arg, taddr at)
{
	const struct names *n = arg;
	taddr array = word(n->img, at), node;
	uint32_t id = array && !(array & 7) ? block_at(n->blocks, array) : BLOCK_NONE;
	struct block b;

	if (id == BLOCK_NONE)
		return false;
	block_get(n->blocks, id, &b);
	if (b.addr != array || word(n->img, array))
		return false;
	for (uint32_t i = 1; i <= SIGNALS_LEAST; i++) {
		node = word(n->img, array + i * WORD);
		if (!node || half(n->img, node) != i)
			return false;
	}
	return true;
}

static void find_signals(struct gobject_types *g, const struct names *names)
{
	taddr at = find_word(names->img, "libgobject-2.0", on_signals, names);
	struct block b;

	if (!at)
		return;
	g->signals = word(names->img, at);
	block_get(names->blocks, block_at(names->blocks, g->signals), &b);
	g->n_signals = (uint32_t)(b.usable / WORD);
}

bool gobject_signal(const struct image *img, const struct gobject_types *g, uint32_t id, struct text *ret)
{
	taddr node = g->signals && id < g->n_signals ? word(img, g->signals + (uint64_t)id * WORD) : 0;
	taddr at = node && half(img, node) == id ? word(img, node + SIGNAL_NAME) : 0;
	char name[NAME_BYTES];

	if (!read_name(img, at, name))
		return false;
	keep_name(img, at, name);
	text_add(ret, name);
	return true;
}

bool gobject_is_type(const struct image *img, uint64_t type)
{
	if (type <= FUNDAMENTAL_MAX)
		return type == OBJECT << 2;
	return !(type & 7) && word(img, type + NODE_SUPERS) == type &&
	       word(img, type + NODE_SUPERS + (half(img, type + NODE_N_SUPERS) & 0xff) * WORD) == OBJECT << 2;
}

struct err *gobject_open(const struct image *img, const struct blocks *blocks, struct gobject_types *ret)
{
	struct names names = { .img = img, .blocks = blocks };
	taddr table, quarks, object;
	struct err *err;

	*ret = (struct gobject_types){};
	table = find_word(img, "libgobject-2.0", on_table, img);
	if (!table)
		return NULL;
	object = word(img, table + OBJECT * WORD);
	names.object = half(img, object + NODE_QNAME);
	quarks = find_word(img, "libglib-2.0", on_quarks, &names);
	find_signals(ret, &names);
	err = add_all(ret, img, quarks, table);
	if (err)
		gobject_close(ret);
	return err;
}

void gobject_close(struct gobject_types *g)
{
	free(g->classes.v);
	free(g->nodes.v);
	addrmap_fini(&g->by_class);
	arena_fini(&g->mem);
	*g = (struct gobject_types){};
}

struct gobject_class *gobject_class_at(const struct gobject_types *g, uint64_t at)
{
	size_t i;

	if (at - g->low >= g->high - g->low)
		return NULL;
	i = (size_t)(uintptr_t)addrmap_get(&g->by_class, at);
	return i ? &g->classes.v[i - 1] : NULL;
}

/* A GClosure, which lies in a GRealClosure: its marshallers are code, some reference to it is left. */
static bool is_closure(const struct image *img, taddr start, taddr value)
{
	uint64_t w[REAL_CLOSURE_WORDS];

	if (value - start != CLOSURE || image_read(img, start, w, sizeof(w)) != MEM_OK || !(w[4] & CLOSURE_REFS))
		return false;
	for (unsigned i = 0; i <= 3; i++)
		if (i != 1 && w[i] && !image_is_code(img, w[i])) /* meta_marshal, its data, va_meta_marshal, va_marshal */
			return false;
	return image_is_code(img, w[5]) && (!w[7] || image_segment(img, w[7]));
}

bool gobject_is_behind(const struct image *img, taddr start, taddr value)
{
	taddr class = word(img, value), node = class ? word(img, class) : 0, data;
	uint32_t sizes;

	if ((value & 15) != (start & 15))
		return false;
	if (is_closure(img, start, value))
		return true;
	/* What is of a fundamental type itself has nothing in front of it. */
	if (node <= FUNDAMENTAL_MAX || node & 7 || word(img, node + NODE_SUPERS) != node)
		return false;
	data = word(img, node + NODE_DATA);
	sizes = half(img, data + DATA_INSTANCE_SIZE);
	return word(img, data + DATA_CLASS) == class && align_up(sizes >> 16, 16) == value - start;
}
