/*
 * type/registry.c - the rooters, in the order they are asked: the first to name a place names it;
 * and the typers: of two that are as sure, the first; and the finders of pools.
 */
#include "type/noter.h"
#include "type/pools.h"
#include "type/rooter.h"
#include "type/typer.h"

extern const struct rooter_ops rooter_go, rooter_threads, rooter_ended, rooter_python, rooter_globals,
	rooter_mappings;

const struct rooter_ops *const rooter_registry[] = {
	&rooter_go, &rooter_threads, &rooter_ended, &rooter_python, &rooter_globals, &rooter_mappings, NULL,
};

extern const struct typer_ops typer_go, typer_native, typer_pools, typer_python;

const struct typer_ops *const typer_registry[] = {
	&typer_go, &typer_python, &typer_pools, &typer_native, NULL,
};

extern const struct pool_ops pools_builtin, pools_gslice, pools_luajit, pools_memcached, pools_postgres,
	pools_talloc, pools_zend;

const struct pool_ops *const pool_registry[] = {
	&pools_builtin, &pools_gslice, &pools_luajit, &pools_memcached, &pools_postgres, &pools_talloc, &pools_zend, NULL,
};

extern const struct noter_ops noter_go_copies, noter_go_finalizers, noter_go_maps, noter_go_pools,
	noter_go_slack, noter_go_sync_maps, noter_go_waits, noter_copies, noter_native_counts,
	noter_native_slack;

const struct noter_ops *const noter_registry[] = {
	&noter_go_copies, &noter_go_finalizers, &noter_go_maps,	 &noter_go_pools,
	&noter_go_slack,  &noter_go_sync_maps, &noter_go_waits,	 &noter_copies,
	&noter_native_counts, &noter_native_slack, NULL,
};
