/*
 * image/demangle.c - libiberty's demanglers, held to a length: C++ (Itanium ABI), Rust legacy and v0.
 */
#include "image/demangle.h"

#include <setjmp.h>

#include <libiberty/demangle.h>

struct demangled {
	struct text *text;
	size_t start;
	jmp_buf too_long;
};

static bool is_ascii(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] & 0x80)
			return false;
	return true;
}

static void demangled_part(const char *s, size_t n, void *arg)
{
	struct demangled *d = arg;

	if (n <= DEMANGLE_MAX && d->text->n - d->start <= DEMANGLE_MAX)
		text_add_escaped(d->text, s, n);
	else if (is_ascii(s, n)) /* identifiers that are not lie in memory that a jump would lose */
		longjmp(d->too_long, 1);
}

/*
 * False, and nothing added, when it is no name of C++ or Rust.  A short one can stand for text
 * without end and the demangler knows no limit, so that the jump is the only way out of it.
 * Old Rust names (_ZN...17h and a hash) are C++ names too, and are asked for first.
 */
bool demangle(const char *name, struct text *ret)
{
	struct demangled d = { .text = ret, .start = ret->n };

	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
		return false;
	if (setjmp(d.too_long)) {
		text_add(ret, "...");
		return true;
	}
	if (rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, demangled_part, &d))
		return true;
	text_cut(ret, d.start); /* it may notice late */
	if (name[1] == 'Z' && cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, demangled_part, &d))
		return true;
	text_cut(ret, d.start);
	return false;
}
