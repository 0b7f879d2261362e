/*
 * analysis/join.c - what two rules say of the same blocks is told once: by the one that says more.
 *
 * suspects.c names the rule by which most of what an owner keeps is told (`told_by`); the suspect
 * of that rule with the same container, the same type, or a block in common takes the other's words
 * as evidence, and a finding of the other rule refers to it.  So does one of equal contents that
 * has half of the bytes and a block in common, and one of room that is not used, where that is half
 * of the blocks that the other names.  Runs before the ranking.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

static bool shares_block(const struct rp_suspect *a, const struct rp_suspect *b)
{
	for (size_t i = 0; i < a->n_addresses; i++)
		for (size_t k = 0; k < b->n_addresses; k++)
			if (a->addresses[i] == b->addresses[k])
				return true;
	return false;
}

/* By size alone. */
static bool is_growth(const struct rp_suspect *s)
{
	return !strcmp(s->rule, "growth/accumulation") || !strcmp(s->rule, "growth/large-block");
}

/* The blocks that `s` names are those of the other, and most of each is not in use. */
static bool is_room(const struct rp_suspect *other, const struct rp_suspect *s)
{
	return !strncmp(other->rule, "slack/", strlen("slack/")) && shares_block(other, s) &&
	       other->retained >= s->bytes / 2;
}

static bool says_more(const struct rp_suspect *other, const struct rp_suspect *s)
{
	if (!strcmp(other->rule, "duplicate/content"))
		return other->retained >= s->retained / 2 && shares_block(other, s);
	if (is_room(other, s))
		return true;
	if (!s->told_by || strcmp(other->rule, s->told_by))
		return false;
	if (s->told_of)
		return other->container == s->told_of;
	if (s->told_type)
		return other->type && !strcmp(other->type, s->told_type);
	return shares_block(other, s);
}

static struct err *join(struct report *r, const struct rp_suspect *s, size_t into)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_add(&t, s->title);
	text_add(&t, ", ");
	text_add_bytes(&t, s->retained);
	err = evidence_add(r, &r->suspects.v[into], "a large part", text_str(&t));
	if (!err)
		err = finding_add(r, s->rule, (int64_t)into, text_str(&t));
	text_fini(&t);
	return err;
}

/* The suspects behind one that is gone move up. */
static void drop(struct report *r, size_t at)
{
	memmove(&r->suspects.v[at], &r->suspects.v[at + 1],
		(r->suspects.n - at - 1) * sizeof(*r->suspects.v));
	r->suspects.n--;
	for (size_t i = 0; i < r->findings.n; i++)
		if (r->findings.v[i].suspect > (int64_t)at)
			r->findings.v[i].suspect--;
}

static struct err *join_run(struct env *env, const struct subject *s, struct report *r)
{
	(void)env;
	(void)s;
	for (size_t i = 0; i < r->suspects.n;) {
		struct rp_suspect was = r->suspects.v[i];
		size_t into = 0;
		struct err *err;

		while (into < r->suspects.n && !says_more(&r->suspects.v[into], &was))
			into++;
		if (!is_growth(&was) || into == r->suspects.n) {
			i++;
			continue;
		}
		err = join(r, &was, into);
		if (err)
			return err;
		drop(r, i);
	}
	return NULL;
}

const struct analysis_ops join_analysis = {
	.name = "join",
	.summary = "what two rules say of the same blocks",
	.run = join_run,
};
