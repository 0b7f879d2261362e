/*
 * fonts.c - patterns of fontconfig's, whose blocks lead to each other by distances.
 *
 *	fonts TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Patterns with a name, sizes and a set of characters each, more of both in some so that their tables grew;
 * and one that was dropped, with what it alone holds.
 */
#include "truth.h"

#include <fontconfig/fontconfig.h>
#include <malloc.h>

enum { KEPT = 20, FEW = 3, MANY = 30, PAGE = 256, PATTERN = 24 /* bytes asked for it */ };

FcPattern *volatile g_kept[KEPT];

static FcPattern *make_pattern(int i, int n)
{
	FcPattern *pattern = FcPatternCreate();
	FcCharSet *set = FcCharSetCreate();
	char name[64];

	for (int k = n; k > 0; k--) {
		snprintf(name, sizeof(name), "attribute of the tests, number %d", k);
		FcPatternAddInteger(pattern, name, i);
		FcCharSetAddChar(set, (FcChar32)(PAGE * k + i));
	}
	snprintf(name, sizeof(name), "A Family Of Letters %d", i);
	FcPatternAddString(pattern, FC_FAMILY, (const FcChar8 *)name);
	FcPatternAddDouble(pattern, FC_SIZE, i);
	FcPatternAddCharSet(pattern, FC_CHARSET, set);
	FcCharSetDestroy(set); /* the pattern has its own reference */
	return pattern;
}

static NOINLINE void make_all(void)
{
	size_t before;

	for (int i = 0; i < KEPT; i++) {
		g_kept[i] = make_pattern(i, i % 2 ? MANY : FEW);
		truth_note(g_kept[i], PATTERN, REACH);
	}
	before = mallinfo2().uordblks;
	truth_note(make_pattern(KEPT, FEW), PATTERN, DEF);
	truth_total("fonts.dropped", mallinfo2().uordblks - before);
}

int main(int argc, char **argv)
{
	(void)argc;
	mallopt(M_MXFAST, 0); /* without caches, mallinfo2() counts what is in use */
	truth_open(argv[1], 1000);
	make_all();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
