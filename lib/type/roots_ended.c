/*
 * type/roots_ended.c - threads that have ended, of glibc on x86-64: what they left is no root.
 *
 * glibc (nptl/allocatestack.c, nptl/descr.h; seen in cores of 2.28 to 2.43) keeps each stack it has
 * made in one of three doubly linked lists: in use, the program's own, and those kept for the next
 * thread.  Their heads lie in the data of libpthread, libc or ld.so; a struct pthread is linked by
 * its field `list`.  What is followed is a whole ring, both ways, of structs whose words `tcb` and
 * `self` point at themselves; `tid` says whether its thread has ended.  The stack's mapping is known by
 * the three words that describe it, wherever in the struct they are.
 *
 * aarch64's struct pthread has no pointer at itself: nothing is said of it.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "type/rooter.h"

enum {
	/* struct pthread on x86-64: tcbhead_t has 704 bytes, and what is behind it never moved. */
	PD_TCB = 0,
	PD_DTV = 8,
	PD_SELF = 16,
	PD_LIST = 704,
	PD_TID = 720,
	PD_ALIGN = 64,
	LIST_MAX = 1 << 20,
};

#define TID_JOINED UINT32_MAX /* pthread_join() writes it, before the stack is kept or unmapped */

struct rings {
	const struct image *img;
	uint64_t tls; /* bytes below each struct */
	enum shadow_mode mode;
	struct {
		taddr *v;
		size_t n, cap;
	} members; /* of the ring at hand */
};

static bool word_is(const struct image *img, taddr at, uint64_t value)
{
	uint64_t word;

	return image_read_u64(img, at, &word) == MEM_OK && word == value;
}

/* Its members, if all of it is one. */
static struct err *read_ring(struct rings *r, taddr head, bool *ret)
{
	taddr before = head, at = 0;

	*ret = false;
	r->members.n = 0;
	if (image_read_u64(r->img, head, &at) != MEM_OK)
		return NULL;
	while (at != head) {
		taddr pd = at - PD_LIST;

		if (pd % PD_ALIGN || r->members.n >= LIST_MAX || !word_is(r->img, at + 8, before) ||
		    !image_is_pthread(r->img, pd))
			return NULL;
		if (!vec_push(&r->members, &pd))
			return &err_nomem;
		before = at;
		if (image_read_u64(r->img, at, &at) != MEM_OK)
			return NULL;
	}
	*ret = r->members.n && word_is(r->img, head + 8, before);
	return NULL;
}

static void keep(const struct rings *r, taddr at, uint64_t n)
{
	image_keep_resume(r->img, r->mode);
	image_keep(r->img, at, n);
	image_keep_pause(r->img);
}

/* Of no thread in the dump, whatever the struct says of it. */
static bool is_in_use(const struct image *img, taddr start, taddr end)
{
	for (size_t i = 0; i < img->n_threads; i++) {
		const struct thread *t = &img->threads[i];

		if ((t->tp >= start && t->tp < end) || (t->sp >= start && t->sp < end))
			return true;
	}
	return false;
}

/*
 * A thread that nobody joined may still be asked for what it returned, which its struct keeps
 * (a detached one is not told apart): that and its TLS stay.  The dtv is used again, and what it
 * leads to freed, with the stack.
 */
static struct err *exclude_ended(const struct rings *r, taddr pd, struct root_sink *sink)
{
	struct pthread_stack stack;
	uint32_t tid;
	struct err *err;

	if (image_read_u32(r->img, pd + PD_TID, &tid) != MEM_OK)
		return NULL;
	keep(r, pd + PD_TCB, 8);
	keep(r, pd + PD_SELF, 8);
	keep(r, pd + PD_LIST, 16);
	keep(r, pd + PD_TID, 4);
	if ((tid && tid != TID_JOINED) || !image_pthread_stack(r->img, pd, &stack))
		return NULL;
	keep(r, stack.words, 24);
	if (is_in_use(r->img, stack.start, stack.end) || r->tls >= pd - stack.start)
		return NULL;
	if (!tid)
		return sink->exclude(sink, stack.start, pd - r->tls);
	err = sink->exclude(sink, stack.start, pd + PD_DTV);
	return err ? err : sink->exclude(sink, pd + PD_DTV + 8, stack.end);
}

static struct err *look_in(struct rings *r, const struct segment *seg, struct root_sink *sink)
{
	for (taddr head = align_up(seg->start, 8); head < seg->end && seg->end - head >= 16; head += 8) {
		uint64_t first = load_u64(seg->bytes + (head - seg->start));
		struct err *err;
		bool is_ring;

		if (first < PD_LIST || (first - PD_LIST) % PD_ALIGN || !image_is_pthread(r->img, first - PD_LIST))
			continue;
		err = read_ring(r, head, &is_ring);
		if (!err && is_ring)
			keep(r, head, 16);
		for (size_t i = 0; !err && is_ring && i < r->members.n; i++)
			err = exclude_ended(r, r->members.v[i], sink);
		if (err)
			return err;
	}
	return NULL;
}

/* Which threads live, their thread pointers say; all of them must be known. */
static bool can_tell(const struct image *img)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (!img->threads[i].has_regs || !img->threads[i].tp)
			return false;
	return img->n_threads && img->target->id == TARGET_X86_64;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink)
{
	struct rings r = { .img = img, .tls = roots_static_tls(img) };
	struct err *err = NULL;

	(void)env;
	(void)blocks;
	if (!can_tell(img))
		return NULL;
	r.mode = image_keep_pause(img);
	for (size_t i = 0; i < img->n_segments && !err; i++) {
		const struct segment *seg = &img->segments[i];

		if ((seg->flags & (SEG_R | SEG_W)) == (SEG_R | SEG_W) && seg->bytes && !seg->zero_reserve &&
		    image_data_module(img, seg) >= 0)
			err = look_in(&r, seg, sink);
	}
	image_keep_resume(img, r.mode);
	free(r.members.v);
	return err;
}

extern const struct rooter_ops rooter_ended;
const struct rooter_ops rooter_ended = { .name = "ended threads", .find = find };
