/*
 * image/threads.c - where the stacks and the brk heap lie, from registers and segments.
 *
 * A mapping is not a stack: glibc 2.42 installs guard pages that split no mapping, so the stacks of
 * many threads lie in one, among them those kept for threads to come.  The thread pointer tells them
 * apart: a thread made by libc has its control block at the top of its stack, where glibc notes which
 * memory the stack is (nptl/allocatestack.c).
 */
#include <elf.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/parts.h"

enum { GIB = 1 << 30, PAGE = 4096, TLS_SURPLUS = 2048, TLS_TCB = 16 };

/* Linux puts brk at most this far behind what it follows: 1 GiB of randomisation, 32 MiB of slack.
 */
#define BRK_REACH ((uint64_t)GIB + (32 << 20))

enum {
	/* struct pthread on x86-64: tcbhead_t has 704 bytes, and what is behind it never moved. */
	PD_TCB = 0,
	PD_SELF = 16,
	PD_STACK = 728,	  /* the three words lie somewhere behind its list and tid */
	PD_BYTES = 0xa00, /* at most */
	PD_LEAST = 704,
};

struct span {
	taddr start, end;
};

/* The mapping that holds `addr`: the pieces of its load that touch. */
static bool mapping_at(const struct image *img, taddr addr, struct span *ret)
{
	const struct segment *seg = image_segment(img, addr), *first = seg, *last = seg;
	const struct segment *begin = img->segments, *end = begin + img->n_segments;

	if (!seg)
		return false;
	while (first > begin && first[-1].load == seg->load && first[-1].end == first->start)
		first--;
	while (last + 1 < end && last[1].load == seg->load && last[1].start == last->end)
		last++;
	*ret = (struct span){ first->start, last->end };
	return true;
}

static bool word_is(const struct image *img, taddr at, uint64_t value)
{
	uint64_t word;

	return image_read_u64(img, at, &word) == MEM_OK && word == value;
}

bool image_is_pthread(const struct image *img, taddr pd)
{
	return img->target->id == TARGET_X86_64 && word_is(img, pd + PD_TCB, pd) && word_is(img, pd + PD_SELF, pd);
}

bool image_pthread_stack(const struct image *img, taddr pd, struct pthread_stack *ret)
{
	for (taddr at = pd + PD_STACK; at < pd + PD_BYTES; at += 8) {
		uint64_t start, size, guard;

		if (image_read_u64(img, at, &start) != MEM_OK ||
		    image_read_u64(img, at + 8, &size) != MEM_OK ||
		    image_read_u64(img, at + 16, &guard) != MEM_OK)
			return false;
		if (!start || start % PAGE || size % PAGE || guard % PAGE || start >= pd || guard >= size ||
		    size <= pd - start || size - (pd - start) < PD_LEAST || size - (pd - start) > PD_BYTES + PAGE)
			continue;
		*ret = (struct pthread_stack){ .words = at, .start = start, .end = start + size };
		return true;
	}
	return false;
}

/* Bytes that static TLS takes, with glibc's default surplus (csu/libc-tls.c, 1664) rounded up. */
static uint64_t static_tls_bytes(const struct image *img)
{
	uint64_t n = TLS_TCB + TLS_SURPLUS;

	for (size_t i = 0; i < img->n_modules; i++) {
		const struct module *m = &img->modules[i];

		if (m->tls_size < GIB && m->tls_align <= PAGE && n < GIB)
			n += m->tls_size + m->tls_align;
	}
	return n;
}

/*
 * The end of a stack whose control block lies in the mapping above sp.  TLS below the thread
 * pointer: only struct pthread follows it, in the last page.  TLS above: as much as there is.
 */
static taddr stack_end(const struct image *img, const struct thread *t, struct span mapping)
{
	uint64_t above = img->target->tls_below_tp ? 1 : static_tls_bytes(img);

	if (t->tp < t->sp || t->tp >= mapping.end || mapping.end - t->tp <= above + PAGE)
		return mapping.end;
	return align_up(t->tp + above, PAGE);
}

static int by_value(const void *a, const void *b)
{
	taddr x = *(const taddr *)a, y = *(const taddr *)b;

	return x < y ? -1 : x > y;
}

/* A stack begins no lower than where the next one below it, in the same mapping, ends. */
static struct err *part_stacks(struct image *img)
{
	_free_ taddr *ends = calloc(img->n_threads + 1, sizeof(*ends));

	if (!ends)
		return &err_nomem;
	for (size_t i = 0; i < img->n_threads; i++)
		ends[i] = img->threads[i].stack_high;
	qsort(ends, img->n_threads, sizeof(*ends), by_value);
	for (size_t i = 0; i < img->n_threads; i++) {
		struct thread *t = &img->threads[i];
		size_t low = 0,
		       high = img->n_threads; /* the first end > live_low is in [low, high] */

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (ends[mid] > t->live_low)
				high = mid;
			else
				low = mid + 1;
		}
		if (low && ends[low - 1] > t->stack_low)
			t->stack_low = ends[low - 1];
	}
	return NULL;
}

static void place_stack(const struct image *img, struct thread *t)
{
	const struct segment *seg = image_segment(img, t->sp);
	taddr sp = t->sp;
	struct pthread_stack own;
	struct span stack;

	/* A stack that overflowed stopped in its guard: the stack is what follows. */
	if (seg && !seg->flags) {
		if (!mapping_at(img, sp, &stack))
			return;
		sp = stack.end;
		seg = image_segment(img, sp);
	}
	if (!seg || !(seg->flags & SEG_W) || !mapping_at(img, sp, &stack))
		return;
	if (t->tp >= sp && image_is_pthread(img, t->tp) && image_pthread_stack(img, t->tp, &own) &&
	    own.start > stack.start && own.start <= sp)
		stack.start = own.start;
	t->stack_low = stack.start;
	t->stack_high = stack_end(img, t, stack);
	t->live_low =
		sp - stack.start < img->target->red_zone ? stack.start : sp - img->target->red_zone;
}

/*
 * The first writable anonymous mapping in [low, low + BRK_REACH), but never the main stack: the
 * kernel puts AT_RANDOM's bytes there.
 */
static bool anonymous_after(const struct image *img, taddr low, struct span *ret)
{
	taddr in_stack = image_auxv(img, AT_RANDOM, 0);

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		struct span span;

		if (seg->start < low || seg->module >= 0 || seg->file || !(seg->flags & SEG_W))
			continue;
		if (seg->start - low >= BRK_REACH)
			return false;
		if (!mapping_at(img, seg->start, &span) || span.start < low ||
		    (in_stack >= span.start && in_stack < span.end))
			continue;
		*ret = span;
		return true;
	}
	return false;
}

static const struct module *main_module(const struct image *img)
{
	for (size_t i = 0; i < img->n_modules; i++)
		if (img->modules[i].is_exe)
			return &img->modules[i];
	return NULL;
}

/*
 * brk begins behind the bss of what was executed, at a random distance; for position-independent
 * files without an interpreter (AT_BASE 0: a loader run by name, a static PIE) newer kernels move
 * it to two thirds of the address space, ELF_ET_DYN_BASE (fs/binfmt_elf.c).
 */
static void place_brk(struct image *img)
{
	const struct module *exe = main_module(img);
	taddr dyn_base = img->target->id == TARGET_X86_64 ? 0x555555554000 : 0xaaaaaaaaa000;
	struct span brk;

	if (!exe)
		return;
	if (image_auxv(img, AT_BASE, 1) == 0 && exe->start >= dyn_base) {
		if (!anonymous_after(img, dyn_base, &brk))
			return;
	} else if (!anonymous_after(img, exe->end, &brk)) {
		return;
	}
	img->brk_start = brk.start;
	img->brk_end = brk.end;
}

struct err *threads_place(struct image *img)
{
	for (size_t i = 0; i < img->n_threads; i++) {
		struct thread *t = &img->threads[i];

		if (t->tid == img->pid && !t->name)
			t->name = img->command;
		if (t->has_regs)
			place_stack(img, t);
	}
	place_brk(img);
	return part_stacks(img);
}
