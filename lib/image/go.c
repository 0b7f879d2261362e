/*
 * image/go.c - opens the Go runtime of an image, step by step, and reads its words.
 *
 * Each step is one file: go_module.c finds the moduledata, go_build.c the version, go_layout.c the
 * fields, go_anchors.c the variables; types and goroutines follow from these.
 */
#include "image/go.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/elf.h"
#include "image/go_anchors.h"
#include "image/go_build.h"
#include "image/go_func.h"
#include "image/go_layout.h"
#include "image/go_sched.h"
#include "image/go_type.h"
#include "image/parts.h"

enum { GO_PAGE = 8192, MAX_STACK = 1 << 30 /* runtime.maxstacksize */ };

static void hits_fini(struct go_hits *h)
{
	free(h->v);
}

/* A program of Go whose runtime is not where it should be: damage, or a program packed or still starting. */
static void say_no_modules(const struct image *img)
{
	for (size_t i = 0; i < img->n_modules; i++) {
		const struct module *m = &img->modules[i];
		const uint8_t *bytes;
		uint64_t n;

		if (m->elf && (elf_file_section(m->elf, ".gopclntab", &bytes, &n) ||
			       elf_file_section(m->elf, ".go.buildinfo", &bytes, &n)))
			diag(img->env, "go/moduledata", m->start,
			     "%s is a Go program, and its moduledata is not in the dump's data: its heap is not known",
			     m->path);
	}
}

/* Of several runtimes the program's own is read, else the first: its version tells how. */
static const struct module *lead_of(const struct go *go, const struct go_hits *hits)
{
	for (size_t i = 0; i < hits->n; i++) {
		const struct module *m = image_module_at(go->img, hits->v[i]);

		if (m && m->is_exe)
			return m;
	}
	return image_module_at(go->img, hits->v[0]);
}

/* The version that the modules were built by, then the modules by it; by their shape if nothing tells. */
static struct err *find_modules(struct go *go)
{
	_cleanup_(hits_fini) struct go_hits hits = {};
	struct err *err = go_modules_scan(go, &hits);
	unsigned fitting;

	if (!err && !hits.n)
		say_no_modules(go->img);
	if (err || !hits.n)
		return err;
	go->module = lead_of(go, &hits);
	if (!go->module)
		diag(go->env, "go/no-program", hits.v[0],
		     "the dump says of no file where it is mapped: the runtime was found by its structure, "
		     "and what only the program's code leads to was not (--exe names the program)");
	go_build_read(go, go->module);
	err = go_modules_read(go, &hits);
	if (err || *go->version || !go->n_modules)
		return err;
	fitting = go->minor;
	go_build_read(go, NULL);
	if (!*go->version)
		go->minor = fitting;
	return NULL;
}

/* How badly go->layout fits; nothing of `go` is changed. */
static struct err *misfit(const struct go *go, uint64_t *ret)
{
	_cleanup_(env_fini) struct env unheard = {};
	struct go try = *go;
	struct err *err;

	env_init(&unheard);
	try.env = &unheard;
	try.checks_failed = 0;
	err = go_anchors_find(&try);
	*ret = try.checks_failed + (strstr(try.how, "calibration") != NULL);
	return err;
}

static struct err *misfit_of_minor(const struct go *go, unsigned minor, uint64_t *ret)
{
	struct go try = *go;

	try.minor = minor;
	go_build_conclude(&try);
	go_layout_of(minor, go->img->target->id, try.allocheaders, try.greentea, &try.layout);
	return misfit(&try, ret);
}

/* Of the minors with the moduledata of `newest`, the newest of those that fit better than *best. */
static struct err *best_minor(struct go *go, unsigned newest, uint64_t *best)
{
	unsigned oldest = go_modules_oldest_like(newest);
	uint64_t failed;

	for (unsigned minor = newest; minor >= oldest && *best; minor--) {
		struct err *err = misfit_of_minor(go, minor, &failed);

		if (err)
			return err;
		if (failed < *best) {
			*best = failed;
			go->minor = minor;
		}
	}
	return NULL;
}

/* Nothing tells the version but what the modules look like. */
static struct err *guess_minor(struct go *go)
{
	uint64_t best = UINT64_MAX;
	struct err *err = best_minor(go, go->minor, &best);

	if (!err)
		diag(go->env, "go/version", go->modules[0].addr,
		     "nothing says which Go built the program: it is read as Go 1.%u, which fits best", go->minor);
	return err;
}

/* The version says one thing and the moduledata another: what must hold decides, the version if both do well. */
static struct err *doubt_minor(struct go *go)
{
	uint64_t best;
	struct err *err = misfit_of_minor(go, go->minor, &best);

	if (!err)
		err = best_minor(go, go->shape_minor, &best);
	if (!err)
		diag(go->env, "go/version", go->modules[0].addr,
		     "the program says that %s built it, and its moduledata is that of Go 1.%u: it is read as Go 1.%u, which fits best",
		     go->version, go->shape_minor, go->minor);
	return err;
}

/* False when it is one that cannot be read. */
static bool version_known(struct go *go)
{
	if (go->minor < GO_OLDEST) {
		diag(go->env, "go/too-old", go->modules[0].addr,
		     "built by %s: Go before 1.%u is not read, its heap is not known", go->version, GO_OLDEST);
		go->n_modules = 0;
		return false;
	}
	go_build_conclude(go);
	if (go->is_newer)
		diag(go->env, "go/newer", go->modules[0].addr,
		     "built by %s, newer than any layout known: it is read as Go 1.%u, as far as that holds",
		     go->version, GO_NEWEST);
	return true;
}

/* Read-only data is in few dumps: without the program's file there are no functions, types or names. */
static void say_no_tables(const struct go *go)
{
	uint64_t avail;

	for (size_t i = 0; i < go->n_modules; i++)
		if (!image_view(go->img, go->modules[i].pclntab, &avail))
			diag(go->env, "go/no-tables", go->modules[i].pclntab,
			     "the function table is neither in the dump nor in a matching file (--exe names the program): "
			     "functions and types have no names, stacks are read word by word, and which goroutines are "
			     "the runtime's own is not known");
}

/* Both know some fields at different places: the one that fits better, DWARF if both do. */
static struct err *layout_decide(struct go *go, const struct go_layout *dwarf, const struct go_layout_change *c)
{
	struct go try = *go;
	uint64_t by_dwarf, by_table;
	struct err *err = misfit(&try, &by_table);

	try.layout = *dwarf;
	try.by_debug_info = true;
	if (!err)
		err = misfit(&try, &by_dwarf);
	if (err)
		return err;
	go->by_debug_info = by_dwarf <= by_table;
	if (go->by_debug_info)
		go->layout = *dwarf;
	if (go->by_debug_info && (go->is_newer || !*go->version))
		return NULL; /* no table was made for it */
	diag(go->env, "go/layout", go->modules[0].addr,
	     "debug info and what is known of Go 1.%u differ in %u fields (%s.%s: %d, %d), %" PRIu64 " and %" PRIu64
	     " checks fail: %s is believed",
	     go->minor, c->n, c->of, c->name, (int)c->is, (int)c->was, by_dwarf, by_table,
	     go->by_debug_info ? "debug info" : "the version");
	return NULL;
}

/* The program's own DWARF tells best; without it the version does. */
static struct err *layout_find(struct go *go)
{
	struct go_layout_change c;
	struct go_layout dwarf;

	go_layout_of(go->minor, go->img->target->id, go->allocheaders, go->greentea,
		     &go->layout);
	dwarf = go->layout;
	go->by_debug_info = go_layout_debug_info(go->img, go->module, &dwarf, &c) != 0;
	return c.n ? layout_decide(go, &dwarf, &c) : NULL;
}

static struct err *fill(struct go *go)
{
	struct err *err = find_modules(go);

	if (!err && go->n_modules && !*go->version)
		err = guess_minor(go);
	else if (!err && go->n_modules && go->shape_minor && go->minor >= GO_OLDEST && go->minor <= GO_NEWEST)
		err = doubt_minor(go);
	if (err || !go->n_modules || !version_known(go))
		return err;
	say_no_tables(go);
	err = layout_find(go);
	if (!err)
		err = go_types_open(go, &go->types);
	if (!err)
		err = go_anchors_find(go);
	return err ? err : go_sched_open(go);
}

/* The stack spans of a goroutine, or of a thread's own g0, at sp; false: not on Go's heap. */
static bool stack_at(const struct go *go, taddr sp, taddr *ret_low, taddr *ret_high)
{
	const struct goroutine *g = go_goroutine_of_stack(go, sp);
	taddr span = g ? 0 : go_span_of(go, sp);
	uint64_t pages;

	if (g) {
		*ret_low = g->stack_low;
		*ret_high = g->stack_high;
		return true;
	}
	*ret_low = span ? go_word(go, span + go->layout.mspan.startAddr) : 0;
	pages = span ? go_word(go, span + go->layout.mspan.npages) : 0;
	*ret_high = *ret_low + pages * GO_PAGE;
	return pages && pages < MAX_STACK / GO_PAGE && sp >= *ret_low && sp < *ret_high;
}

/* A thread's stack is the mapping around its sp, unless that is an arena of Go's with all its objects. */
static void narrow_stacks(struct image *img, const struct go *go)
{
	for (size_t i = 0; i < img->n_threads; i++) {
		struct thread *t = &img->threads[i];
		taddr low, high;

		if (!t->stack_high || !stack_at(go, t->sp, &low, &high))
			continue;
		if (low < t->stack_low || high > t->stack_high || t->live_low >= high)
			continue;
		t->stack_low = low;
		t->stack_high = high;
		t->live_low = t->live_low > low ? t->live_low : low;
	}
}

struct err *go_open(struct image *img)
{
	struct go *go = calloc(1, sizeof(*go));
	struct err *err;

	if (!go)
		return &err_nomem;
	go->env = img->env;
	go->img = img;
	go->names = go_names_new();
	err = go->names ? fill(go) : &err_nomem;
	if (err || !go->n_modules)
		go_close(go);
	else
		img->go = go;
	if (img->go)
		narrow_stacks(img, go);
	return err;
}

void go_close(struct go *go)
{
	if (!go)
		return;
	go_types_close(go->types);
	go_names_free(go->names);
	arena_fini(&go->mem);
	free(go);
}

/* ---- words */

uint64_t go_word(const struct go *go, taddr addr)
{
	uint64_t word;

	return image_read_u64(go->img, addr, &word) == MEM_OK ? word : 0;
}

bool go_slice(const struct go *go, taddr addr, uint64_t elem, taddr *ret_ptr, uint64_t *ret_len)
{
	uint64_t w[3], bytes;

	if (image_read(go->img, addr, w, sizeof(w)) != MEM_OK || w[1] > w[2])
		return false;
	if (!checked_mul(w[1], elem, &bytes) || bytes > UINT64_MAX - w[0])
		return false;
	for (uint64_t at = 0, avail; at < bytes; at += avail)
		if (!image_view(go->img, w[0] + at, &avail))
			return false;
	*ret_ptr = w[0];
	*ret_len = w[1];
	return true;
}

bool go_string(const struct go *go, taddr addr, char *ret, size_t max)
{
	uint64_t w[2];

	if (image_read(go->img, addr, w, sizeof(w)) != MEM_OK || w[1] >= max)
		return false;
	if (w[1] && image_read(go->img, w[0], ret, w[1]) != MEM_OK)
		return false;
	ret[w[1]] = '\0';
	return true;
}
