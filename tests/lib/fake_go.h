/*
 * tests/lib/fake_go.h - a Go runtime in a fake image: functions with their tables, goroutines,
 * variables.
 */
#ifndef HEAPFX_TESTS_FAKE_GO_H
#define HEAPFX_TESTS_FAKE_GO_H

#include "fake_image.h"
#include "image/go.h"

enum {
	FAKE_TEXT = 0x400000, /* functions, FAKE_FUNC bytes each; never read */
	FAKE_FUNC = 0x100,
	FAKE_PROLOGUE = 0x10, /* until there a function has no frame */
	FAKE_GO_TABLES = 0x500000,
	FAKE_GO_DATA = 0x600000, /* data, bss, what the runtime allocates for itself */
	FAKE_GO_STACKS = 0x700000,
	FAKE_STACK = 0x1000,   /* bytes of each */
	FAKE_OTHER = 0x800000, /* stacks that are no goroutine's */
	FAKE_HEAP = 0x900000,
	FAKE_G = FAKE_GO_DATA + 0x4000, /* goroutines, 0x400 bytes each */
	FAKE_ALLGS = FAKE_GO_DATA + 0x3000,
	FAKE_REASONS = FAKE_GO_DATA + 0x2000,
	FAKE_FUNCS = 16,
	FAKE_MAPS = 3,
};

/* A function: its tables say the same from the prologue to the end. */
struct fake_func {
	const char *name;
	int frame; /* bytes from sp to the return address (amd64) or to the caller's sp (arm64) */
	int args;  /* bytes of arguments */
	uint8_t id, flag;
	unsigned deferreturn;
	/*
	 * Bit i: word i holds a pointer. Locals end with the frame: word 0 is the lowest. 0 words:
	 * no map.
	 */
	unsigned n_locals, locals[FAKE_MAPS];
	unsigned n_args, arg_bits;
	int map; /* PCDATA_StackMapIndex behind the prologue */
	struct fake_object {
		int off; /* from the end of the locals when below 0, else from the arguments */
		int size;
		unsigned bits;
	} objects[2];
};

struct fake_go {
	struct fake_image *image;
	struct go go;
	struct go_module module;
	unsigned n_gs;
};

/*
 * Memory of the kinds above; `funcs` ends with one without a name. Fields are those of go.minor =
 * `minor`.
 */
struct fake_go *fake_go_new(struct env *env, unsigned minor, enum target_id target,
			    const struct fake_func *funcs);
void fake_go_free(struct fake_go *f);
void fake_go_bytes(struct fake_go *f, taddr at, const void *bytes, size_t n);
void fake_go_put(struct fake_go *f, taddr at, uint64_t value);

static inline taddr fake_entry(unsigned func)
{
	return FAKE_TEXT + (taddr)func * FAKE_FUNC;
}
/* In the body of function no. `func`. */
static inline taddr fake_pc(unsigned func)
{
	return fake_entry(func) + 0x40;
}
static inline taddr fake_stack(unsigned g)
{
	return FAKE_GO_STACKS + (taddr)g * FAKE_STACK;
}

/*
 * One more goroutine in allgs, with a stack of its own; its fields by go.layout.g are the caller's
 * to put.
 */
taddr fake_go_add(struct fake_go *f, uint64_t id, unsigned status);

#endif
