/* cmd_blocks.c - every block of every heap in address order, as JSON Lines or CSV. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "cells.h"
#include "commands.h"
#include "output.h"

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

/* Other names here are literals of ours: nothing needs escaping. */
static void print_jsonl(FILE *out, const struct block *b, const char *arena, const char *reach,
			const char *type)
{
	fprintf(out,
		"{\"address\":\"0x%" PRIx64 "\",\"size\":%" PRIu64 ",\"usable\":%" PRIu64
		",\"state\":\"%s\"",
		b->addr, b->size, b->usable, b->used ? "used" : "free");
	if (b->where)
		fprintf(out, ",\"where\":\"%s\"", b->where);
	fprintf(out, ",\"allocator\":\"%s\"", b->heap->ops->name);
	if (*arena)
		fprintf(out, ",\"arena\":\"%s\"", arena);
	if (reach)
		fprintf(out, ",\"reach\":\"%s\"", reach);
	if (type)
		fprintf(out, ",\"type\":%s", type);
	fputs("}\n", out);
}

static void print_csv(FILE *out, const struct block *b, const char *arena, const char *reach,
		      const char *type)
{
	fprintf(out, "0x%" PRIx64 ",%" PRIu64 ",%" PRIu64 ",%s,%s,%s,%s,%s,%s\n", b->addr, b->size,
		b->usable, b->used ? "used" : "free", b->where ? b->where : "", b->heap->ops->name,
		arena, reach ? reach : "", type ? type : "");
}

static void arena_name(const struct block *b, char *ret, size_t n)
{
	const struct heap_info *info = b->heap->info;

	*ret = 0;
	if (info && b->claim->arena < info->n_arenas)
		snprintf(ret, n, "0x%" PRIx64, info->arenas[b->claim->arena].addr);
}

static struct err *print_blocks(struct run *run, const char *format, FILE *out)
{
	bool csv = !strcmp(format, "csv");
	_cleanup_(close_names) struct names names = { .graph = run->graph, .csv = csv };
	char arena[32];
	struct block b;

	names.v = calloc(run->graph->types ? run->graph->types->n : 1, sizeof(*names.v));
	if (!names.v)
		return &err_nomem;
	if (csv)
		fputs("address,size,usable,state,where,allocator,arena,reach,type\n", out);
	for (uint32_t id = 0; id < run->blocks.grains.n && !ferror(out); id++) {
		const char *reach, *type;

		if (block_is_filler(&run->blocks, id))
			continue;
		block_get(&run->blocks, id, &b);
		if (!b.heap || !b.claim)
			continue;
		reach = b.used ? reach_name(run->facts.reach[id]) : NULL;
		type = b.used ? name_of(&names, id) : NULL;
		arena_name(&b, arena, sizeof(arena));
		if (csv)
			print_csv(out, &b, arena, reach, type);
		else
			print_jsonl(out, &b, arena, reach, type);
	}
	return NULL;
}

enum exit_status cmd_blocks(const struct options *opt)
{
	struct run run;
	struct err *err = run_open(&run, opt, STAGE_GRAPH);

	if (!err)
		err = facts_compute(&run.env, run.graph, FACT_REACH, &run.facts);
	if (!err)
		err = write_outputs(&run, command_of(cmd_blocks), print_blocks);
	if (!err)
		print_problems(&run);
	return run_end(&run, err, EXIT_DONE);
}
