/*
 * input/plain.c - a file that is no archive is its own single member.
 *
 * Mapped where it is; a stream is copied to a spill file first.  Whether the bytes are a dump that
 * heapfx reads is the next layer's question.
 */
#include <string.h>

#include "input/spill.h"

static unsigned plain_bid(const uint8_t *head, size_t n)
{
	return n >= 4 && !memcmp(head, "\177ELF", 4) ? 100 : 1;
}

static struct err *plain_open(struct env *env, struct input *in, const struct input_source *src)
{
	struct member m = { .size = src->size, .map = src->map };
	struct err *err;

	if (!src->map) {
		err = spill_stream(env, in->path, src, &m);
		if (err)
			return err;
	}
	return input_add_member(in, &m, in->path);
}

const struct input_ops input_plain = { .name = "plain", .bid = plain_bid, .open = plain_open };
