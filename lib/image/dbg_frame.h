/*
 * image/dbg_frame.h - where the variables of a frame are at its pc, as DWARF tells it: in memory, in
 * registers, in several parts, or a value that only the call tells which led there.
 *
 * Source of truth: DWARF 5, 2.6 (locations), 3.4 (call sites); DWARF 4 with GNU's call sites, which
 * say the same.  One thread, as dbg_types.h.
 */
#ifndef HEAPFX_IMAGE_DBG_FRAME_H
#define HEAPFX_IMAGE_DBG_FRAME_H

#include "image/dbg_types.h"
#include "image/insn_step.h"

/* A word that an expression gave, and where the process keeps it. */
struct dbg_word {
	uint64_t value;
	taddr at;     /* 0: not in memory */
	unsigned reg; /* it is the thread's own register, if not in memory; UINT32_MAX: it is kept nowhere */
};

/* A function that was called: what its call site must be for. */
enum { DBG_ORIGINS = 4 };
struct dbg_callee {
	const void *dies[DBG_ORIGINS]; /* its entry, and what that is made or declared by */
	unsigned n;
	const char *linkage; /* its name for other units; NULL: they know it not */
};

/* A frame, for what lies in it: canonical frame address, and what is known of its registers. */
struct dbg_frame {
	uint64_t pc; /* as in the file; of a caller: the last byte of the call */
	bool is_caller;
	taddr cfa;
	taddr sp; /* 0: unknown */
	unsigned sp_reg;
	const uint64_t *regs; /* by DWARF number; NULL: none is known */
	const taddr *saved;   /* where they are kept; NULL, 0: in the thread's own */
	uint64_t known;	      /* bits of those that are */
	unsigned n_regs;
	/* What the caller had in a register when it called: by dbg_call_value() of its frame.  NULL: not known. */
	bool (*entry)(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret);
	void *arg;
	uint64_t *steps_left; /* entries that are looked at for calls, bytes of code; with `entry` */
	struct insn_reader *code; /* NULL: code cannot be read */
};

/* A part of a variable, or all of it. */
struct dbg_place {
	uint64_t offset, size; /* bytes of the variable */
	taddr at;	       /* where they are, or the word that they are; 0: not in memory */
	unsigned reg; /* of the frame, or of the thread if is_value; UINT32_MAX: in none */
	bool is_value; /* they are `value`, which at and reg say who else has: size <= 8 */
	bool is_entry; /* which the caller told */
	uint64_t value;
};

/* A local variable or argument: what is known of it. */
enum { DBG_PLACES_MAX = 8 };
struct dbg_local_var {
	const char *name;
	const struct dbg_type *type;
	struct dbg_place places[DBG_PLACES_MAX]; /* by offset */
	unsigned n;				 /* at least one */
};

/* Calls fn for each of which some part is known at that pc. */
void dbg_frame_vars(struct dbg_types *t, const struct dbg_frame *f, void (*fn)(void *arg, const struct dbg_local_var *v),
		    void *arg);
/*
 * What this frame gave a function in a register by the call that it stands in.  False: DWARF does not
 * tell, or tells of another function's call there.  Not under a lock of any module's.
 */
bool dbg_call_value(struct dbg_types *t, const struct dbg_frame *f, const struct dbg_callee *callee, unsigned reg,
		    struct dbg_word *ret);

#endif
