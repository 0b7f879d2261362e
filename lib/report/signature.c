/*
 * report/signature.c - what a suspect is, without what differs from run to run: its rule, its type
 * and the names along its chain, but no addresses or counts.  A block of no known type is its size.
 * Of copies of one thing the chain leads to any: there it is the size.
 */
#include <inttypes.h>
#include <string.h>

#include "report/report.h"

static void add_part(struct text *t, const char *s)
{
	text_add(t, "|");
	text_add(t, s ? s : "");
}

static void suspect_signature(const struct rp_suspect *s, struct text *ret)
{
	const struct rp_chain *c = &s->chain;

	text_add(ret, s->rule);
	add_part(ret, s->type);
	if (!s->has_chain)
		return;
	if (!strcmp(s->rule, "duplicate/content")) { /* who holds the first of many is chance */
		if (c->n_hops)
			text_printf(ret, "|%" PRIu64, c->hops[c->n_hops - 1].size);
		return;
	}
	add_part(ret, c->root.kind);
	add_part(ret, c->root.symbol ? c->root.symbol : c->root.function);
	for (size_t i = 0; i < c->n_hops; i++) {
		/* Names that hold keys or indexes stand for all of their kind. */
		const char *name = c->hops[i].via_name, *bracket = name ? strchr(name, '[') : NULL;

		add_part(ret, c->hops[i].type);
		if (!c->hops[i].type)
			text_printf(ret, "%" PRIu64, c->hops[i].size);
		text_add(ret, "|");
		if (name)
			text_add_n(ret, name, bracket ? (size_t)(bracket - name) : strlen(name));
	}
}

/* FNV-1a, 64 bits (isthe.com/chongo/tech/comp/fnv). */
uint64_t text_hash(const char *s)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *s; s++)
		hash = (hash ^ (uint8_t)*s) * 0x100000001b3;
	return hash;
}

uint64_t suspect_fingerprint(const struct rp_suspect *s)
{
	struct text t = TEXT_INIT;
	uint64_t hash;

	if (s->signature)
		return s->signature;
	suspect_signature(s, &t);
	hash = text_hash(text_str(&t));
	text_fini(&t);
	return hash;
}
