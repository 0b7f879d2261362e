/*
 * cmd_shrink.c - a dump with its contents blanked, which tells the same.
 *
 * The dump is analysed as if it were blanked already, while what is read of it is kept; then the
 * copy is analysed in its turn.  It gets its name only if both reports are the same, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "capture/outfile.h"
#include "capture/pack.h"
#include "commands.h"
#include "output.h"
#include "pipeline.h"
#include "shrink/shrink.h"

enum { DEPTH = 32 };

struct job {
	struct run run;
	struct shadow shadow;
	char *report; /* of the dump, as JSON */
	struct outfile file;
	struct salt salt;
	uint64_t before, after; /* bytes */
};

/* ---- the salt */

static struct err *read_salt(const char *path, struct salt *ret)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_full(fd, ret->bytes, SALT_MOST);
	uint8_t more;

	if (n < 0)
		return err_os(errno, "%s", path);
	ret->n = (size_t)n;
	if (n < SALT_LEAST || (n == SALT_MOST && read_full(fd, &more, 1)))
		return err_at(ERR_USAGE, path, ERR_NOWHERE,
			      "a salt has %d bytes at least, and %d at most", SALT_LEAST,
			      SALT_MOST);
	return NULL;
}

/* ---- reports */

/* All that `analyze` says. */
static struct err *report_text(struct run *run, char **ret)
{
	size_t n;
	char *text = NULL;
	FILE *out = open_memstream(&text, &n);
	struct err *err = out ? NULL : &err_nomem;

	run->profiles = writer_by_name("json")->needs;
	if (!err)
		err = report_run(run);
	if (!err)
		err = describe_space(run);
	if (!err)
		err = write_report(run, "json", out);
	if (out && fclose(out) && !err)
		err = &err_nomem;
	if (err) {
		free(text);
		return err;
	}
	*ret = text;
	return NULL;
}

/* Where a line stands: the names of what is around it, by how far each is indented. */
struct place {
	const char *name[DEPTH];
	size_t n[DEPTH], depth;
};

static void place_of(struct place *p, const char *line)
{
	size_t depth = strspn(line, " \t"), n;

	depth = depth < DEPTH ? depth : DEPTH - 1;
	line += depth;
	if (!*line || *line == '\n') /* an array of nothing: still inside of it */
		return;
	n = *line == '"' ? strcspn(line + 1, "\"\n") : 0;
	for (size_t i = depth; i < DEPTH; i++)
		p->n[i] = 0;
	p->name[depth] = line + 1;
	p->n[depth] = n;
}

static void place_text(const struct place *p, struct text *ret)
{
	for (size_t i = 0; i < DEPTH; i++)
		if (p->n[i])
			text_printf(ret, "%s%.*s", ret->n ? "." : "", (int)p->n[i], p->name[i]);
}

/* Up to the first line that differs. */
static struct err *compare(const char *path, const char *a, const char *b)
{
	struct text where = TEXT_INIT;
	struct place p = {};
	struct err *err;

	while (*a && *b) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

		place_of(&p, a);
		if (n != m || memcmp(a, b, n))
			break;
		a += n + (a[n] == '\n');
		b += m + (b[m] == '\n');
	}
	if (!*a && !*b)
		return NULL;
	place_text(&p, &where);
	a += strspn(a, " \t");
	b += strspn(b, " \t");
	err = err_at(
		ERR_UNSUPPORTED, path, ERR_NOWHERE,
		"it cannot be blanked without the report changing, first in %s: `%.*s' would "
		"become `%.*s'",
		text_str(&where), (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
	text_fini(&where);
	return err;
}

/* ---- the dump, then the copy */

static struct err *blank(struct job *job)
{
	struct run *run = &job->run;
	struct err *err = run_open_started(run, STAGE_REPORTED);
	struct col pooled = {};

	if (!err && !run->image)
		err = err_at(ERR_UNSUPPORTED, run->opt->args[0], ERR_NOWHERE,
			     "a saved result is no dump: it holds no contents to be blanked");
	if (!err)
		err = report_text(run, &job->report);
	if (!err)
		err = pools_mark(&run->env, &run->pools, run->blocks.grains.n, &pooled);
	if (!err)
		err = shrink_pointers(run->image, &run->blocks, pooled.base);
	if (!err)
		err = shrink_keep(run->image, &run->blocks, run->graph, run->opt->keep_types.v,
				  run->opt->keep_types.n);
	if (!err && job->shadow.salted)
		err = shrink_digests(run->image, &job->salt);
	if (!err)
		err = shrink_notes(run->image, &run->blocks, pooled.base);
	col_close(&pooled);
	return err;
}

/* The copy stands where the dump stood, among the same members. */
static struct err *check(struct job *job, size_t core)
{
	struct run again;
	_free_ char *report = NULL;
	struct member *m = &job->run.input->members[core];
	const uint8_t *map = m->map;
	struct err *err;

	run_start(&again, job->run.opt);
	again.env.show_contents = false;
	again.input = job->run.input;
	m->map = job->shadow.to;
	err = run_open_started(&again, STAGE_REPORTED);
	if (!err)
		err = report_text(&again, &report);
	if (!err)
		err = compare(job->run.opt->args[0], job->report, report);
	if (err && err->kind == ERR_UNSUPPORTED && job->run.opt->force) {
		fprintf(stderr, "heapfx: --force: ");
		print_escaped(stderr, err->message);
		err_free(err);
		err = NULL;
	}
	m->map = map;
	again.input = NULL;
	run_close(&again);
	return err;
}

/* ---- the file */

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static struct err *write_file(struct job *job)
{
	const char *path = job->run.opt->outputs.v[0];
	struct stream s = { .mem = -1, .pagemap = -1 };
	struct stat st;
	struct err *err = stream_add(&s, &(struct piece){ .n = job->shadow.size,
							  .kind = PIECE_BYTES,
							  .fd = -1,
							  .bytes = job->shadow.to });

	if (!err)
		err = pack_stream(&job->run.env, &s, ends_in(path, ".zst") ? PACK_ZSTD : PACK_PLAIN,
				  job->file.fd, path);
	stream_fini(&s);
	if (!err && fstat(job->file.fd, &st))
		err = err_os(errno, "%s", path);
	if (!err)
		job->after =
			ends_in(path, ".zst") ? (uint64_t)st.st_size : (uint64_t)st.st_blocks * 512;
	return err ? err : outfile_commit(&job->file);
}

static struct err *shrink(struct job *job)
{
	struct run *run = &job->run;
	struct input *in;
	size_t core;
	struct err *err;

	if (run->opt->outputs.n != 1 || !strcmp(run->opt->outputs.v[0], "-"))
		return err_new(ERR_USAGE, "shrink needs -o OUT, a file that is not there yet");
	err = run->opt->salt ? read_salt(run->opt->salt, &job->salt) : NULL;
	if (!err)
		err = outfile_open(run->opt->outputs.v[0], &job->file);
	if (!err)
		err = blank(job);
	if (err)
		return err;
	/* The first analysis goes before the second one comes: both would take twice the room. */
	core = (size_t)(run->image->core - run->input->members);
	job->before = run->input->file_size ? run->input->file_size : run->image->core->size;
	in = take(&run->input);
	run_close(run);
	job->shadow.taken = 0; /* of a budget that is no more */
	run_start(run, run->opt);
	run->input = in;
	err = check(job, core);
	return err ? err : write_file(job);
}

static struct err *tell(const struct job *job)
{
	struct text t = TEXT_INIT;

	text_printf(&t, "%s: ", job->run.opt->outputs.v[0]);
	text_add_bytes(&t, job->after);
	text_add(&t, " on disk; of the dump ");
	text_add_bytes(&t, job->before);
	puts(text_str(&t));
	text_fini(&t);
	return fflush(stdout) ? err_os(errno, "standard output") : NULL;
}

enum exit_status cmd_shrink(const struct options *opt)
{
	struct job job = { .file = { .dir = -1, .fd = -1 } };
	struct err *err;

	run_start(&job.run, opt);
	job.run.shadow = &job.shadow;
	job.shadow.salted = opt->salt;
	job.run.env.show_contents = false;
	err = shrink(&job);
	outfile_close(&job.file);
	free(job.report);
	explicit_bzero(&job.salt, sizeof(job.salt));
	if (!err)
		err = tell(&job);
	enum exit_status status = run_end(&job.run, err, EXIT_DONE);

	shadow_close(&job.shadow);
	return status;
}
