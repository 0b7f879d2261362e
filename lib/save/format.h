/* save/format.h - what write.c and open.c agree on: the header, the table, and the two directions. */
#ifndef HEAPFX_SAVE_FORMAT_H
#define HEAPFX_SAVE_FORMAT_H

#include "base/cursor.h"
#include "save/save.h"

enum {
	SECTION_REPORT, /* bytes: input, graph's totals, report (content.c) */
	SECTION_WORDS,	/* struct grain_word */
	SECTION_BASES,
	SECTION_SELECT,
	SECTION_KEYS, /* of graphs without grains */
	SECTION_SIZES,
	SECTION_LIVE,
	SECTION_COLLECTED,
	SECTION_FILLER,
	SECTION_WHERE, /* by node that is not live: 0, or index in names of free lists, + 1 */
	SECTION_WHERE_RANK, /* by word of LIVE: how many are not live before it */
	SECTION_LOOKS, /* by node: 0, or index in the same names of what its bytes look like, + 1 */
	SECTION_TYPE_NARROW,
	SECTION_TYPE_WIDE,
	SECTION_ROW_BASE,
	SECTION_ROW_GROUP,
	SECTION_ROW_OFF,
	SECTION_ROW_WIDE,
	SECTION_DST,
	SECTION_SLOTS, /* graph.slot */
	SECTION_ROOT_NODE,
	SECTION_ROOT_SOURCE,
	SECTION_ROOT_AT,
	SECTION_ROOT_WORDS, /* by root: where its words begin, and where the last end */
	SECTION_ROOT_TEXT,
	SECTION_REACH,
	SECTION_IDOM,
	SECTION_RETAINED_SET, /* as in struct retained */
	SECTION_RETAINED_RANK,
	SECTION_RETAINED,
	SECTION_RETAINED_WIDE,
	N_SECTIONS
};

enum { SECTION_ALIGN = 64, WHERES_MAX = 255 };
#define SAVE_MAGIC "heapfx\x01\n"

struct save_header {
	char magic[8];
	uint32_t version, n_sections;
	uint64_t bytes; /* of the whole file */
	uint64_t hash;	/* of the table */
	uint64_t self;	/* of the header up to here */
};

struct save_section {
	uint64_t offset, n;
	uint64_t hash;
	uint32_t elem_size, reserved;
};

/* How a slot of all nodes of a type is called: graph_ops.field_of(). */
struct saved_field {
	uint32_t type, slot; /* slot as in graph.slot */
	const char *name;
};

/* What is small, and in both directions the same code: content.c. */
struct saved_content {
	struct save_input input;
	/* of the graph */
	uint64_t n, m, n_live, live_bytes;
	uint32_t n_roots, n_sources, n_types, n_rivals, grain_shift;
	struct root_source *sources;
	struct type_row *types;
	struct type_rival *rivals; /* by node */
	struct saved_field *fields; /* by type, then slot */
	uint32_t n_fields;
	uint32_t n_wheres, n_allocators;
	const char **wheres, **allocators;
	struct save_place *places;
	size_t n_places;
	/* of the facts */
	struct total reach_total[REACH_KINDS];
	struct total collected;
	uint32_t retained_shift;
	struct report *report;
	struct rp_table *tables;
	size_t n_tables;
};

struct io {
	bool writing, bad;
	struct bytes {
		char *v;
		size_t n, cap;
	} out;
	struct cursor in;
	struct arena *mem; /* of what is read; texts stay where they are */
	struct env *env;   /* its problems are a part of the report */
};
/* Reading: io.bad, or io.in.bad, when it is no such thing. */
void io_content(struct io *io, struct saved_content *c);

#endif
