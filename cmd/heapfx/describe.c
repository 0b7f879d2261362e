/* describe.c - what the dump is, into the report: input, threads, modules, heaps, problems. */
#include <inttypes.h>
#include <string.h>

#include "base/vec.h"
#include "captured.h"
#include "pipeline.h"

static void describe_input(struct run *run)
{
	const struct image *img = run->image;

	run->report.input = (struct rp_input){
		.path = run->input->path,
		.kind = img->kind,
		.arch = img->target->name,
		.command = img->command,
		.args = img->args,
		.exe = img->exe,
		.made_by = img->made_by,
		.pid = img->pid,
		.signal = img->signal,
		.bytes = run->input->file_size ? run->input->file_size : img->core->size,
		.complete = img->complete,
		.captured = captured_time(run),
	};
}

/*
 * What the thread runs: the innermost frame's function.  A thread that waits is in a system call
 * wrapper that says nothing, so the first frame outside libc and ld.so is better, when there is
 * one.
 */
static const char *thread_function(struct run *run, const struct thread *t)
{
	const struct image *img = run->image;
	const char *first = NULL;
	struct text name = TEXT_INIT;

	for (size_t i = 0; i < t->n_frames; i++) {
		const struct module *m = image_module_at(img, t->frames[i].pc);
		struct symbol sym;
		/* A return address may lie behind the end of its function: look just before it. */
		taddr pc = i && !t->frames[i].is_signal ? t->frames[i].pc - 1 : t->frames[i].pc;

		if (!m || !image_symbol_at(img, pc, &sym))
			continue;
		text_reset(&name);
		image_describe(img, sym.addr, &name);
		if (!first)
			first = arena_strdup(&run->report.mem, text_str(&name));
		if (!m->is_loader && !m->is_vdso && strncmp(module_base_name(m), "libc", 4) &&
		    strncmp(module_base_name(m), "libpthread", 10)) {
			first = arena_strdup(&run->report.mem, text_str(&name));
			break;
		}
	}
	text_fini(&name);
	return first;
}

static struct err *describe_threads(struct run *run)
{
	for (size_t i = 0; i < run->image->n_threads; i++) {
		const struct thread *t = &run->image->threads[i];
		struct rp_thread row = {
			.tid = t->tid,
			.name = t->name,
			.function = thread_function(run, t),
			.pc = t->pc,
		};

		if (!vec_push(&run->report.threads, &row))
			return &err_nomem;
	}
	return NULL;
}

static const char *hex_id(struct arena *mem, const uint8_t *id, size_t n)
{
	char *s = n ? arena_alloc(mem, 2 * n + 1) : NULL;

	for (size_t i = 0; s && i < n; i++) {
		s[2 * i] = "0123456789abcdef"[id[i] >> 4];
		s[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
	}
	return s;
}

static struct err *describe_modules(struct run *run)
{
	static const char *const symbols[] = {
		[SYMBOLS_NONE] = "none", [SYMBOLS_DYNAMIC] = "dynamic",
		[SYMBOLS_SYMTAB] = "symtab", [SYMBOLS_DWARF] = "dwarf",
	};

	for (size_t i = 0; i < run->image->n_modules; i++) {
		const struct module *m = &run->image->modules[i];
		struct rp_module row = {
			.path = m->path,
			.build_id = hex_id(&run->report.mem, m->build_id, m->n_build_id),
			.symbols = symbols[m->symbols],
			.base = m->start,
		};

		if (!vec_push(&run->report.modules, &row))
			return &err_nomem;
	}
	return NULL;
}

static struct rp_arena arena_row(const struct heap_arena *a)
{
	static const char *const kinds[] = {
		[ARENA_MAIN] = "main",
		[ARENA_THREAD] = "thread",
		[ARENA_MMAP] = "mmapped",
		[ARENA_OTHER] = "other",
	};

	return (struct rp_arena){
		.addr = a->addr,
		.bytes = a->bytes,
		.used = a->used,
		.free = a->free,
		.overhead = a->overhead,
		.top = a->top,
		.largest_free = a->largest_free,
		.n_used = a->n_used,
		.n_free = a->n_free,
		.kind = kinds[a->kind],
	};
}

static struct err *add_damage(struct run *run, const struct heap_info *info)
{
	for (size_t i = 0; i < info->n_damage; i++) {
		struct rp_finding f = { .rule = "heap/corrupt",
					.message = info->damage[i].what,
					.suspect = -1 };

		if (!info->damage[i].in_flight && !vec_push(&run->report.findings, &f))
			return &err_nomem;
	}
	return NULL;
}

static bool copy_wheres(struct arena *mem, const struct where_total *v, size_t n,
			struct rp_where **ret, size_t *ret_n)
{
	*ret = arena_alloc(mem, (n + 1) * sizeof(**ret));
	for (size_t i = 0; i < n && *ret; i++)
		(*ret)[i] = (struct rp_where){ v[i].where, v[i].count, v[i].bytes,
					       v[i].returnable };
	*ret_n = n;
	return *ret;
}

static bool copy_settings(struct arena *mem, const struct heap_info *info, struct rp_heap *row)
{
	row->settings = arena_alloc(mem, (info->n_settings + 1) * sizeof(*row->settings));
	row->n_settings = info->n_settings;
	for (size_t i = 0; i < info->n_settings && row->settings; i++)
		row->settings[i] = (struct rp_setting){ info->settings[i].name,
							info->settings[i].bytes };
	return row->settings;
}

/* What an operation under way explains is none. */
static uint64_t checks_failed(const struct heap_info *info)
{
	uint64_t n = info->checks_failed;

	for (size_t i = 0; i < info->n_damage && n; i++)
		n -= info->damage[i].in_flight != 0;
	return n;
}

/* By how much of what its structures say of each other holds. */
static enum confidence confidence_in(const struct heap_info *info)
{
	enum { CHECKS = 8 };
	uint64_t failed = checks_failed(info);

	if (failed > info->checks_passed / CHECKS || info->checks_passed < CHECKS)
		return CONF_GUESS;
	return failed ? CONF_PATTERN : CONF_RUNTIME;
}

static struct err *describe_heap(struct run *run, const struct heap_info *info)
{
	struct arena *mem = &run->report.mem;
	struct rp_heap row = {
		.allocator = info->allocator,
		.version = info->version[0] ? info->version : NULL,
		.how = info->how,
		.why = info->why,
		.confidence = confidence_in(info),
		.n_used = info->n_used,
		.used = info->used,
		.n_free = info->n_free,
		.free = info->free,
		.overhead = info->overhead,
		.idle = info->idle,
		.returned = info->returned,
		.checks_passed = info->checks_passed,
		.checks_failed = checks_failed(info),
		.knows_returnable = info->knows_returnable,
		.n_arenas = info->n_arenas,
		.n_classes = info->n_classes,
	};

	if (!copy_wheres(mem, info->wheres, info->n_wheres, &row.wheres, &row.n_wheres) ||
	    !copy_wheres(mem, info->idles, info->n_idles, &row.idles, &row.n_idles) ||
	    !copy_settings(mem, info, &row))
		return &err_nomem;
	row.arenas = arena_alloc(mem, (row.n_arenas + 1) * sizeof(*row.arenas));
	row.classes = arena_alloc(mem, (row.n_classes + 1) * sizeof(*row.classes));
	if (!row.arenas || !row.classes)
		return &err_nomem;
	for (size_t i = 0; i < row.n_classes; i++) {
		const struct class_total *c = &info->classes[i];

		row.classes[i] = (struct rp_class){ c->size, c->units, c->blocks, c->used,
						    c->cached };
	}
	for (size_t i = 0; i < row.n_arenas; i++)
		row.arenas[i] = arena_row(&info->arenas[i]);
	if (!vec_push(&run->report.heaps, &row))
		return &err_nomem;
	return add_damage(run, info);
}

static bool has_memory(const struct heap_info *info)
{
	return info && (info->n_used || info->n_free || info->overhead || info->idle ||
			info->returned || info->n_damage);
}

/* The malloc of a libc whose program never calls it says nothing about the program. */
bool heap_is_told(const struct blocks *b, size_t heap)
{
	bool others = false;

	for (size_t i = 0; i < b->n_heaps; i++)
		others |= i != heap && has_memory(b->heaps[i].info);
	return b->heaps[heap].info && (has_memory(b->heaps[heap].info) || !others);
}

static struct err *describe_heaps(struct run *run)
{
	struct err *err = NULL;

	if (run->has_blocks && !run->blocks.n_heaps)
		diag(&run->env, "heap/none", ERR_NOWHERE,
		     "no allocator was recognised: its memory is counted as mappings, and nothing "
		     "in it can be called lost");
	for (size_t i = 0; run->has_blocks && !err && i < run->blocks.n_heaps; i++)
		if (heap_is_told(&run->blocks, i))
			err = describe_heap(run, run->blocks.heaps[i].info);
	return err;
}

struct err *describe_run(struct run *run)
{
	struct err *err;

	describe_input(run);
	run->report.problems = &run->env.diags;
	err = describe_threads(run);
	if (!err)
		err = describe_modules(run);
	if (!err)
		err = describe_heaps(run);
	if (!err)
		err = describe_go(run);
	return err;
}
