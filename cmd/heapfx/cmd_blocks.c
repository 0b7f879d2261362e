/* cmd_blocks.c - every block of every heap in address order, as JSON Lines or CSV. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "cells.h"
#include "commands.h"
#include "output.h"
#include "saved.h"

/* The name of each type, as one format writes it: made when it is first met. */
struct names {
	const struct graph *graph;
	bool csv;
	const char **v; /* by type_id */
	struct arena mem;
};

static void close_names(struct names *n)
{
	free(n->v);
	arena_fini(&n->mem);
}

static const char *quoted(struct names *n, const char *name)
{
	struct text t = TEXT_INIT;
	const char *kept;

	add_quoted(&t, name, n->csv ? CELLS_CSV : CELLS_JSON);
	kept = t.bad ? NULL : arena_strdup(&n->mem, text_str(&t));
	text_fini(&t);
	return kept;
}

/* NULL: of no type that is known. */
static const char *name_of(struct names *n, uint32_t id)
{
	type_id type = graph_type(n->graph, id);

	if (!type)
		return NULL;
	if (!n->v[type])
		n->v[type] = quoted(n, n->graph->types->v[type].name);
	return n->v[type];
}

/* A row of the listing. */
struct row {
	uint64_t address, size;
	bool is_used;
	struct query_block block;
	char arena[32];
	const char *reach, *type, *looks; /* NULL: none */
};

/* Names of allocators and their lists are literals of ours: nothing needs escaping. */
static void print_jsonl(FILE *out, const struct row *r)
{
	fprintf(out,
		"{\"address\":\"0x%" PRIx64 "\",\"size\":%" PRIu64 ",\"usable\":%" PRIu64
		",\"state\":\"%s\"",
		r->address, r->size, r->block.usable, r->is_used ? "used" : "free");
	if (r->block.where)
		fprintf(out, ",\"where\":\"%s\"", r->block.where);
	fprintf(out, ",\"allocator\":\"%s\"", r->block.allocator);
	if (*r->arena)
		fprintf(out, ",\"arena\":\"%s\"", r->arena);
	if (r->reach)
		fprintf(out, ",\"reach\":\"%s\"", r->reach);
	if (r->type)
		fprintf(out, ",\"type\":%s", r->type);
	if (r->looks)
		fprintf(out, ",\"looks\":\"%s\"", r->looks);
	fputs("}\n", out);
}

static void print_csv(FILE *out, const struct row *r)
{
	fprintf(out, "0x%" PRIx64 ",%" PRIu64 ",%" PRIu64 ",%s,%s,%s,%s,%s,%s,%s\n", r->address,
		r->size, r->block.usable, r->is_used ? "used" : "free",
		r->block.where ? r->block.where : "", r->block.allocator, r->arena,
		r->reach ? r->reach : "", r->type ? r->type : "", r->looks ? r->looks : "");
}

static const char *looks_of(const struct graph *g, node_id id)
{
	return g->ops && g->ops->label ? g->ops->label(g->ctx, id) : NULL;
}

static struct err *print_blocks(struct run *run, const char *format, FILE *out)
{
	bool csv = !strcmp(format, "csv");
	_cleanup_(close_names) struct names names = { .graph = run->graph, .csv = csv };
	const struct graph *g = run->graph;
	uint64_t near = 0;
	struct row r;

	names.v = calloc(run->graph->types ? run->graph->types->n : 1, sizeof(*names.v));
	if (!names.v)
		return &err_nomem;
	if (csv)
		fputs("address,size,usable,state,where,allocator,arena,reach,type,looks\n", out);
	for (node_id id = 0; id < g->n && !ferror(out); id++) {
		if (run_is_filler(run, id))
			continue;
		run_block(run, id, &r.block, &r.address);
		if (!r.block.allocator)
			continue;
		r.size = graph_size_near(g, id, &near);
		r.is_used = graph_is_live(g, id);
		r.reach = r.is_used ? reach_name(run->facts.reach[id]) : NULL;
		r.type = r.is_used ? name_of(&names, id) : NULL;
		r.looks = r.is_used && !r.type ? looks_of(g, id) : NULL;
		*r.arena = 0;
		if (r.block.arena)
			snprintf(r.arena, sizeof(r.arena), "0x%" PRIx64, r.block.arena);
		if (csv)
			print_csv(out, &r);
		else
			print_jsonl(out, &r);
	}
	return NULL;
}

enum exit_status cmd_blocks(const struct options *opt)
{
	struct run run;
	struct err *err = run_open(&run, opt, STAGE_GRAPH);

	if (!err)
		err = run_need(&run, SAVE_NODES | SAVE_REACH);
	if (!err)
		err = facts_compute(&run.env, run.graph, FACT_REACH, &run.facts);
	if (!err)
		err = write_outputs(&run, command_of(cmd_blocks), print_blocks);
	if (!err)
		print_problems(&run);
	return run_end(&run, err, EXIT_DONE);
}
