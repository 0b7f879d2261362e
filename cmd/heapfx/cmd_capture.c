/* cmd_capture.c - a core of a running process, its metadata, and a few lines about both. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "base/temp_file.h"
#include "capture/bundle.h"
#include "capture/caps.h"
#include "capture/confine.h"
#include "capture/outfile.h"
#include "capture_meta.h"
#include "capture_name.h"
#include "commands.h"
#include "pipeline.h"
#include "shipping.h"

enum { THREADS_MOST = 4 };

struct job {
	struct run run;
	struct capture *capture;
	struct bundle bundle;
	struct outfile file;
	struct stored stored;
	char *path, *meta_path; /* with no file of ours: names in the store */
	enum pack_kind pack;
	bool to_stdout, to_store, bundled; /* the first two: no file of ours */
	pid_t sender; /* 0: none */
};

static bool has_file(const struct job *job)
{
	return !job->to_stdout && !job->to_store;
}

/* What the output is called in messages. */
static const char *name_of(const struct job *job)
{
	return job->to_stdout ? "standard output" : job->path;
}

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
	if (job->to_store || (out && is_directory(out)))
		job->path = capture_name(job->to_store ? NULL : out, job->capture->stat.comm,
					 job->capture->request.pid,
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
		.tmp_dir = has_file(job) ? dir : opt->tmp,
	};
	struct err *err = parse_pid(opt->args[0], &r.pid);

	return err ? err : capture_open(&job->run.env, &r, &job->capture);
}

static struct err *make_bundle(struct job *job)
{
	_free_ char *meta = NULL;
	struct err *err = capture_meta_text(job->capture, NULL, &job->stored, &meta);

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

static struct err *pack_to(struct job *job, int fd)
{
	struct stream *s = job->bundled ? &job->bundle.stream : &job->capture->stream;
	struct err *err = pack_stream(&job->run.env, s, job->pack, fd, name_of(job));

	job->capture->stream.unreadable = s->unreadable;
	job->stored.raw = s->size;
	let_go(job);
	return err;
}

static struct err *store_it(struct job *job)
{
	int fd = job->to_stdout ? STDOUT_FILENO : job->file.fd;
	struct err *err = pack_to(job, fd);
	struct stat st;

	if (err)
		return keep_part(job, err);
	if (!job->to_stdout && !fstat(fd, &st))
		job->stored.stored = job->pack == PACK_PLAIN ? (uint64_t)st.st_blocks * 512 :
							       (uint64_t)st.st_size;
	return job->to_stdout ? NULL : outfile_commit(&job->file);
}

/* ---- into a store */

static struct err *send_from(struct job *job, int fd, const char *name)
{
	pid_t sender;
	struct err *err;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_os(errno, "%s", name);
	err = shipping_start(job->run.opt, NULL, name, fd, &sender);
	return err ? err : shipping_wait(sender);
}

/* The process stands: it does not wait for a network. */
static struct err *store_then_send(struct job *job)
{
	_close_ int fd = -1;
	struct err *err = temp_file_open(job->run.opt->tmp, &fd);
	struct stat st;

	if (!err)
		err = pack_to(job, fd);
	if (!err && !fstat(fd, &st))
		job->stored.stored = (uint64_t)st.st_size;
	return err ? err : send_from(job, fd, job->path);
}

/* A copy of the process has time: what is packed goes out at once, and no disk is needed. */
static struct err *send_while_packing(struct job *job)
{
	int ends[2];
	struct err *err, *sent, *cause;

	if (pipe2(ends, O_CLOEXEC))
		return err_os(errno, "pipe");
	err = shipping_start(job->run.opt, NULL, job->path, ends[0], &job->sender);
	close(ends[0]);
	if (!err)
		err = pack_to(job, ends[1]);
	if (err && job->sender)
		kill(job->sender, SIGTERM); /* what came so far is no core: it is taken back */
	close(ends[1]);
	sent = job->sender ? shipping_wait(job->sender) : NULL;
	if (!err || !sent)
		return err ? err : sent;
	cause = err->os_errno == EPIPE ? sent : err;
	err_free(cause == sent ? err : sent);
	return cause;
}

static struct err *send_meta(struct job *job)
{
	_close_ int fd = memfd_create("meta", MFD_CLOEXEC);
	_free_ char *meta = NULL;
	struct err *err = capture_meta_text(job->capture, NULL, &job->stored, &meta);

	if (err)
		return err;
	if (fd < 0 || write(fd, meta, strlen(meta)) != (ssize_t)strlen(meta))
		return err_os(errno, "the metadata");
	return send_from(job, fd, job->meta_path);
}

static struct err *send_it(struct job *job)
{
	struct err *err;

	signal(SIGPIPE, SIG_IGN);
	err = job->capture->mode == CAPTURE_FORK ? send_while_packing(job) : store_then_send(job);
	job->stored.done = true;
	if (err)
		return err_wrap(err, "the core is lost, for nothing of it is on a disk "
				     "(with -o DIR a file stays)");
	return send_meta(job);
}

/* The files stay: with a failure they are what is sent later. */
static struct err *send_files(struct job *job)
{
	const char *const paths[] = { job->path, job->meta_path };
	struct err *err = NULL;
	pid_t sender;

	for (size_t i = 0; !err && i < ARRAY_SIZE(paths); i++) {
		err = shipping_start(job->run.opt, paths[i], NULL, -1, &sender);
		if (!err)
			err = shipping_wait(sender);
	}
	return err ? err_wrap(err, "%s stays where it is", job->path) : NULL;
}

/* A name that is taken is said before the process is held, not behind a core without metadata. */
static struct err *check_meta(const struct job *job)
{
	struct outfile f = { .dir = -1, .fd = -1 };
	struct err *err = outfile_open(job->meta_path, &f);

	outfile_close(&f);
	return err;
}

static struct err *write_meta(struct job *job)
{
	_free_ char *meta = NULL;
	struct err *err;

	job->stored.done = true;
	if (job->to_stdout)
		return NULL;
	err = capture_meta_text(job->capture, NULL, &job->stored, &meta);
	return err ? err : outfile_write(job->meta_path, meta, strlen(meta));
}

/*
 * All that another user owns is open now, but for the directory of the result.  The rest of this
 * reads hostile bytes and needs nobody else; a sender that is started inherits it.
 */
static void give_up_rights(const struct job *job)
{
	const struct options *opt = job->run.opt;
	_free_ char *dir = has_file(job) ? folder_of(job->path) : NULL;
	struct confine c = { .network = opt->to, .programs = opt->to };

	if (dir)
		c.writable[c.n_writable++] = dir;
	if (job->to_store)
		c.writable[c.n_writable++] = opt->tmp;
	caps_keep(CAPS_FILES);
	confine(&c);
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

	say_name(out, name_of(job));
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
	if (job->stored.stored) {
		fputs(has_file(job) ? ", on disk " : ", packed ", out);
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
		return capture_meta_write(out, job->capture, NULL, &job->stored);
	say(job, out);
	return fflush(out) ? err_os(errno, "standard output") : NULL;
}

static struct err *capture_all(struct job *job)
{
	struct err *err = look_at(job);

	if (!err)
		err = choose_names(job);
	if (!err && has_file(job))
		err = outfile_open(job->path, &job->file);
	if (!err && has_file(job))
		err = check_meta(job);
	if (!err)
		err = capture_take(job->capture);
	if (!err && job->bundled)
		err = make_bundle(job);
	give_up_rights(job);
	if (!err)
		err = job->to_store ? send_it(job) : store_it(job);
	if (!err && !job->to_store)
		err = write_meta(job);
	if (!err && has_file(job) && job->run.opt->to)
		err = send_files(job);
	return err ? err : say_all(job);
}

enum exit_status cmd_capture(const struct options *opt)
{
	struct job job = {
		.file = { .dir = -1, .fd = -1 },
		.pack = opt->pack && !strcmp(opt->pack, "none") ? PACK_PLAIN : PACK_ZSTD,
		.bundled = opt->bundle,
		.to_stdout = opt->outputs.n && !strcmp(opt->outputs.v[0], "-"),
		.to_store = opt->to && !opt->outputs.n,
	};
	enum exit_status status;
	struct err *err;

	if (!strcmp(opt->args[0], "-"))
		return capture_stdin(opt);
	job.stored.pack = job.pack == PACK_ZSTD ? "zstd" : "none";
	run_start(&job.run, opt);
	if (!opt->threads && job.run.env.threads > THREADS_MOST)
		job.run.env.threads = THREADS_MOST; /* the machine is the target's first */
	if (!has_file(&job) && job.pack == PACK_PLAIN)
		err = err_new(ERR_USAGE, "a plain core has holes, and a stream cannot");
	else if (job.to_stdout && opt->to)
		err = err_new(ERR_USAGE, "--to and -o - are two places for one stream");
	else
		err = capture_all(&job);
	outfile_close(&job.file);
	capture_close(job.capture);
	bundle_fini(&job.bundle);
	status = run_end_capture(&job.run, err);
	free(job.path);
	free(job.meta_path);
	return status;
}
