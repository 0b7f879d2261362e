/*
 * gtcmalloc_samples.c - the allocations that google/tcmalloc sampled, with their stacks.
 *
 * A sampled allocation has a span of its own that leads to a SampledAllocation: the bytes asked for, up to
 * 64 return addresses, and a weight: the bytes allocated since the sample before (internal/logging.h).
 * It stands for weight / (requested + 1) allocations (allocation_sampling.h).
 */
#include "base/bits.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/samples.h"

static struct err *add_sample(const struct gtcmalloc *t, const struct tc_span *s, struct sample_sink *sink)
{
	const struct gtc_copy *c = &t->copies[s->copy];
	uint64_t sampled, asked, w[SAMPLED_SIZE / 8]; /* as far as it is the same in all */
	struct heap_sample sample = { .block = s->base, .pcs = w + SAMPLED_STACK / 8 };

	if (!gtc_sample_of(t->img, c, s->addr, s->base, &sampled) ||
	    image_read(t->img, sampled + c->layout.sample_more, w, sizeof(w)) != MEM_OK ||
	    image_read_u64(t->img, gtc_requested_at(c, sampled), &asked) != MEM_OK ||
	    !w[SAMPLED_DEPTH / 8] || w[SAMPLED_DEPTH / 8] > SAMPLED_STACK_MAX)
		return NULL;
	sample.size = asked;
	if (sample.size > tc_span_bytes(s))
		return NULL;
	sample.n_pcs = w[SAMPLED_DEPTH / 8];
	sample_skip_own(t->img, c->module, &sample);
	sample.objects = (double)w[SAMPLED_WEIGHT / 8] / ((double)sample.size + 1);
	sample.bytes = sample.objects * (double)sample.size;
	return sink->add(sink, &sample);
}

struct err *gtc_samples(void *ctx, struct sample_sink *sink)
{
	const struct gtcmalloc *t = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < t->spans.n && !err; i++)
		if (t->spans.v[i].sampled && t->spans.v[i].problem == SPAN_FINE)
			err = add_sample(t, &t->spans.v[i], sink);
	return err;
}
