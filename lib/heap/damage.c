/* damage.c - descriptions of damage: a bounded list, since one bad pointer may break a million blocks. */
#include "heap/damage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

enum { BESIDE = 16 }; /* a header */

static void keep(struct damages *d, struct env *env, const struct heap_damage *damage)
{
	if (d->n < DAMAGE_MAX && vec_push(d, damage))
		return;
	diag(env, "heap/corrupt", damage->at, "%s", damage->what);
	free(damage->what);
}

void damage_add_words(struct damages *d, struct env *env, taddr at, taddr other, char *words)
{
	taddr low = at < other ? at : other, high = at < other ? other : at;

	if (words)
		keep(d, env,
		     &(struct heap_damage){ .at = at,
					    .low = low < BESIDE ? 0 : low - BESIDE,
					    .high = high > UINT64_MAX - BESIDE ? high : high + BESIDE,
					    .what = words });
}

void damage_vadd(struct damages *d, struct env *env, taddr at, const char *fmt, va_list args)
{
	char *words;

	damage_add_words(d, env, at, at, vasprintf(&words, fmt, args) < 0 ? NULL : words);
}

void damage_add(struct damages *d, struct env *env, taddr at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	damage_vadd(d, env, at, fmt, args);
	va_end(args);
}

void damages_move(struct damages *to, struct env *env, struct damages *from)
{
	for (size_t i = 0; i < from->n; i++)
		keep(to, env, &from->v[i]);
	free(from->v);
	*from = (struct damages){ 0 };
}

void damages_free(struct damages *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].what);
	free(d->v);
	*d = (struct damages){ 0 };
}
