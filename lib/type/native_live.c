/*
 * type/native_live.c - which bytes of a block hold values: what is behind a vector's end, before a
 * deque's first value or in a table's empty slots was one once, or never.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/search.h"
#include "base/vec.h"
#include "type/native.h"

enum { WORD = 8 };

struct adding {
	struct native *n;
	struct native_live *live;
	struct err *err;
};

static struct err *add(struct adding *a, taddr at, uint64_t from, uint64_t to)
{
	struct native_live *live = a->live;
	uint32_t id = block_at(a->n->blocks, at);
	struct native_part part = { id, from, to };

	if (id == BLOCK_NONE || live->is_full)
		return NULL;
	if (!live->n)
		live->max = native_words(a->n) / 4; /* a run of values, and a gap */
	if (live->n >= live->max) {
		live->is_full = true;
		diag(a->n->env, "type/shared-room", at,
		     "more containers than there is memory say which values are in use: the rest is taken for used");
		return NULL;
	}
	return vec_push(live, &part) ? NULL : &err_nomem;
}

/* `w`: start, end. */
static struct err *on_vector(struct adding *a, const uint8_t *w)
{
	uint64_t start = load_u64(w), end = load_u64(w + WORD);

	return start && end >= start ? add(a, start, 0, end - start) : NULL;
}

static struct err *on_deque(struct adding *a, const uint8_t *w, const struct native_slot *slot)
{
	struct err *err = NULL;
	struct native_deque d;
	const uint8_t *nodes;
	uint64_t avail = 0;

	if (!native_deque_read(slot, w, &d))
		return NULL;
	nodes = native_view(a->n, d.first, &avail);
	for (uint64_t i = 0; nodes && i < d.n && (i + 1) * WORD <= avail && !err && !a->live->is_full; i++) {
		uint64_t from, to;

		native_deque_part(&d, i, &from, &to);
		err = add(a, load_u64(nodes + i * WORD), from, to);
	}
	return err;
}

static bool on_run(void *arg, const struct native_run *run)
{
	struct adding *a = arg;

	a->err = add(a, run->start, run->from, run->to);
	return !a->err && !a->live->is_full;
}

static bool is_deque(const struct native_slot *slot)
{
	return slot->op == NATIVE_DEQUE || slot->op == NATIVE_LIBCXX_DEQUE;
}

/* What a container has values of; NULL: it is none. */
static struct native_type *valued(struct native *n, const struct native_slot *slot)
{
	if (slot->op == NATIVE_POINTER || slot->op == NATIVE_DYN || slot->op == NATIVE_ERASED)
		return NULL;
	if (!is_deque(slot))
		return slot->to;
	dbg_type_load(slot->to->dbg);
	return native_type_of(n, slot->to->dbg->to);
}

static struct err *on_slot(struct adding *a, const uint8_t *value, uint64_t size, const struct native_slot *slot)
{
	uint64_t left = size > slot->offset ? size - slot->offset : 0;

	if (slot->op == NATIVE_VECTOR && left >= 3 * WORD)
		return on_vector(a, value + slot->offset);
	if (is_deque(slot) && left >= (slot->op == NATIVE_DEQUE ? NATIVE_DEQUE_BYTES : NATIVE_LIBCXX_DEQUE_BYTES))
		return on_deque(a, value + slot->offset, slot);
	if (slot->op == NATIVE_RUST)
		native_rust_runs(a->n, value, size, slot, on_run, a);
	if (slot->op == NATIVE_KHASH)
		native_khash_runs(a->n, value, size, slot, on_run, a);
	return a->err;
}

static struct native_values values_of(const struct native_shape *shape, const uint8_t *bytes, uint64_t size)
{
	struct native_values v = { 0, 0 };
	uint64_t one = shape->type->dbg->size;

	if (shape->kind == NATIVE_VALUE)
		v.n = size >= one;
	else if (shape->kind == NATIVE_ARRAY || shape->kind == NATIVE_TABLE)
		v.n = size / one;
	else if (shape->kind == NATIVE_SHARED)
		v = (struct native_values){ NATIVE_SHARED_HEAD, size > NATIVE_SHARED_HEAD ? (size - NATIVE_SHARED_HEAD) / one : 0 };
	else if (size >= WORD && load_u64(bytes) <= (size - WORD) / one)
		v = (struct native_values){ WORD, load_u64(bytes) };
	return v;
}

bool native_live_says(struct native *n, struct native_type *type, bool (*wanted)(struct native *n, struct native_type *type))
{
	bool ret = false;

	native_compile(n, type);
	for (uint32_t i = 0; i < type->n_slots && !ret; i++) {
		struct native_type *of = valued(n, &type->slots[i]);

		ret = of && wanted(n, of);
	}
	return ret;
}

struct err *native_live_add(struct native *n, struct native_live *live, const struct native_shape *shape, const uint8_t *bytes,
			    uint64_t size, bool (*wanted)(struct native *n, struct native_type *type))
{
	struct native_values v = values_of(shape, bytes, size);
	struct adding a = { .n = n, .live = live };
	uint64_t one = shape->type->dbg->size;
	struct err *err = NULL;

	for (uint64_t i = 0; i < v.n && !err && !live->is_full; i++) {
		const uint8_t *value = bytes + v.at + i * one;

		for (uint32_t k = 0; k < shape->type->n_slots && !err; k++) {
			const struct native_slot *slot = &shape->type->slots[k];
			struct native_type *type = valued(n, slot);

			if (type && wanted(n, type) && native_holds(slot->guard, value, one))
				err = on_slot(&a, value, one, slot);
		}
	}
	return err;
}

static int by_id(const void *pa, const void *pb)
{
	const struct native_part *a = pa, *b = pb;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->to < b->to ? 1 : a->to > b->to ? -1 : 0;
}

void native_live_sort(struct native_live *live)
{
	if (live->n)
		qsort(live->v, live->n, sizeof(*live->v), by_id);
}

void native_live_spare(const struct native *n, struct native_live *live)
{
	size_t kept = 0, end;

	for (size_t i = 0; i < live->n; i = end) {
		struct block b;
		bool is_full = false;

		block_get(n->blocks, live->v[i].id, &b);
		for (end = i; end < live->n && live->v[end].id == live->v[i].id; end++)
			is_full = is_full || (!live->v[end].from && live->v[end].to + WORD > b.usable);
		for (size_t k = i; k < end && !is_full; k++)
			live->v[kept++] = live->v[k];
	}
	live->n = kept;
}

bool native_is_spare(const struct native_live *live, uint32_t id, uint64_t offset)
{
	size_t i = partition_point(live->n, k, live->v[k].id < id);
	bool ret = i < live->n && live->v[i].id == id && !live->is_full;

	for (; i < live->n && live->v[i].id == id; i++)
		ret = ret && (offset < live->v[i].from || offset >= live->v[i].to);
	return ret;
}

void native_live_fini(struct native_live *live)
{
	free(live->v);
}

/* Values in what is in use. */
static struct native_values cut(const struct native_part *part, uint64_t one, const struct native_values *all)
{
	uint64_t end = all->at + all->n * one < part->to ? all->at + all->n * one : part->to;
	struct native_values v = { part->from, 0 };

	if (part->from < end)
		v.n = (end - part->from) / one;
	return v;
}

bool native_live_next(struct native_live_iter *it, uint32_t id, const struct native_shape *shape, const uint8_t *bytes,
		      uint64_t size, struct native_values *ret)
{
	const struct native_live *l = it->live;
	struct native_values all = values_of(shape, bytes, size);

	if (!it->begun) {
		it->begun = true;
		it->at = partition_point(l->n, k, l->v[k].id < id);
		it->all = it->at == l->n || l->v[it->at].id != id;
		*ret = all;
		if (it->all)
			return true;
	}
	for (; !it->all && it->at < l->n && l->v[it->at].id == id; it->at++) {
		const struct native_part *part = &l->v[it->at];

		if (part->from < it->end)
			continue; /* two say the same of it */
		it->end = part->to;
		*ret = cut(part, shape->type->dbg->size, &all);
		it->at++;
		return true;
	}
	return false;
}
