/* cmd_info.c - what a dump is: process, threads, modules, heaps, and what is missing. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "output.h"
#include "saved.h"

enum { STACK_LEVELS = 6, GROUPS_SHOWN = 12, CLASSES_SHOWN = 5 };

/* One escaped field at a time: names come from the dump. */
static const char *safe(struct run *run, const char *s)
{
	struct text t = TEXT_INIT;
	const char *ret;

	if (!s)
		return "?";
	text_add_escaped(&t, s, strlen(s));
	ret = arena_strdup(&run->report.mem, text_str(&t));
	text_fini(&t);
	return ret ? ret : "?";
}

static const char *bytes(struct run *run, uint64_t n)
{
	struct text t = TEXT_INIT;
	const char *ret;

	text_add_bytes(&t, n);
	ret = arena_strdup(&run->report.mem, text_str(&t));
	text_fini(&t);
	return ret ? ret : "?";
}

static void print_input(struct run *run, FILE *out)
{
	const struct rp_input *in = &run->report.input;

	fprintf(out, "%s\n", safe(run, run->saved ? run->input->path : in->path));
	if (run->saved)
		fprintf(out,
			"  saved     by heapfx, of %s: %" PRIu64 " bytes, beginning %016" PRIx64
			"\n",
			safe(run, run->saved->input.path), run->saved->input.bytes,
			run->saved->input.hash);
	fprintf(out, "  kind      %s, %s%s%s, %s\n", in->kind, in->arch, in->made_by ? ", by " : "",
		in->made_by ? in->made_by : "",
		in->complete ? "complete" : "incomplete: see problems");
	fprintf(out, "  process   %s", safe(run, in->command));
	if (in->pid)
		fprintf(out, ", pid %" PRIu32, in->pid);
	if (in->signal)
		fprintf(out, ", signal %d", in->signal);
	fprintf(out, "\n  program   %s\n", safe(run, in->exe));
	if (in->args)
		fprintf(out, "  arguments %s\n", safe(run, in->args));
	fprintf(out, "  memory    %s mapped: ", bytes(run, run->report.virtual_bytes));
	fprintf(out, "%s in the dump, ", bytes(run, run->report.dumped_bytes));
	fprintf(out, "%s in matching files, ", bytes(run, run->report.file_bytes));
	fprintf(out, "%s absent\n", bytes(run, run->report.absent_bytes));
}

static void print_threads(struct run *run, FILE *out)
{
	fprintf(out, "\nTHREADS (%zu)\n%12s  %-16s  %s\n", run->report.threads.n, "tid", "name",
		"in");
	for (size_t i = 0; i < run->report.threads.n; i++) {
		const struct rp_thread *t = &run->report.threads.v[i];

		fprintf(out, "%12" PRIu32 "  %-16s  %s\n", t->tid, safe(run, t->name),
			safe(run, t->function));
	}
}

static void print_modules(struct run *run, FILE *out)
{
	fprintf(out, "\nMODULES (%zu)\n%18s  %-8s %-40s  %s\n", run->report.modules.n, "base",
		"symbols", "build id", "path");
	for (size_t i = 0; i < run->report.modules.n; i++) {
		const struct rp_module *m = &run->report.modules.v[i];

		fprintf(out, "0x%016" PRIx64 "  %-8s %-40s  %s\n", m->base, m->symbols,
			m->build_id ? m->build_id : "unknown", safe(run, m->path));
	}
}

/* The classes with most free memory in their units; rows are few. */
static void print_classes(struct run *run, const struct rp_heap *h, FILE *out)
{
	uint64_t below = UINT64_MAX;

	for (unsigned row = 0; row < CLASSES_SHOWN; row++) {
		const struct rp_class *best = NULL;
		uint64_t most = 0;

		for (size_t i = 0; i < h->n_classes; i++) {
			const struct rp_class *c = &h->classes[i];
			uint64_t bytes = (c->blocks - c->used - c->cached) * c->size;

			if (bytes < below && bytes > most) {
				best = c;
				most = bytes;
			}
		}
		if (!best)
			break;
		below = most;
		fprintf(out, "    class %-6" PRIu64 " %10" PRIu64 " of %" PRIu64 " in use (%" PRIu64
			"%%), %s free in %" PRIu64 " units\n",
			best->size, best->used, best->blocks, best->used * 100 / best->blocks,
			bytes(run, most), best->units);
	}
}

/* Free memory by the place that keeps it. */
static void print_places(struct run *run, const struct rp_heap *h, const char *unit,
			 const struct rp_where *v, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "    %-20s %10" PRIu64 " %s %12s", v[i].where, v[i].count, unit,
			bytes(run, v[i].bytes));
		if (h->knows_returnable && v[i].returnable)
			fprintf(out, ", %s can go back", bytes(run, v[i].returnable));
		fputc('\n', out);
	}
}

static void print_heaps(struct run *run, FILE *out)
{
	fprintf(out, "\nHEAPS (%zu)\n", run->report.heaps.n);
	for (size_t i = 0; i < run->report.heaps.n; i++) {
		const struct rp_heap *h = &run->report.heaps.v[i];

		fprintf(out, "  %s %s, by %s\n    %s\n", h->allocator,
			h->version ? h->version : "(version unknown)", h->how, safe(run, h->why));
		fprintf(out, "    %zu arenas; used %" PRIu64 " blocks, %s", h->n_arenas, h->n_used,
			bytes(run, h->used));
		fprintf(out, "; free %" PRIu64 " blocks, %s", h->n_free, bytes(run, h->free));
		fprintf(out, "; overhead %s\n", bytes(run, h->overhead));
		fprintf(out, "    checks: %" PRIu64 " passed, %" PRIu64 " failed; confidence %s\n",
			h->checks_passed, h->checks_failed, confidence_name(h->confidence));
		print_places(run, h, "blocks", h->wheres, h->n_wheres, out);
		print_places(run, h, "pieces", h->idles, h->n_idles, out);
		if (h->returned)
			fprintf(out, "    %-31s %12s\n", "given back before",
				bytes(run, h->returned));
		for (size_t k = 0; k < h->n_settings; k++)
			fprintf(out, "    %-31s %12s\n", h->settings[k].name,
				bytes(run, h->settings[k].bytes));
		print_classes(run, h, out);
	}
}

static const char *node_string(struct run *run, const struct rp_node *parent, const char *key)
{
	const struct rp_node *node = node_get(parent, key);

	return node ? safe(run, node->text) : NULL;
}

static uint64_t node_number(const struct rp_node *parent, const char *key)
{
	const struct rp_node *node = node_get(parent, key);

	return node ? node->u : 0;
}

static bool is_runtime(const char *function)
{
	return function && !strncmp(function, "runtime.", strlen("runtime."));
}

/* "main.worker (main.go:33)" */
static void print_place(struct run *run, const struct rp_node *place, FILE *out)
{
	const char *function = node_string(run, place, "function");
	const char *file = node_string(run, place, "file"),
		   *slash = file ? strrchr(file, '/') : NULL;

	fputs(function ? function : "?", out);
	if (file)
		fprintf(out, " (%s:%" PRIu64 ")", slash ? slash + 1 : file,
			node_number(place, "line"));
}

static void print_group(struct run *run, const struct rp_node *group, FILE *out)
{
	const char *reason = node_string(run, group, "wait_reason");
	const struct rp_node *stack = node_get(group, "stack"), *by = node_get(group, "created_by");
	uint64_t n = node_number(group, "count");
	unsigned levels = 0;

	fprintf(out, "%9" PRIu64 "  %s%s%s, ", n, node_string(run, group, "state"),
		reason ? ": " : "", reason ? reason : "");
	fprintf(out, "%s of stack", bytes(run, node_number(group, "stack_bytes")));
	if (n == 1 && node_get(group, "ids")->first)
		fprintf(out, ", goroutine %" PRIu64, node_get(group, "ids")->first->u);
	fputc('\n', out);
	for (const struct rp_node *at = stack ? stack->first : NULL; at; at = at->next) {
		const char *function = node_string(run, at, "function");

		/*
		 * how the scheduler parked it is the same for all: the program's own places tell
		 * them apart
		 */
		if (is_runtime(function) && (at->next ? !levels : levels))
			continue;
		if (levels++ == STACK_LEVELS) {
			fprintf(out, "             ...\n");
			break;
		}
		fprintf(out, "             ");
		print_place(run, at, out);
		fputc('\n', out);
	}
	if (by && !is_runtime(node_string(run, by, "function"))) {
		fprintf(out, "             created by ");
		print_place(run, by, out);
		fputc('\n', out);
	}
}

/* What its settings imply, and what stands out. */
static void print_collector(struct run *run, const struct rp_node *gc, FILE *out)
{
	const struct rp_node *words = node_get(gc, "words"), *signals = node_get(gc, "signals");

	if (!words || !words->first)
		return;
	fprintf(out, "\nCOLLECTOR\n");
	for (const struct rp_node *at = words->first; at; at = at->next)
		fprintf(out, "  %s\n", safe(run, at->text));
	for (const struct rp_node *at = signals ? signals->first : NULL; at; at = at->next)
		fprintf(out, "  %s: %s\n", node_string(run, at, "signal"),
			node_string(run, at, "words"));
}

/* The program's goroutines by stack; the runtime's own are a number. */
static void print_go(struct run *run, FILE *out)
{
	const struct rp_node *go = run->report.go, *goroutines = node_get(go, "goroutines");
	const struct rp_node *groups = node_get(goroutines, "groups");
	uint64_t shown = 0, n = node_number(goroutines, "count");
	const char *version = node_string(run, go, "version"),
		   *mod = node_string(run, go, "main_module");

	if (!go)
		return;
	fprintf(out, "\nGO\n  %s%s%s%s%s\n", version ? version : "version unknown",
		mod ? ", module " : "", mod ? mod : "",
		node_get(go, "experiments") ? ", experiments " : "",
		node_get(go, "experiments") ? node_string(run, go, "experiments") : "");
	print_collector(run, node_get(go, "gc"), out);
	fprintf(out, "\nGOROUTINES (%" PRIu64 ", and %" PRIu64 " of the runtime)\n", n,
		node_number(goroutines, "system"));
	for (const struct rp_node *at = groups ? groups->first : NULL; at && shown < GROUPS_SHOWN;
	     at = at->next) {
		if (node_number(at, "system"))
			continue;
		print_group(run, at, out);
		shown++;
	}
	if (shown)
		fprintf(out, "  what those of each place alone keep: heapfx analyze, GOROUTINES\n");
	if (node_number(goroutines, "groups_total") > shown)
		fprintf(out,
			"  %" PRIu64
			" more groups, the runtime's own among them: --format json lists them\n",
			node_number(goroutines, "groups_total") - shown);
}

static void print_pools(struct run *run, FILE *out)
{
	const struct report *r = &run->report;

	if (!r->pool_groups.n)
		return;
	fprintf(out, "\nPOOLS (%" PRIu64 ")\n", node_number(r->pools, "total"));
	for (size_t i = 0; i < r->pool_groups.n && i < GROUPS_SHOWN; i++) {
		const struct rp_pool_group *g = &r->pool_groups.v[i];

		fprintf(out, "  %8" PRIu64 " x %s%s%s: ", g->pools, safe(run, g->kind),
			strcmp(g->path, "?") ? " " : "",
			strcmp(g->path, "?") ? safe(run, g->path) : "");
		fprintf(out, "%s in %" PRIu64 " blocks", bytes(run, g->bytes), g->blocks);
		if (g->knows_free)
			fprintf(out, ", %s of them free", bytes(run, g->free));
		if (g->contents)
			fprintf(out, "\n             %s", safe(run, g->contents));
		fputc('\n', out);
	}
	if (r->pool_groups.n > GROUPS_SHOWN)
		fprintf(out, "  %zu more kinds of names: --format json lists them\n",
			r->pool_groups.n - GROUPS_SHOWN);
}

static void print_defects(struct run *run, FILE *out)
{
	const struct diags *d = &run->env.diags;

	fprintf(out, "\nPROBLEMS (%zu)\n", d->n);
	for (size_t i = 0; i < d->n; i++) {
		fprintf(out, "  %s: %s", d->list[i].code, safe(run, d->list[i].message));
		if (d->list[i].count > 1)
			fprintf(out, " (and %" PRIu64 " more like it)", d->list[i].count - 1);
		fputc('\n', out);
	}
}

static struct err *write_info(struct run *run, const char *format, FILE *out)
{
	if (strcmp(format, "text"))
		return write_report(run, format, out);
	print_input(run, out);
	print_threads(run, out);
	print_modules(run, out);
	print_heaps(run, out);
	print_go(run, out);
	print_pools(run, out);
	print_defects(run, out);
	return NULL;
}

enum exit_status cmd_info(const struct options *opt)
{
	struct run run;
	struct err *err = run_open(&run, opt, STAGE_BLOCKS);

	if (!err && !run.saved)
		err = describe_run(&run);
	if (!err && !run.saved)
		err = describe_pools(&run);
	if (!err && !run.saved)
		measure_run(&run);
	if (!err)
		err = write_outputs(&run, command_of(cmd_info), write_info);
	return run_end(&run, err, EXIT_DONE);
}
