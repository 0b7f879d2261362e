/*
 * type/native_vtables.c - objects of C++ by the vtable pointers in them (image/cxx.h).
 *
 * The first word of an object with virtual functions or bases is such a pointer, always.  That a
 * block begins with one does not make it an object: memory that an allocator did not clear keeps
 * the words of what lay there before.  So the other vtable pointers of its class must be where they
 * belong, and the block as large as most blocks of that class are; else the name is a guess.  A
 * larger one that repeats the pointer evenly is an array.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "type/native.h"

enum {
	WORD = 8,
	SIZES = 8,	/* of blocks of one class that are told apart */
	ROUNDING = 24,	/* bytes that malloc may give more than were asked for */
	STRIDES = 1 << 10, /* words looked at for the second element of an array */
	PROBES = 16,	/* elements of an array that are looked at */
	FUNCTIONS = 3, /* of a vtable that are looked at */
	SURE = 3,	/* repetitions that are none by chance */
};

/* A class as its blocks show it: cxx_class.user. */
struct seen {
	struct {
		uint64_t usable, count;
	} sizes[SIZES];
	uint64_t typical; /* the most frequent of them */
	struct native_type *type; /* NULL: DWARF does not have it */
	struct native_shape *shapes[NATIVE_KINDS][2]; /* sure, and guessed */
};

/*
 * Instances of templates for lambdas debug info has under other names than symbols and type_info have
 * (GCC "<lambda(int)>" and "{lambda(int)#1}", clang "(lambda at a.cpp:7:3)" and "$_0", "{lambda(int)#1}",
 * "'lambda'(int)"): what comes before the arguments is alike.
 */
static bool is_lambdas(const char *name, const char *dwarf)
{
	static const char *const marks[] = { "{lambda(", "'lambda", "::$_" };
	size_t plain = strcspn(name, "<");

	if (strncmp(dwarf, name, plain + 1) != 0 || (!strstr(dwarf, "<lambda(") && !strstr(dwarf, "(lambda at ")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strstr(name + plain, marks[i]))
			return true;
	return false;
}

/* Of several units' classes with such a name none is known by it. */
static bool is_apart(const char *name)
{
	return strstr(name, "(anonymous namespace)") || strstr(name, "{lambda(") || strstr(name, "'lambda") || strstr(name, "::$_") ||
	       strstr(name, "{unnamed");
}

/* The class by its functions: two of one name are told apart so. Each costs a walk through a unit. */
static const struct dbg_type *class_of(struct native *n, const char *name, taddr vtable)
{
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		const struct dbg_type *class;
		const struct module *m;
		uint64_t at;

		if (image_read_u64(n->img, vtable + i * WORD, &at) || !at)
			continue;
		m = image_module_at(n->img, at);
		class = m && n->dwarf[m - n->img->modules] ? dbg_func_class(n->dwarf[m - n->img->modules], at - m->bias) : NULL;
		if (class && class->name &&
		    (dbg_name_hash(class->name) == dbg_name_hash(name) || is_lambdas(name, class->name)))
			return class;
	}
	return NULL;
}

/* `vtable`: the first word of one. */
static struct seen *seen_of(struct native *n, struct cxx_class *of, taddr vtable)
{
	struct seen *seen = of->user;
	const struct dbg_type *class;

	if (!seen) {
		of->user = seen = arena_alloc(&n->mem, sizeof(*seen));
		if (seen) {
			seen->type = native_type_named(n, of->name, NULL);
			class = n->has_dwarf && !seen->type && is_apart(of->name) ? class_of(n, of->name, vtable) : NULL;
			if (class)
				seen->type = native_type_of(n, class);
		}
	}
	return seen;
}

struct native_type *native_class_type(struct native *n, taddr vtable)
{
	const struct cxx_point *p = cxx_point_at(&n->cxx, vtable);
	struct seen *seen = p->of && !p->inside ? seen_of(n, p->of, vtable) : NULL;

	return seen ? seen->type : NULL;
}

static void count_size(struct seen *seen, uint64_t usable)
{
	for (unsigned i = 0; i < SIZES; i++) {
		if (seen->sizes[i].count && seen->sizes[i].usable != usable)
			continue;
		seen->sizes[i].usable = usable;
		seen->sizes[i].count++;
		return;
	}
}

/* DWARF says how large one is: nobody has to see how large most are. */
static bool is_measured(const struct seen *seen, const struct cxx_point *p)
{
	return seen->type && seen->type->dbg->size >= p->least;
}

/* What DWARF says, or else the most frequent size. */
static uint64_t typical_size(struct seen *seen, const struct cxx_point *p)
{
	uint64_t most = 0;

	if (is_measured(seen, p))
		return seen->type->dbg->size;

	for (unsigned i = 0; i < SIZES && !seen->typical; i++)
		most = seen->sizes[i].count > most ? seen->sizes[i].count : most;
	for (unsigned i = 0; i < SIZES && most; i++)
		if (seen->sizes[i].count == most &&
		    (!seen->typical || seen->sizes[i].usable < seen->typical))
			seen->typical = seen->sizes[i].usable;
	return seen->typical;
}

static struct err *assign(struct native *n, uint32_t id, struct cxx_class *of, enum native_kind kind, bool is_guess)
{
	struct seen *seen = of->user; /* seen_of() was asked */
	struct native_shape **shape = seen ? &seen->shapes[kind][is_guess] : NULL;

	if (!seen)
		return &err_nomem;
	if (!*shape)
		*shape = native_shape_new(n, of->name, kind, is_guess, LANG_CXX);
	if (!*shape)
		return &err_nomem;
	(*shape)->type = seen->type;
	(*shape)->by_class = true;
	return native_assign(n, id, *shape, is_guess ? TYPE_GUESSED : TYPE_EXACT);
}

/* ---- one block */

/* The bytes of a block as far as they are at hand; NULL: not even a word. */
static const uint8_t *bytes_of(struct native *n, const struct native_block *b, uint64_t *ret)
{
	uint64_t avail = 0;
	const uint8_t *bytes = native_view(n, b->at, &avail);

	*ret = b->usable < avail ? b->usable : avail;
	return *ret >= WORD ? bytes : NULL;
}

/* What an object says that begins with a word; NULL: it is none, or has no room. */
static const struct cxx_point *object_at(struct native *n, uint64_t word, uint64_t room)
{
	const struct cxx_point *p = cxx_point_at(&n->cxx, word);

	return p->of && !p->inside && room >= p->least ? p : NULL;
}

static bool has_parts(const struct cxx_point *p, const uint8_t *bytes, uint64_t size)
{
	for (uint32_t i = 0; i < p->n_parts; i++) {
		const struct cxx_part *part = &p->parts[i];

		if (part->offset > size - WORD || load_u64(bytes + part->offset) != part->point)
			return false;
	}
	return true;
}

/* So many bytes are one object and what malloc rounded up. */
static bool is_near(uint64_t usable, uint64_t typical)
{
	return usable <= typical ? typical - usable <= ROUNDING :
				   usable - typical <= ROUNDING || usable - typical < typical / 4;
}

/* How often the first word is repeated `stride` bytes apart, as far as is looked at. */
static unsigned repeats(const uint8_t *bytes, uint64_t size, uint64_t stride, uint64_t *ret_end)
{
	uint64_t word = load_u64(bytes), at = stride;
	unsigned n = 0;

	for (; size - at >= stride && n < PROBES && load_u64(bytes + at) == word; at += stride)
		n++;
	*ret_end = at;
	return n;
}

enum array { ARRAY_NONE, ARRAY_PERHAPS, ARRAY_SURE };

/* Objects one after another, to the end of the block; or several and then room for more: a vector. */
static enum array array_of(const struct cxx_point *p, const uint8_t *bytes, uint64_t size, uint64_t typical)
{
	uint64_t word = load_u64(bytes), end;
	uint64_t most = typical + ROUNDING < size / 2 ? typical + ROUNDING : size / 2;

	for (uint64_t stride = p->least; stride <= most && stride <= STRIDES * WORD; stride += WORD) {
		unsigned n = load_u64(bytes + stride) == word ? repeats(bytes, size, stride, &end) : 0;

		/* The second of two may be what lay there before, in what malloc rounded up. */
		if (n == 1 && size - stride <= ROUNDING)
			return ARRAY_PERHAPS;
		if (n)
			return n >= SURE || size - end < stride + ROUNDING ? ARRAY_SURE : ARRAY_PERHAPS;
	}
	return ARRAY_NONE;
}

/* `count` of them and nothing else, behind what new[] keeps. */
static bool is_counted(const struct cxx_point *p, const uint8_t *bytes, uint64_t size, uint64_t count)
{
	uint64_t stride = align_down(size / count, WORD), end;

	for (; stride >= p->least && size - stride * count < ROUNDING + WORD; stride -= WORD)
		if (count == 1 || repeats(bytes, stride * count, stride, &end) + 1 >= (count < PROBES ? count : PROBES))
			return true;
	return false;
}

/* ---- all blocks: which are there, then what each is */

static struct err *found(struct native *n, uint32_t id, struct cxx_class *of, enum native_kind kind, bool is_guess)
{
	struct err *err = assign(n, id, of, kind, is_guess);

	return err ? err : col_append(&n->objects, &id, 1);
}

/* An object alone or the first of an array, sure or a guess as before. */
static struct err *judge(struct native *n, const struct native_block *b, const struct cxx_point *p,
			 const uint8_t *bytes, uint64_t size)
{
	uint64_t typical = typical_size(p->of->user, p);
	enum array array = array_of(p, bytes, size, typical);

	if (array)
		return assign(n, b->id, p->of, NATIVE_ARRAY, array == ARRAY_PERHAPS);
	if (!is_near(b->usable, typical) || !has_parts(p, bytes, size))
		return NULL;
	return assign(n, b->id, p->of, NATIVE_VALUE, false);
}

struct finding {
	struct native *n;
	bool unmeasured; /* some object's class is */
};

static struct err *on_object(void *arg, const struct native_block *b)
{
	struct finding *f = arg;
	struct native *n = f->n;
	uint64_t size, first;
	const uint8_t *bytes = bytes_of(n, b, &size);
	const struct cxx_point *p;
	struct seen *seen;
	struct err *err;

	if (!bytes || n->cols->confidence[b->id] >= TYPE_EXACT)
		return NULL;
	first = load_u64(bytes);
	p = object_at(n, first, b->usable);
	if (p) {
		seen = seen_of(n, p->of, first);
		if (!seen)
			return &err_nomem;
		if (seen->type && b->usable < seen->type->dbg->size)
			return NULL;
		count_size(seen, b->usable);
		err = found(n, b->id, p->of, NATIVE_VALUE, true);
		if (err || is_measured(seen, p))
			return err ? err : judge(n, b, p, bytes, size);
		f->unmeasured = true;
		return NULL;
	}
	if (!first || first > size / WORD || size < 2 * WORD)
		return NULL;
	p = object_at(n, load_u64(bytes + WORD), size - WORD);
	if (!p || !is_counted(p, bytes + WORD, size - WORD, first))
		return NULL;
	if (!seen_of(n, p->of, load_u64(bytes + WORD)))
		return &err_nomem;
	image_keep_exact(n->img, bytes, WORD);
	/* One object behind a 1 may be any struct. */
	return found(n, b->id, p->of, NATIVE_COUNTED, first == 1);
}

static struct err *on_typed(void *arg, const struct native_block *b)
{
	struct native *n = arg;
	struct native_shape *now = native_shape_now(n, b->id);
	const struct cxx_point *p;
	const uint8_t *bytes;
	uint64_t size;

	if (!now || !now->is_guess || now->kind != NATIVE_VALUE)
		return NULL;
	bytes = bytes_of(n, b, &size);
	p = cxx_point_at(&n->cxx, load_u64(bytes));
	return is_measured(p->of->user, p) ? NULL : judge(n, b, p, bytes, size);
}

struct err *native_vtables(struct native *n)
{
	struct finding f = { .n = n };
	struct err *err = col_open(n->env, sizeof(uint32_t), n->blocks->grains.n, "types", &n->objects);

	if (!err)
		err = native_each_headed(n, on_object, &f);
	return err || !f.unmeasured ? err : native_each_object(n, on_typed, n);
}
