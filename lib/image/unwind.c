/*
 * image/unwind.c - the stack of each thread: by call frame information, else by frame pointers.
 *
 * Source of truth: .eh_frame of the files that match by build id, through libdwfl.  libdwfl is
 * told of the modules one by one; its own reading of the link map trusts the dump too much.
 */
#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/elf.h"
#include "image/parts.h"

enum {
	FRAMES_MAX = 256,	   /* a thread */
	FRAMES_TOTAL_MAX = 100000,
	RBX = 3, R12 = 12, /* of x86-64 */
	READS_MAX = 64, /* to get from one frame to the next: no more registers are restored */
};

struct frames {
	struct frame *v;
	size_t n, cap;
};

struct read {
	taddr at;
	uint64_t value;
};

struct unwinder {
	struct image *img;
	size_t at; /* the thread at hand */
	struct frames frames;
	struct {
		struct saved_reg *v;
		size_t n, cap;
	} saved;
	/* What libdwfl reads to get to a frame, while it may read on for the next one: it restores registers by number. */
	struct read reads[2][READS_MAX];
	unsigned n_reads[2], turn;
	struct {
		uint64_t value;
		bool is_known;
	} last[TARGET_MAX_REGS]; /* in the frame before */
	bool nomem;
};

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **ret_path, Elf **ret)
{
	const struct elf_copy *copy = *userdata;

	(void)mod, (void)name, (void)base, (void)ret_path;
	*ret = copy ? elf_memory((char *)copy->map, copy->size) : NULL;
	return -1;
}

/* Call frame information lies in the file itself; debug files are image/dbg.c's business. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *path, const char *link, GElf_Word crc, char **ret_path)
{
	(void)mod, (void)userdata, (void)name, (void)base, (void)path, (void)link, (void)crc, (void)ret_path;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};

/* One thread at a time: the one at hand, whatever its id (ids of a dump may not be unique). */
static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return 1;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl, (void)tid;
	*thread_arg = arg;
	return true;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	struct unwinder *u = arg;
	uint64_t v;

	(void)dwfl;
	if (image_read_u64(u->img, addr, &v) != MEM_OK)
		return false;
	if (u->n_reads[u->turn] < READS_MAX)
		u->reads[u->turn][u->n_reads[u->turn]++] = (struct read){ addr, v };
	*ret = v;
	return true;
}

static bool set_initial_registers(Dwfl_Thread *thread, void *thread_arg)
{
	const struct unwinder *u = thread_arg;
	const struct thread *t = &u->img->threads[u->at];
	const struct target *target = u->img->target;
	Dwarf_Word regs[TARGET_MAX_REGS];

	for (unsigned i = 0; i < target->n_regs; i++)
		regs[i] = t->regs[i];
	/* The pc has a DWARF number among the others on x86-64 alone. */
	if (!dwfl_thread_state_registers(thread, 0, target->id == TARGET_X86_64 ? target->n_regs : target->pc, regs))
		return false;
	dwfl_thread_state_register_pc(thread, t->pc);
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_initial_registers,
};

/* False when the unwinding must stop here: no code, no progress, or enough. */
static bool frame_add(struct unwinder *u, const struct frame *f)
{
	struct frames *fs = &u->frames;
	const struct frame *last = fs->n ? &fs->v[fs->n - 1] : NULL;

	if (fs->n >= FRAMES_MAX || (last && !image_is_code(u->img, f->pc)))
		return false;
	/* A stack that was switched by a signal may lie lower. */
	if (last && (f->sp < last->sp || (f->sp == last->sp && f->pc == last->pc)) && !f->is_signal)
		return false;
	if (vec_push(fs, f))
		return true;
	u->nomem = true;
	return false;
}

/* The first of these that read a value, from *k on; 0: none did. */
static taddr read_from(const struct read *reads, unsigned n, uint64_t value, unsigned *k)
{
	for (unsigned i = *k; i < n; i++)
		if (reads[i].value == value) {
			*k = i + 1;
			return reads[i].at;
		}
	return 0;
}

/*
 * What the last frame's registers are, if that is not what they were: `reads` led there.  elfutils 0.188 takes rax for
 * rbx (both are the first of something) among the registers that are what they were when nothing is said of them.
 */
static void note_saved(struct unwinder *u, Dwfl_Frame *state, const struct read *reads, unsigned n)
{
	const struct target *target = u->img->target;
	size_t no = u->frames.n - 1;
	bool all = frame_is_interrupted(u->frames.v, no);
	unsigned k = 0;

	for (unsigned reg = 0; no && reg < target->n_regs; reg++) {
		struct saved_reg r = { .frame = (uint32_t)no, .reg = (uint16_t)reg };
		Dwarf_Word value = 0, r12;

		if (reg == target->sp || reg == target->pc || !(all || target->callee_saved >> reg & 1))
			continue;
		r.is_known = !dwfl_frame_reg(state, reg, &value);
		if (!r.is_known && reg == RBX && target->id == TARGET_X86_64 && !dwfl_frame_reg(state, R12, &r12))
			continue;
		r.value = value;
		r.at = r.is_known ? read_from(reads, n, value, &k) : 0;
		if (!r.at && r.is_known == u->last[reg].is_known && r.value == u->last[reg].value)
			continue; /* nobody touched it */
		u->last[reg].is_known = r.is_known;
		u->last[reg].value = r.value;
		if (!vec_push(&u->saved, &r))
			u->nomem = true;
	}
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct unwinder *u = arg;
	struct frame f = {};
	bool activation;
	Dwarf_Word sp;
	unsigned turn = u->turn;

	u->turn ^= 1;
	u->n_reads[u->turn] = 0;
	if (!dwfl_frame_pc(state, &f.pc, &activation) ||
	    dwfl_frame_reg(state, u->img->target->sp, &sp))
		return DWARF_CB_ABORT;
	f.sp = sp;
	/*
	 * The first frame is active because it runs; others because a signal came in between: what the kernel
	 * had the handler return to, and what was interrupted.
	 */
	f.is_signal = activation && u->frames.n;
	if (!frame_add(u, &f))
		return DWARF_CB_ABORT;
	note_saved(u, state, u->reads[turn], u->n_reads[turn]);
	return u->nomem ? DWARF_CB_ABORT : DWARF_CB_OK;
}

/* Chains of { caller's frame pointer, return address }, each above the one before. */
static void by_frame_pointers(struct unwinder *u, const struct thread *t)
{
	unsigned fp_reg = u->img->target->id == TARGET_X86_64 ? 6 : 29;
	taddr fp = t->regs[fp_reg], low = t->sp;
	struct frame f = { .pc = t->pc, .sp = t->sp };

	if (!frame_add(u, &f))
		return;
	while (fp >= low && fp % 8 == 0) {
		uint64_t w[2];

		if (image_read(u->img, fp, w, sizeof(w)) != MEM_OK)
			return;
		f = (struct frame){ .pc = w[1], .sp = fp + 16 };
		if (!frame_add(u, &f))
			return;
		low = fp + 16;
		fp = w[0];
	}
}

/* The frame address of a frame is the stack pointer of its caller. */
static void frames_finish(struct frames *fs)
{
	for (size_t i = 0; i < fs->n; i++)
		fs->v[i].sp = i + 1 < fs->n ? fs->v[i + 1].sp : 0;
}

/* Without its file libdwfl guesses its way through a module, and may lose the way. */
static bool all_have_cfi(const struct unwinder *u)
{
	for (size_t i = 0; i < u->frames.n; i++) {
		const struct module *m = image_module_at(u->img, u->frames.v[i].pc);

		if (!m || !m->elf)
			return false;
	}
	return u->frames.n > 1;
}

static struct err *unwind_thread(struct unwinder *u, Dwfl *dwfl, struct thread *t)
{
	u->frames = (struct frames){};
	u->saved.v = NULL;
	u->saved.n = u->saved.cap = 0;
	u->n_reads[u->turn] = 0;
	for (unsigned i = 0; i < u->img->target->n_regs; i++) {
		u->last[i].value = t->regs[i];
		u->last[i].is_known = true;
	}
	/* An error is how most stacks end; what was found until then is kept. */
	if (dwfl)
		(void)dwfl_getthread_frames(dwfl, 1, on_frame, u);
	if (!all_have_cfi(u)) {
		struct frames known = u->frames;

		u->saved.n = 0;
		u->frames = (struct frames){};
		by_frame_pointers(u, t);
		if (u->frames.n <= known.n) {
			struct frames fewer = u->frames;

			u->frames = known;
			known = fewer;
		}
		free(known.v);
	}
	if (u->nomem) {
		free(u->frames.v);
		free(u->saved.v);
		return &err_nomem;
	}
	frames_finish(&u->frames);
	t->frames = u->frames.v;
	t->n_frames = u->frames.n;
	t->saved = u->saved.v;
	t->n_saved = u->saved.n;
	return NULL;
}

/*
 * A program that Go's own linker made: .debug_frame is all it has, packed, and libdwfl would unpack
 * all of the debug information to say what Go's frame pointers say as well.
 */
static bool is_plain_go(const struct elf_file *e)
{
	return elf_file_has(e, ".gopclntab") && !elf_file_has(e, ".eh_frame");
}

/* The copies are for libdwfl and must outlive it: one a module, empty for those without a file. */
static void report_modules(Dwfl *dwfl, const struct image *img, struct elf_copy *copies)
{
	for (size_t i = 0; i < img->n_modules; i++) {
		const struct module *m = &img->modules[i];
		const struct elf_segment *load = m->elf ? elf_headers_find(&m->elf->h, PT_LOAD) : NULL;
		struct err *err;
		Dwfl_Module *mod;
		void **userdata;
		taddr start;

		if (!load || is_plain_go(m->elf))
			continue;
		/* libdwfl takes the start of a module for its first PT_LOAD, rounded by that one's alignment. */
		start = m->bias + (is_pow2(load->align) ? align_down(load->vaddr, load->align) : load->vaddr);
		if (start >= m->end)
			continue;
		err = elf_copy_open(img->env, m->elf, &copies[i]);
		if (err)
			diag_err(img->env, "module/unwind", err);
		if (!copies[i].map)
			continue;
		mod = dwfl_report_module(dwfl, m->path, start, m->end);
		if (mod && dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
			*userdata = &copies[i];
	}
}

static void elf_close(Elf **elf)
{
	elf_end(*elf);
}

static struct err *unwind_all(struct unwinder *u, Dwfl *dwfl)
{
	struct image *img = u->img;
	size_t total = 0;

	for (size_t i = 0; i < img->n_threads && total < FRAMES_TOTAL_MAX; i++) {
		struct err *err;

		if (!img->threads[i].has_regs)
			continue;
		u->at = i;
		err = unwind_thread(u, dwfl, &img->threads[i]);
		if (err)
			return err;
		total += img->threads[i].n_frames;
	}
	return NULL;
}

/* NULL when libdwfl cannot serve: the frame pointers are left then. */
static Dwfl *dwfl_new(struct unwinder *u, Elf *core, struct elf_copy *copies)
{
	Dwfl *dwfl = core ? dwfl_begin(&callbacks) : NULL;

	if (!dwfl)
		return NULL;
	dwfl_report_begin(dwfl);
	report_modules(dwfl, u->img, copies);
	if (!dwfl_report_end(dwfl, NULL, NULL) && dwfl_attach_state(dwfl, core, 1, &thread_callbacks, u))
		return dwfl;
	dwfl_end(dwfl);
	return NULL;
}

struct err *unwind_threads(struct image *img, const struct image_options *opt)
{
	struct unwinder u = { .img = img };
	_free_ struct elf_copy *copies = calloc(img->n_modules + 1, sizeof(*copies));
	_cleanup_(elf_close) Elf *core = NULL;
	Dwfl *dwfl;
	struct err *err;

	(void)opt;
	if (!copies)
		return &err_nomem;
	/* Of the core libdwfl wants to know the machine, no more. */
	if (elf_version(EV_CURRENT) != EV_NONE)
		core = elf_memory((char *)img->core->map, img->core->size);
	dwfl = dwfl_new(&u, core, copies);
	err = unwind_all(&u, dwfl);
	dwfl_end(dwfl);
	for (size_t i = 0; i < img->n_modules; i++)
		elf_copy_close(&copies[i]);
	return err;
}
