/* output.h - where results go: standard output, or the files that -o names. */
#ifndef HEAPFX_CMD_OUTPUT_H
#define HEAPFX_CMD_OUTPUT_H

#include "pipeline.h"

/*
 * Calls `write` once a wanted output, with its format.  A file is written beside its name and
 * renamed when complete, so nobody reads half a report.
 */
typedef struct err *output_fn(struct run *run, const char *format, FILE *out);
struct err *write_outputs(struct run *run, const struct command *cmd, output_fn *write) MUST_CHECK;
/* What the writers of all wanted outputs need: 1 << enum profile_kind. */
struct err *outputs_need(const struct run *run, const struct command *cmd,
			 unsigned *ret) MUST_CHECK;
/* An output_fn: the report through the writer of that format. */
struct err *write_report(struct run *run, const char *format, FILE *out);
/* The command's own row of the table, for its formats. */
const struct command *command_of(enum exit_status (*run)(const struct options *));

#endif
