/* image/cache_file.c - read by their owner alone, written under another name first. */
#include "image/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "image/elf.h"

enum {
	FILE_MAX = 1 << 30,
	PATH_BYTES = 4096,
};

/* "DIR/dwarf-0123..ENDING"; false: without a build id nobody knows whose it would be. */
static bool path_of(const struct image *img, const struct module *m, const char *ending, char ret[static PATH_BYTES])
{
	struct build_id id = { .n = m->n_build_id };
	char hex[2 * BUILD_ID_MAX + 1];
	int n;

	if (!img->cache_dir || !m->n_build_id || m->n_build_id > sizeof(id.bytes))
		return false;
	memcpy(id.bytes, m->build_id, m->n_build_id);
	build_id_hex(&id, hex);
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

uint8_t *cache_file_read(const struct image *img, const struct module *m, const char *ending, uint64_t *ret_n)
{
	char path[PATH_BYTES];
	uint8_t *ret;
	int fd;

	if (!path_of(img, m, ending, path))
		return NULL;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL; /* none yet */
	ret = is_ours(fd, ret_n) ? read_all(fd, *ret_n) : NULL;
	close(fd);
	return ret;
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

/* Under another name first: who reads sees all of it or the one before. */
void cache_file_write(const struct image *img, const struct module *m, const char *ending, const uint8_t *bytes,
		      uint64_t n)
{
	char path[PATH_BYTES], fresh[PATH_BYTES + 16];
	bool ok;
	int fd;

	if (n > FILE_MAX || !path_of(img, m, ending, path))
		return;
	make_folder(img->cache_dir);
	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return;
	ok = write_full(fd, bytes, n);
	ok &= !close(fd);
	if (!ok || rename(fresh, path))
		unlink(fresh);
}
