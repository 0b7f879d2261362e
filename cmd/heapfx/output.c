/* output.c - standard output or files, whole or not at all. */
#include "output.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"

const struct command *command_of(enum exit_status (*run)(const struct options *))
{
	const struct command *c = commands;

	while (c->run != run)
		c++;
	return c;
}

enum { PAGE_WIDTH = 100, PAGE_WIDTH_MIN = 80 };

/* A terminal's, where that is narrower than the page, and wide enough for its figures. */
static unsigned page_width(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col || size.ws_col > PAGE_WIDTH)
		return PAGE_WIDTH;
	return size.ws_col < PAGE_WIDTH_MIN ? PAGE_WIDTH_MIN : size.ws_col;
}

struct err *write_report(struct run *run, const char *format, FILE *out)
{
	bool tty = isatty(fileno(out));
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct writer_options wo = {
		.top = (unsigned)(run->opt->top > 1000000 ? 1000000 : run->opt->top),
		.color = tty && !(no_color && *no_color) && !(term && !strcmp(term, "dumb")),
		.width = page_width(out),
	};

	return writer_by_name(format)->write(&run->report, &wo, out);
}

static struct err *finish(FILE *out, const char *name)
{
	if (fflush(out) || ferror(out))
		return err_os(errno, "writing %s", name);
	return NULL;
}

static struct err *write_to(struct run *run, const char *format, const char *path, output_fn *write)
{
	FILE *out = fopen(path, "we");
	struct err *err;

	if (!out)
		return err_os(errno, "%s", path);
	err = write(run, format, out);
	if (!err)
		err = finish(out, path);
	if (fclose(out) && !err)
		err = err_os(errno, "%s", path);
	return err;
}

/*
 * A regular file is written beside its name and renamed; a device, a pipe or a link is written to.
 */
static struct err *write_file(struct run *run, const char *format, const char *path,
			      output_fn *write)
{
	_free_ char *partial = text_format("%s.partial", path);
	struct stat st;
	struct err *err;

	if (!partial)
		return &err_nomem;
	if (!lstat(path, &st) && !S_ISREG(st.st_mode))
		return write_to(run, format, path, write);
	err = write_to(run, format, partial, write);
	if (!err && rename(partial, path))
		err = err_os(errno, "%s", path);
	if (err)
		unlink(partial);
	return err;
}

/* "json=FILE" names its format; a bare FILE takes --format's. `ret_format` is malloc'd. */
static const char *split_output(const struct command *cmd, const char *spec, const char *fallback,
				char **ret_format)
{
	const char *eq = strchr(spec, '=');

	if (eq) {
		*ret_format = strndup(spec, (size_t)(eq - spec));
		if (*ret_format && cli_has_format(cmd, *ret_format))
			return eq + 1;
		free(*ret_format);
	}
	*ret_format = strdup(fallback);
	return spec;
}

/* A format that is no writer's, a database, is made of the run itself. */
static unsigned needs_of(const char *format)
{
	const struct writer_ops *writer = writer_by_name(format);

	if (!strcmp(format, "result"))
		return UINT_MAX; /* of any that is asked later */
	if (!strcmp(format, "heapsnapshot") || !strcmp(format, "sqlite"))
		return NEED_SLOTS;
	return writer ? writer->needs : 0;
}

struct err *outputs_need(const struct run *run, const struct command *cmd, unsigned *ret)
{
	_free_ char *first = strndup(cmd->formats, strcspn(cmd->formats, " "));
	const char *fallback = run->opt->format ? run->opt->format : first;

	if (!first)
		return &err_nomem;
	*ret = run->opt->outputs.n ? 0 : needs_of(fallback);
	for (size_t i = 0; i < run->opt->outputs.n; i++) {
		_free_ char *format = NULL;

		split_output(cmd, run->opt->outputs.v[i], fallback, &format);
		if (!format)
			return &err_nomem;
		*ret |= needs_of(format);
	}
	return NULL;
}

struct err *write_outputs(struct run *run, const struct command *cmd, output_fn *write)
{
	_free_ char *first = strndup(cmd->formats, strcspn(cmd->formats, " "));
	const char *fallback = run->opt->format ? run->opt->format : first;
	struct err *err = NULL;

	end_progress(run);
	if (!first)
		return &err_nomem;
	if (!run->opt->outputs.n) {
		err = write(run, fallback, stdout);
		return err ? err : finish(stdout, "standard output");
	}
	for (size_t i = 0; !err && i < run->opt->outputs.n; i++) {
		_free_ char *format = NULL;
		const char *path = split_output(cmd, run->opt->outputs.v[i], fallback, &format);

		err = format ? write_file(run, format, path, write) : &err_nomem;
	}
	return err;
}
