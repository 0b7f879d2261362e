/* cli.c - the option table, and everything made of it: parsing, help, man page, completion. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "base/version.h"
#include "export/heapsnapshot.h"

enum option_kind { OPT_FLAG, OPT_STRING, OPT_LIST, OPT_SIZE, OPT_COUNT, OPT_LIMIT, OPT_SECRET };

struct option_spec {
	const char *name;
	char letter; /* 0 = none */
	enum option_kind kind;
	const char *arg; /* NULL for flags */
	size_t offset;	 /* in struct options */
	const char *help;
	const char *only; /* commands that take it, in words; NULL = all that read a dump */
	bool all;	  /* the others too */
};

#define AT(field) offsetof(struct options, field)

static const struct option_spec specs[] = {
	{ "exe", 'e', OPT_STRING, "FILE", AT(exe),
	  "the program's executable, when it is not where the core says", NULL },
	{ "sysroot", 0, OPT_LIST, "DIR", AT(sysroots),
	  "look for modules under DIR first (repeatable)", NULL },
	{ "debug-dir", 0, OPT_LIST, "DIR", AT(debug_dirs),
	  "look for separate debug files in DIR (repeatable)", NULL },
	{ "no-host-files", 0, OPT_FLAG, NULL, AT(no_host_files),
	  "read modules from the dump's bundle and --sysroot alone, never from this machine",
	  NULL },
	{ "no-cache", 0, OPT_FLAG, NULL, AT(no_cache),
	  "neither use nor keep indexes of debug info ($XDG_CACHE_HOME/heapfx, or ~/.cache/heapfx)",
	  NULL },
	{ "smaps", 0, OPT_STRING, "FILE", AT(smaps),
	  "a copy of /proc/PID/smaps: where the resident memory went, instead of the dumped",
	  "analyze" },
	{ "pool-layout", 0, OPT_LIST, "FILE", AT(pool_layouts),
	  "how arenas of the program's own lie in memory: a text, as the man page has it "
	  "(repeatable)",
	  "analyze info blocks diff explain sql" },
	{ "count-rules", 0, OPT_LIST, "FILE", AT(count_rules),
	  "which structs of the program's own count the references to them: a text, as the man "
	  "page has it (repeatable)",
	  "analyze info blocks diff explain sql" },
	{ "dump", 0, OPT_STRING, "FILE", AT(dump),
	  "the dump that a saved result has to be of; a result of another one is refused", NULL },
	{ "format", 'f', OPT_STRING, "FORMAT", AT(format), "output format", NULL, true },
	{ "output", 'o', OPT_LIST, "FILE", AT(outputs),
	  "write to FILE; FORMAT=FILE may be given several times", NULL, true },
	{ "mode", 0, OPT_STRING, "MODE", AT(mode),
	  "how the process is held still: fork (it makes a copy of itself and goes on at once), "
	  "stop (it stands until the dump is written), gcore (gdb does it), or auto (default): "
	  "fork if memory allows",
	  "capture watch" },
	{ "pack", 0, OPT_STRING, "HOW", AT(pack),
	  "zstd (default): frames with an index, which zstd -d opens; none: plain, with holes for "
	  "zeros",
	  "capture" },
	{ "only", 0, OPT_STRING, "WHAT", AT(only),
	  "heap: leave out pages of files that were never written to and that a build id brings "
	  "back",
	  "capture watch" },
	{ "bundle", 0, OPT_FLAG, NULL, AT(bundle),
	  "one archive with the executable, its libraries and what /proc says, complete on another "
	  "machine",
	  "capture watch" },
	{ "cgroup", 0, OPT_STRING, "DIR", AT(cgroup),
	  "the memory cgroup to watch: a directory, or a path below --cgroup-root", "watch" },
	{ "pid", 0, OPT_COUNT, "PID", AT(pid),
	  "the process to watch and to capture, its cgroup is found; with capture -, the one "
	  "whose core this is",
	  "watch capture" },
	{ "timeout", 0, OPT_COUNT, "SECONDS", AT(timeout),
	  "with capture -, how long to wait for more (default 60); with ship, how long a server "
	  "may be silent (default 30)",
	  "capture ship" },
	{ "cgroup-root", 0, OPT_STRING, "DIR", AT(cgroup_root),
	  "where cgroups are mounted (default /sys/fs/cgroup)", "watch" },
	{ "prekill", 0, OPT_STRING, "SOCKET", AT(prekill),
	  "listen here for systemd-oomd, which tells before it kills a cgroup and waits for the "
	  "capture (in /run/systemd/oomd.prekill.hook; a socket that systemd passes is taken "
	  "instead)",
	  "watch" },
	{ "process", 0, OPT_STRING, "WHICH", AT(process),
	  "largest (default), init (process 1 of its namespace), or a command's name", "watch" },
	{ "threshold", 0, OPT_COUNT, "PERCENT", AT(threshold),
	  "of the limit, without droppable pages of files (default 90): capture", "watch" },
	{ "rearm", 0, OPT_COUNT, "PERCENT", AT(rearm),
	  "no second capture before it was below this (default 10 less than the threshold)",
	  "watch" },
	{ "cool-down", 0, OPT_COUNT, "SECONDS", AT(cool_down),
	  "nor before so long after the last one (default 300)", "watch" },
	{ "max-dumps", 0, OPT_COUNT, "N", AT(most), "captures in all (default 3)", "watch" },
	{ "max-bytes", 0, OPT_SIZE, "SIZE", AT(keep),
	  "no capture when the directory's cores might take more with it", "watch" },
	{ "state", 0, OPT_STRING, "FILE", AT(state),
	  "what a restart goes on from (default heapfx-watch.state in the directory)", "watch" },
	{ "interval", 0, OPT_COUNT, "MS", AT(interval),
	  "how often it looks, besides what wakes it (default 500)", "watch" },
	{ "analyze", 0, OPT_FLAG, NULL, AT(analyze),
	  "write NAME.report.json beside each core", "watch" },
	{ "to", 0, OPT_STRING, "PLACE", AT(to),
	  "where the core goes: s3://BUCKET/PREFIX with the keys and the region of the variables "
	  "AWS_..., or file:DIR",
	  "ship capture watch" },
	{ "put-url", 0, OPT_SECRET, "URL", AT(put_url),
	  "a presigned URL that one file is PUT to; @FILE reads it from FILE, and so does "
	  "HEAPFX_PUT_URL in the environment",
	  "ship" },
	{ "exec", 0, OPT_STRING, "COMMAND", AT(exec),
	  "run by the shell for each file, with it as $1; status 0 says that it is safe",
	  "ship watch" },
	{ "name", 0, OPT_STRING, "NAME", AT(name),
	  "what a single file, or standard input, is called there", "ship" },
	{ "retry", 0, OPT_COUNT, "SECONDS", AT(retry),
	  "how long a request that failed is tried again (default 60)", "ship capture watch" },
	{ "once", 0, OPT_FLAG, NULL, AT(once), "end after the first capture", "watch" },
	{ "keep", 0, OPT_LIST, "TYPE", AT(keep_types),
	  "leave the contents of blocks of this type, named as in reports, as they are, whatever "
	  "secrets are in them; repeatable",
	  "shrink" },
	{ "salt", 0, OPT_STRING, "FILE", AT(salt),
	  "equal contents become equal digests, keyed by what is in FILE (16 bytes to 4096, a "
	  "secret): duplicate/content is told as before",
	  "shrink" },
	{ "force", 0, OPT_FLAG, NULL, AT(force),
	  "write the result even though less, or something else, is told of it; what is blanked "
	  "is the same",
	  "shrink" },
	{ "top", 0, OPT_COUNT, "N", AT(top),
	  "suspects to print in full (default 3); of diff, rows of each table (default 8)",
	  "analyze diff" },
	{ "leaks", 0, OPT_FLAG, NULL, AT(leaks),
	  "look for nothing but what is lost, by kind: no types, owners or retained sizes, in a "
	  "fraction of the time and memory",
	  "analyze" },
	{ "snapshot-nodes", 0, OPT_LIMIT, "N", AT(snapshot_nodes),
	  "blocks that a heapsnapshot has for themselves, the largest (default 1000000, 0 no "
	  "limit); the others are together by holder and type",
	  "analyze" },
	{ "chains", 0, OPT_COUNT, "N", AT(chains),
	  "chains from roots to show (default 3, at most 64)", "explain" },
	{ "strings", 0, OPT_STRING, "HOW", AT(strings),
	  "whether contents of the program's memory are shown where they explain something: none "
	  "(default) or preview",
	  NULL },
	{ "fail-on", 0, OPT_STRING, "WHAT", AT(fail_on),
	  "exit with status 1 on a finding of these rules or this severity (error, warning, note), "
	  "comma-separated",
	  "analyze" },
	{ "budget", 0, OPT_STRING, "FILE", AT(budget),
	  "exit with status 1 when a limit of FILE is exceeded: by rule, type, category, root, or "
	  "growth against the baseline (docs/ci.md)",
	  "analyze" },
	{ "baseline", 0, OPT_STRING, "FILE", AT(baseline),
	  "exit with status 1 on a suspect that FILE does not know; a JSON report, a dump or a "
	  "saved result. What it knows no longer counts for --fail-on",
	  "analyze" },
	{ "suppressions", 0, OPT_STRING, "FILE", AT(suppressions),
	  "suspects that do not count until a day, and why (docs/ci.md)", "analyze" },
	{ "threads", 0, OPT_COUNT, "N", AT(threads),
	  "processors to use (default all; results never differ)", NULL, true },
	{ "memory", 0, OPT_SIZE, "SIZE", AT(memory),
	  "limit of the memory taken for the analysis (512M, 4G); what is past it lies in "
	  "temporary files, as far as --disk goes", NULL },
	{ "disk", 0, OPT_SIZE, "SIZE", AT(disk),
	  "limit of the temporary files: what packed dumps unpack to, and what is past --memory "
	  "(default 128G)", NULL },
	{ "tmp", 0, OPT_STRING, "DIR", AT(tmp),
	  "directory for temporary files (default $TMPDIR or /tmp)", NULL },
	{ "tmp", 0, OPT_STRING, "DIR", AT(tmp),
	  "with --to and no file, where memory of a process that stands is put meanwhile: it does "
	  "not wait for a network (default $TMPDIR or /tmp)",
	  "capture" },
	{ "strict", 0, OPT_FLAG, NULL, AT(strict),
	  "exit with status 3 when anything in the dump was damaged", NULL },
	{ "no-progress", 0, OPT_FLAG, NULL, AT(no_progress), "show no progress, even on a terminal",
	  NULL, true },
	{ "help", 'h', OPT_FLAG, NULL, AT(help), "show this help", NULL, true },
};
enum { N_SPECS = ARRAY_SIZE(specs), FIRST_LONG = 256 };

static bool word_in(const char *list, const char *word, size_t len)
{
	for (const char *p = list; (p = strstr(p, word)); p++)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

static bool takes(const struct command *cmd, const struct option_spec *spec)
{
	if (spec->only)
		return word_in(spec->only, cmd->name, strlen(cmd->name));
	return spec->all || !cmd->no_dump;
}

void options_fini(struct options *opt)
{
	free(opt->sysroots.v);
	free(opt->debug_dirs.v);
	free(opt->outputs.v);
	free(opt->pool_layouts.v);
	free(opt->count_rules.v);
	free(opt->keep_types.v);
	free(opt->put_url);
}

static bool list_add(struct string_list *list, const char *s)
{
	const char *end = NULL;

	if (!vec_push(list, &s) || !vec_push(list, &end))
		return false;
	list->n--; /* the terminator is not counted */
	return true;
}

static bool parse_count(const char *s, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

/* Everybody may read the arguments of a process; nobody need see this one for long. */
static bool take_secret(const char *arg, char **field)
{
	free(*field);
	*field = strdup(arg);
	if (*field && **field != '@')
		memset((char *)arg, '*', strlen(arg));
	return *field;
}

static bool set_value(const struct option_spec *spec, const char *arg, struct options *opt)
{
	void *field = (char *)opt + spec->offset;

	switch (spec->kind) {
	case OPT_FLAG:
		return *(bool *)field = true;
	case OPT_STRING:
		*(const char **)field = arg;
		return true;
	case OPT_LIST:
		return list_add(field, arg);
	case OPT_SECRET:
		return take_secret(arg, field);
	case OPT_SIZE:
		return text_parse_size(arg, field) && *(uint64_t *)field;
	case OPT_COUNT:
		return parse_count(arg, field) && *(uint64_t *)field;
	case OPT_LIMIT: /* 0: none */
		return parse_count(arg, field);
	}
	return false;
}

/* getopt's tables for one command. */
static void make_tables(const struct command *cmd, struct option *longs, char *shorts)
{
	*shorts++ = '-'; /* positional arguments come back in order, as option 1 */
	*shorts++ = ':';
	for (size_t i = 0; i < N_SPECS; i++) {
		if (!takes(cmd, &specs[i]))
			continue;
		*longs++ = (struct option){ specs[i].name,
					    specs[i].arg ? required_argument : no_argument, NULL,
					    FIRST_LONG + (int)i };
		if (specs[i].letter) {
			*shorts++ = specs[i].letter;
			if (specs[i].arg)
				*shorts++ = ':';
		}
	}
	*longs = (struct option){};
	*shorts = 0;
}

static const struct option_spec *spec_of(int c)
{
	if (c >= FIRST_LONG)
		return &specs[c - FIRST_LONG];
	for (size_t i = 0; i < N_SPECS; i++)
		if (specs[i].letter == c)
			return &specs[i];
	return NULL;
}

static bool usage(const struct command *cmd, const char *what, const char *arg)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, arg, strlen(arg));
	fprintf(stderr, "heapfx %s: %s%s%s\nusage: heapfx %s %s\nheapfx %s --help tells more\n",
		cmd->name, what, *arg ? " " : "", text_str(&t), cmd->name, cmd->args, cmd->name);
	text_fini(&t);
	return false;
}

static bool bad_value(const struct command *cmd, const struct option_spec *spec, const char *value)
{
	_cleanup_(text_fini) struct text t = TEXT_INIT;

	text_printf(&t, "no value for --%s:", spec->name);
	return usage(cmd, text_str(&t), value);
}

static bool add_arg(const struct command *cmd, struct options *opt, const char *arg)
{
	if (opt->n_args == cmd->max_args)
		return usage(cmd, "one argument too many:", arg);
	opt->args[opt->n_args++] = arg;
	return true;
}

static bool parse_all(const struct command *cmd, int argc, char **argv, struct options *opt)
{
	struct option longs[N_SPECS + 1];
	char shorts[2 * N_SPECS + 4];
	int c;

	make_tables(cmd, longs, shorts);
	optind = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_spec *spec;

		if (c == 1) {
			if (!add_arg(cmd, opt, optarg))
				return false;
			continue;
		}
		if (c == ':')
			return usage(cmd, "this option needs a value:", argv[optind - 1]);
		spec = c == '?' ? NULL : spec_of(c);
		if (!spec)
			return usage(cmd, "no such option:", argv[optind - 1]);
		if (!set_value(spec, optarg, opt))
			return bad_value(cmd, spec, optarg ? optarg : "");
	}
	for (; optind < argc; optind++)
		if (!add_arg(cmd, opt, argv[optind]))
			return false;
	return true;
}

bool cli_has_format(const struct command *cmd, const char *format)
{
	return cmd->formats && *format && word_in(cmd->formats, format, strlen(format));
}

/* Not given is fine. */
static bool is_one_of(const char *value, const char *words)
{
	return !value || (*value && !strchr(value, ' ') && word_in(words, value, strlen(value)));
}

bool cli_parse(const struct command *cmd, int argc, char **argv, struct options *ret)
{
	const char *tmp = getenv("TMPDIR");

	*ret = (struct options){
		.top = cmd->top ? cmd->top : 3,
		.chains = 3,
		.snapshot_nodes = HEAPSNAPSHOT_NODES,
		.disk = 128ull << 30,
		.tmp = tmp && *tmp ? tmp : "/tmp",
	};
	if (!parse_all(cmd, argc, argv, ret))
		return false;
	if (ret->help)
		return true;
	if (ret->n_args < cmd->min_args)
		return usage(cmd, "an argument is missing", "");
	if (ret->format && !cli_has_format(cmd, ret->format))
		return usage(cmd, "no such format:", ret->format);
	if (ret->strings && strcmp(ret->strings, "none") && strcmp(ret->strings, "preview"))
		return usage(cmd, "--strings is none or preview, not", ret->strings);
	if (!is_one_of(ret->mode, "auto fork stop gcore"))
		return usage(cmd, "--mode is auto, fork, stop or gcore, not", ret->mode);
	if (!is_one_of(ret->pack, "zstd none"))
		return usage(cmd, "--pack is zstd or none, not", ret->pack);
	if (!is_one_of(ret->only, "heap"))
		return usage(cmd, "--only is heap, not", ret->only);
	return true;
}

/* Words of `s` on lines of at most 100 columns, each after the first behind `indent` blanks. */
static void print_wrapped(FILE *out, unsigned indent, const char *s)
{
	unsigned at = indent;

	while (*s) {
		unsigned len = (unsigned)strcspn(s, " ");

		if (at > indent && at + 1 + len > 100)
			at = (unsigned)fprintf(out, "\n%*s", (int)indent, "") - 1;
		else if (at > indent)
			at += (unsigned)fprintf(out, " ");
		at += (unsigned)fprintf(out, "%.*s", (int)len, s);
		s += len + strspn(s + len, " ");
	}
	fputc('\n', out);
}

static void print_option(const struct option_spec *spec, FILE *out)
{
	char left[64], letter[4] = { '-', spec->letter, ',', 0 };

	snprintf(left, sizeof(left), "%s --%s%s%s", spec->letter ? letter : "   ", spec->name,
		 spec->arg ? " " : "", spec->arg ? spec->arg : "");
	fprintf(out, "  %-24s  ", left);
	print_wrapped(out, 28, spec->help);
}

void cli_command_help(const struct command *cmd, FILE *out)
{
	fprintf(out, "usage: heapfx %s [options]%s%s\n\n", cmd->name, *cmd->args ? " " : "",
		cmd->args);
	print_wrapped(out, 0, cmd->details);
	fputs("\noptions:\n", out);
	for (size_t i = 0; i < N_SPECS; i++)
		if (takes(cmd, &specs[i]))
			print_option(&specs[i], out);
	fputs("\nformats (the first is the default):\n  ", out);
	print_wrapped(out, 2, cmd->formats);
}

void cli_help(FILE *out)
{
	fputs("heapfx - where a dead or dumped process's memory went, what is leaked, "
	      "and who holds it\n\n"
	      "usage: heapfx COMMAND [options] INPUT ...\n\ncommands:\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-8s %-14s %s\n", c->name, c->args, c->summary);
	fputs("\nINPUT is a core dump, plain or packed (zstd, xz, gzip, lz4, bzip2, zip, tar), "
	      "or - for\nstandard input.\n"
	      "heapfx COMMAND --help lists the options; heapfx --version says which this is.\n\n"
	      "exit status: 0 done, 1 a gate (--fail-on, --budget, --baseline) was breached, "
	      "2 usage,\n3 input unreadable (or --strict and damaged), 4 a limit was hit, "
	      "5 a capture failed\n",
	      out);
}

/* troff: a leading dot or quote is a request, a backslash an escape, a hyphen must stay one. */
static void man_text(const char *s, FILE *out)
{
	for (bool start = true; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", out);
		start = *s == '\n';
		if (*s == '\\')
			fputs("\\e", out);
		else if (*s == '-')
			fputs("\\-", out);
		else
			fputc(*s, out);
	}
}

/* Which commands take it, where not all do. */
static void man_takers(const struct option_spec *spec, FILE *out)
{
	bool all = true;
	const char *before = ".br\nOf: ";

	for (const struct command *c = commands; c->name; c++)
		all = all && takes(c, spec);
	if (all)
		return;
	for (const struct command *c = commands; c->name; c++) {
		if (!takes(c, spec))
			continue;
		fprintf(out, "%s%s", before, c->name);
		before = ", ";
	}
	fputc('\n', out);
}

static void man_option(const struct option_spec *spec, FILE *out)
{
	fputs(".TP\n.B ", out);
	if (spec->letter)
		fprintf(out, "\\-%c, ", spec->letter);
	fputs("\\-\\-", out);
	man_text(spec->name, out);
	if (spec->arg)
		fprintf(out, " \\fI%s\\fP", spec->arg);
	fputc('\n', out);
	man_text(spec->help, out);
	fputc('\n', out);
	man_takers(spec, out);
}

/* What a file of --pool-layout says; docs/formats/pools.md has every key. */
static void man_pool_layouts(FILE *out)
{
	static const char text[] =
		"A file of --pool-layout describes arenas of a program's own: a key and"
		" its values on each line, offsets in bytes, # before a comment. `pool "
		"NAME` begins one. `find` says where heads are (block, page, anywhere, "
		"outside, pointer VARIABLE, variable NAME; default block), head.size and "
		"chunk.size how long the structures are, the other keys where each word"
		" lies: head.magic, self, name, parent, child, sibling, first, avail, "
		"limit, total, large; chunk.next, prev, owner, end (or bytes, or "
		"fixed), avail. All that is said must hold, and some of it must be more"
		" than chance: a magic, self, total, owner, or the name of a variable. "
		"What is wrong is said with its line. docs/formats/pools.md has the "
		"whole table.";
	static const char example[] = "pool        arena\n"
				      "head.size   40\n"
				      "head.magic  0 u64 0x414e455241\n"
				      "head.name   8\n"
				      "head.parent 16\n"
				      "head.first  24\n"
				      "chunk.size  24\n"
				      "chunk.next  0\n"
				      "chunk.end   8\n"
				      "chunk.avail 16\n";

	fputs(".SH POOL LAYOUTS\n", out);
	man_text(text, out);
	fputs("\n.PP\n.nf\n", out);
	man_text(example, out);
	fputs(".fi\n", out);
}

/* What a file of --count-rules says; docs/formats/cxx.md has every key. */
static void man_count_rules(FILE *out)
{
	static const char text[] =
		"A file of --count-rules describes counts of references that a program of"
		" somebody's own keeps in its structs, for rings that keep themselves "
		"(cycle/refcount): a key and its values on each line, # before a comment."
		" `count NAME` begins one. `type TYPE` is a struct or class as the source"
		" writes it, with * behind it every one whose name begins so; `strong "
		"FIELD` its count (or an offset and u8, u16, u32, u64), `strong.bias`, "
		"`.shift` and `.mask` what of it counts; `weak` the same of references "
		"that keep nothing. Pointers to the type, what begins with it and what it"
		" is derived of count; `ref.none TYPE FIELD` is one that does not, "
		"`ref.weak` one that the weak count has, and once `ref` names one, those "
		"alone do. docs/formats/cxx.md has the whole table.";
	static const char example[] = "count    session\n"
				      "type     struct session\n"
				      "strong   refs\n"
				      "ref.none struct request session\n";

	fputs(".SH COUNT RULES\n", out);
	man_text(text, out);
	fputs("\n.PP\n.nf\n", out);
	man_text(example, out);
	fputs(".fi\n", out);
}

void cli_man_page(FILE *out)
{
	fputs(".TH HEAPFX 1 \"\" \"heapfx " HEAPFX_VERSION "\" \"User Commands\"\n.SH NAME\n"
	      "heapfx \\- where the memory of a dumped process went, what is leaked, "
	      "and who holds it\n"
	      ".SH SYNOPSIS\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, ".B heapfx %s\n[\\fIoptions\\fP] %s\n.br\n", c->name, c->args);
	fputs(".SH COMMANDS\n", out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, ".TP\n.B %s\n", c->name);
		man_text(c->details, out);
		fprintf(out, "\n.br\nFormats: %s.\n", c->formats);
	}
	fputs(".SH OPTIONS\n", out);
	for (size_t i = 0; i < N_SPECS; i++)
		man_option(&specs[i], out);
	man_pool_layouts(out);
	man_count_rules(out);
	fputs(".SH EXIT STATUS\n.TP\n.B 0\ndone\n"
	      ".TP\n.B 1\n"
	      "done; a gate (\\-\\-fail\\-on, \\-\\-budget, \\-\\-baseline) was breached\n"
	      ".TP\n.B 2\nusage\n"
	      ".TP\n.B 3\nthe input cannot be read at all, or \\-\\-strict and it was damaged\n"
	      ".TP\n.B 4\na limit was hit; the message names the option that raises it\n"
	      ".TP\n.B 5\na capture failed; the process goes on, and what is kept is named\n"
	      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nwhen set, no colours are used\n"
	      ".TP\n.B SOURCE_DATE_EPOCH\nwhen set, the time by which suppressions expire\n"
	      ".TP\n.B TMPDIR\nwhere packed dumps are unpacked to, in files without a name\n",
	      out);
}

void cli_bash_completion(FILE *out)
{
	fputs("_heapfx()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	      "prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
	      "\tif ((COMP_CWORD == 1)); then\n\t\twords='",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "%s ", c->name);
	fputs("--help --version'\n\telse\n\t\tcase ${COMP_WORDS[1]}:$prev in\n", out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "\t\t%s:--format | %s:-f) words='%s' ;;\n", c->name, c->name,
			c->formats);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "\t\t%s:*) [[ $cur == -* ]] && words='", c->name);
		for (size_t i = 0; i < N_SPECS; i++)
			if (takes(c, &specs[i]))
				fprintf(out, "--%s ", specs[i].name);
		fputs("' ;;\n", out);
	}
	fputs("\t\tesac\n\tfi\n\tif [[ $words ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	      "\telse\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\tfi\n}\n"
	      "complete -o filenames -F _heapfx heapfx\n",
	      out);
}

enum exit_status cli_fail(struct err *err)
{
	struct text t = TEXT_INIT;
	enum exit_status status = err->kind == ERR_LIMIT || err->kind == ERR_NOMEM ? EXIT_LIMIT :
				  err->kind == ERR_USAGE			   ? EXIT_USAGE :
										     EXIT_INPUT;

	text_add_escaped(&t, err->message, strlen(err->message));
	fprintf(stderr, "heapfx: %s\n", text_str(&t));
	text_fini(&t);
	err_free(err);
	return status;
}
