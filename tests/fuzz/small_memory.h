/*
 * small_memory.h - an image in memory alone whose words are overwritten: a heap, a module's data, a mapping
 * that no heap claims, a page of code, and the first pages of large chunks.
 *
 * The input is a list of 11-byte patches, each a word of memory and what to put there.
 */
#ifndef HEAPFX_TESTS_FUZZ_SMALL_MEMORY_H
#define HEAPFX_TESTS_FUZZ_SMALL_MEMORY_H

#include <elf.h>

#include "base/cursor.h"
#include "base/guard.h"
#include "fuzz.h"
#include "heap/blocks.h"
#include "image/symtab.h"

enum {
	HEAP = 0x10000000,
	DATA = 0x10010000,
	MAPPED = 0x10014000,
	END = 0x10020000,
	CODE = 0x20000000,
	CODE_BYTES = 0x1000,
	CHUNKS = 0x30000000, /* at multiples of their size; what is behind their first pages was not dumped */
	CHUNK_BYTES = 2 << 20,
	CHUNK_DUMPED = 3 * 4096,
	N_CHUNKS = 4,
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
	{ CODE, CODE + CODE_BYTES, SEG_R | SEG_X, 0 },
};
enum { N_RANGES = sizeof(ranges) / sizeof(ranges[0]) };

/* ---- a heap whose blocks are all used but for every eleventh */

/* From so far into the heap on blocks of so many bytes; the target says, ascending, up to one of no bytes. */
struct block_row {
	uint32_t from, bytes;
};
extern const struct block_row block_rows[];

static inline void small_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	(void)env;
	(void)img;
	ret->score = 90;
}

static inline struct err *small_open(struct env *env, const struct image *img, void **ret)
{
	(void)env;
	*ret = (void *)img;
	return NULL;
}

static inline struct err *small_claim(void *ctx, struct claim_sink *sink)
{
	struct claim c = { HEAP, DATA };

	(void)ctx;
	return sink->add(sink, &c);
}

static inline struct err *small_walk(void *ctx, uint32_t no, struct block_sink *sink)
{
	unsigned n = 0;

	(void)ctx;
	(void)no;
	for (const struct block_row *row = block_rows; row->bytes; row++) {
		taddr end = row[1].bytes ? HEAP + row[1].from : DATA;

		for (taddr at = HEAP + row->from; end - at >= row->bytes; at += row->bytes)
			block_sink_add(sink, at, ++n % 11 != 0);
	}
	return NULL;
}

static inline const struct heap_info *small_info(void *ctx)
{
	static const struct heap_info none = { .allocator = "fuzz" };

	(void)ctx;
	return &none;
}

static inline const char *small_explain(void *ctx, taddr block, struct text *ret)
{
	(void)ctx;
	(void)block;
	(void)ret;
	return NULL;
}

static inline void small_close(void *ctx)
{
	(void)ctx;
}

static const struct walker_ops small_walker = {
	.name = "fuzz", .bid = small_bid, .open = small_open, .claim = small_claim, .walk = small_walk,
	.info = small_info, .explain = small_explain, .close = small_close,
};

static inline struct err *small_blocks(struct env *env, const struct image *img, struct blocks *ret)
{
	static const struct walker_ops *const walkers[] = { &small_walker, NULL };

	return blocks_build_with(env, img, walkers, ret);
}

/* ---- the memory */

/* What the one module is, and the variable that it exports, at the start of its data. */
struct library {
	const char *path, *symbol;
	bool chunks; /* its memory has some */
	char strings[32]; /* a NUL, then the symbol */
	struct symtab *exported;
};

static inline void library_export(struct library *lib)
{
	static const Elf64_Sym sym = {
		.st_name = 1, .st_info = STB_GLOBAL << 4 | STT_OBJECT, .st_shndx = 1, .st_value = DATA, .st_size = 8,
	};

	snprintf(lib->strings + 1, sizeof(lib->strings) - 1, "%s", lib->symbol);
	lib->exported = symtab_new();
	if (!lib->exported || symtab_add(lib->exported, (const uint8_t *)&sym, sizeof(sym), (const uint8_t *)lib->strings,
					 sizeof(lib->strings), 0) || symtab_seal(lib->exported))
		abort();
}

struct world {
	struct segment segments[N_RANGES + 2 * N_CHUNKS];
	struct module module;
	struct target target;
	struct image img;
	uint8_t bytes[END - HEAP + CODE_BYTES + N_CHUNKS * CHUNK_DUMPED];
};

static inline void world_add_chunks(struct world *w)
{
	for (unsigned i = 0; i < N_CHUNKS; i++) {
		taddr at = CHUNKS + i * (taddr)CHUNK_BYTES;
		struct segment seg = {
			.start = at,
			.end = at + CHUNK_DUMPED,
			.flags = SEG_R | SEG_W,
			.module = -1,
			.load = N_RANGES + i,
			.origin = SEG_CORE,
			.bytes = w->bytes + (END - HEAP) + CODE_BYTES + i * (size_t)CHUNK_DUMPED,
		};

		w->segments[w->img.n_segments++] = seg;
		seg.start = seg.end;
		seg.end = at + CHUNK_BYTES;
		seg.origin = SEG_NONE;
		seg.bytes = NULL;
		w->segments[w->img.n_segments++] = seg;
	}
}

static inline void world_init(struct world *w, struct env *env, const struct library *lib)
{
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
	w->module.symtab = lib->exported;
	w->module.start = DATA;
	w->module.end = MAPPED;
	w->img = (struct image){
		.env = env, .target = &w->target, .segments = w->segments, .n_segments = N_RANGES,
		.modules = &w->module, .n_modules = 1,
	};
	if (lib->chunks)
		world_add_chunks(w);
}

/* Which word, how, and a value: itself, the address of a byte, code, a small one, the address of a chunk's byte. */
static inline void world_patch(struct world *w, struct cursor *c)
{
	uint32_t where = cursor_u16(c) % (sizeof(w->bytes) / 8) * 8;
	unsigned how = cursor_u8(c);
	uint64_t value = cursor_u64(c);

	switch (how % 5) {
	case 1:
		value = HEAP + value % (END - HEAP);
		break;
	case 2:
		value = CODE + value % CODE_BYTES;
		break;
	case 3:
		value %= 0x4000;
		break;
	case 4:
		value = CHUNKS + value % (N_CHUNKS * CHUNK_BYTES);
		break;
	}
	memcpy(w->bytes + where, &value, sizeof(value));
}

static inline void world_patch_all(struct world *w, const uint8_t *data, size_t n)
{
	struct cursor c = cursor_init(data, n, "patches", 0);

	for (unsigned i = 0; i < MAX_PATCHES && cursor_left(&c) >= PATCH_BYTES; i++)
		world_patch(w, &c);
}

#endif
