/*
 * fuzz.h - what the fuzz targets share: bytes as a file that has no name, and a run's budget.
 *
 * A target includes this and defines LLVMFuzzerTestOneInput.  No target reads a file of this
 * machine: what it finds depends on its input alone.
 */
#ifndef HEAPFX_TESTS_FUZZ_H
#define HEAPFX_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/env.h"
#include "image/image.h"
#include "input/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of these bytes; its path goes to `path`. */
static inline int fuzz_file(const void *data, size_t size, char path[static 64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		abort();
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, (const char *)data + done, size - done, (off_t)done);

		if (n <= 0)
			abort();
		done += (size_t)n;
	}
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* Small budgets: what takes more than this for a small input is a finding. */
static inline void fuzz_env(struct env *env)
{
	env_init(env);
	env->mem_budget = 256 << 20;
	env->disk_budget = 64 << 20;
	env->threads = 1;
}

static const char *const fuzz_no_dirs[] = { NULL };
static const struct image_options fuzz_options = {
	.sysroots = fuzz_no_dirs,
	.debug_dirs = fuzz_no_dirs,
	.no_host_files = true,
};

/* Opens it, with its executable (NULL: none), as far as it goes; `use` gets the image when there is one. */
static inline void fuzz_image_of(const char *path, const char *exe, void (*use)(struct env *env, const struct image *img))
{
	struct image_options options = fuzz_options;
	struct env env;
	struct input *in = NULL;
	struct image *img = NULL;
	struct err *err;

	options.exe = exe;
	fuzz_env(&env);
	err = input_open(&env, path, &in);
	if (!err)
		err = image_open(&env, in, &options, &img);
	if (!err && use)
		use(&env, img);
	err_free(err);
	image_close(img);
	input_close(in);
	env_fini(&env);
}

static inline void fuzz_image(const char *path, void (*use)(struct env *env, const struct image *img))
{
	fuzz_image_of(path, NULL, use);
}

#endif
