/* tests/lib/fake_elf.h - an ELF64 file in memory, from the bytes of its sections. */
#ifndef HEAPFX_TESTS_FAKE_ELF_H
#define HEAPFX_TESTS_FAKE_ELF_H

#include <stddef.h>
#include <stdint.h>

enum { BYTES_MAX = 4096, FAKE_ELF_MAX = 32768 };

/* Bytes that grow; too many end the test. */
struct bytes {
	uint8_t v[BYTES_MAX];
	size_t n;
};
void put_n(struct bytes *b, const void *v, size_t n);
void put_u8(struct bytes *b, unsigned v);
void put_u16(struct bytes *b, unsigned v);
void put_u32(struct bytes *b, uint32_t v);
void put_u64(struct bytes *b, uint64_t v);
void put_str(struct bytes *b, const char *s); /* with its NUL */
void set_u32(struct bytes *b, size_t at, uint32_t v);

/* One section; a table ends with a NULL name. `addr` 0: in no memory. */
struct fake_section {
	const char *name;
	uint64_t addr;
	const struct bytes *bytes;
};

struct fake_elf {
	_Alignas(16) uint8_t v[FAKE_ELF_MAX];
	size_t n;
};
/* One PT_LOAD of [0, memsz), a build id of twenty times `id` (0: none), the sections. */
void fake_elf_init(struct fake_elf *e, uint16_t type, uint64_t memsz, uint8_t id,
		   const struct fake_section *sections);

#endif
