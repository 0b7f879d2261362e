/*
 * capture/pack.h - a stream into a file: plain with holes, or as zstd frames with an index.
 *
 * Packed: frames of 4 MiB, each by itself, then the seek table of zstd's seekable format (zstd
 * contrib/seekable_format/zstd_seekable_compression_format.md 0.1.0) in a skippable frame.
 * `zstd -d` opens it; who reads the table unpacks only what it needs.
 */
#ifndef HEAPFX_CAPTURE_PACK_H
#define HEAPFX_CAPTURE_PACK_H

#include "base/env.h"
#include "capture/stream.h"

enum pack_kind { PACK_PLAIN, PACK_ZSTD };

/* `fd` is new and empty. Uses env->threads threads, each with two buffers of a frame's size. */
struct err *pack_stream(struct env *env, struct stream *s, enum pack_kind kind, int fd,
			const char *name) MUST_CHECK;

#endif
