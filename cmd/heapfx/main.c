/* main.c - argv -> a command. The commands themselves are one file each. */
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "base/version.h"

const struct command commands[] = {
	{ "analyze", "INPUT [EXE]", "where the memory went, what is leaked, who holds it",
	  "Tells where the memory of the dumped process went, what is leaked or kept without "
	  "use, and who holds it: the worst suspects with a chain of pointers from a root, and "
	  "what to do about each.",
	  1, 2,
	  "text json html markdown pprof folded speedscope svg sarif junit github gitlab "
	  "openmetrics sqlite result heapsnapshot heap-samples go-heap go-allocs go-block go-mutex",
	  cmd_analyze },
	{ "info", "INPUT", "what this dump is: threads, modules, heaps, what is missing",
	  "Tells what the dump is and how complete: kind, processor, process, threads, modules "
	  "with their build ids and symbols, the heaps that were recognised and by what "
	  "evidence, and what is missing.",
	  1, 1, "text json", cmd_info },
	{ "blocks", "INPUT", "every block of every heap, a line each",
	  "Lists every block of every heap in address order: address, size, usable size, state, "
	  "the free list it hangs on, allocator, arena, reachability.",
	  1, 1, "jsonl csv", cmd_blocks },
	{ "explain", "INPUT ADDR", "one address: what it is, who holds it, what it holds",
	  "Explains one address: the mapping and module it lies in; its heap block and how the "
	  "allocator knows it; whether roots reach it and by which shortest chains; what it "
	  "retains; who points at it, or into its mapping where no allocator gave it out.",
	  2, 2, "text json", cmd_explain },
	{ "sql", "INPUT [QUERY]", "the same data as tables, in SQL",
	  "Runs SQL over the dump: blocks, edges, roots, types, suspects, chains, threads, frames, "
	  "goroutines, heaps and more, read where they lie. Without a query it reads statements "
	  "from standard input; on a terminal with line editing, completion, and .help. Addresses "
	  "are integers: write 0x7f10 without quotes. docs/queries.md has tables and examples.",
	  1, 2, "text json jsonl csv sqlite", cmd_sql },
	{ "diff", "OLD NEW...", "dumps of one program against each other: what grew",
	  "Compares dumps of one program, oldest first: where memory went, what is kept without "
	  "use, types (blocks of no known type by their size) and suspects. Nothing is matched by "
	  "address. With three dumps or more it marks what grew each time.",
	  2, 16, "text json html pprof", cmd_diff, 8 },
	{ "capture", "PID", "a core of a running process, for a short pause",
	  "Writes a core of a running process, packed with zstd, with a file of metadata beside "
	  "it, and says how long the process stood still. The process goes on in any case: when "
	  "heapfx is killed, when the disk is full, when the process forks, execs or was stopped "
	  "already. /proc/PID/coredump_filter is obeyed. The file is core.PID.zst here, or what -o "
	  "names: a directory gets a name with the time and the program in it, - is standard "
	  "output. It takes the same user "
	  "as the process's or CAP_SYS_PTRACE. With - for PID it packs a core from standard "
	  "input, as a handler in kernel.core_pattern: |/usr/bin/heapfx capture - --pid %P -o DIR",
	  1, 1, "text json", cmd_capture, .no_dump = true },
	{ "watch", "", "capture a process before its memory limit kills it",
	  "Waits until a memory cgroup (v2, or v1) nears its limit, and captures a process of it "
	  "then, into the directory -o names: once the threshold is reached, or the limit was hit "
	  "or tasks stood still for want of memory above the lower mark; then not again before it "
	  "was below that mark and a cool-down is over. A file of state makes restarts safe. It "
	  "tells a line an event. docs/pipeline.md walks through it.",
	  0, 0, "text json", cmd_watch, .no_dump = true },
	{ "ship", "FILE...", "cores to where they are kept, whole and once",
	  "Sends files to a store, or to another directory: s3://BUCKET/PREFIX, file:DIR, a "
	  "presigned URL, or what a command of yours does. A directory is a spool: what captures "
	  "left in it is sent and then removed; what cannot be sent stays for the next time. - is "
	  "standard input. Nothing that is there is written over; the same file sent twice is "
	  "there once. Keys come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
	  "AWS_SESSION_TOKEN, or from AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE; AWS_REGION, "
	  "AWS_ENDPOINT_URL_S3 and AWS_CA_BUNDLE are heeded. docs/pipeline.md walks through it.",
	  1, 16, "text json", cmd_ship, .no_dump = true },
	{ "shrink", "INPUT", "the same dump with its contents blanked: safe to share, far smaller",
	  "Writes the core again, to -o OUT, with its shape kept and its contents gone: what "
	  "allocators and runtimes keep of blocks, pointers, types, counts and lengths stay at "
	  "their places; every other byte is zero, arguments, environment, strings, buffers and "
	  "registers that hold no pointer among them. OUT is packed with zstd when its name ends "
	  "in .zst. The result is analysed before it has its name, and refused if anything is told "
	  "of it that the dump itself does not tell. docs/shrink.md says what stays and what goes.",
	  1, 1, "text", cmd_shrink },
	{},
};

static const struct command *command_named(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static enum exit_status run(const struct command *cmd, int argc, char **argv)
{
	struct options opt;
	enum exit_status status = EXIT_USAGE;

	if (cli_parse(cmd, argc, argv, &opt)) {
		if (opt.help) {
			cli_command_help(cmd, stdout);
			status = EXIT_DONE;
		} else {
			status = cmd->run(&opt);
		}
	}
	options_fini(&opt);
	return status;
}

/* What is not about a dump: help, version, and the parts that `make install` asks for. */
static bool program_option(int argc, char **argv)
{
	const char *arg = argv[1];

	if (!strcmp(arg, "--help") || !strcmp(arg, "-h") || !strcmp(arg, "help"))
		cli_help(stdout);
	else if (!strcmp(arg, "--version"))
		puts("heapfx " HEAPFX_VERSION);
	else if (!strcmp(arg, "--print-man"))
		cli_man_page(stdout);
	else if (!strcmp(arg, "--print-completion") && argc > 2 && !strcmp(argv[2], "bash"))
		cli_bash_completion(stdout);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		cli_help(stderr);
		return EXIT_USAGE;
	}
	cmd = command_named(argv[1]);
	if (cmd)
		return (int)run(cmd, argc - 1, argv + 1);
	if (program_option(argc, argv))
		return fflush(stdout) ? EXIT_INPUT : EXIT_DONE;
	fprintf(stderr, "heapfx: no such command: %s\nheapfx --help lists them\n", argv[1]);
	return EXIT_USAGE;
}
