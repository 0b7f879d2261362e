/*
 * pools_fuzz.c - every finder of pools on a small memory with words overwritten, and the text of a
 * layout.
 *
 * The input: a byte, of which library; a layout's text up to a NUL; then 11-byte patches, each a word
 * of memory and what to put there.  A heap of blocks of 256 bytes, a module's data, and a mapping
 * that no heap claims, in memory alone.
 */
#include <elf.h>

#include "base/cursor.h"
#include "base/guard.h"
#include "fuzz.h"
#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/symtab.h"
#include "type/build.h"
#include "type/pools.h"

enum {
	HEAP = 0x10000000,
	DATA = 0x10010000,
	MAPPED = 0x10014000,
	END = 0x10020000,
	CODE = 0x20000000,
	BLOCK = 256,
	BIG = 0x8000,	     /* from there on one block of 4096 bytes after the other */
	HALF = 0xf000,	     /* and from there on of 2048 */
	PATCH_BYTES = 11,
	MAX_PATCHES = 512,
};

static const struct range {
	taddr start, end;
	uint8_t flags;
	int32_t module;
} ranges[] = {
	{ HEAP, DATA, SEG_R | SEG_W, -1 },
	{ DATA, MAPPED, SEG_R | SEG_W, 0 },
	{ MAPPED, END, SEG_R | SEG_W, -1 },
	{ CODE, CODE + 0x1000, SEG_R | SEG_X, 0 },
};
enum { N_RANGES = sizeof(ranges) / sizeof(ranges[0]) };

/* ---- a heap whose blocks are all used but for every eleventh */

static void bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	(void)env;
	(void)img;
	ret->score = 90;
}

static struct err *open_heap(struct env *env, const struct image *img, void **ret)
{
	(void)env;
	*ret = (void *)img;
	return NULL;
}

static struct err *claim(void *ctx, struct claim_sink *sink)
{
	struct claim c = { HEAP, DATA };

	(void)ctx;
	return sink->add(sink, &c);
}

static struct err *walk(void *ctx, uint32_t no, struct block_sink *sink)
{
	unsigned n = 0;

	(void)ctx;
	(void)no;
	for (taddr at = HEAP; at < DATA; at += at < HEAP + BIG ? BLOCK : at < HEAP + HALF ? 4096 : 2048)
		block_sink_add(sink, at, ++n % 11 != 0);
	return NULL;
}

static const struct heap_info *info(void *ctx)
{
	static const struct heap_info none = { .allocator = "fuzz" };

	(void)ctx;
	return &none;
}

static const char *explain(void *ctx, taddr block, struct text *ret)
{
	(void)ctx;
	(void)block;
	(void)ret;
	return NULL;
}

static void close_heap(void *ctx)
{
	(void)ctx;
}

static const struct walker_ops fuzz_walker = {
	.name = "fuzz", .bid = bid, .open = open_heap, .claim = claim, .walk = walk,
	.info = info, .explain = explain, .close = close_heap,
};

/* ---- the memory */

/* What the one module is, and the variable that it exports, at the start of its data. */
static const struct library {
	const char *path, *symbol;
} libraries[] = {
	{ "/usr/sbin/nginx" },		     { "/lib/libapr-1.so.0" },	 { "/lib/libprotobuf.so.32" },
	{ "/lib/libglib-2.0.so.0" },	     { "/lib/libluajit-5.1.so.2" }, { "/usr/bin/memcached" },
	{ "/bin/none" },		     { "/usr/bin/postgres", "TopMemoryContext" },
	{ "/lib/libtalloc.so.2", "talloc_version_major" },
};
static struct symtab *exported[ARRAY_SIZE(libraries)];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char strings[ARRAY_SIZE(libraries)][32]; /* each begins with a NUL */

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		static const Elf64_Sym sym = {
			.st_name = 1, .st_info = STB_GLOBAL << 4 | STT_OBJECT, .st_shndx = 1, .st_value = DATA, .st_size = 8,
		};
		const char *name = libraries[i].symbol;

		if (!name)
			continue;
		snprintf(strings[i] + 1, sizeof(strings[i]) - 1, "%s", name);
		exported[i] = symtab_new();
		if (!exported[i] || symtab_add(exported[i], (const uint8_t *)&sym, sizeof(sym), (const uint8_t *)strings[i],
					       sizeof(strings[i]), 0) || symtab_seal(exported[i]))
			abort();
	}
	return 0;
}

struct world {
	struct segment segments[N_RANGES];
	struct module module;
	struct target target;
	struct image img;
	uint8_t bytes[END - HEAP + 0x1000];
};

static void world_init(struct world *w, struct env *env, unsigned library)
{
	const struct library *lib = &libraries[library % ARRAY_SIZE(libraries)];

	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < N_RANGES; i++)
		w->segments[i] = (struct segment){
			.start = ranges[i].start,
			.end = ranges[i].end,
			.flags = ranges[i].flags,
			.module = ranges[i].module,
			.load = i,
			.origin = SEG_CORE,
			.bytes = w->bytes + (i == N_RANGES - 1 ? END - HEAP : ranges[i].start - HEAP),
		};
	w->target = (struct target){ .id = TARGET_X86_64, .name = "x86_64", .tls_below_tp = 1 };
	w->module.path = lib->path;
	w->module.symtab = exported[lib - libraries];
	w->module.start = DATA;
	w->module.end = MAPPED;
	w->img = (struct image){
		.env = env, .target = &w->target, .segments = w->segments, .n_segments = N_RANGES,
		.modules = &w->module, .n_modules = 1,
	};
}

/* Which word (the last are code's), how, and a value: itself, the address of a word, code, a small one. */
static void patch(struct world *w, struct cursor *c)
{
	uint32_t where = cursor_u16(c) % (sizeof(w->bytes) / 8) * 8;
	unsigned how = cursor_u8(c);
	uint64_t value = cursor_u64(c);

	switch (how % 4) {
	case 1:
		value = HEAP + value % (END - HEAP);
		break;
	case 2:
		value = CODE + value % 0x1000;
		break;
	case 3:
		value %= 0x4000;
		break;
	}
	memcpy(w->bytes + where, &value, sizeof(value));
}

static void use_pools(const struct pools *p)
{
	struct text t = TEXT_INIT;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->v[i].parent != POOL_NONE && p->v[i].parent >= i)
			abort();
		pools_path(p, i, &t);
		text_reset(&t);
	}
	for (taddr at = HEAP; at < END; at += 64)
		if (pools_at(p, at) != POOL_NONE && pools_at(p, at) >= p->n)
			abort();
	for (size_t i = 0; i < p->members.n; i++)
		if (pools_of(p, p->members.v[i].block) != p->members.v[i].pool)
			abort();
	text_fini(&t);
}

static void run(struct world *w, struct env *env, const struct pool_layouts *layouts)
{
	static const struct walker_ops *const walkers[] = { &fuzz_walker, NULL };
	struct blocks b = {};
	struct pools p = {};
	struct graph *g = NULL;
	struct err *err = blocks_build_with(env, &w->img, walkers, &b);

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
	struct cursor c;
	struct env env;
	const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
	size_t n_text = nul ? (size_t)(nul - data) - 1 : size ? size - 1 : 0;
	struct err *err;

	if (!size)
		return 0;
	fuzz_env(&env);
	world_init(&w, &env, data[0]);
	err = pool_layouts_parse("fuzz", (const char *)data + 1, n_text, &layouts);
	c = cursor_init(nul ? nul + 1 : data, nul ? size - n_text - 2 : 0, "patches", 0);
	for (unsigned i = 0; i < MAX_PATCHES && cursor_left(&c) >= PATCH_BYTES; i++)
		patch(&w, &c);
	run(&w, &env, err ? NULL : &layouts);
	err_free(err);
	pool_layouts_fini(&layouts);
	env_fini(&env);
	return 0;
}
