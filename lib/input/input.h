/*
 * input/input.h - named byte ranges, whatever they were packed in.
 *
 * An input is a flat list of members (a lone core is one member; an archive gives many: core,
 * executable, libraries, maps).  A member is random-access: mapped from the file itself when it
 * is stored plain, unpacked to an unlinked spill file (against env->disk_budget) when not.
 */
#ifndef HEAPFX_INPUT_INPUT_H
#define HEAPFX_INPUT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

struct member {
	const char *name;  /* path inside the archive, or the input's own path */
	uint64_t size;
	const uint8_t *map; /* the whole member, mapped read-only; NULL only when size is 0 */
	uint64_t disk;	    /* spill bytes it took of the disk budget; 0 when mapped in place */
	bool in_file;	    /* its pages may be dropped: they are a file's, here or in --tmp */
};

struct input {
	struct env *env;
	char *path;		 /* as given; "-" is standard input */
	uint64_t file_size;	 /* bytes of the file as given (0 for standard input) */
	struct member *members;
	size_t n;
	const uint8_t *map; /* the file itself when it could be mapped: members may lie in it */
	uint64_t map_size;
};

/*
 * Opens, finds out how it is packed from its bytes (never its name), maps or unpacks.  Nested
 * packings (.tar.zst) are one step.  Directories, empty files and unreadable ones are errors
 * with a clear sentence.  A damaged archive gives the members before the damage and a diag.
 */
struct err *input_open(struct env *env, const char *path, struct input **ret) MUST_CHECK;
void input_close(struct input *in); /* NULL is fine; unmaps members */

/* The file as found: mapped whole, or a stream. */
struct input_source {
	int fd;
	const uint8_t *map; /* NULL when not mappable (pipe) */
	uint64_t size;
	const uint8_t *head; /* first bytes already read from a pipe; to be replayed before fd */
	size_t n_head;
};

/*
 * One packing.  `bid`: 0..100 from the first bytes; `open` appends members to `in`.
 * Registry: input/registry.c, best bid wins, ties to the earlier entry.
 */
struct input_ops {
	const char *name; /* "plain", "archive" */
	unsigned (*bid)(const uint8_t *head, size_t n);
	/*
	 * `map`/`size`: the file when it could be mapped; otherwise NULL and `fd` is a stream whose
	 * first bytes are `head`.
	 */
	struct err *(*open)(struct env *env, struct input *in, const struct input_source *src);
};
extern const struct input_ops *const input_registry[]; /* NULL-terminated */

/* The member is the input's from here on, also when this fails. */
struct err *input_add_member(struct input *in, const struct member *m, const char *name) MUST_CHECK;

/*
 * Unpacks a packed byte range (.gnu_debugdata is xz) into malloc'd memory; ERR_LIMIT past `limit`
 * bytes.  What came before damage is not given: these are parts of a file, whole or of no use.
 */
struct err *input_unpack_bytes(struct env *env, const uint8_t *packed, uint64_t n, uint64_t limit,
			       uint8_t **ret, uint64_t *ret_n) MUST_CHECK;

#endif
