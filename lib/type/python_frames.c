/*
 * python_frames.c - frames of 3.11 and later, each held against its code: as many names as variables.
 *
 * A frame that computes keeps the end of its values in a register of the interpreter's: all of its room may be in use
 * then.
 */
#include "type/python_frames.h"

#include "base/bits.h"
#include "base/guard.h"
#include "image/python.h"

enum {
	LOCALS_MOST = 1 << 16,
	STACK_MOST = 1 << 20,
	TAG_BITS = 3,	    /* of _PyStackRef, since 3.14 */
	ON_STACK = 0, /* FRAME_OWNED_BY_THREAD */
	ON_GENERATOR = 1, /* FRAME_OWNED_BY_GENERATOR */
	CODE_NAMES = 96,    /* co_localsplusnames */
	CODE_FILE = 112,
	CODE_QUALNAME = 128,
	CODE_LINES = 136,   /* co_linetable */
	BYTES_DATA = 32,
	LINES_MOST = 1 << 20, /* bytes of a line table */
};

static const struct layout {
	unsigned minor;
	/* PyThreadState */
	unsigned stack_words, native_id, current;
	int in_cframe; /* where the frame is in what `current` leads to; -1: `current` leads to the frame */
	/* struct _PyInterpreterFrame */
	unsigned code, globals, namespace, previous, instruction, top, owner, locals;
	/* PyCodeObject */
	unsigned n_locals, stack_size, first_line, instructions;
	/* PyGenObject, PyFrameObject */
	unsigned in_generator, in_frame;
	int executing, cleared; /* FRAME_EXECUTING, FRAME_CLEARED */
} layouts[] = {
	{ 11, 296, 160, 56, 8, 32, 8, 24, 48, 56, 64, 69, 72, 76, 68, 72, 184, 80, 48, 0, 4 },
	{ 12, 232, 144, 56, 0, 0, 24, 40, 8, 56, 64, 70, 72, 72, 64, 68, 192, 72, 48, 0, 4 },
	{ 13, 232, 160, 72, -1, 0, 24, 40, 8, 56, 64, 70, 72, 72, 64, 68, 200, 72, 64, 0, 4 },
	{ 14, 232, 160, 72, -1, 0, 24, 40, 8, 56, 64, 74, 80, 72, 64, 68, 208, 72, 72, 0, 4 },
	{ 15, 256, 184, 72, -1, 0, 24, 40, 8, 56, 64, 74, 80, 72, 64, 68, 208, 72, 72, 4, 5 },
};

static const struct layout *layout_of(const struct image *img)
{
	for (size_t i = 0; img->python && i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].minor == img->python->minor)
			return &layouts[i];
	return NULL;
}

static uint64_t word(const struct image *img, taddr at)
{
	uint64_t w;

	return at && image_read_u64(img, at, &w) == MEM_OK ? w : 0;
}

static bool number(const struct image *img, taddr at, uint32_t most, uint32_t *ret)
{
	return image_read_u32(img, at, ret) == MEM_OK && *ret <= most;
}

bool py_has_frames(const struct image *img)
{
	return layout_of(img) != NULL;
}

unsigned py_thread_stack_words(const struct image *img)
{
	return layout_of(img)->stack_words;
}

uint64_t py_thread_id(const struct image *img, taddr stack_words)
{
	const struct layout *l = layout_of(img);

	return word(img, stack_words - l->stack_words + l->native_id);
}

taddr py_frame_last(const struct image *img, taddr stack_words)
{
	const struct layout *l = layout_of(img);
	taddr current = word(img, stack_words - l->stack_words + l->current);

	return l->in_cframe < 0 || !current ? current : word(img, current + (unsigned)l->in_cframe);
}

taddr py_frame_caller(const struct image *img, taddr at)
{
	return word(img, at + layout_of(img)->previous);
}

/* The names of a code's variables: a tuple that has as many. */
static bool has_names(const struct image *img, const struct py_version *v, taddr code, uint32_t n)
{
	taddr names = word(img, code + CODE_NAMES);
	struct py_type t;

	return python_is_object(img, names) && py_type(img, v, word(img, names + PY_TYPE), &t) && py_is_plain_tuple(img, &t) &&
	       word(img, names + PY_SIZE) == n;
}

/* Since 3.14 an address, written down before each call: a frame that computes by itself may have an old one. */
static taddr live_end(const struct image *img, const struct layout *l, const struct py_frame *f)
{
	uint32_t top;

	if (l->minor >= 14) {
		taddr at = word(img, f->at + l->top);

		return at >= f->locals + 8 * (uint64_t)f->n_locals && at <= f->end && !(at & 7) ? at : f->end;
	}
	return number(img, f->at + l->top, STACK_MOST, &top) && f->locals + 8 * (uint64_t)top <= f->end &&
			       top >= f->n_locals ?
		       f->locals + 8 * (uint64_t)top :
		       f->end;
}

bool py_frame_read(const struct image *img, const struct py_version *v, taddr at, struct py_frame *ret)
{
	const struct layout *l = layout_of(img);
	struct py_frame f = { .at = at };
	uint32_t stack;
	uint8_t owner;

	if (!l || !at || at & 7)
		return false;
	f.code = word(img, at + l->code) & ~(uint64_t)TAG_BITS;
	f.locals = at + l->locals;
	if (!python_is_object(img, f.code) || !number(img, f.code + l->n_locals, LOCALS_MOST, &f.n_locals) ||
	    !number(img, f.code + l->stack_size, STACK_MOST, &stack) || !has_names(img, v, f.code, f.n_locals) ||
	    image_read(img, at + l->owner, &owner, 1) != MEM_OK)
		return false;
	f.end = f.locals + 8 * ((uint64_t)f.n_locals + stack);
	f.live_end = live_end(img, l, &f);
	f.is_on_stack = owner == ON_STACK;
	f.is_generators = owner == ON_GENERATOR;
	*ret = f;
	return true;
}

bool py_frame_variable(const struct image *img, const struct py_version *v, const struct py_frame *f, taddr at,
		       struct text *ret)
{
	const struct layout *l = layout_of(img);
	uint64_t i = (at - f->locals) / 8;
	char name[PY_TEXT_MAX];

	if (at == f->at + l->globals || at == f->at + l->namespace) {
		text_add(ret, at == f->at + l->globals ? "globals()" : "locals()");
		return true;
	}
	if (at < f->locals || i >= f->n_locals ||
	    !py_read_text(img, v, word(img, word(img, f->code + CODE_NAMES) + v->tuple + 8 * i), name))
		return false;
	text_add(ret, name);
	return true;
}

bool py_frame_function(const struct image *img, const struct py_version *v, const struct py_frame *f, struct text *ret)
{
	char name[PY_TEXT_MAX];

	if (!py_read_text(img, v, word(img, f->code + CODE_QUALNAME), name))
		return false;
	text_add(ret, name);
	return true;
}

/* ---- lines */

struct lines {
	const struct image *img;
	taddr at, end;
};

static uint8_t byte(struct lines *t)
{
	uint8_t b = 0;

	if (t->at < t->end && image_read(t->img, t->at, &b, 1) != MEM_OK)
		b = 0;
	t->at++;
	return b;
}

/* Six bits a byte, the lowest first; 0x40: more follow. */
static uint32_t varint(struct lines *t)
{
	uint32_t value = 0;
	uint8_t b = 0x40;

	for (unsigned shift = 0; b & 0x40 && shift < 30 && t->at < t->end; shift += 6)
		value |= (uint32_t)((b = byte(t)) & 63) << shift;
	return value;
}

/* What an entry adds to the line. */
static int line_step(struct lines *t, unsigned kind)
{
	enum { ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
	int step = 0;

	if (kind == NONE)
		return 0;
	if (kind == NO_COLUMNS || kind == LONG) {
		uint32_t u = varint(t);

		step = u & 1 ? -(int)(u >> 1) : (int)(u >> 1);
		for (unsigned i = 0; kind == LONG && i < 3; i++)
			varint(t);
		return step;
	}
	if (kind >= ONE_LINE) {
		step = (int)kind - ONE_LINE;
		byte(t);
	}
	byte(t);
	return step;
}

/* Of the instruction with that number. */
static unsigned line_at(const struct image *img, taddr table, uint32_t first, uint64_t instruction)
{
	uint64_t n = word(img, table + PY_SIZE), at = 0;
	struct lines t = { img, table + BYTES_DATA, table + BYTES_DATA + n };
	int64_t line = first;

	if (!python_is_object(img, table) || n > LINES_MOST)
		return 0;
	while (t.at < t.end) {
		enum { ENTRY = 0x80, NONE = 15 };
		uint8_t b = byte(&t);
		unsigned kind = b >> 3 & 15;

		if (!(b & ENTRY))
			return 0;
		line += line_step(&t, kind);
		at += (b & 7u) + 1;
		if (instruction < at)
			return kind == NONE || line <= 0 || line > UINT32_MAX / 2 ? 0 : (unsigned)line;
	}
	return 0;
}

bool py_frame_line(const struct image *img, const struct py_version *v, const struct py_frame *f, char ret_file[PY_TEXT_MAX],
		   unsigned *ret_line)
{
	const struct layout *l = layout_of(img);
	taddr at = word(img, f->at + l->instruction), code = f->code + l->instructions;
	uint32_t first = 0;

	if (!py_read_text(img, v, word(img, f->code + CODE_FILE), ret_file) ||
	    image_read_u32(img, f->code + l->first_line, &first) != MEM_OK)
		return false;
	*ret_line = at < code ? 0 : line_at(img, word(img, f->code + CODE_LINES), first, (at - code) / 2);
	return true;
}

unsigned py_frame_in(const struct image *img, const struct py_type *t)
{
	const struct layout *l = layout_of(img);

	if (!l || t->item != 8)
		return 0;
	if (t->basic == l->in_generator + l->locals)
		return l->in_generator;
	return t->basic == l->in_frame + l->locals ? l->in_frame : 0;
}

taddr py_frame_over(const struct image *img, const struct py_version *v, const struct py_type *t, taddr object)
{
	enum { STATE_BACK = 5 };
	const struct layout *l = layout_of(img);
	unsigned in = py_frame_in(img, t);
	struct py_frame f;
	int8_t state;

	if (!in || !py_frame_read(img, v, object + in, &f))
		return 0;
	if (!f.is_generators || image_read(img, object + in - STATE_BACK, &state, 1) != MEM_OK)
		return f.live_end;
	return state >= l->cleared ? f.locals : state == l->executing ? f.end : f.live_end;
}
