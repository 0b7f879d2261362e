/*
 * cli.h - one table of options and one of commands, from which parsing, --help, the man page and
 * the shell completion all come.
 */
#ifndef HEAPFX_CMD_CLI_H
#define HEAPFX_CMD_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_GATE = 1,	/* a gate was breached */
	EXIT_USAGE = 2,
	EXIT_INPUT = 3, /* the input cannot be read, or --strict and it was damaged */
	EXIT_LIMIT = 4,
	EXIT_CAPTURE = 5, /* a capture or an upload failed */
};

struct string_list {
	const char **v; /* NULL-terminated once n > 0 */
	size_t n, cap;
};

struct options {
	const char *exe, *format, *tmp, *fail_on, *smaps, *strings;
	const char *budget, *baseline, *suppressions, *dump, *mode, *pack, *only;
	struct string_list sysroots, debug_dirs, outputs, pool_layouts, count_rules, keep_types;
	const char *cgroup, *cgroup_root, *process, *state, *exec, *to, *name, *prekill, *salt;
	char *put_url; /* owned: what stood in argv is wiped */
	uint64_t pid, threshold, rearm, cool_down, most, keep, interval, timeout, retry;
	uint64_t top, chains, snapshot_nodes, threads, memory, disk;
	bool strict, no_progress, no_host_files, no_cache, help, bundle, analyze, once, force;
	bool leaks;
	const char *args[16]; /* positional */
	unsigned n_args;
};

struct command {
	const char *name, *args, *summary;
	const char *details; /* a paragraph for --help and the man page */
	unsigned min_args, max_args;
	const char *formats; /* "text json": values of --format, the default first */
	enum exit_status (*run)(const struct options *opt);
	unsigned top; /* default of --top; 0: 3 */
	bool no_dump; /* it reads none: options of those that do are not its */
};
extern const struct command commands[]; /* main.c; ends with a NULL name */

void options_fini(struct options *opt);
/* argv[0] is the command's name. A usage error is printed to stderr and answered by false. */
bool cli_parse(const struct command *cmd, int argc, char **argv, struct options *ret);
bool cli_has_format(const struct command *cmd, const char *format);
void cli_help(FILE *out);					     /* of the program */
void cli_command_help(const struct command *cmd, FILE *out);
void cli_man_page(FILE *out);
void cli_bash_completion(FILE *out);
/*
 * Prints a sentence about the error to stderr (escaped), frees it, answers the exit status it calls
 * for.
 */
enum exit_status cli_fail(struct err *err);

#endif
