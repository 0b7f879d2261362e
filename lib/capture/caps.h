/* capture/caps.h - giving up what a process may do and does not need any more. */
#ifndef HEAPFX_CAPTURE_CAPS_H
#define HEAPFX_CAPTURE_CAPS_H

#include <stdbool.h>
#include <stdint.h>

/* capabilities(7): bits of 1 << CAP_... */
enum {
	CAPS_NONE = 0,
	CAPS_FILES = 1 << 1, /* CAP_DAC_OVERRIDE */
	CAPS_TRACE = 1 << 19, /* CAP_SYS_PTRACE */
	CAPS_ADMIN = 1 << 21, /* CAP_SYS_ADMIN */
};

/*
 * All but these go for good, and no program that is executed gets more (no_new_privs).  Of the
 * calling thread and those that it starts afterwards.  Never fails: less is always allowed.
 */
void caps_keep(uint32_t mask);
/* All of these are in force. */
bool caps_have(uint32_t mask);

#endif
