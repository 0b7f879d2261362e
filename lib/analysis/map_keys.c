/* analysis/map_keys.c - containers whose keys are pointers, and alone keep much. */
#include <string.h>

#include "analysis/chain.h"
#include "base/vec.h"

enum { LEAST_EACH = 128 }; /* bytes for an entry: less is what a table of things has */

/* What only a pool or stuck goroutines keep is theirs (owned.c). */
static bool is_told(const struct subject *s, const struct by_keys *k)
{
	const struct keyed *keyed = &s->graph->keyeds[k->keyed];

	return k->total.bytes / LEAST_EACH >= keyed->keys &&
	       (!s->facts->owner || s->facts->owner[keyed->node] == OWNER_OTHERS);
}

/* context.cancelCtx.children: each of them takes itself out when it is cancelled. */
static bool is_of_contexts(const char *type)
{
	return type && !strcmp(type, "map[context.canceler]struct {}");
}

/* "kept by keys of map[*main.Session]int64"; "5,000 contexts not cancelled" */
static void add_title(const char *type, uint64_t keys, struct text *t)
{
	if (is_of_contexts(type)) {
		text_add_count(t, keys);
		text_add(t, keys == 1 ? " context not cancelled" : " contexts not cancelled");
		return;
	}
	text_printf(t, "kept by keys of %s", type ? type : "a map");
}

static struct err *add_evidence(struct report *r, const struct graph *g, const struct by_keys *k,
				struct rp_suspect *out)
{
	const struct keyed *keyed = &g->keyeds[k->keyed];
	struct text t = TEXT_INIT;
	struct err *err;

	text_add_count(&t, keyed->keys);
	err = evidence_add(r, out, "entries", text_str(&t));
	text_reset(&t);
	text_add_bytes(&t, k->total.bytes / (keyed->keys ? keyed->keys : 1));
	if (!err)
		err = evidence_add(r, out, "for each of them", text_str(&t));
	text_fini(&t);
	return err;
}

struct ours {
	const uint16_t *keyed;
	uint16_t label;
};

static bool is_ours(const void *ctx, node_id node)
{
	const struct ours *o = ctx;

	return o->keyed[node] == o->label;
}

static struct err *add_suspect(const struct subject *s, struct report *r, uint64_t i)
{
	const struct by_keys *k = &s->facts->by_keys[i];
	const struct ours ours = { s->facts->keyed, (uint16_t)(i + 1) };
	node_id header = s->graph->keyeds[k->keyed].node;
	const char *type = node_type(s->graph, header);
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "growth/map-keys",
		.type = type,
		.count = k->total.count,
		.bytes = k->total.bytes,
		.retained = k->total.bytes,
		.confidence = CONF_RUNTIME,
		.container = graph_key(s->graph, header),
		.has_chain = true,
	};
	struct err *err;

	add_title(type, s->graph->keyeds[k->keyed].keys, &title);
	if (is_of_contexts(type))
		out.advice = "call what WithCancel, WithTimeout or WithDeadline returned when "
			     "the work is done: defer cancel() (go vet: lostcancel)";
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!out.title)
		return &err_nomem;
	err = addresses_add(s, r, k->worst, k->n_worst, &out);
	if (!err)
		err = chain_to(s, r, k->worst[0], &out.chain);
	if (!err)
		err = add_evidence(r, s->graph, k, &out);
	if (!err)
		err = evidence_sites(s, r, &out, is_ours, &ours);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static struct err *map_keys_run(struct env *env, const struct subject *s, struct report *r)
{
	struct err *err = NULL;
	size_t shown = 0;

	(void)env;
	for (uint64_t i = 0; i < s->facts->n_by_keys && shown < SUSPECTS_PER_RULE && !err; i++) {
		const struct by_keys *k = &s->facts->by_keys[i];

		if (!k->n_worst || !is_told(s, k))
			continue;
		shown++;
		err = add_suspect(s, r, i);
	}
	return err;
}

const struct analysis_ops map_keys_analysis = {
	.name = "map keys",
	.summary = "maps whose keys keep what they point at",
	.needs = FACT_BY_KEYS | FACT_OWNER | FACT_REACH | FACT_PARENT,
	.run = map_keys_run,
};
