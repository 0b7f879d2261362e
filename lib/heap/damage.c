/* damage.c - descriptions of damage: a bounded list, since one bad pointer may break a million blocks. */
#include "heap/damage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

static void keep(struct damages *d, const struct heap_damage *damage)
{
	if (d->n >= DAMAGE_MAX || !vec_push(d, damage))
		free(damage->what);
}

void damage_add_words(struct damages *d, struct env *env, taddr at, char *words)
{
	if (!words)
		return;
	diag(env, "heap/corrupt", at, "%s", words);
	keep(d, &(struct heap_damage){ at, words });
}

void damage_vadd(struct damages *d, struct env *env, taddr at, const char *fmt, va_list args)
{
	char *words;

	damage_add_words(d, env, at, vasprintf(&words, fmt, args) < 0 ? NULL : words);
}

void damage_add(struct damages *d, struct env *env, taddr at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	damage_vadd(d, env, at, fmt, args);
	va_end(args);
}

void damages_move(struct damages *to, struct damages *from)
{
	for (size_t i = 0; i < from->n; i++)
		keep(to, &from->v[i]);
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
