/* cursor_fuzz.c - any sequence of reads of any bytes: a cursor never leaves them, and stays bad. */
#include "base/cursor.h"
#include "fuzz.h"

static void check(const struct cursor *c, bool was_bad)
{
	if (c->pos < c->start || c->pos > c->end || (was_bad && !c->bad))
		abort();
	if (cursor_left(c) != (uint64_t)(c->end - c->pos))
		abort();
}

/* The first half says what to read, the second is what is read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_ops = size / 2;
	struct cursor c = cursor_init(data + n_ops, size - n_ops, "fuzz", 0);
	uint64_t argument = 0;

	for (size_t i = 0; i < n_ops; i++) {
		bool was_bad = c.bad;
		const uint8_t *bytes;
		const char *text;
		struct cursor child;

		argument = argument << 8 | data[i];
		switch (data[i] % 13) {
		case 0: cursor_u8(&c); break;
		case 1: cursor_u16(&c); break;
		case 2: cursor_u32(&c); break;
		case 3: argument ^= cursor_u64(&c); break;
		case 4: cursor_uint(&c, 1u << (data[i] >> 6)); break;
		case 5: cursor_uleb(&c); break;
		case 6:
			bytes = cursor_bytes(&c, argument);
			if (bytes && argument && bytes[argument - 1] + bytes[0] < 0)
				abort();
			break;
		case 7:
			text = cursor_cstr(&c);
			if (text && strlen(text) > size)
				abort();
			break;
		case 8: cursor_skip(&c, argument); break;
		case 9: cursor_align(&c, 1u << (data[i] >> 5)); break;
		case 10:
			child = cursor_sub(&c, argument);
			check(&child, false);
			if (child.end > c.end)
				abort();
			break;
		case 11:
			if (cursor_count(&c, argument, 16) > cursor_left(&c) / 16)
				abort();
			break;
		default: argument = 0; break;
		}
		check(&c, was_bad);
	}
	err_free(cursor_err(&c, "fuzz"));
	return 0;
}
