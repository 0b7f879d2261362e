/*
 * image/go_type_slots.c - what is where inside a value: pointer words, and names of bytes.
 *
 * Values nest: arrays in structs in arrays.  A stack of bounded depth, for descriptors may lie; parts
 * never overlap (go_type.c), so that no more steps are made than there are parts.
 */
#include "image/go_type.h"

#include <string.h>

#include "base/search.h"

enum { DEPTH = 64 };

struct level {
	const struct go_type *type;
	uint64_t base, i; /* offset of this part; the next of its own */
};

/* Offset in the value of the word that the collector follows: an interface's second, else the first. */
static uint64_t slot_offset(const struct go_type *t)
{
	return t->kind == GO_INTERFACE ? 8 : 0;
}

/* The next part of a level that has pointers; NULL at its end. */
static const struct go_type *next_part(struct level *l, uint64_t *ret_base)
{
	const struct go_type *t = l->type;

	if (t->kind == GO_ARRAY) {
		if (!t->elem || l->i >= t->len)
			return NULL;
		*ret_base = l->base + l->i++ * t->elem->size;
		return t->elem;
	}
	while (l->i < t->n_fields) {
		const struct go_field *f = &t->fields[l->i++];

		if (!f->type->ptr_bytes)
			continue;
		*ret_base = l->base + f->offset;
		return f->type;
	}
	return NULL;
}

void go_type_pointers(const struct go *go, const struct go_type *type,
		      bool (*fn)(void *arg, uint64_t offset, const struct go_type *slot), void *arg)
{
	struct level stack[DEPTH] = { { .type = type } };
	unsigned n = 1;

	(void)go;
	if (!type->ptr_bytes)
		return;
	if (type->kind != GO_ARRAY && type->kind != GO_STRUCT) {
		fn(arg, slot_offset(type), type);
		return;
	}
	while (n) {
		uint64_t base = 0;
		const struct go_type *part = next_part(&stack[n - 1], &base);

		if (!part || !part->ptr_bytes) {
			n--;
		} else if (part->kind != GO_ARRAY && part->kind != GO_STRUCT) {
			if (!fn(arg, base + slot_offset(part), part))
				return;
		} else if (n < DEPTH) {
			stack[n++] = (struct level){ .type = part, .base = base };
		} else {
			return;
		}
	}
}

/* The field that covers an offset: the last that begins at or before it, unless it is too short. */
static const struct go_field *field_at(const struct go_type *t, uint64_t offset)
{
	size_t lo = partition_point(t->n_fields, i, t->fields[i].offset <= offset);

	/* An empty one may begin where the covering one ends, or before it. */
	while (lo && !t->fields[lo - 1].type->size)
		lo--;
	if (!lo || offset - t->fields[lo - 1].offset >= t->fields[lo - 1].type->size)
		return NULL;
	return &t->fields[lo - 1];
}

/* To who uses them. */
static bool is_one_thing(const struct go_type *t)
{
	static const char *const names[] = { "sync.Map", "sync.Mutex", "sync.RWMutex",
					     "sync.WaitGroup", "sync.Cond" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(t->name, names[i]))
			return true;
	return false;
}

const struct go_type *go_type_path(const struct go *go, const struct go_type *t, uint64_t offset,
				   struct text *ret)
{
	(void)go;
	for (unsigned depth = 0; t && offset < t->size && depth < DEPTH; depth++) {
		if (t->kind == GO_ARRAY) {
			if (!t->elem || !t->elem->size)
				return NULL;
			if (ret)
				text_printf(ret, "[%llu]",
					    (unsigned long long)(offset / t->elem->size));
			offset %= t->elem->size;
			t = t->elem;
		} else if (t->kind == GO_STRUCT) {
			const struct go_field *f = field_at(t, offset);

			if (!f)
				return NULL;
			if (is_one_thing(t))
				ret = NULL;
			if (ret)
				text_printf(ret, ".%s", f->name);
			offset -= f->offset;
			t = f->type;
		} else {
			return t;
		}
	}
	return NULL;
}
