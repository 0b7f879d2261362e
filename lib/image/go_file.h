/*
 * image/go_file.h - whether a file is the Go program that a dump without its build id is of.
 */
#ifndef HEAPFX_IMAGE_GO_FILE_H
#define HEAPFX_IMAGE_GO_FILE_H

#include "image/elf.h"

enum go_fit {
	GO_FIT_UNKNOWN, /* no Go program, or its data are not in the dump */
	GO_FIT_YES,	/* moduledata and build information are in memory, at the file's addresses plus bias */
	GO_FIT_NO,	/* something else is there */
};
enum go_fit go_file_fits(const struct image *img, uint64_t bias, const struct elf_file *e);

#endif
