/*
 * capture/notes.h - the notes of an ELF core: processes, threads, registers, files.
 *
 * Linux fs/binfmt_elf.c (elf_core_dump, fill_note_info, fill_files_note), include/uapi/linux/elf.h.
 * NT_SIGINFO is left out: no signal ended this process, and a note that says so would lie.
 */
#ifndef HEAPFX_CAPTURE_NOTES_H
#define HEAPFX_CAPTURE_NOTES_H

#include "capture/freeze.h"

/* The note of who made the core: its contents are the mode's name, terminated. */
#define NOTE_HEAPFX "HEAPFX"
enum { NT_HEAPFX_MODE = 0x48465801 }; /* no number of others: some readers look at it alone */

/* NT_PRSTATUS with the process's own notes behind the first, as gdb expects them. */
struct err *notes_build(const struct frozen *f, const char *mode, struct bytes *ret) MUST_CHECK;
/* NT_FILE: what is mapped of files. Needs no stop; the mappings are those of the stop. */
struct err *notes_add_files(const struct maps *maps, struct bytes *to) MUST_CHECK;

#endif
