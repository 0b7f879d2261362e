/*
 * type/roots_python.c - sys.modules: what a program's text can name begins there.
 *
 * The interpreter's own data (tables of types, free lists, frames) lead to the same objects by fewer steps, and say
 * nothing.  PyInterpreterState, which has the dict, is static since 3.11, and before that a block that _PyRuntime
 * leads to.
 */
#include "base/bits.h"
#include "type/python_values.h"
#include "type/rooter.h"

enum { STATE_LEAST = 256, STATE_MOST = 1 << 14 /* bytes that are looked at */ };

struct search {
	const struct image *img;
	const struct blocks *blocks;
	struct root_sink *sink;
	struct py_version version;
	bool is_found;
};

static struct err *add(struct search *s, taddr at, taddr dict, int32_t module)
{
	struct root_source source = {
		.kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = module, .start = at, .end = at + 8, .is_first = true,
	};

	s->is_found = true;
	return module >= 0 ? s->sink->range(s->sink, &source) : s->sink->pointer(s->sink, &source, dict, at);
}

static struct err *see_word(struct search *s, taddr at, taddr value, int32_t module)
{
	struct block b;

	if (value & 7 || !block_get_at(s->blocks, value - 2 * sizeof(value), &b) || !py_is_modules(s->img, &s->version, value))
		return NULL;
	return add(s, at, value, module);
}

static struct err *see_state(struct search *s, taddr at, taddr value, int32_t module)
{
	struct block b;
	struct err *err = NULL;

	(void)at;
	(void)module;
	if (value & 7 || s->is_found || !block_get_at(s->blocks, value, &b) || b.addr != value || b.usable < STATE_LEAST)
		return NULL;
	for (uint64_t off = 0; !err && off < b.usable && off < STATE_MOST; off += 8) {
		uint64_t word;

		if (image_read_u64(s->img, value + off, &word) == MEM_OK && word)
			err = see_word(s, value + off, word, -1);
	}
	return err;
}

static struct err *each_word(struct search *s, struct err *(*see)(struct search *s, taddr at, taddr value, int32_t module))
{
	struct err *err = NULL;

	for (size_t i = 0; i < s->img->n_segments; i++) {
		const struct segment *seg = &s->img->segments[i];

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->module < 0)
			continue;
		for (taddr at = seg->start; !err && seg->end - at >= 8; at += 8) {
			taddr value = load_u64(seg->bytes + (at - seg->start));

			if (value)
				err = see(s, at, value, seg->module);
		}
	}
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink)
{
	struct search s = { .img = img, .blocks = blocks, .sink = sink };
	struct err *err;

	(void)env;
	if (!py_version(img, &s.version))
		return NULL;
	err = each_word(&s, see_word);
	return err || s.is_found ? err : each_word(&s, see_state);
}

extern const struct rooter_ops rooter_python;
const struct rooter_ops rooter_python = { .name = "python", .find = find };
