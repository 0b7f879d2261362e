/*
 * save/save.h - an analysis as one file: graph, facts, report, and what heaps say of their blocks.
 *
 * The file is a header, a table of sections and the sections, each of one column; numbers are those
 * of the machine that wrote it (little-endian).  It is mapped and read where it lies.  Header, table
 * and report are checked when it is opened; a column when it is first wanted: its checksum for
 * damage, its values for what would lead out of other columns, as the file may be anybody's.
 *
 * What only the dump's bytes tell is not in it: keys of maps, pointers in freed memory.
 */
#ifndef HEAPFX_SAVE_SAVE_H
#define HEAPFX_SAVE_SAVE_H

#include "fact/fact.h"
#include "graph/graph.h"
#include "report/report.h"

enum { SAVE_VERSION = 11 };

/* Which input an analysis is of. */
struct save_input {
	const char *path; /* as it was given */
	uint64_t bytes;	  /* of the file */
	uint64_t hash;	  /* of its beginning: headers and notes */
	bool has_clock;	  /* of a runtime: nanoseconds, of one process the same clock */
	int64_t clock;
	int64_t file_time; /* when it was last written, nanoseconds since 1970; 0: unknown */
};
enum { SAVE_HASHED_BYTES = 1 << 20 };
uint64_t save_hash(const void *bytes, uint64_t n); /* of at most so many */

/* Where a heap keeps blocks; ascending, disjoint. */
struct save_place {
	uint64_t start, end; /* keys of nodes */
	uint64_t arena;	     /* address of its structure; 0: none */
	uint32_t heap;	     /* index in allocators */
	uint8_t head, overhead; /* bytes of each block before and behind what the program has */
};

struct save_source {
	struct save_input input;
	const struct graph *graph;
	const struct facts *facts; /* REACH and DOM are there */
	const struct report *report;
	const struct rp_table *tables; /* that only queries show */
	size_t n_tables;
	const struct save_place *places;
	size_t n_places;
	const char *const *allocators; /* report.heaps' names are not told apart */
	size_t n_allocators;
	const uint64_t *filler; /* one bit a node; NULL: none is */
	const char *(*where)(void *ctx, node_id node); /* of free nodes; NULL where unknown */
	void *ctx;
};
struct err *save_write(struct env *env, const struct save_source *source, FILE *out) MUST_CHECK;

/* What of a file is about to be read. */
enum save_part {
	SAVE_NODES = 1 << 0, /* keys, sizes, types, blocks */
	SAVE_EDGES = 1 << 1,
	SAVE_ROOTS = 1 << 2,
	SAVE_REACH = 1 << 3,
	SAVE_DOM = 1 << 4,
	SAVE_ALL = (1 << 5) - 1,
};

struct saved {
	struct save_input input;
	struct graph *graph;
	struct facts facts; /* REACH and DOM, to be copied out; the columns stay the file's */
	struct report report;
	struct rp_table *tables;
	size_t n_tables;
	struct saved_file *file;
};

bool save_is_one(const void *bytes, uint64_t n); /* by its first bytes */
/* `bytes` stay mapped until saved_close(); `name` is for messages. Problems go to env. */
struct err *saved_open(struct env *env, const char *name, const void *bytes, uint64_t n,
		       struct saved **ret) MUST_CHECK;
void saved_close(struct saved *s); /* NULL is fine */
/* Before the columns of these parts (1 << ...) are read. Cheap when they were checked before. */
struct err *saved_check(struct saved *s, unsigned parts) MUST_CHECK;

/* After SAVE_NODES. */
struct saved_block {
	uint64_t address, usable, arena;
	const char *allocator, *where; /* NULL: none */
	bool filler;
};
void saved_block(const struct saved *s, node_id node, struct saved_block *ret);
bool saved_is_filler(const struct saved *s, node_id node);

#endif
