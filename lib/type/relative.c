/*
 * type/relative.c - blocks of fontconfig's, told by what they have: a distance that leads to the very start of
 * a block with room for all that is said to be there, and that in its order.
 *
 * Source of truth: struct _FcPattern, _FcPatternElt and _FcCharSet of src/fcint.h; fcpat.c and fccharset.c,
 * which keep elements by object and leaves by number.
 */
#include "type/relative.h"

#include <string.h>

#include "base/bits.h"
#include "image/shadow.h"

enum {
	HEAD = 24,     /* sizeof(FcPattern), sizeof(FcCharSet) */
	HEAD_MAX = 48, /* of a block for so many, with what an allocator adds */
	/* FcPattern: int num, size; intptr_t elts_offset; FcRef ref */
	PATTERN_ELTS = 8,
	PATTERN_REF = 16,
	/* FcCharSet: FcRef ref; int num; intptr_t leaves_offset, numbers_offset */
	CHARSET_LEAVES = 8,
	CHARSET_NUMBERS = 16,
	/* FcPatternElt: FcObject object; FcValueList *values */
	ELT = 16,
	ELT_VALUES = 8,
	ELTS_MAX = 4096,
	LEAVES_MAX = 0x1100, /* of 256 characters each */
	REFS_MAX = 1 << 24,
	LOOKS_A_WORD = 4, /* at words of the heaps: many heads may claim one table */
};

struct finder {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	struct relative *to;
	uint64_t left; /* words that are still looked at */
};

static bool has_fontconfig(const struct image *img)
{
	for (size_t i = 0; i < img->n_modules; i++)
		if (!strncmp(module_base_name(&img->modules[i]), "libfontconfig.", 14))
			return true;
	return false;
}

/* A used block begins there, and has room for so many bytes, which are all in the dump. */
static const uint8_t *block_bytes(const struct finder *f, taddr at, uint64_t size)
{
	struct block b;
	uint64_t avail;
	const uint8_t *bytes;

	if (at & 7 || !block_get_at(f->blocks, at, &b) || b.usable < size)
		return NULL;
	bytes = image_view(f->img, at, &avail);
	return bytes && avail >= size ? bytes : NULL;
}

static bool may_look(struct finder *f, uint64_t n)
{
	if (n > f->left)
		return false;
	f->left -= n;
	return true;
}

/* The word that is `bytes` at `at`. */
static struct err *add(struct finder *f, taddr at, const uint8_t *bytes)
{
	const struct grains *g = &f->blocks->grains;

	if (!f->to->words) {
		uint64_t words = (uint64_t)g->n_units << (UNIT_SHIFT - 3);
		struct err *err = col_fixed(f->env, 8, bits_words(words) + 1, "distances", &f->to->col);

		if (err)
			return err;
		f->to->words = f->to->col.base;
	}
	bit_set(f->to->words, relative_bit(g, grain_of(g, at), at));
	image_keep_exact(f->img, bytes, 8);
	return NULL;
}

/* Elements by object, each with values. */
static bool are_elements(const struct finder *f, const uint8_t *elts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t object = load_u32(elts + ELT * i);
		uint64_t values = load_u64(elts + ELT * i + ELT_VALUES);

		if (!object || (i && object <= load_u32(elts + ELT * (i - 1))) || !values || values & 7 ||
		    !image_segment(f->img, values))
			return false;
	}
	for (uint32_t i = 0; i < n; i++)
		image_keep_exact(f->img, elts + ELT * i, 4);
	return true;
}

static struct err *see_pattern(struct finder *f, taddr at, const uint8_t *head)
{
	uint32_t n = load_u32(head), size = load_u32(head + 4), refs = load_u32(head + PATTERN_REF);
	taddr to = at + load_u64(head + PATTERN_ELTS);
	const uint8_t *elts;

	if (!n || n > size || size > ELTS_MAX || !refs || refs > REFS_MAX)
		return NULL;
	elts = block_bytes(f, to, (uint64_t)ELT * size);
	if (!elts || !may_look(f, 2 * n) || !are_elements(f, elts, n))
		return NULL;
	image_keep_exact(f->img, head, 8);
	image_keep_exact(f->img, head + PATTERN_REF, 4);
	return add(f, at + PATTERN_ELTS, head + PATTERN_ELTS);
}

/* Of the leaves, each in memory, the numbers ascend. */
static bool are_leaves(const struct finder *f, taddr at, const uint8_t *leaves, const uint8_t *numbers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((i && load_u16(numbers + 2 * i) <= load_u16(numbers + 2 * (i - 1))) ||
		    !image_segment(f->img, at + load_u64(leaves + 8 * i)))
			return false;
	return true;
}

static struct err *see_charset(struct finder *f, taddr at, const uint8_t *head)
{
	uint32_t refs = load_u32(head), n = load_u32(head + 4);
	taddr leaves_at = at + load_u64(head + CHARSET_LEAVES), numbers_at = at + load_u64(head + CHARSET_NUMBERS);
	const uint8_t *leaves, *numbers;
	struct err *err;

	if (!n || n > LEAVES_MAX || !refs || refs > REFS_MAX)
		return NULL;
	leaves = block_bytes(f, leaves_at, 8ull * n);
	numbers = block_bytes(f, numbers_at, 2ull * n);
	if (!leaves || !numbers || !may_look(f, 2 * n) || !are_leaves(f, leaves_at, leaves, numbers, n))
		return NULL;
	image_keep_exact(f->img, head, 8);
	image_keep_exact(f->img, numbers, 2ull * n);
	err = add(f, at + CHARSET_LEAVES, head + CHARSET_LEAVES);
	if (!err)
		err = add(f, at + CHARSET_NUMBERS, head + CHARSET_NUMBERS);
	for (uint32_t i = 0; i < n && !err; i++)
		err = add(f, leaves_at + 8 * i, leaves + 8 * i);
	return err;
}

struct err *relative_open(struct env *env, const struct image *img, const struct blocks *blocks,
			  struct relative *ret)
{
	const struct grains *g = &blocks->grains;
	struct finder f = { .env = env, .img = img, .blocks = blocks, .to = ret };
	struct grains_iter it;
	struct err *err = NULL;

	*ret = (struct relative){};
	if (!g->n || !has_fontconfig(img))
		return NULL;
	f.left = ((uint64_t)g->n_units << UNIT_SHIFT) / 8 * LOOKS_A_WORD;
	for (it = grains_iter(g, 0); it.id < g->n && !err; grains_next(&it)) {
		uint64_t avail;
		const uint8_t *head;

		if (it.size < HEAD || it.size > HEAD_MAX || !block_is_used(blocks, it.id))
			continue;
		head = image_view(img, it.key, &avail);
		if (!head || avail < HEAD)
			continue;
		err = see_pattern(&f, it.key, head);
		if (!err)
			err = see_charset(&f, it.key, head);
	}
	return err;
}

void relative_close(struct relative *r)
{
	col_close(&r->col);
}
