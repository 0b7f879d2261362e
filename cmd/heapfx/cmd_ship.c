/*
 * cmd_ship.c - files to where they are kept; a directory is a spool, whose files go when they are
 * safe.
 *
 * The spool's state is the spool: a file is there until a store has confirmed that it has it, and
 * sending it again finds it there.  NAME.upload has the number of an upload in parts that is under
 * way; one that a killed sender left is ended first, so that its parts are paid for no longer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "capture/caps.h"
#include "capture/confine.h"
#include "capture_name.h"
#include "commands.h"
#include "pipeline.h"
#include "shipping.h"

enum { NOTE_MAX = 4096 };
static const char note_mark[] = "heapfx-upload/1 ";

struct sender {
	struct run run;
	struct ship ship;
	bool has_ship;
	/* of the file under way */
	int dir; /* -1: not in a spool */
	char *note; /* in `dir`: NAME.upload */
};

static volatile sig_atomic_t asked_to_end;

static void on_end(int sig)
{
	(void)sig;
	asked_to_end = 1;
}

/* ---- what is told */

static const char piped[] = "standard input";

static void add_json(struct text *t, const char *key, const char *value)
{
	text_printf(t, "\"%s\":\"", key);
	for (; *value; value++)
		text_printf(t, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	text_add(t, "\",");
}

static void tell(const struct sender *s, const char *path, const char *place,
		 const struct s3_object *o)
{
	bool json = s->run.opt->format && !strcmp(s->run.opt->format, "json");
	struct text name = TEXT_INIT, where = TEXT_INIT, line = TEXT_INIT;

	text_add_escaped(&name, path, strlen(path));
	text_add_escaped(&where, place, strlen(place));
	if (json) {
		text_add(&line, "{");
		add_json(&line, "file", text_str(&name));
		add_json(&line, "to", text_str(&where));
		text_printf(&line, "\"bytes\":%llu,\"was_there\":%s}", (unsigned long long)o->sent,
			    o->was_there ? "true" : "false");
	} else {
		if (path != piped) /* of a capture's own pipe nobody knows */
			text_printf(&line, "%s ", text_str(&name));
		text_printf(&line, "%s %s, ",
			    o->was_there  ? "was there already:" :
			    path == piped ? "sent to" :
					    "is now",
			    text_str(&where));
		text_add_bytes(&line, o->sent);
	}
	puts(text_str(&line));
	fflush(stdout);
	text_fini(&name);
	text_fini(&where);
	text_fini(&line);
}

/* ---- uploads that were left */

static struct err *note_upload(void *arg, const char *id)
{
	struct sender *s = arg;
	_close_ int fd = -1;
	struct text t = TEXT_INIT;
	bool ok;

	if (s->dir < 0)
		return NULL;
	unlinkat(s->dir, s->note, 0);
	if (!id)
		return NULL;
	fd = openat(s->dir, s->note, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	text_printf(&t, "%s%s\n", note_mark, id);
	ok = fd >= 0 && !t.bad && write(fd, t.s, t.n) == (ssize_t)t.n && !fsync(fd);
	text_fini(&t);
	return ok ? NULL : err_os(errno, "%s", s->note);
}

static struct err *end_left_upload(struct sender *s, const char *name)
{
	_close_ int fd = openat(s->dir, s->note, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[NOTE_MAX + 1];
	ssize_t n = fd < 0 ? 0 : read(fd, text, NOTE_MAX);
	const size_t k = strlen(note_mark);

	if (n <= 0 || !s->ship.s3)
		return NULL;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	if (!strncmp(text, note_mark, k) && text[k]) {
		struct err *err = s3_abort(s->ship.s3, name, text + k);

		if (err)
			return err_wrap(err, "ending an upload that was left");
	}
	unlinkat(s->dir, s->note, 0);
	return NULL;
}

/* ---- one file */

static struct err *run_command(const char *command, const char *path)
{
	const char *const argv[] = { "sh", "-c", command, "heapfx", path, NULL };
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv("/bin/sh", (char *const *)argv);
		_exit(127);
	}
	if (child < 0)
		return err_os(errno, "fork");
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_os(errno, "waiting for the command");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	return err_new(ERR_OS, "the command did not end with status 0");
}

/* What of a name another store might not take becomes '_'. */
static char *store_name(const struct sender *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = strdup(s->run.opt->name ? s->run.opt->name : slash ? slash + 1 : path);

	if (name)
		make_safe(name);
	return name;
}

static struct err *put(struct sender *s, const char *path, int fd)
{
	_free_ char *name = store_name(s, path), *place = NULL;
	struct s3_object o = { .name = name, .fd = fd, .note_upload = note_upload, .arg = s };
	struct err *err;

	if (!name)
		return &err_nomem;
	if (s->has_ship) {
		err = s->dir >= 0 ? end_left_upload(s, name) : NULL;
		if (!err)
			err = ship_put(&s->ship, &o);
		place = err ? NULL : ship_place(&s->ship, name);
	} else {
		struct stat st;

		err = run_command(s->run.opt->exec, path);
		o.sent = !err && !fstat(fd, &st) ? (uint64_t)st.st_size : 0;
		place = strdup("where the command puts it");
	}
	if (!err && !place)
		err = &err_nomem;
	if (!err)
		tell(s, path, place, &o);
	return err ? err_wrap(err, "%s", path) : NULL;
}

/* Another sender has it: its business. */
static struct err *open_file(int dir, const char *name, const char *path, int *ret)
{
	_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_os(errno, "%s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return err_new(ERR_USAGE, "%s is no plain file", path);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return err_os(errno, "%s is being written or sent by another process", path);
	*ret = fd;
	fd = -1;
	return NULL;
}

/* ---- a spool */

struct names {
	char **v;
	size_t n, cap;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *list_spool(int dir, struct names *ret)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct err *err = d ? NULL : err_os(errno, "the spool");
	struct dirent *e;

	while (!err && (e = readdir(d))) {
		char *name = shipping_is_spooled(e->d_name) ? strdup(e->d_name) : NULL;

		if (!name)
			continue;
		if (!vec_push(ret, &name)) {
			free(name);
			err = &err_nomem;
		}
	}
	if (d)
		closedir(d);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return err;
}

static bool is_that_file(int dir, const char *name, int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* `ret_opened`: what went wrong is not the file's own. */
static struct err *ship_spooled(struct sender *s, const char *name, const char *path,
				bool *ret_opened)
{
	_close_ int fd = -1;
	struct err *err = open_file(s->dir, name, path, &fd);

	*ret_opened = !err;
	if (err && (err->os_errno == EWOULDBLOCK || err->os_errno == ENOENT)) {
		err_free(err);
		return NULL;
	}
	if (!err)
		err = put(s, path, fd);
	if (!err && is_that_file(s->dir, name, fd) && unlinkat(s->dir, name, 0))
		err = err_os(errno, "%s is safe and cannot be removed", path);
	return err;
}

/* One that is refused or cannot be read is no reason to keep others; a store that is away is. */
static struct err *ship_spool(struct sender *s, const char *dir)
{
	struct names names = {};
	struct err *err = list_spool(s->dir, &names), *first = NULL;

	for (size_t i = 0; !err && i < names.n && !asked_to_end; i++) {
		_free_ char *path = text_format("%s/%s", dir, names.v[i]);
		struct err *why;
		bool opened = true;

		free(s->note);
		s->note = text_format("%s.upload", names.v[i]);
		why = path && s->note ? ship_spooled(s, names.v[i], path, &opened) : &err_nomem;
		if (why && why->kind != ERR_USAGE && opened)
			err = why;
		else if (first)
			err_free(why);
		else
			first = why;
	}
	for (size_t i = 0; i < names.n; i++)
		free(names.v[i]);
	free(names.v);
	if (err)
		err_free(first);
	return err ? err : first;
}

static struct err *ship_one(struct sender *s, const char *path)
{
	_close_ int fd = -1, dir = -1;
	struct err *err;

	if (!strcmp(path, "-"))
		return s->run.opt->name ? put(s, piped, STDIN_FILENO) :
					  err_new(ERR_USAGE, "standard input needs a --name");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && s->ship.kind == SHIP_URL && s->has_ship)
		return err_new(ERR_USAGE, "a URL is for one file");
	if (dir >= 0) {
		s->dir = dir;
		err = ship_spool(s, path);
		s->dir = -1;
		return err;
	}
	err = open_file(AT_FDCWD, path, path, &fd);
	return err ? err : put(s, path, fd);
}

/* ---- all of them */

static struct err *check(const struct options *opt, const char *url)
{
	unsigned ways = (opt->to != NULL) + (opt->exec != NULL) + (url != NULL);

	if (ways != 1)
		return err_new(ERR_USAGE, "one of --to, --put-url and --exec says where");
	if ((opt->name || url) && opt->n_args > 1)
		return err_new(ERR_USAGE, "--name and --put-url are for one file");
	return NULL;
}

/* It writes to spools, and to the directory that is the place; a user's command where it likes. */
static void give_up_rights(const struct sender *s)
{
	const struct options *opt = s->run.opt;
	struct confine c = { .network = s->ship.kind != SHIP_FILE };

	caps_keep(CAPS_FILES);
	if (opt->exec)
		return;
	for (unsigned i = 0; i < opt->n_args; i++)
		c.writable[c.n_writable++] = opt->args[i];
	if (!c.network)
		c.writable[c.n_writable++] = ship_directory(&s->ship);
	confine(&c);
}

static struct err *ship_all(struct sender *s, const struct options *opt)
{
	_free_ char *url = NULL;
	struct ship_config c;
	struct err *err = shipping_config(opt, &c, &url);

	if (!err)
		err = check(opt, url);
	if (err)
		return err;
	c.stop = &asked_to_end;
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	if (!opt->exec) {
		err = ship_open(&c, &s->ship);
		s->has_ship = !err;
	}
	if (!err)
		give_up_rights(s);
	for (unsigned i = 0; !err && i < opt->n_args && !asked_to_end; i++)
		err = ship_one(s, opt->args[i]);
	if (!err && asked_to_end)
		err = err_new(ERR_LIMIT, "ended by a signal");
	if (s->has_ship)
		ship_close(&s->ship);
	return err;
}

enum exit_status cmd_ship(const struct options *opt)
{
	struct sender s = { .dir = -1 };
	enum exit_status status;
	struct err *err;
	bool refused;

	run_start(&s.run, opt);
	err = ship_all(&s, opt);
	free(s.note);
	refused = err && s.has_ship; /* what a store says is no wrong use */
	status = run_end_capture(&s.run, err);
	return refused ? EXIT_CAPTURE : status;
}
