/*
 * notes_fuzz.c - any bytes as the notes of a sound core, so that mutation is spent on notes alone.
 *
 * The core has a data segment and a stack as corpus/elf/synth.py gives them.
 */
#include <elf.h>

#include "fuzz.h"

enum { N_PHDRS = 3, PAGE = 4096 };

struct sound_core {
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[N_PHDRS];
	uint8_t data[PAGE], stack[PAGE];
	uint8_t notes[];
};

static void describe(struct sound_core *core, size_t n_notes)
{
	core->header = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = offsetof(struct sound_core, phdrs), .e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = N_PHDRS,
	};
	core->phdrs[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct sound_core, notes),
				       .p_filesz = n_notes };
	core->phdrs[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x600000,
				       .p_offset = offsetof(struct sound_core, data),
				       .p_filesz = PAGE, .p_memsz = PAGE };
	core->phdrs[2] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x7fff00000000,
				       .p_offset = offsetof(struct sound_core, stack),
				       .p_filesz = PAGE, .p_memsz = PAGE };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sound_core *core = calloc(1, sizeof(*core) + size);
	char path[64];
	int fd;

	if (!core)
		return 0;
	describe(core, size);
	memcpy(core->notes, data, size);
	fd = fuzz_file(core, sizeof(*core) + size, path);
	free(core);
	fuzz_image(path, NULL);
	close(fd);
	return 0;
}
