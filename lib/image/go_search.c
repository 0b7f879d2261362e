/*
 * image/go_search.c - finds variables of the runtime in its module's data by their structure.
 *
 * Nothing but [data, edata) and [bss, ebss) is read through, once; what a word leads to is looked at
 * only when the word could be the variable, and then in samples (go_check.c).
 */
#include "image/go_search.h"

#include <string.h>

#include "base/bits.h"
#include "image/go_check.h"
#include "image/shadow.h"

enum {
	ALLSPANS_CAP = 8192,   /* mheap.go, recordspan: the first capacity is 64 KiB of pointers */
	LOOKED_AT_MAX = 65536, /* slices that are followed: bss of a real program has some hundred */
};

static const uint64_t search_max = 256ull << 20; /* bytes of bss or data of one module */

/* Calls fn for each word of [start, end) that the dump holds, with what lies contiguous behind it. */
static void each_word(const struct go *go, taddr start, taddr end,
		      void (*fn)(void *arg, taddr at, const uint8_t *p, uint64_t avail), void *arg)
{
	if (end > start && end - start > search_max)
		end = start + search_max;
	for (taddr at = align_up(start, 8); at < end;) {
		uint64_t avail, n;
		const uint8_t *p = image_view(go->img, at, &avail);
		const struct segment *s = p ? NULL : image_segment(go->img, at);

		if (!p && !s)
			return;
		n = p ? avail : s->end - at;
		n = n < end - at ? n : end - at;
		for (uint64_t i = 0; p && i + 8 <= n; i += 8)
			fn(arg, at + i, p + i, avail - i);
		at += n > 8 ? align_down(n, 8) : 8;
	}
}

struct bss_pass {
	const struct go *go;
	struct go_found *ret;
	unsigned n_allspans, looked_at;
	uint64_t most_gs;
};

/* The arrays behind both slices are memory that the runtime asked for, never a module's own. */
static bool in_module(const struct go *go, taddr addr)
{
	for (size_t i = 0; i < go->n_modules; i++)
		if (addr >= go->modules[i].text && addr < go->modules[i].end)
			return true;
	return false;
}

/*
 * While the collector marks, work.stackRoots is a second slice of g's: allgs is the one whose
 * array another word (allgptr) leads to as well, which is the longer one whenever both last.
 */
static void bss_word(void *arg, taddr at, const uint8_t *p, uint64_t avail)
{
	struct bss_pass *pass = arg;
	uint64_t ptr = load_u64(p), len, cap;

	if (!ptr || ptr % 8 || avail < 24)
		return;
	len = load_u64(p + 8);
	cap = load_u64(p + 16);
	if (!len || len > cap || cap > 1ull << 32 || in_module(pass->go, ptr) || pass->looked_at++ >= LOOKED_AT_MAX)
		return;
	if (cap >= ALLSPANS_CAP && go_is_allspans(pass->go, at)) {
		pass->n_allspans++;
		pass->ret->allspans = at;
	} else if (len > pass->most_gs && go_is_allgs(pass->go, at)) {
		pass->most_gs = len;
		pass->ret->allgs = at;
	}
}

static void data_word(void *arg, taddr at, const uint8_t *p, uint64_t avail)
{
	struct bss_pass *pass = arg;

	/* Entry 0 is the empty string, entry 1 "GC assist marking". */
	if (pass->ret->wait_reasons || avail < 32 || load_u64(p + 24) != 17 || load_u64(p + 8) || load_u64(p))
		return;
	if (go_wait_reasons(pass->go, at))
		pass->ret->wait_reasons = at;
}

void go_search(const struct go *go, struct go_found *ret)
{
	struct bss_pass pass = { .go = go, .ret = ret };
	enum shadow_mode mode = image_keep_pause(go->img);

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < go->n_modules; i++) {
		each_word(go, go->modules[i].bss, go->modules[i].ebss, bss_word, &pass);
		each_word(go, go->modules[i].data, go->modules[i].edata, data_word, &pass);
	}
	image_keep_resume(go->img, mode);
	if (pass.n_allspans != 1)
		ret->allspans = 0;
}
