/*
 * type/python_frames.h - calls of CPython's that have not ended, and generators that wait: what their variables hold.
 *
 * struct _PyInterpreterFrame lies on a stack of the thread's own (its data stack), in a generator or coroutine, or in
 * a frame object. Layouts of 64-bit 3.11 to 3.15: Include/internal/pycore_frame.h (pycore_interpframe_structs.h),
 * Include/cpython/code.h, Include/cpython/pystate.h, Objects/locations.md.
 */
#ifndef HEAPFX_TYPE_PYTHON_FRAMES_H
#define HEAPFX_TYPE_PYTHON_FRAMES_H

#include "type/python_values.h"

struct py_frame {
	taddr at, code;
	taddr locals;	/* its variables: arguments, locals, cells and free ones, each one word */
	uint32_t n_locals;
	taddr live_end; /* behind what it computes with, which follows them, if it does not run */
	taddr end;	/* behind the room for that */
	bool is_on_stack; /* the thread's own, not a generator's or a frame object's */
	bool is_generators;
};

/* Those of this version are known. */
bool py_has_frames(const struct image *img);
/* The last frame of the thread whose state has the three words of its data stack there; 0. */
taddr py_frame_last(const struct image *img, taddr stack_words);
/* What called a frame; 0. Of one that is none, too. */
taddr py_frame_caller(const struct image *img, taddr at);
/* Where a PyThreadState has those words. */
unsigned py_thread_stack_words(const struct image *img);
/* Of the thread that has them; 0. */
uint64_t py_thread_id(const struct image *img, taddr stack_words);
/* False: there is none, or its code is not in the dump. */
bool py_frame_read(const struct image *img, const struct py_version *v, taddr at, struct py_frame *ret);
/* What has its word there: the variable "rows", or the dict of a module's or class's, "globals()"; false: nothing has. */
bool py_frame_variable(const struct image *img, const struct py_version *v, const struct py_frame *f, taddr at,
		       struct text *ret);
/* Its function: "Shop.handle"; false: unknown. */
bool py_frame_function(const struct image *img, const struct py_version *v, const struct py_frame *f, struct text *ret);
/* Where it is: its file, and the line that it runs (0: unknown). */
bool py_frame_line(const struct image *img, const struct py_version *v, const struct py_frame *f, char ret_file[PY_TEXT_MAX],
		   unsigned *ret_line);
/* Where a frame lies in objects of a type: generators, coroutines, frame objects; 0: in none of them. */
unsigned py_frame_in(const struct image *img, const struct py_type *t);
/* From where on to its end such an object holds nothing: values that were used, all variables of one that ended; 0. */
taddr py_frame_over(const struct image *img, const struct py_version *v, const struct py_type *t, taddr object);

#endif
