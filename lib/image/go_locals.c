/*
 * image/go_locals.c - closures and words of frames, read when they are asked for.
 */
#include "image/go_locals.h"

#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/guard.h"
#include "image/go_reading.h"

enum {
	NAME_BYTES_MAX = 1024,
	STOPS_MAX = 1 << 16, /* places in code where frames go on, that are read */
	SLOTS_MAX = 192,
	CODE_MAX = 1 << 28, /* bytes read in all, again ones included */
};

/* Where a frame goes on, and what is in it there. */
struct stop {
	unsigned n;
	struct {
		uint64_t offset;
		const struct go_type *type;
	} slots[SLOTS_MAX];
};

struct go_locals {
	const struct go *go;
	struct go_reading_to to;
	struct go_reading *reading; /* NULL: nothing can be read */
	struct addrmap stops;	    /* struct stop, by pc */
	struct arena mem;
	uint64_t read; /* bytes of code */
	/* the closure that is looked for, and found */
	taddr code;
	const struct go_type *captured;
	bool differ;
};

static void on_closure(void *arg, taddr code, const struct go_type *t)
{
	struct go_locals *l = arg;

	if (code != l->code)
		return;
	l->differ |= l->captured && l->captured != t;
	l->captured = t;
}

struct err *go_locals_open(const struct go *go, struct go_locals **ret)
{
	struct go_locals *l = calloc(1, sizeof(*l));
	struct err *err;

	*ret = NULL;
	if (!l)
		return &err_nomem;
	l->go = go;
	l->to = (struct go_reading_to){ .closure = on_closure, .arg = l };
	err = go_reading_open(go, &l->to, &l->reading);
	if (err)
		go_locals_close(l);
	else
		*ret = l;
	return err;
}

void go_locals_close(struct go_locals *l)
{
	if (!l)
		return;
	go_reading_close(l->reading);
	addrmap_fini(&l->stops);
	arena_fini(&l->mem);
	free(l);
}

static bool read_code(struct go_locals *l, const struct go_func *f, taddr stop)
{
	if (l->read > CODE_MAX)
		return false;
	l->read += f->end - f->entry;
	return !go_reading_function(l->reading, f->entry, f->end, stop);
}

/* "main.run.func1.2" -> "main.run.func1" -> "main.run"; "main.glob..func1" -> "main.init". False: no more. */
static bool name_around(char *name)
{
	char *slash = strrchr(name, '/'), *from = slash ? slash : name, *dot = strrchr(from, '.'), *dash = strrchr(from, '-');

	if (dash > dot) { /* the body of a loop: "-range1" */
		*dash = 0;
		return true;
	}
	if (!dot || dot == strchr(from, '.'))
		return false;
	*dot = 0;
	if (dot > from + 6 && !strcmp(dot - 6, ".glob."))
		strcpy(dot - 5, "init");
	return true;
}

const struct go_type *go_locals_closure(struct go_locals *l, taddr pc)
{
	struct text text = TEXT_INIT;
	char name[NAME_BYTES_MAX];
	struct go_func f;

	if (!l->reading || !go_func_at(l->go, pc, &f) || f.entry != pc || f.name_length >= sizeof(name))
		return NULL;
	go_func_name(l->go, &f, &text);
	strcpy(name, text_str(&text));
	text_fini(&text);
	l->code = pc;
	l->captured = NULL;
	l->differ = false;
	while (!l->captured && name_around(name))
		if (go_func_named(l->go, name, &f) && !read_code(l, &f, 0))
			return NULL;
	return l->differ ? NULL : l->captured;
}

/* ---- frames */

static bool read_stop(struct go_locals *l, taddr entry, taddr pc, struct stop *ret)
{
	struct go_func f;

	if (!go_func_at(l->go, entry, &f) || f.entry != entry || pc >= f.end || !read_code(l, &f, pc))
		return false;
	for (unsigned i = 0; i < GO_READING_SLOTS && ret->n < SLOTS_MAX; i++) {
		struct go_value value;

		if (!go_reading_nth_slot(l->reading, i, &ret->slots[ret->n].offset, &value))
			break;
		ret->slots[ret->n].type = go_reading_type(l->reading, value);
		ret->n += ret->slots[ret->n].type != NULL;
	}
	return true;
}

const struct go_type *go_locals_slot(struct go_locals *l, taddr entry, taddr pc, uint64_t offset)
{
	const struct stop *known = l->reading ? addrmap_get(&l->stops, pc) : NULL;
	struct stop found = {}, *stop;

	if (!known && l->reading && l->stops.n < STOPS_MAX && pc > entry && read_stop(l, entry, pc, &found)) {
		stop = arena_alloc(&l->mem, offsetof(struct stop, slots) + found.n * sizeof(found.slots[0]));
		if (!stop)
			return NULL;
		memcpy(stop, &found, offsetof(struct stop, slots) + found.n * sizeof(found.slots[0]));
		known = addrmap_put(&l->stops, pc, stop) ? stop : NULL;
	}
	for (unsigned i = 0; known && i < known->n; i++)
		if (known->slots[i].offset == offset)
			return known->slots[i].type;
	return NULL;
}
