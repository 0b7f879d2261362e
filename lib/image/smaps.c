/* image/smaps.c - reads a saved /proc/PID/smaps. */
#include "image/smaps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum { LINE_MAX_BYTES = 8192, ROWS_MAX = 1 << 20 };

/* "00400000-004d5000 r-xp 00000000 fe:00 10848227   /usr/bin/x" */
static bool parse_header(const char *line, struct smaps_row *ret)
{
	char perms[5], path[2] = "";
	int fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %*u %1s", &ret->start,
			    &ret->end, perms, path);

	if (fields < 3 || ret->start >= ret->end)
		return false;
	ret->writable = perms[1] == 'w';
	ret->is_file = path[0] == '/';
	return true;
}

/* "Rss:  852 kB" of the mapping read last. */
static struct err *take_figure(struct smaps *s, const char *line)
{
	struct smaps_row *row = s->n ? &s->v[s->n - 1] : NULL;
	uint64_t kib;

	if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) != 1)
		return NULL;
	if (!row || kib > (row->end - row->start) >> 10)
		return err_new(ERR_FORMAT, "smaps: a mapping with more resident than it has");
	row->rss = kib << 10;
	s->rss += row->rss;
	return NULL;
}

static struct err *take_line(struct smaps *s, const char *line)
{
	struct smaps_row row = {};

	if (!parse_header(line, &row))
		return take_figure(s, line);
	if (s->n && row.start < s->v[s->n - 1].end)
		return err_new(ERR_FORMAT, "smaps: mappings that do not ascend");
	if (s->n == ROWS_MAX)
		return err_new(ERR_LIMIT, "smaps: more than %d mappings", (int)ROWS_MAX);
	return vec_push(s, &row) ? NULL : &err_nomem;
}

struct err *smaps_parse(const char *text, size_t n, struct smaps *ret)
{
	struct smaps s = {};
	struct err *err = NULL;
	char line[LINE_MAX_BYTES];

	while (n && !err) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			err = take_line(&s, line);
		}
		len += end != NULL;
		text += len;
		n -= len;
	}
	if (!err && !s.rss)
		err = err_new(ERR_FORMAT, "smaps: no mapping with a resident size in it");
	if (err)
		smaps_fini(&s);
	else
		*ret = s;
	return err;
}

void smaps_fini(struct smaps *s)
{
	free(s->v);
	*s = (struct smaps){};
}
