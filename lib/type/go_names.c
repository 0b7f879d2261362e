/*
 * type/go_names.c - paths in words, as a Go programmer would write them.
 */
#include "type/go_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "type/go_keys.h"

enum { STATICS_DEEP = 8 };

struct err *go_names_open(struct shapes *shapes, const struct image *img, struct go_names *n)
{
	struct err *err;

	*n = (struct go_names){ .shapes = shapes, .img = img, .go = shapes->go };
	err = go_dwarf_open(n->go, &n->dwarf);
	return err ? err : go_locals_open(n->go, &n->locals);
}

void go_names_close(struct go_names *n)
{
	go_dwarf_close(n->dwarf);
	n->dwarf = NULL;
	go_globals_close(n->globals);
	n->globals = NULL;
	go_statics_fini(&n->statics);
	go_locals_close(n->locals);
	n->locals = NULL;
}

/* Words of globals that lead to blocks. */
static taddr *words_of_globals(const struct graph *g, size_t *ret_n)
{
	taddr *words = malloc((g->n_roots + 1) * sizeof(*words));

	*ret_n = 0;
	for (uint32_t i = 0; words && i < g->n_roots; i++)
		if (g->sources[g->root_source[i]].kind == ROOT_GLOBAL)
			words[(*ret_n)++] = g->root_at[i];
	return words;
}

static struct err *globals_by_code(struct go_names *n, const struct graph *roots, struct spread *s)
{
	const struct go_global *v;
	_free_ taddr *words = NULL;
	size_t n_v = 0;
	struct err *err;

	if (!roots)
		return NULL;
	words = words_of_globals(roots, &n_v);
	err = words ? go_globals_open(s->env, n->go, words, n_v, &n->globals) : &err_nomem;
	if (err)
		return err;
	v = go_globals_types(n->globals, &n_v);
	for (size_t i = 0; i < n_v; i++)
		if (v[i].is_sure)
			spread_memory(s, v[i].addr, shape_of(n->shapes, SHAPE_VALUE, v[i].type));
		else
			spread_pointer(s, go_word(n->go, v[i].addr), shape_value(n->shapes, v[i].type->elem), 1,
				       TYPE_GUESSED);
	return NULL;
}

/* What variables point to outside the heap. */
static struct err *statics_of(struct go_names *n, const struct go_variable *v, size_t n_v,
			      struct spread *s)
{
	struct err *err = go_statics_find(n->go, v, n_v, &n->statics);

	for (size_t i = 0; i < n->statics.n && !err; i++) {
		const struct go_static *one = &n->statics.v[i];

		if (one->type->ptr_bytes)
			spread_memory(s, one->addr, shape_of(n->shapes, SHAPE_VALUE, one->type));
	}
	return err;
}

struct err *go_names_globals(struct go_names *n, const struct graph *roots, struct spread *s)
{
	const struct go_variable *v;
	size_t n_v = 0;

	if (!n->dwarf)
		return globals_by_code(n, roots, s);
	v = go_dwarf_variables(n->dwarf, &n_v);
	for (size_t i = 0; i < n_v; i++)
		if (v[i].type->ptr_bytes)
			spread_memory(s, v[i].addr, shape_of(n->shapes, SHAPE_VALUE, v[i].type));
	return statics_of(n, v, n_v, s);
}

/* The variable of a frame that covers an address. */
static const struct go_type *local_at(struct go_names *n, const struct go_frame *f, taddr at,
				      uint64_t *ret_left)
{
	size_t n_locals = 0;
	const struct go_local *v =
		go_dwarf_locals(n->dwarf, f->entry, f->is_top ? f->pc : f->pc - 1, &n_locals);
	int64_t offset = (int64_t)(at - f->fp);

	for (size_t i = 0; i < n_locals && v[i].at <= offset; i++) {
		uint64_t in = (uint64_t)offset - (uint64_t)v[i].at;
		const struct go_type *t;

		if (in >= v[i].size)
			continue;
		t = go_type_path(n->go, v[i].type, v[i].offset + in, NULL);
		*ret_left = v[i].size - in;
		if (t)
			return t;
	}
	return NULL;
}

/* Without debug info: a word that the code put there. */
static const struct go_type *slot_at(struct go_names *n, const struct go_frame *f, taddr at, uint64_t *ret_left)
{
	*ret_left = 8;
	return f->is_precise && !f->is_top && f->live_pc == f->pc ? go_locals_slot(n->locals, f->entry, f->pc, at - f->sp) :
								    NULL;
}

/* Frames are innermost first, and so in order of address. */
const struct go_type *go_names_stack(struct go_names *n, const struct goroutine *g, taddr at,
				     uint64_t *ret_left)
{
	const struct go_type *t;
	size_t lo = partition_point(g->n_frames, i, g->frames[i].sp <= at); /* the first frame that begins behind `at` */

	if (!lo || at >= g->frames[lo - 1].fp)
		return NULL;
	if (!n->dwarf)
		return slot_at(n, &g->frames[lo - 1], at, ret_left);
	t = local_at(n, &g->frames[lo - 1], at, ret_left);
	/* Arguments lie in the frame of the caller. */
	return t || lo == 1 ? t : local_at(n, &g->frames[lo - 2], at, ret_left);
}

/* "example.org/app/pkg.(*T)" or "pkg.T" as a type's name: "*pkg.T", "pkg.T" */
static const struct go_type *receiver_type(const struct go_names *n, const char *name, size_t len)
{
	const char *start = name, *dot;
	const struct go_type *t;
	struct text text = TEXT_INIT;
	bool pointer;

	for (size_t i = 0; i < len; i++)
		if (name[i] == '/')
			start = name + i + 1;
	dot = memchr(start, '.', (size_t)(name + len - start));
	if (!dot)
		return NULL;
	pointer = len > 2 && name[len - 1] == ')' && dot[1] == '(' && dot[2] == '*';
	text_add(&text, pointer ? "*" : "");
	text_add_n(&text, start, (size_t)(dot + 1 - start));
	dot += pointer ? 3 : 1;
	text_add_n(&text, dot, (size_t)(name + len - dot) - pointer);
	t = go_type_named(n->go, text_str(&text));
	text_fini(&text);
	/* Packages of one last name: only the whole path tells them apart. */
	if (t && (pointer ? t->elem : t)) {
		const char *pkg = pointer ? t->elem->pkg : t->pkg;
		size_t path = (size_t)(start - name);

		if (pkg && path && strncmp(pkg, name, path))
			t = NULL;
	}
	return t;
}

/* A method taken as a value, "main.(*T).Close-fm", captured its receiver: R. */
static const struct go_type *method_layout(const struct go_names *n, taddr pc)
{
	struct text name = TEXT_INIT;
	const struct go_type *receiver = NULL;
	struct go_field *field;
	struct go_type *t = NULL;
	struct go_func f;
	const char *s, *last;

	if (!go_func_at(n->go, pc, &f))
		return NULL;
	go_func_name(n->go, &f, &name);
	s = text_str(&name);
	last = strrchr(s, '.');
	if (last && name.n > 3 && !strcmp(s + name.n - 3, "-fm"))
		receiver = receiver_type(n, s, (size_t)(last - s));
	text_fini(&name);
	field = receiver ? arena_alloc(&n->shapes->mem, sizeof(*field)) : NULL;
	t = field ? go_type_make(n->go) : NULL;
	if (!t)
		return NULL;
	*field = (struct go_field){ .name = "R", .type = receiver, .offset = 8 };
	t->name = "captured";
	t->kind = GO_STRUCT;
	t->size = 8 + receiver->size;
	t->ptr_bytes = receiver->ptr_bytes ? 8 + receiver->ptr_bytes : 0;
	t->fields = field;
	t->n_fields = 1;
	return t;
}

void go_names_closure(struct go_names *n, struct shape *closure)
{
	if (closure->layout || closure->compiled)
		return;
	if (n->dwarf)
		closure->layout = go_dwarf_closure(n->dwarf, closure->pc);
	if (!closure->layout)
		closure->layout = method_layout(n, closure->pc);
	if (!closure->layout && n->locals)
		closure->layout = go_locals_closure(n->locals, closure->pc);
}

static bool variable_path(const struct go_names *n, taddr addr, struct text *ret)
{
	size_t n_v = 0;
	const struct go_variable *v = n->dwarf ? go_dwarf_variables(n->dwarf, &n_v) : NULL;
	size_t lo = partition_point(n_v, i, v[i].addr <= addr);

	if (!lo || addr - v[lo - 1].addr >= v[lo - 1].type->size)
		return false;
	text_add(ret, v[lo - 1].name);
	go_type_path(n->go, v[lo - 1].type, addr - v[lo - 1].addr, ret);
	return true;
}

/* By what points to it, as Go writes it: "main.conf.items" of `var conf = &config{}`, "*main.ids". */
static bool static_path(const struct go_names *n, taddr addr, struct text *ret)
{
	const struct go_static *way[STATICS_DEEP];
	size_t deep = 0, had = ret->n;
	taddr at = addr;

	for (;; at = way[deep++]->holder) {
		const struct go_static *one = go_statics_at(&n->statics, at);

		if (!one)
			break;
		if (one->shared || deep == STATICS_DEEP)
			return false;
		way[deep] = one;
	}
	if (deep && way[0]->type->kind != GO_STRUCT && way[0]->type->kind != GO_ARRAY)
		text_add(ret, "*");
	if (!deep || !variable_path(n, at, ret)) {
		text_cut(ret, had);
		return false;
	}
	while (deep--) {
		at = deep ? way[deep - 1]->holder : addr;
		go_type_path(n->go, way[deep]->type, at - way[deep]->addr, ret);
	}
	return true;
}

bool go_names_global(const struct go_names *n, taddr addr, struct text *ret)
{
	if (n->globals)
		return go_globals_name(n->globals, addr, ret);
	return variable_path(n, addr, ret) || static_path(n, addr, ret);
}

/* ---- blocks */

static bool array_path(const struct go_names *n, const struct go_type *t, taddr addr,
		       uint64_t offset, struct text *ret)
{
	if (!t->size)
		return false;
	if (!strncmp(t->name, "map.group[", 10) || !strncmp(t->name, "map.bucket[", 11))
		return go_keys_map_path(n, t, addr, offset, ret);
	text_printf(ret, "[%" PRIu64 "]", offset / t->size);
	go_type_path(n->go, t, offset % t->size, ret);
	return true;
}

/* A variable with a block of its own, of a kind that only refers to something. */
static bool is_box(const struct go_type *t)
{
	return t->kind != GO_STRUCT && t->kind != GO_ARRAY;
}

static bool value_path(const struct go_names *n, const struct go_type *t, taddr addr,
		       uint64_t offset, struct text *ret)
{
	if (go_keys_sync_path(n, t, addr, offset, ret))
		return true;
	if (!go_type_path(n->go, t, offset, ret))
		return false;
	if (is_box(t))
		text_add(ret, "*");
	return true;
}

/* "main.register.func1" -> "func1"; "main.(*Server).Handle-fm" -> "Handle-fm" */
static void add_last_name(const struct go_names *n, taddr pc, struct text *ret)
{
	struct text name = TEXT_INIT;
	struct go_func f;
	const char *dot;

	if (!go_func_at(n->go, pc, &f))
		return;
	go_func_name(n->go, &f, &name);
	dot = strrchr(text_str(&name), '.');
	text_printf(ret, ".%s", dot ? dot + 1 : text_str(&name));
	text_fini(&name);
}

static bool closure_path(const struct go_names *n, const struct shape *shape, uint64_t offset,
			 struct text *ret)
{
	add_last_name(n, shape->pc, ret);
	if (!shape->layout || !go_type_path(n->go, shape->layout, offset, ret))
		text_printf(ret, "+%" PRIu64, offset);
	return true;
}

static bool chan_path(const struct go_names *n, const struct shape *shape, uint64_t offset,
		      struct text *ret)
{
	const struct go_layout *l = &n->go->layout;

	if (offset == l->hchan.buf)
		return true;
	if (offset == l->hchan.sendq || offset == l->hchan.sendq + 8)
		text_add(ret, ".sendq");
	else if (offset == l->hchan.recvq || offset == l->hchan.recvq + 8)
		text_add(ret, ".recvq");
	else if (shape->type->elem && shape->type->elem->size && offset > 96)
		text_add(ret, "[...]");
	else
		return false;
	return true;
}

bool go_names_path(const struct go_names *n, const struct shape *shape, taddr addr, uint64_t offset,
		   struct text *ret)
{
	switch ((enum shape_kind)shape->kind) {
	case SHAPE_VALUE:
		return value_path(n, shape->type, addr, offset, ret);
	case SHAPE_ARRAY:
		return array_path(n, shape->type, addr, offset, ret);
	case SHAPE_CLOSURE:
		return closure_path(n, shape, offset, ret);
	case SHAPE_CHAN:
		return chan_path(n, shape, offset, ret);
	case SHAPE_MAP:
	case SHAPE_DIRECTORY:
	case SHAPE_TABLE:
	case SHAPE_EXTRA:
	case SHAPE_OVERFLOW:
		return true;
	case SHAPE_STRING:
	case SHAPE_KINDS:
		break;
	}
	return false;
}
