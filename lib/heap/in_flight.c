/*
 * in_flight.c - damage told from operations under way, by what threads inside an allocator have in hand.
 *
 * A frame is an allocator's by the name of its function, as libraries export them (glibc's malloc.c, the
 * wrappers of jemalloc, tcmalloc and mimalloc, C++'s operators), or by its module, which has such a name.
 */
#include "heap/in_flight.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	WORDS_MAX = 1024,   /* of one thread's stack inside the allocator */
	RED_ZONE = 128,
	LAST_FRAME = 256,   /* bytes of a frame whose caller is not known */
	THREADS_MAX = 256,  /* inside an allocator; more are not looked at */
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

/* Where the stack of what the thread does inside an allocator ends; 0: it is in none. */
static taddr inside_end(const struct image *img, const struct thread *t)
{
	taddr end = 0;

	if (is_inside(img, t->pc, 0))
		end = t->sp + LAST_FRAME;
	for (size_t i = 0; i < t->n_frames; i++)
		if (is_inside(img, t->frames[i].pc, i && !t->frames[i - 1].is_signal))
			end = i + 1 < t->n_frames ? t->frames[i + 1].sp :
						    t->frames[i].sp + LAST_FRAME;
	return end;
}

/* ---- what they have in hand */

static void add_word(struct words *all, taddr value, uint32_t tid)
{
	struct word w = { value, tid };

	if (value)
		vec_push(all, &w); /* out of memory: an address less */
}

static void add_thread(struct words *all, const struct image *img, const struct thread *t)
{
	taddr end = inside_end(img, t), at = align_up(t->sp - RED_ZONE, 8);
	uint64_t word;

	if (!end || end < at || !t->has_regs)
		return;
	for (unsigned i = 0; i < img->target->n_regs && i < TARGET_MAX_REGS; i++)
		add_word(all, t->regs[i], t->tid);
	for (unsigned n = 0; at < end && n < WORDS_MAX; at += 8, n++)
		if (image_read_u64(img, at, &word) == MEM_OK)
			add_word(all, word, t->tid);
}

static struct words words_in_hand(const struct image *img)
{
	struct words all = {};
	unsigned left = THREADS_MAX;

	for (size_t i = 0; i < img->n_threads && left; i++) {
		size_t before = all.n;

		if (i || !is_fatal(img->signal)) /* the first is the one that died */
			add_thread(&all, img, &img->threads[i]);
		left -= all.n > before;
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

void in_flight_settle(struct env *env, const struct image *img, const struct heap_info *info)
{
	struct words all = {};

	if (info->n_damage)
		all = words_in_hand(img);
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
	free(all.v);
}
