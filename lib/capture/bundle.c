/*
 * capture/bundle.c - a tar archive laid out around a core that is not written yet; headers by
 * libarchive.
 */
#include "capture/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"

enum { RECORD = 512 };

void bundle_fini(struct bundle *b)
{
	for (size_t i = 0; i < b->texts.n; i++)
		bytes_fini(&b->texts.v[i]);
	for (size_t i = 0; i < b->fds.n; i++)
		close(b->fds.v[i]);
	free(b->texts.v);
	free(b->fds.v);
	stream_fini(&b->stream);
	*b = (struct bundle){};
}

/* ---- archive */

struct header {
	struct bytes *to;
	bool done; /* what comes then are zeros for a member's bytes, and the end */
};

static la_ssize_t take_bytes(struct archive *a, void *arg, const void *v, size_t n)
{
	struct header *h = arg;

	(void)a;
	return !h->done && bytes_add(h->to, v, n) ? (la_ssize_t)n : -1;
}

/*
 * What libarchive writes before a member: a record, and more where a name or a size does not fit.
 * Its writer would want the bytes behind it one after the other; they are read by several threads,
 * each a part, so the header alone is taken from it.
 */
static struct err *header_of(const char *name, uint64_t size, uint64_t mtime, struct bytes *ret)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	struct header h = { .to = ret };
	struct err *err = a && e ? NULL : &err_nomem;

	if (!err) {
		archive_entry_set_pathname(e, name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0600);
		archive_entry_set_size(e, (la_int64_t)size);
		archive_entry_set_mtime(e, (time_t)mtime, 0);
		archive_write_set_format_pax_restricted(a);
		archive_write_set_bytes_per_block(a, 0);
		if (archive_write_open(a, &h, NULL, take_bytes, NULL) != ARCHIVE_OK ||
		    archive_write_header(a, e) < ARCHIVE_WARN)
			err = err_new(ERR_UNSUPPORTED, "%s", archive_error_string(a));
		h.done = true;
	}
	archive_entry_free(e);
	archive_write_free(a);
	return err;
}

/* Owned by the bundle from here on; a copy. */
static const uint8_t *keep_text(struct bundle *b, const void *v, size_t n)
{
	struct bytes t = {};

	if (!bytes_add(&t, v, n))
		return NULL;
	if (!vec_push(&b->texts, &t)) {
		bytes_fini(&t);
		return NULL;
	}
	return t.v;
}

/* Its bytes start where the stream then ends. */
static struct err *add_header(struct bundle *b, const char *name, uint64_t size, uint64_t mtime)
{
	_cleanup_(bytes_fini) struct bytes header = {};
	struct err *err = header_of(name, size, mtime, &header);
	struct piece p = {
		.offset = (b->stream.size + RECORD - 1) / RECORD * RECORD,
		.n = header.n,
	};

	if (err)
		return err;
	p.bytes = keep_text(b, header.v, header.n);
	return p.bytes ? stream_add(&b->stream, &p) : &err_nomem;
}

static struct err *add_text(struct bundle *b, const char *name, const void *v, size_t n)
{
	const uint8_t *kept = keep_text(b, v, n);
	struct err *err = kept ? add_header(b, name, n, 0) : &err_nomem;

	return err ? err : stream_add(&b->stream, &(struct piece){ .offset = b->stream.size,
								   .n = n, .bytes = kept });
}

static struct err *add_core(struct bundle *b, const struct stream *core)
{
	struct err *err = add_header(b, "core", core->size, 0);
	uint64_t base = b->stream.size;

	for (size_t i = 0; !err && i < core->n; i++) {
		struct piece p = core->v[i];

		p.offset += base;
		err = stream_add(&b->stream, &p);
	}
	if (!err)
		b->stream.size = base + core->size;
	return err;
}

/* ---- what goes in */

static struct err *add_proc(struct capture *c, struct bundle *b, pid_t pid)
{
	/* environ is left out: it is in the core, and nothing here needs it */
	static const char *const names[] = { "smaps",  "status", "stat",      "cmdline",
					     "auxv",   "limits", "mountinfo", "cgroup",
					     "maps",   "coredump_filter" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		/* the mappings are of the process that is read, all else of the target */
		bool of_memory = strstr(names[i], "maps");
		_cleanup_(bytes_fini) struct bytes text = {};
		_free_ char *name = text_format("proc/%s", names[i]);
		struct err *err = proc_read(of_memory ? pid : c->request.pid, names[i], &text);

		if (err) {
			diag_err(c->env, "capture/proc", err);
			continue;
		}
		err = name ? add_text(b, name, text.v, text.n) : &err_nomem;
		if (err)
			return err;
	}
	return NULL;
}

static bool is_the_file(int fd, const struct map *m, struct stat *ret)
{
	return !fstat(fd, ret) && S_ISREG(ret->st_mode) && ret->st_ino == m->inode &&
	       ((uint64_t)major(ret->st_dev) << 32 | minor(ret->st_dev)) == m->dev;
}

/* The link of a mapping leads to the file itself, but only for who may (CAP_SYS_ADMIN). */
static int open_mapped(pid_t pid, int root, const struct map *m, struct stat *ret)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)m->start,
		 (unsigned long long)m->end);
	fd = proc_open(pid, name, O_RDONLY | O_NONBLOCK);
	if (fd < 0 && root >= 0 && !map_is_deleted(m))
		fd = proc_open_in_root(root, m->path, O_RDONLY);
	if (fd >= 0 && !is_the_file(fd, m, ret)) {
		close(fd);
		errno = ESTALE;
		fd = -1;
	}
	return fd;
}

static struct err *add_file(struct capture *c, struct bundle *b, pid_t pid, int root,
			    const struct map *m)
{
	_free_ char *name = text_format("files%s", m->path);
	struct stat st;
	int fd = name ? open_mapped(pid, root, m, &st) : -1;
	struct err *err;

	if (!name)
		return &err_nomem;
	if (fd < 0) {
		b->n_missing++;
		diag(c->env, "capture/file", ERR_NOWHERE, "%s is not added: %s", m->path,
		     strerror(errno));
		return NULL;
	}
	if (!vec_push(&b->fds, &fd)) {
		close(fd);
		return &err_nomem;
	}
	err = add_header(b, name, (uint64_t)st.st_size, (uint64_t)st.st_mtime);
	if (err && err->kind == ERR_UNSUPPORTED) {
		b->n_missing++;
		diag_err(c->env, "capture/file", err_wrap(err, "%s is not added", m->path));
		return NULL;
	}
	b->n_files++;
	b->file_bytes += (uint64_t)st.st_size;
	return err ? err : stream_add(&b->stream, &(struct piece){ .offset = b->stream.size,
								   .n = (uint64_t)st.st_size,
								   .kind = PIECE_FILE,
								   .fd = fd });
}

static const struct map *map_at(const struct maps *maps, uint64_t base)
{
	const struct map *m = maps_find(maps, base);

	return m && m->start == base ? m : NULL;
}

static bool was_added(const struct plan *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(p->modules.v[k].path, p->modules.v[i].path))
			return true;
	return false;
}

static struct err *add_modules(struct capture *c, struct bundle *b, pid_t pid)
{
	_close_ int root = proc_open(pid, "root", O_PATH | O_DIRECTORY);
	struct err *err = NULL;

	for (size_t i = 0; !err && i < c->plan.modules.n; i++) {
		const struct map *m = map_at(&c->maps, c->plan.modules.v[i].base);

		if (m && !was_added(&c->plan, i))
			err = add_file(c, b, pid, root, m);
	}
	return err;
}

struct err *bundle_make(struct capture *c, const char *meta, struct bundle *ret)
{
	struct bundle b = {};
	pid_t pid = c->mode == CAPTURE_FORK ? c->copy.pid : c->request.pid;
	struct err *err;

	b.stream.mem = c->stream.mem;
	b.stream.pagemap = c->stream.pagemap;
	b.stream.pid = c->stream.pid;
	err = add_core(&b, &c->stream);
	if (!err)
		err = add_text(&b, "capture.json", meta, strlen(meta));
	if (!err)
		err = add_proc(c, &b, pid);
	if (!err)
		err = add_modules(c, &b, pid);
	if (err) {
		bundle_fini(&b);
		return err;
	}
	/* two empty records end an archive */
	b.stream.size = (b.stream.size + RECORD - 1) / RECORD * RECORD + 2 * RECORD;
	*ret = b;
	return NULL;
}
