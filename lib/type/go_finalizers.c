/*
 * type/go_finalizers.c - objects with a finalizer, those that are due, and what only finalizers and
 * cleanups keep.
 *
 * The rooter has read the specials: a source of ROOT_FINALIZER that covers an object is that of a
 * finalizer (or a cleanup, which keeps none of it), one that covers nothing a block of a queue.
 */
#include "image/go.h"
#include "type/noter.h"

/* runtime/mfinal.go, mcleanup.go; the one that runs is in its block until it has returned. */
enum {
	FIN_COUNT = 16, /* finblock {alllink, next, cnt, fin[] {fn, arg, nret, fint, ot}} */
	FIN_FIRST = 24,
	FINALIZER = 40,
	FIN_ARG = 8,
	FIN_MAX = 101,
	CLEANUP_COUNT = 24, /* cleanupBlock {lfnode {next, pushcnt}, alllink, n, cleanups[]} */
	CLEANUP_MAX = 60,
	BLOCKS_MAX = 1 << 20,
};

static uint32_t count_at(const struct image *img, taddr at, uint32_t most)
{
	uint32_t n;

	return image_read_u32(img, at, &n) == MEM_OK && n <= most ? n : 0;
}

/* Objects that wait for their finalizers; *ret_n: how many of those. */
static struct err *note_queue(const struct go *go, const struct graph *g, struct note_sink *sink,
			      uint64_t *ret_n)
{
	taddr at = go->at.allfin ? go_word(go, go->at.allfin) : 0, seen = 0;
	struct err *err = NULL;

	for (uint64_t k = 0; at && k < BLOCKS_MAX && !err; k++) {
		uint32_t n = count_at(go->img, at + FIN_COUNT, FIN_MAX);

		*ret_n += n;
		for (uint32_t i = 0; i < n && !err; i++) {
			taddr arg = go_word(go, at + FIN_FIRST + i * FINALIZER + FIN_ARG);
			node_id node = arg ? graph_node_at(g, arg) : NODE_NONE;

			if (node != NODE_NONE)
				err = sink->queued(sink, node);
		}
		at = go_word(go, at);
		if (at == seen)
			break; /* a loop: Brent's check */
		if (is_pow2(k + 1))
			seen = at;
	}
	return err;
}

/* Cleanups that wait: their blocks are the sources that are no finalizers' (roots_go.c). */
static uint64_t count_cleanups(const struct go *go)
{
	unsigned line = go->img->target->id == TARGET_AARCH64 ? 128 : 64;
	taddr at = go->at.gcCleanups ? go_word(go, go->at.gcCleanups + 2 * line) : 0, seen = 0;
	uint64_t n = 0;

	for (uint64_t k = 0; at && k < BLOCKS_MAX; k++) {
		n += count_at(go->img, at + CLEANUP_COUNT, CLEANUP_MAX);
		at = go_word(go, at + 16);
		if (at == seen)
			break;
		if (is_pow2(k + 1))
			seen = at;
	}
	return n;
}

static struct err *note_objects(const struct graph *g, struct note_sink *sink, bool *ret_any)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_sources && !err; i++) {
		const struct root_source *source = &g->sources[i];
		node_id node = source->kind == ROOT_FINALIZER && source->end > source->start ?
				       graph_node_at(g, source->start) :
				       NODE_NONE;

		*ret_any |= source->kind == ROOT_FINALIZER;
		if (node != NODE_NONE)
			err = sink->finalizable(sink, node);
	}
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct owner owner = { .kind = OWNER_FINALIZER, .name = "finalizers and cleanups" };
	uint64_t queued = 0;
	uint32_t id;
	bool any = false;
	struct err *err;

	(void)env;
	(void)blocks;
	if (!img->go)
		return NULL;
	err = note_objects(g, sink, &any);
	if (err || !any)
		return err;
	err = note_queue(img->go, g, sink, &queued);
	owner.count = queued + count_cleanups(img->go);
	if (!err)
		err = sink->owner(sink, &owner, &id);
	return err ? err : sink->owner_of_roots(sink, ROOT_FINALIZER, UINT32_MAX, id);
}

extern const struct noter_ops noter_go_finalizers;
const struct noter_ops noter_go_finalizers = { .name = "finalizers", .find = find };
