/*
 * shipping.c - the one place that reads the AWS variables, and the start of a sender.
 *
 * A sender is a process of its own: it has the keys and the network and none of the rights that a
 * capture needs, and libcurl's thirty libraries are not in the watcher's memory.
 */
#include "shipping.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "ship/secret.h"

enum { RETRY_S = 60, STALL_S = 30, URL_MAX = 16 << 10 };
#define URL_VARIABLE "HEAPFX_PUT_URL"

/* Empty is as good as not there. */
static const char *variable(const char *name, const char *other)
{
	const char *v = getenv(name);

	if (v && *v)
		return v;
	return other ? variable(other, NULL) : NULL;
}

static struct err *read_url(const char *path, char **ret)
{
	struct err *err = secret_read(path, URL_MAX, ret);

	if (!err)
		(*ret)[strcspn(*ret, " \t\r\n")] = 0;
	return err;
}

static struct err *find_url(const struct options *opt, char **ret)
{
	const char *given = opt->put_url ? opt->put_url :
			    opt->to || opt->exec ? NULL : variable(URL_VARIABLE, NULL);

	*ret = NULL;
	if (given && *given == '@')
		return read_url(given + 1, ret);
	*ret = given ? strdup(given) : NULL;
	return given && !*ret ? &err_nomem : NULL;
}

struct err *shipping_config(const struct options *opt, struct ship_config *ret, char **ret_url)
{
	const char *region = variable("AWS_REGION", "AWS_DEFAULT_REGION");
	struct err *err = find_url(opt, ret_url);

	if (err)
		return err;
	*ret = (struct ship_config){
		.to = opt->to,
		.url = *ret_url,
		.ca_bundle = variable("AWS_CA_BUNDLE", NULL),
		.give_up_s = opt->retry ? opt->retry : RETRY_S,
		.stall_s = opt->timeout ? opt->timeout : STALL_S,
		.s3 = {
			.endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
			.sts_endpoint = variable("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"),
			.region = region ? region : "us-east-1",
			.id = variable("AWS_ACCESS_KEY_ID", NULL),
			.secret = variable("AWS_SECRET_ACCESS_KEY", NULL),
			.token = variable("AWS_SESSION_TOKEN", NULL),
			.role = variable("AWS_ROLE_ARN", NULL),
			.token_file = variable("AWS_WEB_IDENTITY_TOKEN_FILE", NULL),
			.session = variable("AWS_ROLE_SESSION_NAME", NULL),
		},
	};
	return NULL;
}

/* ---- a spool */

bool shipping_is_spooled(const char *name)
{
	static const char *const others[] = { ".partial", ".upload" };

	if (strncmp(name, "heapfx-", 7) || !strncmp(name, "heapfx-watch.state", 18))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		size_t n = strlen(name), k = strlen(others[i]);

		if (n > k && !strcmp(name + n - k, others[i]))
			return false;
	}
	return true;
}

bool shipping_has_spooled(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool any = false;

	while (d && !any && (e = readdir(d)))
		any = shipping_is_spooled(e->d_name);
	if (d)
		closedir(d);
	return any;
}

/* ---- for other commands */

static void run_ship(const struct options *opt, const char *path, const char *name, int in)
{
	char retry[24];
	const char *argv[12] = { "heapfx", "ship", path ? path : "-" };
	unsigned n = 3;

	if (opt->to) {
		argv[n++] = "--to";
		argv[n++] = opt->to;
	}
	if (opt->exec) {
		argv[n++] = "--exec";
		argv[n++] = opt->exec;
	}
	if (!path) {
		argv[n++] = "--name";
		argv[n++] = name;
	}
	if (opt->retry) {
		snprintf(retry, sizeof(retry), "%llu", (unsigned long long)opt->retry);
		argv[n++] = "--retry";
		argv[n++] = retry;
	}
	if (in >= 0)
		dup2(in, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

struct err *shipping_start(const struct options *opt, const char *path, const char *name, int in,
			   pid_t *ret)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		return err_os(errno, "fork");
	if (!child)
		run_ship(opt, path, name, in);
	*ret = child;
	return NULL;
}

struct err *shipping_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_os(errno, "waiting for the sender");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	return err_new(ERR_OS, "it could not be sent");
}
