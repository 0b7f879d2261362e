/*
 * type/pools_types.c - the blocks of pools are called by their pool: its kind and its name.
 *
 * So that suspects, profiles and SQL group by pool what malloc alone would show as blocks of a size.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "type/pools.h"
#include "type/typer.h"

struct ctx {
	const struct pools *pools;
};

static struct err *open_typer(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, void **ret_ctx)
{
	struct ctx *c;

	(void)env;
	(void)img;
	(void)blocks;
	*ret_ctx = NULL;
	if (!hints->pools || !hints->pools->n)
		return NULL;
	c = malloc(sizeof(*c));
	if (!c)
		return &err_nomem;
	c->pools = hints->pools;
	*ret_ctx = c;
	return NULL;
}

/* FNV-1a: pools of one label are one type. */
static uint64_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h | 1;
}

static struct err *assign(void *p, struct type_columns *cols)
{
	struct ctx *c = p;

	for (size_t i = 0; i < c->pools->members.n; i++) {
		const struct pool_block *m = &c->pools->members.v[i];
		struct text label = TEXT_INIT;
		struct type_row row = { .language = LANG_C, .typer = cols->typer, .confidence = CONF_PATTERN,
					.is_pool = !m->type };
		struct err *err = NULL;
		type_id type;

		if (cols->confidence[m->block] >= TYPE_EXACT)
			continue;
		if (m->type)
			text_add(&label, m->type);
		else
			pools_label(&c->pools->v[m->pool], &label);
		row.name = text_str(&label);
		row.handle = hash(row.name);
		err = types_intern(cols->types, &row, &type);
		text_fini(&label);
		if (err)
			return err;
		cols->type[m->block] = type;
		cols->confidence[m->block] = TYPE_EXACT;
	}
	return NULL;
}

extern const struct typer_ops typer_pools;
const struct typer_ops typer_pools = {
	.name = "pools",
	.open = open_typer,
	.assign = assign,
	.close = free,
};
