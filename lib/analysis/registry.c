/* analysis/registry.c - the analyses in the order they run; ranking comes last. */
#include "analysis/analysis.h"

extern const struct analysis_ops leaks_analysis, ref_rings_analysis, cycles_analysis,
	suspects_analysis, frag_analysis, owned_analysis, stuck_analysis, crowds_analysis,
	final_rings_analysis, slack_analysis, copies_analysis, map_keys_analysis, types_analysis,
	keepers_analysis, looks_analysis, uncollected_analysis, samples_analysis, join_analysis,
	sites_analysis, holders_analysis, rank_analysis;

const struct analysis_ops *const analysis_registry[] = {
	&leaks_analysis,
	&ref_rings_analysis,
	&cycles_analysis,
	&suspects_analysis,
	&frag_analysis,
	&owned_analysis,
	&stuck_analysis,
	&crowds_analysis,
	&final_rings_analysis,
	&slack_analysis,
	&map_keys_analysis,
	&copies_analysis,
	&types_analysis,
	&keepers_analysis,
	&looks_analysis,
	&uncollected_analysis,
	&samples_analysis,
	&join_analysis,
	&sites_analysis,
	&holders_analysis,
	&rank_analysis,
	NULL,
};
