/* report/registry.c - the formats a report can be written in; the first is the default. */
#include "report/report.h"

#include <string.h>

extern const struct writer_ops text_writer, json_writer, pprof_writer, folded_writer,
	heap_samples_writer,
	speedscope_writer, go_heap_writer, go_allocs_writer, go_block_writer, go_mutex_writer,
	markdown_writer, sarif_writer, junit_writer, github_writer, gitlab_writer,
	openmetrics_writer, html_writer, svg_writer;

const struct writer_ops *const writer_registry[] = {
	&text_writer, &json_writer, &pprof_writer, &folded_writer, &speedscope_writer,
	&heap_samples_writer,
	&go_heap_writer, &go_allocs_writer, &go_block_writer, &go_mutex_writer, &markdown_writer,
	&sarif_writer, &junit_writer, &github_writer, &gitlab_writer, &openmetrics_writer,
	&html_writer, &svg_writer, NULL,
};

const struct writer_ops *writer_by_name(const char *name)
{
	for (const struct writer_ops *const *w = writer_registry; *w; w++)
		if (!strcmp((*w)->name, name))
			return *w;
	return NULL;
}
