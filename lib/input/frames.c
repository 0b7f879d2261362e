/* input/frames.c - the frames of a zstd file are found first, then unpacked side by side. */
#include "input/frames.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/par.h"
#include "base/vec.h"
#include "input/spill.h"

enum {
	MAX_FRAMES = 1 << 20, /* of a mebibyte each: 1 TiB */
	FRAME_MOST = 1 << 28,
	PIECE = 1 << 20,      /* what is unpacked and written at once */
	TOGETHER = 8,	      /* frames that share a decompressor */
	ROUND = 512,	      /* frames from one word of progress to the next */
};

struct frame {
	uint64_t at, packed; /* in the file */
	uint64_t to, size;   /* in the core */
};

struct frames {
	const uint8_t *file;
	uint64_t file_size;
	struct {
		struct frame *v;
		size_t n, cap;
	} list;
	uint64_t size; /* of the core */
	uint64_t from; /* of this round: the first */
	struct spill spill;
};

static void guard_unpacker(ZSTD_DCtx **z)
{
	ZSTD_freeDCtx(*z);
}

static bool add_frame(struct frames *f, uint64_t at, uint64_t packed, uint64_t size)
{
	struct frame frame = { .at = at, .packed = packed, .to = f->size, .size = size };

	if (size > INT64_MAX - f->size || f->list.n == MAX_FRAMES || !vec_push(&f->list, &frame))
		return false;
	f->size += size;
	return true;
}

static bool is_skippable(const uint8_t *p, uint64_t n)
{
	return n >= 4 && (load_u32(p) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/* 0: it does not say, or is one large frame, which is not gone through to find its end. */
static uint64_t content_size(const uint8_t *p, uint64_t n)
{
	unsigned long long size = ZSTD_getFrameContentSize(p, n);

	/* ZSTD_CONTENTSIZE_UNKNOWN and _ERROR are the largest numbers */
	return size > FRAME_MOST ? 0 : size;
}

/* All of them to the end of the file, several, each with its size. */
static bool find_frames(struct frames *f)
{
	for (uint64_t at = 0, packed; at < f->file_size; at += packed) {
		const uint8_t *p = f->file + at;
		uint64_t rest = f->file_size - at, size = 0;
		bool skip = is_skippable(p, rest);

		if (!skip)
			size = content_size(p, rest);
		if (!skip && !size)
			return false;
		packed = ZSTD_findFrameCompressedSize(p, rest);
		if (ZSTD_isError(packed) || (!skip && !add_frame(f, at, packed, size)))
			return false;
	}
	return f->list.n > 1;
}

static bool begins_as_elf(const struct frames *f)
{
	_cleanup_(guard_unpacker) ZSTD_DCtx *z = ZSTD_createDCtx();
	char head[4];
	ZSTD_inBuffer in = { .src = f->file + f->list.v->at, .size = f->list.v->packed };
	ZSTD_outBuffer out = { .dst = head, .size = sizeof(head) };

	return z && !ZSTD_isError(ZSTD_decompressStream(z, &out, &in)) && out.pos == sizeof(head) &&
	       !memcmp(head, "\177ELF", sizeof(head));
}

static struct err *damaged(const struct frames *f, const struct frame *frame)
{
	return err_at(ERR_FORMAT, f->spill.object, frame->at, "a damaged frame of zstd");
}

static struct err *unpack_frame(struct frames *f, ZSTD_DCtx *z, const struct frame *frame,
				uint8_t *buf)
{
	ZSTD_inBuffer in = { .src = f->file + frame->at, .size = frame->packed };
	uint64_t done = 0;
	size_t left;

	ZSTD_DCtx_reset(z, ZSTD_reset_session_only);
	do {
		ZSTD_outBuffer out = { .dst = buf, .size = PIECE };
		struct err *err;

		left = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(left) || (left && !out.pos) || out.pos > frame->size - done)
			return damaged(f, frame);
		err = spill_put(&f->spill, frame->to + done, buf, out.pos);
		if (err)
			return err;
		done += out.pos;
	} while (left);
	return done == frame->size && in.pos == in.size ? NULL : damaged(f, frame);
}

static struct err *unpack_some(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct frames *f = arg;
	_cleanup_(guard_unpacker) ZSTD_DCtx *z = ZSTD_createDCtx();
	_free_ uint8_t *buf = malloc(PIECE);
	struct err *err = z && buf ? NULL : &err_nomem;

	(void)index;
	for (uint64_t i = first; i < last && !err; i++)
		err = unpack_frame(f, z, &f->list.v[f->from + i], buf);
	return err;
}

static struct err *unpack_all(struct env *env, struct frames *f)
{
	struct err *err = spill_room(&f->spill, f->size);

	for (f->from = 0; f->from < f->list.n && !err; f->from += ROUND) {
		uint64_t n = f->list.n - f->from < ROUND ? f->list.n - f->from : ROUND;

		err = par_ranges(env, n, TOGETHER, unpack_some, f);
		progress(env, "unpacking", f->list.v[f->from + n - 1].at, f->file_size);
	}
	return err;
}

struct err *frames_open(struct env *env, struct input *in, const struct input_source *src,
			bool *ret_done)
{
	struct frames f = { .file = src->map, .file_size = src->size };
	struct member m;
	struct err *err = NULL;

	*ret_done = false;
	if (src->map && find_frames(&f) && begins_as_elf(&f)) {
		err = spill_open(env, in->path, &f.spill);
		if (!err) {
			err = unpack_all(env, &f);
			if (!err)
				err = spill_finish(&f.spill, &m);
			*ret_done = !err;
			if (err)
				spill_close(&f.spill);
		}
		err_free(err);
	}
	free(f.list.v);
	return *ret_done ? input_add_member(in, &m, in->path) : NULL;
}
