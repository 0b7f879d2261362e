/* capture_meta.c - what is known of a capture, as JSON: heapfx-capture/1. */
#include "capture_meta.h"

#include <stdlib.h>
#include <sys/utsname.h>

#include "base/guard.h"
#include "report/json_out.h"

static void put_modules(struct json *j, const struct plan *p)
{
	json_list(j, "modules");
	for (size_t i = 0; i < p->modules.n; i++) {
		const struct module_id *m = &p->modules.v[i];
		char id[2 * BUILD_ID_MAX + 1] = "";

		for (unsigned k = 0; k < m->n_id; k++)
			snprintf(id + 2 * (size_t)k, 3, "%02x", m->id[k]);
		json_map(j, NULL);
		json_text(j, "path", m->path);
		json_text(j, "build_id", m->n_id ? id : NULL);
		json_addr(j, "base", m->base);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_limit(struct json *j, const char *key, uint64_t n)
{
	if (n != MEMCG_UNLIMITED)
		json_uint(j, key, n);
}

static void put_cgroup(struct json *j, const struct capture *c)
{
	if (c->has_memcg) {
		json_map(j, "cgroup");
		json_uint(j, "current", c->memcg.current);
		put_limit(j, "high", c->memcg.high);
		put_limit(j, "max", c->memcg.max);
		json_end_map(j);
	}
}

static void put_host(struct json *j)
{
	struct utsname u;

	if (!uname(&u)) {
		json_map(j, "host");
		json_text(j, "name", u.nodename);
		json_text(j, "kernel", u.release);
		json_text(j, "arch", u.machine);
		json_uint(j, "page_size", (uint64_t)sysconf(_SC_PAGESIZE));
		json_end_map(j);
	}
}

/* The Downward API's usual names: no server is asked. */
static void put_kubernetes(struct json *j)
{
	static const struct {
		const char *key, *variable;
	} from[] = {
		{ "namespace", "POD_NAMESPACE" }, { "pod", "POD_NAME" },   { "uid", "POD_UID" },
		{ "container", "CONTAINER_NAME" }, { "node", "NODE_NAME" },
	};

	if (!getenv("POD_NAME"))
		return;
	json_map(j, "k8s");
	for (size_t i = 0; i < ARRAY_SIZE(from); i++)
		json_text(j, from[i].key, getenv(from[i].variable));
	json_end_map(j);
}

static void put_memory(struct json *j, const struct capture *c)
{
	char filter[16];

	snprintf(filter, sizeof(filter), "0x%x", c->filter);
	json_map(j, "memory");
	json_text(j, "coredump_filter", filter);
	json_bool(j, "only_heap", c->request.only_heap);
	if (c->mode != CAPTURE_GCORE) { /* gdb decides and does not tell */
		json_uint(j, "dumped", c->plan.dumped);
		json_uint(j, "left_out", c->plan.left_out);
		json_uint(j, "unreadable", c->stream.unreadable);
		json_uint(j, "dontfork", c->plan.dontfork);
		json_uint(j, "wiped_on_fork", c->plan.wiped);
	}
	json_end_map(j);
}

/* Shared memory goes on changing while a copy is dumped; all else stands still. */
static bool is_consistent(const struct capture *c)
{
	return c->mode != CAPTURE_FORK || !c->plan.shared;
}

static void put_process(struct json *j, pid_t pid, const char *comm, const char *exe)
{
	if (pid)
		json_uint(j, "pid", (uint64_t)pid);
	json_text(j, "command", comm);
	json_text(j, "exe", exe && *exe ? exe : NULL);
}

static void put_stored(struct json *j, const struct stored *s)
{
	json_text(j, "file", s->path);
	json_text(j, "pack", s->pack);
	json_uint(j, "raw_bytes", s->raw);
	if (s->done && s->stored) /* of a stream nobody has the length */
		json_uint(j, "stored_bytes", s->stored);
}

static void put_pause(struct json *j, const struct capture *c, bool done)
{
	json_text(j, "why_not_fork", c->why);
	if (done)
		json_uint(j, "stop_ns", c->stop_ns);
}

struct err *capture_meta_write(FILE *out, const struct capture *c, const struct kernel_core *k,
			       const struct stored *s)
{
	struct json *j;
	struct err *err = json_open(out, JSON_INDENTED, &j);

	if (err)
		return err;
	json_map(j, NULL);
	json_text(j, "schema", "heapfx-capture/1");
	json_text(j, "captured_at", s->when);
	json_text(j, "mode", c ? capture_mode_name(c->mode) : "kernel");
	if (c)
		put_pause(j, c, s->done);
	json_bool(j, "consistent", !c || is_consistent(c));
	if (c) {
		json_bool(j, "was_stopped", c->was_stopped);
		put_process(j, c->request.pid, c->stat.comm, c->exe);
		if (c->threads)
			json_uint(j, "threads", c->threads);
		put_memory(j, c);
	} else {
		put_process(j, k->pid, k->comm, k->exe);
		json_bool(j, "truncated", s->raw < k->expected);
	}
	put_stored(j, s);
	if (c)
		put_cgroup(j, c);
	put_host(j);
	put_kubernetes(j);
	if (c)
		put_modules(j, &c->plan);
	json_end_map(j);
	return json_close(j, "the metadata");
}

struct err *capture_meta_text(const struct capture *c, const struct kernel_core *k,
			      const struct stored *s, char **ret)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	struct err *err = out ? capture_meta_write(out, c, k, s) : &err_nomem;

	if (out && fclose(out) && !err)
		err = &err_nomem;
	if (err)
		free(text);
	else
		*ret = text;
	return err;
}
