/*
 * shrink/digests.c - what is left of contents when a secret is given: that they are equal.
 *
 * An HMAC of all bytes that were compared, 48 bits of it in each word that is not zero and was not
 * kept; the words' last two bytes make addresses of them that no process has.
 */
#include <string.h>

#include "base/bits.h"
#include "base/digest.h"
#include "shrink/shrink.h"

enum { SHORT = 1 << 16, WORDS = DIGEST_SIZE / 8 };

static uint64_t digest_word(const struct digest *d, uint64_t i)
{
	uint64_t bits = load_u64(d->v + i % WORDS * 8) & 0xffffffffffff;

	return bits | (uint64_t)DIGEST_WORD << 48;
}

static uint64_t first_word(const struct digest *d, uint64_t length)
{
	if (length >= SHORT)
		return digest_word(d, 0);
	return (uint64_t)DIGEST_FIRST << 48 | length << 32 | (uint32_t)load_u64(d->v);
}

/* Nothing of the dump's own is in it. */
static bool is_blank(uint64_t word, uint64_t was)
{
	return !word || (word == SHADOW_NO_POINTER && was != word);
}

/* The last word is whole: what is behind the contents in it was blanked, and is theirs. */
static void put_digest(const struct image *img, const struct salt *salt,
		       const struct shadow_range *r)
{
	const struct shadow *s = img->shadow;
	const uint8_t *from = s->from + r->offset;
	uint8_t *to = s->to + r->offset;
	struct digest d = digest_hmac(salt->bytes, salt->n, from, r->n);

	for (uint64_t i = 0; i < r->n && s->size - r->offset - i >= 8; i += 8) {
		uint64_t word = i ? digest_word(&d, i / 8) : first_word(&d, r->n);
		uint64_t n = r->n - i < 8 ? r->n - i : 8;

		if (!bytes_are_zero(from + i, n) && is_blank(load_u64(to + i), load_u64(from + i)) &&
		    !image_segment(img, word))
			memcpy(to + i, &word, 8);
	}
}

struct err *shrink_digests(const struct image *img, const struct salt *salt)
{
	const struct shadow *s = img->shadow;

	if (s->no_room)
		return &err_nomem;
	for (size_t i = 0; i < s->compared.n; i++)
		put_digest(img, salt, &s->compared.v[i]);
	return NULL;
}
