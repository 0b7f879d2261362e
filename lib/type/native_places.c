/*
 * type/native_places.c - which place a node of a list has that goes one way.
 *
 * A node of std::forward_list does not say what comes before it, so lists are gone along from where
 * their containers lie; a node that two lists lead to at different places has none.
 *
 * Source of truth: libstdc++ of GCC 5 to 14 (bits/forward_list.h): a node's first word leads on, the
 * last one's is 0.
 */
#include <stdlib.h>

#include "base/search.h"
#include "base/vec.h"
#include "type/native.h"

enum { PLACES_MAX = 1 << 20 }; /* of all lists; lists that loop, and the same one again and again, end there */

struct err *native_places_add(const struct native *n, struct native_places *places, taddr first)
{
	struct native_place row = { first, 0 };

	while (row.node && places->n < PLACES_MAX) {
		taddr next;

		if (image_read_u64(n->img, row.node, &next))
			return NULL;
		if (!vec_push(places, &row))
			return &err_nomem;
		row.node = next;
		row.place++;
	}
	return NULL;
}

static int by_node(const void *pa, const void *pb)
{
	const struct native_place *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

void native_places_sort(struct native_places *places)
{
	if (places->n)
		qsort(places->v, places->n, sizeof(*places->v), by_node);
}

bool native_places_find(const struct native_places *places, taddr node, uint64_t *ret)
{
	size_t i = partition_point(places->n, k, places->v[k].node < node);
	uint64_t place;

	if (i == places->n || places->v[i].node != node)
		return false;
	place = places->v[i].place;
	for (; i < places->n && places->v[i].node == node; i++)
		if (places->v[i].place != place)
			return false;
	*ret = place;
	return true;
}

void native_places_fini(struct native_places *places)
{
	free(places->v);
}
