/*
 * type/go_types.c - the typer of Go: where types are known at first.
 *
 * Exact: malloc headers and large spans (Go 1.22 and later), objects with finalizers.  Typed: globals
 * by DWARF, goroutines, the runtime's lists; interfaces in any root.  Then along pointers
 * (go_spread.c).  What is left untyped is searched for interfaces and functions, which carry types
 * of their own, and those are followed as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "image/go_func.h"
#include "image/go_sched.h"
#include "image/shadow.h"
#include "type/go_maps.h"
#include "type/go_names.h"
#include "type/go_shape.h"
#include "type/go_spread.h"
#include "type/go_sync_maps.h"

enum {
	SPANS_MAX = 1 << 24,
	SPECIALS_MAX = 1 << 24,
	GOROUTINES_MAX = 1 << 24,
	QUEUE_MAX = 1 << 16, /* blocks of it, and entries in one */
	QUEUE_ENTRIES = 101,
	SCAN_WORDS = 4096,
	ELEMENTS_MAX = 8, /* of slices of slices */
};

struct ctx {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	const struct go *go;
	struct shapes shapes;
	struct go_names names;
	unsigned specials; /* that were read: lists may loop */
	struct sync_search sync;
	bool has_sync; /* there are maps of package sync */
};

static void close_typer(void *p)
{
	struct ctx *c = p;

	go_names_close(&c->names);
	shapes_close(&c->shapes);
	free(c);
}

static struct err *open_typer(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, void **ret_ctx)
{
	struct ctx *c;
	struct err *err;

	(void)hints;
	*ret_ctx = NULL;
	if (!img->go || !img->go->types)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return &err_nomem;
	*c = (struct ctx){ .env = env, .img = img, .blocks = blocks, .go = img->go };
	err = shapes_open(env, img->go, &c->shapes);
	if (!err)
		err = go_names_open(&c->shapes, img, &c->names);
	if (err) {
		close_typer(c);
		return err;
	}
	*ret_ctx = c;
	return NULL;
}

/* ---- what the allocator wrote down */

static uint64_t word(const struct ctx *c, taddr at)
{
	uint64_t v = 0;

	return image_read_u64(c->img, at, &v) ? 0 : v;
}

static struct shape *exact_shape(struct ctx *c, const struct go_type *t, taddr at, uint64_t size)
{
	struct shape *sh;

	if (go_type_is_closure(t)) {
		sh = shape_closure(&c->shapes, word(c, at));
		if (sh) {
			sh->layout = sh->layout ? sh->layout : t;
			return sh;
		}
	}
	sh = shape_value(&c->shapes, t);
	if (sh && sh->kind == SHAPE_VALUE && go_block_size(c->go, t->size, t->ptr_bytes) != size)
		sh = shape_array(&c->shapes, t);
	return sh;
}

static void type_exactly(struct ctx *c, struct spread *s, taddr descriptor, taddr at, uint64_t size,
			 uint64_t head, uint32_t id)
{
	const struct go_type *t = go_type_at(c->go, descriptor);
	struct shape *sh = t ? exact_shape(c, t, at + head, size) : NULL;

	if (sh)
		spread_exact(s, at, id, sh);
}

static void read_headers(struct ctx *c, struct spread *s, const struct claim *claim)
{
	taddr end = claim->end + claim->bias;
	uint32_t first = block_at(c->blocks, claim->start + claim->bias);
	struct grains_iter it;

	if (first == BLOCK_NONE)
		return;
	for (it = grains_iter(&c->blocks->grains, first);
	     it.id < c->blocks->grains.n && it.key < end; grains_next(&it)) {
		uint64_t avail;
		const uint8_t *b = block_is_used(c->blocks, it.id) ?
					   window_view(&s->window, s->img, it.key, &avail) :
					   NULL;

		if (b && avail >= 8)
			type_exactly(c, s, load_u64(b), it.key, it.size, claim->head, it.id);
	}
}

/* One span: its only object's type, and the types that finalizers are called with. */
static void read_span(struct ctx *c, struct spread *s, taddr span)
{
	const struct go_layout *l = &c->go->layout;
	taddr start = word(c, span + l->mspan.startAddr), at = word(c, span + l->mspan.specials);
	uint32_t id = block_at(c->blocks, start);

	/* Set for large objects with pointers (class 0) alone; in spans of other classes it is stale. */
	if (l->mspan.largeType != GO_ABSENT && !(word(c, span + l->mspan.spanclass) & 0xff) &&
	    id != BLOCK_NONE && block_is_used(c->blocks, id)) {
		taddr descriptor = word(c, span + l->mspan.largeType);
		struct grains_iter it = grains_iter(&c->blocks->grains, id);

		if (descriptor && it.key == start)
			type_exactly(c, s, descriptor, start, it.size, 0, id);
	}
	for (; at && c->specials < SPECIALS_MAX; at = word(c, at + l->special.next)) {
		uint64_t offset = word(c, at + l->special.offset),
			 kind = word(c, at + l->special.kind) & 0xff;
		const struct go_type *t;

		c->specials++;
		if (l->special.offset_size == 2)
			offset &= 0xffff;
		if (kind != l->special_kind.finalizer)
			continue;
		/* special, fn, nret, fint, ot */
		taddr more = at + align_up(l->special.size, 8);

		spread_func(s, word(c, more), TYPE_SPREAD);
		t = go_type_at(c->go, word(c, more + 24));
		if (t && t->kind == GO_POINTER && t->elem)
			spread_pointer(s, start + offset, shape_value(&c->shapes, t->elem), 1,
				       TYPE_EXACT);
	}
}

static void read_spans(struct ctx *c, struct spread *s)
{
	const struct go_layout *l = &c->go->layout;
	uint64_t n;
	taddr spans;

	if (!c->go->at.mheap ||
	    !go_slice(c->go, c->go->at.mheap + l->mheap.allspans, 8, &spans, &n))
		return;
	n = n < SPANS_MAX ? n : SPANS_MAX;
	for (uint64_t i = 0; i < n; i++) {
		taddr span = word(c, spans + 8 * i);

		/* mSpanInUse */
		if (span && (word(c, span + l->mspan.state) & 0xff) == 1)
			read_span(c, s, span);
	}
}

static void read_exact(struct ctx *c, struct spread *s)
{
	for (size_t i = 0; i < c->blocks->n_claims; i++)
		if (c->blocks->claims[i].head)
			read_headers(c, s, &c->blocks->claims[i]);
	read_spans(c, s);
}

/* ---- roots */

static void read_goroutines(struct ctx *c, struct spread *s)
{
	const struct go_type *t = go_type_named(c->go, "runtime.g");
	struct shape *g = t ? shape_value(&c->shapes, t) : NULL;
	uint64_t n;
	taddr all;

	if (!g || !c->go->at.allgs || !go_slice(c->go, c->go->at.allgs, 8, &all, &n))
		return;
	for (uint64_t i = 0; i < n && i < GOROUTINES_MAX; i++)
		spread_pointer(s, word(c, all + 8 * i), g, 1, TYPE_SPREAD);
}

static void try_pair(struct spread *s, uint64_t first, uint64_t data, enum type_confidence most)
{
	if (first && first % 8 == 0 && first - s->low >= s->span &&
	    !spread_boxed(s, first, data, true, most))
		spread_boxed(s, first, data, false, most);
}

static bool bit_of_mask(const struct image *img, taddr mask, uint64_t n, uint64_t word)
{
	uint8_t byte;

	return mask && word < n && image_read(img, mask + word / 8, &byte, 1) == MEM_OK &&
	       byte >> (word & 7) & 1;
}

/* The collector takes a word of data or bss for a pointer: so it is not the first of an interface. */
static bool is_pointer_word(const struct ctx *c, taddr at)
{
	for (size_t i = 0; i < c->go->n_modules; i++) {
		const struct go_module *m = &c->go->modules[i];

		if (at >= m->data && at < m->edata)
			return bit_of_mask(c->img, m->gcdatamask, m->n_gcdatamask,
					   (at - m->data) / 8);
		if (at >= m->bss && at < m->ebss)
			return bit_of_mask(c->img, m->gcbssmask, m->n_gcbssmask,
					   (at - m->bss) / 8);
	}
	return false;
}

/* A variable of a frame, live by the collector's maps and typed by debug info. */
static bool read_local(struct ctx *c, struct spread *s, const struct root_source *source, taddr at)
{
	const struct go_type *t;
	uint64_t left = 0;

	if (source->kind != ROOT_GOROUTINE || source->thread >= c->go->n_goroutines)
		return false;
	t = go_names_stack(&c->names, &c->go->goroutines[source->thread], at, &left);
	if (t)
		spread_word(s, at, left, t);
	return t;
}

/* An interface in a root: the word before it is a type or a method table. */
static void read_roots(struct ctx *c, struct spread *s, const struct graph *g)
{
	for (uint32_t i = 0; g && i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];
		bool is_global = source->kind == ROOT_GLOBAL;
		uint64_t pair[2];

		if (root_is_register(source->kind) || g->root_at[i] < 8 ||
		    (!is_global && source->kind != ROOT_GOROUTINE && source->kind != ROOT_RUNTIME))
			continue;
		if (read_local(c, s, source, g->root_at[i]) ||
		    is_pointer_word(c, g->root_at[i] - 8))
			continue;
		/* On a stack the two words may belong to different things. */
		if (!image_read(c->img, g->root_at[i] - 8, pair, sizeof(pair)))
			try_pair(s, pair[0], pair[1], is_global ? TYPE_SPREAD : TYPE_GUESSED);
	}
}

/*
 * Registers that arguments came in have places in the frame, and the compiler says at which pcs they
 * hold them (runtime/traceback.go, printArgs): then the receiver of a method is what its name says.
 */
static bool receiver_is_there(const struct ctx *c, const struct go_frame *f, const struct go_func *func)
{
	enum { ARG_LIVE_INDEX = 3 };
	taddr info = go_funcdata(c->go, func, GO_FUNCDATA_ARG_LIVE);
	uint8_t bits;
	int32_t i;

	return info && f->is_precise && go_pcdata(c->go, func, ARG_LIVE_INDEX, go_frame_source_pc(f), &i) && i > 0 &&
	       image_read(c->img, info + (uint32_t)i, &bits, 1) == MEM_OK && bits & 1;
}

static void read_receivers(struct ctx *c, struct spread *s)
{
	taddr last = 0;
	const struct go_type *t = NULL;

	if (c->names.dwarf)
		return; /* which knows all variables */
	for (size_t i = 0; i < c->go->n_goroutines; i++) {
		const struct goroutine *g = &c->go->goroutines[i];

		for (size_t k = 0; k < g->n_frames; k++) {
			const struct go_frame *f = &g->frames[k];
			struct go_func func;

			if (!f->live_pc || !go_func_at(c->go, f->pc, &func))
				continue;
			if (func.entry != last)
				t = go_receiver(c->go, &func);
			last = func.entry;
			if (t && receiver_is_there(c, f, &func))
				spread_pointer(s, word(c, go_frame_args(c->img, f)), shape_value(&c->shapes, t),
					       1, TYPE_SPREAD);
		}
	}
}

/* Where no debug info tells what the globals are. */
static void read_sync_maps(struct ctx *c, struct spread *s, const struct graph *g)
{
	if (c->names.dwarf || !g || !c->has_sync)
		return;
	for (uint32_t i = 0; i < g->n_roots; i++) {
		taddr at = 0;

		if (g->sources[g->root_source[i]].kind == ROOT_GLOBAL &&
		    !(g->root_node[i] & EDGE_INTERIOR))
			at = go_sync_at(&c->sync, g->root_at[i]);
		if (at)
			spread_memory(s, at, shape_value(&c->shapes, c->sync.l.type));
	}
}

/* finBlock {alllink, next, cnt}, then {fn, arg, nret, fint, ot} of objects whose finalizer is due. */
static void read_queue(struct ctx *c, struct spread *s)
{
	taddr block = c->go->at.allfin ? word(c, c->go->at.allfin) : 0;

	for (unsigned n = 0; block && n < QUEUE_MAX; n++, block = word(c, block)) {
		uint64_t count = word(c, block + 16) & UINT32_MAX;

		for (uint64_t i = 0; i < count && i < QUEUE_ENTRIES; i++) {
			taddr at = block + 24 + 40 * i;
			const struct go_type *t = go_type_at(c->go, word(c, at + 32));

			spread_func(s, word(c, at), TYPE_SPREAD);
			if (t && t->kind == GO_POINTER && t->elem)
				spread_pointer(s, word(c, at + 8), shape_value(&c->shapes, t->elem),
					       1, TYPE_EXACT);
		}
	}
}

/* ---- what is left */

static void take_sync_map(struct ctx *c, struct spread *s, taddr slot)
{
	taddr at = go_sync_at(&c->sync, slot);

	if (at)
		spread_memory(s, at, shape_value(&c->shapes, c->sync.l.type));
}

/* What may be the type before the value of an interface. */
static void keep_type_word(const struct ctx *c, const uint8_t *b)
{
	if (c->img->shadow && image_segment(c->img, load_u64(b)))
		image_keep_bytes(c->img, b, 8);
}

static void search_block(struct ctx *c, struct spread *s, const struct grains_iter *it,
			 const struct claim *claim, const struct heap *heap, uint32_t claim_no)
{
	uint64_t mask[SCAN_WORDS / 64], n = (it->size - claim->head) / 8, avail;
	taddr at = it->key + claim->head;
	const uint8_t *b =
		it->size > claim->head ? window_view(&s->window, s->img, at, &avail) : NULL;

	if (!b)
		return;
	n = n < avail / 8 ? n : avail / 8;
	n = n < SCAN_WORDS ? n : SCAN_WORDS;
	if (!n)
		return;
	heap->ops->slots(heap->ctx, claim_no, at, (unsigned)n, mask);
	for (uint64_t w = 0; w < bits_words(n); w++) {
		for (uint64_t rest = mask[w]; rest; rest &= rest - 1) {
			uint64_t i = w * 64 + (unsigned)__builtin_ctzll(rest);

			if (i < n && load_u64(b + 8 * i) - s->low < s->span && c->has_sync &&
			    go_sync_may_be(&c->sync, b, n, i))
				take_sync_map(c, s, at + 8 * i);
			/* The first word of an interface is no pointer to the collector. */
			if (!i || i >= n || load_u64(b + 8 * i) - s->low >= s->span ||
			    mask[(i - 1) / 64] >> (i - 1) % 64 & 1)
				continue;
			keep_type_word(c, b + 8 * i - 8);
			try_pair(s, load_u64(b + 8 * i - 8), load_u64(b + 8 * i), TYPE_SPREAD);
		}
	}
	/* A function's code comes first, and is no pointer to the collector. */
	if (!(mask[0] & 1) && shape_closure_at(&c->shapes, load_u64(b))) {
		image_keep_bytes(c->img, b, 8);
		spread_func(s, at, TYPE_GUESSED);
	}
}

static void search_claim(struct ctx *c, struct spread *s, size_t no)
{
	const struct claim *claim = &c->blocks->claims[no];
	const struct heap *heap = &c->blocks->heaps[c->blocks->claim_heap[no]];
	taddr end = claim->end + claim->bias;
	uint32_t first = block_at(c->blocks, claim->start + claim->bias);
	struct grains_iter it;

	if (!heap->ops->slots || !heap->ops->precise || first == BLOCK_NONE)
		return;
	for (it = grains_iter(&c->blocks->grains, first);
	     it.id < c->blocks->grains.n && it.key < end; grains_next(&it))
		if (block_is_used(c->blocks, it.id) && !s->cols->confidence[it.id]) {
			s->from_dead = blocks_is_dead(c->blocks, it.key);
			search_block(c, s, &it, claim, heap, c->blocks->claim_no[no]);
		}
	s->from_dead = false;
}

/* ---- maps of which no type is known: their parts are what they are, whatever the keys */

struct map_search {
	struct ctx *c;
	struct spread *s;
	struct addrmap types; /* const struct go_type, by its part, or bytes of a group and whether it has pointers */
};

static bool is_untyped(void *arg, uint32_t id)
{
	struct map_search *m = arg;

	return block_is_used(m->c->blocks, id) && !m->s->cols->confidence[id];
}

/* The group or bucket that its slots say they are, by a malloc header; NULL: they do not. */
static const struct go_type *part_of(const struct map_search *m, const struct go_map *map)
{
	const struct ctx *c = m->c;
	taddr at = word(c, map->addr + HMAP_BUCKETS);
	const struct shape *shape = NULL;
	uint32_t id;

	if (c->go->swissmap)
		at = word(c, word(c, word(c, map->addr + SWISS_DIR)) + TABLE_GROUPS);
	id = block_at(c->blocks, at);
	if (id != BLOCK_NONE && m->s->cols->type[id] < m->s->by_id.n)
		shape = m->s->by_id.v[m->s->cols->type[id]];
	return shape && shape->kind == SHAPE_ARRAY && shape->type->size == map->group &&
			       !strncmp(shape->type->name, "map.", 4) && strchr(shape->type->name, '[') ?
		       shape->type :
		       NULL;
}

/* "map[K]V" of slots that are known; as the program declared it may have another name. */
static const struct go_type *map_of_part(struct map_search *m, const struct go_type *part)
{
	const struct go_type *known = addrmap_get(&m->types, (uint64_t)(uintptr_t)part);
	struct go_type *map = known ? NULL : go_type_make(m->c->go);
	const char *open = strchr(part->name, '[');
	size_t n = strlen(open);
	char *name;

	if (known || !map)
		return known;
	name = arena_alloc(&m->c->shapes.mem, 3 + n + 1);
	if (!name)
		return NULL;
	memcpy(name, "map", 3);
	memcpy(name + 3, open, n + 1);
	*map = (struct go_type){ .name = name, .size = 8, .ptr_bytes = 8, .kind = GO_MAP, .direct = true,
				 .bucket = part };
	return addrmap_put(&m->types, (uint64_t)(uintptr_t)part, map) ? map : NULL;
}

/* "map[?]?": as many bytes a group, and nothing else is known. */
static const struct go_type *unknown_map(struct map_search *m, uint64_t group, bool scan)
{
	const struct go_type *known = addrmap_get(&m->types, group * 2 + scan);
	struct go_type *map, *part;

	if (known)
		return known;
	map = go_type_make(m->c->go);
	part = go_type_make(m->c->go);
	if (!map || !part)
		return NULL;
	*part = (struct go_type){ .name = m->c->go->swissmap ? "map.group[?]?" : "map.bucket[?]?",
				  .size = group,
				  .ptr_bytes = scan ? group : 0,
				  .kind = GO_STRUCT };
	*map = (struct go_type){ .name = "map[?]?", .size = 8, .ptr_bytes = 8, .kind = GO_MAP,
				 .direct = true, .bucket = part };
	return addrmap_put(&m->types, group * 2 + scan, map) ? map : NULL;
}

static struct err *take_map(void *arg, uint32_t id, const struct go_map *map)
{
	struct map_search *m = arg;
	const struct go_type *part = part_of(m, map);
	const struct go_type *t = part ? map_of_part(m, part) : unknown_map(m, map->group, map->scan);
	struct shape *shape = t ? shape_of(&m->c->shapes, SHAPE_MAP, t) : NULL;

	if (!shape)
		return &err_nomem;
	spread_exact(m->s, map->addr, id, shape);
	return NULL;
}

static struct err *search_maps(struct ctx *c, struct spread *s)
{
	struct map_search m = { .c = c, .s = s };
	struct err *err = go_maps_untyped(c->env, c->img, c->blocks, is_untyped, take_map, &m);

	addrmap_fini(&m.types);
	return err ? err : spread_run(s);
}

static void before_closure(void *names, struct shape *closure)
{
	go_names_closure(names, closure);
}

static struct err *assign(void *p, struct type_columns *cols)
{
	struct ctx *c = p;
	struct spread s;
	struct err *err = spread_open(c->env, c->img, c->blocks, c->go, &c->shapes, cols, &s);

	if (!err) {
		c->has_sync = go_sync_search(c->img, c->blocks, &c->sync);
		s.before_closure = before_closure;
		s.before_closure_arg = &c->names;
		read_exact(c, &s);
		err = go_names_globals(&c->names, cols->graph, &s);
	}
	if (!err) {
		read_goroutines(c, &s);
		read_queue(c, &s);
		read_receivers(c, &s);
		read_roots(c, &s, cols->graph);
		read_sync_maps(c, &s, cols->graph);
		err = spread_run(&s);
	}
	if (!err) {
		for (size_t i = 0; i < c->blocks->n_claims; i++)
			search_claim(c, &s, i);
		err = spread_run(&s);
	}
	if (!err)
		err = search_maps(c, &s);
	spread_close(&s);
	return err;
}

static bool path(void *p, const struct type_row *type, taddr addr, uint64_t size, uint64_t offset,
		 struct text *ret)
{
	struct ctx *c = p;

	(void)size;
	return go_names_path(&c->names, (const struct shape *)(uintptr_t)type->handle, addr, offset,
			     ret);
}

static bool global(void *p, taddr addr, struct text *ret)
{
	struct ctx *c = p;

	return go_names_global(&c->names, addr, ret);
}

/* The header's first word is len(), of both kinds of maps. */
static uint64_t entries(void *p, const struct type_row *type, taddr addr)
{
	struct ctx *c = p;
	const struct shape *shape = (const struct shape *)(uintptr_t)type->handle;

	return shape->kind == SHAPE_MAP ? go_word(c->go, addr) : 0;
}

/* ---- where a type stands in the source: debug information of Go does not say */

struct spot {
	const struct go *go;
	struct type_place *ret;
};

/* The last call is the function itself; the others were inlined where it begins. */
static void on_line(void *arg, const char *function, const char *file, unsigned line)
{
	struct type_place *p = arg;

	(void)function;
	text_reset(&p->file);
	text_add(&p->file, file ? file : "");
	p->line = line;
}

/* False: no source, or none that anybody wrote ("<autogenerated>"). */
static bool take_function(void *arg, const struct go_func *f)
{
	struct spot *s = arg;

	go_source(s->go, f->entry, on_line, s->ret);
	if (!s->ret->file.n || *text_str(&s->ret->file) == '<')
		return false;
	if (f->start_line > 0)
		s->ret->line = (unsigned)f->start_line;
	text_reset(&s->ret->method);
	go_func_name(s->go, f, &s->ret->method);
	return true;
}

/* Names of functions have the last element of the package's path with %2e for its dots. */
static void add_package(struct text *t, const char *pkg)
{
	const char *last = strrchr(pkg, '/');

	for (const char *s = pkg; *s; s++)
		if (*s == '.' && (!last || s > last))
			text_add(t, "%2e");
		else
			text_add_n(t, s, 1);
}

/* The first method of a named type: "main.(*Session).Touch", "main.Session.String". */
static bool find_method(struct spot *s, const struct go_type *type)
{
	size_t n = strcspn(type->name, "["); /* of a generic one, whatever it is made for */
	struct text by_pointer = TEXT_INIT, by_value = TEXT_INIT;
	const char *name = type->name + n;
	bool found;

	while (name > type->name && name[-1] != '.')
		name--;
	n -= (size_t)(name - type->name);
	add_package(&by_pointer, type->pkg);
	text_add(&by_value, text_str(&by_pointer));
	text_printf(&by_pointer, ".(*%.*s", (int)n, name);
	text_printf(&by_value, ".%.*s", (int)n, name);
	text_add(&by_pointer, type->name[strcspn(type->name, "[")] ? "[" : ").");
	text_add(&by_value, type->name[strcspn(type->name, "[")] ? "[" : ".");
	found = go_funcs_beginning(s->go, text_str(&by_pointer), text_str(&by_value),
				   take_function, s);
	text_fini(&by_pointer);
	text_fini(&by_value);
	return found;
}

static bool place(void *p, const struct type_row *row, struct type_place *ret)
{
	const struct shape *shape = (const struct shape *)(uintptr_t)row->handle;
	const struct go_type *type = shape->type;
	struct spot s = { .go = ((struct ctx *)p)->go, .ret = ret };
	struct go_func f;

	if (shape->kind == SHAPE_CLOSURE) {
		bool found = go_func_at(s.go, shape->pc, &f) && take_function(&s, &f);

		text_reset(&ret->method); /* the literal itself */
		return found;
	}
	for (unsigned i = 0; type && !type->pkg && i < ELEMENTS_MAX; i++)
		type = type->elem;
	/* nobody looks for a leak in the runtime's own source */
	return type && type->pkg && type->name && strcmp(type->pkg, "runtime") != 0 &&
	       find_method(&s, type);
}

extern const struct typer_ops typer_go;
const struct typer_ops typer_go = {
	.name = "go",
	.open = open_typer,
	.assign = assign,
	.path = path,
	.global = global,
	.entries = entries,
	.place = place,
	.close = close_typer,
};
