/*
 * image/go_sched.h - goroutines: state, stacks, frames.
 *
 * Read by go_open() once the anchors are known; go->goroutines.  Frames come from pcsp tables
 * (runtime/traceback.go), so that neither DWARF nor frame pointers are needed.
 */
#ifndef HEAPFX_IMAGE_GO_SCHED_H
#define HEAPFX_IMAGE_GO_SCHED_H

#include "image/go.h"

enum go_status { /* runtime2.go, without the scan bit 0x1000 */
	GO_IDLE, GO_RUNNABLE, GO_RUNNING, GO_SYSCALL, GO_WAITING, GO_MORIBUND, GO_DEAD, GO_ENQUEUE,
	GO_COPYSTACK, GO_PREEMPTED, GO_LEAKED, GO_DEADEXTRA,
};

struct go_frame {
	taddr pc;    /* where it goes on: the return address for callers */
	taddr sp;    /* of this function's frame */
	taddr fp;    /* caller's sp after return */
	taddr entry; /* of its function */
	/*
	 * Where liveness is looked up: pc; the deferreturn of a function that panicked; 0: it never
	 * goes on.
	 */
	taddr live_pc;
	bool is_top; /* innermost */
	bool is_precise; /* stack maps hold at live_pc; false: it may have stopped anywhere */
};

struct goroutine {
	taddr g;
	uint64_t id, parent;	 /* parent 0 = unknown */
	uint8_t status;		 /* enum go_status */
	bool is_scan;		 /* the scan bit was set */
	bool is_system;		 /* started in runtime.*, but for runtime.main */
	const char *wait_reason; /* the runtime's own words, NULL unless waiting */
	int64_t wait_since;	 /* nanotime when a collection first saw it wait, 0 = unknown */
	taddr stack_low, stack_high;
	taddr sp, pc, bp;      /* where it stands; 0 when unknown */
	taddr start_pc, go_pc; /* its function; the go statement that made it */
	uint32_t thread;       /* index in image.threads it runs on, UINT32_MAX */
	bool on_cpu;	       /* that thread's registers are its own */
	taddr signal_regs;     /* go_signal_regs() words that a signal handler saved; 0 = none */
	struct go_frame *frames; /* innermost first, bounded */
	size_t n_frames;
	bool complete; /* unwound to runtime.goexit, runtime.mstart or the like */
};

/*
 * amd64: r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp; arm64: x0-x30, sp (sigcontext of the
 * kernel).
 */
static inline unsigned go_signal_regs(const struct image *img)
{
	return img->target->id == TARGET_AARCH64 ? 32 : 16;
}

/*
 * Of a frame: the end of its locals (its stack maps count down from there), and the start of its
 * arguments (runtime/stkframe.go, with frame pointers, which both architectures always have).
 */
static inline taddr go_frame_locals_end(const struct image *img, const struct go_frame *f)
{
	taddr at = img->target->id == TARGET_AARCH64 ? f->fp : f->fp - 8;

	return at > f->sp ? at - 8 : at;
}
static inline taddr go_frame_args(const struct image *img, const struct go_frame *f)
{
	return img->target->id == TARGET_AARCH64 ? f->fp + 8 : f->fp;
}
/* Where to look its source up: in the call for callers (go_source()). */
static inline taddr go_frame_source_pc(const struct go_frame *f)
{
	return f->pc > f->entry && (f->is_precise || !f->is_top) ? f->pc - 1 : f->pc;
}

struct err *go_sched_open(struct go *go) MUST_CHECK;
/* "running", "waiting", "runnable", ...: the runtime's own word for a status (gStatusStrings). */
const char *go_status_name(enum go_status status);
/*
 * How many nanoseconds it waits, or is in its system call, at least: from the last collection that
 * saw it so (g.waitsince) to go->clock; 0 unknown.
 */
uint64_t goroutine_waited(const struct go *go, const struct goroutine *g);
/* NULL if no goroutine's stack covers it. */
const struct goroutine *go_goroutine_of_stack(const struct go *go, taddr addr);

/*
 * 0: they stand at the same place for the same reason and were started by the same go statement.
 * A total order otherwise.
 */
int goroutine_compare(const struct goroutine *a, const struct goroutine *b);

#endif
