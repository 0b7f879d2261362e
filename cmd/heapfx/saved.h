/* saved.h - a saved analysis where a dump is expected, and the way there. */
#ifndef HEAPFX_CMD_SAVED_H
#define HEAPFX_CMD_SAVED_H

#include "pipeline.h"
#include "query/query.h"
#include "save/save.h"

/* An output_fn: a run that is analysed whole, with every profile, as a file (save/save.h). */
struct err *save_run(struct run *run, const char *format, FILE *out) MUST_CHECK;
/* run->input is one: graph, facts and report are the file's. */
struct err *open_saved(struct run *run) MUST_CHECK;
/* When a file was last written, for struct save_input; 0: it is no file. */
int64_t file_time(const char *path);
/* Parts of a saved run are about to be read (enum save_part); nothing for one of a dump. */
struct err *run_need(struct run *run, unsigned parts) MUST_CHECK;
/* One block in the words of its heap; the address that the program holds of it. */
void run_block(struct run *run, node_id node, struct query_block *ret, uint64_t *ret_address);
bool run_is_filler(const struct run *run, node_id node);
/* Of a saved run: a table that only queries show goes to the report; nothing without one. */
struct err *add_saved_table(struct run *run, const char *name) MUST_CHECK;

#endif
