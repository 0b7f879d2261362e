/*
 * in_flight.c - damage told from operations under way, by what threads inside an allocator have in hand.
 *
 * A frame is an allocator's by the name of its function, as libraries export them (glibc's malloc.c, the
 * wrappers of jemalloc, tcmalloc and mimalloc, C++'s operators), or by its module, which has such a name.
 * Linked in and stripped it has neither: then by its code, where that refers to the allocator's own variables,
 * as glibc's malloc() does to main_arena.
 */
#include "heap/in_flight.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/insn.h"

enum {
	WORDS_MAX = 1024,   /* of one thread's stack inside the allocator */
	RED_ZONE = 128,
	LAST_FRAME = 256,   /* bytes of a frame whose caller is not known */
	THREADS_MAX = 256,  /* inside an allocator; more are not looked at */
	CODE_MAX = 16384,   /* bytes of a function, up to where it stands */
	CODE_FRAMES = 16,   /* of a thread, innermost first, whose code is read */
	CODE_THREADS = 256, /* whose code is read */
	REFS_MAX = 256,
};

struct words {
	struct word {
		taddr value;
		uint32_t tid;
	} *v;
	size_t n, cap;
};

/* ---- threads inside */

static bool is_fatal(int signal)
{
	return signal == SIGABRT || signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
	       signal == SIGFPE || signal == SIGTRAP || signal == SIGSYS;
}

static bool is_entry(const char *name)
{
	static const char *const prefixes[] = { "__libc_", "__", "_rjem_", "je_", "tc_", "mi_" };
	static const char *const names[] = {
		"malloc",	 "calloc",     "realloc",	  "reallocarray",
		"free",		 "cfree",      "memalign",	  "aligned_alloc",
		"posix_memalign", "valloc",    "pvalloc",	  "malloc_trim",
		"sdallocx",	 "mallocx",    "rallocx",	  "dallocx",
		"free_sized",	 "thread_freeres", "malloc_arena_thread_freeres",
	};

	if (!strncmp(name, "_Znw", 4) || !strncmp(name, "_Zna", 4) || !strncmp(name, "_Zdl", 4) ||
	    !strncmp(name, "_Zda", 4))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) {
			name += strlen(prefixes[i]);
			break;
		}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static bool is_allocator(const struct module *m)
{
	static const char *const names[] = { "libjemalloc", "libtcmalloc", "libmimalloc" };

	for (size_t i = 0; m && i < ARRAY_SIZE(names); i++)
		if (!strncmp(module_base_name(m), names[i], strlen(names[i])))
			return true;
	return false;
}

/* `pc` is in a function, `back` bytes behind what says so: a call may be its last instruction. */
static bool is_inside(const struct image *img, taddr pc, unsigned back)
{
	struct symbol sym;

	return is_allocator(image_module_at(img, pc - back)) ||
	       (image_symbol_at(img, pc - back, &sym) && is_entry(sym.name));
}

/* The variables of the allocator whose damage it is, by address. */
struct own {
	struct claim_sink sink; /* first: add_own() gets it from that */
	struct range {
		taddr start, end;
	} *v;
	size_t n, cap;
};

static struct err *add_own(struct claim_sink *sink, const struct claim *claim)
{
	struct own *own = (struct own *)sink;
	struct range r = { claim->start, claim->end };

	return vec_push(own, &r) ? NULL : &err_nomem;
}

static bool is_own(const struct own *own, taddr at)
{
	for (size_t i = 0; i < own->n; i++)
		if (at >= own->v[i].start && at < own->v[i].end)
			return true;
	return false;
}

/* Where the function begins that the call before `ret` calls; 0: not told, it calls by a register. */
static taddr called_by(const struct image *img, taddr ret)
{
	uint8_t code[5];
	uint32_t word;

	switch (img->target->id) {
	case TARGET_X86_64:
		if (image_read(img, ret - 5, code, 5) != MEM_OK || code[0] != 0xe8)
			return 0;
		return ret + (taddr)(int64_t)(int32_t)load_u32(code + 1);
	case TARGET_AARCH64:
		if (image_read_u32(img, ret - 4, &word) != MEM_OK || word >> 26 != 0x25)
			return 0;
		return ret - 4 + (taddr)((int64_t)(int32_t)(word << 6) >> 4);
	default:
		return 0;
	}
}

/*
 * Does the function that stands at `pc`, called from before `ret`, refer to the allocator's variables?
 * From its first instruction to where it stands all code is its own.
 */
static bool is_inside_by_code(const struct image *img, const struct own *own, taddr pc, taddr ret)
{
	struct insn_ref refs[REFS_MAX];
	taddr start = called_by(img, ret);
	size_t n;

	if (!start || pc <= start || pc - start > CODE_MAX)
		return false;
	n = insn_refs(img, start, pc - start, CODE_MAX / 4, refs, REFS_MAX);
	for (size_t i = 0; i < n; i++)
		if (refs[i].pc < pc && (refs[i].kind == INSN_LEA || refs[i].kind == INSN_LOAD) && is_own(own, refs[i].target))
			return true;
	return false;
}

/* Behind the n-th frame. */
static taddr frame_end(const struct thread *t, size_t n)
{
	return n + 1 < t->n_frames ? t->frames[n + 1].sp : t->frames[n].sp + LAST_FRAME;
}

static taddr inside_end_by_code(const struct image *img, const struct own *own, const struct thread *t)
{
	taddr end = 0;

	for (size_t i = 0; own->n && i + 1 < t->n_frames && i < CODE_FRAMES; i++)
		if (!t->frames[i].is_signal && is_inside_by_code(img, own, t->frames[i].pc, t->frames[i + 1].pc))
			end = frame_end(t, i);
	return end;
}

/* Where the stack of what the thread does inside an allocator ends; 0: it is in none. */
static taddr inside_end(const struct image *img, const struct own *own, const struct thread *t)
{
	taddr end = 0;

	if (is_inside(img, t->pc, 0))
		end = t->sp + LAST_FRAME;
	for (size_t i = 0; i < t->n_frames; i++)
		if (is_inside(img, t->frames[i].pc, i && !t->frames[i].is_signal))
			end = frame_end(t, i);
	return end ? end : inside_end_by_code(img, own, t);
}

/* ---- what they have in hand */

static void add_word(struct words *all, taddr value, uint32_t tid)
{
	struct word w = { value, tid };

	if (value)
		vec_push(all, &w); /* out of memory: an address less */
}

static void add_thread(struct words *all, const struct image *img, const struct own *own, const struct thread *t)
{
	taddr end = inside_end(img, own, t), at = align_up(t->sp - RED_ZONE, 8);
	uint64_t word;

	if (!end || end < at || !t->has_regs)
		return;
	for (unsigned i = 0; i < img->target->n_regs && i < TARGET_MAX_REGS; i++)
		add_word(all, t->regs[i], t->tid);
	for (unsigned n = 0; at < end && n < WORDS_MAX; at += 8, n++)
		if (image_read_u64(img, at, &word) == MEM_OK)
			add_word(all, word, t->tid);
}

static struct words words_in_hand(const struct image *img, struct own *own)
{
	struct words all = {};
	unsigned left = THREADS_MAX;

	for (size_t i = 0; i < img->n_threads && left; i++) {
		size_t before = all.n;

		if (i || !is_fatal(img->signal)) /* the first is the one that died */
			add_thread(&all, img, own, &img->threads[i]);
		left -= all.n > before;
		if (i == CODE_THREADS)
			own->n = 0;
	}
	return all;
}

/* The thread that has it in hand; 0: none. */
static uint32_t in_hand(const struct words *all, const struct heap_damage *d)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].value >= d->low && all->v[i].value <= d->high)
			return all->v[i].tid;
	return 0;
}

/* What lies in memory that a thread has in hand is the same operation's. */
static uint32_t within(const struct heap_info *info, const struct heap_damage *d)
{
	for (size_t i = 0; i < info->n_damage; i++) {
		const struct heap_damage *other = &info->damage[i];

		if (other->in_flight && d->at >= other->low && d->at <= other->high)
			return other->in_flight;
	}
	return 0;
}

void in_flight_settle(struct env *env, const struct image *img, const struct heap *heap)
{
	const struct heap_info *info = heap->info;
	struct own own = { .sink = { .add = add_own } };
	struct words all = {};

	if (info->n_damage && heap->ops->metadata)
		err_free(heap->ops->metadata(heap->ctx, &own.sink)); /* out of memory: a frame less is known */
	if (info->n_damage)
		all = words_in_hand(img, &own);
	for (size_t i = 0; i < info->n_damage; i++)
		info->damage[i].in_flight = in_hand(&all, &info->damage[i]);
	for (size_t i = 0; i < info->n_damage; i++) {
		struct heap_damage *d = &info->damage[i];

		if (!d->in_flight)
			d->in_flight = within(info, d);
		if (d->in_flight)
			diag(env, "heap/in-flight", d->at,
			     "%s; or thread %" PRIu32 ", which was inside the allocator, has it in hand",
			     d->what, d->in_flight);
		else
			diag(env, "heap/corrupt", d->at, "%s", d->what);
	}
	free(own.v);
	free(all.v);
}
