#include "fake_elf.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SECTIONS_MAX = 12 };

void put_n(struct bytes *b, const void *v, size_t n)
{
	assert_true(n <= sizeof(b->v) - b->n);
	memcpy(b->v + b->n, v, n);
	b->n += n;
}

void put_u8(struct bytes *b, unsigned v)
{
	put_n(b, &(uint8_t){ (uint8_t)v }, 1);
}

void put_u16(struct bytes *b, unsigned v)
{
	put_n(b, &(uint16_t){ (uint16_t)v }, 2);
}

void put_u32(struct bytes *b, uint32_t v)
{
	put_n(b, &v, 4);
}

void put_u64(struct bytes *b, uint64_t v)
{
	put_n(b, &v, 8);
}

void put_str(struct bytes *b, const char *s)
{
	put_n(b, s, strlen(s) + 1);
}

void set_u32(struct bytes *b, size_t at, uint32_t v)
{
	assert_true(at <= b->n && b->n - at >= 4);
	memcpy(b->v + at, &v, 4);
}

static size_t append(struct fake_elf *e, const void *v, size_t n)
{
	size_t at = (e->n + 15) & ~(size_t)15;

	assert_true(at + n <= sizeof(e->v));
	memcpy(e->v + at, v, n);
	e->n = at + n;
	return at;
}

void fake_elf_init(struct fake_elf *e, uint16_t type, uint64_t memsz, uint8_t id,
		   const struct fake_section *sections)
{
	Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = type,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(h),
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shentsize = sizeof(Elf64_Shdr) };
	Elf64_Phdr load = { PT_LOAD, PF_R | PF_X, 0, 0, 0, 0, memsz, 4096 };
	Elf64_Shdr sh[SECTIONS_MAX] = {};
	struct bytes names = {}, note = {};
	size_t n = 1;

	memset(e, 0, sizeof(*e));
	e->n = sizeof(h) + sizeof(load);
	put_str(&names, "");
	for (; id && !note.n; n++) {
		uint8_t bytes[20];

		memset(bytes, id, sizeof(bytes));
		put_u32(&note, 4);
		put_u32(&note, sizeof(bytes));
		put_u32(&note, NT_GNU_BUILD_ID);
		put_str(&note, "GNU");
		put_n(&note, bytes, sizeof(bytes));
		sh[n] = (Elf64_Shdr){ .sh_name = (Elf64_Word)names.n,
				      .sh_type = SHT_NOTE,
				      .sh_size = note.n };
		sh[n].sh_offset = append(e, note.v, note.n);
		put_str(&names, ".note.gnu.build-id");
	}
	for (; sections && sections->name; sections++, n++) {
		assert_true(n + 1 < SECTIONS_MAX);
		sh[n] = (Elf64_Shdr){ .sh_name = (Elf64_Word)names.n,
				      .sh_type = SHT_PROGBITS,
				      .sh_flags = sections->addr ? SHF_ALLOC : 0,
				      .sh_addr = sections->addr,
				      .sh_size = sections->bytes->n,
				      .sh_addralign = 1 };
		sh[n].sh_offset = append(e, sections->bytes->v, sections->bytes->n);
		put_str(&names, sections->name);
	}
	sh[n] = (Elf64_Shdr){ .sh_name = (Elf64_Word)names.n,
			      .sh_type = SHT_STRTAB,
			      .sh_addralign = 1 };
	put_str(&names, ".shstrtab");
	sh[n].sh_size = names.n;
	sh[n].sh_offset = append(e, names.v, names.n);
	h.e_shstrndx = (Elf64_Half)n;
	h.e_shnum = (Elf64_Half)(n + 1);
	h.e_shoff = append(e, sh, (n + 1) * sizeof(*sh));
	load.p_filesz = e->n < memsz ? e->n : memsz;
	memcpy(e->v, &h, sizeof(h));
	memcpy(e->v + sizeof(h), &load, sizeof(load));
}
