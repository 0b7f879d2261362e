/*
 * query/btree.c - pages of SQLite's b-trees, each written once.
 *
 * A page is full when the next entry does not fit; its number and its last key then go to the level
 * above.  No page but a root may be without entries, so the last two of a level are kept back: one
 * is the page's rightmost child, one the first of the next page.
 */
#include "query/btree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"

enum {
	HEAD_BYTES = 100,      /* of the file, at the begin of page 1 */
	BUFFER_BYTES = 1 << 20,
	PAGE_MIN = 512,
	LEVELS_MAX = 20,
	KEY_MAX = 24,	       /* of an entry that an inner page can hold: two numbers and their head */
	CHILD_BYTES = 4,
	SLOT_BYTES = 2,	       /* where an entry lies, in its page */
	LEAF_HEAD = 8, INNER_HEAD = 12,
	INNER_INDEX = 2, INNER_TABLE = 5, LEAF_INDEX = 10, LEAF_TABLE = 13,
};
#define LOCK_BYTE (1u << 30) /* the page that has it is never used */

struct btree_file {
	const char *path;
	int fd;
	uint32_t page_size, usable;
	uint32_t n_pages;  /* of the file, when all is written */
	uint8_t *buffer;
	size_t n, cap;	   /* bytes */
};

/* A child, and the key that divides it from the next one; of a leaf's last entry the key alone. */
struct pending {
	uint32_t child;
	uint8_t key[KEY_MAX];
	unsigned n;
};

struct level {
	uint8_t *page;
	unsigned n, start, top; /* entries; where their slots begin, and their bytes */
	struct pending kept[2]; /* the last ones, in order */
	unsigned n_kept;
};

struct btree {
	struct btree_file *f;
	enum btree_kind kind;
	uint32_t root;
	struct level levels[LEVELS_MAX];
	unsigned n_levels;
	int64_t last; /* rowid */
};

/* ---- numbers */

static void put16(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void put32(uint8_t *to, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(to, &v, 4);
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, 4);
	return __builtin_bswap32(v);
}

unsigned varint_put(uint8_t *to, uint64_t v)
{
	uint8_t s[VARINT_MAX];
	unsigned n = 0;

	if (v < 0x80) {
		*to = (uint8_t)v;
		return 1;
	}
	if (v >> 56) {
		to[8] = (uint8_t)v;
		v >>= 8;
		for (unsigned i = 8; i--; v >>= 7)
			to[i] = (uint8_t)(v | 0x80);
		return VARINT_MAX;
	}
	for (; v; v >>= 7)
		s[n++] = (uint8_t)(v | 0x80);
	s[0] &= 0x7f;
	for (unsigned i = 0; i < n; i++)
		to[i] = s[n - 1 - i];
	return n;
}

unsigned record_int(int64_t v, uint8_t *to, unsigned *ret_n)
{
	/* by the bytes that it takes: section 2.1 of the format */
	static const uint8_t types[] = { 0, 1, 2, 3, 4, 5, 5, 6, 6 }, sizes[] = { 0, 1, 2, 3, 4, 6, 6, 8, 8 };
	uint64_t magnitude = (uint64_t)(v ^ v >> 63), big;
	unsigned bytes = magnitude ? (71 - (unsigned)__builtin_clzll(magnitude) + 1) / 8 : 1;

	if (magnitude <= 1 && v >= 0) {
		*ret_n = 0;
		return 8 + (unsigned)v;
	}
	*ret_n = sizes[bytes];
	big = __builtin_bswap64((uint64_t)v << 8 * (8 - *ret_n));
	memcpy(to, &big, 8);
	return types[bytes];
}

/* ---- the file */

static struct err *write_err(const struct btree_file *f)
{
	return err_os(errno, "writing %s", f->path);
}

static struct err *read_head(struct btree_file *f)
{
	uint8_t head[HEAD_BYTES];
	uint32_t size, free_pages;

	if (pread(f->fd, head, sizeof(head), 0) != sizeof(head))
		return err_os(errno ? errno : EIO, "%s: no head of a database", f->path);
	size = (uint32_t)head[16] << 8 | head[17];
	f->page_size = size == 1 ? 1 << 16 : size;
	f->usable = f->page_size - head[20];
	f->n_pages = get32(head + 28);
	free_pages = get32(head + 36);
	if (f->page_size < PAGE_MIN || f->page_size & (f->page_size - 1) || !f->n_pages || free_pages)
		return err_new(ERR_UNSUPPORTED, "%s: a database of %u pages of %u bytes, %u free",
			       f->path, f->n_pages, f->page_size, free_pages);
	return NULL;
}

static void guard_file(struct btree_file **f)
{
	btree_file_close(*f);
}

struct err *btree_file_open(const char *path, struct btree_file **ret)
{
	_cleanup_(guard_file) struct btree_file *f = calloc(1, sizeof(*f));
	struct err *err;

	if (!f)
		return &err_nomem;
	f->path = path;
	f->fd = open(path, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		return err_os(errno, "%s", path);
	errno = 0;
	err = read_head(f);
	if (err)
		return err;
	f->cap = BUFFER_BYTES;
	f->buffer = malloc(f->cap);
	if (!f->buffer)
		return &err_nomem;
	if (lseek(f->fd, (off_t)f->n_pages * f->page_size, SEEK_SET) < 0)
		return write_err(f);
	*ret = take(&f);
	return NULL;
}

void btree_file_close(struct btree_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->buffer);
	free(f);
}

static struct err *flush(struct btree_file *f)
{
	if (!write_full(f->fd, f->buffer, f->n))
		return write_err(f);
	f->n = 0;
	return NULL;
}

struct err *btree_file_end(struct btree_file *f)
{
	struct err *err = flush(f);
	uint8_t n[4];

	put32(n, f->n_pages);
	if (!err && pwrite(f->fd, n, sizeof(n), 28) != sizeof(n))
		err = write_err(f);
	return err;
}

/* The page that the next one will be. */
static uint32_t next_number(const struct btree_file *f)
{
	uint32_t next = f->n_pages + 1;

	return next == LOCK_BYTE / f->page_size + 1 ? next + 1 : next;
}

/* Room for the next page, of anything; it stays until the next call. */
static struct err *append_page(struct btree_file *f, uint8_t **ret, uint32_t *ret_number)
{
	uint32_t number = next_number(f);
	size_t skipped = (size_t)(number - f->n_pages - 1) * f->page_size;

	if (number < f->n_pages)
		return err_new(ERR_LIMIT, "%s: more pages than a database may have", f->path);
	if (f->n + skipped + f->page_size > f->cap) {
		struct err *err = flush(f);

		if (err)
			return err;
	}
	memset(f->buffer + f->n, 0, skipped);
	f->n += skipped;
	*ret = f->buffer + f->n;
	f->n += f->page_size;
	f->n_pages = number;
	*ret_number = number;
	return NULL;
}

/* ---- pages */

static void begin_page(struct btree *t, struct level *l)
{
	l->n = 0;
	l->start = l == t->levels ? LEAF_HEAD : INNER_HEAD;
	l->top = t->f->usable;
}

/* Bytes between the slots and the entries. */
static unsigned room(const struct level *l)
{
	return l->top - (l->start + SLOT_BYTES * l->n);
}

static uint8_t *add_entry(struct level *l, unsigned bytes)
{
	l->top -= bytes;
	put16(l->page + l->start + SLOT_BYTES * l->n++, l->top);
	return l->page + l->top;
}

static void finish_page(const struct btree *t, struct level *l, uint32_t rightmost)
{
	bool leaf = l == t->levels, table = t->kind == BTREE_TABLE;
	uint8_t *page = l->page;

	memset(page, 0, LEAF_HEAD);
	page[0] = leaf ? (table ? LEAF_TABLE : LEAF_INDEX) : table ? INNER_TABLE : INNER_INDEX;
	put16(page + 3, l->n);
	put16(page + 5, l->top); /* 65536 is written as 0 */
	if (!leaf)
		put32(page + 8, rightmost);
	memset(page + l->start + SLOT_BYTES * l->n, 0, room(l));
	memset(page + t->f->usable, 0, t->f->page_size - t->f->usable);
}

static struct err *write_page(const struct btree *t, const struct level *l, uint32_t *ret)
{
	uint8_t *page;
	struct err *err = append_page(t->f, &page, ret);

	if (!err)
		memcpy(page, l->page, t->f->page_size);
	return err;
}

static struct err *write_root(const struct btree *t, const struct level *l)
{
	ssize_t size = t->f->page_size;

	if (pwrite(t->f->fd, l->page, (size_t)size, (off_t)(t->root - 1) * size) != size)
		return write_err(t->f);
	return NULL;
}

/* ---- inner levels */

static struct err *open_level(struct btree *t)
{
	struct level *l = &t->levels[t->n_levels];

	if (t->n_levels == LEVELS_MAX)
		return err_new(ERR_LIMIT, "%s: a tree of too many levels", t->f->path);
	l->page = malloc(t->f->page_size);
	if (!l->page)
		return &err_nomem;
	begin_page(t, l);
	t->n_levels++;
	return NULL;
}

static void add_child(struct level *l, const struct pending *p)
{
	uint8_t *to = add_entry(l, CHILD_BYTES + p->n);

	put32(to, p->child);
	memcpy(to + CHILD_BYTES, p->key, p->n);
}

/* One more child of level `i`; full pages go up from level to level. */
static struct err *add_page(struct btree *t, unsigned i, struct pending p)
{
	enum { ENTRY_MAX = CHILD_BYTES + KEY_MAX + SLOT_BYTES };

	for (;; i++) {
		struct err *err = i == t->n_levels ? open_level(t) : NULL;
		struct level *l = &t->levels[i];
		struct pending full = l->kept[0];

		if (err)
			return err;
		if (l->n_kept < 2) {
			l->kept[l->n_kept++] = p;
			return NULL;
		}
		l->kept[0] = l->kept[1];
		l->kept[1] = p;
		if (room(l) >= 2 * ENTRY_MAX) { /* one is left for the end */
			add_child(l, &full);
			return NULL;
		}
		finish_page(t, l, full.child);
		err = write_page(t, l, &full.child);
		if (err)
			return err;
		begin_page(t, l);
		p = full;
	}
}

/* The last page of each level, and of the highest its only one: the root. */
static struct err *end_levels(struct btree *t)
{
	struct pending last = {};

	for (unsigned i = 0;; i++) {
		struct level *l = &t->levels[i];
		struct err *err;

		if (i) {
			add_child(l, &l->kept[0]);
			finish_page(t, l, l->kept[1].child);
		} else {
			finish_page(t, l, 0);
		}
		if (i + 1 == t->n_levels)
			return write_root(t, l);
		err = write_page(t, l, &last.child);
		if (!err)
			err = add_page(t, i + 1, last);
		if (err)
			return err;
	}
}

/* ---- trees */

static void guard_tree(struct btree **t)
{
	btree_free(*t);
}

struct err *btree_new(struct btree_file *f, enum btree_kind kind, uint32_t root, struct btree **ret)
{
	_cleanup_(guard_tree) struct btree *t = calloc(1, sizeof(*t));
	struct err *err;

	if (!t)
		return &err_nomem;
	t->f = f;
	t->kind = kind;
	t->root = root;
	err = open_level(t);
	if (!err)
		*ret = take(&t);
	return err;
}

void btree_free(struct btree *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_levels; i++)
		free(t->levels[i].page);
	free(t);
}

/* How much of a record of `n` bytes stays in a table's leaf: section 1.5 of the format. */
static size_t local_bytes(const struct btree_file *f, size_t n)
{
	size_t most = f->usable - 35, least = (f->usable - 12) * 32 / 255 - 23, some;

	if (n <= most)
		return n;
	some = least + (n - least) % (f->usable - 4);
	return some <= most ? some : least;
}

/* What does not fit into a leaf, in a chain of pages; the first of them. */
static struct err *add_overflow(struct btree_file *f, const uint8_t *bytes, size_t n, uint32_t *ret)
{
	uint32_t number, first = next_number(f);

	while (n) {
		size_t some = n < f->usable - 4 ? n : f->usable - 4;
		uint8_t *page;
		struct err *err = append_page(f, &page, &number);

		if (err)
			return err;
		memset(page, 0, f->page_size);
		memcpy(page + 4, bytes, some);
		bytes += some;
		n -= some;
		put32(page, n ? next_number(f) : 0);
	}
	*ret = first;
	return NULL;
}

struct err *btree_add_row(struct btree *t, int64_t rowid, const uint8_t *record, size_t n)
{
	struct level *l = &t->levels[0];
	size_t local = local_bytes(t->f, n);
	uint8_t head[2 * VARINT_MAX], *to;
	unsigned n_head = varint_put(head, n), bytes;
	struct err *err = NULL;
	uint32_t chain = 0;

	n_head += varint_put(head + n_head, (uint64_t)rowid);
	bytes = n_head + (unsigned)local + (local < n ? 4 : 0);
	if (bytes < 4)
		bytes = 4;
	if (room(l) < bytes + SLOT_BYTES) {
		struct pending p = {};

		p.n = varint_put(p.key, (uint64_t)t->last);
		finish_page(t, l, 0);
		err = write_page(t, l, &p.child);
		if (!err)
			err = add_page(t, 1, p);
		if (err)
			return err;
		begin_page(t, l);
	}
	if (local < n)
		err = add_overflow(t->f, record + local, n - local, &chain);
	if (err)
		return err;
	to = add_entry(l, bytes);
	memcpy(to, head, n_head);
	memcpy(to + n_head, record, local);
	if (local < n)
		put32(to + n_head + local, chain);
	t->last = rowid;
	return NULL;
}

static void put_kept(struct level *l)
{
	memcpy(add_entry(l, l->kept[0].n), l->kept[0].key, l->kept[0].n);
}

struct err *btree_add_key(struct btree *t, int64_t key, int64_t rowid)
{
	enum { RECORD_HEAD = 3 };
	struct level *l = &t->levels[0];
	struct pending p = {};
	unsigned n, at = 1 + RECORD_HEAD;
	struct err *err;

	p.key[1] = RECORD_HEAD;
	p.key[2] = (uint8_t)record_int(key, p.key + at, &n);
	at += n;
	p.key[3] = (uint8_t)record_int(rowid, p.key + at, &n);
	p.n = at + n;
	p.key[0] = (uint8_t)(p.n - 1);
	if (l->n_kept && room(l) >= 2 * (KEY_MAX + SLOT_BYTES)) { /* one is left for the end */
		put_kept(l);
	} else if (l->n_kept) {
		finish_page(t, l, 0);
		err = write_page(t, l, &l->kept[0].child);
		if (!err)
			err = add_page(t, 1, l->kept[0]);
		if (err)
			return err;
		begin_page(t, l);
	}
	l->kept[0] = p;
	l->n_kept = 1;
	return NULL;
}

struct err *btree_end(struct btree *t)
{
	if (t->kind == BTREE_INDEX && t->levels[0].n_kept)
		put_kept(&t->levels[0]);
	return end_levels(t);
}
