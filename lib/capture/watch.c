/* capture/watch.c - thresholds with hysteresis, and the processes of a cgroup. */
#include "capture/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "capture/proc.h"

enum { DIRS_MAX = 4096 };

const char *watch_verdict_name(enum watch_verdict v)
{
	static const char *const names[] = { "calm",	 "threshold", "events",
					     "pressure", "cooling",   "spent" };

	return names[v];
}

unsigned watch_percent(const struct watch_sample *s)
{
	uint64_t file = s->memcg.inactive_file, used = s->memcg.current;

	used = used > file ? used - file : 0;
	if (!s->limit || used >= s->limit)
		return 100;
	return (unsigned)((double)used * 100 / (double)s->limit);
}

enum watch_verdict watch_decide(const struct watch_rule *rule, const struct watch_sample *s,
				uint64_t now, struct watch_state *state)
{
	unsigned percent = watch_percent(s);
	enum watch_verdict v = percent >= rule->threshold     ? WATCH_ABOVE :
			       percent < rule->rearm	      ? WATCH_CALM :
			       s->hit			      ? WATCH_EVENTS :
			       s->pressure		      ? WATCH_PRESSURE :
								WATCH_CALM;

	if (percent < rule->rearm)
		state->fired = false;
	if (v == WATCH_CALM)
		return v;
	if (state->captures >= rule->most)
		return WATCH_SPENT;
	/* a clock that was set back is no reason to wait for ever */
	if (state->fired || (state->last && now >= state->last &&
			     now - state->last < rule->cool_down_s))
		return WATCH_COOLING;
	return v;
}

void watch_captured(struct watch_state *state, uint64_t now)
{
	state->fired = true;
	state->captures++;
	state->last = now;
}

void watch_failed(struct watch_state *state)
{
	state->captures -= state->captures > 0;
}

bool watch_state_parse(const char *text, struct watch_state *ret)
{
	unsigned long long fired, captures, last;

	if (sscanf(text, "heapfx-watch/1 %llu %llu %llu", &fired, &captures, &last) != 3 || fired > 1)
		return false;
	*ret = (struct watch_state){ fired, captures, last };
	return true;
}

/* ---- processes */

struct choice {
	enum watch_pick pick;
	const char *name;
	pid_t best;
	uint64_t size;
};

/* Its number in its own namespace is the last of "NSpid: 4711 1". */
static bool is_init(pid_t pid)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct err *err = proc_read(pid, "status", &b);
	const char *line = err ? NULL : strstr((char *)b.v, "\nNSpid:");
	size_t n;

	err_free(err); /* it ended */
	if (!line)
		return false;
	n = strcspn(line + 1, "\n");
	return n > 2 && line[n] == '1' && (line[n - 1] == '\t' || line[n - 1] == ' ');
}

static void consider(struct choice *c, pid_t pid)
{
	struct proc_stat st;
	struct err *err = proc_stat(pid, 0, &st);
	uint64_t kib = 0;

	if (err || st.state == 'Z' || pid == getpid()) {
		err_free(err); /* it ended since it was listed */
		return;
	}
	if ((c->pick == WATCH_INIT && !is_init(pid)) ||
	    (c->pick == WATCH_NAMED && strcmp(st.comm, c->name)))
		return;
	proc_status_number(pid, "RssAnon", &kib);
	if (!c->best || kib > c->size) {
		c->best = pid;
		c->size = kib;
	}
}

static void consider_all(struct choice *c, const char *dir)
{
	int fd = memcg_open(dir, "cgroup.procs", O_RDONLY);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	long pid;

	while (f && fscanf(f, "%ld", &pid) == 1)
		if (pid > 0 && pid <= INT32_MAX)
			consider(c, (pid_t)pid);
	if (f)
		fclose(f);
	else
		guard_close(&fd);
}

static bool is_child_dir(const char *dir, DIR *d, const struct dirent *e, char **ret)
{
	struct stat st;

	if (*e->d_name == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISDIR(st.st_mode))
		return false;
	*ret = text_format("%s/%s", dir, e->d_name);
	return *ret;
}

/* A list of directories still to be read, instead of a recursion. */
static struct err *walk(struct choice *c, const char *top)
{
	struct {
		char **v;
		size_t n, cap;
	} dirs = {};
	char *first = strdup(top);
	struct err *err = first && vec_push(&dirs, &first) ? NULL : &err_nomem;

	for (size_t i = 0; !err && i < dirs.n && i < DIRS_MAX; i++) {
		int fd = proc_open_dir(dirs.v[i]);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *e;
		char *child;

		consider_all(c, dirs.v[i]);
		while (d && !err && (e = readdir(d)))
			if (is_child_dir(dirs.v[i], d, e, &child) && !vec_push(&dirs, &child))
				err = &err_nomem;
		if (d)
			closedir(d);
	}
	for (size_t i = 0; i < dirs.n; i++)
		free(dirs.v[i]);
	free(dirs.v);
	return err;
}

struct err *watch_choose(const char *dir, enum watch_pick pick, const char *name, pid_t *ret)
{
	struct choice c = { .pick = pick, .name = name };
	struct err *err = walk(&c, dir);

	if (!err && !c.best)
		err = err_os(ESRCH, "%s has no process that is wanted", dir);
	if (!err)
		*ret = c.best;
	return err;
}
