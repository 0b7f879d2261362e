/*
 * capture/stream.h - a file that is not there yet: pieces at offsets, read in any order.
 *
 * A core (and a bundle around it) is laid out before a byte of memory is read; whoever packs it
 * asks for ranges, from any thread.  What no piece covers is zeros.
 */
#ifndef HEAPFX_CAPTURE_STREAM_H
#define HEAPFX_CAPTURE_STREAM_H

#include <stdatomic.h>

#include "base/err.h"
#include "capture/proc.h"

enum piece_kind {
	PIECE_BYTES,  /* of ours */
	PIECE_MEMORY, /* of the process at `addr`; pages never touched are zeros and not read */
	PIECE_FILE,   /* of `fd` from `addr` on */
};

struct piece {
	uint64_t offset, n; /* in the stream */
	enum piece_kind kind;
	bool sparse; /* memory of no file: what is neither present nor swapped was never written */
	int fd;
	const uint8_t *bytes; /* borrowed */
	uint64_t addr;
};

struct stream {
	struct piece *v; /* ascending, disjoint */
	size_t n, cap;
	uint64_t size;
	int mem, pagemap; /* of the process; -1 without */
	pid_t pid;	  /* likewise, for messages */
	_Atomic uint64_t unreadable, read; /* bytes of memory that would not, and did, come */
};

/* Behind all others; the stream is then at least that long. */
struct err *stream_add(struct stream *s, const struct piece *p) MUST_CHECK;
/*
 * Bytes [at, at + n) of the stream; `n` of them. `ret_zeros`: they are all zero and `buf` is not
 * written.  Memory that cannot be read is zeros and counted; a process that is gone is an error.
 */
struct err *stream_read(struct stream *s, uint64_t at, uint8_t *buf, size_t n,
			bool *ret_zeros) MUST_CHECK;
void stream_fini(struct stream *s); /* files and bytes are others' */

bool is_zero(const uint8_t *v, size_t n);

#endif
