/*
 * capture/pack.h - a stream into a file: plain with holes, or as zstd frames with an index.
 *
 * Packed: frames of 1 MiB (from a pipe of 4), each by itself, then the seek table of zstd's seekable
 * format (zstd contrib/seekable_format/zstd_seekable_compression_format.md 0.1.0) in a skippable
 * frame.
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

/*
 * What comes through the pipe `in`, packed as it comes, by this thread alone.  ERR_OS (ETIMEDOUT)
 * when nothing comes for so long; what came before is then in `fd`, whole frames with their index.
 * `ret_n`, bytes that came, is written in any case; `ret_expected`: how long the first frame says
 * that the core is, 0 when it is none.
 */
struct err *pack_pipe(int in, uint64_t timeout_ms, int fd, const char *name, uint64_t *ret_n,
		      uint64_t *ret_expected) MUST_CHECK;

#endif
