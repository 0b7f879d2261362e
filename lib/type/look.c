/*
 * type/look.c - text, UTF-16, pointers, zeros and what was packed or encrypted, told apart by at
 * most a KiB of a block: all of a small one, four pieces of a large one.
 */
#include "type/look.h"

#include <string.h>

#include "base/bits.h"
#include "base/guard.h"

enum {
	PIECES = 4,
	PIECE_BYTES = 256,
	LEAST_TEXT = 4,	   /* characters; fewer are any number */
	ROUNDING = 24,	   /* bytes that malloc may give more than were asked for: who knows what is in them */
	LEAST_RANDOM = 256, /* bytes of which that can be said */
	RANDOM_VALUES = 160, /* as if each of so many values were as frequent: text has fewer, random bytes 256 */
	LEAST_ADDRESS = 4096,
	ZEROS_MAX = 1 << 20, /* bytes of a block that seems to be zeros which are looked at */
	PREVIEW_UNITS = 60,
};

struct sample {
	uint8_t bytes[PIECES * PIECE_BYTES];
	uint64_t n;
	bool whole; /* it is all of the block */
};

static bool take_sample(const struct image *img, taddr at, uint64_t usable, struct sample *ret)
{
	uint64_t step = (usable - PIECE_BYTES) / (PIECES - 1) & ~7ull;

	ret->whole = usable <= sizeof(ret->bytes);
	ret->n = ret->whole ? usable : sizeof(ret->bytes);
	if (ret->whole)
		return !image_read(img, at, ret->bytes, usable);
	for (unsigned i = 0; i < PIECES; i++)
		if (image_read(img, at + i * step, ret->bytes + i * (uint64_t)PIECE_BYTES, PIECE_BYTES))
			return false;
	return true;
}

/* ---- text */

/* Bytes of the character at b; 0: there is none that text has. */
static unsigned character(const uint8_t *b, uint64_t n)
{
	unsigned more = *b < 0x80 ? 0 : *b < 0xc2 ? 9 : *b < 0xe0 ? 1 : *b < 0xf0 ? 2 : *b < 0xf5 ? 3 : 9;

	if (!more)
		return (*b >= ' ' && *b != 0x7f) || (*b >= '\t' && *b <= '\r');
	if (more > 3 || more >= n)
		return 0;
	for (unsigned i = 1; i <= more; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

uint64_t look_text_length(const uint8_t *b, uint64_t n)
{
	uint64_t at = 0;
	unsigned step;

	while (at < n && (step = character(b + at, n - at)) != 0)
		at += step;
	return at;
}

/* Characters, and zeros between and behind them, all through; pieces may cut a character. */
static bool is_all_text(const uint8_t *b, uint64_t n)
{
	uint64_t good = 0, bad = 0;

	for (uint64_t at = 0; at < n;) {
		unsigned step = character(b + at, n - at);

		good += step;
		bad += !step && b[at];
		at += step ? step : 1;
	}
	return bad <= 4 * PIECES && good >= n / 2 && bad * 32 <= good;
}

static bool is_text(const struct sample *s)
{
	uint64_t n = look_text_length(s->bytes, s->n);

	if (n < LEAST_TEXT)
		return false;
	if (!s->whole)
		return is_all_text(s->bytes, s->n);
	if (n < s->n && s->bytes[n])
		return s->n - n <= ROUNDING && n >= 2 * ROUNDING;
	return s->n - n <= ROUNDING || bytes_are_zero(s->bytes + n, s->n - n) || is_all_text(s->bytes, s->n);
}

/* ---- UTF-16, little-endian as all the targets are */

static bool is_unit(uint16_t u)
{
	return (u >= ' ' && u < 0x7f) || u == '\t' || u == '\n' || u == '\r' || (u >= 0xa0 && u < 0x530);
}

static uint16_t unit_at(const uint8_t *b)
{
	return (uint16_t)(b[0] | b[1] << 8);
}

/* Most of them of ASCII: numbers of two bytes look like others. */
uint64_t look_utf16_length(const uint8_t *b, uint64_t n)
{
	uint64_t at = 0, ascii = 0;

	for (; n - at >= 2 && is_unit(unit_at(b + at)); at += 2)
		ascii += !b[at + 1];
	return ascii * 4 >= at / 2 * 3 ? at : 0;
}

static bool is_utf16(const struct sample *s)
{
	uint64_t n = look_utf16_length(s->bytes, s->n);

	if (n < 2 * LEAST_TEXT)
		return false;
	if (s->n - n >= 2 && unit_at(s->bytes + n))
		return false;
	return s->n - n <= ROUNDING || n >= s->n / 2 || bytes_are_zero(s->bytes + n, s->n - n);
}

/* ---- the rest */

static bool is_pointers(const struct image *img, const struct sample *s)
{
	uint64_t words = 0, pointers = 0;

	for (uint64_t at = 0; s->n - at >= 8; at += 8) {
		uint64_t word = load_u64(s->bytes + at);

		words += word != 0;
		pointers += word >= LEAST_ADDRESS && !(word >> 56) && image_segment(img, word);
	}
	return pointers && pointers * 2 >= words && pointers * 8 >= s->n / 8;
}

/* Sum of c * (c - 1) over the counts of all values estimates how often two bytes are equal. */
static bool is_random(const struct sample *s)
{
	uint32_t counts[256] = {};
	uint64_t equal = 0;

	if (s->n < LEAST_RANDOM)
		return false;
	for (uint64_t i = 0; i < s->n; i++)
		counts[s->bytes[i]]++;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
		equal += (uint64_t)counts[i] * (counts[i] ? counts[i] - 1 : 0);
	return equal * RANDOM_VALUES <= s->n * (s->n - 1);
}

/* Not only where the sample was taken. */
static bool is_zero_block(const struct image *img, taddr at, uint64_t usable, const struct sample *s)
{
	uint64_t left = usable < ZEROS_MAX ? usable : ZEROS_MAX, avail;

	if (!bytes_are_zero(s->bytes, s->n))
		return false;
	for (; left && !s->whole; left -= avail, at += avail) {
		const uint8_t *b = image_view(img, at, &avail);

		avail = b && avail < left ? avail : left;
		if (!b || !bytes_are_zero(b, avail))
			return false;
	}
	return true;
}

const char *look_at(const struct image *img, taddr at, uint64_t usable)
{
	struct sample s;

	if (img->blanked || !usable || !take_sample(img, at, usable, &s))
		return NULL;
	if (is_zero_block(img, at, usable, &s))
		return "zero-filled";
	if (is_text(&s))
		return "text";
	if (is_utf16(&s))
		return "utf-16";
	if (is_pointers(img, &s))
		return "pointers";
	return is_random(&s) ? "high-entropy" : NULL;
}

/* What is_unit() takes is two bytes of UTF-8 at most. */
static void add_utf16(const uint8_t *b, uint64_t n, struct text *ret)
{
	for (uint64_t at = 0; n - at >= 2; at += 2) {
		uint16_t u = unit_at(b + at);
		char two[2] = { (char)(0xc0 | u >> 6), (char)(0x80 | (u & 0x3f)) }, one = (char)u;

		text_add_n(ret, u < 0x80 ? &one : two, u < 0x80 ? 1 : 2);
	}
}

bool look_preview(const struct image *img, taddr at, uint64_t usable, struct text *ret)
{
	const char *look = look_at(img, at, usable);
	struct sample s;
	uint64_t n, shown;
	bool wide;

	if (!look || (strcmp(look, "text") != 0 && strcmp(look, "utf-16") != 0) ||
	    !take_sample(img, at, usable, &s))
		return false;
	wide = !strcmp(look, "utf-16");
	n = s.whole ? s.n : PIECE_BYTES;
	n = wide ? look_utf16_length(s.bytes, n) : look_text_length(s.bytes, n);
	shown = wide ? 2 * PREVIEW_UNITS : look_text_length(s.bytes, n < PREVIEW_UNITS ? n : PREVIEW_UNITS);
	shown = shown < n ? shown : n;
	if (wide)
		add_utf16(s.bytes, shown, ret);
	else
		text_add_n(ret, (const char *)s.bytes, shown);
	text_add(ret, shown < n ? "..." : "");
	return true;
}
