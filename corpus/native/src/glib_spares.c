/*
 * glib_spares.c - what GLib keeps room in for more than it holds, and healthy twins of each.
 *
 *	glib_spares TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * Rows are those of slacks.cpp.  How many pointers a GPtrArray has room for GLib does not tell: what
 * it asked realloc() for does.
 */
#include "types.h"

#include <glib.h>

enum { N = 60, LOGGED = 1 << 14 };

struct three {
	long words[3];
};

struct shelf {
	GPtrArray *lines;
	GString *label;
};

GPtrArray *few, *none, *right;
struct shelf *shelves[N];
GString *text;
GArray *wide, *empty;
GByteArray *raw;

static struct {
	uintptr_t masked;
	size_t size;
} logged[LOGGED];
static size_t n_logged;

extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_malloc(size_t size);

static void *log_size(void *p, size_t size)
{
	if (n_logged == LOGGED)
		abort();
	logged[n_logged].masked = (uintptr_t)p ^ TYPES_MASK;
	logged[n_logged++].size = size;
	return p;
}

void *realloc(void *p, size_t size)
{
	return log_size(__libc_realloc(p, size), size);
}

void *malloc(size_t size)
{
	return log_size(__libc_malloc(size), size);
}

/* What its last user asked for. */
static size_t size_of(const void *p)
{
	for (size_t i = n_logged; i--;)
		if (logged[i].masked == ((uintptr_t)p ^ TYPES_MASK))
			return logged[i].size;
	abort();
}

/* What a program writes down of itself; lives until it ends. */
static const char *words(const char *kind, size_t used, size_t room)
{
	static char pool[1 << 16];
	static size_t at;
	char *s = pool + at;

	at += 1 + (size_t)snprintf(s, sizeof pool - at, "%s %zu of %zu", kind, used, room);
	if (at >= sizeof pool)
		exit(3);
	return s;
}

/* Three fifths wasted, and 32 bytes. */
static void note(const void *block, size_t used, size_t one, enum form form, const char *type)
{
	size_t size = block ? size_of(block) : 0, room = size / one;

	types_note(block, size, form, type, 0, NULL);
	if ((room - used) * one >= 32 && (room - used) * 5 >= room * 3)
		types_note(block, size, SPARE, words(used ? "capacity" : "empty", used, room), 0, NULL);
}

static void note_array(const GPtrArray *a)
{
	note(a->pdata, a->len, sizeof(void *), ARRAY, "void *");
}

static void note_string(const GString *s)
{
	note(s->str, s->len + 1, 1, ARRAY, "char");
}

static GPtrArray *array_new(guint used, guint room)
{
	GPtrArray *a = g_ptr_array_sized_new(room);

	for (guint i = 0; i < used; i++)
		g_ptr_array_add(a, GINT_TO_POINTER(i + 1));
	return a;
}

static GArray *wide_new(guint used, guint room)
{
	GArray *a = g_array_sized_new(FALSE, TRUE, sizeof(struct three), room);

	return g_array_set_size(a, used);
}

static GString *string_new(gsize used, gsize room)
{
	GString *s = g_string_sized_new(room);

	for (gsize i = 0; i < used; i++)
		g_string_append_c(s, 'x');
	return s;
}

static NOINLINE void fill(void)
{
	few = array_new(3, 40000);
	none = array_new(0, 300);
	right = array_new(400, 400);
	text = string_new(50, 5000);
	wide = wide_new(20, 500);
	empty = wide_new(0, 70);
	raw = g_byte_array_sized_new(900);
	g_byte_array_append(raw, (const guint8 *)"a few bytes", 11);
	for (int i = 0; i < N; i++) {
		struct shelf *s = g_new0(struct shelf, 1);

		s->lines = array_new(i % 4 * 20, 64);
		s->label = string_new(i % 5 * 20, 100 + i);
		shelves[i] = s;
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	fill();
	note_array(few);
	note_array(none);
	note_array(right);
	note_string(text);
	note(wide->data, wide->len, sizeof(struct three), VALUE, "GArray elements");
	note(empty->data, empty->len, sizeof(struct three), VALUE, "GArray elements");
	note(raw->data, raw->len, 1, ARRAY, "unsigned char");
	for (int i = 0; i < N; i++) {
		note_array(shelves[i]->lines);
		note_string(shelves[i]->label);
	}
	types_close(argv[1]);
	types_ready();
}
