/* cmd_capture.c - a core of a running process, its metadata, and a few lines about both. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "capture/bundle.h"
#include "capture/caps.h"
#include "capture/outfile.h"
#include "capture_meta.h"
#include "capture_name.h"
#include "commands.h"
#include "pipeline.h"

enum { THREADS_MOST = 4 };

struct job {
	struct run run;
	struct capture *capture;
	struct bundle bundle;
	struct outfile file;
	struct stored stored;
	char *path, *meta_path;
	enum pack_kind pack;
	bool to_stdout, bundled;
};

static enum capture_mode mode_named(const char *name)
{
	for (enum capture_mode m = CAPTURE_AUTO; name && m <= CAPTURE_GCORE; m++)
		if (!strcmp(name, capture_mode_name(m)))
			return m;
	return CAPTURE_AUTO;
}

static struct err *parse_pid(const char *s, pid_t *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (*end || errno || n <= 0 || n > INT32_MAX)
		return err_new(ERR_USAGE, "%s is no process number", s);
	*ret = (pid_t)n;
	return NULL;
}

/* ---- names */

static struct err *choose_names(struct job *job)
{
	const struct options *opt = job->run.opt;
	const char *out = opt->outputs.n ? opt->outputs.v[0] : NULL;
	bool packed = job->pack == PACK_ZSTD;

	capture_time(job->stored.when, sizeof(job->stored.when));
	if (job->to_stdout)
		return NULL;
	if (out && is_directory(out))
		job->path = capture_name(out, job->capture->stat.comm, job->capture->request.pid,
					 capture_ending(job->bundled, packed, false));
	else if (out)
		job->path = strdup(out);
	else
		job->path = text_format("core.%s%s", opt->args[0],
					capture_ending(job->bundled, packed, true));
	job->meta_path = job->path ? capture_meta_name(job->path) : NULL;
	job->stored.path = job->path;
	return job->meta_path ? NULL : &err_nomem;
}

/* ---- the capture */

static char *folder_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
}

static struct err *look_at(struct job *job)
{
	const struct options *opt = job->run.opt;
	const char *out = opt->outputs.n ? opt->outputs.v[0] : NULL;
	_free_ char *dir = out && is_directory(out) ? strdup(out) : folder_of(out);
	struct capture_request r = {
		.mode = mode_named(opt->mode),
		.only_heap = opt->only != NULL,
		.tmp_dir = job->to_stdout ? opt->tmp : dir,
	};
	struct err *err = parse_pid(opt->args[0], &r.pid);

	return err ? err : capture_open(&job->run.env, &r, &job->capture);
}

static struct err *make_bundle(struct job *job)
{
	_free_ char *meta = NULL;
	struct err *err = capture_meta_text(job->capture, &job->stored, &meta);

	return err ? err : bundle_make(job->capture, meta, &job->bundle);
}

/* The process is free before anything is told, or waited for: a disk takes its time. */
static void let_go(struct job *job)
{
	struct err *err = capture_release(job->capture);

	if (err)
		diag_err(&job->run.env, "capture/child", err);
}

/* A disk that is full is not left so; all else that was captured stays, under its partial name. */
static struct err *keep_part(struct job *job, struct err *err)
{
	_free_ char *partial = NULL;
	struct stat st;

	if (job->file.fd < 0 || err->os_errno == ENOSPC || err->os_errno == EDQUOT ||
	    err->os_errno == EFBIG || fstat(job->file.fd, &st) || !st.st_size)
		return err;
	partial = text_format("%s.partial", job->path);
	outfile_leave(&job->file);
	return err_wrap(err, "what there is stays in %s", partial ? partial : "a partial file");
}

static struct err *store_it(struct job *job)
{
	struct stream *s = job->bundled ? &job->bundle.stream : &job->capture->stream;
	const char *name = job->to_stdout ? "standard output" : job->path;
	int fd = job->to_stdout ? STDOUT_FILENO : job->file.fd;
	struct err *err = pack_stream(&job->run.env, s, job->pack, fd, name);
	struct stat st;

	job->capture->stream.unreadable = s->unreadable;
	job->stored.raw = s->size;
	let_go(job);
	if (err)
		return keep_part(job, err);
	if (!job->to_stdout && !fstat(fd, &st))
		job->stored.stored = job->pack == PACK_PLAIN ? (uint64_t)st.st_blocks * 512 :
							       (uint64_t)st.st_size;
	return job->to_stdout ? NULL : outfile_commit(&job->file);
}

static struct err *write_meta(struct job *job)
{
	_free_ char *meta = NULL;
	struct err *err;

	job->stored.done = true;
	if (job->to_stdout)
		return NULL;
	err = capture_meta_text(job->capture, &job->stored, &meta);
	return err ? err : outfile_write(job->meta_path, meta, strlen(meta));
}

/* ---- what is said of it */

static void say_bytes(FILE *out, uint64_t n)
{
	struct text t = TEXT_INIT;

	text_add_bytes(&t, n);
	fputs(text_str(&t), out);
	text_fini(&t);
}

static void say_name(FILE *out, const char *s)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, s, strlen(s));
	fputs(text_str(&t), out);
	text_fini(&t);
}

static void say_filter(FILE *out, unsigned filter)
{
	static const char *const names[] = {
		"private",     "shared",       "files' private", "files' shared",
		"ELF headers", "private huge", "shared huge",
	};
	const char *before = "";

	fprintf(out, "  filter    0x%x of /proc/PID/coredump_filter: ", filter);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (filter >> i & 1) {
			fprintf(out, "%s%s", before, names[i]);
			before = ", ";
		}
	fputc('\n', out);
}

static void say_left_out(FILE *out, const struct capture *c)
{
	fputs("  left out  ", out);
	say_bytes(out, c->plan.left_out);
	fputs(c->request.only_heap ? " by the filter and --only heap" : " by the filter", out);
	if (c->plan.dontfork + c->plan.wiped) {
		fputs("; a copy does not have ", out);
		say_bytes(out, c->plan.dontfork + c->plan.wiped);
	}
	if (c->stream.unreadable) {
		fputs("; could not be read, and is zeros: ", out);
		say_bytes(out, c->stream.unreadable);
	}
	fputc('\n', out);
}

static void say(struct job *job, FILE *out)
{
	const struct capture *c = job->capture;

	say_name(out, job->to_stdout ? "standard output" : job->path);
	fputs("\n  process   ", out);
	say_name(out, c->stat.comm);
	fprintf(out, ", pid %d", (int)c->request.pid);
	if (c->threads)
		fprintf(out, ", %" PRIu64 " thread%s", c->threads, c->threads == 1 ? "" : "s");
	fprintf(out, "\n  stopped   %.1f ms, by %s", (double)c->stop_ns / 1e6,
		capture_mode_name(c->mode));
	if (c->why) {
		fputs(": ", out);
		say_name(out, c->why);
	}
	fputs("\n  size      ", out);
	say_bytes(out, job->stored.raw);
	if (!job->to_stdout) {
		fputs(", on disk ", out);
		say_bytes(out, job->stored.stored);
	}
	fputc('\n', out);
	if (c->mode != CAPTURE_GCORE) {
		say_filter(out, c->filter);
		say_left_out(out, c);
	}
	if (job->bundled) {
		fprintf(out, "  files     %zu, ", job->bundle.n_files);
		say_bytes(out, job->bundle.file_bytes);
		fputc('\n', out);
	}
}

static struct err *say_all(struct job *job)
{
	FILE *out = job->to_stdout ? stderr : stdout;

	end_progress(&job->run);
	print_problems(&job->run);
	if (job->run.opt->format && !strcmp(job->run.opt->format, "json"))
		return capture_meta_write(out, job->capture, &job->stored);
	say(job, out);
	return fflush(out) ? err_os(errno, "standard output") : NULL;
}

static struct err *capture_all(struct job *job)
{
	struct err *err = look_at(job);

	if (!err)
		err = choose_names(job);
	if (!err && !job->to_stdout)
		err = outfile_open(job->path, &job->file);
	if (!err)
		err = capture_take(job->capture);
	if (!err && job->bundled)
		err = make_bundle(job);
	/* all that another user owns is open now, but for the directory of the result */
	caps_keep(CAPS_FILES);
	if (!err)
		err = store_it(job);
	if (!err)
		err = write_meta(job);
	return err ? err : say_all(job);
}

enum exit_status cmd_capture(const struct options *opt)
{
	struct job job = {
		.file = { .dir = -1, .fd = -1 },
		.pack = opt->pack && !strcmp(opt->pack, "none") ? PACK_PLAIN : PACK_ZSTD,
		.bundled = opt->bundle,
		.to_stdout = opt->outputs.n && !strcmp(opt->outputs.v[0], "-"),
	};
	enum exit_status status;
	struct err *err;

	if (!strcmp(opt->args[0], "-"))
		return capture_stdin(opt);
	job.stored.pack = job.pack == PACK_ZSTD ? "zstd" : "none";
	run_start(&job.run, opt);
	if (!opt->threads && job.run.env.threads > THREADS_MOST)
		job.run.env.threads = THREADS_MOST; /* the machine is the target's first */
	err = job.to_stdout && job.pack == PACK_PLAIN ?
		      err_new(ERR_USAGE, "a plain core has holes, and standard output cannot") :
		      capture_all(&job);
	outfile_close(&job.file);
	capture_close(job.capture);
	bundle_fini(&job.bundle);
	status = run_end_capture(&job.run, err);
	free(job.path);
	free(job.meta_path);
	return status;
}
