/*
 * image/go_anchors.c - where the runtime keeps its variables.
 *
 * Three ways: symbols; operands of functions that are known to use a variable, found by name in the
 * function table and decoded; a search of the module's data for the structure itself.  A candidate
 * counts when the structure behind it holds together (go_check.c).
 */
#include "image/go_anchors.h"

#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "image/go_check.h"
#include "image/go_func.h"
#include "image/insn.h"

typedef bool (*check_fn)(const struct go *go, taddr addr);

static void count(struct go *go, bool ok)
{
	if (ok)
		go->checks_passed++;
	else
		go->checks_failed++;
}

static taddr symbol_of(const struct go *go, const char *name)
{
	struct symbol s;

	return image_symbol(go->img, go->module, name, &s) ? s.addr : 0;
}

struct err *go_anchors_find(struct go *go)
{
	static const struct {
		const char *name;
		size_t at;
		check_fn check;
	} vars[] = {
		{ "runtime.mheap_", offsetof(struct go_anchors, mheap), go_is_mheap },
		{ "runtime.allgs", offsetof(struct go_anchors, allgs), go_is_allgs },
		{ "runtime.allp", offsetof(struct go_anchors, allp), go_is_allp },
		{ "runtime.allm", offsetof(struct go_anchors, allm), go_is_allm },
		{ "runtime.sched", offsetof(struct go_anchors, sched), NULL },
		{ "runtime.gcController", offsetof(struct go_anchors, gcController), NULL },
		{ "runtime.memstats", offsetof(struct go_anchors, memstats), NULL },
		{ "runtime.work", offsetof(struct go_anchors, work), NULL },
		{ "runtime.gcphase", offsetof(struct go_anchors, gcphase), NULL },
		{ "runtime.gcBlackenEnabled", offsetof(struct go_anchors, gcBlackenEnabled), NULL },
		{ "runtime.mbuckets", offsetof(struct go_anchors, mbuckets), NULL },
		{ "runtime.finq", offsetof(struct go_anchors, finq), NULL },
		{ "runtime.allfin", offsetof(struct go_anchors, allfin), NULL },
		{ "runtime.gcCleanups", offsetof(struct go_anchors, gcCleanups), NULL },
		{ "runtime.stackpool", offsetof(struct go_anchors, stackpool), NULL },
		{ "runtime.stackLarge", offsetof(struct go_anchors, stackLarge), NULL },
		{ "runtime.persistentChunks", offsetof(struct go_anchors, persistentChunks), NULL },
		{ "sync.allPools", offsetof(struct go_anchors, pool_all), NULL },
		{ "sync.oldPools", offsetof(struct go_anchors, pool_old), NULL },
		{ "runtime.waitReasonStrings", offsetof(struct go_anchors, wait_reasons), NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(vars); i++) {
		taddr addr = symbol_of(go, vars[i].name);
		bool ok = addr && (!vars[i].check || vars[i].check(go, addr));

		if (vars[i].check)
			count(go, ok);
		if (ok)
			memcpy((uint8_t *)&go->at + vars[i].at, &addr, sizeof(addr));
	}
	while (go->at.wait_reasons && go->at.n_wait_reasons < 256) {
		char text[64];

		if (!go_string(go, go->at.wait_reasons + go->at.n_wait_reasons * 16, text, sizeof(text)) ||
		    (!*text && go->at.n_wait_reasons))
			break;
		go->at.n_wait_reasons++;
	}
	snprintf(go->how, sizeof(go->how), "symbols");
	return NULL;
}
