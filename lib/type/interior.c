/*
 * type/interior.c - memcheck's four exceptions for interior pointers (mc_leakcheck.c of Valgrind
 * 3.19, heuristic_reachedness()).
 *
 * memcheck knows the size that was asked for.  A core knows it up to malloc's rounding: any size
 * that gives a chunk of this length is accepted.
 */
#include "type/interior.h"

#include "base/guard.h"
#include "image/shadow.h"

enum { PAGE_BYTES = 4096, MAPPED_LEAST = 128 << 10 }; /* bytes of a block with pages of its own */
enum { ROUNDING = 16, VTABLE_WORDS = 20, ALIGNED_LEAST = 32 /* less is every block's */ };

/* Sizes that malloc turns into a block of `usable` bytes. */
struct asked {
	uint64_t least, most;
};

static struct asked asked_sizes(uint64_t usable)
{
	return (struct asked){ usable > 24 ? usable - (ROUNDING - 1) : 0, usable };
}

static bool fits(struct asked asked, uint64_t size)
{
	return size >= asked.least && size <= asked.most;
}

/* length, capacity, references, characters, NUL: std::string before C++11. */
static bool is_old_string(const struct image *img, taddr start, struct asked asked)
{
	uint64_t length, capacity;

	if (image_read_u64(img, start, &length) || image_read_u64(img, start + 8, &capacity))
		return false;
	if (capacity <= asked.most && length <= capacity && fits(asked, 3 * 8 + capacity + 1))
		return true;
	image_keep_no_pointer(img, start); /* zeros would be an empty one */
	return false;
}

/* The length of the rest, then the rest. */
static bool is_length_prefixed(uint64_t first, struct asked asked)
{
	return first > 0 && first < asked.most && fits(asked, first + 8);
}

/* The count of new[], then that many elements of one size. */
static bool is_new_array(uint64_t n, struct asked asked)
{
	uint64_t rest = asked.most - 8; /* the caller has seen that there are more than 8 */

	return n > 0 && n <= rest && fits(asked, rest - rest % n + 8);
}

/* What was asked for may have been this, also if the block is a mapping of its own, of whole pages. */
static bool fits_pages(struct asked asked, uint64_t size)
{
	return fits(asked, size) ||
	       (asked.most >= MAPPED_LEAST && size <= asked.most && asked.most - size < PAGE_BYTES);
}

/*
 * The headers of MariaDB's and MySQL's allocators, their first three words: my_malloc() of MariaDB 10.11
 * (mysys/my_malloc.c), {owner, size with two flags, key}, 24 bytes; that of MySQL 8.0, {key, magic, size, owner}, 32
 * bytes; ut_allocator of InnoDB (ut0new.h, ut_new_pfx_t), {key, owner, size with the header}, 24 bytes.
 */
static bool is_mysql(const struct image *img, uint64_t off, const uint64_t *words, struct asked asked)
{
	enum { MARIADB = 24, MYSQL = 32, MAGIC = 1234, FLAGS = 3 };
	uint64_t n = words[1] & ~7ull;

	if (off == MYSQL)
		return words[0] >> 32 == MAGIC && words[1] < asked.most && fits_pages(asked, MYSQL + words[1]);
	if (off != MARIADB)
		return false;
	if (!(words[1] & 7 & ~FLAGS) && n && n < asked.most && fits_pages(asked, MARIADB + n))
		return !words[0] || image_segment(img, words[0]);
	return words[0] <= UINT32_MAX && words[2] > MARIADB && fits_pages(asked, words[2]) &&
	       (!words[1] || image_segment(img, words[1]));
}

/* A table in a mapped file whose first two pointers, of at most 20 words, lead to code of files. */
static bool is_vtable(const struct image *img, taddr at)
{
	const struct segment *seg = image_segment(img, at);
	unsigned n_functions = 0;

	if (!seg || !(seg->flags & SEG_R) || (!seg->file && seg->module < 0))
		return false;
	for (unsigned i = 0; i <= VTABLE_WORDS; i++) {
		uint64_t function;
		const struct segment *code;

		if (at >= seg->end || seg->end - at < 8 || image_read_u64(img, at, &function))
			return false;
		at += 8;
		if (!function)
			continue;
		code = image_segment(img, function);
		if (!code || !(code->flags & SEG_X) || (!code->file && code->module < 0))
			return false;
		if (++n_functions == 2)
			return true;
	}
	return false;
}

static bool may_be_vtable(uint64_t value)
{
	return !(value & 7) && value >= 4096;
}

/* A word of the block at `start`, of whose bytes `avail` are at hand. */
static bool block_word(const struct image *img, taddr start, const uint8_t *bytes, uint64_t avail, uint64_t off,
		       uint64_t *ret)
{
	if (!bytes || off >= avail || avail - off < 8)
		return image_read_u64(img, start + off, ret) == MEM_OK;
	*ret = load_u64(bytes + off);
	return true;
}

bool interior_is_start(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	struct asked asked = asked_sizes(usable);
	uint64_t off = value - start, avail = 0, first, inner, words[3];
	const uint8_t *bytes;

	if (usable <= 8 || !interior_may_be_start(off, value))
		return false;
	bytes = image_view(img, start, &avail);
	if (!block_word(img, start, bytes, avail, 0, &first))
		return false;
	if (off == 24 && is_old_string(img, start, asked))
		return true;
	if ((off == 24 || off == 32) && usable > 32 && block_word(img, start, bytes, avail, 8, &words[1]) &&
	    block_word(img, start, bytes, avail, 16, &words[2])) {
		words[0] = first;
		if (is_mysql(img, off, words, asked)) {
			image_keep(img, start, 24);
			return true;
		}
	}
	if ((off == 8 && (is_length_prefixed(first, asked) || is_new_array(first, asked))) ||
	    (!(value & 7) && may_be_vtable(first) && block_word(img, start, bytes, avail, off, &inner) &&
	     may_be_vtable(inner) && is_vtable(img, inner) && is_vtable(img, first))) {
		image_keep(img, start, 8);
		image_keep(img, start + off, off == 8 ? 0 : 8);
		return true;
	}
	return false;
}

static bool leads_back(const struct image *img, taddr to, unsigned offset, taddr at)
{
	uint64_t back;

	return to && image_read_u64(img, to + offset, &back) == MEM_OK && back == at;
}

bool interior_is_talloc(const struct image *img, taddr start, uint64_t value)
{
	enum { HEADER = 96, POOL_HEADER = 32, NEXT = 8, PREV = 16, PARENT = 24, CHILD = 32 };
	/* Its tree knows a pool by its header, the program each chunk by what lies behind that. */
	taddr at = value == start + POOL_HEADER ? value : value - HEADER;
	uint64_t w[4]; /* next, prev, parent, child */

	return (at == start || at == start + POOL_HEADER) && image_read(img, at + NEXT, w, sizeof(w)) == MEM_OK &&
	       (leads_back(img, w[0], PREV, at) || leads_back(img, w[1], NEXT, at) ||
		leads_back(img, w[2], CHILD, at) || leads_back(img, w[3], PARENT, at));
}

/* What any bytes may lie in; who asks says what mattered. */
static bool peek(const struct image *img, taddr at, void *ret, uint64_t n)
{
	uint64_t avail;
	const uint8_t *p = image_view(img, at, &avail);

	if (!p || avail < n)
		return false;
	memcpy(ret, p, n);
	return true;
}

static bool is_text_of(const struct image *img, taddr at, uint64_t n)
{
	uint64_t avail;
	const void *p = image_view(img, at, &avail);

	return p && avail >= n && !memchr(p, 0, n);
}

bool interior_is_ralloc(const struct image *img, taddr start, uint64_t value)
{
	enum { HEADER = 48, PARENT = 0, CHILD = 8, PREV = 16, NEXT = 24, WORDS = 4 };
	uint64_t w[WORDS], back; /* parent, first child, previous, next */
	unsigned n = 0;

	if (value - start != HEADER || !peek(img, start, w, sizeof(w)))
		return false;
	for (unsigned i = 0; i < WORDS; i++) {
		static const uint8_t backs[] = { CHILD, PARENT, NEXT, PREV };

		if (!w[i] || (i == 0 && w[2])) /* of several children the first alone */
			continue;
		if (w[i] & 7 || w[i] == start || !peek(img, w[i] + backs[i], &back, 8) || back != start)
			return false;
		n++;
	}
	if (!n)
		return false;
	image_keep(img, start, sizeof(w));
	for (unsigned i = 0; i < WORDS; i++)
		image_keep(img, w[i], w[i] ? sizeof(w) : 0);
	return true;
}

bool interior_is_glib_box(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	enum { HEADER = 32, SIZE = 8, PRIVATE = 16, MAGIC = 24, BOX_MAGIC = 0x44ae2bf0 };
	uint64_t off = value - start, avail;
	const uint8_t *head;

	if (off < HEADER || off >= usable || value & 7)
		return false;
	head = image_view(img, value - HEADER, &avail);
	if (!head || avail < HEADER || load_u32(head + MAGIC) != BOX_MAGIC ||
	    load_u64(head + PRIVATE) != off - HEADER || load_u64(head + SIZE) > usable - off)
		return false;
	image_keep_exact(img, head + SIZE, MAGIC + 4 - SIZE);
	return true;
}

struct sds {
	unsigned head; /* bytes of its header */
	uint64_t len, alloc;
	uint8_t more; /* the flags beside the type, which are the program's own; of sdshdr5 none */
};

/* `left`: bytes of the block from `value` on. */
static bool read_sds(const struct image *img, taddr value, uint64_t left, struct sds *ret)
{
	/* len and alloc, of so many bytes each, then the flags: the type, and of sdshdr5 the length. */
	static const uint8_t widths[] = { 0, 1, 2, 4, 8 };
	uint8_t flags, end, type;

	if (!peek(img, value - 1, &flags, 1))
		return false;
	type = flags & 7;
	if (type >= ARRAY_SIZE(widths))
		return false;
	*ret = (struct sds){ .head = 2 * widths[type] + 1u, .more = type ? flags >> 3 : 0 };
	if (!type)
		ret->len = ret->alloc = flags >> 3;
	else if (!peek(img, value - ret->head, &ret->len, widths[type]) ||
		 !peek(img, value - ret->head + widths[type], &ret->alloc, widths[type]))
		return false;
	/* An empty one is of the second type. */
	if ((!type && !ret->len) || ret->len > ret->alloc || ret->alloc >= left)
		return false;
	/* One byte says little: that there is a text of so many characters has to be seen. */
	if (!type && !img->blanked && !is_text_of(img, value, ret->len))
		return false;
	return peek(img, value + ret->len, &end, 1) && !end;
}

static void keep_sds(const struct image *img, taddr value, const struct sds *s)
{
	image_keep(img, value - s->head, s->head);
}

static bool fills(uint64_t usable, uint64_t asked)
{
	return usable - asked < ROUNDING + asked / 4;
}

/* A value behind its field, as in entries of hashes of Redis 8 and Valkey (entry.c): sdshdr8, to the block's end. */
static bool has_value_behind(const struct image *img, taddr start, uint64_t usable, uint64_t asked)
{
	enum { HEAD = 3 };
	uint64_t off = asked + HEAD;
	struct sds s;

	if (usable <= off || !read_sds(img, start + off, usable - off, &s) || s.head != HEAD || s.more ||
	    !fills(usable, off + s.alloc + 1))
		return false;
	keep_sds(img, start + off, &s);
	return true;
}

/*
 * What lies before a field of less than 256 bytes, if its flags say so: a time to live (of Redis in two words) and
 * a pointer to the value.
 */
static bool is_front(uint64_t bytes, uint8_t more)
{
	enum { FLAGS = 3, LIVES = 1 };
	uint64_t words = (uint64_t)__builtin_popcount(more);

	return !(more & ~FLAGS) && (bytes == 8 * words || (more & LIVES && bytes == 8 * words + 8));
}

/* Where a text can begin in its block: known before the dump is looked at, which costs a page for each. */
static bool is_behind_header(uint64_t off)
{
	static const uint64_t offsets = 1u << 1 | 1u << 3 | 1u << 5 | 1u << 9 | 1u << 17 | /* headers alone */
					1u << 11 | 1u << 19 | 1u << 27; /* and one of 3 with words before it */

	return off <= SDS_HEADER_MAX && offsets >> off & 1;
}

bool interior_is_sds(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	uint64_t off = value - start, asked;
	struct sds s;

	if (!is_behind_header(off) || usable <= off || !read_sds(img, value, usable - off, &s) ||
	    !is_front(off - s.head, s.more))
		return false;
	asked = off + s.alloc + 1;
	if (!fills(usable, asked) && !(s.len == s.alloc && has_value_behind(img, start, usable, asked)))
		return false;
	keep_sds(img, value, &s);
	return true;
}

bool interior_is_aligned(taddr start, uint64_t value)
{
	uint64_t alignment = value & -value;

	return alignment >= ALIGNED_LEAST && value - start < alignment;
}

/* The parent (and a colour in its low bits), right, left; one alone says nothing. */
static bool is_tree_node(const struct image *img, uint64_t value)
{
	uint64_t w[3], of[3] = {}, n = 0;

	if (!peek(img, value, w, sizeof(w)))
		return false;
	w[0] &= ~3ull;
	if (w[0] == value || w[1] == value || w[2] == value)
		return false; /* an empty list's */
	if (w[0] && (w[0] & 7 || !peek(img, w[0], of, sizeof(of)) || (of[1] != value && of[2] != value)))
		return false;
	n += w[0] != 0;
	for (unsigned i = 1; i < 3; i++) {
		if (w[i] && (w[i] & 7 || !peek(img, w[i], of, 8) || (of[0] & ~3ull) != value))
			return false;
		n += w[i] != 0;
	}
	if (!n)
		return false;
	image_keep(img, value, sizeof(w));
	image_keep(img, w[0] + 8, w[0] ? 16 : 0);
	for (unsigned i = 1; i < 3; i++)
		image_keep(img, w[i], w[i] ? 8 : 0);
	return true;
}

static bool is_ring_link(const struct image *img, uint64_t value)
{
	enum { LEAST = 4096 };
	uint64_t w[2], back[2]; /* whichever of them is the way forward */

	if (!peek(img, value, w, sizeof(w)) || w[1] < LEAST || (w[0] | w[1]) & 7 || w[0] == value ||
	    w[1] == value || !peek(img, w[1], &back[1], 8) || back[1] != value)
		return false;
	if (w[0] && (w[0] < LEAST || !peek(img, w[0] + 8, &back[0], 8) || back[0] != value))
		return false;
	image_keep(img, value, sizeof(w));
	image_keep(img, w[0] + 8, w[0] ? 8 : 0);
	image_keep(img, w[1], 8);
	return true;
}

bool interior_is_link(const struct image *img, uint64_t value, uint64_t left)
{
	return !(value & 7) && ((left >= 16 && is_ring_link(img, value)) || (left >= 24 && is_tree_node(img, value)));
}

/* hashbrown's Group::WIDTH: of SSE2, and of what has no such instructions or NEON. */
static uint64_t group_width(const struct image *img)
{
	return img->target->id == TARGET_X86_64 ? 16 : 8;
}

enum {
	BUCKETS_LEAST = 4,
	BUCKETS_MOST = 1 << 28,
	BUCKETS_SEEN = 1 << 13, /* of a larger table so many are looked at: any number of pointers may lead to it */
};

/* Values have a size; malloc's classes are this far apart. */
static bool fits_buckets(uint64_t n, uint64_t width, uint64_t off, uint64_t rest)
{
	return n >= BUCKETS_LEAST && off >= n && rest - n - width < ROUNDING + (off + n + width) / 4;
}

uint64_t interior_buckets(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	uint64_t off = value - start, rest = usable - off, n = BUCKETS_LEAST, width;

	if (value % 8 || off >= usable || off < n)
		return 0;
	width = group_width(img);
	if (value % width || rest < width + n)
		return 0;
	while (n < BUCKETS_MOST && 2 * n + width <= rest)
		n *= 2;
	while (n > off)
		n /= 2;
	return fits_buckets(n, width, off, rest) ? n : 0;
}

static bool is_control(const uint8_t *ctrl, uint64_t n, uint64_t width)
{
	enum { EMPTY = 0xff, DELETED = 0x80 };
	uint64_t full = 0, seen = n < BUCKETS_SEEN ? n : BUCKETS_SEEN;

	/* The first ones again; of few buckets all, and none between those and these. */
	if (memcmp(ctrl + (n < width ? width : n), ctrl, n < width ? n : width) != 0)
		return false;
	for (uint64_t i = n; i < width; i++)
		if (ctrl[i] != EMPTY)
			return false;
	for (uint64_t i = 0; i < seen; i++) {
		if (ctrl[i] > DELETED && ctrl[i] != EMPTY)
			return false;
		full += ctrl[i] < DELETED;
	}
	/* One bucket in eight stays free, of few just one.  Without any value it is not told from other bytes. */
	return full && full <= (n <= 8 || seen < n ? seen - 1 : n / 8 * 7);
}

/* Which buckets are in use, and nothing of what their keys hash to. */
static void keep_control(const struct image *img, taddr at, const uint8_t *ctrl, uint64_t n)
{
	const uint64_t highs = 0x8080808080808080ull;

	/* Of four buckets there are 12 or 20 bytes: what lies behind them is not the table's. */
	for (uint64_t i = 0; img->shadow && i < n; i += 8) {
		uint64_t word = 0, high;

		memcpy(&word, ctrl + i, n - i < 8 ? n - i : 8);
		high = (word & highs) >> 7;
		image_keep_as(img, at + i, word & high * 0xff);
	}
}

bool interior_is_hashbrown(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	uint64_t most = interior_buckets(img, start, usable, value), width = group_width(img), avail;
	const uint8_t *ctrl = most ? image_view(img, value, &avail) : NULL;

	/* Of few buckets what malloc rounded up may be as many again. */
	for (uint64_t n = most; ctrl && fits_buckets(n, width, value - start, usable - (value - start)); n /= 2)
		if (avail >= n + width && is_control(ctrl, n, width)) {
			if (n > BUCKETS_SEEN) {
				keep_control(img, value, ctrl, BUCKETS_SEEN);
				keep_control(img, value + n, ctrl + n, width);
			} else {
				keep_control(img, value, ctrl, n + width);
			}
			return true;
		}
	return false;
}

enum {
	ZEND_LEAST = 8,	    /* elements */
	ZEND_BUCKET = 32,   /* bytes of one: of a list since 8.2, half of that */
	ZEND_SLOTS = 8,	    /* bytes of the hash for one: two slots */
	ZEND_SEEN = 1 << 12, /* slots of a larger hash that are looked at */
};

/* -1, or the first of the elements that are alike: each once, and half of all slots stay free. */
static bool is_zend_hash(const uint8_t *slots, uint64_t n)
{
	uint64_t seen[ZEND_SEEN / 64] = {}, used = 0, n_slots = 2 * n < ZEND_SEEN ? 2 * n : ZEND_SEEN;

	for (uint64_t i = 0; i < n_slots; i++) {
		uint32_t slot = load_u32(slots + 4 * i);

		if (slot == UINT32_MAX)
			continue;
		if (slot >= n || (slot < ZEND_SEEN && bit_get(seen, slot)))
			return false;
		if (slot < ZEND_SEEN)
			bit_set(seen, slot);
		used++;
	}
	return n_slots < 2 * n || used <= n;
}

bool interior_is_zend(const struct image *img, taddr start, uint64_t usable, uint64_t value)
{
	struct asked asked = asked_sizes(usable);
	uint64_t off = value - start, n = off / ZEND_SLOTS, avail = 0;
	const uint8_t *slots;

	if (off == ZEND_SLOTS) {
		n = usable / (ZEND_BUCKET / 2) ? 1ull << (63 - __builtin_clzll(usable / (ZEND_BUCKET / 2))) : 0;
		if (n < ZEND_LEAST || !fits_pages(asked, off + n * ZEND_BUCKET / 2))
			return false;
	} else if (off % ZEND_SLOTS || n < ZEND_LEAST || !is_pow2(n) || !fits_pages(asked, off + n * ZEND_BUCKET)) {
		return false;
	}
	slots = image_view(img, start, &avail);
	if (!slots || avail < off || (off == ZEND_SLOTS ? load_u64(slots) != UINT64_MAX : !is_zend_hash(slots, n)))
		return false;
	image_keep_exact(img, slots, off < 4 * ZEND_SEEN ? off : 4 * ZEND_SEEN);
	return true;
}
