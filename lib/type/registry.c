/* type/registry.c - the rooters, in the order they are asked: the first to name a place names it. */
#include "type/rooter.h"

extern const struct rooter_ops rooter_threads, rooter_globals, rooter_mappings;

const struct rooter_ops *const rooter_registry[] = { &rooter_threads, &rooter_globals, &rooter_mappings, NULL };
