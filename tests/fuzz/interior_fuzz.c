/*
 * interior_fuzz.c - what a scan asks of words that lead to no block's start, on a small memory with words
 * overwritten: lib/type/interior.c, and distances in place of addresses, lib/type/relative.c; and tables of
 * words, lib/type/chained.c and tagged.c.
 *
 * The input: a byte, of which library; then patches (small_memory.h).
 */
#include "graph/graph.h"
#include "small_memory.h"
#include "type/build.h"
#include "type/chained.h"
#include "type/relative.h"

const struct block_row block_rows[] = { { 0, 48 }, { 0x3000, 256 }, { 0x8000, 4096 }, { 0xc000, 16384 }, {} };

static struct library libraries[] = {
	{ "/bin/none" },
	{ "/lib/libfontconfig.so.1" },
	{ "/lib/libtalloc.so.2", "talloc_version_major" },
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	library_export(&libraries[2]);
	return 0;
}

/* Each word that is a distance lies in a used block, and leads to the start of one, or into memory. */
static void use_relative(struct env *env, const struct world *w, const struct blocks *b)
{
	struct relative r = {};
	struct err *err = relative_open(env, &w->img, b, &r);

	for (taddr at = HEAP; at < DATA && !err && r.words; at += 8) {
		const struct grains *g = &b->grains;
		uint32_t id = block_at(b, at);

		if (bit_get(r.words, relative_bit(g, grain_of(g, at), at)) && (id == BLOCK_NONE || !block_is_used(b, id)))
			abort();
	}
	err_free(err);
	relative_close(&r);
}

/* No table has more entries than there are blocks. */
static void use_chained(const struct world *w, const struct blocks *b)
{
	for (uint32_t id = 0; id < b->grains.n; id++) {
		struct graph_table t;

		if (!block_is_used(b, id))
			continue;
		for (uint64_t link = 0; link < 24; link++)
			if (chained_table(&w->img, b, id, link, &t) && t.entries > b->grains.n)
				abort();
		if (chained_table(&w->img, b, id, TABLE_ANY_LINK, &t) && (t.entries > b->grains.n || !(t.is_spread || t.is_thinned)))
			abort();
	}
}

static void run(struct world *w, struct env *env)
{
	struct blocks b = {};
	struct graph *g = NULL;
	struct err *err = small_blocks(env, &w->img, &b);

	if (!err) {
		use_relative(env, w, &b);
		use_chained(w, &b);
		err = graph_from_blocks(env, &w->img, &b, NULL, false, &g);
	}
	err_free(err);
	graph_free(g);
	blocks_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct env env;

	if (!size)
		return 0;
	fuzz_env(&env);
	world_init(&w, &env, &libraries[data[0] % ARRAY_SIZE(libraries)]);
	world_patch_all(&w, data + 1, size - 1);
	run(&w, &env);
	env_fini(&env);
	return 0;
}
