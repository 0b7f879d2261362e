/*
 * image/image.c - opens an image step by step, and reads its memory.
 */
#include "image/image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "image/go.h"
#include "image/parts.h"
#include "image/python.h"
#include "image/shadow.h"

enum { EXE_MAX = 4096 };

/* ---- opening */

static struct err *choose_dump(struct image *img, const struct dump_ops **ret)
{
	unsigned best = 0;

	for (size_t i = 0; i < img->input->n; i++) {
		const struct member *m = &img->input->members[i];

		for (const struct dump_ops *const *ops = dump_registry; *ops; ops++) {
			unsigned bid = m->size ? (*ops)->bid(m) : 0;

			if (bid > best) {
				best = bid;
				img->core = m;
				*ret = *ops;
			}
		}
	}
	if (best)
		return NULL;
	if (img->input->n == 1)
		return err_at(ERR_FORMAT, img->input->members[0].name, 0,
			      "not an ELF core, nor any other kind of dump that heapfx knows");
	return err_at(ERR_FORMAT, img->input->path, ERR_NOWHERE,
		      "none of its %zu members is a dump that heapfx knows", img->input->n);
}

/*
 * The file mapped where the kernel says that the program's headers or entry are (under an explicit
 * loader that is the loader); the name that execve() was given when no file is known there.
 */
static void find_exe(struct image *img)
{
	static const uint64_t places[] = { AT_PHDR, AT_ENTRY };
	taddr name = image_auxv(img, AT_EXECFN, 0);
	char path[EXE_MAX];

	for (size_t i = 0; i < 2; i++) {
		taddr at = image_auxv(img, places[i], 0);
		const struct segment *seg = image_segment(img, at);

		if (at && seg && seg->file) {
			img->exe = seg->file;
			return;
		}
	}
	if (name && image_read_str(img, name, path, sizeof(path)) == MEM_OK && *path)
		img->exe = arena_strdup(&img->names, path);
}

static struct err *build(struct image *img, const struct dump *dump,
			 const struct image_options *opt)
{
	struct err *err = segments_build(img, img->core, dump);

	if (err)
		return err;
	find_exe(img);
	err = modules_build(img, dump->files, dump->n_files, opt);
	if (!err)
		err = modules_restore_bytes(img);
	if (!img->exe) /* its name may lie in bytes that were restored */
		find_exe(img);
	if (!err)
		err = threads_place(img);
	if (!err)
		err = symbols_open(img, opt);
	if (!err)
		err = dbg_open(img, opt);
	if (img->shadow) /* what was pushed on stacks is anything */
		img->shadow->mode = SHADOW_WORDS;
	if (!err)
		err = unwind_threads(img, opt);
	if (img->shadow)
		img->shadow->mode = SHADOW_FIRST;
	if (!err)
		err = go_open(img);
	if (img->shadow)
		img->shadow->mode = SHADOW_ALL;
	return err ? err : python_open(img);
}

static struct err *fill(struct image *img, const struct image_options *opt)
{
	const struct dump_ops *ops = NULL;
	struct dump dump = {};
	struct err *err = choose_dump(img, &ops);

	if (err)
		return err;
	img->kind = ops->name;
	if (opt->cache_dir)
		img->cache_dir = arena_strdup(&img->names, opt->cache_dir);
	err = ops->read(img->env, img->core, img, &dump);
	if (!err && opt->shadow)
		err = shadow_open(img->env, img->core, opt->shadow);
	if (!err)
		img->shadow = opt->shadow;
	if (!err)
		err = build(img, &dump, opt);
	free(dump.loads);
	free(dump.files);
	return err;
}

struct err *image_open(struct env *env, const struct input *in, const struct image_options *opt,
		       struct image **ret)
{
	struct image *img = calloc(1, sizeof(*img));
	struct err *err;

	if (!img)
		return &err_nomem;
	img->env = env;
	img->input = in;
	img->complete = true;
	err = fill(img, opt ? opt : &(struct image_options){});
	if (err) {
		image_close(img);
		return err;
	}
	*ret = img;
	return NULL;
}

void image_close(struct image *img)
{
	if (!img)
		return;
	go_close(img->go);
	python_close(img->python);
	for (size_t i = 0; i < img->n_modules; i++) {
		struct module *m = &img->modules[i];

		symtab_free(m->symtab);
		dbg_free(m->dbg);
		elf_file_free(m->elf);
	}
	for (size_t i = 0; i < img->n_threads; i++) {
		free(img->threads[i].frames);
		free(img->threads[i].saved);
	}
	free(img->segments);
	free(img->modules);
	free(img->threads);
	free(img->auxv);
	arena_fini(&img->names);
	free(img);
}

/* ---- memory */

const struct segment *image_segment(const struct image *img, taddr addr)
{
	const struct segment *v = img->segments;
	size_t low = 0, n = img->n_segments; /* the last start <= addr lies in [low, low + n) */

	if (!n || v[0].start > addr)
		return NULL;
	while (n > 1) {
		size_t half = n / 2;

		low = v[low + half].start <= addr ? low + half : low;
		n -= half;
	}
	return addr < v[low].end ? &v[low] : NULL;
}

const struct thread *image_stack(const struct image *img, taddr addr)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (addr >= img->threads[i].stack_low && addr < img->threads[i].stack_high)
			return &img->threads[i];
	return NULL;
}

int32_t image_data_module(const struct image *img, const struct segment *seg)
{
	const struct segment *prev = seg > img->segments ? seg - 1 : NULL;
	const struct module *m;

	if (seg->module >= 0)
		return seg->module;
	if (seg->file || !prev || prev->end != seg->start || !(prev->flags & SEG_W) || prev->module < 0)
		return -1;
	m = &img->modules[prev->module];
	if (m->is_whole && seg->start >= m->end)
		return -1;
	return prev->module;
}

const uint8_t *image_view(const struct image *img, taddr addr, uint64_t *ret_avail)
{
	const struct segment *seg = image_segment(img, addr);

	if (!seg || !seg->bytes)
		return NULL;
	*ret_avail = seg->end - addr + seg->behind;
	return seg->bytes + (addr - seg->start);
}

static enum mem_status absent(const struct image *img, taddr addr)
{
	return image_segment(img, addr) ? MEM_NOT_DUMPED : MEM_UNMAPPED;
}

/* Whether all n bytes are there, before any is copied. */
static enum mem_status check_range(const struct image *img, taddr addr, uint64_t n)
{
	uint64_t avail;

	while (n) {
		if (!image_view(img, addr, &avail))
			return absent(img, addr);
		if (avail >= n)
			return MEM_OK;
		addr += avail;
		n -= avail;
	}
	return MEM_OK;
}

enum mem_status image_read(const struct image *img, taddr addr, void *ret, uint64_t n)
{
	uint64_t avail;
	const uint8_t *p = image_view(img, addr, &avail);
	uint8_t *to = ret;
	enum mem_status status;

	if (p && avail >= n) {
		image_keep(img, addr, n);
		memcpy(ret, p, n);
		return MEM_OK;
	}
	status = check_range(img, addr, n);
	if (status == MEM_OK)
		image_keep(img, addr, n);
	while (status == MEM_OK && n && (p = image_view(img, addr, &avail))) {
		uint64_t step = n < avail ? n : avail;

		memcpy(to, p, step);
		addr += step;
		to += step;
		n -= step;
	}
	return status;
}

enum mem_status image_read_u64(const struct image *img, taddr addr, uint64_t *ret)
{
	return image_read(img, addr, ret, sizeof(*ret));
}

enum mem_status image_read_u32(const struct image *img, taddr addr, uint32_t *ret)
{
	return image_read(img, addr, ret, sizeof(*ret));
}

enum mem_status image_read_str(const struct image *img, taddr addr, char *ret, size_t max)
{
	size_t n = 0; /* found without a NUL so far; `addr` is behind them */
	taddr start = addr;

	while (n < max) {
		uint64_t avail, step;
		const uint8_t *p = image_view(img, addr, &avail), *nul;

		if (!p)
			return absent(img, addr);
		step = avail < max - n ? avail : max - n;
		nul = memchr(p, 0, step);
		if (nul)
			return image_read(img, start, ret, n + (uint64_t)(nul - p) + 1);
		n += step;
		addr += step;
	}
	return MEM_NOT_DUMPED;
}

/* ---- modules, auxv */

const struct module *image_module_at(const struct image *img, taddr addr)
{
	const struct segment *seg = image_segment(img, addr);

	if (seg && seg->module >= 0 && (size_t)seg->module < img->n_modules)
		return &img->modules[seg->module];
	for (size_t i = 0; !seg && i < img->n_modules; i++)
		if (addr >= img->modules[i].start && addr < img->modules[i].end)
			return &img->modules[i];
	return NULL;
}

const char *module_base_name(const struct module *m)
{
	const char *slash = m->path ? strrchr(m->path, '/') : NULL;

	return slash ? slash + 1 : m->path ? m->path : "";
}

uint64_t image_auxv(const struct image *img, uint64_t type, uint64_t if_absent)
{
	for (size_t i = 0; i < img->n_auxv; i++)
		if (img->auxv[i].type == type)
			return img->auxv[i].value;
	return if_absent;
}
