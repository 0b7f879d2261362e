/* gates.h - --budget, --baseline, --suppressions and --fail-on of a run: read, applied, told. */
#ifndef HEAPFX_CMD_GATES_H
#define HEAPFX_CMD_GATES_H

#include "gate/gate.h"
#include "pipeline.h"

struct run_gates {
	struct gates gates;
	struct baseline baseline;
	bool has_baseline;
	int64_t today; /* days since 1970-01-01 */
};

/*
 * Before the dump is opened: files with mistakes are told at once, and a baseline that is a dump is
 * analysed and let go.
 */
struct err *run_gates_open(struct run_gates *g, const struct options *opt) MUST_CHECK;
/* Profiles of the report: 1 << enum profile_kind. */
unsigned run_gates_need(const struct run_gates *g);
struct err *run_gates_apply(struct run_gates *g, struct run *run) MUST_CHECK;
/* Breaches on standard error; whether there is one. */
bool run_gates_tell(const struct run *run);
void run_gates_close(struct run_gates *g);

#endif
