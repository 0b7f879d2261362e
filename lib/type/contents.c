/*
 * type/contents.c - a hash table of bytes that lie in the image; what is equal was compared.
 */
#include "type/contents.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "type/look.h"

enum {
	LEAST_SAMPLE = 4096, /* bytes that the copies of what is worth showing take */
	SAMPLE_BYTES = 60,
	CONTENTS_MAX = 3 << 20, /* 100 MB; more are not told apart */
	SLOTS_FIRST = 1 << 12,
	PROBES = 64,
	LEAST_SAMPLED = 8, /* of a sample: within a third of the true number */
	PIECES = 16, /* of what is longer than all of them, these are hashed: the rest is compared */
	PIECE_BYTES = 512,
	SAME_HASHES = 4,
};

void contents_fini(struct contents *c)
{
	free(c->entries.v);
	free(c->slots);
}

/* The whole of short ones; of others pieces alone, which tell apart what differs all over. */
static uint64_t hash_of(const uint8_t *b, uint64_t n)
{
	uint64_t step = n / PIECES, hashes[PIECES];

	if (n <= PIECES * PIECE_BYTES)
		return hash_bytes(b, n);
	for (unsigned i = 0; i < PIECES; i++)
		hashes[i] = hash_bytes(b + i * step, PIECE_BYTES);
	return hash_bytes(hashes, sizeof(hashes));
}

static bool grow(struct contents *c)
{
	uint64_t n = c->n_slots ? 2 * c->n_slots : SLOTS_FIRST;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i < c->entries.n; i++) {
		uint64_t at = c->entries.v[i].hash & (n - 1);

		for (unsigned k = 0; slots[at] && k < PROBES; k++)
			at = (at + 1) & (n - 1);
		if (!slots[at])
			slots[at] = i + 1;
	}
	free(c->slots);
	c->slots = slots;
	c->n_slots = n;
	return true;
}

static bool is_same(struct contents *c, const struct contents_entry *e, const uint8_t *b)
{
	uint64_t avail;
	const uint8_t *first = image_view(c->img, e->at, &avail);

	return first && avail >= e->length && !memcmp(first, b, e->length);
}

struct err *contents_enter(struct contents *c, taddr at, const uint8_t *b, uint32_t length, uint32_t size,
			   uint32_t *ret)
{
	struct contents_entry fresh = { .at = at, .length = length, .size = size, .count = 1 };
	uint64_t slot;
	unsigned same = 0;

	*ret = 0;
	if (bytes_are_zero(b, length))
		return NULL;
	image_compare(c->img, at, length);
	fresh.hash = hash_of(b, length);
	if (c->entries.n >= c->n_slots / 2 && !grow(c))
		return &err_nomem;
	slot = fresh.hash & (c->n_slots - 1);
	for (unsigned k = 0; c->slots[slot]; k++, slot = (slot + 1) & (c->n_slots - 1)) {
		struct contents_entry *e = &c->entries.v[c->slots[slot] - 1];

		if (k == PROBES || same == SAME_HASHES)
			return NULL;
		if (e->hash != fresh.hash || e->length != length || e->size != size)
			continue;
		same++;
		if (is_same(c, e, b)) {
			e->count++;
			*ret = c->slots[slot];
			return NULL;
		}
	}
	c->is_full |= c->entries.n >= CONTENTS_MAX;
	if (c->is_full)
		return NULL;
	if (!vec_push(&c->entries, &fresh))
		return &err_nomem;
	*ret = c->slots[slot] = (uint32_t)c->entries.n;
	return NULL;
}

bool contents_is_told(const struct contents *c, const struct contents_entry *e)
{
	return e->count >= (e->size < c->sampled_below ? LEAST_SAMPLED : 2);
}

/* How they begin, for those that cost something; UTF-16 as UTF-8, control characters as dots. */
static const char *sample_of(struct contents *c, const struct contents_entry *e, struct text *ret)
{
	uint64_t avail, n = e->length < SAMPLE_BYTES ? e->length : SAMPLE_BYTES;
	const uint8_t *b = image_view(c->img, e->at, &avail);

	if (c->img->blanked || !b || avail < n || (uint64_t)(e->count - 1) * e->size < LEAST_SAMPLE)
		return NULL;
	text_reset(ret);
	if (!look_preview(c->img, e->at, e->length, ret)) {
		text_add_n(ret, (const char *)b, n);
		text_add(ret, n < e->length ? "..." : "");
	}
	for (size_t i = 0; i < ret->n; i++)
		if ((uint8_t)ret->s[i] < ' ' || ret->s[i] == 0x7f)
			ret->s[i] = '.';
	return ret->bad ? NULL : text_str(ret);
}

struct err *contents_note(struct contents *c, struct env *env, struct note_sink *sink)
{
	struct text sample = { .max = 8 * SAMPLE_BYTES };
	struct err *err = NULL;

	if (c->is_full)
		diag(env, "type/contents", ERR_NOWHERE, "more than %u different contents: not all were compared",
		     (unsigned)CONTENTS_MAX);
	for (size_t i = 0; i < c->entries.n && !err; i++) {
		struct contents_entry *e = &c->entries.v[i];
		struct content content = {
			.length = e->length,
			.size = e->size,
			.every = e->size < c->sampled_below ? c->every : 1,
		};

		if (!contents_is_told(c, e))
			continue;
		content.sample = sample_of(c, e, &sample);
		err = sink->content(sink, &content, &e->content);
	}
	text_fini(&sample);
	return err;
}
