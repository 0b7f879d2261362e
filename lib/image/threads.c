/*
 * image/threads.c - where the stacks and the brk heap lie, from registers and segments.
 */
#include "image/parts.h"

enum { GIB = 1 << 30 };

/* Linux puts brk at most this far behind what it follows: 1 GiB of randomisation, 32 MiB of slack. */
#define BRK_REACH ((uint64_t)GIB + (32 << 20))

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

static void place_stack(const struct image *img, struct thread *t)
{
	const struct segment *seg = image_segment(img, t->sp);
	taddr sp = t->sp;
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
	t->stack_low = stack.start;
	t->stack_high = stack.end;
	t->live_low = sp - stack.start < img->target->red_zone ? stack.start : sp - img->target->red_zone;
}

/* The first writable anonymous mapping in [low, low + BRK_REACH) that does not begin at `low`. */
static bool anonymous_after(const struct image *img, taddr low, struct span *ret)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];

		if (seg->start <= low || seg->module >= 0 || seg->file)
			continue;
		if (seg->start - low >= BRK_REACH)
			return false;
		if ((seg->flags & SEG_W) && mapping_at(img, seg->start, ret) && ret->start > low)
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
 * brk begins behind the executable's bss, at a random distance; for a program that was started as
 * its own loader, newer kernels move it to two thirds of the address space (ELF_ET_DYN_BASE).
 */
static void place_brk(struct image *img)
{
	const struct module *exe = main_module(img);
	taddr dyn_base = img->target->id == TARGET_X86_64 ? 0x555555554000 : 0xaaaaaaaaa000;
	struct span brk;

	if (!exe)
		return;
	if (!anonymous_after(img, exe->end, &brk) &&
	    !(exe->is_loader && anonymous_after(img, dyn_base, &brk)))
		return;
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
	return NULL;
}
