/*
 * type/roots_python.c - sys.modules: what a program's text can name begins there; variables of calls that have not
 * ended; and what of the interpreter's own data is over, and holds nothing.
 *
 * The interpreter's own data (tables of types, free lists, frames) lead to the same objects by fewer steps, and say
 * nothing.  PyInterpreterState, which has the dict, is static since 3.11, and before that a block that _PyRuntime
 * leads to.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/python.h"
#include "type/python_frames.h"
#include "type/python_values.h"
#include "type/rooter.h"

enum { STATE_LEAST = 256, STATE_MOST = 1 << 14 /* bytes that are looked at */ };

struct search {
	const struct image *img;
	const struct blocks *blocks;
	struct root_sink *sink;
	struct py_version version;
	bool is_found;
	bool has_chunks; /* frames lie in them: since 3.11 */
	unsigned n_chunks, n_frames; /* that were left so far, of all threads */
};

static struct err *add(struct search *s, taddr at, taddr dict, int32_t module)
{
	struct root_source source = {
		.kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = module, .start = at, .end = at + 8, .first = FIRST_NAMED,
	};

	s->is_found = true;
	return module >= 0 ? s->sink->range(s->sink, &source) : s->sink->pointer(s->sink, &source, dict, at);
}

/* ---- free lists: an object that was handed out stays in its slot, until another takes that */

enum { SLOTS = 80 };

/* Where they are from the word of sys.modules on (struct _is; 3.11.7, 3.12.1, 3.13.0). */
static const struct free_list {
	unsigned minor;
	uint64_t flag; /* of the type of what is in it; 0: keys of dicts */
	uint32_t slots, n;
} free_lists[] = {
	{ 11, PY_FLAG_LIST, 3872 - 888, 4512 - 888 },
	{ 11, PY_FLAG_DICT_SUBCLASS, 4520 - 888, 5160 - 888 },
	{ 11, 0, 5168 - 888, 5808 - 888 },
	{ 12, PY_FLAG_LIST, 270072 - 944, 270712 - 944 },
	{ 12, PY_FLAG_DICT_SUBCLASS, 270736 - 944, 272016 - 944 },
	{ 12, 0, 271376 - 944, 272020 - 944 },
	{ 13, PY_FLAG_LIST, 11208 - 7656, 11848 - 7656 },
	{ 13, PY_FLAG_DICT_SUBCLASS, 11856 - 7656, 12496 - 7656 },
	{ 13, 0, 12504 - 7656, 13144 - 7656 },
};

static uint64_t word(const struct search *s, taddr at)
{
	uint64_t w;

	return image_read_u64(s->img, at, &w) == MEM_OK ? w : 0;
}

static bool is_kind(const struct search *s, taddr at, uint64_t flag)
{
	struct py_type t;

	return py_type(s->img, &s->version, word(s, at + PY_TYPE), &t) && t.flags & flag;
}

/*
 * Those in it are counted by nobody, and of the type that they should be; those behind them were.  False: something
 * else lies there.
 */
static bool is_free_list(const struct search *s, const struct free_list *f, taddr modules, uint32_t *ret_n, bool *ret_sure)
{
	if (image_read_u32(s->img, modules + f->n, ret_n) != MEM_OK || *ret_n > SLOTS)
		return false;
	for (uint32_t i = 0; i < SLOTS; i++) {
		taddr at = word(s, modules + f->slots + 8 * i);

		if (at & 7 || (i < *ret_n && (!at || (f->flag && (word(s, at) || !is_kind(s, at, f->flag))))))
			return false;
		*ret_sure |= at && f->flag && is_kind(s, at, f->flag);
	}
	return true;
}

static struct err *leave_slots(struct search *s, taddr modules)
{
	uint32_t n[ARRAY_SIZE(free_lists)];
	bool sure = false;
	struct err *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(free_lists); i++)
		if (free_lists[i].minor == s->img->python->minor &&
		    !is_free_list(s, &free_lists[i], modules, &n[i], &sure))
			return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(free_lists) && sure && !err; i++) {
		taddr slots = modules + free_lists[i].slots;

		if (free_lists[i].minor == s->img->python->minor)
			err = s->sink->exclude(s->sink, slots + 8 * n[i], slots + 8 * SLOTS);
	}
	return err;
}

/* ---- frames: of calls that have not ended, and what others left behind the last of them */

enum {
	CHUNK_SIZE = 8,	 /* struct _PyStackChunk: the one before, bytes, words in use while it is not the last, .. */
	CHUNK_TOP = 16,
	CHUNK_DATA = 24,
	CHUNKS_MOST = 1 << 16, /* of all threads */
	FRAMES_MOST = 1 << 14,
};

static uint32_t thread_of(const struct image *img, uint64_t id)
{
	for (uint32_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].tid == id)
			return i;
	return UINT32_MAX;
}

/* Those in a generator that runs are part of its block, which its caller holds. */
static struct err *take_frames(struct search *s, taddr stack_words)
{
	struct root_source source = {
		.kind = ROOT_STACK, .module = -1, .first = FIRST_FRAME,
		.thread = thread_of(s->img, py_thread_id(s->img, stack_words)),
	};
	struct err *err = NULL;
	bool runs = true;
	struct py_frame f;

	for (taddr at = py_frame_last(s->img, stack_words); at && !err && s->n_frames++ < FRAMES_MOST;
	     at = py_frame_caller(s->img, at)) {
		if (!py_frame_read(s->img, &s->version, at, &f) || !f.is_on_stack)
			continue;
		source.start = at;
		source.end = runs ? f.end : f.live_end;
		runs = false;
		err = s->sink->range(s->sink, &source);
		if (!err && source.end < f.end)
			err = s->sink->exclude(s->sink, source.end, f.end);
	}
	return err;
}

static struct err *leave_frames(struct search *s, taddr at)
{
	uint64_t w[3];
	struct err *err = NULL;

	if (image_read(s->img, at, w, sizeof(w)) != MEM_OK || !w[0] || w[0] & 4095 || w[1] & 7 || w[1] < w[0] + CHUNK_DATA ||
	    w[1] > w[2] || w[2] - w[0] != word(s, w[0] + CHUNK_SIZE) || w[2] & 4095)
		return NULL;
	err = take_frames(s, at);
	if (!err && w[1] < w[2])
		err = s->sink->exclude(s->sink, w[1], w[2]);
	while (!err && s->n_chunks++ < CHUNKS_MOST) {
		taddr chunk = w[0] = word(s, w[0]), top = chunk + CHUNK_DATA + 8 * word(s, chunk + CHUNK_TOP);
		uint64_t size = word(s, chunk + CHUNK_SIZE);

		if (!chunk || chunk & 4095 || size & 4095 || top < chunk || top >= chunk + size)
			break;
		err = s->sink->exclude(s->sink, top, chunk + size);
	}
	return err;
}

static struct err *leave_frames_of_threads(struct search *s)
{
	const struct grains *g = &s->blocks->grains;
	unsigned words = py_thread_stack_words(s->img);
	struct err *err = NULL;

	if (!g->n)
		return NULL;
	for (struct grains_iter it = grains_iter(g, 0); it.id < g->n && !err; grains_next(&it)) {
		struct block b;

		if (it.size < words + 24 || !block_is_used(s->blocks, it.id))
			continue;
		block_get(s->blocks, it.id, &b);
		if (b.usable >= words + 24)
			err = leave_frames(s, b.addr + words);
	}
	return err;
}

static struct err *see_word(struct search *s, taddr at, taddr value, int32_t module)
{
	struct block b;

	struct err *err;

	if (s->has_chunks && !(value & 4095) && module >= 0) {
		err = leave_frames(s, at);
		if (err)
			return err;
	}
	if (value & 7 || !block_get_at(s->blocks, value - 2 * sizeof(value), &b) || !py_is_modules(s->img, &s->version, value))
		return NULL;
	err = add(s, at, value, module);
	return err ? err : leave_slots(s, at);
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
	s.has_chunks = py_has_frames(img);
	err = each_word(&s, see_word);
	if (!err && s.has_chunks)
		err = leave_frames_of_threads(&s);
	return err || s.is_found ? err : each_word(&s, see_state);
}

/* ---- in words */

static bool add_frame(const struct image *img, const struct py_version *v, const struct py_frame *f, struct text *ret)
{
	char file[PY_TEXT_MAX];
	unsigned line = 0;

	if (!py_frame_function(img, v, f, ret))
		return false;
	if (py_frame_line(img, v, f, file, &line)) {
		const char *slash = strrchr(file, '/');

		text_printf(ret, " (%s", slash ? slash + 1 : file);
		if (line)
			text_printf(ret, ":%u", line);
		text_add(ret, ")");
	}
	return true;
}

static bool describe(const struct image *img, const struct root_source *source, uint64_t where, struct text *ret)
{
	struct py_version v;
	struct py_frame f;
	size_t n;

	if (source->first != FIRST_FRAME || !py_version(img, &v))
		return false;
	text_add(ret, "stack of ");
	if (source->thread < img->n_threads)
		text_printf(ret, "thread %u", img->threads[source->thread].tid);
	else
		text_add(ret, "an unknown thread");
	if (!py_frame_read(img, &v, source->start, &f))
		return true;
	n = ret->n;
	text_add(ret, " in ");
	if (!add_frame(img, &v, &f, ret))
		text_cut(ret, n);
	n = ret->n;
	text_add(ret, ": ");
	if (!py_frame_variable(img, &v, &f, where, ret))
		text_cut(ret, n);
	return true;
}

static bool place(const struct image *img, const struct root_source *source, uint64_t where, struct root_place *ret)
{
	char file[PY_TEXT_MAX];
	struct py_version v;
	struct py_frame f;

	if (source->first != FIRST_FRAME || !py_version(img, &v))
		return false;
	if (!py_frame_read(img, &v, source->start, &f))
		return true;
	py_frame_function(img, &v, &f, &ret->function);
	add_frame(img, &v, &f, &ret->frame);
	py_frame_variable(img, &v, &f, where, &ret->variable);
	if (py_frame_line(img, &v, &f, file, &ret->line))
		text_add(&ret->file, file);
	return true;
}

extern const struct rooter_ops rooter_python;
const struct rooter_ops rooter_python = { .name = "python", .find = find, .describe = describe, .place = place };
