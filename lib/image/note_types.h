/*
 * image/note_types.h - <elf.h>, and the types of notes that it may be too old for.
 *
 * Source: Linux include/uapi/linux/elf.h (6.12), binutils include/elf/common.h (2.40).
 */
#ifndef HEAPFX_IMAGE_NOTE_TYPES_H
#define HEAPFX_IMAGE_NOTE_TYPES_H

#include <elf.h>

#ifndef NT_X86_XSAVE_LAYOUT
#define NT_X86_XSAVE_LAYOUT 0x205
#endif
#ifndef NT_GDB_TDESC
#define NT_GDB_TDESC 0xff000000
#endif

#endif
