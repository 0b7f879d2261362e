/* cmd_sql.c - SQL over the analysed dump. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cells.h"
#include "commands.h"
#include "output.h"
#include "saved.h"
#include "sql.h"

/* A run as tables, and which parts of its report are there. */
struct session {
	struct run *run;
	struct query *query;
	bool has[QUERY_PARTS];
};

static struct err *need_facts(void *ctx, unsigned facts)
{
	struct session *s = ctx;
	unsigned parts = (facts & FACT_REACH ? SAVE_REACH : 0) | (facts & FACT_DOM ? SAVE_DOM : 0) |
			 (facts & FACT_REVERSE ? SAVE_EDGES : 0) |
			 (facts & FACT_PARENT ? SAVE_EDGES | SAVE_ROOTS : 0);
	struct err *err = run_need(s->run, parts);

	if (!err)
		err = facts_compute(&s->run->env, s->run->graph, facts, &s->run->facts);
	end_progress(s->run);
	return err;
}

/* A saved run has all of its report; its columns are looked at when they are wanted. */
static struct err *saved_part(struct run *run, enum query_part part)
{
	switch (part) {
	case PART_SEGMENTS:
		return add_saved_table(run, "segments");
	case PART_FRAMES:
		return add_saved_table(run, "frames");
	case PART_POOLS:
		return add_saved_table(run, "pools");
	case PART_EDGES:
		return run_need(run, SAVE_EDGES);
	case PART_ROOTS:
		return run_need(run, SAVE_ROOTS);
	default:
		return NULL;
	}
}

static struct err *make_part(struct session *s, enum query_part part)
{
	struct err *err;

	if (s->run->saved)
		return saved_part(s->run, part);
	switch (part) {
	case PART_DESCRIPTION:
		return describe_run(s->run);
	case PART_FINDINGS:
		err = analyze_run(s->run);
		return err ? err : breakdown_run(s->run);
	case PART_SEGMENTS:
		return sql_add_segments(s->run);
	case PART_FRAMES:
		return sql_add_frames(s->run);
	case PART_POOLS:
		return sql_add_pools(s->run);
	case PART_EDGES:
	case PART_ROOTS:
	case QUERY_PARTS:
		break;
	}
	return NULL;
}

static struct err *need_report(void *ctx, enum query_part part)
{
	struct session *s = ctx;
	struct err *err = NULL;

	if (s->has[part])
		return NULL;
	if (part == PART_FINDINGS)
		err = need_report(ctx, PART_DESCRIPTION);
	if (!err)
		err = make_part(s, part);
	end_progress(s->run);
	s->has[part] = !err;
	return err;
}

static void read_block(void *ctx, node_id node, struct query_block *ret)
{
	uint64_t address;

	run_block(((struct session *)ctx)->run, node, ret, &address);
}

static bool is_filler(void *ctx, node_id node)
{
	return run_is_filler(((struct session *)ctx)->run, node);
}

static struct err *open_session(struct session *s)
{
	struct query_source source = {
		.graph = s->run->graph,
		.facts = &s->run->facts,
		.report = &s->run->report,
		.need_facts = need_facts,
		.need_report = need_report,
		.block = read_block,
		.is_filler = is_filler,
		.ctx = s,
	};

	struct err *err = run_need(s->run, SAVE_NODES);

	return err ? err : query_open(&s->run->env, &source, &s->query);
}

/* ---- outputs */

/* A database is written where SQLite can seek, then copied: `out` may be a pipe. */
static struct err *copy_database(struct run *run, struct query *query, FILE *out)
{
	_free_ char *path = text_format("%s/heapfx-XXXXXX", run->env.tmp_dir);
	char buffer[1 << 16];
	struct err *err;
	FILE *in;
	size_t n;
	int fd;

	if (!path)
		return &err_nomem;
	fd = mkstemp(path);
	if (fd < 0)
		return err_os(errno, "%s", path);
	in = fdopen(fd, "rb");
	err = in ? query_save(query, path) : &err_nomem;
	while (!err && (n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		if (fwrite(buffer, 1, n, out) != n)
			break; /* the caller sees ferror(out) */
	if (in)
		fclose(in);
	else
		close(fd);
	unlink(path);
	return err;
}

/*
 * The name of an empty file that `out` writes to; NULL: it is none, or has no name.  SQLite opens
 * files by name alone.
 */
static char *name_of_file(FILE *out)
{
	_free_ char *link = text_format("/proc/self/fd/%d", fileno(out));
	char *path = link ? realpath(link, NULL) : NULL;
	struct stat there, ours;

	if (path && !fstat(fileno(out), &ours) && S_ISREG(ours.st_mode) && !ours.st_size &&
	    !stat(path, &there) && there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
		return path;
	free(path);
	return NULL;
}

static struct err *write_database(struct run *run, struct query *query, FILE *out)
{
	_free_ char *name = name_of_file(out);

	return name ? query_save(query, name) : copy_database(run, query, out);
}

struct err *sql_write_database(struct run *run, FILE *out)
{
	struct session s = {
		.run = run,
		.has = { [PART_DESCRIPTION] = true, [PART_FINDINGS] = true },
	};
	struct err *err = open_session(&s);

	if (!err)
		err = write_database(run, s.query, out);
	query_close(s.query);
	return err;
}

/* What `heapfx sql` is: write_result() gets no more than the run. */
struct sql_run {
	struct run run; /* first */
	struct session session;
};

static struct err *write_result(struct run *run, const char *format, FILE *out)
{
	struct session *s = &((struct sql_run *)run)->session;
	struct query_sink *sink;
	struct err *err;

	if (!strcmp(format, "sqlite"))
		return write_database(run, s->query, out);
	if (run->opt->n_args < 2) {
		/* Dot commands ask for addresses: explain() wants the description. */
		err = need_report(s, PART_DESCRIPTION);
		return err ? err : sql_shell(run, s->query, format, out);
	}
	sink = print_rows(format, out);
	err = sink ? query_run(s->query, run->opt->args[1], sink) : &err_nomem;
	free_rows(sink);
	return err;
}

enum exit_status cmd_sql(const struct options *opt)
{
	struct sql_run r = { .session = { .run = &r.run } };
	struct err *err;

	run_start(&r.run, opt);
	err = outputs_need(&r.run, command_of(cmd_sql), &r.run.profiles);
	r.run.profiles &= NEED_SLOTS; /* the report is made by what is asked of it */
	if (!err)
		err = run_open_started(&r.run, STAGE_GRAPH);
	if (!err)
		err = open_session(&r.session);
	if (!err)
		err = write_outputs(&r.run, command_of(cmd_sql), write_result);
	query_close(r.session.query);
	return run_end(&r.run, err, EXIT_DONE);
}
