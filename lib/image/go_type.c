/*
 * image/go_type.c - type descriptors: read with all they are made of, held together, kept.
 *
 * Layouts: internal/abi/type.go, internal/abi/map*.go, internal/abi/iface.go; runtime/type.go to
 * 1.20.  A descriptor of a module lies in its [types, etypes) and takes its name from there; one that
 * reflect made lies in the heap, has a negative name offset into a map of the runtime that is not
 * read, and is called by what it is made of.
 */
#include "image/go_type.h"
#include "image/shadow.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/arena.h"
#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	TYPE_SIZE = 48,
	UNCOMMON_SIZE = 16,
	NAME_MAX = 4096,
	FIELDS_MAX = 1 << 16,
	TFLAG_UNCOMMON = 1,
	TFLAG_EXTRA_STAR = 2,
	TFLAG_NAMED = 4,
	TFLAG_GC_ON_DEMAND = 16,
	TFLAG_DIRECT = 32,
	KIND_MASK = 31,
	KIND_DIRECT = 32,
	KIND_GC_PROG = 64,
	CHARGE = 1 << 20, /* bytes taken from the budget at a time */
	TRIES = 16, /* of a hash, one after another */
	LINKS_MAX = 1 << 22,
};

enum state { GOOD, BAD };

/* A descriptor, good or not: type first, so that a type is its entry. */
struct entry {
	struct go_type type;
	taddr gcdata; /* 0: a program, or made on demand */
	uint32_t hash, nameoff;
	uint8_t tflag, state;
	_Atomic(const uint64_t *) mask;
	const struct go_module *module; /* NULL: made by reflect */
};

struct types_list {
	struct entry **v;
	size_t n, cap;
};

struct go_types {
	struct go *go;
	pthread_mutex_t lock; /* of all below but `ready` and `itabs` when read */
	struct addrmap all;   /* struct entry; also those that are being read */
	struct addrmap ready; /* struct entry, with all that it refers to */
	struct addrmap itabs; /* struct entry of the concrete type */
	struct addrmap names; /* by hash of the name, after links_read */
	struct addrmap paths; /* likewise, of the package's path and the name in it: where there is one */
	struct addrmap made;  /* []T by the address of T, *T by the next: go_type_of() */
	bool links_read, is_poor;
	struct arena mem;
	uint64_t used, taken; /* bytes */
};

/* Every allocation here: within the run's budget. */
static void *alloc(struct go_types *t, uint64_t n)
{
	while (!t->is_poor && t->taken - t->used < n) {
		struct err *err = env_mem_take(t->go->env, CHARGE, "Go types");

		if (err) {
			diag_err(t->go->env, "go/types", err);
			t->is_poor = true;
		} else {
			t->taken += CHARGE;
		}
	}
	if (t->is_poor)
		return NULL;
	t->used += n;
	return arena_alloc(&t->mem, n);
}

struct err *go_types_open(struct go *go, struct go_types **ret)
{
	struct go_types *t = calloc(1, sizeof(*t));

	if (!t)
		return &err_nomem;
	t->go = go;
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return NULL;
}

void go_types_close(struct go_types *t)
{
	if (!t)
		return;
	addrmap_fini(&t->all);
	addrmap_fini(&t->ready);
	addrmap_fini(&t->itabs);
	addrmap_fini(&t->names);
	addrmap_fini(&t->paths);
	addrmap_fini(&t->made);
	arena_fini(&t->mem);
	env_mem_give(t->go->env, t->taken);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- names ---- */

/* An abi.Name: flags, a varint length, bytes. `ret_flags` may be NULL. */
static char *read_name(struct go_types *t, taddr at, uint8_t *ret_flags)
{
	uint8_t head[4];
	uint64_t len;
	unsigned n = 2;
	char *s;

	if (!at || image_read(t->go->img, at, head, sizeof(head)))
		return NULL;
	len = head[1] & 0x7f;
	if (head[1] & 0x80) {
		len |= (uint64_t)(head[2] & 0x7f) << 7;
		n = 3;
		if (head[2] & 0x80) /* longer than 16 KiB */
			return NULL;
	}
	if (ret_flags)
		*ret_flags = head[0];
	if (head[0] & ~15u)
		return NULL;
	s = alloc(t, len + 1);
	if (!s || image_read(t->go->img, at + n, s, len))
		return NULL;
	for (uint64_t i = 0; i < len; i++)
		if ((uint8_t)s[i] < ' ' || s[i] == 0x7f)
			return NULL;
	if (len > NAME_MAX)
		memcpy(s + NAME_MAX - 3, "...", 4);
	return s;
}

static const struct go_module *module_of(const struct go *go, taddr at)
{
	for (size_t i = 0; i < go->n_modules; i++)
		if (at - go->modules[i].types < go->modules[i].etypes - go->modules[i].types)
			return &go->modules[i];
	return NULL;
}

static const char *name_at(struct go_types *t, const struct go_module *m, uint32_t off)
{
	if (!m || !off || off >= m->etypes - m->types)
		return NULL;
	return read_name(t, m->types + off, NULL);
}

/* ---- one descriptor ---- */

static uint64_t map_size(const struct go *go)
{
	if (!go->swissmap)
		return 88;
	return go->minor && go->minor < 27 ? 112 : 136;
}

/* Bytes of the part that every descriptor of a kind has. */
static uint64_t base_size(const struct go *go, uint8_t kind)
{
	switch (kind) {
	case GO_ARRAY:
		return 72;
	case GO_CHAN:
		return 64;
	case GO_FUNC:
	case GO_POINTER:
	case GO_SLICE:
		return 56;
	case GO_INTERFACE:
	case GO_STRUCT:
		return 80;
	case GO_MAP:
		return map_size(go);
	default:
		return TYPE_SIZE;
	}
}

/* Of kinds whose values have one size; 0 for the others. */
static uint64_t value_size(uint8_t kind)
{
	static const uint8_t sizes[] = {
		[GO_BOOL] = 1,	  [GO_INT] = 8,	    [GO_INT8] = 1,	 [GO_INT16] = 2,
		[GO_INT32] = 4,	  [GO_INT64] = 8,   [GO_UINT] = 8,	 [GO_UINT8] = 1,
		[GO_UINT16] = 2,  [GO_UINT32] = 4,  [GO_UINT64] = 8,	 [GO_UINTPTR] = 8,
		[GO_FLOAT32] = 4, [GO_FLOAT64] = 8, [GO_COMPLEX64] = 8,	 [GO_COMPLEX128] = 16,
		[GO_CHAN] = 8,	  [GO_FUNC] = 8,    [GO_INTERFACE] = 16, [GO_MAP] = 8,
		[GO_POINTER] = 8, [GO_SLICE] = 24,  [GO_STRING] = 16,	 [GO_UNSAFE_POINTER] = 8,
	};

	return kind < ARRAY_SIZE(sizes) ? sizes[kind] : 0;
}

static bool is_plausible(const struct entry *e, uint8_t align)
{
	const struct go_type *t = &e->type;
	uint64_t size = value_size(t->kind);

	if (t->kind < GO_BOOL || t->kind > GO_UNSAFE_POINTER || !is_pow2(align) || align > 64)
		return false;
	if (t->size >> 47 || t->ptr_bytes > t->size || t->ptr_bytes % 8 || t->size % align)
		return false;
	if (t->ptr_bytes && align != 8)
		return false;
	return !size || size == t->size;
}

/* The fixed part of the descriptor at e->type.addr. */
static bool read_head(struct go_types *t, struct entry *e)
{
	uint8_t b[TYPE_SIZE];

	if (image_read(t->go->img, e->type.addr, b, sizeof(b)))
		return false;
	e->type.size = load_u64(b);
	e->type.ptr_bytes = load_u64(b + 8);
	e->hash = load_u32(b + 16);
	e->tflag = b[20];
	e->type.kind = b[23] & KIND_MASK;
	e->type.direct = b[23] & KIND_DIRECT || e->tflag & TFLAG_DIRECT;
	e->nameoff = load_u32(b + 40);
	if (!(b[23] & KIND_GC_PROG) && !(e->tflag & TFLAG_GC_ON_DEMAND))
		e->gcdata = load_u64(b + 32);
	if (b[22] > b[21] || e->tflag & 0xc0 || b[23] & 0x80)
		return false;
	if (!is_plausible(e, b[21]))
		return false;
	e->module = module_of(t->go, e->type.addr);
	return e->module ? e->nameoff && e->nameoff < e->module->etypes - e->module->types :
			   e->nameoff >> 31;
}

static void read_names(struct go_types *t, struct entry *e)
{
	uint32_t pkgpath;

	e->type.name = name_at(t, e->module, e->nameoff);
	if (e->type.name && e->tflag & TFLAG_EXTRA_STAR)
		e->type.name += *e->type.name == '*';
	if (!(e->tflag & TFLAG_UNCOMMON) || !(e->tflag & TFLAG_NAMED))
		return;
	if (!image_read_u32(t->go->img, e->type.addr + base_size(t->go, e->type.kind), &pkgpath))
		e->type.pkg = name_at(t, e->module, pkgpath);
	if (e->type.pkg && !*e->type.pkg)
		e->type.pkg = NULL;
}

static struct entry *new_entry(struct go_types *t, taddr addr, struct types_list *todo)
{
	struct entry *e = alloc(t, sizeof(*e));

	if (!e || !addrmap_put(&t->all, addr, e))
		return NULL;
	e->type.addr = addr;
	e->state = BAD;
	return vec_push(todo, &e) ? e : NULL;
}

/* The type a word of a descriptor refers to: known, or to be read. */
static const struct go_type *refer(struct go_types *t, taddr at, struct types_list *todo)
{
	uint64_t addr;
	struct entry *e;

	if (image_read_u64(t->go->img, at, &addr) || !addr || addr % 8)
		return NULL;
	e = (struct entry *)addrmap_get(&t->all, addr);
	if (!e)
		e = new_entry(t, addr, todo);
	return e ? &e->type : NULL;
}

static bool read_fields(struct go_types *t, struct entry *e, struct types_list *todo)
{
	uint64_t head[2]; /* pointer, length */
	struct go_field *fields;

	if (image_read(t->go->img, e->type.addr + 56, head, sizeof(head)) || head[1] > FIELDS_MAX)
		return false;
	fields = alloc(t, head[1] * sizeof(*fields));
	if (!fields)
		return false;
	e->type.fields = fields;
	for (uint64_t i = 0; i < head[1]; i++) {
		struct go_field *f = &fields[e->type.n_fields];
		uint64_t words[3];
		uint8_t flags = 0;

		if (image_read(t->go->img, head[0] + i * sizeof(words), words, sizeof(words)))
			return false;
		f->name = read_name(t, words[0], &flags);
		f->type = refer(t, head[0] + i * sizeof(words) + 8, todo);
		f->offset = words[2];
		f->embedded = flags & 8;
		if (!f->name || !f->type || f->offset > e->type.size)
			return false;
		e->type.n_fields++;
	}
	return true;
}

/* What follows the fixed part, by kind. */
static bool read_parts(struct go_types *t, struct entry *e, struct types_list *todo)
{
	struct go_type *type = &e->type;
	taddr at = type->addr;

	switch (type->kind) {
	case GO_ARRAY:
		type->elem = refer(t, at + 48, todo);
		return type->elem && !image_read_u64(t->go->img, at + 64, &type->len);
	case GO_CHAN:
	case GO_POINTER:
	case GO_SLICE:
		type->elem = refer(t, at + 48, todo);
		return type->elem;
	case GO_MAP:
		type->key = refer(t, at + 48, todo);
		type->elem = refer(t, at + 56, todo);
		type->bucket = refer(t, at + 64, todo);
		return type->key && type->elem;
	case GO_STRUCT:
		return read_fields(t, e, todo);
	default:
		return true;
	}
}

static void read_entry(struct go_types *t, struct entry *e, struct types_list *todo)
{
	if (!read_head(t, e))
		return;
	read_names(t, e);
	if (e->module && !e->type.name)
		return;
	if (read_parts(t, e, todo))
		e->state = GOOD;
}

/* ---- what a descriptor is made of holds together ---- */

static bool is_good(const struct go_type *type)
{
	return type && ((const struct entry *)type)->state == GOOD;
}

/* Parts lie one after another inside the whole. */
static bool parts_fit(const struct entry *e)
{
	const struct go_type *t = &e->type;
	uint64_t size, end = 0;

	if (t->kind == GO_ARRAY)
		return is_good(t->elem) && checked_mul(t->elem->size, t->len, &size) &&
		       size == t->size;
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct go_field *f = &t->fields[i];

		if (!is_good(f->type) || f->offset < end ||
		    !range_fits(f->offset, f->type->size, t->size))
			return false;
		end = f->offset + f->type->size;
	}
	return true;
}

static void drop_bad_parts(struct entry *e)
{
	struct go_type *t = &e->type;
	struct go_field *fields = (struct go_field *)t->fields;
	size_t n = 0;

	t->elem = is_good(t->elem) ? t->elem : NULL;
	t->key = is_good(t->key) ? t->key : NULL;
	t->bucket = is_good(t->bucket) ? t->bucket : NULL;
	for (size_t i = 0; i < t->n_fields; i++)
		if (is_good(fields[i].type))
			fields[n++] = fields[i];
	t->n_fields = n;
}

/* Of one that reflect made, from its parts; NULL while those have none. */
static const char *made_up_name(struct go_types *t, const struct go_type *type)
{
	const char *elem = type->elem ? type->elem->name : NULL,
		   *key = type->key ? type->key->name : NULL;
	size_t n = 32 + (elem ? strlen(elem) : 0) + (key ? strlen(key) : 0);
	char *s = elem ? alloc(t, n) : NULL;

	if (!s)
		return NULL;
	if (type->kind == GO_POINTER)
		snprintf(s, n, "*%s", elem);
	else if (type->kind == GO_SLICE)
		snprintf(s, n, "[]%s", elem);
	else if (type->kind == GO_CHAN)
		snprintf(s, n, "chan %s", elem);
	else if (type->kind == GO_ARRAY)
		snprintf(s, n, "[%llu]%s", (unsigned long long)type->len, elem);
	else if (type->kind == GO_MAP && key)
		snprintf(s, n, "map[%s]%s", key, elem);
	else
		return NULL;
	return strlen(s) <= NAME_MAX ? s : NULL;
}

/* Each round names what the round before made possible; ten levels of unnamed types are enough. */
static void name_the_nameless(struct go_types *t, const struct types_list *l)
{
	for (unsigned round = 0; round < 10; round++)
		for (size_t i = 0; i < l->n; i++)
			if (l->v[i]->state == GOOD && !l->v[i]->type.name)
				l->v[i]->type.name = made_up_name(t, &l->v[i]->type);
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i]->type.name)
			l->v[i]->type.name = l->v[i]->type.kind == GO_STRUCT ? "struct {...}" :
					     l->v[i]->type.kind == GO_FUNC   ? "func(...)" :
									       "(made by reflect)";
}

/* Of one that reflect made: its flags, alignment and kind are neither pointers nor numbers of a word. */
static void keep_flags(const struct image *img, const struct entry *e)
{
	uint64_t avail = 0;
	const uint8_t *b = e->module || e->state != GOOD ? NULL : image_view(img, e->type.addr, &avail);

	if (!b || avail < TYPE_SIZE)
		return;
	image_keep_exact(img, b + 20, 4);
	image_keep_exact(img, b + 43, 1);
}

/* Under the lock: the descriptor at addr and all that it leads to. */
static void read_closure(struct go_types *t, taddr addr)
{
	struct types_list l = {};

	if (!new_entry(t, addr, &l))
		goto out;
	for (size_t i = 0; i < l.n; i++)
		read_entry(t, l.v[i], &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i]->state == GOOD && !parts_fit(l.v[i]))
			l.v[i]->state = BAD;
	for (size_t i = 0; i < l.n; i++)
		drop_bad_parts(l.v[i]);
	for (size_t i = 0; i < l.n; i++)
		keep_flags(t->go->img, l.v[i]);
	name_the_nameless(t, &l);
	for (size_t i = 0; i < l.n; i++)
		if (!addrmap_put(&t->ready, l.v[i]->type.addr, l.v[i]))
			break;
out:
	free(l.v);
}

/* Cheaper than reading: most words that are asked about are no descriptors. */
static bool may_be_type(const struct go *go, taddr addr)
{
	const uint8_t *b;
	uint64_t avail = 0;

	if (!addr || addr % 8)
		return false;
	if (module_of(go, addr))
		return true;
	b = image_view(go->img, addr, &avail);
	if (!b || avail < TYPE_SIZE || (b[23] & KIND_MASK) < GO_ARRAY || !(b[43] & 0x80))
		return false;
	image_keep(go->img, addr + 23, 1);
	image_keep(go->img, addr + 43, 1);
	return true;
}

const struct go_type *go_type_at(const struct go *go, taddr addr)
{
	struct go_types *t = go->types;
	const struct entry *e;

	if (!t)
		return NULL;
	e = addrmap_get(&t->ready, addr);
	if (!e) {
		if (!may_be_type(go, addr))
			return NULL;
		pthread_mutex_lock(&t->lock);
		if (!addrmap_get(&t->all, addr))
			read_closure(t, addr);
		pthread_mutex_unlock(&t->lock);
		e = addrmap_get(&t->ready, addr);
	}
	return e && e->state == GOOD ? &e->type : NULL;
}

const struct go_type *go_itab_type(const struct go *go, taddr itab)
{
	const struct entry *known = go->types && itab ? addrmap_get(&go->types->itabs, itab) : NULL;
	const struct go_type *inter, *type;
	uint64_t words[2];
	uint32_t hash;

	if (known)
		return known->state == GOOD ? &known->type : NULL;
	if (!itab || itab % 8 || image_read(go->img, itab, words, sizeof(words)) ||
	    image_read_u32(go->img, itab + 16, &hash))
		return NULL;
	inter = go_type_at(go, words[0]);
	if (!inter || inter->kind != GO_INTERFACE)
		return NULL;
	type = go_type_at(go, words[1]);
	if (!type || ((const struct entry *)type)->hash != hash)
		return NULL;
	pthread_mutex_lock(&go->types->lock);
	if (!addrmap_get(&go->types->itabs, itab))
		(void)addrmap_put(&go->types->itabs, itab, type); /* not kept: read again */
	pthread_mutex_unlock(&go->types->lock);
	return type;
}

struct go_type *go_type_make(const struct go *go)
{
	struct entry *e;

	if (!go->types)
		return NULL;
	pthread_mutex_lock(&go->types->lock);
	e = alloc(go->types, sizeof(*e));
	pthread_mutex_unlock(&go->types->lock);
	return e ? &e->type : NULL;
}

/* Under the lock. */
static struct entry *make_of(struct go_types *t, const struct go_type *elem, bool is_slice)
{
	size_t n = strlen(elem->name) + (is_slice ? 3 : 2);
	char *name = alloc(t, n);
	struct entry *e = name ? alloc(t, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	memcpy(name, is_slice ? "[]" : "*", is_slice ? 2 : 1);
	strcpy(name + (is_slice ? 2 : 1), elem->name);
	e->type = (struct go_type){ .name = name, .size = is_slice ? 24 : 8, .ptr_bytes = 8, .elem = elem,
				    .kind = is_slice ? GO_SLICE : GO_POINTER, .direct = !is_slice };
	return e;
}

const struct go_type *go_type_of(const struct go *go, enum go_kind kind, const struct go_type *elem)
{
	bool is_slice = kind == GO_SLICE;
	uint64_t key = (uint64_t)(uintptr_t)elem + !is_slice;
	const struct entry *known;
	struct entry *e;

	if (!go->types || !elem)
		return NULL;
	pthread_mutex_lock(&go->types->lock);
	known = addrmap_get(&go->types->made, key);
	e = known ? NULL : make_of(go->types, elem, is_slice);
	if (e && addrmap_put(&go->types->made, key, e))
		known = e;
	pthread_mutex_unlock(&go->types->lock);
	return known ? &known->type : NULL;
}

/* ---- by name ---- */

static uint64_t name_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h ? h : 1;
}

/* Bytes of a descriptor with all that lies behind it: abi.Type.DescriptorSize of 1.27. */
static uint64_t descriptor_size(const struct go *go, const struct entry *e)
{
	uint64_t base = base_size(go, e->type.kind), size = base, n;
	uint16_t counts[2];

	if (e->tflag & TFLAG_UNCOMMON) {
		if (image_read(go->img, e->type.addr + base + 4, counts, 2))
			return 0;
		size += UNCOMMON_SIZE + 16ull * counts[0];
	}
	if (e->type.kind == GO_FUNC) {
		if (image_read(go->img, e->type.addr + 48, counts, 4))
			return 0;
		size += 8ull * (counts[0] + (counts[1] & 0x7fffu));
	} else if (e->type.kind == GO_STRUCT || e->type.kind == GO_INTERFACE) {
		if (image_read_u64(go->img, e->type.addr + 64, &n) || n > FIELDS_MAX)
			return 0;
		size += n * (e->type.kind == GO_STRUCT ? 24 : 8);
	}
	return align_up(size, 8);
}

/* Since 1.27 descriptors stand one after another from types + 8 on, up to the first that is none. */
static void walk_types(const struct go *go, const struct go_module *m)
{
	taddr at = m->types + 8;

	while (at < m->etypes) {
		const struct go_type *t = go_type_at(go, at);
		uint64_t size = t ? descriptor_size(go, (const struct entry *)t) : 0;

		if (!size || size > m->etypes - at)
			return;
		at += size;
	}
}

static void read_links(const struct go *go, const struct go_module *m)
{
	uint64_t n = m->n_typelinks < LINKS_MAX ? m->n_typelinks : LINKS_MAX;
	uint32_t off;

	if (!m->typelinks) {
		walk_types(go, m);
		return;
	}
	for (uint64_t i = 0; i < n && !image_read_u32(go->img, m->typelinks + 4 * i, &off); i++)
		if (off < m->etypes - m->types)
			(void)go_type_at(go, m->types + off); /* for what it leaves behind */
}

/* "Buffer" of "bytes.Buffer"; NULL: of a type without a name, or a generic one. */
static const char *name_in_package(const struct go_type *t)
{
	const char *dot = t->pkg && !strchr(t->name, '[') ? strrchr(t->name, '.') : NULL;

	return dot && !strpbrk(t->name, "* ") ? dot + 1 : NULL;
}

static uint64_t path_hash(const char *pkg, const char *name)
{
	return name_hash(pkg) * 31 + name_hash(name);
}

static bool is_same(const struct go_type *a, const struct go_type *b, bool by_path)
{
	return by_path ? !strcmp(a->pkg, b->pkg) && !strcmp(name_in_package(a), name_in_package(b)) :
			 !strcmp(a->name, b->name);
}

/* Under the lock. Of two types of one name the one at the lower address is found. */
static void index_name(struct addrmap *names, uint64_t h, const struct entry *e, bool by_path)
{
	const struct entry *other;

	for (unsigned tries = 0; tries < TRIES; tries++, h++) {
		other = addrmap_get(names, h ? h : 1);
		if (!other) {
			(void)addrmap_put(names, h ? h : 1, e); /* a name less */
			return;
		}
		if (is_same(&other->type, &e->type, by_path))
			return;
	}
}

static int by_addr(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return (*x)->type.addr < (*y)->type.addr ? -1 : (*x)->type.addr > (*y)->type.addr;
}

struct collect {
	struct types_list list;
	bool bad;
};

static void collect_entry(void *arg, uint64_t key, const void *value)
{
	struct collect *c = arg;
	struct entry *e = (struct entry *)value;

	(void)key;
	if (e->state == GOOD && e->module)
		c->bad |= !vec_push(&c->list, &e);
}

static void index_names(struct go_types *t)
{
	struct collect c = {};

	addrmap_each(&t->ready, collect_entry, &c);
	if (c.list.n)
		qsort(c.list.v, c.list.n, sizeof(*c.list.v), by_addr);
	for (size_t i = 0; i < c.list.n; i++) {
		const struct entry *e = c.list.v[i];
		const char *name = name_in_package(&e->type);

		index_name(&t->names, name_hash(e->type.name), e, false);
		if (name)
			index_name(&t->paths, path_hash(e->type.pkg, name), e, true);
	}
	free(c.list.v);
}

/* Makes the indexes of names, once. */
static void need_names(const struct go *go)
{
	struct go_types *t = go->types;
	bool read;

	pthread_mutex_lock(&t->lock);
	read = t->links_read;
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < go->n_modules && !read; i++)
		read_links(go, &go->modules[i]);
	pthread_mutex_lock(&t->lock);
	if (!t->links_read)
		index_names(t);
	t->links_read = true;
	pthread_mutex_unlock(&t->lock);
}

const struct go_type *go_type_named(const struct go *go, const char *name)
{
	uint64_t h = name_hash(name);

	if (!go->types)
		return NULL;
	need_names(go);
	for (unsigned tries = 0; tries < TRIES; tries++, h++) {
		const struct entry *e = addrmap_get(&go->types->names, h ? h : 1);

		if (!e || !strcmp(e->type.name, name))
			return e ? &e->type : NULL;
	}
	return NULL;
}

const struct go_type *go_type_in_package(const struct go *go, const char *pkg, const char *name)
{
	uint64_t h = path_hash(pkg, name);

	if (!go->types)
		return NULL;
	need_names(go);
	for (unsigned tries = 0; tries < TRIES; tries++, h++) {
		const struct entry *e = addrmap_get(&go->types->paths, h ? h : 1);

		if (!e || (!strcmp(e->type.pkg, pkg) && !strcmp(name_in_package(&e->type), name)))
			return e ? &e->type : NULL;
	}
	return NULL;
}

/* ---- masks ---- */

struct mask_job {
	uint64_t *mask;
	uint64_t n_words, last; /* last: one past the last pointer word seen */
};

static bool set_slot(void *arg, uint64_t offset, const struct go_type *slot)
{
	struct mask_job *j = arg;

	(void)slot;
	if (offset % 8 || offset / 8 >= j->n_words)
		return false;
	bit_set(j->mask, offset / 8);
	j->last = offset / 8 + 1;
	return true;
}

/* The mask the compiler left; false when there is none to be trusted. */
static bool copy_gcdata(const struct go *go, const struct entry *e, uint64_t *mask,
			uint64_t n_words)
{
	if (!e->gcdata || image_read(go->img, e->gcdata, mask, n_words / 8 + (n_words % 8 != 0)))
		return false;
	if (n_words % 64)
		mask[n_words / 64] &= (1ull << n_words % 64) - 1;
	return bit_get(mask, n_words - 1);
}

/*
 * By structure.  Where that does not end with the last pointer that the descriptor promises, parts
 * are missing: then the compiler's own mask, and without one every word may be a pointer.
 */
static const uint64_t *make_mask(const struct go *go, const struct entry *e)
{
	uint64_t n = e->type.ptr_bytes / 8, bytes = bits_words(n) * 8;
	struct mask_job j = { .mask = alloc(go->types, bytes), .n_words = n };

	if (!j.mask)
		return NULL;
	go_type_pointers(go, &e->type, set_slot, &j);
	if (j.last == n)
		return j.mask;
	memset(j.mask, 0, bytes);
	if (copy_gcdata(go, e, j.mask, n))
		return j.mask;
	memset(j.mask, 0xff, bytes);
	if (n % 64)
		j.mask[n / 64] = (1ull << n % 64) - 1;
	return j.mask;
}

const uint64_t *go_type_mask(const struct go *go, const struct go_type *type)
{
	struct entry *e = (struct entry *)type;
	const uint64_t *mask;

	if (!type->ptr_bytes || type->ptr_bytes / 8 > 1 << 20 || !go->types)
		return NULL;
	mask = atomic_load_explicit(&e->mask, memory_order_acquire);
	if (mask)
		return mask;
	pthread_mutex_lock(&go->types->lock);
	mask = e->mask;
	if (!mask) {
		mask = make_mask(go, e);
		atomic_store_explicit(&e->mask, mask, memory_order_release);
	}
	pthread_mutex_unlock(&go->types->lock);
	return mask;
}
