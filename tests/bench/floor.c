/*
 * floor.c - the marker floor: what any conservative marker pays before it is clever.
 *
 *	floor CORE	prints words read, words that point into the dump, and distinct grains marked
 *
 * Maps an ELF64 core, and for every aligned word of its dumped segments looks the word up in a page
 * table of the dumped addresses and, on a hit, tests and sets a bit of a bitmap of 16-byte grains.
 * No prefetch, no filter: a yardstick that stays the same, not the fastest that is possible.  It
 * trusts its input, which is a core that `run` made a moment ago.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_SHIFT = 12, LEAF_BITS = 18, GRAIN_SHIFT = 4 };
#define ROOT_SIZE (1u << (47 - PAGE_SHIFT - LEAF_BITS))

/* Number of each dumped page, 1 up; 0 = not dumped. Two levels over 47 bits of address. */
static uint32_t *leaves[ROOT_SIZE];

static void *zeroed(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void number_page(uint64_t addr, uint32_t number)
{
	uint64_t page = addr >> PAGE_SHIFT;
	uint32_t **leaf = &leaves[page >> LEAF_BITS];

	if (!*leaf)
		*leaf = zeroed(sizeof(uint32_t) << LEAF_BITS);
	(*leaf)[page & ((1u << LEAF_BITS) - 1)] = number;
}

static inline uint32_t page_number(uint64_t addr)
{
	const uint32_t *leaf;

	if (addr >> 47)
		return 0;
	leaf = leaves[addr >> (PAGE_SHIFT + LEAF_BITS)];
	return leaf ? leaf[(addr >> PAGE_SHIFT) & ((1u << LEAF_BITS) - 1)] : 0;
}

static void mark(const uint64_t *words, uint64_t n, uint64_t *marks, uint64_t *hits, uint64_t *marked)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t page = page_number(words[i]);
		uint64_t grain, bit;

		if (!page)
			continue;
		grain = ((uint64_t)page << PAGE_SHIFT | (words[i] & 0xfff)) >> GRAIN_SHIFT;
		bit = 1ull << (grain & 63);
		++*hits;
		if (!(marks[grain >> 6] & bit)) {
			marks[grain >> 6] |= bit;
			++*marked;
		}
	}
}

int main(int argc, char **argv)
{
	struct stat st;
	const uint8_t *file;
	const Elf64_Ehdr *header;
	const Elf64_Phdr *p;
	uint64_t n_words = 0, hits = 0, marked = 0, *marks;
	uint32_t n_pages = 0;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)sizeof(*header)) {
		fprintf(stderr, "usage: floor CORE\n");
		return 2;
	}
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED || memcmp(file, ELFMAG, SELFMAG)) {
		fprintf(stderr, "floor: %s is no core\n", argv[1]);
		return 1;
	}
	header = (const void *)file;
	p = (const void *)(file + header->e_phoff);
	for (unsigned i = 0; i < header->e_phnum; i++)
		for (uint64_t at = 0; p[i].p_type == PT_LOAD && at < p[i].p_filesz; at += 1 << PAGE_SHIFT)
			if (p[i].p_vaddr >> 47 == 0)
				number_page(p[i].p_vaddr + at, ++n_pages);
	marks = zeroed(((uint64_t)n_pages + 1) << (PAGE_SHIFT - GRAIN_SHIFT - 3));
	for (unsigned i = 0; i < header->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD)
			continue;
		mark((const void *)(file + p[i].p_offset), p[i].p_filesz / 8, marks, &hits, &marked);
		n_words += p[i].p_filesz / 8;
	}
	printf("words %llu hits %llu marked %llu\n", (unsigned long long)n_words, (unsigned long long)hits,
	       (unsigned long long)marked);
	return 0;
}
