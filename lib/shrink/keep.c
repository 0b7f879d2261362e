/* shrink/keep.c - blocks of types that were asked for, as they are. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "shrink/shrink.h"

/* `wanted` has a byte a type. */
static struct err *find_types(const struct graph *g, const char *name, uint8_t *wanted)
{
	size_t found = 0;

	for (size_t i = 1; i < g->types->n; i++) {
		const char *type = g->types->v[i].name;

		if (type && !strcmp(type, name)) { /* several types may have one name */
			wanted[i] = 1;
			found++;
		}
	}
	return found ? NULL : err_new(ERR_USAGE, "--keep %s: no block has that type", name);
}

static void keep_block(const struct image *img, taddr at, uint64_t n)
{
	const struct shadow *s = img->shadow;

	for (uint64_t avail; n; n -= avail, at += avail) {
		uint8_t *to = shadow_at(img, at, &avail);

		if (!to)
			return;
		avail = avail < n ? avail : n;
		memcpy(to, s->from + (to - s->to), avail);
	}
}

struct err *shrink_keep(const struct image *img, const struct blocks *b, const struct graph *g,
			const char *const *names, size_t n)
{
	_free_ uint8_t *wanted = NULL;
	struct err *err = NULL;

	if (!n)
		return NULL;
	if (!g->types)
		return err_new(ERR_USAGE, "--keep %s: no type is known of any block", names[0]);
	wanted = calloc(g->types->n + 1, 1);
	if (!wanted)
		return &err_nomem;
	for (size_t i = 0; i < n && !err; i++)
		err = find_types(g, names[i], wanted);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n && !err; graph_next(&it)) {
		struct block block;

		if (!wanted[graph_type(g, it.id)])
			continue;
		block_get(b, it.id, &block);
		keep_block(img, block.addr, block.usable);
	}
	return err;
}
