/*
 * image/dbg_view.c - a libdw over sections that lie in memory, by an ELF file that is never written.
 *
 * Source of truth: libelf(3) of elfutils.  Sections are found by libdw by their names alone.
 */
#include "image/dbg_view.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"

enum { NAME_MAX_BYTES = 64 };

static bool add_section(Elf *elf, const struct dbg_section *s, size_t name, unsigned type)
{
	Elf_Scn *scn = elf_newscn(elf);
	Elf_Data *data = scn ? elf_newdata(scn) : NULL;
	GElf_Shdr header;

	if (!data || !gelf_getshdr(scn, &header))
		return false;
	*data = (Elf_Data){
		.d_buf = (void *)(uintptr_t)s->at, .d_size = s->n, .d_type = ELF_T_BYTE,
		.d_version = EV_CURRENT, .d_align = 1,
	};
	header.sh_name = (Elf64_Word)name;
	header.sh_type = type;
	header.sh_size = s->n;
	return gelf_update_shdr(scn, &header);
}

static bool add_header(Elf *elf, Elf *like)
{
	GElf_Ehdr header, theirs;

	if (!gelf_getehdr(like, &theirs) || !gelf_newehdr(elf, ELFCLASS64) || !gelf_getehdr(elf, &header))
		return false;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	header.e_type = ET_REL;
	header.e_machine = theirs.e_machine;
	header.e_version = EV_CURRENT;
	header.e_shstrndx = 1;
	return gelf_update_ehdr(elf, &header);
}

static bool fill(struct dbg_view *v, Elf *like, const struct dbg_section *sections, size_t n)
{
	struct dbg_section names = { .name = "", .at = v->names, .n = 1 };
	size_t at[DBG_SECTIONS_MAX];

	for (size_t i = 0; i < n; i++) {
		at[i] = names.n;
		names.n += strlen(sections[i].name) + 1;
		memcpy(v->names + at[i], sections[i].name, names.n - at[i]);
	}
	if (!add_header(v->elf, like) || !add_section(v->elf, &names, 0, SHT_STRTAB))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!add_section(v->elf, &sections[i], at[i], SHT_PROGBITS))
			return false;
	return true;
}

/* Libelf wants a descriptor for a file that is being made. */
static Elf *new_elf(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_WRITE, NULL) : NULL;

	if (elf)
		elf_cntl(elf, ELF_C_FDDONE);
	if (fd >= 0)
		close(fd);
	return elf;
}

bool dbg_view_open(struct Elf *like, const struct dbg_section *sections, size_t n, struct dbg_view *ret)
{
	size_t bytes = 1;

	*ret = (struct dbg_view){};
	for (size_t i = 0; i < n; i++)
		bytes += strlen(sections[i].name) + 1;
	if (n > DBG_SECTIONS_MAX)
		return false;
	ret->names = calloc(1, bytes);
	ret->elf = ret->names ? new_elf() : NULL;
	if (ret->elf && fill(ret, like, sections, n))
		ret->dwarf = dwarf_begin_elf(ret->elf, DWARF_C_READ, NULL);
	if (!ret->dwarf)
		dbg_view_close(ret);
	return ret->dwarf;
}

bool dbg_view_open_joined(struct Elf *like, const struct dbg_section *sections, size_t n, void *joined[2],
			  struct dbg_view *ret)
{
	bool opened = dbg_view_open(like, sections, n, ret);

	for (unsigned i = 0; i < 2; i++) {
		if (opened)
			ret->joined[i] = joined[i];
		else
			free(joined[i]);
	}
	return opened;
}

void dbg_view_close(struct dbg_view *v)
{
	if (v->dwarf)
		dwarf_end(v->dwarf);
	if (v->elf)
		elf_end(v->elf);
	free(v->names);
	free(v->joined[0]);
	free(v->joined[1]);
	*v = (struct dbg_view){};
}

/* The next section of DWARF that has bytes behind `scn`. */
static Elf_Scn *next_section(Elf *elf, size_t names, Elf_Scn *scn, struct dbg_section *ret)
{
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(scn, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
		const Elf_Data *data;

		if (!name || header.sh_type == SHT_NOBITS || header.sh_flags & SHF_COMPRESSED ||
		    strncmp(name, ".debug_", 7) != 0 || strnlen(name, NAME_MAX_BYTES) == NAME_MAX_BYTES)
			continue;
		data = elf_getdata(scn, NULL);
		if (!data || !data->d_buf || !data->d_size)
			continue;
		*ret = (struct dbg_section){ name, data->d_buf, data->d_size };
		return scn;
	}
	return NULL;
}

size_t dbg_sections_of(struct Elf *elf, struct dbg_section ret[static DBG_SECTIONS_MAX])
{
	Elf_Scn *scn = NULL;
	size_t n = 0, names;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while (n < DBG_SECTIONS_MAX && (scn = next_section(elf, names, scn, &ret[n])))
		n++;
	return n;
}

size_t dbg_sections_named(struct Elf *elf, const char *name, uint8_t *to, uint64_t *bytes)
{
	struct dbg_section s;
	Elf_Scn *scn = NULL;
	size_t names, n = 0;
	uint64_t at = 0;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while ((scn = next_section(elf, names, scn, &s))) {
		if (strcmp(s.name, name) != 0)
			continue;
		if (to)
			memcpy(to + at, s.at, s.n);
		at += s.n;
		n++;
	}
	*bytes = at;
	return n;
}

bool dbg_section_of(struct Elf *elf, const char *name, struct dbg_section *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = next_section(elf, names, scn, ret)))
		if (!strcmp(ret->name, name))
			return true;
	return false;
}
