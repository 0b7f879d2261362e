/*
 * report/pprof.c - profiles as `go tool pprof` and its relatives read them: gzip over protobuf.
 *
 * The format is profile.proto beside this file.  Names of a dump are escaped as for a terminal,
 * so that they are valid UTF-8.  No time stands in it: one report is the same bytes every time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/guard.h"
#include "base/text.h"
#include "report/profile.pb-c.h"
#include "report/report.h"

enum { NAME_MAX_BYTES = 1 << 16 };
enum { GZIP_WINDOW = 15 + 16 }; /* 16: a gzip header */

struct strings {
	char **v; /* in the arena */
	size_t n, cap;
	uint32_t *slots; /* index + 1; a power of two of them */
	size_t n_slots;
};

struct encoder {
	struct arena mem;
	struct strings strings;
	struct text scratch;
	Pprof__Profile out;
	Pprof__Function **functions;
	size_t n_functions, functions_cap;
	uint64_t *function_slots; /* id of function; by (name, file) */
	size_t n_function_slots;
	bool bad; /* out of memory */
};

static void encoder_fini(struct encoder *e)
{
	arena_fini(&e->mem);
	free(e->strings.v);
	free(e->strings.slots);
	free(e->functions);
	free(e->function_slots);
	text_fini(&e->scratch);
}

static void *room(struct encoder *e, size_t n, size_t size)
{
	void *p = e->bad || (n && size > SIZE_MAX / n) ? NULL : arena_alloc(&e->mem, n * size + 1);

	e->bad = e->bad || !p;
	return p;
}

static bool grow(void **v, size_t *cap, size_t elem)
{
	size_t want = *cap ? *cap * 2 : 256;
	void *p = reallocarray(*v, want, elem);

	if (!p)
		return false;
	*v = p;
	*cap = want;
	return true;
}

/* ---- strings ---- */

static uint64_t hash_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h ^ h >> 29;
}

/* Where `s` is, or the empty slot for it. */
static uint32_t *string_slot(const struct strings *t, const char *s)
{
	size_t i = hash_of(s) & (t->n_slots - 1);

	while (t->slots[i] && strcmp(t->v[t->slots[i] - 1], s))
		i = (i + 1) & (t->n_slots - 1);
	return &t->slots[i];
}

static bool strings_room(struct strings *t)
{
	uint32_t *old = t->slots;
	size_t want = t->n_slots ? 2 * t->n_slots : 1024;

	if (t->n == t->cap && !grow((void **)&t->v, &t->cap, sizeof(*t->v)))
		return false;
	if (2 * (t->n + 1) < t->n_slots)
		return true;
	t->slots = calloc(want, sizeof(*t->slots));
	if (!t->slots) {
		t->slots = old;
		return false;
	}
	t->n_slots = want;
	for (size_t i = 0; i < t->n; i++)
		*string_slot(t, t->v[i]) = (uint32_t)i + 1;
	free(old);
	return true;
}

/* Its index; NULL is the empty string, which is the first. */
static int64_t string_id(struct encoder *e, const char *raw)
{
	struct strings *t = &e->strings;
	uint32_t *slot;

	text_reset(&e->scratch);
	if (raw)
		text_add_escaped(&e->scratch, raw, strnlen(raw, NAME_MAX_BYTES));
	if (e->bad || e->scratch.bad || !strings_room(t)) {
		e->bad = true;
		return 0;
	}
	slot = string_slot(t, text_str(&e->scratch));
	if (!*slot) {
		t->v[t->n] = arena_strdup(&e->mem, text_str(&e->scratch));
		if (!t->v[t->n]) {
			e->bad = true;
			return 0;
		}
		*slot = (uint32_t)++t->n;
	}
	return *slot - 1;
}

/* ---- functions ---- */

static uint64_t *function_slot(struct encoder *e, int64_t name, int64_t file)
{
	size_t mask = e->n_function_slots - 1;
	uint64_t h = (uint64_t)name * 0x9e3779b97f4a7c15 + (uint64_t)file * 0xc2b2ae3d27d4eb4f;
	size_t i = h >> 20 & mask;

	for (; e->function_slots[i]; i = (i + 1) & mask) {
		const Pprof__Function *f = e->functions[e->function_slots[i] - 1];

		if (f->name == name && f->filename == file)
			break;
	}
	return &e->function_slots[i];
}

static bool functions_room(struct encoder *e)
{
	uint64_t *old = e->function_slots;
	size_t want = e->n_function_slots ? 2 * e->n_function_slots : 1024;

	if (e->n_functions == e->functions_cap &&
	    !grow((void **)&e->functions, &e->functions_cap, sizeof(*e->functions)))
		return false;
	if (2 * (e->n_functions + 1) < e->n_function_slots)
		return true;
	e->function_slots = calloc(want, sizeof(*e->function_slots));
	if (!e->function_slots) {
		e->function_slots = old;
		return false;
	}
	e->n_function_slots = want;
	for (size_t i = 0; i < e->n_functions; i++)
		*function_slot(e, e->functions[i]->name, e->functions[i]->filename) = i + 1;
	free(old);
	return true;
}

static uint64_t function_id(struct encoder *e, const struct rp_line *line)
{
	int64_t name = string_id(e, line->function), file = string_id(e, line->file);
	Pprof__Function *f;
	uint64_t *slot;

	if (e->bad || !functions_room(e)) {
		e->bad = true;
		return 0;
	}
	slot = function_slot(e, name, file);
	if (*slot)
		return *slot;
	f = room(e, 1, sizeof(*f));
	if (!f)
		return 0;
	pprof__function__init(f);
	f->name = f->system_name = name;
	f->filename = file;
	e->functions[e->n_functions++] = f;
	f->id = *slot = e->n_functions;
	return f->id;
}

/* ---- messages ---- */

static Pprof__ValueType *value_type(struct encoder *e, const struct rp_value_type *from)
{
	Pprof__ValueType *v = room(e, 1, sizeof(*v));

	if (!v)
		return NULL;
	pprof__value_type__init(v);
	v->type = string_id(e, from->type);
	v->unit = string_id(e, from->unit);
	return v;
}

static Pprof__Line *line_message(struct encoder *e, const struct rp_line *from)
{
	Pprof__Line *l = room(e, 1, sizeof(*l));

	if (!l)
		return NULL;
	pprof__line__init(l);
	l->function_id = function_id(e, from);
	l->line = from->line;
	return l;
}

static Pprof__Location *location(struct encoder *e, const struct rp_location *from, uint64_t id)
{
	Pprof__Location *l = room(e, 1, sizeof(*l));
	Pprof__Line **lines = room(e, from->n_lines, sizeof(*lines));

	if (!l || !lines)
		return NULL;
	pprof__location__init(l);
	l->id = id;
	l->address = from->address;
	l->mapping_id = from->mapping;
	l->line = lines;
	for (; l->n_line < from->n_lines && !e->bad; l->n_line++)
		lines[l->n_line] = line_message(e, &from->lines[l->n_line]);
	return l;
}

static Pprof__Mapping *mapping(struct encoder *e, const struct rp_mapping *from, uint64_t id)
{
	Pprof__Mapping *m = room(e, 1, sizeof(*m));

	if (!m)
		return NULL;
	pprof__mapping__init(m);
	m->id = id;
	m->memory_start = from->start;
	m->memory_limit = from->end;
	m->file_offset = from->offset;
	m->filename = string_id(e, from->path);
	m->build_id = string_id(e, from->build_id);
	/* nobody need look for symbols: all there are stand here */
	m->has_functions = m->has_filenames = m->has_line_numbers = m->has_inline_frames = true;
	return m;
}

static Pprof__Label *label(struct encoder *e, const struct rp_label *from)
{
	Pprof__Label *l = room(e, 1, sizeof(*l));

	if (!l)
		return NULL;
	pprof__label__init(l);
	l->key = string_id(e, from->key);
	if (from->text) {
		l->str = string_id(e, from->text);
	} else {
		l->num = (int64_t)from->number;
		l->num_unit = string_id(e, from->unit);
	}
	return l;
}

static Pprof__Sample *sample(struct encoder *e, const struct rp_profile *p,
			     const struct rp_sample *from)
{
	Pprof__Sample *s = room(e, 1, sizeof(*s));
	uint64_t *ids = room(e, from->n_locations, sizeof(*ids));
	int64_t *values = room(e, p->n_values, sizeof(*values));
	Pprof__Label **labels = room(e, from->n_labels, sizeof(*labels));

	if (!s || !ids || !values || !labels)
		return NULL;
	pprof__sample__init(s);
	for (size_t i = 0; i < from->n_locations; i++)
		ids[i] = (uint64_t)from->locations[i] + 1;
	for (size_t i = 0; i < p->n_values; i++)
		values[i] = from->values[i];
	for (; s->n_label < from->n_labels && !e->bad; s->n_label++)
		labels[s->n_label] = label(e, &from->labels[s->n_label]);
	s->location_id = ids;
	s->n_location_id = from->n_locations;
	s->value = values;
	s->n_value = p->n_values;
	s->label = labels;
	return s;
}

static void add_parts(struct encoder *e, const struct rp_profile *p)
{
	Pprof__Profile *o = &e->out;

	o->sample_type = room(e, p->n_values, sizeof(*o->sample_type));
	o->location = room(e, p->n_locations, sizeof(*o->location));
	o->mapping = room(e, p->n_mappings, sizeof(*o->mapping));
	o->sample = room(e, p->n_samples, sizeof(*o->sample));
	o->comment = room(e, p->n_comments, sizeof(*o->comment));
	for (; !e->bad && o->n_sample_type < p->n_values; o->n_sample_type++)
		o->sample_type[o->n_sample_type] = value_type(e, &p->values[o->n_sample_type]);
	for (; !e->bad && o->n_mapping < p->n_mappings; o->n_mapping++)
		o->mapping[o->n_mapping] =
			mapping(e, &p->mappings[o->n_mapping], o->n_mapping + 1);
	for (; !e->bad && o->n_location < p->n_locations; o->n_location++)
		o->location[o->n_location] =
			location(e, &p->locations[o->n_location], o->n_location + 1);
	for (; !e->bad && o->n_sample < p->n_samples; o->n_sample++)
		o->sample[o->n_sample] = sample(e, p, &p->samples[o->n_sample]);
	for (; !e->bad && o->n_comment < p->n_comments; o->n_comment++)
		o->comment[o->n_comment] = string_id(e, p->comments[o->n_comment]);
}

static bool encode(struct encoder *e, const struct rp_profile *p, size_t main_value)
{
	Pprof__Profile *o = &e->out;

	pprof__profile__init(o);
	string_id(e, NULL);
	add_parts(e, p);
	if (p->period_type.type)
		o->period_type = value_type(e, &p->period_type);
	o->period = (int64_t)p->period;
	o->default_sample_type = string_id(e, p->values[main_value].type);
	o->function = e->functions;
	o->n_function = e->n_functions;
	o->string_table = e->strings.v;
	o->n_string_table = e->strings.n;
	return !e->bad;
}

/* ---- gzip ---- */

static struct err *write_gzip(const uint8_t *data, size_t n, FILE *out)
{
	uint8_t buffer[1 << 15];
	z_stream z = {};
	int status = Z_OK;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return &err_nomem;
	while (status == Z_OK) {
		size_t piece = n < (1u << 30) ? n : 1u << 30;

		z.next_in = (uint8_t *)(uintptr_t)data;
		z.avail_in = (uInt)piece;
		data += piece;
		n -= piece;
		do {
			z.next_out = buffer;
			z.avail_out = sizeof(buffer);
			status = deflate(&z, n ? Z_NO_FLUSH : Z_FINISH);
			fwrite(buffer, 1, sizeof(buffer) - z.avail_out, out);
		} while (!z.avail_out && status == Z_OK);
	}
	deflateEnd(&z);
	fflush(out);
	return ferror(out) ? err_os(errno, "writing a profile") : NULL;
}

static struct err *write_profile(const struct rp_profile *p, size_t main_value, FILE *out)
{
	_cleanup_(encoder_fini) struct encoder e = { .scratch = TEXT_INIT };
	_free_ uint8_t *packed = NULL;
	size_t n;

	if (!encode(&e, p, main_value))
		return &err_nomem;
	n = pprof__profile__get_packed_size(&e.out);
	packed = malloc(n + 1);
	if (!packed)
		return &err_nomem;
	pprof__profile__pack(&e.out, packed);
	return write_gzip(packed, n, out);
}

static struct err *paths_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];

	(void)opt; /* nothing to choose */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "pprof: this report has no paths");
	return write_profile(p, p->main_value, out);
}

enum { ALLOC_SPACE = 1, INUSE_SPACE = 3 }; /* of PROFILE_GO_HEAP */

static struct err *go_write(const struct report *r, size_t main_value, FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_GO_HEAP];

	if (!p)
		return err_new(ERR_UNSUPPORTED, "no profile of a Go runtime is in this dump");
	return write_profile(p, main_value, out);
}

static struct err *go_heap_write(const struct report *r, const struct writer_options *opt,
				 FILE *out)
{
	(void)opt; /* nothing to choose */
	return go_write(r, INUSE_SPACE, out);
}

static struct err *go_allocs_write(const struct report *r, const struct writer_options *opt,
				   FILE *out)
{
	(void)opt; /* nothing to choose */
	return go_write(r, ALLOC_SPACE, out);
}

static struct err *waits_write(const struct report *r, enum profile_kind kind, FILE *out)
{
	const struct rp_profile *p = r->profiles[kind];

	if (!p)
		return err_new(ERR_UNSUPPORTED, "no such profile of a Go runtime is in this dump: "
						"it was not switched on, or nothing waited");
	return write_profile(p, p->main_value, out);
}

static struct err *go_block_write(const struct report *r, const struct writer_options *opt,
				  FILE *out)
{
	(void)opt; /* nothing to choose */
	return waits_write(r, PROFILE_GO_BLOCK, out);
}

static struct err *go_mutex_write(const struct report *r, const struct writer_options *opt,
				  FILE *out)
{
	(void)opt; /* nothing to choose */
	return waits_write(r, PROFILE_GO_MUTEX, out);
}

const struct writer_ops go_block_writer = {
	.name = "go-block",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_GO_BLOCK,
	.write = go_block_write,
};

const struct writer_ops go_mutex_writer = {
	.name = "go-mutex",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_GO_MUTEX,
	.write = go_mutex_write,
};

static struct err *samples_write(const struct report *r, const struct writer_options *opt,
				 FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_SAMPLES];

	(void)opt; /* nothing to choose */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "no allocator in this dump sampled what is in use");
	return write_profile(p, p->main_value, out);
}

const struct writer_ops pprof_writer = {
	.name = "pprof",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_PATHS,
	.write = paths_write,
};

const struct writer_ops heap_samples_writer = {
	.name = "heap-samples",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_SAMPLES,
	.write = samples_write,
};

const struct writer_ops go_heap_writer = {
	.name = "go-heap",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_GO_HEAP,
	.write = go_heap_write,
};

const struct writer_ops go_allocs_writer = {
	.name = "go-allocs",
	.extension = "pb.gz",
	.needs = 1u << PROFILE_GO_HEAP,
	.write = go_allocs_write,
};
