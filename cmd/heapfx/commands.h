/* commands.h - one function a command, each in the file of its name. */
#ifndef HEAPFX_CMD_COMMANDS_H
#define HEAPFX_CMD_COMMANDS_H

#include "cli.h"

enum exit_status cmd_analyze(const struct options *opt);
enum exit_status cmd_info(const struct options *opt);
enum exit_status cmd_blocks(const struct options *opt);
enum exit_status cmd_explain(const struct options *opt);
enum exit_status cmd_sql(const struct options *opt);
enum exit_status cmd_diff(const struct options *opt);
enum exit_status cmd_capture(const struct options *opt);
enum exit_status capture_stdin(const struct options *opt); /* `capture -` */
enum exit_status cmd_watch(const struct options *opt);
enum exit_status cmd_ship(const struct options *opt);
enum exit_status cmd_shrink(const struct options *opt);

#endif
