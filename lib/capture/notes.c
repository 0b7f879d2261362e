/* capture/notes.c - the notes of an ELF core, in the kernel's order. */
#include "capture/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/guard.h"

/* XSTATE with AVX-512 and AMX is 11 KiB; a set that is larger is cut and left out. */
enum { REGSET_MAX = 64 << 10 };

static bool pad(struct bytes *b)
{
	static const uint8_t zeros[4];

	return bytes_add(b, zeros, -b->n & 3);
}

static struct err *add_note(struct bytes *b, const char *owner, uint32_t type, const void *desc,
			    size_t n)
{
	Elf64_Nhdr h = {
		.n_namesz = (Elf64_Word)strlen(owner) + 1,
		.n_descsz = (Elf64_Word)n,
		.n_type = type,
	};

	return bytes_add(b, &h, sizeof(h)) && bytes_add(b, owner, h.n_namesz) && pad(b) &&
			       bytes_add(b, desc, n) && pad(b) ?
		       NULL :
		       &err_nomem;
}

static void set_time(uint64_t ticks, __typeof__(((struct elf_prstatus *)0)->pr_utime) *ret)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	ret->tv_sec = (long)(ticks / hz);
	ret->tv_usec = (long)(ticks % hz * (1000000 / hz));
}

static struct err *add_prstatus(const struct frozen *f, const struct frozen_thread *t,
				struct bytes *b)
{
	struct elf_prstatus p = { .pr_pid = t->tid };
	struct proc_stat st;
	struct err *err = proc_stat(f->pid, t->tid, &st);

	if (err) {
		err_free(err); /* times and parents are a courtesy, registers are not */
	} else {
		p.pr_ppid = st.ppid;
		p.pr_pgrp = st.pgrp;
		p.pr_sid = st.sid;
		set_time(st.utime, &p.pr_utime);
		set_time(st.stime, &p.pr_stime);
		set_time(st.cutime, &p.pr_cutime);
		set_time(st.cstime, &p.pr_cstime);
	}
	memcpy(&p.pr_reg, &t->regs, sizeof(p.pr_reg));
	p.pr_fpvalid = 1;
	return add_note(b, "CORE", NT_PRSTATUS, &p, sizeof(p));
}

/* Argument zero and the others, blanks between, as ps shows them. */
static void set_args(pid_t pid, char *ret, size_t n)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct err *err = proc_read(pid, "cmdline", &b);

	if (err) {
		err_free(err);
		return;
	}
	n = n - 1 < b.n ? n - 1 : b.n;
	for (size_t i = 0; i < n; i++)
		ret[i] = b.v[i] ? (char)b.v[i] : ' ';
	while (n && ret[n - 1] == ' ')
		ret[--n] = 0;
}

static struct err *add_prpsinfo(pid_t pid, struct bytes *b)
{
	struct elf_prpsinfo p = { .pr_pid = pid };
	struct proc_stat st;
	uint64_t uid = 0, gid = 0;
	struct err *err = proc_stat(pid, 0, &st);

	if (err)
		return err;
	static const char states[] = "RSDTZW";
	const char *at = strchr(states, st.state);
	p.pr_state = (char)(at ? at - states : 1);
	p.pr_sname = st.state;
	p.pr_zomb = st.state == 'Z';
	p.pr_nice = (char)st.nice;
	p.pr_flag = st.flags;
	p.pr_ppid = st.ppid;
	p.pr_pgrp = st.pgrp;
	p.pr_sid = st.sid;
	if (proc_status_number(pid, "Uid", &uid) && proc_status_number(pid, "Gid", &gid)) {
		p.pr_uid = (__typeof__(p.pr_uid))uid;
		p.pr_gid = (__typeof__(p.pr_gid))gid;
	}
	memcpy(p.pr_fname, st.comm, sizeof(p.pr_fname));
	set_args(pid, p.pr_psargs, sizeof(p.pr_psargs));
	return add_note(b, "CORE", NT_PRPSINFO, &p, sizeof(p));
}

static struct err *add_auxv(pid_t pid, struct bytes *b)
{
	_cleanup_(bytes_fini) struct bytes auxv = {};
	struct err *err = proc_read(pid, "auxv", &auxv);

	return err ? err : add_note(b, "CORE", NT_AUXV, auxv.v, auxv.n);
}

/* Sets that this processor lacks are not there, and are not missed. */
static struct err *add_more_regs(pid_t tid, uint8_t *buf, struct bytes *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(regs_more); i++) {
		struct iovec iov = { buf, REGSET_MAX };
		struct err *err;

		if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)regs_more[i].type, &iov) ||
		    iov.iov_len == REGSET_MAX)
			continue;
		err = add_note(b, regs_more[i].owner, regs_more[i].type, buf, iov.iov_len);
		if (err)
			return err;
	}
	return NULL;
}

struct err *notes_build(const struct frozen *f, const char *mode, struct bytes *ret)
{
	_free_ uint8_t *buf = malloc(REGSET_MAX);
	struct err *err = buf ? NULL : &err_nomem;

	for (size_t i = 0; !err && i < f->n; i++) {
		err = add_prstatus(f, &f->v[i], ret);
		if (!err && !i)
			err = add_prpsinfo(f->pid, ret);
		if (!err && !i)
			err = add_auxv(f->pid, ret);
		if (!err)
			err = add_more_regs(f->v[i].tid, buf, ret);
	}
	return err ? err : add_note(ret, NOTE_HEAPFX, NT_HEAPFX_MODE, mode, strlen(mode) + 1);
}

static bool is_of_file(const struct map *m)
{
	return m->inode && *m->path == '/';
}

struct err *notes_add_files(const struct maps *maps, struct bytes *to)
{
	_cleanup_(bytes_fini) struct bytes desc = {};
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), head[2] = { 0, page };
	bool ok = true;

	for (size_t i = 0; i < maps->n; i++)
		head[0] += is_of_file(&maps->v[i]);
	ok = bytes_add(&desc, head, sizeof(head));
	for (size_t i = 0; ok && i < maps->n; i++) {
		const struct map *m = &maps->v[i];
		uint64_t row[3] = { m->start, m->end, m->offset / page };

		if (is_of_file(m))
			ok = bytes_add(&desc, row, sizeof(row));
	}
	for (size_t i = 0; ok && i < maps->n; i++)
		if (is_of_file(&maps->v[i]))
			ok = bytes_add(&desc, maps->v[i].path, strlen(maps->v[i].path) + 1);
	return ok ? add_note(to, "CORE", NT_FILE, desc.v, desc.n) : &err_nomem;
}
