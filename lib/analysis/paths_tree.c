/*
 * analysis/paths_tree.c - paths by names: a tree of names that folds what repeats.
 *
 * What is too deep, or one path too many, ends in "(deeper)" and "(other)".
 */
#include "analysis/paths_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum {
	DEPTH_MAX = 96,
	REPEATS_MAX = 3, /* a tree of k pointers a node would be k! paths else */
	PAIRS_FIRST = 1024,
};

/* ---- tables ---- */

static bool pair_grow(struct pair_table *t)
{
	struct pair_table bigger = { .n = t->n,
				     .n_slots = t->n_slots ? 2 * t->n_slots : PAIRS_FIRST };

	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < t->n_slots; i++)
		if (t->slots[i].value)
			*pair_find(&bigger, t->slots[i].a, t->slots[i].b) = t->slots[i];
	free(t->slots);
	*t = bigger;
	return true;
}

uint32_t *pair_place(struct pair_table *t, uint64_t a, uint64_t b)
{
	struct pair_slot *slot;

	if (2 * (t->n + 1) > t->n_slots && !pair_grow(t))
		return NULL;
	slot = pair_find(t, a, b);
	if (!slot->value) {
		slot->a = a;
		slot->b = b;
		t->n++;
	}
	return &slot->value;
}

/* ---- names ---- */

static uint64_t hash_text(const char *s, uint64_t h)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h ^ h >> 31;
}

static uint32_t frame_of(struct path_tree *t, const char *name, const char *type)
{
	uint64_t a = hash_text(name, 0xcbf29ce484222325), b = hash_text(type ? type : "", a);
	uint32_t *place = pair_place(&t->names, a, b);
	struct path_frame frame = { .type = type };

	if (!place)
		return PATH_NONE;
	if (*place)
		return *place - 1;
	frame.name = arena_strdup(t->mem, name);
	if (!frame.name || t->frames.n >= PATH_NONE - 1 || !vec_push(&t->frames, &frame)) {
		t->names.n--; /* the place stays empty */
		return PATH_NONE;
	}
	t->frames.v[t->frames.n - 1].bare = (uint32_t)t->frames.n - 1;
	*place = (uint32_t)t->frames.n;
	return *place - 1;
}

/* ---- paths ---- */

void path_tree_fini(struct path_tree *t)
{
	free(t->rows.v);
	free(t->frames.v);
	free(t->children.slots);
	free(t->names.slots);
	*t = (struct path_tree){};
}

static uint32_t row_of(struct path_tree *t, uint32_t parent, uint32_t frame, uint32_t label)
{
	struct path_row row = { .parent = parent, .frame = frame, .label = label };
	uint32_t *place = pair_place(&t->children, (uint64_t)parent << 32 | label, frame);

	if (!place)
		return PATH_NONE;
	if (*place)
		return *place - 1;
	if (parent != PATH_NONE)
		row.depth = (uint16_t)(t->rows.v[parent].depth + 1);
	if (t->rows.n >= PATH_NONE - 1 || !vec_push(&t->rows, &row)) {
		t->children.n--;
		return PATH_NONE;
	}
	*place = (uint32_t)t->rows.n;
	return *place - 1;
}

uint32_t path_root(struct path_tree *t, const char *name, uint32_t label)
{
	uint32_t frame;

	if (t->rows.n >= t->max) {
		t->n_ended++;
		name = "(other)";
		label = 0;
	}
	frame = frame_of(t, name, NULL);
	return frame == PATH_NONE ? PATH_NONE : row_of(t, PATH_NONE, frame, label);
}

/* Where the frame stands on the way to `from` already; PATH_NONE: nowhere. */
static uint32_t earlier(const struct path_tree *t, uint32_t from, uint32_t frame)
{
	uint32_t at = from;

	while (at != PATH_NONE && t->rows.v[at].parent != PATH_NONE) {
		if (t->rows.v[at].frame == frame)
			return at;
		at = t->rows.v[at].parent;
	}
	return PATH_NONE;
}

/* How often such a thing, reached whatever way, stands on the way to `from`. */
static unsigned times(const struct path_tree *t, uint32_t from, uint32_t bare)
{
	unsigned n = 0;

	for (uint32_t at = from; at != PATH_NONE; at = t->rows.v[at].parent)
		n += t->frames.v[t->rows.v[at].frame].bare == bare;
	return n;
}

/* The frame of a step; PATH_NONE: out of memory. */
static uint32_t step_frame(struct path_tree *t, uint32_t from, const char *name, const char *bare,
			   const char *type)
{
	uint32_t plain = frame_of(t, bare, type), frame;

	if (plain == PATH_NONE)
		return PATH_NONE;
	frame = frame_of(t, name, type);
	if (frame == PATH_NONE)
		return PATH_NONE;
	t->frames.v[frame].bare = plain;
	return frame != plain && times(t, from, plain) >= REPEATS_MAX ? plain : frame;
}

uint32_t path_step(struct path_tree *t, uint32_t from, const char *name, const char *bare,
		   const char *type)
{
	const char *end = NULL;
	uint32_t frame, back;

	if (t->rows.v[from].depth >= DEPTH_MAX)
		end = "(deeper)";
	else if (t->rows.n >= t->max)
		end = "(other)";
	frame = step_frame(t, from, name, bare, type);
	if (frame == PATH_NONE)
		return PATH_NONE;
	back = earlier(t, from, frame);
	if (back != PATH_NONE) {
		for (uint32_t at = from; at != back; at = t->rows.v[at].parent)
			t->rows.v[at].in_loop = t->rows.v[back].in_loop = true;
		t->rows.v[back].repeats |= back == from;
		return back;
	}
	if (end && !pair_get(&t->children, (uint64_t)from << 32, frame)) {
		t->n_ended++;
		frame = frame_of(t, end, NULL);
		if (frame == PATH_NONE)
			return PATH_NONE;
		if (t->rows.v[from].frame == frame)
			return from;
	}
	return row_of(t, from, frame, 0);
}
