/*
 * types.h - what a corpus program knows of the types of its blocks, written down before it stops.
 *
 * The notes lie in a mapping of their own with every address masked, and are unmapped in the end:
 * corpus/README.md documents the file.
 */
#ifndef HEAPFX_CORPUS_TYPES_H
#define HEAPFX_CORPUS_TYPES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define TYPES_MAX 65536
#define TYPES_MASK 0xa5a5a5a5a5a5a5a5ull

/* What a block is. */
enum form {
	VALUE,	 /* one object */
	ARRAY,	 /* objects one after another */
	COUNTED, /* the same behind the count of new[] */
	NODE,	 /* of a container, which is the type */
	BUCKETS, /* the table of a container, which is the type */
	SPARE,	 /* a container has it, and room in it */
	COUNT,	 /* what is to be said of its count, in the place of the type */
	TRAP,	 /* looks like the type and is none */
};

struct type_note {
	uint64_t masked;
	uint64_t size;	  /* that was asked for */
	const char *type; /* as typeid() has it, or as C writes it */
	const char *holder; /* the path that leads to it; NULL: not told */
	uint8_t form;
	uint8_t polymorphic;
};

static struct type_note *type_notes;
static size_t n_type_notes;

static inline void types_open(void)
{
	void *map = mmap(NULL, TYPES_MAX * sizeof(struct type_note), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		exit(3);
	type_notes = (struct type_note *)map;
}

static inline void types_note(const void *block, size_t size, enum form form, const char *type, int polymorphic,
			      const char *holder)
{
	struct type_note *n = &type_notes[n_type_notes++];

	if (n_type_notes > TYPES_MAX)
		exit(3);
	n->masked = (uintptr_t)block ^ TYPES_MASK;
	n->size = size;
	n->type = type;
	n->holder = holder;
	n->form = (uint8_t)form;
	n->polymorphic = (uint8_t)polymorphic;
}

/* Overwrites the stack below: what callees left there is gone. */
static NOINLINE void types_wipe_stack(void)
{
	char junk[1 << 16];

	memset(junk, 0, sizeof junk);
	__asm__ volatile("" : : "r"(junk) : "memory"); /* or there would be no such function */
}

static inline void types_close(const char *path)
{
	static const char *const forms[] = { "value", "array", "counted", "node",
					     "buckets", "spare", "count", "trap" };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		exit(3);
	for (size_t i = 0; i < n_type_notes; i++) {
		const struct type_note *n = &type_notes[i];

		dprintf(fd, "%llx\t%llu\t%s\t%s\t%d\t%s\n", (unsigned long long)(n->masked ^ TYPES_MASK),
			(unsigned long long)n->size, forms[n->form], n->type, n->polymorphic,
			n->holder ? n->holder : "-");
	}
	close(fd);
	munmap(type_notes, TYPES_MAX * sizeof(struct type_note));
	type_notes = NULL;
	types_wipe_stack();
}

static inline void types_ready(void)
{
	dprintf(1, "ready %d\n", getpid());
	for (;;)
		pause();
}

/* All that a main() does around making what is looked at. */
static inline int types_run(int argc, char **argv, void (*make)(void))
{
	if (argc != 2)
		return 2;
	types_open();
	make();
	types_wipe_stack();
	types_close(argv[1]);
	types_ready();
	return 0;
}

#endif
