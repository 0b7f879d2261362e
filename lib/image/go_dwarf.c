/*
 * image/go_dwarf.c - globals and captured variables by DWARF (cmd/internal/dwarf, cmd/link/internal/ld/dwarf.go).
 *
 * A type's entry says at which offset in the section of types its descriptor lies, 0 where none was
 * linked in; those are made here from their parts, without recursion.
 */
#include "image/go_dwarf.h"

#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/dbg.h"

enum {
	LOCALS_MAX = 512, /* of one frame */
	ALIASES_MAX = 32, /* typedefs on the way to a type */
	VARIABLES_MAX = 1 << 20,
	FUNCTIONS_MAX = 1 << 22,
	PARTS_MAX = 1 << 16, /* fields of a struct */
	MADE_MAX = 1 << 18,  /* types made here */
	ROUNDS_MAX = 64,     /* how deep values nest */
};

/* A type that is being made: its parts are entries that may not be known yet. */
struct made {
	struct go_type *type;
	struct dbg_entry e;
	uint64_t elem, key; /* entries, 0: none */
	uint64_t *parts;    /* entries of the fields' types */
};

/* What one module's debug info says: that of a plugin has offsets of its own. */
struct unit {
	const struct go *go;
	const struct module *module;
	struct {
		struct go_variable *v;
		size_t n, cap;
	} variables;
	struct {
		struct dbg_static *v;
		size_t n, cap;
	} functions;		 /* by address, as in the file */
	struct addrmap types;	 /* const struct go_type, by entry */
	struct addrmap closures; /* by pc */
	struct addrmap locals;	 /* struct frame_locals, by pc */
	size_t n_made;
	struct arena mem;
};

struct made_list {
	struct made *v;
	size_t n, cap;
};

struct go_dwarf {
	struct unit *units; /* of modules that have debug info */
	size_t n;
	struct { /* of all of them, by address */
		struct go_variable *v;
		size_t n, cap;
	} variables;
};

static void unit_close(struct unit *d)
{
	free(d->variables.v);
	free(d->functions.v);
	addrmap_fini(&d->types);
	addrmap_fini(&d->closures);
	addrmap_fini(&d->locals);
	arena_fini(&d->mem);
}

void go_dwarf_close(struct go_dwarf *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		unit_close(&d->units[i]);
	free(d->units);
	free(d->variables.v);
	free(d);
}

/* ---- names: reflect writes the last element of a package's path */

static bool is_path_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("_-.~%", c);
}

static char *short_name(struct arena *mem, const char *name)
{
	char *s = arena_alloc(mem, strlen(name) + 1);
	size_t n = 0;

	if (!s)
		return NULL;
	for (; *name; name++) {
		if (*name == '/')
			while (n && s[n - 1] && is_path_char(s[n - 1]))
				n--;
		else
			s[n++] = *name;
	}
	s[n] = 0;
	return s;
}

/* ---- types */

/* Past typedefs that only rename. */
static bool real_entry(const struct unit *d, uint64_t id, struct dbg_entry *ret)
{
	for (unsigned i = 0; i < ALIASES_MAX && id; i++) {
		if (!dbg_entry_read(d->go->img, d->module, id, ret))
			return false;
		if (ret->tag != DBG_TYPEDEF || ret->go_kind)
			return true;
		id = ret->type;
	}
	return false;
}

static const struct go_type *descriptor_of(const struct unit *d, const struct dbg_entry *e)
{
	for (size_t i = 0; i < d->go->n_modules && e->go_runtime_type; i++) {
		const struct go_module *m = &d->go->modules[i];
		const struct go_type *t;

		if (image_module_at(d->go->img, m->addr) != d->module)
			continue;
		t = go_type_at(d->go, m->types + e->go_runtime_type);
		/* An offset in a section that begins elsewhere leads to another type, or to none. */
		if (t && t->kind == (e->go_kind & 31))
			return t;
	}
	return NULL;
}

static const struct go_type *known_type(const struct unit *d, uint64_t id)
{
	return id ? addrmap_get(&d->types, id) : NULL;
}

struct parts {
	struct unit *d;
	struct made *m;
	struct {
		struct go_field *v;
		size_t n, cap;
	} fields;
	struct {
		uint64_t *v;
		size_t n, cap;
	} types;
	bool captured; /* variables of a function, instead of members */
	bool failed;
};

static bool add_part(void *arg, const struct dbg_entry *e)
{
	struct parts *p = arg;
	struct go_field f = { .offset = e->offset };

	if (p->captured ? !e->has_closure_offset : e->tag != DBG_MEMBER)
		return true;
	if (!e->name || !e->type || p->fields.n >= PARTS_MAX)
		return true;
	f.name = arena_strdup(&p->d->mem, *e->name == '&' ? e->name + 1 : e->name);
	p->failed |= !f.name || !vec_push(&p->fields, &f) || !vec_push(&p->types, &e->type);
	return !p->failed;
}

static bool keep_parts(struct unit *d, struct parts *p, struct made *m)
{
	struct go_field *fields =
		arena_memdup(&d->mem, p->fields.v, p->fields.n * sizeof(*fields));
	uint64_t *types = arena_memdup(&d->mem, p->types.v, p->types.n * sizeof(*types));
	bool ok = fields && types && !p->failed;

	free(p->fields.v);
	free(p->types.v);
	m->type->fields = fields;
	m->type->n_fields = ok ? p->fields.n : 0;
	m->parts = types;
	return ok;
}

static bool begin_struct(struct unit *d, struct made *m)
{
	struct parts p = { .d = d, .m = m };

	dbg_children(d->go->img, d->module, m->e.id, add_part, &p);
	return keep_parts(d, &p, m);
}

/* Kind and parts of an entry, whose type is not made yet. */
static bool begin_type(struct unit *d, struct made *m)
{
	struct go_type *t = m->type;

	t->kind = m->e.go_kind & 31;
	t->size = m->e.size;
	t->name = m->e.name ? short_name(&d->mem, m->e.name) : "?";
	if (!t->name)
		return false;
	switch (t->kind) {
	case GO_POINTER:
		m->elem = m->e.type;
		t->direct = true;
		t->size = t->ptr_bytes = 8;
		break;
	case GO_MAP:
	case GO_CHAN:
		m->key = m->e.go_key;
		m->elem = m->e.go_elem;
		t->direct = true;
		t->size = t->ptr_bytes = 8;
		break;
	case GO_FUNC:
	case GO_UNSAFE_POINTER:
		t->direct = true;
		t->size = t->ptr_bytes = 8;
		break;
	case GO_SLICE:
		m->elem = m->e.go_elem;
		t->size = 24;
		t->ptr_bytes = 8;
		break;
	case GO_STRING:
		t->size = 16;
		t->ptr_bytes = 8;
		break;
	case GO_INTERFACE:
		t->size = t->ptr_bytes = 16;
		break;
	case GO_ARRAY:
		m->elem = m->e.go_elem ? m->e.go_elem : m->e.type;
		t->len = m->e.count;
		break;
	case GO_STRUCT:
		return begin_struct(d, m);
	default:
		break;
	}
	return true;
}

/* The type of an entry: known, or begun and put on the list. */
static bool want_type(struct unit *d, uint64_t id, struct made_list *list)
{
	struct made m = {};
	const struct go_type *t;

	if (!id || addrmap_get(&d->types, id))
		return true;
	if (!real_entry(d, id, &m.e))
		return true;
	t = known_type(d, m.e.id);
	if (!t)
		t = descriptor_of(d, &m.e);
	if (!t) {
		if (d->n_made >= MADE_MAX || (!m.e.go_kind && m.e.tag != DBG_STRUCT))
			return true;
		if (!m.e.go_kind)
			m.e.go_kind = GO_STRUCT;
		d->n_made++;
		m.type = go_type_make(d->go);
		if (!m.type || !begin_type(d, &m) || !vec_push(list, &m))
			return false;
		t = m.type;
	}
	if (!addrmap_get(&d->types, m.e.id) && !addrmap_put(&d->types, m.e.id, t))
		return false;
	return m.e.id == id || addrmap_put(&d->types, id, t);
}

/* Parts that are unknown, or do not fit, are left out. */
static void finish_struct(const struct unit *d, struct made *m)
{
	struct go_field *fields = (struct go_field *)m->type->fields;
	uint64_t end = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->type->n_fields; i++) {
		fields[i].type = known_type(d, m->parts[i]);
		if (!fields[i].type || fields[i].offset < end ||
		    !range_fits(fields[i].offset, fields[i].type->size, m->type->size))
			continue;
		end = fields[i].offset + fields[i].type->size;
		fields[n++] = fields[i];
	}
	m->type->n_fields = n;
}

/* Where the last pointer of a value ends; grows from round to round. */
static bool grow_pointers(struct go_type *t)
{
	uint64_t was = t->ptr_bytes, bytes;

	if (t->kind == GO_ARRAY && t->elem && t->elem->ptr_bytes && t->len &&
	    checked_mul(t->elem->size, t->len, &bytes) && bytes == t->size)
		t->ptr_bytes = t->elem->size * (t->len - 1) + t->elem->ptr_bytes;
	for (size_t i = 0; i < t->n_fields && t->kind == GO_STRUCT; i++)
		if (t->fields[i].type->ptr_bytes)
			t->ptr_bytes = t->fields[i].offset + t->fields[i].type->ptr_bytes;
	return t->ptr_bytes != was;
}

/* All that was begun, and what that leads to. */
static bool finish_types(struct unit *d, struct made_list *list)
{
	bool more = true;

	for (size_t i = 0; i < list->n; i++) {
		/* The list moves as it grows. */
		struct made m = list->v[i];

		if (!want_type(d, m.elem, list) || !want_type(d, m.key, list))
			return false;
		for (size_t k = 0; k < m.type->n_fields; k++)
			if (!want_type(d, m.parts[k], list))
				return false;
	}
	for (size_t i = 0; i < list->n; i++) {
		struct made *m = &list->v[i];

		m->type->elem = known_type(d, m->elem);
		m->type->key = known_type(d, m->key);
		finish_struct(d, m);
	}
	for (unsigned round = 0; round < ROUNDS_MAX && more; round++) {
		more = false;
		for (size_t i = 0; i < list->n; i++)
			more |= grow_pointers(list->v[i].type);
	}
	return true;
}

static const struct go_type *type_of(struct unit *d, uint64_t id)
{
	struct made_list list = {};
	bool ok = want_type(d, id, &list) && finish_types(d, &list);

	free(list.v);
	return ok ? known_type(d, id) : NULL;
}

/* ---- globals and functions */

struct statics {
	struct unit *d;
	struct {
		struct dbg_static *v;
		size_t n, cap;
	} variables;
	bool failed;
};

static bool add_static(void *arg, const struct dbg_static *st)
{
	struct statics *s = arg;

	if (st->is_function)
		s->failed |= s->d->functions.n < FUNCTIONS_MAX && !vec_push(&s->d->functions, st);
	else
		s->failed |= s->variables.n < VARIABLES_MAX && !vec_push(&s->variables, st);
	return !s->failed;
}

static int static_cmp(const void *a, const void *b)
{
	const struct dbg_static *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct err *add_variable(struct unit *d, const struct dbg_static *s)
{
	struct go_variable v = { .addr = s->addr + d->module->bias };
	struct dbg_entry e;

	/* C variables have types too, without Go's attributes; those are not for us. */
	if (!dbg_entry_read(d->go->img, d->module, s->id, &e) || !e.name || !e.type)
		return NULL;
	v.type = type_of(d, e.type);
	if (!v.type || !v.type->size)
		return NULL;
	v.name = arena_strdup(&d->mem, e.name);
	return v.name && vec_push(&d->variables, &v) ? NULL : &err_nomem;
}

static bool is_module_data(const struct go *go, taddr at)
{
	for (size_t i = 0; i < go->n_modules; i++) {
		const struct go_module *m = &go->modules[i];

		if (at - m->noptrdata < m->enoptrdata - m->noptrdata ||
		    at - m->data < m->edata - m->data || at - m->bss < m->ebss - m->bss ||
		    at - m->noptrbss < m->enoptrbss - m->noptrbss)
			return true;
	}
	return false;
}

static struct err *read_statics(struct unit *d)
{
	struct statics s = { .d = d };
	struct err *err = NULL;

	dbg_statics(d->go->img, d->module, add_static, &s);
	if (s.variables.n)
		qsort(s.variables.v, s.variables.n, sizeof(*s.variables.v), static_cmp);
	if (d->functions.n)
		qsort(d->functions.v, d->functions.n, sizeof(*d->functions.v), static_cmp);
	for (size_t i = 0; i < s.variables.n && !err && !s.failed; i++)
		if (is_module_data(d->go, s.variables.v[i].addr + d->module->bias))
			err = add_variable(d, &s.variables.v[i]);
	free(s.variables.v);
	return s.failed ? &err_nomem : err;
}

static int variable_cmp(const void *a, const void *b)
{
	const struct go_variable *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* A module's unit, and its variables behind those of others. */
static struct err *add_unit(struct go_dwarf *d, const struct go *go, const struct module *module)
{
	struct unit *u = &d->units[d->n];
	struct err *err;

	for (size_t i = 0; i < d->n; i++)
		if (d->units[i].module == module)
			return NULL;
	d->n++;
	u->go = go;
	u->module = module;
	err = read_statics(u);
	for (size_t i = 0; i < u->variables.n && !err; i++)
		if (!vec_push(&d->variables, &u->variables.v[i]))
			err = &err_nomem;
	return err;
}

struct err *go_dwarf_open(const struct go *go, struct go_dwarf **ret)
{
	struct go_dwarf *d = calloc(1, sizeof(*d));
	struct err *err = NULL;

	*ret = NULL;
	if (d)
		d->units = calloc(go->n_modules + 1, sizeof(*d->units));
	if (!d || !d->units) {
		go_dwarf_close(d);
		return &err_nomem;
	}
	if (go->module && go->module->dbg)
		err = add_unit(d, go, go->module);
	for (size_t i = 0; i < go->n_modules && !err; i++) {
		const struct module *m = image_module_at(go->img, go->modules[i].addr);

		if (m && m->dbg)
			err = add_unit(d, go, m);
	}
	if (d->variables.n)
		qsort(d->variables.v, d->variables.n, sizeof(*d->variables.v), variable_cmp);
	if (err || !d->n)
		go_dwarf_close(d);
	else
		*ret = d;
	return err;
}

const struct go_variable *go_dwarf_variables(const struct go_dwarf *d, size_t *ret_n)
{
	*ret_n = d->variables.n;
	return d->variables.v;
}

/* The unit of the module that has the code; NULL: that has no debug info. */
static struct unit *unit_at(const struct go_dwarf *d, taddr pc)
{
	const struct module *m = d->n ? image_module_at(d->units[0].go->img, pc) : NULL;

	for (size_t i = 0; i < d->n; i++)
		if (d->units[i].module == m)
			return &d->units[i];
	return NULL;
}

/* ---- what functions captured */

static const struct dbg_static *function_at(const struct unit *d, taddr addr)
{
	size_t lo = partition_point(d->functions.n, i, d->functions.v[i].addr < addr);

	return lo < d->functions.n && d->functions.v[lo].addr == addr ? &d->functions.v[lo] : NULL;
}

static int field_cmp(const void *a, const void *b)
{
	const struct go_field *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The size is not told: as far as the last one reaches. */
static bool finish_closure(struct unit *d, struct made *m)
{
	struct go_field *fields = (struct go_field *)m->type->fields;
	size_t n = 0;

	for (size_t i = 0; i < m->type->n_fields; i++) {
		fields[i].type = type_of(d, m->parts[i]);
		if (fields[i].type && fields[i].type->size && fields[i].offset >= 8 &&
		    fields[i].offset < 1 << 20 && fields[i].type->size < 1 << 20)
			fields[n++] = fields[i];
	}
	if (n)
		qsort(fields, n, sizeof(*fields), field_cmp);
	m->type->size = 8;
	m->type->n_fields = 0;
	for (size_t i = 0; i < n; i++) {
		if (fields[i].offset < m->type->size)
			continue;
		m->type->size = fields[i].offset + fields[i].type->size;
		fields[m->type->n_fields++] = fields[i];
	}
	m->type->size = align_up(m->type->size, 8);
	grow_pointers(m->type);
	return m->type->n_fields;
}

static const struct go_type *closure_of(struct unit *d, taddr pc)
{
	const struct go_type *known = pc ? addrmap_get(&d->closures, pc) : NULL;
	const struct dbg_static *f = function_at(d, pc - d->module->bias);
	struct made m = {};
	struct parts p = { .d = d, .captured = true };

	if (known || !f)
		return known;
	m.type = go_type_make(d->go);
	if (!m.type)
		return NULL;
	m.type->kind = GO_STRUCT;
	m.type->name = "captured";
	dbg_children(d->go->img, d->module, f->id, add_part, &p);
	if (!keep_parts(d, &p, &m) || !finish_closure(d, &m) ||
	    !addrmap_put(&d->closures, pc, m.type))
		return NULL;
	return m.type;
}

const struct go_type *go_dwarf_closure(struct go_dwarf *d, taddr pc)
{
	struct unit *u = unit_at(d, pc);

	return u ? closure_of(u, pc) : NULL;
}

/* ---- variables of frames */

struct frame_locals {
	struct go_local *v;
	size_t n;
};

struct locals {
	struct {
		struct go_local *v;
		size_t n, cap;
	} list;
	struct {
		uint64_t *v;
		size_t n, cap;
	} types; /* entries */
	bool failed;
};

static bool add_local(void *arg, const struct dbg_entry *e, const struct dbg_piece *p, size_t n)
{
	struct locals *l = arg;

	for (size_t i = 0; i < n && e->type && l->list.n < LOCALS_MAX; i++) {
		struct go_local local = { .at = p[i].at, .size = p[i].size, .offset = p[i].offset };

		l->failed |= !vec_push(&l->list, &local) || !vec_push(&l->types, &e->type);
	}
	return !l->failed;
}

static int local_cmp(const void *a, const void *b)
{
	const struct go_local *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static bool keep_locals(struct unit *d, struct locals *l, struct frame_locals *ret)
{
	ret->v = arena_alloc(&d->mem, l->list.n * sizeof(*ret->v) + 1);
	if (!ret->v)
		return false;
	for (size_t i = 0; i < l->list.n; i++) {
		struct go_local local = l->list.v[i];

		local.type = type_of(d, l->types.v[i]);
		if (!local.type || local.offset >= local.type->size)
			continue;
		if (local.size > local.type->size - local.offset)
			local.size = local.type->size - local.offset;
		ret->v[ret->n++] = local;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), local_cmp);
	return true;
}

static const struct go_local *locals_of(struct unit *d, taddr entry, taddr pc, size_t *ret_n)
{
	const struct frame_locals *known = pc ? addrmap_get(&d->locals, pc) : NULL;
	const struct dbg_static *f = known ? NULL : function_at(d, entry - d->module->bias);
	struct frame_locals *made = NULL;
	struct locals l = {};

	*ret_n = known ? known->n : 0;
	if (known || !f || !pc)
		return known ? known->v : NULL;
	dbg_locals(d->go->img, d->module, f->id, pc - d->module->bias, add_local, &l);
	made = l.failed ? NULL : arena_alloc(&d->mem, sizeof(*made));
	if (made && (!keep_locals(d, &l, made) || !addrmap_put(&d->locals, pc, made)))
		made = NULL;
	free(l.list.v);
	free(l.types.v);
	*ret_n = made ? made->n : 0;
	return made ? made->v : NULL;
}

const struct go_local *go_dwarf_locals(struct go_dwarf *d, taddr entry, taddr pc, size_t *ret_n)
{
	struct unit *u = unit_at(d, entry);

	*ret_n = 0;
	return u ? locals_of(u, entry, pc, ret_n) : NULL;
}
