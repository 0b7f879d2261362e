/* capture_name.c - names from a set that stores, shells and file systems all take. */
#include "capture_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/guard.h"
#include "base/text.h"

bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

void make_safe(char *s)
{
	for (; *s; s++)
		if (!isascii(*s) || (!isalnum(*s) && !strchr("._-", *s)))
			*s = '_';
}

char *capture_name(const char *dir, const char *comm, pid_t pid, const char *ending)
{
	_free_ char *safe = strdup(comm);
	struct timespec now;
	char when[32];
	struct tm tm;

	if (!safe)
		return NULL;
	make_safe(safe);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	return text_format("%s%sheapfx-%s-%09ld-%s-%d%s", dir ? dir : "", dir ? "/" : "", when,
			   now.tv_nsec, safe, (int)pid, ending);
}

const char *capture_ending(bool bundle, bool packed, bool bare)
{
	if (bundle)
		return packed ? ".tar.zst" : ".tar";
	if (bare)
		return packed ? ".zst" : "";
	return packed ? ".core.zst" : ".core";
}

char *capture_meta_name(const char *path)
{
	static const char *const ends[] = { ".zst", ".tar", ".core" };
	size_t n = strlen(path);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t e = strlen(ends[i]);

		if (n > e && !strncmp(path + n - e, ends[i], e) && path[n - e - 1] != '/')
			n -= e;
	}
	return text_format("%.*s.json", (int)n, path);
}

void capture_time(char *ret, size_t n)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(ret, n, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
