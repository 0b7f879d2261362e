/*
 * pools_fuzz.c - every finder of pools on a small memory with words overwritten, and the text of a
 * layout.
 *
 * The input: a byte, of which library; a layout's text up to a NUL; then patches (small_memory.h).
 */
#include "graph/graph.h"
#include "small_memory.h"
#include "type/build.h"
#include "type/pools.h"

const struct block_row block_rows[] = { { 0, 256 }, { 0x8000, 4096 }, { 0xf000, 2048 }, {} };

static struct library libraries[] = {
	{ "/usr/sbin/nginx" },		     { "/lib/libapr-1.so.0" },	 { "/lib/libprotobuf.so.32" },
	{ "/lib/libglib-2.0.so.0" },	     { "/lib/libluajit-5.1.so.2" }, { "/usr/bin/memcached" },
	{ "/bin/none" },		     { "/usr/bin/postgres", "TopMemoryContext" },
	{ "/lib/libtalloc.so.2", "talloc_version_major" }, { "/usr/bin/php", .chunks = true },
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
		if (libraries[i].symbol)
			library_export(&libraries[i]);
	return 0;
}

static void check_contents(const struct pool *pool)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < pool->n_contents; i++)
		used += pool->contents[i].bytes;
	if (pool->free == UINT64_MAX) /* it does not say */
		return;
	if (pool->free > pool->bytes || (!strcmp(pool->kind, "zend_mm_heap") && used != pool->bytes - pool->free))
		abort();
}

static void check_owners(const struct pools *p, taddr start, taddr end)
{
	for (taddr at = start; at < end; at += 64)
		if (pools_at(p, at) != POOL_NONE && pools_at(p, at) >= p->n)
			abort();
}

static void use_pools(const struct pools *p)
{
	struct text t = TEXT_INIT;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->v[i].parent != POOL_NONE && p->v[i].parent >= i)
			abort();
		pools_path(p, i, &t);
		text_reset(&t);
		check_contents(&p->v[i]);
	}
	check_owners(p, HEAP, END);
	for (unsigned i = 0; i < N_CHUNKS; i++)
		check_owners(p, CHUNKS + i * (taddr)CHUNK_BYTES, CHUNKS + i * (taddr)CHUNK_BYTES + CHUNK_DUMPED);
	for (size_t i = 0; i < p->members.n; i++)
		if (pools_of(p, p->members.v[i].block) != p->members.v[i].pool)
			abort();
	text_fini(&t);
}

static void run(struct world *w, struct env *env, const struct pool_layouts *layouts)
{
	struct blocks b = {};
	struct pools p = {};
	struct graph *g = NULL;
	struct err *err = small_blocks(env, &w->img, &b);

	if (!err)
		err = pools_find(env, &w->img, &b, layouts, false, &p);
	if (!err) {
		use_pools(&p);
		const struct hints hints = { .pools = &p };

		err = graph_from_blocks(env, &w->img, &b, &hints, false, &g);
		if (!err)
			err = graph_tell(env, &w->img, &b, &hints, g);
	}
	err_free(err);
	graph_free(g);
	pools_fini(&p);
	blocks_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct pool_layouts layouts = {};
	struct env env;
	const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
	size_t n_text = nul ? (size_t)(nul - data) - 1 : size ? size - 1 : 0;
	struct err *err;

	if (!size)
		return 0;
	fuzz_env(&env);
	world_init(&w, &env, &libraries[data[0] % ARRAY_SIZE(libraries)]);
	err = pool_layouts_parse("fuzz", (const char *)data + 1, n_text, &layouts);
	world_patch_all(&w, nul ? nul + 1 : data, nul ? size - n_text - 2 : 0);
	run(&w, &env, err ? NULL : &layouts);
	err_free(err);
	pool_layouts_fini(&layouts);
	env_fini(&env);
	return 0;
}
