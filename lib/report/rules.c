/*
 * report/rules.c - the rules: stable ids, how bad, what they mean, what to do.
 *
 * docs/rules/ has a page for each; ids are never reused.
 */
#include "report/report.h"

#include <assert.h>
#include <string.h>

const struct rule rules[] = {
	{ "lost/definite", SEV_ERROR,
	  "used blocks that nothing points at: nobody can free them any more",
	  "free it where its last pointer is dropped or overwritten" },
	{ "lost/indirect", SEV_WARNING, "used blocks that only lost blocks hold",
	  "fix the lost block that holds them: they go with it" },
	{ "lost/possible", SEV_WARNING, "used blocks that only pointers into their middle hold",
	  "look whether the program keeps such pointers on purpose; if not, it is a leak" },
	{ "uncollected/garbage", SEV_NOTE,
	  "a collector's objects that nothing reaches: its next cycle frees them",
	  "no leak; if it is too much, let the collector run sooner (Go: lower GOGC, or set "
	  "GOMEMLIMIT; Python: gc.collect(), and no gc.disable() or gc.freeze() left on)" },
	{ "cycle/unreachable", SEV_WARNING,
	  "a ring of blocks that point at each other and nothing else points at",
	  "break the ring when its owner goes: clear one link, or make it weak" },
	{ "cycle/refcount", SEV_WARNING, "a ring of reference-counted objects keeps itself alive",
	  "make one reference of the ring weak" },
	{ "cycle/finalizer", SEV_WARNING,
	  "a ring with a finalizer, which its collector will not break",
	  "break the ring by hand, or drop the finalizer" },
	{ "growth/accumulation", SEV_WARNING,
	  "one owner keeps a large part through a collection of like things",
	  "bound the collection, or remove entries when they are done" },
	{ "growth/large-block", SEV_NOTE, "a few blocks are a large part of all live memory",
	  "look whether it must be this large, and whether it must live this long" },
	{ "growth/map-keys", SEV_NOTE,
	  "the keys of a map are pointers, and alone keep what lies behind them",
	  "use an id or a weak pointer as the key, or delete entries whose key is done with" },
	{ "growth/goroutines", SEV_WARNING,
	  "many goroutines that one function started, and what they keep",
	  "bound how many run at once, and give each of them an end: a context, a deadline" },
	{ "parked/pool", SEV_NOTE, "objects that only a pool keeps", "bound the pool" },
	{ "parked/pool-large-buffer", SEV_WARNING, "a pool keeps a few very large buffers alive",
	  "drop buffers over a limit instead of giving them back to the pool" },
	{ "parked/pool-dirty", SEV_WARNING,
	  "pooled objects still hold what their last user left in them",
	  "clear an object before it goes back to its pool" },
	{ "parked/pool-no-reuse", SEV_NOTE, "a pool that is filled but not drawn from",
	  "take from the pool, or drop it" },
	{ "parked/pool-escaped", SEV_WARNING, "an object is in a pool and in use at once",
	  "give it back once, and keep no pointer to it after that" },
	{ "parked/finalizer", SEV_NOTE, "objects that only wait for their finalizer",
	  "find what blocks the finalizer, or release by hand" },
	{ "slack/map-dead", SEV_NOTE, "empty or deleted slots of maps",
	  "rebuild the map after mass deletion" },
	{ "slack/capacity", SEV_NOTE, "capacity past the length",
	  "reserve less, or shrink to fit" },
	{ "slack/subslice", SEV_NOTE, "a small slice keeps a large array",
	  "copy the part that is kept" },
	{ "slack/empty", SEV_NOTE, "collections that hold nothing",
	  "make them when the first entry comes" },
	{ "free-held/fragmentation", SEV_WARNING,
	  "free memory between used blocks, which cannot go back to the system",
	  "give long-lived blocks their own arena, use fewer arenas (M_ARENA_MAX), or call "
	  "malloc_trim()" },
	{ "free-held/pinned", SEV_NOTE,
	  "a few used blocks keep much free memory from going back to the system",
	  "allocate what lives long before the burst" },
	{ "free-held/thread-cache", SEV_NOTE, "free blocks that thread caches keep to themselves",
	  "use fewer threads, or lower glibc.malloc.tcache_count" },
	{ "free-held/idle-spans", SEV_NOTE, "idle spans that the runtime has not given back",
	  "set a memory limit, or have the runtime return memory" },
	{ "stuck/goroutine", SEV_ERROR, "goroutines that wait for what nothing can bring",
	  "close the channel, or select on a context" },
	{ "stuck/thread", SEV_ERROR, "threads that wait forever",
	  "look at what the lock's owner waits for" },
	{ "duplicate/content", SEV_NOTE, "the same contents held many times", "share one copy" },
	{ "heap/corrupt", SEV_ERROR, "the allocator's own records are damaged",
	  "run under AddressSanitizer: the block before the first damaged one is the usual "
	  "culprit" },
	{ "budget/exceeded", SEV_ERROR, "a limit that the project has set itself is exceeded",
	  "look at what the limit is on, and make it smaller; or raise the limit" },
	{ "stack/oversized", SEV_NOTE, "a stack far larger than what it uses",
	  "use smaller buffers, or smaller stacks" },
};
const size_t n_rules = sizeof(rules) / sizeof(rules[0]);

const struct rule *rule_find(const char *id)
{
	for (size_t i = 0; i < n_rules; i++)
		if (!strcmp(rules[i].id, id))
			return &rules[i];
	return NULL;
}

const struct rule *rule_get(const char *id)
{
	const struct rule *rule = rule_find(id);

	assert(rule);
	return rule ? rule : &rules[0];
}
