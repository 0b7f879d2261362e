/*
 * input/input.c - opens a path or standard input, asks the packings, owns the members.
 */
#include "input/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "input/holes.h"

enum { HEAD = 4096 };

static const char *shown(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

/* O_NONBLOCK only so that opening a FIFO without a writer ends: it is then found to be empty. */
static struct err *open_fd(const char *path, int *ret)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
				   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	int flags;

	if (fd < 0)
		return err_os(errno, "%s", shown(path));
	flags = strcmp(path, "-") ? fcntl(fd, F_GETFL) : -1;
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); /* reads then fail, with a message */
	*ret = fd;
	return NULL;
}

static struct err *map_file(struct input *in, int fd, uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return err_os(errno, "%s: mapping", shown(in->path));
	holes_remap(map, size, fd);
	in->map = map;
	in->map_size = size;
	return NULL;
}

/* What kinds of files can be no dump at all, said before anything is read. */
static struct err *check_kind(const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return err_os(EISDIR, "%s", shown(path));
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return err_new(ERR_FORMAT, "%s: a device, not a dump", shown(path));
	if (S_ISREG(st->st_mode) && st->st_size == 0)
		return err_new(ERR_FORMAT, "%s: the file is empty", shown(path));
	return NULL;
}

static struct err *read_head(const char *path, int fd, uint8_t *head, size_t *ret_n)
{
	ssize_t n = read_full(fd, head, HEAD);

	if (n < 0)
		return err_os(errno, "%s: reading", shown(path));
	if (n == 0)
		return err_new(ERR_FORMAT, "%s: nothing to read, the stream is empty", shown(path));
	*ret_n = (size_t)n;
	return NULL;
}

static struct err *open_best(struct input *in, const struct input_source *src)
{
	const struct input_ops *best = NULL;
	unsigned best_bid = 0;

	for (const struct input_ops *const *ops = input_registry; *ops; ops++) {
		unsigned bid = (*ops)->bid(src->head, src->n_head);

		if (bid > best_bid) {
			best = *ops;
			best_bid = bid;
		}
	}
	if (!best)
		return err_new(ERR_FORMAT, "%s: no packing that heapfx knows", shown(in->path));
	return best->open(in->env, in, src);
}

static struct err *fill(struct input *in)
{
	uint8_t head[HEAD];
	struct input_source src = { .head = head };
	_close_ int fd = -1;
	struct stat st;
	struct err *err = open_fd(in->path, &fd);

	if (err)
		return err;
	if (fstat(fd, &st))
		return err_os(errno, "%s", shown(in->path));
	err = check_kind(in->path, &st);
	if (err)
		return err;
	src.fd = fd;
	/* A shared descriptor may stand in the middle of its file: what is left is then a stream.
	 */
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0) {
		in->file_size = (uint64_t)st.st_size;
		err = map_file(in, fd, in->file_size);
		if (err)
			return err;
		src.map = src.head = in->map;
		src.size = in->map_size;
		src.n_head = src.size < HEAD ? src.size : HEAD;
	} else {
		err = read_head(in->path, fd, head, &src.n_head);
		if (err)
			return err;
	}
	return open_best(in, &src);
}

struct err *input_open(struct env *env, const char *path, struct input **ret)
{
	struct input *in = calloc(1, sizeof(*in));
	struct err *err;

	if (!in)
		return &err_nomem;
	in->env = env;
	in->path = strdup(path);
	err = in->path ? fill(in) : &err_nomem;
	if (err) {
		input_close(in);
		return err;
	}
	for (size_t i = 0; i < in->n; i++)
		in->members[i].in_file = in->members[i].map;
	*ret = in;
	return NULL;
}

/* Whether the member's bytes are part of the file's own mapping. */
static bool in_file(const struct input *in, const struct member *m)
{
	uintptr_t map = (uintptr_t)in->map, at = (uintptr_t)m->map;

	return in->map && at >= map && at - map < in->map_size;
}

static void member_fini(struct input *in, const struct member *m)
{
	if (m->map && !in_file(in, m))
		munmap((void *)m->map, m->size);
	env_disk_give(in->env, m->disk);
	free((char *)m->name);
}

void input_close(struct input *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++)
		member_fini(in, &in->members[i]);
	free(in->members);
	if (in->map)
		munmap((void *)in->map, in->map_size);
	free(in->path);
	free(in);
}

struct err *input_add_member(struct input *in, const struct member *m, const char *name)
{
	struct member copy = *m;

	copy.name = strdup(name);
	if (copy.name && !(in->n & (in->n - 1))) { /* full: the capacity is the next power of two */
		void *more = reallocarray(in->members, in->n ? in->n * 2 : 1, sizeof(*in->members));

		if (more) {
			in->members = more;
		} else {
			free((char *)copy.name);
			copy.name = NULL;
		}
	}
	if (!copy.name) {
		member_fini(in, &copy);
		return &err_nomem;
	}
	in->members[in->n++] = copy;
	return NULL;
}
