/*
 * type/go_finalizers.c - objects with a finalizer, and what only finalizers and cleanups keep.
 *
 * The rooter has read the specials: a source of ROOT_FINALIZER that covers an object is that of a
 * finalizer (or a cleanup, which keeps none of it), one that covers nothing a queue's.
 */
#include "image/go.h"
#include "type/noter.h"

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct owner owner = { .kind = OWNER_FINALIZER, .name = "finalizers and cleanups" };
	uint32_t id;
	struct err *err = NULL;

	(void)env;
	(void)blocks;
	if (!img->go)
		return NULL;
	for (uint32_t i = 0; i < g->n_sources && !err; i++) {
		const struct root_source *source = &g->sources[i];
		node_id node = source->kind == ROOT_FINALIZER && source->end > source->start ?
				       graph_node_at(g, source->start) :
				       NODE_NONE;

		owner.count += source->kind == ROOT_FINALIZER;
		if (node != NODE_NONE)
			err = sink->finalizable(sink, node);
	}
	if (err || !owner.count)
		return err;
	err = sink->owner(sink, &owner, &id);
	return err ? err : sink->owner_of_roots(sink, ROOT_FINALIZER, UINT32_MAX, id);
}

extern const struct noter_ops noter_go_finalizers;
const struct noter_ops noter_go_finalizers = { .name = "finalizers", .find = find };
