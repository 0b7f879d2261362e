/* base/search.h - binary search over whatever can be indexed. */
#ifndef HEAPFX_BASE_SEARCH_H
#define HEAPFX_BASE_SEARCH_H

/*
 * The first i of [0, n) for which `below` no longer holds; n if it holds for all.  `below`, an
 * expression of `i`, must hold for a first part of them and for none behind it:
 *
 *	partition_point(n, i, v[i].addr <= at)	the first past `at`: what covers `at` is before it
 *	partition_point(n, i, v[i].addr < at) 	the first at or past `at`
 */
#define partition_point(n, i, below)                                   \
	({                                                             \
		typeof((n) + 0) low_ = 0, high_ = (n);                 \
                                                                       \
		while (low_ < high_) {                                 \
			typeof(low_) i = low_ + (high_ - low_) / 2;    \
                                                                       \
			if (below)                                     \
				low_ = i + 1;                          \
			else                                           \
				high_ = i;                             \
		}                                                      \
		low_;                                                  \
	})

#endif
