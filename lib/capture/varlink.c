/* capture/varlink.c - messages up to a NUL, parsed by yajl, answered in the order they come. */
#include "capture/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <yajl/yajl_tree.h>

#include "base/guard.h"
#include "base/version.h"

#define INTERFACE "io.systemd.oom.Prekill"
#define SERVICE "org.varlink.service"

/* ---- a message */

bool varlink_is_cgroup(const char *s)
{
	if (*s != '/')
		return false;
	while (*s) {
		size_t n;

		s += strspn(s, "/");
		n = strcspn(s, "/");
		if ((n == 1 && *s == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

static const char *string_at(yajl_val tree, const char **path)
{
	return YAJL_GET_STRING(yajl_tree_get(tree, path, yajl_t_string));
}

static enum varlink_method method_named(const char *name)
{
	return !strcmp(name, INTERFACE ".Notify")		? VARLINK_NOTIFY :
	       !strcmp(name, SERVICE ".GetInfo")		? VARLINK_GET_INFO :
	       !strcmp(name, SERVICE ".GetInterfaceDescription") ? VARLINK_GET_INTERFACE :
								   VARLINK_UNKNOWN;
}

struct err *varlink_parse(const char *message, struct varlink_call *ret)
{
	char why[128] = "";
	yajl_val tree = yajl_tree_parse(message, why, sizeof(why));
	const char *name = string_at(tree, (const char *[]){ "method", NULL });
	struct varlink_call c = { .memory = tree };

	if (!name || strlen(name) >= sizeof(c.name)) {
		yajl_tree_free(tree);
		return err_new(ERR_FORMAT, "no call of a method");
	}
	strcpy(c.name, name);
	c.method = method_named(name);
	c.oneway = YAJL_IS_TRUE(yajl_tree_get(tree, (const char *[]){ "oneway", NULL }, yajl_t_any));
	c.cgroup = string_at(tree, (const char *[]){ "parameters", "cgroup", NULL });
	c.interface = string_at(tree, (const char *[]){ "parameters", "interface", NULL });
	if (c.cgroup && !varlink_is_cgroup(c.cgroup))
		c.cgroup = NULL;
	*ret = c;
	return NULL;
}

void varlink_call_fini(struct varlink_call *c)
{
	yajl_tree_free(c->memory);
	c->memory = NULL;
}

/* ---- answers */

/* What a name that came in may be put back out as: none of these need an escape. */
static const char *harmless(const char *s)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return s && !s[strspn(s, fine)] ? s : "";
}

static int answer_to(const struct varlink_call *c, char *to, size_t n)
{
	switch (c->method) {
	case VARLINK_NOTIFY:
		return snprintf(to, n, c->cgroup ? "{\"parameters\":{}}" :
						   "{\"error\":\"" SERVICE ".InvalidParameter\","
						   "\"parameters\":{\"parameter\":\"cgroup\"}}");
	case VARLINK_GET_INFO:
		return snprintf(to, n,
				"{\"parameters\":{\"vendor\":\"heapfx\",\"product\":\"heapfx\","
				"\"version\":\"" HEAPFX_VERSION "\",\"url\":\"\",\"interfaces\":["
				"\"" SERVICE "\",\"" INTERFACE "\"]}}");
	case VARLINK_GET_INTERFACE:
		if (c->interface && !strcmp(c->interface, INTERFACE))
			return snprintf(to, n, "{\"parameters\":{\"description\":"
					       "\"interface " INTERFACE "\\n\\n"
					       "method Notify(cgroup: string) -> ()\\n\"}}");
		return snprintf(to, n, "{\"error\":\"" SERVICE ".InterfaceNotFound\","
				       "\"parameters\":{\"interface\":\"%s\"}}",
				harmless(c->interface));
	case VARLINK_UNKNOWN:
		break;
	}
	return snprintf(to, n, "{\"error\":\"" SERVICE ".MethodNotFound\","
			       "\"parameters\":{\"method\":\"%s\"}}", harmless(c->name));
}

/* With its NUL. A peer that is gone is no concern of ours. */
static bool answer(int fd, const struct varlink_call *c)
{
	char text[1024];
	int n = answer_to(c, text, sizeof(text));

	return send(fd, text, (size_t)n + 1, MSG_NOSIGNAL) == n + 1;
}

/* ---- a peer */

struct peer {
	int fd;
	char in[VARLINK_MESSAGE_MAX + 1];
	size_t n;
};

/* One message at the start of `in`; its length with the NUL, 0: there will be none. */
static size_t next_message(struct peer *p, unsigned silent_ms)
{
	for (;;) {
		const char *end = memchr(p->in, 0, p->n);
		struct pollfd fd = { p->fd, POLLIN, 0 };
		ssize_t got;

		if (end)
			return (size_t)(end - p->in) + 1;
		if (p->n == VARLINK_MESSAGE_MAX || poll(&fd, 1, (int)silent_ms) <= 0)
			return 0;
		got = recv(p->fd, p->in + p->n, VARLINK_MESSAGE_MAX - p->n, 0);
		if (got <= 0)
			return 0;
		p->n += (size_t)got;
	}
}

void varlink_serve(int fd, unsigned silent_ms, varlink_notify *notify, void *arg)
{
	struct peer p = { .fd = fd };
	size_t n;
	bool open = true;

	while (open && (n = next_message(&p, silent_ms))) {
		struct varlink_call c;
		struct err *err = varlink_parse(p.in, &c);

		if (err) { /* nobody knows what an answer would be to */
			err_free(err);
			return;
		}
		if (c.method == VARLINK_NOTIFY && c.cgroup)
			notify(arg, c.cgroup);
		open = c.oneway || answer(fd, &c);
		varlink_call_fini(&c);
		memmove(p.in, p.in + n, p.n - n);
		p.n -= n;
	}
}

/* ---- listening */

static bool is_stale(const struct sockaddr_un *at)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	return !lstat(at->sun_path, &st) && S_ISSOCK(st.st_mode) && fd >= 0 &&
	       connect(fd, (const struct sockaddr *)at, sizeof(*at)) && errno == ECONNREFUSED;
}

struct err *varlink_listen(const char *path, int *ret)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int failed;

	if (strlen(path) >= sizeof(at.sun_path))
		return err_os(ENAMETOOLONG, "%s", path);
	strcpy(at.sun_path, path);
	if (fd < 0)
		return err_os(errno, "a socket");
	if (is_stale(&at))
		unlink(path);
	mask = umask(0177); /* of the file that bind() makes */
	failed = bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 16) ? errno : 0;
	umask(mask);
	if (failed)
		return err_os(failed, "%s", path);
	*ret = fd;
	fd = -1;
	return NULL;
}
