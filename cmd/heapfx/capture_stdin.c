/*
 * capture_stdin.c - a core that the kernel pipes to us (core(5), "|" in core_pattern), packed as it
 * comes.
 *
 * Memory is bounded by a frame and its packed form.  The dying process waits until its core is
 * read, so nothing else is done meanwhile; what a silent pipe leaves is kept, marked as partial.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "capture/caps.h"
#include "capture/confine.h"
#include "capture/outfile.h"
#include "capture/proc.h"
#include "capture_meta.h"
#include "capture_name.h"
#include "commands.h"
#include "pipeline.h"

enum { TIMEOUT_S = 60 };

struct dying {
	struct run run;
	struct kernel_core core;
	struct stored stored;
	struct outfile file;
	struct proc_stat stat;
	char exe[4096], *path, *meta_path;
};

/* It is still there, as long as its core is not read. */
static void look_at(struct dying *d)
{
	struct err *err;

	d->core.pid = (pid_t)d->run.opt->pid;
	if (!d->core.pid)
		return;
	err = proc_stat(d->core.pid, 0, &d->stat);
	if (!err)
		d->core.comm = d->stat.comm;
	if (proc_link(d->core.pid, "exe", d->exe, sizeof(d->exe)))
		d->core.exe = d->exe;
	err_free(err); /* then the file is named without it */
}

static struct err *open_output(struct dying *d)
{
	const struct options *opt = d->run.opt;
	const char *out = opt->outputs.n ? opt->outputs.v[0] : ".";
	const char *comm = d->core.comm ? d->core.comm : "unknown";

	d->path = is_directory(out) ? capture_name(out, comm, d->core.pid,
						   capture_ending(false, true, false)) :
				      strdup(out);
	d->meta_path = d->path ? capture_meta_name(d->path) : NULL;
	d->stored.path = d->path;
	d->stored.pack = "zstd";
	capture_time(d->stored.when, sizeof(d->stored.when));
	return d->meta_path ? outfile_open(d->path, &d->file) : &err_nomem;
}

/* What came is worth keeping, unless the disk is full. */
static struct err *keep_part(struct dying *d, struct err *err)
{
	if (err->os_errno == ENOSPC || err->os_errno == EDQUOT || err->os_errno == EFBIG ||
	    !d->stored.raw)
		return err;
	outfile_leave(&d->file);
	return err_wrap(err, "what there is stays in %s.partial", d->path);
}

static struct err *store(struct dying *d)
{
	uint64_t ms = (d->run.opt->timeout ? d->run.opt->timeout : TIMEOUT_S) * 1000;
	struct err *err = pack_pipe(STDIN_FILENO, ms, d->file.fd, d->path, &d->stored.raw,
				    &d->core.expected);
	struct stat st;

	if (err)
		return keep_part(d, err);
	if (!fstat(d->file.fd, &st))
		d->stored.stored = (uint64_t)st.st_size;
	return outfile_commit(&d->file);
}

static struct err *write_meta(struct dying *d)
{
	_free_ char *text = NULL;
	struct err *err;

	d->stored.done = true;
	err = capture_meta_text(NULL, &d->core, &d->stored, &text);
	return err ? err : outfile_write(d->meta_path, text, strlen(text));
}

static void give_up_rights(const struct dying *d)
{
	const char *slash = d->path ? strrchr(d->path, '/') : NULL;
	_free_ char *dir = slash ? strndup(d->path, (size_t)(slash - d->path) + 1) : strdup(".");
	const struct confine c = { .writable = { dir }, .n_writable = dir != NULL };

	caps_keep(CAPS_FILES);
	confine(&c);
}

static struct err *capture(struct dying *d)
{
	struct err *err;

	if (d->run.opt->pid > INT32_MAX)
		return err_new(ERR_USAGE, "--pid is no process number");
	look_at(d);
	err = open_output(d);
	give_up_rights(d);
	if (!err)
		err = store(d);
	return err ? err : write_meta(d);
}

enum exit_status capture_stdin(const struct options *opt)
{
	struct dying d = { .file = { .dir = -1, .fd = -1 } };
	struct err *err;

	run_start(&d.run, opt);
	err = capture(&d);
	outfile_close(&d.file);
	free(d.path);
	free(d.meta_path);
	return run_end_capture(&d.run, err);
}
