/*
 * contents.c - blocks without a type that look like something, and blocks that hold the same.
 *
 *	contents TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * The type of a row is what a block looks like, "-" for nothing in particular, "?" where that is left open; its holder names the
 * group of blocks with one content.  Built without debug info: nothing tells what they are.
 */
#include <stdbool.h>

#include "types.h"

enum { SAME = 600, EACH = 24 };

static void *volatile held[16 * 1024];
static unsigned n_held;
static uint64_t state = 0x9e3779b97f4a7c15;

static uint8_t random_byte(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint8_t)(state >> 24);
}

static void *keep(size_t size, const char *look, const char *group)
{
	void *p = malloc(size);

	held[n_held++] = p;
	types_note(p, size, VALUE, look, 0, group);
	return p;
}

static void text_of(size_t size, unsigned salt, const char *group)
{
	char *p = keep(size, "text", group);

	for (size_t i = 0; i + 1 < size; i++)
		p[i] = "GET /orders/%u HTTP/1.1\r\nhost: eu\xc3\xa9 "[(i * (salt % 5 + 1) + salt) % 36];
	for (size_t i = 0; i + 1 < size; i++) /* no character in halves */
		if (p[i] & 0x80)
			p[i] = ' ';
	p[size - 1] = 0;
}

static void wide_of(size_t units)
{
	uint16_t *p = keep(2 * units, "utf-16", NULL);

	for (size_t i = 0; i + 1 < units; i++)
		p[i] = (uint16_t)"Bestellung f\xfcr Stra\xdf\x65 "[i % 21] & 0xff;
	p[units - 1] = 0;
}

static void pointers_of(size_t n)
{
	void **p = keep(n * sizeof(*p), "pointers", NULL);

	for (size_t i = 0; i < n; i++)
		p[i] = i % 3 == 2 ? NULL : held[(i * 7) % n_held];
}

static void random_of(size_t size)
{
	uint8_t *p = keep(size, "high-entropy", NULL);

	for (size_t i = 0; i < size; i++)
		p[i] = random_byte();
}

static void numbers_of(size_t n)
{
	int *p = keep(n * sizeof(*p), "-", NULL);

	for (size_t i = 0; i < n; i++)
		p[i] = (int)(i * 3 + n);
}

static void doubles_of(size_t n)
{
	double *p = keep(n * sizeof(*p), "-", NULL);

	for (size_t i = 0; i < n; i++)
		p[i] = 1.0 / (double)(i + n);
}

/* Freed before: what malloc rounds up has other bytes each time. */
static void dirty(size_t size)
{
	void *p[SAME];

	for (unsigned i = 0; i < SAME; i++) {
		p[i] = malloc(size);
		memset(p[i], (int)(i % 251 + 1), size);
	}
	for (unsigned i = 0; i < SAME; i++)
		free(p[i]);
}

static void same_of(size_t size, unsigned salt, const char *group, bool is_text)
{
	dirty(size + 6);
	for (unsigned i = 0; i < SAME; i++) {
		uint8_t *p;

		if (is_text) {
			text_of(size, salt, group);
			continue;
		}
		state = salt;
		p = keep(size, "?", group);
		for (size_t k = 0; k < size; k++)
			p[k] = random_byte() & 0x3f;
	}
}

/* Many of one text in UTF-16. */
static void same_wide(void)
{
	dirty(2 * 90 + 6);
	for (unsigned i = 0; i < SAME; i++) {
		uint16_t *p = keep(2 * 90, "utf-16", "wide");

		for (unsigned k = 0; k < 89; k++)
			p[k] = (uint16_t)"W\xe4hrung: gleich. "[k % 17] & 0xff;
		p[89] = 0;
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	same_of(114, 3, "string", true);
	same_of(1002, 99, "table", false);
	same_wide();
	for (unsigned i = 0; i < EACH; i++) {
		text_of(40 + i * 61, 1000 + i, NULL);
		wide_of(16 + i * 77);
		pointers_of(4 + i * 40);
		random_of(512 + i * 1000);
		numbers_of(20 + i * 33);
		doubles_of(20 + i * 33);
		held[n_held++] = calloc(1, 64 + i * 3000);
		types_note(held[n_held - 1], 64 + i * 3000, VALUE, "zero-filled", 0, NULL);
	}
	types_close(argv[1]);
	types_ready();
}
