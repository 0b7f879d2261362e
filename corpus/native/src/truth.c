/*
 * truth.c - the log of truth of a corpus program: masked notes, then one text file.
 *
 * Nothing here uses the heap or stdio: the truth must not disturb what it describes.  The one
 * exception is dlsym(), which may keep an error text; it is called before anything is noted.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name, *state;
} kinds[TRUTH_KINDS] = {
	[TRUTH_FREED_AGAIN] = { "-", "-" },
	[DEF] = { "DEF", "definitely-lost" },
	[IND] = { "IND", "indirectly-lost" },
	[POSS] = { "POSS", "possibly-lost" },
	[POSSIND] = { "POSSIND", "possibly-lost" },
	[REACH] = { "REACH", "reachable" },
	[CYC2] = { "CYC2", "cycle-lost" },
	[RING] = { "RING", "cycle-lost" },
	[FREED] = { "FREED", "definitely-lost" },
	[XOR] = { "XOR", "definitely-lost" },
	[UNALIGNED] = { "UNALIGNED", "definitely-lost" },
	[DEADSTACK] = { "DEADSTACK", "definitely-lost" },
	[ENDSTACK] = { "ENDSTACK", "definitely-lost" },
	[ENDTLS] = { "ENDTLS", "definitely-lost" },
	[ENDRESULT] = { "ENDRESULT", "reachable" },
	[TLSROOT] = { "TLSROOT", "reachable" },
	[PTHSPEC] = { "PTHSPEC", "reachable" },
	[STACKROOT] = { "STACKROOT", "reachable" },
	[REGROOT] = { "REGROOT", "reachable" },
	[VECROOT] = { "VECROOT", "reachable" },
	[MMAPROOT] = { "MMAPROOT", "reachable" },
	[MULTINH] = { "MULTINH", "reachable" },
	[NEWARRAY] = { "NEWARRAY", "reachable" },
	[LENGTH64] = { "LENGTH64", "reachable" },
	[COWSTRING] = { "COWSTRING", "reachable" },
	[PLUGIN] = { "PLUGIN", "reachable" },
};

struct note {
	uint64_t masked;
	uint64_t size;
	uint64_t kind;
};

static struct note *notes;
static size_t n_notes, max_notes;
static struct {
	const char *key;
	uint64_t value;
} totals[64];
static size_t n_totals;
static int truth_fd = -1;

static void die(const char *what)
{
	dprintf(2, "truth: %s\n", what);
	_exit(3);
}

static void put(const char *text, size_t n)
{
	static char buffer[1 << 16];
	static size_t used;

	if (!text || used + n > sizeof buffer) {
		if (write(truth_fd, buffer, used) != (ssize_t)used)
			die("short write");
		used = 0;
	}
	if (text)
		memcpy(buffer + used, text, n);
	used += n;
}

static void put_total(const char *key, uint64_t value)
{
	char line[96];

	put(line, snprintf(line, sizeof line, "#total\t%s\t%llu\n", key,
			   (unsigned long long)value));
}

/* With another malloc than glibc's there is no mallinfo, or one that says nothing. */
#ifdef CORPUS_FOREIGN_MALLOC
static void find_mallinfo(void)
{
}

static void put_mallinfo(void)
{
}
#else
/* mallinfo2() as of glibc 2.33; the older mallinfo() has the same fields as int. */
struct heap_figures {
	size_t arena, ordblks, smblks, hblks, hblkhd;
	size_t usmblks, fsmblks, uordblks, fordblks, keepcost;
};

static struct heap_figures (*mallinfo2_here)(void);

static void find_mallinfo(void)
{
#ifdef CORPUS_STATIC
	*(void **)&mallinfo2_here = (void *)mallinfo2;
#else
	*(void **)&mallinfo2_here = dlsym(RTLD_DEFAULT, "mallinfo2");
#endif
}

static void put_mallinfo(void)
{
	struct heap_figures f;

	if (mallinfo2_here) {
		f = mallinfo2_here();
	} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
		struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
		f.arena = (unsigned)old.arena;
		f.hblks = (unsigned)old.hblks;
		f.hblkhd = (unsigned)old.hblkhd;
		f.uordblks = (unsigned)old.uordblks;
		f.fordblks = (unsigned)old.fordblks;
	}
	put_total("mallinfo.arena", f.arena);
	put_total("mallinfo.uordblks", f.uordblks);
	put_total("mallinfo.fordblks", f.fordblks);
	put_total("mallinfo.hblks", f.hblks);
	put_total("mallinfo.hblkhd", f.hblkhd);
}
#endif

void truth_open(const char *path, size_t max)
{
	truth_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (truth_fd < 0)
		die("cannot write the truth file");
	notes = mmap(NULL, max * sizeof *notes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (notes == MAP_FAILED)
		die("cannot map the log");
	max_notes = max;
	find_mallinfo();
}

void *truth_note(void *block, size_t size, enum truth_kind kind)
{
	size_t i = __atomic_fetch_add(&n_notes, 1, __ATOMIC_RELAXED);

	if (i >= max_notes)
		die("more notes than the log holds");
	notes[i] = (struct note){ (uintptr_t)block ^ TRUTH_MASK, size, kind };
	return block;
}

void truth_total(const char *key, uint64_t value)
{
	if (n_totals == sizeof totals / sizeof *totals)
		die("too many totals");
	totals[n_totals].key = key;
	totals[n_totals++].value = value;
}

static NOINLINE void write_all(void)
{
	for (size_t i = 0; i < n_notes; i++) {
		char line[128];
		const struct note *n = &notes[i];

		put(line, snprintf(line, sizeof line, "%llx\t%llu\t%s\t%s\n",
				   (unsigned long long)(n->masked ^ TRUTH_MASK),
				   (unsigned long long)n->size, kinds[n->kind].name,
				   kinds[n->kind].state));
	}
	for (size_t i = 0; i < n_totals; i++)
		put_total(totals[i].key, totals[i].value);
	put_mallinfo();
	put(NULL, 0);
}

void truth_close(void)
{
	write_all();
	wipe_stack();
	if (close(truth_fd))
		die("cannot close the truth file");
	munmap(notes, max_notes * sizeof *notes);
	notes = NULL;
}

void *noted_alloc(size_t size, enum truth_kind kind)
{
	void *block = malloc(size);

	if (!block)
		die("out of memory");
	memset(block, 0, size);
	return truth_note(block, size, kind);
}

/* What memcpy() or a compiler's copy left in the vector registers: the callers keep nothing there. */
static NOINLINE void wipe_vectors(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				 "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vpxorq %zmm16, %zmm16, %zmm16\n\tvpxorq %zmm17, %zmm17, %zmm17\n\t"
				 "vpxorq %zmm18, %zmm18, %zmm18\n\tvpxorq %zmm19, %zmm19, %zmm19\n\t"
				 "vpxorq %zmm20, %zmm20, %zmm20\n\tvpxorq %zmm21, %zmm21, %zmm21\n\t"
				 "vpxorq %zmm22, %zmm22, %zmm22\n\tvpxorq %zmm23, %zmm23, %zmm23");
#endif
}

NOINLINE void wipe_stack(void)
{
	volatile char frame[1 << 16];

	wipe_vectors();

	memset((char *)frame, 0, sizeof frame);
	__asm__ volatile("" ::"r"(frame) : "memory");
}

/* No dprintf(): before glibc 2.37 it allocates a buffer, which empties the fastbins. */
void ready_and_wait(void)
{
	char line[32];
	int n = snprintf(line, sizeof line, "ready %d\n", (int)getpid());

	if (write(1, line, n) != n)
		die("nobody listens");
	for (;;)
		pause();
}
