/*
 * image/go.h - the Go runtime inside an image: version, modules, functions, and where the
 * runtime's own structures lie.
 *
 * Opened once by image_open() as its last step, const afterwards: img->go, NULL in a process
 * without a Go runtime.  Walker, rooter and typer of Go read it; none of them looks for the
 * runtime again.  Layouts: Go 1.19 to 1.27, runtime/{mheap,mcache,mcentral,runtime2,symtab}.go,
 * internal/abi/symtab.go; by DWARF where it is there, else by version in go_layout.c, each
 * confirmed by what must hold (docs/formats/go.md).
 */
#ifndef HEAPFX_IMAGE_GO_H
#define HEAPFX_IMAGE_GO_H

#include "image/image.h"

#define GO_ARENA (64ull << 20) /* bytes of a heap arena, on linux */
#define GO_ABSENT UINT32_MAX /* a field that this version does not have */

/* Byte offsets of the fields that are read, under the names the runtime uses. */
struct go_layout {
	struct {
		uint32_t size, next, startAddr, npages, freeindex, nelems, freeIndexForScan, allocBits, gcmarkBits,
			pinnerBits, sweepgen, allocCount, spanclass, state, isUserArenaChunk, elemsize, limit, specials,
			largeType;
		uint32_t int_size; /* of freeindex and nelems: 8 to 1.21, 2 since 1.22 */
	} mspan;
	struct {
		uint32_t pages, allspans, sweepgen, arenas, heapArenas /* allArenas to 1.24 */, curArena, spanalloc,
			cachealloc, pagesInUse, central, central_stride;
	} mheap;
	struct {
		/* bitmap, noMorePtrs: to 1.21, and with noallocheaders; pageUseSpanInlineMarkBits: since 1.25 */
		uint32_t size, bitmap, noMorePtrs, spans, pageInUse, pageMarks, pageUseSpanInlineMarkBits, zeroedBase;
	} heapArena;
	struct {
		uint32_t inUse, chunks, summary, scav;
	} pageAlloc;
	struct {
		uint32_t stack, sched_sp, sched_pc, sched_bp, syscallsp, syscallpc, m, atomicstatus, goid, waitsince,
			waitreason, parentGoid, gopc, startpc, waiting, labels, panic, defer_, timer, stktopsp, xRegs,
			trackingStamp;
	} g;
	struct {
		uint32_t id, status, m, mcache, pcache, runqhead, timers, sudogbuf, schedwhen, syscallwhen,
			limiterEvent;
	} p;
	struct {
		uint32_t g0, gsignal, curg, procid, alllink, vdsoSP; /* vdsoPC follows */
	} m;
	struct {
		uint32_t tiny, tinyoffset, alloc, stackcache;
	} mcache;
	struct {
		uint32_t next, offset, kind, size; /* offset: 2 bytes to 1.23, 8 since 1.24 */
		uint32_t offset_size;
	} special;
	/* special.kind; GO_ABSENT where the version has none */
	struct {
		uint32_t finalizer, weak_handle, profile, reachable, pin_counter, cleanup, tiny_block, check_finalizer,
			bubble, secret;
	} special_kind;
	struct {
		uint32_t g, next, elem, waitlink, c;
	} sudog;
	struct {
		uint32_t qcount, dataqsiz, buf, elemsize, closed, elemtype, sendq, recvq;
	} hchan;
	struct {
		uint32_t lock, midle, nmidle, mnext, maxmcount, ngsys, runq, gFree, lastpoll;
	} schedt;
	struct {
		uint32_t gcPercent, memoryLimit, heapMinimum, heapLive, gcPercentHeapGoal,
			heapMarked, heapInUse, heapReleased, heapFree, totalAlloc, totalFree,
			mappedReady, lastHeapGoal, triggered;
	} gcControllerState;
	struct {
		uint32_t heapStats, stacks_sys, mspan_sys, mcache_sys, buckhash_sys, gcMiscSys,
			other_sys, last_gc_unix, pause_total_ns, numgc, numforcedgc, enablegc,
			last_gc_nanotime;
	} mstats;
};

/* One runtime.moduledata. */
struct go_module {
	taddr addr; /* of the moduledata itself */
	taddr pclntab;
	taddr funcnametab, cutab, filetab, pctab, pclntable, ftab;
	uint64_t n_funcnametab, n_cutab, n_filetab, n_pctab, n_pclntable, n_ftab; /* bytes; ftab: entries */
	taddr findfunctab;
	taddr minpc, maxpc, text, etext;
	taddr textsectmap; /* {vaddr, end, base}; one section but in very big programs */
	uint64_t n_textsectmap;
	taddr noptrdata, enoptrdata, data, edata, bss, ebss, noptrbss, enoptrbss, end;
	taddr types, etypes, rodata, gofunc;
	taddr typelinks, itablinks; /* arrays; 0 since 1.27 */
	uint64_t n_typelinks, n_itablinks;
	taddr itaboffset_base; /* since 1.27: where itabs lie one after another, 0 before */
	uint64_t itabs_size;
	taddr gcdatamask, gcbssmask; /* bytes of the bitvectors: bit i = word i of [data, edata), [bss, ebss) */
	uint64_t n_gcdatamask, n_gcbssmask; /* bits */
};

/* Addresses of runtime variables; 0 = not found. */
struct go_anchors {
	taddr mheap;		/* runtime.mheap_ */
	taddr allgs;		/* the slice {ptr, len, cap} */
	taddr allp, allm, sched;
	taddr gcController, memstats, work, gcphase, gcBlackenEnabled;
	taddr pool_all, pool_old; /* sync.allPools, sync.oldPools: slices */
	taddr mbuckets, mem_profile_rate;
	/* Of what was switched on, and recorded; ticks: cycles a second, once somebody asked. */
	taddr bbuckets, xbuckets, mutex_profile_rate, ticks;
	taddr wait_reasons;	/* runtime.waitReasonStrings; n_wait_reasons entries */
	uint32_t n_wait_reasons;
	taddr finq, allfin, gcCleanups;
	taddr stackpool, stackLarge, persistentChunks;
};

struct go {
	struct env *env;
	const struct image *img;
	const struct module *module; /* of the image: what the runtime is linked into; NULL if unknown */
	char version[48];	     /* "go1.22.12", as the build info has it, experiments cut off */
	unsigned minor;		     /* 22; 0 = unknown: the newest known layouts are tried */
	/* Where the moduledata is not as that minor has it: the newest that has it so; else 0. */
	unsigned shape_minor;
	bool is_newer;		     /* than any layout in the tables */
	char experiments[96];	     /* "noswissmap,nogreenteagc", "" for none */
	bool greentea, swissmap, allocheaders; /* after version and experiments */
	char path[160], main_module[160]; /* build info: path, mod; "" if unknown */
	bool by_debug_info; /* the layout is that of the program's DWARF, else that of the version's table */
	/*
	 * How fields were found, "debug-info" or "version-tables", then variables: "symbols",
	 * "disassembly", "layout", with "+" between; "calibration": fields were where neither has them.
	 */
	char how[64];
	uint64_t checks_passed, checks_failed; /* invariants evaluated */
	struct go_layout layout;
	struct go_anchors at;
	struct go_module *modules;
	size_t n_modules;
	struct go_types *types; /* image/go_type.h; never NULL */
	struct goroutine *goroutines; /* image/go_sched.h; ascending by id; dead ones too */
	size_t n_goroutines;
	int64_t clock; /* the latest nanotime() that the runtime noted: it was that late at least; 0 unknown */
	struct go_names *names; /* go_func.c: functions by name, made when first asked */
	struct arena mem; /* owns arrays and strings */
};

/* image_open()'s step; leaves img->go NULL when there is no Go runtime. Damage is diag()'ed as "go/...". */
struct err *go_open(struct image *img) MUST_CHECK;
void go_close(struct go *go); /* NULL is fine */

/* Within what the modules call data: none of the read-only parts. */
bool go_in_data(const struct go *go, taddr addr);
void go_data_bounds(const struct go_module *m, taddr *ret_low, taddr *ret_high);

/* ---- functions (go_func.c): pclntab, by address and by name */

struct go_func {
	const struct go_module *module;
	taddr addr;  /* of the _func */
	taddr entry, end;
	taddr name;  /* address of its NUL-terminated name */
	uint32_t name_length;
	int32_t args; /* bytes of arguments and results; INT32_MIN if unknown */
	uint32_t deferreturn, pcsp, pcfile, pcln, npcdata, cu_offset;
	int32_t start_line; /* 0 before 1.20 */
	uint8_t id, flag, nfuncdata; /* abi.FuncID, abi.FuncFlag */
	taddr pcdata;	/* [npcdata]uint32, then [nfuncdata]uint32 */
};
bool go_func_at(const struct go *go, taddr pc, struct go_func *ret);
/* Exactly as the runtime writes it: "runtime.(*mheap).alloc". By a hash table made on first use. */
bool go_func_named(const struct go *go, const char *name, struct go_func *ret);
/* "main.(*Server).Handle"; never fails: "0x45f2c0" when there is no such function. */
void go_func_name(const struct go *go, const struct go_func *f, struct text *ret);
/* Value of a pc-value table at pc (pcsp, pcfile, pcln or one of pcdata); false: no value there. */
bool go_pcvalue(const struct go *go, const struct go_func *f, uint32_t table, taddr pc, int32_t *ret);
enum { GO_PCDATA_UNSAFE_POINT = 0, GO_PCDATA_STACK_MAP = 1, GO_PCDATA_INL_TREE = 2 };
bool go_pcdata(const struct go *go, const struct go_func *f, unsigned which, taddr pc, int32_t *ret);
enum {
	GO_FUNCDATA_ARGS = 0, GO_FUNCDATA_LOCALS = 1, GO_FUNCDATA_STACK_OBJECTS = 2, GO_FUNCDATA_INL_TREE = 3,
	GO_FUNCDATA_OPEN_DEFER = 4, GO_FUNCDATA_ARG_INFO = 5, GO_FUNCDATA_ARG_LIVE = 6, GO_FUNCDATA_WRAP = 7,
};
taddr go_funcdata(const struct go *go, const struct go_func *f, unsigned which); /* 0 = none */
/*
 * What pc stands for in the source, innermost inlined call first: calls `fn` once a level with the
 * function's name, file and line (file NULL, line 0 when unknown). `pc` of a caller is its return
 * address less one.
 */
void go_source(const struct go *go, taddr pc,
	       void (*fn)(void *arg, const char *function, const char *file, unsigned line), void *arg);
/*
 * Where the innermost call that pc stands for was inlined: an address in the same function that
 * stands for its caller. False: it was not.
 */
bool go_inline_parent(const struct go *go, taddr pc, taddr *ret);

/* ---- slices and words the runtime keeps, bounds checked */

/* The word at addr; 0 when it is not there. */
uint64_t go_word(const struct go *go, taddr addr);
/* {ptr, len, cap} at addr: false unless len <= cap and every byte of ptr[len * elem] lies in the image. */
bool go_slice(const struct go *go, taddr addr, uint64_t elem, taddr *ret_ptr, uint64_t *ret_len);
/* The heapArena of an address, and the mspan of its page, as the runtime's tables say; 0 = none. */
taddr go_heap_arena(const struct go *go, taddr addr);
taddr go_span_of(const struct go *go, taddr addr);
/* A string header at addr, copied; false if it is not there, or longer than max - 1. */
bool go_string(const struct go *go, taddr addr, char *ret, size_t max);

#endif
