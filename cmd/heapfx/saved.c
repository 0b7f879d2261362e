/* saved.c - a run as a file (`-o result=FILE`), and a file as a run. */
#include "saved.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/go.h"
#include "sql.h"

/* ---- blocks, of a dump or of a file */

bool run_is_filler(const struct run *run, node_id node)
{
	return run->saved ? saved_is_filler(run->saved, node) :
			    block_is_filler(&run->blocks, node);
}

void run_block(struct run *run, node_id node, struct query_block *ret, uint64_t *ret_address)
{
	const struct heap_info *info;
	struct saved_block s;
	struct block b;

	if (run->saved) {
		saved_block(run->saved, node, &s);
		*ret = (struct query_block){ .usable = s.usable, .where = s.where,
					     .allocator = s.allocator, .arena = s.arena };
		*ret_address = s.address;
		return;
	}
	block_get(&run->blocks, node, &b); /* nodes are blocks */
	info = b.heap ? b.heap->info : NULL;
	*ret_address = b.addr;
	*ret = (struct query_block){
		.usable = b.usable,
		.where = b.used ? NULL : b.where,
		.allocator = b.heap ? b.heap->ops->name : NULL,
		.arena = info && b.claim && b.claim->arena < info->n_arenas ?
				 info->arenas[b.claim->arena].addr :
				 0,
	};
}

/* ---- writing */

static const char *where_of(void *ctx, node_id node)
{
	struct query_block b;
	uint64_t address;

	run_block(ctx, node, &b, &address);
	return b.where;
}

static struct err *add_places(const struct blocks *b, struct save_source *s,
			      struct save_place **ret)
{
	struct save_place *v = calloc(b->n_claims + 1, sizeof(*v));

	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		const struct claim *c = &b->claims[i];
		const struct heap_info *info = b->heaps[b->claim_heap[i]].info;

		v[i] = (struct save_place){
			.start = c->start, .end = c->end, .heap = b->claim_heap[i],
			.head = c->head, .overhead = c->overhead,
			.arena = info && c->arena < info->n_arenas ?
					 info->arenas[c->arena].addr :
					 0,
		};
	}
	s->places = *ret = v;
	s->n_places = b->n_claims;
	return NULL;
}

/* Segments, frames, pools: the report's for the time of writing alone. */
static struct err *query_tables(struct run *run, size_t *ret_first)
{
	struct err *err;

	*ret_first = run->report.tables.n;
	err = sql_add_segments(run);
	if (!err)
		err = sql_add_frames(run);
	return err ? err : sql_add_pools(run);
}

int64_t file_time(const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return 0;
	return st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

struct err *save_run(struct run *run, const char *format, FILE *out)
{
	struct save_source s = { .graph = run->graph, .facts = &run->facts, .report = &run->report,
				 .filler = run->blocks.filler, .where = where_of, .ctx = run };
	_free_ struct save_place *places = NULL;
	_free_ const char **allocators = NULL;
	struct report shown;
	size_t first;
	struct err *err;

	(void)format;
	if (run->saved)
		return err_new(ERR_USAGE, "%s is a saved result already", run->input->path);
	s.input = (struct save_input){ run->input->path, run->image->core->size,
				       save_hash(run->image->core->map, run->image->core->size) };
	if (run->image->go && run->image->go->clock) {
		s.input.has_clock = true;
		s.input.clock = run->image->go->clock;
	}
	s.input.file_time = file_time(run->input->path);
	err = facts_compute(&run->env, run->graph, FACT_REACH | FACT_DOM, &run->facts);
	if (!err)
		err = add_places(&run->blocks, &s, &places);
	if (!err)
		err = query_tables(run, &first);
	allocators = calloc(run->blocks.n_heaps + 1, sizeof(*allocators));
	if (!err && !allocators)
		err = &err_nomem;
	if (err)
		return err;
	for (size_t i = 0; i < run->blocks.n_heaps; i++)
		allocators[i] = run->blocks.heaps[i].ops->name;
	s.allocators = allocators;
	s.n_allocators = run->blocks.n_heaps;
	s.tables = run->report.tables.v + first;
	s.n_tables = run->report.tables.n - first;
	run->report.tables.n = first;
	shown = run->report; /* as it is without what gates made of it */
	shown.checks.n = 0;
	s.report = &shown;
	return save_write(&run->env, &s, out);
}

/* ---- reading */

/* ERR_USAGE unless the dump at `path` is the one that the result is of. */
static struct err *check_same_dump(struct run *run, const char *path)
{
	const struct save_input *in = &run->saved->input;
	struct input *dump = NULL;
	uint64_t size = 0, hash = 0;
	bool is_same = false;
	struct err *err = input_open(&run->env, path, &dump);

	for (size_t i = 0; !err && i < dump->n && !is_same; i++) {
		size = dump->members[i].size;
		hash = save_hash(dump->members[i].map, size);
		is_same = size == in->bytes && hash == in->hash;
	}
	input_close(dump);
	if (!err && !is_same)
		err = err_new(ERR_USAGE,
			      "%s is not the dump that %s is of: that is %s of %" PRIu64
			      " bytes, beginning %016" PRIx64 ", and this has %" PRIu64
			      " bytes, beginning %016" PRIx64,
			      path, run->input->path, in->path ? in->path : "-", in->bytes,
			      in->hash, size, hash);
	return err;
}

struct err *open_saved(struct run *run)
{
	const struct member *m = &run->input->members[0];
	struct err *err = saved_open(&run->env, run->input->path, m->map, m->size, &run->saved);

	if (err)
		return err;
	if (run->opt->dump) {
		err = check_same_dump(run, run->opt->dump);
		if (err)
			return err;
	}
	run->graph = run->saved->graph;
	run->facts = run->saved->facts;
	run->report = run->saved->report;
	run->saved->report = (struct report){};
	return NULL;
}

struct err *run_need(struct run *run, unsigned parts)
{
	return run->saved ? saved_check(run->saved, parts) : NULL;
}

struct err *add_saved_table(struct run *run, const char *name)
{
	for (size_t i = 0; i < run->saved->n_tables; i++)
		if (!strcmp(run->saved->tables[i].name, name))
			return vec_push(&run->report.tables, &run->saved->tables[i]) ? NULL :
										       &err_nomem;
	return NULL;
}
