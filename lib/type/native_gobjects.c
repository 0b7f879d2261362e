/*
 * type/native_gobjects.c - objects of GLib (type/gobject.h) among the blocks, and which words are
 * references that they count.
 *
 * Source of truth: gobject/gobject.c, gsignal.c, gclosure.c of GLib 2.40 to 2.84 (GObject, WeakRefStack,
 * Handler, GRealClosure, GClosure, GClosureNotifyData).  Nothing but a GValue and what is to be given
 * to g_object_unref() shows that a pointer counts; of the others those of GLib's own tables do not.
 * The handlers of an object's signals are its own: what their closures keep, the object keeps.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/module_data.h"
#include "image/shadow.h"
#include "type/native.h"

enum {
	WORD = 8,
	ROUNDING = 24, /* bytes that malloc may give more than were asked for */
	ALIGN = 16,    /* of objects in their blocks */
	/* struct _Handler */
	HANDLER_SIGNAL = 28,
	HANDLER_REFS = 32,
	HANDLER_CLOSURE = 40,
	HANDLER_INSTANCE = 48,
	HANDLER_SIZE = 56,
	/* GRealClosure */
	CLOSURE = 32, /* where the GClosure is in it */
	CLOSURE_DATA = CLOSURE + 16,
	CLOSURE_NOTIFIERS = CLOSURE + 24,
	CLOSURE_SIZE = CLOSURE + 32,
	NOTIFIER = 16, /* bytes of a GClosureNotifyData */
	NOTIFIERS_MAX = 16,
	SIGNALS_MAX = 1 << 20,
	/* GHashTable */
	TABLE_SIZE = 0,
	TABLE_MASK = 12,
	TABLE_KEYS = 32,
	TABLE_LEAST = 8, /* entries */
	STACK_MAX = 1 << 16, /* weak references of one object */
};

/* ---- which blocks are objects */

struct shapes {
	struct native_type *type;
	struct native_shape *shape[2]; /* sure, and guessed */
};

static struct err *assign(struct native *n, uint32_t id, struct gobject_class *c, bool is_guess)
{
	struct shapes *s = c->user;
	struct native_shape **shape;
	struct text name = TEXT_INIT;

	if (!s) {
		c->user = s = arena_alloc(&n->mem, sizeof(*s));
		if (!s)
			return &err_nomem;
		*s = (struct shapes){};
		text_printf(&name, "_%s", c->name); /* the struct of what is a typedef by itself */
		s->type = native_type_named(n, text_str(&name), NULL);
		text_fini(&name);
		if (s->type && s->type->dbg->size != c->size)
			s->type = NULL;
	}
	shape = &s->shape[is_guess];
	if (!*shape)
		*shape = native_shape_new(n, c->name, NATIVE_VALUE, is_guess, LANG_C);
	if (!*shape)
		return &err_nomem;
	(*shape)->type = s->type;
	(*shape)->head = c->before;
	(*shape)->is_gobject = c->is_object;
	return native_assign(n, id, *shape, is_guess ? TYPE_GUESSED : TYPE_EXACT);
}

static struct err *on_block(void *arg, const struct native_block *b)
{
	struct native *n = arg;
	uint64_t avail = 0, most = n->gobjects.most_before;
	const uint8_t *bytes;

	if (n->cols->confidence[b->id] >= TYPE_EXACT)
		return NULL;
	bytes = native_view(n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	for (uint64_t at = 0; at <= most && b->usable >= WORD && at <= b->usable - WORD; at += ALIGN) {
		struct gobject_class *c = gobject_class_at(&n->gobjects, load_u64(bytes + at));
		struct err *err;

		if (!c || !c->name || c->before != at || b->usable - at < c->size)
			continue;
		err = assign(n, b->id, c, b->usable - at - c->size > ROUNDING + c->size / 4);
		return err ? err : col_append(&n->objects, &b->id, 1);
	}
	return NULL;
}

/* A struct of libgobject's in the block that begins there, or is a fundamental type's node. */
static struct err *assign_own(struct native *n, taddr at, struct native_shape *shape)
{
	uint32_t id = at ? block_at(n->blocks, at) : BLOCK_NONE;
	struct block b;

	if (id == BLOCK_NONE || !shape || n->cols->confidence[id] >= TYPE_EXACT)
		return NULL;
	block_get(n->blocks, id, &b);
	if (!b.used || at < b.addr || at - b.addr > WORD)
		return NULL;
	return native_assign(n, id, shape, TYPE_EXACT);
}

/* What describes the types: nodes, their data, classes. */
static struct err *name_types(struct native *n)
{
	struct native_shape *node = native_shape_new(n, "TypeNode", NATIVE_VALUE, false, LANG_C),
			    *data = native_shape_new(n, "TypeData", NATIVE_VALUE, false, LANG_C);
	struct err *err = node && data ? NULL : &err_nomem;

	for (size_t i = 0; i < n->gobjects.nodes.n && !err; i++) {
		err = assign_own(n, n->gobjects.nodes.v[i].node, node);
		if (!err)
			err = assign_own(n, n->gobjects.nodes.v[i].data, data);
	}
	for (size_t i = 0; i < n->gobjects.classes.n && !err; i++) {
		const struct gobject_class *c = &n->gobjects.classes.v[i];
		struct text name = TEXT_INIT;

		if (!c->name)
			continue;
		text_printf(&name, "%sClass", c->name);
		err = assign_own(n, c->at, native_shape_new(n, text_str(&name), NATIVE_VALUE, false, LANG_C));
		text_fini(&name);
	}
	return err;
}

static int by_number(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

/* ---- GLib's own words */

static uint32_t object_at(const struct native *n, uint64_t word)
{
	uint32_t id = block_at(n->blocks, word);
	const struct native_shape *shape = id != BLOCK_NONE ? native_shape_now(n, id) : NULL;

	if (!shape || !shape->is_gobject || shape->is_guess)
		return BLOCK_NONE;
	return graph_key(n->cols->graph, id) + shape->head == word ? id : BLOCK_NONE;
}

struct finder {
	struct native *n;
	struct native_signals *to;
	taddr unref; /* g_object_unref(); 0: unknown */
	struct native_shape *handler, *closure;
};

/* A struct of the library's own, as far as its fields are met in chains. */
static struct native_shape *made_up(struct native *n, const char *name, uint64_t size,
				    const struct dbg_member *fields, uint32_t n_fields)
{
	struct dbg_type *type = arena_alloc(&n->mem, sizeof(*type));
	struct native_type *known;

	if (!type)
		return NULL;
	*type = (struct dbg_type){
		.name = name, .size = size, .kind = DBG_KIND_STRUCT, .members = fields, .n_members = n_fields, .loaded = true,
	};
	known = native_type_of(n, type);
	if (!known)
		return NULL;
	known->compiled = known->refs_made = true; /* what its pointer leads to says itself what it is */
	return native_shape_of(n, known, NATIVE_VALUE, false);
}

/* What a closure gives back when it goes, of which it thus has a reference: its data. */
static bool gives_back(const struct finder *f, taddr notifiers, uint32_t flags, uint64_t data)
{
	unsigned first = 2 * (flags >> 16 & 1), n = flags >> 17 & 3;

	for (unsigned i = first; f->unref && i < first + n; i++) {
		uint64_t pair[2];

		if (image_read(f->n->img, notifiers + (uint64_t)i * NOTIFIER, pair, sizeof(pair)) == MEM_OK &&
		    pair[0] == data && pair[1] == f->unref)
			return true;
	}
	return false;
}

static void add_quiet(struct finder *f, uint64_t word)
{
	uint32_t id = word ? block_at(f->n->blocks, word) : BLOCK_NONE;

	if (id != BLOCK_NONE)
		bit_set(f->to->quiet.base, id);
}

static struct err *find_handler(void *arg, const struct native_block *b)
{
	struct finder *f = arg;
	struct native_handler h = { .block = b->id };
	uint64_t avail = 0, closure;
	const uint8_t *bytes, *c;
	struct text name = TEXT_INIT;
	struct err *err;

	if (b->usable < HANDLER_SIZE || b->usable > HANDLER_SIZE + ROUNDING)
		return NULL;
	bytes = native_view(f->n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	closure = load_u64(bytes + HANDLER_CLOSURE);
	h.signal = load_u32(bytes + HANDLER_SIGNAL);
	if (!h.signal || h.signal > SIGNALS_MAX || !load_u32(bytes + HANDLER_REFS) || closure < CLOSURE)
		return NULL;
	h.object = object_at(f->n, load_u64(bytes + HANDLER_INSTANCE));
	h.closure = block_at(f->n->blocks, closure - CLOSURE);
	if (h.object == BLOCK_NONE || h.closure == BLOCK_NONE)
		return NULL;
	c = native_view(f->n, closure - CLOSURE, &avail);
	if (!c || avail < CLOSURE_SIZE || graph_key(f->n->cols->graph, h.closure) != closure - CLOSURE)
		return NULL;
	h.data = object_at(f->n, load_u64(c + CLOSURE_DATA));
	if (h.data != BLOCK_NONE &&
	    !gives_back(f, load_u64(c + CLOSURE_NOTIFIERS), load_u32(c + CLOSURE), load_u64(c + CLOSURE_DATA)))
		h.data = BLOCK_NONE;
	bit_set(f->to->quiet.base, b->id);
	bit_set(f->to->quiet.base, h.closure);
	if (gobject_signal(f->n->img, &f->n->gobjects, h.signal, &name)) /* its name stays */
		text_fini(&name);
	image_keep_exact(f->n->img, bytes, HANDLER_SIZE);
	image_keep_exact(f->n->img, c, CLOSURE_SIZE);
	add_quiet(f, load_u64(c + CLOSURE_NOTIFIERS));
	if (!vec_push(&f->to->handlers, &h))
		return &err_nomem;
	err = native_assign(f->n, b->id, f->handler, TYPE_EXACT);
	return err ? err : native_assign(f->n, h.closure, f->closure, TYPE_EXACT);
}

/* The keys of a GHashTable at an address; 0: there is none. */
static taddr keys_of(const struct image *img, taddr table)
{
	uint32_t size, mask;
	uint64_t keys;

	if (!table || image_read_u32(img, table + TABLE_SIZE, &size) || image_read_u32(img, table + TABLE_MASK, &mask) ||
	    image_read_u64(img, table + TABLE_KEYS, &keys))
		return 0;
	return is_pow2(size) && size >= TABLE_LEAST && mask == size - 1 ? keys : 0;
}

/* The keys of libgobject's own tables are objects that have handlers. */
static void find_tables(struct finder *f)
{
	const struct image *img = f->n->img;
	struct module_data d = module_data(img);
	const struct segment *seg;
	uint64_t table;

	while ((seg = module_data_next(&d)))
		for (taddr at = gobject_has_data(img, seg) ? seg->start : seg->end; seg->end - at >= WORD; at += WORD)
			if (!image_read_u64(img, at, &table))
				add_quiet(f, keys_of(img, table));
}

static int by_object(const void *pa, const void *pb)
{
	const struct native_handler *a = pa, *b = pb;

	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

static struct err *find_signals(struct native *n)
{
	static const struct dbg_type open = { .kind = DBG_KIND_POINTER, .size = WORD, .loaded = true };
	static const struct dbg_member handler[] = {
		{ .name = "next", .offset = WORD, .type = &open },
		{ .name = "prev", .offset = 2 * WORD, .type = &open },
		{ .name = "closure", .offset = HANDLER_CLOSURE, .type = &open },
		{ .name = "instance", .offset = HANDLER_INSTANCE, .type = &open },
	};
	static const struct dbg_member closure[] = {
		{ .name = "data", .offset = CLOSURE_DATA, .type = &open },
		{ .name = "notifiers", .offset = CLOSURE_NOTIFIERS, .type = &open },
	};
	struct finder f = { .n = n, .to = &n->signals };
	struct symbol unref;
	struct err *err;

	n->signals.unref = f.unref = image_symbol(n->img, NULL, "g_object_unref", &unref) ? unref.addr : 0;
	f.handler = made_up(n, "GSignal handler", HANDLER_SIZE, handler, ARRAY_SIZE(handler));
	f.closure = made_up(n, "GClosure", CLOSURE_SIZE, closure, ARRAY_SIZE(closure));
	if (!f.handler || !f.closure)
		return &err_nomem;
	err = col_fixed(n->env, 8, bits_words(n->blocks->grains.n) + 1, "references", &n->signals.quiet);
	if (!err)
		err = native_each(n, find_handler, &f);
	if (err)
		return err;
	find_tables(&f);
	if (n->signals.handlers.n)
		qsort(n->signals.handlers.v, n->signals.handlers.n, sizeof(*n->signals.handlers.v), by_object);
	return NULL;
}

struct err *native_gobjects(struct native *n)
{
	struct err *err = gobject_open(n->img, n->blocks, &n->gobjects);
	uint64_t before = n->objects.n;

	if (err || !n->gobjects.classes.n)
		return err;
	err = native_each(n, on_block, n);
	if (!err)
		err = name_types(n);
	if (!err && n->objects.n != before)
		qsort(n->objects.base, n->objects.n, sizeof(uint32_t), by_number);
	return err ? err : find_signals(n);
}

void native_signals_fini(struct native_signals *s)
{
	free(s->handlers.v);
	col_close(&s->quiet);
}

enum native_word native_gobject_word(const struct native *n, uint32_t block, const uint8_t *bytes, uint64_t size,
				     uint64_t at)
{
	const struct native_signals *s = &n->signals;
	uint64_t next = size - at >= 2 * WORD ? load_u64(bytes + at + WORD) : 0;

	if (bit_get(s->quiet.base, block))
		return NATIVE_WORD_NONE;
	if (s->unref && next == s->unref) {
		image_keep_exact(n->img, bytes + at, 2 * WORD);
		return NATIVE_WORD_COUNTED;
	}
	if (at >= WORD && gobject_is_type(n->img, load_u64(bytes + at - WORD))) {
		image_keep_exact(n->img, bytes + at - WORD, 2 * WORD);
		return NATIVE_WORD_COUNTED;
	}
	/* WeakRefStack, ToggleRefStack: the object, how many, functions. */
	if (!at && next && (next & UINT32_MAX) <= STACK_MAX && !(next >> 32) && size >= 4 * WORD &&
	    image_is_code(n->img, load_u64(bytes + 2 * WORD))) {
		image_keep_exact(n->img, bytes, 3 * WORD);
		return NATIVE_WORD_NONE;
	}
	return NATIVE_WORD_PERHAPS;
}
