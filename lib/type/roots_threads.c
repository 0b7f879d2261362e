/*
 * type/roots_threads.c - registers, live stacks, thread-local storage and thread control blocks.
 *
 * A vector register is a root, for code may keep its only pointer there; memcheck reads general
 * registers alone (docs/valgrind.md).
 * glibc keeps the first pthread keys in struct pthread, which lies at (x86-64) or below (aarch64)
 * the thread pointer; static TLS lies on its other side.  What is below the live part of a stack
 * is never a root.
 */
#include <elf.h>

#include "image/shadow.h"
#include "type/rooter.h"

enum {
	TCB_BYTES = 0xa00, /* struct pthread: 0x700 (2.28) to 0x9c0 (2.43) bytes */
	TCB_BELOW = 0xa00, /* where the thread pointer stands behind it */
	TLS_MODULE_MAX = 1 << 30,
	TCB_HEAD = 16,	   /* variant I: tcbhead_t, between the thread pointer and TLS */
};

struct range {
	taddr start, end;
};

uint64_t roots_static_tls(const struct image *img)
{
	uint64_t n = 0;

	for (size_t i = 0; i < img->n_modules; i++) {
		const struct module *m = &img->modules[i];

		if (m->tls_size && m->tls_size < TLS_MODULE_MAX && m->tls_align < TLS_MODULE_MAX)
			n += align_up(m->tls_size, 16) + m->tls_align;
	}
	return n < TLS_MODULE_MAX ? n : TLS_MODULE_MAX;
}

/* The part of the mapping around the thread pointer that is TLS and control block. */
static bool tls_range(const struct image *img, const struct thread *t, uint64_t tls, struct range *ret)
{
	const struct segment *seg = t->tp ? image_segment(img, t->tp) : NULL;
	uint64_t below = img->target->tls_below_tp ? tls : TCB_BELOW;
	uint64_t above = img->target->tls_below_tp ? TCB_BYTES : TCB_HEAD + tls;

	if (!seg || !(seg->flags & SEG_W))
		return false;
	ret->start = t->tp - seg->start < below ? seg->start : align_down(t->tp - below, 8);
	ret->end = seg->end - t->tp < above ? seg->end : align_up(t->tp + above, 8);
	if (t->stack_high > t->tp && t->live_low <= t->tp && t->live_low > ret->start)
		ret->start = t->live_low; /* TLS that large would lie in the stack */
	return ret->start < ret->end;
}

static struct err *add_registers(const struct image *img, uint32_t no, struct root_sink *sink)
{
	const struct thread *t = &img->threads[no];
	struct root_source source = { .kind = ROOT_REGISTER, .thread = no, .module = -1 };

	for (unsigned i = 0; t->has_regs && i < img->target->n_regs && i < TARGET_MAX_REGS; i++) {
		struct err *err = sink->value(sink, &source, t->regs[i], i);

		if (err)
			return err;
	}
	source.kind = ROOT_VECTOR;
	for (size_t i = 0; i < t->n_vectors; i++) {
		struct err *err = sink->value(sink, &source, t->vectors[i].value, t->vectors[i].no);

		if (err)
			return err;
	}
	return NULL;
}

/*
 * A thread may run on a stack that the program made for it (a coroutine): then others may lie
 * below it in the same mapping, and nothing is known to be dead.  Stacks of libc and the kernel
 * are known by the thread's control block and by the bytes behind AT_RANDOM.
 */
static bool is_own_stack(const struct image *img, const struct thread *t)
{
	uint64_t random = image_auxv(img, AT_RANDOM, 0);

	return !t->tp || (t->tp >= t->live_low && t->tp < t->stack_high) ||
	       (random >= t->live_low && random < t->stack_high);
}

/* What image/threads.c knows the stack by: struct pthread has words of the program's, too. */
static void keep_stack_words(const struct image *img, const struct thread *t)
{
	enum shadow_mode mode = image_keep_pause(img);
	struct pthread_stack stack;
	bool found = t->tp && image_is_pthread(img, t->tp) && image_pthread_stack(img, t->tp, &stack);

	image_keep_resume(img, mode);
	if (!found)
		return;
	image_keep(img, t->tp, 8);
	image_keep(img, t->tp + 16, 8);
	image_keep(img, stack.words, 24);
}

static struct err *add_stack(const struct image *img, uint32_t no, struct root_sink *sink)
{
	const struct thread *t = &img->threads[no];
	struct root_source source = {
		.kind = ROOT_STACK, .thread = no, .module = -1, .start = t->live_low, .end = t->stack_high,
	};
	struct err *err;

	if (t->live_low >= t->stack_high || t->stack_low > t->live_low)
		return NULL;
	keep_stack_words(img, t);
	err = sink->range(sink, &source);
	if (err || !is_own_stack(img, t))
		return err;
	return sink->exclude(sink, t->stack_low, t->live_low);
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink)
{
	uint64_t tls = roots_static_tls(img);
	struct err *err = NULL;

	(void)env;
	(void)blocks;
	for (uint32_t i = 0; i < img->n_threads && !err; i++) {
		struct root_source source = { .kind = ROOT_TLS, .thread = i, .module = -1 };
		struct range range;

		err = add_registers(img, i, sink);
		if (!err && tls_range(img, &img->threads[i], tls, &range)) {
			source.start = range.start;
			source.end = range.end;
			err = sink->range(sink, &source);
		}
		if (!err)
			err = add_stack(img, i, sink);
	}
	return err;
}

extern const struct rooter_ops rooter_threads;
const struct rooter_ops rooter_threads = { .name = "threads", .find = find };
