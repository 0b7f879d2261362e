/*
 * image/go_code.h - variables of the runtime by the code that uses them.
 *
 * Functions are found by name in the function table; of their instructions only references to data
 * and calls count (image/insn.h), so that compilers may order them as they like.
 */
#ifndef HEAPFX_IMAGE_GO_CODE_H
#define HEAPFX_IMAGE_GO_CODE_H

#include "image/go.h"

/* Functions whose code is looked at. */
enum go_code_fn {
	GO_FN_MALLOCINIT, GO_FN_ALLOC_LARGE, GO_FN_CENTRAL_GROW, GO_FN_REFILL, GO_FN_ALLGADD, GO_FN_PROCRESIZE,
	GO_FN_MCOMMONINIT, GO_FN_GC_START, GO_FN_GC_MARK_DONE, GO_FN_GC_BG_MARK_WORKER, GO_FN_TRYGETFULL, GO_FN_GC_DRAIN,
	GO_FN_QUEUEFINALIZER, GO_FN_PERSISTENTALLOC1, GO_FN_STACKPOOLALLOC, GO_FN_STACKALLOC, GO_FN_MPROF_FLUSH,
	GO_FN_WAIT_REASON_STRING, GO_FN_POOL_PIN_SLOW, GO_FN_POOL_CLEANUP, GO_FN_FREE_SPECIAL, GO_FN_SWEEP_END,
	GO_FN_NEXT_SAMPLE, GO_FN_PROFILEALLOC, GO_FN_ALLOCMCACHE, GO_FN_STKBUCKET, GO_FN_MUTEXEVENT,
	GO_FN_TICKS_OLD, GO_FN_TICKS,
	GO_FN_COUNT,
};

struct go_code;
struct err *go_code_open(const struct go *go, struct go_code **ret) MUST_CHECK;
void go_code_close(struct go_code *c); /* NULL is fine */

/*
 * Calls fn for each place in data that function f refers to, in order; stops and answers it when fn
 * answers true.  `from_call` NULL: every place.  Else the nearest address computed before each
 * call of a function whose name begins so: the receiver, or an argument.
 */
enum go_use { GO_USE_ADDRESS = 1, GO_USE_ACCESS = 2, GO_USE_ANY = 3 };
typedef bool (*go_code_pick)(void *arg, taddr target);
taddr go_code_find(const struct go_code *c, enum go_code_fn f, enum go_use use, const char *from_call,
		   go_code_pick fn, void *arg);
/* The n-th different place (0 first) that f uses so; 0 if there are fewer. */
taddr go_code_nth(const struct go_code *c, enum go_code_fn f, enum go_use use, unsigned n);
bool go_code_uses(const struct go_code *c, enum go_code_fn f, enum go_use use, taddr target);
/*
 * The receiver that most calls of functions named so agree on, in functions fns[n]; ties go to the
 * lowest address.  0: no such call.
 */
taddr go_code_receiver(const struct go_code *c, const enum go_code_fn *fns, size_t n, const char *callee);

#endif
