/* ship/ship.c - which kind of place it is, and the two that are not S3. */
#include "ship/ship.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "capture/outfile.h"
#include "ship/retry.h"

enum { COPY_STEP = 1 << 20 };
static const char file_scheme[] = "file:", s3_scheme[] = "s3://";

static bool is_safe_name(const char *s)
{
	if (!*s || *s == '.')
		return false;
	for (; *s; s++)
		if (!isascii(*s) || (!isalnum(*s) && !strchr("._-", *s)))
			return false;
	return true;
}

/* ---- another directory */

static struct err *copy(int from, int to, uint64_t *ret_n, const volatile sig_atomic_t *stop)
{
	_free_ char *v = malloc(COPY_STEP);
	struct err *err = v ? NULL : &err_nomem;
	ssize_t got = 1;

	for (*ret_n = 0; !err && got; *ret_n += got > 0 ? (uint64_t)got : 0) {
		got = read(from, v, COPY_STEP);
		if (stop && *stop)
			return err_new(ERR_LIMIT, "ended by a signal");
		if (got < 0 && errno != EINTR)
			return err_os(errno, "reading what is to be sent");
		if (got > 0 && !write_full(to, v, (size_t)got))
			err = err_os(errno, "writing");
	}
	return err;
}

/* A file of that name that is there, byte for byte. */
static bool is_same(int a, const char *path, uint64_t *ret_n)
{
	_close_ int b = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_free_ char *x = malloc(COPY_STEP), *y = malloc(COPY_STEP);
	ssize_t n = COPY_STEP;

	if (b < 0 || !x || !y)
		return false;
	for (*ret_n = 0; n == COPY_STEP; *ret_n += (uint64_t)n) {
		n = read_full(a, x, COPY_STEP);
		if (n < 0 || read_full(b, y, COPY_STEP) != n || memcmp(x, y, (size_t)n))
			return false;
	}
	return true;
}

const char *ship_directory(const struct ship *s)
{
	return s->c.to + strlen(file_scheme);
}

static struct err *put_file(struct ship *s, struct s3_object *o)
{
	_free_ char *path = text_format("%s/%s", ship_directory(s), o->name);
	_cleanup_(outfile_close) struct outfile f = { .dir = -1, .fd = -1 };
	struct err *err = path ? outfile_open(path, &f) : &err_nomem;

	if (err && err->os_errno == EEXIST && is_same(o->fd, path, &o->sent)) {
		err_free(err);
		o->was_there = true;
		return NULL;
	}
	if (!err)
		err = copy(o->fd, f.fd, &o->sent, s->c.stop);
	return err ? err : outfile_commit(&f);
}

/* ---- a presigned URL */

/* Its host: the rest of it is for those alone who may write there. */
static char *host_of(const char *url)
{
	const char *host = strstr(url, "://"), *user;
	size_t n;

	host = host ? host + 3 : url;
	n = strcspn(host, "/?#");
	user = memchr(host, '@', n);
	if (user) {
		n -= (size_t)(user + 1 - host);
		host = user + 1;
	}
	return text_format("%.*s", (int)n, host);
}

static bool is_azure(const char *host)
{
	static const char end[] = ".blob.core.windows.net";
	size_t n = strlen(host);

	return n > sizeof(end) - 1 && !strcmp(host + n - (sizeof(end) - 1), end);
}

/*
 * If-None-Match is not signed and need not be; a store that does not know it writes over what is
 * there, which is what it gave the URL for.
 */
static struct err *put_url(struct ship *s, struct s3_object *o)
{
	struct retry retry = retry_begin(s->c.give_up_s, s->c.stop);
	struct http_reply reply = { .body = TEXT_INIT };
	_free_ char *host = host_of(s->c.url);
	struct http_request r = {
		.method = "PUT", .url = s->c.url, .fd = o->fd,
		.headers = { "if-none-match: *", "x-ms-blob-type: BlockBlob" },
		.n_headers = host && is_azure(host) ? 2 : 1,
	};
	struct stat st;
	struct err *err = NULL;
	bool again = true, unanswered = false; /* all of it went out, and who knows */

	if (!host)
		return &err_nomem;
	if (fstat(o->fd, &st) || !S_ISREG(st.st_mode))
		return err_new(ERR_USAGE, "a URL takes a file: the length is told first");
	r.n = (uint64_t)st.st_size;
	while (again) {
		err_free(err);
		err = http_send(s->http, &r, &reply);
		unanswered = unanswered || (err && reply.given == r.n);
		again = (!err && (reply.status >= 500 || reply.status == 429 || reply.status == 408)) ||
			(err && err->kind == ERR_OS);
		again = again && retry_wait(&retry, reply.retry_after_s);
	}
	/* what an earlier try of ours put there is no surprise; what else it is cannot be asked */
	if (!err && reply.status == 412 && !unanswered)
		err = err_new(ERR_USAGE, "something is there already, and is not written over");
	else if (!err && reply.status / 100 != 2 && reply.status != 412)
		err = err_new(reply.status >= 500 ? ERR_OS : ERR_USAGE, "the server answers %ld",
			      reply.status);
	o->sent = r.n;
	o->was_there = reply.status == 412;
	http_reply_fini(&reply);
	return err ? err_wrap(err, "%s", host) : NULL;
}

/* ---- all of them */

/* "bucket/a/b": the bucket, and what stands behind it without slashes around. */
static struct err *split(struct ship *s)
{
	char *rest;

	s->bucket = strdup(s->c.to + strlen(s3_scheme));
	if (!s->bucket)
		return &err_nomem;
	rest = s->bucket + strcspn(s->bucket, "/");
	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, "/");
	for (size_t n = strlen(rest); n && rest[n - 1] == '/'; n--)
		rest[n - 1] = 0;
	if (!*s->bucket || s->bucket[strspn(s->bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-_"
							"ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return err_new(ERR_USAGE, "s3://BUCKET/PREFIX has no bucket that could be one");
	s->c.s3.bucket = s->bucket;
	s->c.s3.prefix = rest;
	return NULL;
}

static struct err *find_kind(struct ship *s)
{
	if (s->c.url) {
		s->kind = SHIP_URL;
		return strncmp(s->c.url, "https://", 8) && strncmp(s->c.url, "http://", 7) ?
			       err_new(ERR_USAGE, "--put-url is no URL") : NULL;
	}
	if (!strncmp(s->c.to, s3_scheme, strlen(s3_scheme))) {
		s->kind = SHIP_S3;
		return split(s);
	}
	s->kind = SHIP_FILE;
	return strncmp(s->c.to, file_scheme, strlen(file_scheme)) || !s->c.to[strlen(file_scheme)] ?
		       err_new(ERR_USAGE, "--to is file:DIR or s3://BUCKET/PREFIX") : NULL;
}

struct err *ship_open(const struct ship_config *c, struct ship *ret)
{
	const struct http_options http = { c->ca_bundle, c->stall_s, c->stop };
	struct ship s = { .c = *c };
	struct err *err = find_kind(&s);

	if (!err && s.kind != SHIP_FILE)
		err = http_open(&http, &s.http);
	if (!err && s.kind == SHIP_S3) {
		s.c.s3.give_up_s = c->give_up_s;
		s.c.s3.stop = c->stop;
		err = s3_open(&s.c.s3, s.http, &s.s3);
	}
	if (err)
		ship_close(&s);
	else
		*ret = s;
	return err;
}

void ship_close(struct ship *s)
{
	s3_close(s->s3);
	http_close(s->http);
	free(s->bucket);
	*s = (struct ship){};
}

struct err *ship_put(struct ship *s, struct s3_object *o)
{
	if (s->kind != SHIP_URL && !is_safe_name(o->name))
		return err_new(ERR_USAGE, "the name is not of letters, digits and ._- alone");
	switch (s->kind) {
	case SHIP_FILE:
		return put_file(s, o);
	case SHIP_S3:
		return s3_put(s->s3, o);
	case SHIP_URL:
		return put_url(s, o);
	}
	return NULL;
}

char *ship_place(const struct ship *s, const char *name)
{
	if (s->kind == SHIP_URL)
		return host_of(s->c.url);
	return text_format("%s%s%s", s->c.to,
			   s->c.to[strlen(s->c.to) - 1] == '/' ? "" : "/", name);
}
