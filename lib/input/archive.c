/*
 * input/archive.c - packed inputs, by libarchive: tar and zip of any number of files, and a lone
 * packed file; gzip, bzip2, xz, lzma, zstd and lz4 around either.  A core in several frames of zstd
 * is input/frames.c's.
 *
 * A member stored plain in a mapped archive is used where it lies; all others go to spill files.
 * Only filters that libarchive has built in: those that run a program are never enabled.  Links
 * are not followed.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/text.h"
#include "input/frames.h"
#include "input/spill.h"

enum {
	MAX_ENTRIES = 1 << 16,
	MAX_NAME = 4096,
	STREAM_BUFFER = 1 << 20,
	TAR_MAGIC_AT = 257,
	IN_PLACE_ALIGN = 16, /* of members that are used where they lie */
};

static void guard_archive(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

#define _archive_ _cleanup_(guard_archive)

static bool has_magic(const uint8_t *head, size_t n, size_t at, const char *magic, size_t n_magic)
{
	return range_fits(at, n_magic, n) && !memcmp(head + at, magic, n_magic);
}

static unsigned archive_bid(const uint8_t *head, size_t n)
{
	static const struct {
		const char *bytes;
		uint8_t n, at;
	} magics[] = {
		{ "\x28\xb5\x2f\xfd", 4 }, /* zstd */
		{ "\xfd\x37zXZ\0", 6 },	   /* xz */
		{ "\x1f\x8b\x08", 3 },	   /* gzip */
		{ "BZh", 3 },		   /* bzip2 */
		{ "\x04\x22\x4d\x18", 4 }, /* lz4 frame */
		{ "\x02\x21\x4c\x18", 4 }, /* lz4 legacy frame */
		{ "PK\3\4", 4 },	   /* zip */
		{ "PK\5\6", 4 },	   /* zip without a member */
		{ "\x5d\0\0", 3 },	   /* lzma alone */
	};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (has_magic(head, n, magics[i].at, magics[i].bytes, magics[i].n))
			return 90;
	if (has_magic(head, n, TAR_MAGIC_AT, "ustar", 5))
		return 90;
	/* Skippable frames, 0x184d2a50 to 5f, may come before those of zstd and lz4. */
	if (n >= 4 && (load_u32(head) & 0xfffffff0u) == 0x184d2a50u)
		return 80;
	return 0;
}

static void add_filters(struct archive *a)
{
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_lz4(a);
}

static const char *archive_says(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s ? s : "unreadable";
}

static uint64_t packed_offset(struct archive *a)
{
	int64_t at = archive_filter_bytes(a, -1);

	return at < 0 ? ERR_NOWHERE : (uint64_t)at;
}

static bool is_fatal(int status)
{
	return status < ARCHIVE_WARN;
}

/* ---- a stream: its head again, then what the descriptor gives */

struct stream {
	const struct input_source *src;
	bool head_done;
	uint8_t *buf;
};

static la_ssize_t stream_read(struct archive *a, void *arg, const void **ret)
{
	struct stream *s = arg;
	ssize_t n;

	if (!s->head_done) {
		s->head_done = true;
		*ret = s->src->head;
		return (la_ssize_t)s->src->n_head;
	}
	do {
		n = read(s->src->fd, s->buf, STREAM_BUFFER);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "reading: %s", strerror(errno));
	*ret = s->buf;
	return n;
}

/* ---- members */

struct unpacking {
	struct env *env;
	struct input *in;
	const struct input_source *src;
	struct archive *a;
	size_t n_entries;
	bool cut; /* damage was met within a member, and reported */
};

/* What one member has given so far: a run inside the mapped file, or a spill file. */
struct body {
	struct spill spill;
	bool spilled;
	const uint8_t *run; /* in the mapped file */
	uint64_t n_run;
};

static bool extends_run(const struct unpacking *u, const struct body *b, const uint8_t *p,
			uint64_t n, uint64_t at)
{
	uintptr_t map = (uintptr_t)u->src->map, from = (uintptr_t)p;

	if (!u->src->map || b->spilled || at != b->n_run)
		return false;
	if (from < map || !range_fits(from - map, n, u->src->size))
		return false;
	return b->run ? p == b->run + b->n_run : from % IN_PLACE_ALIGN == 0;
}

static struct err *body_add(struct unpacking *u, struct body *b, const uint8_t *p, uint64_t n,
			    uint64_t at)
{
	struct err *err;

	if (extends_run(u, b, p, n, at)) {
		b->run = b->run ? b->run : p;
		b->n_run += n;
		return NULL;
	}
	if (!b->spilled) {
		err = spill_open(u->env, u->in->path, &b->spill);
		if (err)
			return err;
		b->spilled = true;
		err = spill_write(&b->spill, 0, b->run, b->n_run);
		if (err)
			return err;
	}
	return spill_write(&b->spill, at, p, n);
}

/* All that can be had; `ret_cut` when damage ends it. */
static struct err *body_read(struct unpacking *u, struct body *b, const char *name, bool *ret_cut)
{
	for (;;) {
		const void *p;
		size_t n;
		la_int64_t at;
		int status = archive_read_data_block(u->a, &p, &n, &at);
		struct err *err;

		if (status == ARCHIVE_EOF)
			return NULL;
		if (status == ARCHIVE_RETRY)
			continue;
		if (is_fatal(status)) {
			diag(u->env, "input/damaged", packed_offset(u->a),
			     "%s: %s: what comes before is used", name, archive_says(u->a));
			*ret_cut = true;
			return NULL;
		}
		err = n && at >= 0 ? body_add(u, b, p, n, (uint64_t)at) : NULL;
		if (err)
			return err;
		progress(u->env, "unpacking", packed_offset(u->a), u->in->file_size);
	}
}

static struct err *body_finish(struct unpacking *u, struct body *b, const char *name, bool cut)
{
	struct member m = { .size = b->n_run, .map = b->run };

	if (b->spilled) {
		struct err *err = spill_finish(&b->spill, &m);

		if (err)
			return err;
		b->spilled = false;
	}
	if (cut && !m.size)
		return NULL;
	return input_add_member(u->in, &m, name);
}

/* A size that the budget cannot hold is refused before anything is written. */
static struct err *check_size(struct unpacking *u, struct archive_entry *entry, const char *name)
{
	int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;
	struct err *err;

	if (size <= 0 || (u->src->map && (uint64_t)size <= u->src->size)) /* may lie in the file */
		return NULL;
	err = env_disk_take(u->env, (uint64_t)size, name);
	if (err)
		return err;
	env_disk_give(u->env, (uint64_t)size);
	return NULL;
}

static struct err *read_member(struct unpacking *u, struct archive_entry *entry, const char *name,
			       bool *ret_cut)
{
	struct body b = {};
	struct err *err = check_size(u, entry, name);

	if (!err)
		err = body_read(u, &b, name, ret_cut);
	if (!err)
		err = body_finish(u, &b, name, *ret_cut);
	if (b.spilled)
		spill_close(&b.spill);
	return err;
}

/* NULL: not a member to read. */
static const char *member_name(struct unpacking *u, struct archive_entry *entry)
{
	const char *name;

	if (archive_format(u->a) == ARCHIVE_FORMAT_RAW)
		return u->in->path;
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
		return NULL;
	name = archive_entry_pathname(entry);
	if (name && strnlen(name, MAX_NAME) < MAX_NAME)
		return name;
	diag(u->env, "input/member-name", packed_offset(u->a),
	     "%s: a member whose name is unreadable or longer than %d bytes is left out",
	     u->in->path, MAX_NAME);
	return NULL;
}

/* The end of the archive as it should be, or as it is: an error only when nothing was read. */
static struct err *end_of_members(struct unpacking *u, int status)
{
	if (status == ARCHIVE_EOF)
		return u->in->n
			       ? NULL
			       : err_new(ERR_FORMAT, "%s: the archive holds no files", u->in->path);
	if (!u->in->n)
		return err_at(ERR_FORMAT, u->in->path, packed_offset(u->a), "damaged archive: %s",
			      archive_says(u->a));
	if (!u->cut)
		diag(u->env, "input/damaged", packed_offset(u->a),
		     "%s: %s: the %zu members before it are used", u->in->path, archive_says(u->a),
		     u->in->n);
	return NULL;
}

static struct err *read_members(struct unpacking *u)
{
	for (;;) {
		struct archive_entry *entry;
		int status = archive_read_next_header(u->a, &entry);
		const char *name;
		bool cut = false;
		struct err *err;

		if (status == ARCHIVE_RETRY && u->n_entries++ < MAX_ENTRIES)
			continue;
		if (status == ARCHIVE_EOF || is_fatal(status))
			return end_of_members(u, status);
		if (u->n_entries++ >= MAX_ENTRIES) {
			diag(u->env, "input/too-many-members", packed_offset(u->a),
			     "%s: only the first %d entries are read", u->in->path, MAX_ENTRIES);
			return NULL;
		}
		name = member_name(u, entry);
		if (!name)
			continue;
		err = read_member(u, entry, name, &cut);
		if (err)
			return err;
		if (archive_format(u->a) == ARCHIVE_FORMAT_RAW)
			return u->in->n ? NULL : end_of_members(u, ARCHIVE_FATAL);
		u->cut = u->cut || cut;
	}
}

static int attach(struct unpacking *u, struct stream *stream)
{
	const struct input_source *src = u->src;

	if (src->map)
		return archive_read_open_memory(u->a, src->map, src->size);
	return archive_read_open(u->a, stream, NULL, stream_read, NULL);
}

static struct err *unpack_source(struct env *env, struct input *in, const struct input_source *src)
{
	_free_ uint8_t *buf = src->map ? NULL : malloc(STREAM_BUFFER);
	_archive_ struct archive *a = archive_read_new();
	struct stream stream = { .src = src, .buf = buf };
	struct unpacking u = { .env = env, .in = in, .src = src, .a = a };

	if (!a || (!src->map && !buf))
		return &err_nomem;
	add_filters(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_zip(a);
	archive_read_support_format_raw(a);
	if (is_fatal(attach(&u, &stream)))
		return err_at(ERR_FORMAT, in->path, packed_offset(a), "damaged archive: %s",
			      archive_says(a));
	return read_members(&u);
}

/* A zip file's table of contents is at its end, so one that comes as a stream is kept first. */
static struct err *open_zip_stream(struct env *env, struct input *in,
				   const struct input_source *src)
{
	struct member packed;
	struct input_source whole = { .fd = -1 };
	struct err *err = spill_stream(env, in->path, src, &packed);

	if (err)
		return err;
	in->map = packed.map; /* members stored plain may lie in it: unmapped with the input */
	in->map_size = packed.size;
	whole.map = whole.head = packed.map;
	whole.size = packed.size;
	err = unpack_source(env, in, &whole);
	env_disk_give(env, packed.disk);
	return err;
}

static struct err *archive_open(struct env *env, struct input *in, const struct input_source *src)
{
	bool done;
	struct err *err = frames_open(env, in, src, &done);

	if (err || done)
		return err;
	if (!src->map && has_magic(src->head, src->n_head, 0, "PK", 2))
		return open_zip_stream(env, in, src);
	return unpack_source(env, in, src);
}

const struct input_ops input_archive = { .name = "archive",
					 .bid = archive_bid,
					 .open = archive_open };

/* ---- bytes in memory */

static struct err *read_bounded(struct archive *a, uint64_t limit, uint8_t **ret, uint64_t *ret_n)
{
	_free_ uint8_t *buf = NULL;
	uint64_t n = 0, cap = 0;

	for (;;) {
		la_ssize_t got;

		if (n == cap) {
			uint8_t *more;

			cap = cap ? cap * 2 : 64 << 10;
			more = realloc(buf, cap);
			if (!more)
				return &err_nomem;
			buf = more;
		}
		got = archive_read_data(a, buf + n, cap - n);
		if (got == ARCHIVE_RETRY)
			continue;
		if (got < 0)
			return err_new(ERR_FORMAT, "packed section: %s", archive_says(a));
		if (got == 0)
			break;
		n += (uint64_t)got;
		if (n > limit)
			return err_new(ERR_LIMIT, "packed section: unpacks to more than %llu bytes",
				       (unsigned long long)limit);
	}
	*ret = take(&buf);
	*ret_n = n;
	return NULL;
}

struct err *input_unpack_bytes(struct env *env, const uint8_t *packed, uint64_t n, uint64_t limit,
			       uint8_t **ret, uint64_t *ret_n)
{
	_archive_ struct archive *a = archive_read_new();
	struct archive_entry *entry;

	(void)env; /* the caller bounds it; no files are made */
	if (!a)
		return &err_nomem;
	add_filters(a);
	archive_read_support_format_raw(a);
	if (is_fatal(archive_read_open_memory(a, packed, n)) ||
	    is_fatal(archive_read_next_header(a, &entry)))
		return err_new(ERR_FORMAT, "packed section: %s", archive_says(a));
	return read_bounded(a, limit, ret, ret_n);
}
