/* explain.h - what `heapfx explain` says, for whoever else is asked about an address. */
#ifndef HEAPFX_CMD_EXPLAIN_H
#define HEAPFX_CMD_EXPLAIN_H

#include "pipeline.h"

enum explain_part { EXPLAIN_ALL, EXPLAIN_CHAINS };
/*
 * Prints it of a run whose report is described.  ERR_USAGE for what is no address ("0x7f10", or the
 * digits alone).
 */
struct err *explain_on(struct run *run, const char *address, enum explain_part part,
		       FILE *out) MUST_CHECK;

#endif
