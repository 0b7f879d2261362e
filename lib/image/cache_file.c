/* image/cache_file.c - read by their owner alone, written under another name first. */
#include "image/cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/full_io.h"
#include "base/guard.h"

enum {
	FILE_MAX = 1 << 30,
	PATH_BYTES = 4096,
	FILES_MAX = 1 << 16, /* of one folder, looked at */
};

static struct build_id id_of(const struct module *m)
{
	struct build_id id = {};

	if (m->n_build_id <= sizeof(id.bytes)) {
		id.n = (uint8_t)m->n_build_id;
		memcpy(id.bytes, m->build_id, id.n);
	}
	return id;
}

/* "DIR/dwarf-0123..ENDING"; false: without a build id nobody knows whose it would be. */
static bool path_of(const struct image *img, const struct build_id *id, const char *ending, char ret[static PATH_BYTES])
{
	char hex[2 * BUILD_ID_MAX + 1];
	int n;

	if (!img->cache_dir || !id->n)
		return false;
	build_id_hex(id, hex);
	n = snprintf(ret, PATH_BYTES, "%s/dwarf-%s%s", img->cache_dir, hex, ending);
	return n > 0 && n < PATH_BYTES;
}

/* Ours alone, and nobody else may have written it. */
static bool is_ours(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022 ||
	    st.st_size <= 0 || st.st_size > FILE_MAX)
		return false;
	*ret_size = (uint64_t)st.st_size;
	return true;
}

static uint8_t *read_all(int fd, uint64_t n)
{
	_free_ uint8_t *bytes = malloc(n);

	return bytes && read_full(fd, bytes, n) == (ssize_t)n ? take(&bytes) : NULL;
}

/* -1: there is none, or it is not ours. */
static int open_ours(const struct image *img, const struct build_id *id, const char *ending, uint64_t *ret_n)
{
	char path[PATH_BYTES];
	int fd;

	if (!path_of(img, id, ending, path))
		return -1;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || is_ours(fd, ret_n))
		return fd;
	close(fd);
	return -1;
}

uint8_t *cache_file_read(const struct image *img, const struct module *m, const char *ending, uint64_t *ret_n)
{
	struct build_id id = id_of(m);
	_close_ int fd = open_ours(img, &id, ending, ret_n);

	return fd < 0 ? NULL : read_all(fd, *ret_n);
}

const uint8_t *cache_file_map(const struct image *img, const struct build_id *id, const char *ending, uint64_t *ret_n)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
	_close_ int fd = open_ours(img, id, ending, ret_n);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, *ret_n, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return NULL;
	(void)futimens(fd, now); /* where that is not allowed it counts as used when it was written */
	return map;
}

/* The folder, and the one that it is in, for their owner alone; a home that is not there is not made. */
static void make_folder(const char *dir)
{
	char parent[PATH_BYTES];
	const char *slash = strrchr(dir, '/');

	if (!mkdir(dir, 0700) || errno != ENOENT || !slash)
		return; /* it is there, or the file cannot be made either */
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - dir), dir);
	if (!mkdir(parent, 0700))
		(void)mkdir(dir, 0700);
}

static bool write_all(int fd, const struct cache_piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!write_full(fd, pieces[i].at, pieces[i].n))
			return false;
	return true;
}

/* Under another name first: who reads sees all of it or the one before. */
void cache_file_write_pieces(const struct image *img, const struct build_id *id, const char *ending,
			     const struct cache_piece *pieces, size_t n)
{
	char path[PATH_BYTES], fresh[PATH_BYTES + 16];
	uint64_t bytes = 0;
	bool ok;
	int fd;

	for (size_t i = 0; i < n; i++)
		if (!checked_add(bytes, pieces[i].n, &bytes))
			return;
	if (bytes > FILE_MAX || !path_of(img, id, ending, path))
		return;
	make_folder(img->cache_dir);
	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return;
	ok = write_all(fd, pieces, n);
	ok &= !close(fd);
	if (!ok || rename(fresh, path))
		unlink(fresh);
}

void cache_file_write(const struct image *img, const struct module *m, const char *ending, const uint8_t *bytes,
		      uint64_t n)
{
	struct build_id id = id_of(m);

	cache_file_write_pieces(img, &id, ending, &(struct cache_piece){ bytes, n }, 1);
}

/* ---- room */

static bool is_of_kind(const char *name, const char *ending)
{
	size_t n = strlen(name), tail = strlen(ending);

	return !strncmp(name, "dwarf-", 6) && n > tail && !strcmp(name + n - tail, ending);
}

/* Bytes of those with that ending; *ret_name is the one used longest ago, which the caller frees. */
static uint64_t oldest_of(DIR *dir, const char *ending, char **ret_name)
{
	struct timespec oldest = {};
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;

	rewinddir(dir);
	for (unsigned seen = 0; seen < FILES_MAX && (e = readdir(dir)); seen++) {
		if (!is_of_kind(e->d_name, ending) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		bytes += (uint64_t)st.st_size;
		if (*ret_name && (st.st_mtim.tv_sec != oldest.tv_sec ? st.st_mtim.tv_sec > oldest.tv_sec
								    : st.st_mtim.tv_nsec >= oldest.tv_nsec))
			continue;
		free(*ret_name);
		*ret_name = strdup(e->d_name);
		oldest = st.st_mtim;
	}
	return bytes;
}

void cache_file_make_room(const struct image *img, const char *ending, uint64_t most)
{
	DIR *dir = img->cache_dir ? opendir(img->cache_dir) : NULL;
	bool more = dir;

	while (more) {
		_free_ char *name = NULL;

		more = oldest_of(dir, ending, &name) > most && name && !unlinkat(dirfd(dir), name, 0);
	}
	if (dir)
		closedir(dir);
}
