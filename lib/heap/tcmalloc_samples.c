/*
 * tcmalloc_samples.c - the allocations that tcmalloc sampled (TCMALLOC_SAMPLE_PARAMETER), with their stacks.
 *
 * A sampled allocation has a span of its own that leads to a StackTrace: the bytes asked for, and up to 31
 * return addresses.  What each stands for follows from the mean distance of samples, as pprof has it
 * for "heap_v2" (gperftools src/{tcmalloc,sampler}.cc).  Where the heap profiler is on it knows them all.
 */
#include <math.h>

#include "base/guard.h"
#include "heap/tcmalloc_fields.h"
#include "heap/samples.h"

/* Bytes between samples, in the mean: the library exports the flag; 0: not known. */
static double period(const struct image *img, const struct tcm_copy *c)
{
	static const char *const flags[] = {
		"_ZN63FLAG__namespace_do_not_use_directly_use_DECLARE_int64_t_instead"
		"31FLAGS_tcmalloc_sample_parameterE",
		"_ZN61FLAG__namespace_do_not_use_directly_use_DECLARE_int64_instead"
		"31FLAGS_tcmalloc_sample_parameterE", /* to 2.10 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct symbol sym;
		uint64_t value;

		if (c->module && image_symbol(img, c->module, flags[i], &sym) &&
		    image_read_u64(img, sym.addr, &value) == MEM_OK && value && value <= INT64_MAX)
			return (double)value;
	}
	return 0;
}

static struct err *add_sample(const struct tcmalloc *t, const struct tc_span *s, double mean,
			      struct sample_sink *sink)
{
	uint64_t w[2 + STACK_MAX]; /* size, depth, pcs */
	struct heap_sample sample = { .block = s->base, .pcs = w + 2 };

	if (image_read(t->img, s->objects, w, sizeof(w)) != MEM_OK || !w[1] || w[1] > STACK_MAX ||
	    !w[0] || w[0] > tc_span_bytes(s))
		return NULL;
	sample.size = w[0];
	sample.n_pcs = w[1];
	sample_skip_own(t->img, t->copies[s->copy].module, &sample);
	if (mean > 0) {
		sample.objects = 1 / -expm1(-(double)w[0] / mean);
		sample.bytes = (double)w[0] * sample.objects;
	}
	return sink->add(sink, &sample);
}

struct err *tcm_samples(void *ctx, struct sample_sink *sink)
{
	const struct tcmalloc *t = ctx;
	double mean[TCM_COPIES_MAX] = {};
	struct err *err;

	err = tcm_profiler_samples(t, sink);
	for (uint32_t i = 0; i < t->n_copies; i++)
		mean[i] = period(t->img, &t->copies[i]);
	for (size_t i = 0; i < t->spans.n && !err; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (!s->sampled || s->problem != SPAN_FINE || s->class ||
		    tcm_is_profiled(t, s->copy))
			continue;
		if (!mean[s->copy])
			diag(t->spans.env, "tcmalloc/samples", s->base,
			     "how far samples are apart is not known without the library's file: each stands for itself");
		err = add_sample(t, s, mean[s->copy], sink);
	}
	return err;
}
