/*
 * type/go_shape.c - shapes: made, compiled, named.
 *
 * The runtime's and the library's own tricks with unsafe.Pointer are known here by the names of their
 * types: sync.Pool and its rings, atomic.Pointer, the nodes of sync.Map's trie since 1.24.
 */
#include "type/go_shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	SLOTS_MAX = 1 << 16,	 /* of one type */
	ALL_SLOTS_MAX = 1 << 23, /* of all: 200 MB */
	HEADER_ABOVE = 512,
	SMALL_MAX = 32768,
	PAGE = 8192,
};

struct err *shapes_open(struct env *env, const struct go *go, struct shapes *s)
{
	*s = (struct shapes){ .env = env, .go = go };
	s->string = shape_of(s, SHAPE_STRING, NULL);
	return s->string ? NULL : &err_nomem;
}

void shapes_close(struct shapes *s)
{
	addrmap_fini(&s->known);
	addrmap_fini(&s->boxed);
	addrmap_fini(&s->itabs);
	arena_fini(&s->mem);
}

/* ---- sizes */

/* internal/runtime/gc/sizeclasses.go; the same in 1.19 to 1.27. */
static const uint16_t size_classes[] = {
	8,     16,    24,    32,    48,	   64,	  80,	 96,	112,   128,   144,   160,
	176,   192,   208,   224,   240,   256,	  288,	 320,	352,   384,   416,   448,
	480,   512,   576,   640,   704,   768,	  896,	 1024,	1152,  1280,  1408,  1536,
	1792,  2048,  2304,  2688,  3072,  3200,  3456,	 4096,	4864,  5120,  5376,  6144,
	6528,  6784,  6912,  8192,  9472,  9728,  10240, 10880, 12288, 13568, 14336, 16384,
	18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
};

uint64_t go_block_size(const struct go *go, uint64_t n, bool scan)
{
	if (scan && go->allocheaders && n > HEADER_ABOVE && n <= SMALL_MAX - 8)
		n += 8;
	if (n > SMALL_MAX || (scan && go->allocheaders && n > SMALL_MAX - 8))
		return n > UINT64_MAX - PAGE ? 0 : align_up(n, PAGE);
	return size_classes[partition_point(ARRAY_SIZE(size_classes) - 1, i, size_classes[i] < n)];
}

/* ---- making */

static uint64_t key_of(enum shape_kind kind, uint64_t which)
{
	return which | (uint64_t)(kind + 1) << 56;
}

static bool starts(const char *s, const char *with)
{
	return s && !strncmp(s, with, strlen(with));
}

/* Types that the runtime hands out for the beginning of something else. */
static bool is_stand_in(const struct go_type *t)
{
	static const char *const names[] = {
		"runtime.hmap",	   "runtime.bmap",     "runtime.hchan",
		"runtime.funcval", "runtime.mapextra", "maps.Map",
		"maps.table",	   "runtime.eface",    "runtime.iface"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(t->name, names[i]))
			return true;
	return starts(t->name, "sync.node[");
}

struct shape *shape_of(struct shapes *s, enum shape_kind kind, const struct go_type *type)
{
	uint64_t key = key_of(kind, (uintptr_t)type);
	struct shape *sh = (struct shape *)addrmap_get(&s->known, key);

	if (sh || (!type && kind != SHAPE_STRING))
		return sh;
	sh = arena_alloc(&s->mem, sizeof(*sh));
	if (!sh)
		return NULL;
	sh->kind = kind;
	sh->type = type;
	sh->has_pointers = kind != SHAPE_STRING;
	if (kind == SHAPE_VALUE || kind == SHAPE_ARRAY) {
		sh->has_pointers = type->ptr_bytes;
		sh->size = kind == SHAPE_VALUE ? type->size : 0;
		sh->is_weak = is_stand_in(type);
		sh->is_hchan = !strcmp(type->name, "runtime.hchan");
		sh->is_layout = starts(type->name, "go.shape.");
		if (sh->size && sh->size < UINT32_MAX - PAGE)
			sh->block_size = (uint32_t)go_block_size(s->go, sh->size, sh->has_pointers);
	}
	return addrmap_put(&s->known, key, sh) ? sh : NULL;
}

/* The slots of a map have types of their own: "map.bucket[string]int", "map.group[string]int". */
static bool is_map_part(const struct go_type *t)
{
	return starts(t->name, "map.bucket[") || starts(t->name, "map.group[");
}

struct shape *shape_array(struct shapes *s, const struct go_type *type)
{
	return shape_of(s, SHAPE_ARRAY, type);
}

struct shape *shape_value(struct shapes *s, const struct go_type *type)
{
	return shape_of(s, type && is_map_part(type) ? SHAPE_ARRAY : SHAPE_VALUE, type);
}

struct shape *shape_closure(struct shapes *s, taddr pc)
{
	uint64_t key = key_of(SHAPE_CLOSURE, pc & ((1ull << 56) - 1));
	struct shape *sh = (struct shape *)addrmap_get(&s->known, key);
	struct go_func f;

	if (sh || !go_func_at(s->go, pc, &f) || f.entry != pc)
		return sh;
	sh = arena_alloc(&s->mem, sizeof(*sh));
	if (!sh)
		return NULL;
	sh->kind = SHAPE_CLOSURE;
	sh->has_pointers = true;
	sh->pc = pc;
	return addrmap_put(&s->known, key, sh) ? sh : NULL;
}

bool shape_closure_at(struct shapes *s, uint64_t word)
{
	for (size_t i = 0; i < s->go->n_modules; i++)
		if (word - s->go->modules[i].minpc <
		    s->go->modules[i].maxpc - s->go->modules[i].minpc)
			return shape_closure(s, word);
	return false;
}

const struct go_field *go_field_named(const struct go_type *t, const char *name)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (!strcmp(t->fields[i].name, name))
			return &t->fields[i];
	return NULL;
}

/* ---- what is in an interface word */

static bool first_slot(void *arg, uint64_t offset, const struct go_type *slot)
{
	(void)offset;
	*(const struct go_type **)arg = slot;
	return false;
}

static bool plain_slot(struct shapes *s, const struct go_type *t, struct slot *ret);

/* A direct value is the pointer itself, an indirect one lies behind it. */
static struct shape *box(struct shapes *s, const struct go_type *type)
{
	struct shape *sh = shape_value(s, type);
	const struct go_type *inner = NULL;
	struct slot slot = {};

	if (!sh || sh->boxed_op == SLOT_NODE)
		return sh;
	sh->boxed_op = SLOT_NODE; /* nothing to follow */
	if (!type->direct) {
		sh->boxed_op = SLOT_POINTER;
		sh->boxed = sh;
		return sh;
	}
	go_type_pointers(s->go, type, first_slot, &inner);
	if (inner && plain_slot(s, inner, &slot)) {
		sh->boxed_op = slot.op;
		sh->boxed = slot.target;
	}
	return sh;
}

static struct shape *look_up(struct shapes *s, struct addrmap *m, taddr word,
			     const struct go_type *(*type_of)(const struct go *, taddr))
{
	struct shape *sh = word ? (struct shape *)addrmap_get(m, word) : NULL;
	const struct go_type *type;

	if (sh || !word)
		return sh == &s->none ? NULL : sh;
	type = type_of(s->go, word);
	sh = type ? box(s, type) : NULL;
	/* Words that are no such pointers are any: not kept. */
	if (sh && !addrmap_put(m, word, sh))
		return NULL;
	return sh;
}

struct shape *shape_boxed(struct shapes *s, taddr descriptor)
{
	return look_up(s, &s->boxed, descriptor, go_type_at);
}

struct shape *shape_itab(struct shapes *s, taddr itab)
{
	return look_up(s, &s->itabs, itab, go_itab_type);
}

/* ---- compiling */

/* False: nothing to follow. */
static bool plain_slot(struct shapes *s, const struct go_type *t, struct slot *ret)
{
	switch (t->kind) {
	case GO_POINTER:
		ret->op = t->elem && starts(t->elem->name, "sync.node[") ? SLOT_NODE : SLOT_POINTER;
		ret->target = shape_value(s, t->elem);
		return ret->target;
	case GO_SLICE:
		ret->op = SLOT_SLICE;
		ret->target = shape_array(s, t->elem);
		return ret->target;
	case GO_STRING:
		ret->op = SLOT_STRING;
		ret->target = s->string;
		return true;
	case GO_MAP:
		ret->op = SLOT_POINTER;
		ret->target = shape_of(s, SHAPE_MAP, t);
		return ret->target;
	case GO_CHAN:
		ret->op = SLOT_POINTER;
		ret->target = shape_of(s, SHAPE_CHAN, t);
		return ret->target;
	case GO_FUNC:
		ret->op = SLOT_FUNC;
		return true;
	default:
		return false;
	}
}

/* The innermost struct around a byte, and the field of it. */
static const struct go_field *field_around(const struct go_type *t, uint64_t offset,
					   const struct go_type **ret_of)
{
	const struct go_field *found = NULL;

	for (unsigned depth = 0; t && depth < 64; depth++) {
		const struct go_field *f = NULL;

		if (t->kind == GO_ARRAY && t->elem && t->elem->size) {
			offset %= t->elem->size;
			t = t->elem;
			continue;
		}
		for (size_t i = 0; i < t->n_fields; i++)
			if (t->fields[i].offset <= offset &&
			    offset - t->fields[i].offset < t->fields[i].type->size)
				f = &t->fields[i];
		if (!f)
			break;
		*ret_of = t;
		found = f;
		offset -= f->offset;
		t = f->type;
	}
	return found;
}

static const struct go_type *pool_local(struct shapes *s)
{
	if (!s->pool_local)
		s->pool_local = go_type_named(s->go, "sync.poolLocal");
	return s->pool_local;
}

/* An unsafe.Pointer: by the struct it stands in. */
static bool unsafe_slot(struct shapes *s, const struct go_type *whole, struct slot *ret)
{
	const struct go_type *of = NULL;
	const struct go_field *f = field_around(whole, ret->offset, &of);

	if (!f)
		return false;
	if (!strcmp(of->name, "sync.Pool") &&
	    (!strcmp(f->name, "local") || !strcmp(f->name, "victim"))) {
		ret->op = SLOT_POOL;
		ret->target = shape_array(s, pool_local(s));
		return ret->target;
	}
	if (!strcmp(of->name, "sync.eface") && !strcmp(f->name, "val")) {
		ret->op = SLOT_EFACE;
		return true;
	}
	/* In 1.19 a plain pointer. */
	if (!strcmp(of->name, "sync.entry") && !strcmp(f->name, "p")) {
		const struct go_type *any = go_type_named(s->go, "interface {}");

		ret->op = SLOT_POINTER;
		ret->target = any ? shape_value(s, any) : NULL;
		return ret->target;
	}
	/* atomic.Pointer[T] begins with [0]*T. */
	if (starts(of->name, "atomic.Pointer[") && of->n_fields > 1 &&
	    of->fields[0].type->kind == GO_ARRAY && of->fields[0].type->elem &&
	    of->fields[0].type->elem->kind == GO_POINTER)
		return plain_slot(s, of->fields[0].type->elem, ret);
	return false;
}

bool shape_slot(struct shapes *s, const struct go_type *type, struct slot *ret)
{
	if (type->kind == GO_INTERFACE) {
		/* Method tables have a word where the empty interface has a type. */
		ret->op = strcmp(type->name, "interface {}") ? SLOT_IFACE : SLOT_EFACE;
		return true;
	}
	return plain_slot(s, type, ret);
}

struct compile {
	struct shapes *s;
	const struct go_type *type;
	struct {
		struct slot *v;
		size_t n, cap;
	} list;
	bool failed;
};

static bool add_slot(void *arg, uint64_t offset, const struct go_type *type)
{
	struct compile *c = arg;
	struct slot slot = { .offset = offset };

	if (c->list.n >= SLOTS_MAX || c->s->n_slots + c->list.n >= ALL_SLOTS_MAX) {
		diag(c->s->env, "go/types", c->type->addr,
		     "%s: not all of its pointers are followed", c->type->name);
		return false;
	}
	if (type->kind == GO_UNSAFE_POINTER) {
		if (!unsafe_slot(c->s, c->type, &slot))
			return true;
	} else if (!shape_slot(c->s, type, &slot)) {
		return true;
	}
	if (vec_push(&c->list, &slot))
		return true;
	c->failed = true;
	return false;
}

static bool keep_slots(struct compile *c, struct shape *shape)
{
	struct slot *slots = arena_memdup(&c->s->mem, c->list.v, c->list.n * sizeof(*slots));

	if (!slots || c->failed)
		return false;
	shape->slots = slots;
	shape->n_slots = (uint32_t)c->list.n;
	c->s->n_slots += c->list.n;
	return true;
}

/* To 1.23 the last word of a bucket leads to the next; it has no type. */
static bool add_overflow(struct compile *c, struct shape *shape)
{
	struct slot slot = { .op = SLOT_POINTER, .target = shape };

	if (shape->kind != SHAPE_ARRAY || !starts(shape->type->name, "map.bucket[") ||
	    shape->type->size < 16)
		return true;
	slot.offset = shape->type->size - 8;
	return vec_push(&c->list, &slot);
}

bool shape_compile(struct shapes *s, struct shape *shape)
{
	struct compile c = { .s = s };
	bool ok = true;

	if (shape->compiled)
		return true;
	shape->compiled = true;
	if (shape->kind == SHAPE_VALUE || shape->kind == SHAPE_ARRAY) {
		c.type = shape->type;
		while (c.type->kind == GO_ARRAY && c.type->elem && c.type->elem->size)
			c.type = c.type->elem;
		shape->tile = c.type->size;
	} else if (shape->kind == SHAPE_CLOSURE) {
		c.type = shape->layout;
	}
	if (c.type) {
		go_type_pointers(s->go, c.type, add_slot, &c);
		ok = add_overflow(&c, shape) && keep_slots(&c, shape);
	}
	free(c.list.v);
	return ok;
}

/* ---- naming */

static void add_map_name(const struct go_type *map, const char *part, struct text *ret)
{
	text_add(ret, map->name);
	text_add(ret, part);
}

/* "map.bucket[K]V" -> "map[K]V (bucket)" */
static bool add_map_part(const struct go_type *t, struct text *ret)
{
	const char *open = strchr(t->name, '[');

	if (!is_map_part(t))
		return false;
	text_add(ret, "map");
	text_add(ret, open);
	text_add(ret, starts(t->name, "map.bucket[") ? " (bucket)" : " (group)");
	return true;
}

/* Pieces of a sync.Map, which is their users' only name for it. */
static bool add_sync_part(const struct go_type *t, struct text *ret)
{
	static const struct {
		const char *type, *part;
	} parts[] = {
		{ "sync.indirect[interface {},interface {}]", "node" },
		{ "sync.entry[interface {},interface {}]", "entry" },
		{ "sync.readOnly", "read" },
		{ "sync.entry", "entry" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strcmp(t->name, parts[i].type))
			continue;
		text_printf(ret, "sync.Map (%s)", parts[i].part);
		return true;
	}
	return false;
}

/* Kinds whose name alone means what they refer to. */
static bool is_reference(const struct go_type *t)
{
	return t->kind == GO_SLICE || t->kind == GO_MAP || t->kind == GO_CHAN || t->kind == GO_FUNC;
}

void shape_name(const struct shapes *s, const struct shape *shape, struct text *ret)
{
	struct go_func f;

	switch ((enum shape_kind)shape->kind) {
	case SHAPE_VALUE:
		if (add_sync_part(shape->type, ret))
			break;
		text_add(ret, shape->type->name);
		if (is_reference(shape->type))
			text_add(ret, " (variable)");
		break;
	case SHAPE_ARRAY:
		if (add_map_part(shape->type, ret))
			break;
		text_add(ret, "[]");
		text_add(ret, shape->type->name);
		break;
	case SHAPE_STRING:
		text_add(ret, "string data");
		break;
	case SHAPE_MAP:
	case SHAPE_CHAN:
		text_add(ret, shape->type->name);
		break;
	case SHAPE_DIRECTORY:
		add_map_name(shape->type, " (directory)", ret);
		break;
	case SHAPE_TABLE:
		add_map_name(shape->type, " (table)", ret);
		break;
	case SHAPE_EXTRA:
		add_map_name(shape->type, " (extra)", ret);
		break;
	case SHAPE_OVERFLOW:
		add_map_name(shape->type, " (overflow)", ret);
		break;
	case SHAPE_CLOSURE:
		text_add(ret, "func ");
		if (go_func_at(s->go, shape->pc, &f))
			go_func_name(s->go, &f, ret);
		break;
	case SHAPE_KINDS:
		break;
	}
}
