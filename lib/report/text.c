/*
 * report/text.c - the first screen: what this is, where the memory went, what is wrong, the worst
 * suspects with their holders, what was damaged, what to type next.
 *
 * Every line is built whole, then cut in its middle to the width; names are the dump's, so all of
 * them are escaped on the way.  Columns are counted in characters, wide ones as two.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/guard.h"
#include "report/import_paths.h"
#include "report/report.h"

enum {
	FOLD = 40, /* lines of the page with three suspects */
	LABEL_MAX = 40,
	BAR_MAX = 20,
	TITLE_WIDTH = 46,
	LEAST_ROOT = 14,
	SUSPECTS_FOLD = 3,
	VERDICT_INDENT = 9,
	PROBLEM_INDENT = 10,
	NEXT_INDENT = 6,
	CHAIN_INDENT = 6,
	WIDTH_MIN = 60,
	NARROW_MAX = 20,
	WIDTH_DEFAULT = 100,
};

/*
 * How many lines (of a sentence: lines each) a section may have; smaller parts of the breakdown are
 * summed up.
 */
struct fit {
	unsigned breakdown, verdict_lines, problems, problem_lines, cycles, next, types, pools,
		goroutines;
};

/*
 * The first that keeps the page above the fold, else the last: commands of ten lines and more are
 * all it lets by.
 */
static const struct fit fits[] = {
	{ 9, 4, 3, 4, 1, 8, 6, 6, 6 },
	{ 9, 4, 3, 4, 1, 8, 4, 3, 4 },
	{ 9, 4, 3, 4, 1, 8, 3, 2, 3 },
	{ 8, 4, 3, 4, 1, 8, 3, 2, 2 },
	{ 8, 4, 3, 4, 1, 4, 2, 1, 2 },
	{ 7, 4, 3, 4, 1, 3, 2, 1, 2 },
	{ 8, 4, 3, 4, 1, 4, 0, 1, 3 },
	{ 7, 4, 3, 4, 1, 3, 0, 1, 2 },
	{ 8, 4, 3, 4, 1, 4, 0, 0, 3 },
	{ 7, 4, 3, 4, 1, 3, 0, 0, 2 },
	{ 9, 4, 3, 4, 1, 8 },
	{ 8, 4, 3, 4, 1, 4 },
	{ 7, 4, 3, 4, 1, 3 },
	{ 7, 3, 3, 3, 1, 3 },
	{ 7, 3, 3, 2, 1, 3 },
	{ 7, 2, 3, 2, 1, 3 },
	{ 6, 2, 3, 1, 1, 3 },
	{ 6, 2, 3, 1, 1, 2 },
	{ 5, 2, 2, 1, 0, 1 },
};

struct page {
	FILE *out; /* NULL: lines are counted alone */
	const struct report *r;
	const struct fit *fit;
	unsigned width, top, lines;
	bool color;
	struct text line, scratch;
};

/* A narrow page takes from names what figures need, as far as a name can still be told. */
static unsigned missing(const struct page *p)
{
	unsigned n = p->width < WIDTH_DEFAULT ? WIDTH_DEFAULT - p->width : 0;

	return n < NARROW_MAX ? n : NARROW_MAX;
}

static unsigned title_width(const struct page *p)
{
	return TITLE_WIDTH - missing(p);
}

static unsigned label_max(const struct page *p)
{
	return LABEL_MAX - missing(p) / 2;
}

static unsigned char_width(const char *s)
{
	unsigned char c = (unsigned char)*s;

	if ((c & 0xc0) == 0x80)
		return 0; /* inside a character */
	/* from U+1000, save U+2000..U+2FFF: assume the worst */
	return c >= 0xe1 && c != 0xe2 ? 2 : 1;
}

static unsigned columns(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += char_width(s);
	return n;
}

/* Bytes at the start of s that fill at most `max` columns; whole characters. */
static size_t head_bytes(const char *s, unsigned max)
{
	unsigned used = 0;
	size_t i = 0;

	while (s[i]) {
		unsigned w = char_width(s + i);

		if (w > max - used)
			break;
		used += w;
		i++;
	}
	return i;
}

/* At most `max` columns of s, its middle given up for "…"; the end says more than the middle. */
static void add_cut(struct text *t, const char *s, unsigned max)
{
	unsigned total = columns(s), tail = (max - 1) / 3, skip = 0;
	const char *p = s;

	if (total <= max) {
		text_add(t, s);
		return;
	}
	text_add_n(t, s, head_bytes(s, max - 1 - tail));
	text_add(t, "…");
	while (*p && total - skip > tail)
		skip += char_width(p++);
	while ((*p & 0xc0) == 0x80)
		p++;
	text_add(t, p);
}

static void pad_to(struct text *t, unsigned column)
{
	for (unsigned n = columns(text_str(t)); n < column; n++)
		text_add(t, " ");
}

/* Right-aligned so that it ends at `column`. */
static void add_right(struct text *t, const char *s, unsigned column)
{
	unsigned w = columns(s);

	pad_to(t, column > w ? column - w : 0);
	text_add(t, s);
}

static void add_name(struct text *t, const char *s)
{
	text_add_escaped(t, s, strlen(s));
}

/* The same, after what Go's names can do without. */
static void add_fitting(struct text *t, const char *s, unsigned max)
{
	struct text shorter = TEXT_INIT;

	if (columns(s) > max)
		import_paths_add_short(&shorter, s);
	add_cut(t, shorter.n ? text_str(&shorter) : s, max);
	text_fini(&shorter);
}

static void add_name_cut(struct text *t, const char *s, unsigned max)
{
	struct text whole = TEXT_INIT;

	add_name(&whole, s);
	add_fitting(t, text_str(&whole), max);
	text_fini(&whole);
}

static void right_bytes(struct page *p, uint64_t n, unsigned column)
{
	text_reset(&p->scratch);
	text_add_bytes(&p->scratch, n);
	add_right(&p->line, text_str(&p->scratch), column);
}

static void right_count(struct page *p, uint64_t n, unsigned column)
{
	text_reset(&p->scratch);
	text_add_count(&p->scratch, n);
	add_right(&p->line, text_str(&p->scratch), column);
}

/* The line is done: its first `n_styled` bytes in `style` when colour is wanted. */
static void end_line_styled(struct page *p, const char *style, size_t n_styled)
{
	struct text cut = TEXT_INIT;
	const char *s;

	p->lines++;
	if (!p->out) {
		text_reset(&p->line);
		return;
	}
	while (p->line.n && p->line.s[p->line.n - 1] == ' ')
		p->line.s[--p->line.n] = '\0';
	add_cut(&cut, text_str(&p->line), p->width);
	s = text_str(&cut);
	if (n_styled > cut.n)
		n_styled = cut.n;
	if (p->color && n_styled)
		fprintf(p->out, "\033[%sm%.*s\033[0m%s\n", style, (int)n_styled, s, s + n_styled);
	else
		fprintf(p->out, "%s\n", s);
	text_fini(&cut);
	text_reset(&p->line);
}

static void end_line(struct page *p)
{
	end_line_styled(p, "", 0);
}

static void blank(struct page *p)
{
	end_line(p);
}

static const char *kind_words(const char *kind)
{
	static const struct {
		const char *kind, *words;
	} kinds[] = {
		{ "elf-core", "Linux core" },	   { "hprof", "JVM heap dump (HPROF)" },
		{ "v8", "V8 heap snapshot" },	   { "go-heapdump", "Go heap dump" },
		{ "pprof", "pprof heap profile" },
	};

	for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			return kinds[i].words;
	return kind ? kind : "dump";
}

static void print_what(struct page *p)
{
	const struct rp_input *in = &p->r->input;
	struct text *t = &p->line;
	const char *base = in->path ? strrchr(in->path, '/') : NULL;
	const char *command = in->args ? in->args : in->command;
	unsigned tail = (in->made_by ? columns(in->made_by) + 3 : 2) + (in->signal > 0 ? 13 : 0),
		 used;
	size_t n_name;

	add_name_cut(t, base && base[1] ? base + 1 : in->path ? in->path : "-", 30);
	n_name = t->n;
	text_printf(t, ": %s", kind_words(in->kind));
	if (in->arch)
		text_printf(t, ", %s", !strcmp(in->arch, "x86_64") ? "x86-64" : in->arch);
	if (in->pid)
		text_printf(t, ", pid %" PRIu32, in->pid);
	if (command) {
		text_add(t, ", ");
		used = columns(text_str(t)) + tail;
		add_name_cut(t, command, used + 16 < p->width ? p->width - used : 16);
	}
	if (in->made_by) {
		text_add(t, " (");
		add_name(t, in->made_by);
		text_add(t, in->signal > 0 ? ", " : ")");
	} else if (in->signal > 0) {
		text_add(t, " (");
	}
	if (in->signal > 0)
		text_printf(t, "signal %d)", in->signal);
	end_line_styled(p, "1", n_name);
}

/* "go 1.26.8 and glibc 2.36 (7 arenas)" */
static void add_heaps(struct text *t, const struct report *r, bool arenas)
{
	for (size_t i = 0; i < r->heaps.n; i++) {
		const struct rp_heap *h = &r->heaps.v[i];

		text_add(t, i ? " and " : "");
		add_name(t, h->allocator ? h->allocator : "unknown allocator");
		if (h->version) {
			text_add(t, " ");
			add_name(t, h->version);
		}
		if (arenas && h->n_arenas > 1) {
			text_add(t, " (");
			text_add_count(t, h->n_arenas);
			text_add(t, " arenas)");
		}
	}
}

/* Threads and sizes are never cut: what the heaps are called gives way. */
static void print_size(struct page *p)
{
	const struct report *r = p->r;
	struct text heaps = TEXT_INIT, *t = &p->scratch;
	unsigned used, room;

	text_reset(t);
	text_add(t, r->heaps.n ? "; " : "");
	if (r->threads.n) {
		text_add_count(t, r->threads.n);
		text_add(t, r->threads.n == 1 ? " thread; " : " threads; ");
	}
	text_add_bytes(t, r->input.bytes);
	text_add(t, " in the file, ");
	text_add_bytes(t,
		       r->has_resident ? r->resident_bytes : r->dumped_bytes - r->untouched_bytes);
	text_add(t, r->has_resident ? " of it resident" : " of it real memory");
	if (!r->input.complete)
		text_add(t, "; NOT COMPLETE");
	used = 2 + columns(text_str(t));
	room = used + 16 < p->width ? p->width - used : 16;
	add_heaps(&heaps, r, true);
	if (columns(text_str(&heaps)) > room) {
		text_reset(&heaps);
		add_heaps(&heaps, r, false);
	}
	text_add(&p->line, "  ");
	add_cut(&p->line, text_str(&heaps), room);
	text_add(&p->line, text_str(t));
	text_fini(&heaps);
	end_line(p);
}

static void breakdown_line(struct page *p, const char *label, uint64_t bytes, uint64_t total,
			   unsigned col)
{
	double share = total ? (double)bytes / (double)total : 0;
	char percent[24];

	text_add(&p->line, "  ");
	add_name_cut(&p->line, label, label_max(p));
	right_bytes(p, bytes, col + 14);
	if (bytes && share < 0.0005) /* what is there is never "0.0%" */
		snprintf(percent, sizeof(percent), "<0.1%%");
	else
		snprintf(percent, sizeof(percent), "%.1f%%", share * 100);
	add_right(&p->line, percent, col + 22);
	text_add(&p->line, "  ");
	for (unsigned i = 0; i < (unsigned)(share * BAR_MAX + 0.5); i++)
		text_add(&p->line, "#");
}

/* The smallest size that is still shown alone when at most `max` lines are. */
static uint64_t breakdown_floor(const struct report *r, size_t max)
{
	uint64_t floor = 0;

	for (size_t i = 0; i < r->breakdown.n; i++) {
		uint64_t bytes = r->breakdown.v[i].bytes;
		size_t larger = 0;

		for (size_t k = 0; k < r->breakdown.n; k++)
			larger += breakdown_is_memory(&r->breakdown.v[k]) &&
				  r->breakdown.v[k].bytes > bytes;
		if (larger >= max && bytes >= floor)
			floor = bytes + 1;
	}
	return floor;
}

static unsigned label_column(const struct page *p)
{
	const struct report *r = p->r;
	unsigned col = 24;

	for (size_t i = 0; i < r->breakdown.n; i++) {
		struct text t = TEXT_INIT;
		unsigned w;

		add_name(&t, r->breakdown.v[i].label);
		w = columns(text_str(&t)) + 2;
		text_fini(&t);
		col = w > col ? w : col;
	}
	return col < label_max(p) + 2 ? col : label_max(p) + 2;
}

static void print_where(struct page *p)
{
	const struct report *r = p->r;
	uint64_t total = report_memory_bytes(r), rest = 0;
	uint64_t floor = breakdown_floor(r, p->fit->breakdown - 1);
	unsigned col = label_column(p), n_rest = 0;
	char label[48];

	text_add(&p->line, "WHERE IT WENT");
	add_right(&p->line, "bytes", col + 14);
	add_right(&p->line, "share", col + 22);
	end_line_styled(p, "1", strlen("WHERE IT WENT"));
	for (size_t i = 0; i < r->breakdown.n; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		if (!breakdown_is_memory(b))
			continue;
		if (b->bytes >= floor && b->bytes) {
			breakdown_line(p, b->label, b->bytes, total, col);
			end_line(p);
		} else {
			rest += b->bytes;
			n_rest += b->bytes > 0;
		}
	}
	if (n_rest) {
		snprintf(label, sizeof(label), "%u smaller part%s", n_rest, n_rest == 1 ? "" : "s");
		breakdown_line(p, label, rest, total, col);
		end_line(p);
	}
	text_add(&p->line, "  all");
	right_bytes(p, total, col + 14);
	if (r->untouched_bytes) {
		text_add(&p->line, "   (and ");
		text_add_bytes(&p->line, r->untouched_bytes);
		text_add(&p->line, " of untouched zeros)");
	}
	end_line(p);
}

/*
 * A sentence in lines of whole words, indented, behind its heading ("": none).  What
 * does not fit in max_lines is cut in its middle: names of a dump may be of any length.
 */
static void print_sentence(struct page *p, const char *heading, const char *style, unsigned indent,
			   const char *s, unsigned max_lines)
{
	unsigned room = p->width - indent;

	for (unsigned line = 1; *s; line++) {
		size_t n = head_bytes(s, room), cut = n;

		while (s[n] && cut && s[cut] != ' ')
			cut--;
		n = cut ? cut : n;
		text_add(&p->line, heading);
		pad_to(&p->line, indent);
		if (line == max_lines) {
			add_cut(&p->line, s, room);
			n = strlen(s);
		} else {
			text_add_n(&p->line, s, n);
		}
		end_line_styled(p, style, strlen(heading));
		heading = "";
		s += n;
		s += *s == ' ';
	}
}

static void print_verdict(struct page *p)
{
	struct text sentence = TEXT_INIT;

	add_name(&sentence, p->r->verdict ? p->r->verdict : "nothing of note was found.");
	print_sentence(p, "VERDICT", "1", VERDICT_INDENT, text_str(&sentence),
		       p->fit->verdict_lines);
	text_fini(&sentence);
}

static const char arrow[] = " -> ", dots[] = " -> …";

/* The root, cut itself, and what stands behind it; false: no room. */
static bool add_root_and(struct text *t, const char *s, const char *rest, unsigned max)
{
	unsigned used = columns(rest);
	struct text root = TEXT_INIT;

	if (used > max || max - used < LEAST_ROOT)
		return false;
	text_add_n(&root, s, (size_t)(strstr(s, arrow) - s));
	add_cut(t, text_str(&root), max - used);
	text_add(t, rest);
	text_fini(&root);
	return true;
}

/*
 * A closure says more than what stands before it, and than blocks without a type behind it: the
 * first before the tail stays, "root -> … -> func main.f.func1+8 -> … -> z".  False: there is none,
 * or no room.
 */
static bool cut_around_closure(struct text *t, const char *s, const char *tail, unsigned max)
{
	const char *func = strstr(s, "func "), *hops = strstr(s, arrow), *from = hops, *to;
	struct text rest = TEXT_INIT;
	bool has_room;

	if (!func || func >= tail || func < hops)
		return false;
	for (const char *p = hops; p && p < func; p = strstr(p + 1, arrow))
		from = p;
	to = strstr(func, arrow);
	text_add(&rest, from == hops ? "" : dots);
	text_add(&rest, from);
	has_room = add_root_and(t, s, text_str(&rest), max);
	if (!has_room && to != tail) {
		text_reset(&rest);
		text_add(&rest, from == hops ? "" : dots);
		text_add_n(&rest, from, (size_t)(to - from));
		text_add(&rest, dots);
		text_add(&rest, tail);
		has_room = add_root_and(t, s, text_str(&rest), max);
	}
	text_fini(&rest);
	return has_room;
}

/* A chain too long for the line gives up whole hops before its last: "root -> a -> … -> z". */
static void cut_chain(struct text *t, const char *s, unsigned max)
{
	const char *tail = NULL, *end = NULL;
	unsigned used;

	for (const char *p = strstr(s, arrow); p; p = strstr(p + 1, arrow))
		tail = p;
	if (!tail || columns(s) <= max) {
		text_add(t, s);
		return;
	}
	if (cut_around_closure(t, s, tail, max))
		return;
	used = columns(dots) + columns(tail);
	for (const char *p = strstr(s, arrow); p && p < tail && used < max;
	     p = strstr(p + 1, arrow))
		if (head_bytes(s, max - used) >= (size_t)(p - s))
			end = p;
	if (!end) {
		if (!add_root_and(t, s, strstr(s, arrow), max))
			text_add(t, s);
		return;
	}
	text_add_n(t, s, (size_t)(end - s));
	text_add(t, dots);
	text_add(t, tail);
}

/* Of "goroutine 46 [IO wait, at least 25 s] http.Serve" the state says least of who holds it. */
static void add_without_state(struct text *t, const char *s)
{
	const char *from = strstr(s, " ["), *to = from ? strstr(from, "] ") : NULL;
	const char *hops = strstr(s, arrow);

	if (!to || (hops && hops < to)) {
		text_add(t, s);
		return;
	}
	text_add_n(t, s, (size_t)(from - s));
	text_add(t, to + 1);
}

/* In so many columns: first Go's names are shorter, then a goroutine's state goes, then hops. */
static void add_chain(struct page *p, const struct rp_chain *c, const char *whole, unsigned max)
{
	struct text names = TEXT_INIT, stateless = TEXT_INIT;

	if (columns(whole) > max) {
		import_paths_add_short(&names, whole);
		whole = text_str(&names);
	}
	if (columns(whole) > max && c->root.kind && !strcmp(c->root.kind, "goroutine")) {
		add_without_state(&stateless, whole);
		whole = text_str(&stateless);
	}
	cut_chain(&p->line, whole, max);
	text_fini(&names);
	text_fini(&stateless);
}

static void print_chain(struct page *p, const struct rp_suspect *s)
{
	if (!s->has_chain || (!s->chain.root.kind && !s->chain.n_hops))
		return;
	text_add(&p->line, "      ");
	text_reset(&p->scratch);
	text_add(&p->scratch, s->chain.root.kind ? "" : "nothing -> ");
	chain_print(&s->chain, &p->scratch);
	add_chain(p, &s->chain, text_str(&p->scratch), p->width - CHAIN_INDENT);
	end_line(p);
}

/* Words with names of the dump, in three lines at most, indented; `what`: "" or what they are. */
static void print_name_lines(struct page *p, const char *what, const char *name)
{
	struct text whole = TEXT_INIT;

	add_name(&whole, what);
	text_add(&whole, *what ? ": " : "");
	add_name(&whole, name);
	print_sentence(p, "", "", CHAIN_INDENT, text_str(&whole), 3);
	text_fini(&whole);
}

/* The pointer that all ways cross; the chain tells of a root itself. */
static void print_only_way(struct page *p, const struct rp_suspect *s)
{
	const char *kind = s->has_chain ? s->chain.root.kind : NULL;

	for (size_t i = 0; i < s->n_evidence; i++) {
		const char *value = s->evidence[i].value;

		if (strcmp(s->evidence[i].what, EVIDENCE_ONLY_WAY) ||
		    (kind && !strncmp(value, kind, strlen(kind)) && value[strlen(kind)] == ' '))
			continue;
		text_printf(&p->line, "      %s ",
			    strncmp(value, "no ", 3) ? EVIDENCE_ONLY_WAY : "held through");
		add_name_cut(&p->line, value,
			     p->width - CHAIN_INDENT - sizeof(EVIDENCE_ONLY_WAY));
		end_line(p);
	}
}

static void print_suspect(struct page *p, size_t i)
{
	static const char *const styles[] = { "36", "33", "31" };
	const struct rp_suspect *s = &p->r->suspects.v[i];
	const struct rule *rule = rule_get(s->rule);
	size_t n;

	text_printf(&p->line, "%3zu ", i + 1);
	add_name_cut(&p->line, s->title, title_width(p));
	n = p->line.n;
	right_bytes(p, s->retained, title_width(p) + 15);
	right_count(p, s->count, title_width(p) + 26);
	text_printf(&p->line, "  %s%s", s->rule,
		    !s->baseline ? "" : s->baseline == BASELINE_NEW ? " (new)" : " (known)");
	end_line_styled(p, styles[rule->severity], n);
	if (s->line) {
		text_add(&p->line, "      ");
		add_name_cut(&p->line, s->line, p->width - CHAIN_INDENT);
		end_line(p);
	} else if (!s->more) {
		print_chain(p, s);
	}
	if (s->more)
		print_name_lines(p, "", s->more);
	print_only_way(p, s);
	/* what has a root explains itself */
	if (s->n_evidence && !s->line && !s->more && !(s->has_chain && s->chain.root.kind))
		print_name_lines(p, s->evidence[0].what, s->evidence[0].value);
	print_name_lines(p, "", s->advice ? s->advice : rule->advice);
}

static void print_suspects(struct page *p)
{
	const struct report *r = p->r;
	size_t shown = 0, suppressed = 0;

	for (size_t i = 0; i < r->suspects.n; i++)
		suppressed += r->suspects.v[i].suppressed != NULL;
	if (r->suspects.n == suppressed) {
		text_add(&p->line, "SUSPECTS  none");
		if (suppressed)
			text_printf(&p->line, " that counts; %zu suppressed", suppressed);
		end_line_styled(p, "1", strlen("SUSPECTS"));
		return;
	}
	text_add(&p->line, "SUSPECTS");
	add_right(&p->line, "retained", title_width(p) + 15);
	add_right(&p->line, "count", title_width(p) + 26);
	text_add(&p->line, "  rule");
	end_line_styled(p, "1", strlen("SUSPECTS"));
	for (size_t i = 0; i < r->suspects.n && shown < p->top; i++)
		if (!r->suspects.v[i].suppressed) {
			print_suspect(p, i);
			shown++;
		}
	if (r->suspects.n - suppressed > shown)
		text_printf(&p->line, "  and %zu more: --top %zu",
			    r->suspects.n - suppressed - shown, r->suspects.n);
	if (suppressed)
		text_printf(&p->line, "  %zu suppressed", suppressed);
	if (p->line.n)
		end_line(p);
}

/* Those that are breached, then what there is to say of the others. */
static void print_checks(struct page *p)
{
	const struct report *r = p->r;
	size_t breaches = report_breaches(r);

	if (!r->checks.n)
		return;
	text_printf(&p->line, "GATES     %zu of %zu breached", breaches, r->checks.n);
	end_line_styled(p, breaches ? "31" : "32", p->line.n);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < r->checks.n; i++) {
			const struct rp_check *c = &r->checks.v[i];

			if (c->result != (pass ? CHECK_NOTE : CHECK_BREACHED))
				continue;
			text_add(&p->line, pass ? "  note      " : "  BREACHED  ");
			add_name(&p->line, c->name);
			text_add(&p->line, ": ");
			add_name(&p->line, c->message);
			end_line(p);
		}
	}
	blank(p);
}

/* The largest, when there is room; all of them are in the other formats. */
static void print_types(struct page *p)
{
	const struct report *r = p->r;

	if (!r->types.n || !p->fit->types)
		return;
	blank(p);
	text_add(&p->line, "TYPES");
	add_right(&p->line, "bytes", title_width(p) + 15);
	add_right(&p->line, "count", title_width(p) + 26);
	add_right(&p->line, "retained", title_width(p) + 38);
	end_line_styled(p, "1", strlen("TYPES"));
	for (size_t i = 0; i < r->types.n && i < p->fit->types; i++) {
		const struct rp_type *t = &r->types.v[i];

		text_add(&p->line, "  ");
		add_name_cut(&p->line, t->name, title_width(p));
		right_bytes(p, t->bytes, title_width(p) + 15);
		right_count(p, t->count, title_width(p) + 26);
		if (t->knows_retained)
			right_bytes(p, t->retained, title_width(p) + 38);
		end_line(p);
	}
}

enum { CLASS_WIDTH = 32 }; /* of the longest entry below */

/* "UNTYPED  text 1.2 MiB, pointers 300 KiB": of the table that analysis/looks.c makes. */
static void print_contents(struct page *p)
{
	const struct rp_table *t = report_table(p->r, "contents");

	if (!t || t->n_columns != 4 || !p->fit->types)
		return;
	blank(p);
	text_add(&p->line, "UNTYPED  ");
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct rp_cell *row = &t->rows[i * t->n_columns];

		if (columns(text_str(&p->line)) + CLASS_WIDTH > p->width)
			break;
		text_add(&p->line, i ? ", " : "");
		add_name(&p->line, row[0].text);
		text_add(&p->line, row[3].u < row[1].u ? " about " : " ");
		text_add_bytes(&p->line, row[2].u);
	}
	end_line_styled(p, "1", strlen("UNTYPED"));
}

/* By kind and names; who holds the largest. */
/* Many, or with much behind them. */
static bool is_worth_a_line(const struct rp_goroutines *g)
{
	return g->count >= 100 || g->retained >= 16 << 10;
}

/* By their stacks and what these alone keep. */
static void print_goroutines(struct page *p)
{
	const struct report *r = p->r;
	size_t first = 0, n = 0;

	while (first < r->goroutines.n && !is_worth_a_line(&r->goroutines.v[first]))
		first++;
	if (first == r->goroutines.n || !p->fit->goroutines)
		return;
	blank(p);
	text_add(&p->line, "GOROUTINES");
	add_right(&p->line, "stacks", title_width(p) + 15);
	add_right(&p->line, "count", title_width(p) + 26);
	add_right(&p->line, "retained", title_width(p) + 38);
	end_line_styled(p, "1", strlen("GOROUTINES"));
	for (size_t i = first; i < r->goroutines.n && n < p->fit->goroutines; i++) {
		const struct rp_goroutines *g = &r->goroutines.v[i];

		if (!is_worth_a_line(g))
			continue;
		n++;
		text_add(&p->line, "  ");
		add_name_cut(&p->line, g->place, title_width(p) + 2);
		right_bytes(p, g->stacks, title_width(p) + 15);
		right_count(p, g->count, title_width(p) + 26);
		right_bytes(p, g->retained, title_width(p) + 38);
		end_line(p);
	}
}

static void print_pools(struct page *p)
{
	const struct report *r = p->r;

	if (!r->pool_groups.n || !p->fit->pools)
		return;
	blank(p);
	text_add(&p->line, "POOLS");
	add_right(&p->line, "bytes", title_width(p) + 15);
	add_right(&p->line, "pools", title_width(p) + 26);
	add_right(&p->line, "retained", title_width(p) + 38);
	add_right(&p->line, "free", title_width(p) + 50);
	end_line_styled(p, "1", strlen("POOLS"));
	for (size_t i = 0; i < r->pool_groups.n && i < p->fit->pools; i++) {
		const struct rp_pool_group *g = &r->pool_groups.v[i];
		struct text name = TEXT_INIT;

		text_add(&name, g->kind);
		if (strcmp(g->path, "?")) /* it has a name */
			text_printf(&name, " %s", g->path);
		text_add(&p->line, "  ");
		add_name_cut(&p->line, text_str(&name), title_width(p));
		text_fini(&name);
		right_bytes(p, g->bytes, title_width(p) + 15);
		right_count(p, g->pools, title_width(p) + 26);
		if (g->knows_retained)
			right_bytes(p, g->retained, title_width(p) + 38);
		if (g->knows_free)
			right_bytes(p, g->free, title_width(p) + 50);
		end_line(p);
		if (!i && g->holder) {
			text_add(&p->line, "    held by ");
			add_name_cut(&p->line, g->holder, p->width - 12);
			end_line(p);
		}
		if (!i && g->contents) {
			text_add(&p->line, "    in it ");
			add_name_cut(&p->line, g->contents, p->width - 10);
			end_line(p);
		}
	}
}

static void print_cycles(struct page *p)
{
	const struct report *r = p->r;

	for (size_t i = 0; i < r->cycles.n && i < p->fit->cycles; i++) {
		const struct rp_cycle *c = &r->cycles.v[i];

		text_add(&p->line, i ? "" : "CYCLES");
		pad_to(&p->line, 10);
		text_add(&p->line, "a ring of ");
		text_add_count(&p->line, c->nodes);
		text_add(&p->line, " blocks, ");
		text_add_bytes(&p->line, c->bytes);
		if (c->kind && !strcmp(c->kind, "refcount"))
			text_add(&p->line, c->held ? ", held from outside" :
						     ", kept by its own references");
		else
			text_printf(&p->line, ", %sreachable", c->reachable ? "" : "un");
		if (c->n_members)
			text_printf(&p->line, ", through 0x%" PRIx64, c->members[0].address);
		if (i + 1 == p->fit->cycles && r->n_cycles > p->fit->cycles) {
			text_add(&p->line, "; and ");
			text_add_count(&p->line, r->n_cycles - p->fit->cycles);
			text_add(&p->line, " more");
		}
		end_line_styled(p, "1", i ? 0 : strlen("CYCLES"));
	}
	if (r->cycles.n && p->fit->cycles)
		blank(p);
}

static void print_problems(struct page *p)
{
	const struct diags *d = p->r->problems;
	size_t n = d ? d->n : 0, shown = n > p->fit->problems ? p->fit->problems - 1 : n;

	if (!n) {
		text_add(&p->line,
			 p->r->input.complete ?
				 "PROBLEMS  none (everything the analysis needs is in the file)" :
				 "PROBLEMS  none");
		end_line_styled(p, "1", strlen("PROBLEMS"));
	}
	for (size_t i = 0; i < shown; i++) {
		const struct diag *one = &d->list[i];
		struct text sentence = TEXT_INIT;

		add_name(&sentence, one->code);
		text_add(&sentence, ": ");
		add_name(&sentence, one->message ? one->message : "");
		if (one->count > 1) {
			text_add(&sentence, " (x");
			text_add_count(&sentence, one->count);
			text_add(&sentence, ")");
		}
		print_sentence(p, i ? "" : "PROBLEMS", "1;33", PROBLEM_INDENT, text_str(&sentence),
			       p->fit->problem_lines);
		text_fini(&sentence);
	}
	if (n > shown) {
		text_printf(&p->line, "          and %" PRIu64 " more kinds: --format json",
			    n - shown + d->dropped);
		end_line(p);
	}
}

/* Where the explanations start: past the longest command, or as far right as they still fit. */
static unsigned why_column(const struct page *p)
{
	const struct report *r = p->r;
	unsigned col = 0, room = p->width;

	for (size_t i = 0; i < r->n_next; i++) {
		unsigned w = NEXT_INDENT + columns(r->next[i]) + 3;
		unsigned why = r->next_why[i] ? columns(r->next_why[i]) : 0;

		col = w > col ? w : col;
		room = why < p->width && p->width - why < room ? p->width - why : room;
	}
	return col < room ? col : room;
}

/*
 * How much of a command stands on one line: all, up to the last space between its words, or as
 * much of a word as there is room for.  `quoted`: within double quotes, at the start and then after
 * it.
 */
static size_t command_part(const char *s, unsigned room, bool *quoted)
{
	size_t n, space = 0, slashes = 0;
	bool in = *quoted, escaped = false;

	if (columns(s) <= room)
		return strlen(s);
	n = head_bytes(s, room - 1); /* "\" goes behind it */
	for (size_t i = 0; i < n; i++) {
		in ^= s[i] == '"' && !escaped;
		escaped = s[i] == '\\' && !escaped;
		if (s[i] == ' ' && !in)
			space = i + 1;
	}
	*quoted = in && !space;
	while (slashes < n && s[n - 1 - slashes] == '\\')
		slashes++;
	return space ? space : n - (slashes & 1); /* never through a pair */
}

/*
 * A command is typed as it stands: what is too long for a line goes on in the next as a shell reads
 * it.
 */
static void add_command(struct page *p, const char *command, size_t n_styled)
{
	struct text whole = TEXT_INIT;
	bool quoted = false;
	const char *s;

	text_add_printable(&whole, command, strlen(command));
	s = text_str(&whole);
	for (;;) {
		size_t n = command_part(s, p->width - columns(text_str(&p->line)), &quoted);

		text_add_n(&p->line, s, n);
		s += n;
		if (!*s)
			break;
		text_add(&p->line, "\\");
		end_line_styled(p, "1", n_styled);
		n_styled = 0;
		if (n && s[-1] == ' ' && !quoted)
			text_add(&p->line, "        ");
	}
	text_fini(&whole);
}

static void print_next(struct page *p)
{
	const struct report *r = p->r;
	unsigned col = why_column(p);

	for (size_t i = 0; i < r->n_next && i < p->fit->next; i++) {
		unsigned at;

		text_add(&p->line, i ? "      " : "NEXT  ");
		add_command(p, r->next[i], i ? 0 : strlen("NEXT"));
		at = columns(text_str(&p->line)) + 2;
		/* A command is typed as it stands: its explanation gives way, never the command. */
		if (r->next_why[i] && (at > col ? at : col) + columns(r->next_why[i]) <= p->width) {
			pad_to(&p->line, at > col ? at : col);
			add_name(&p->line, r->next_why[i]);
		}
		end_line_styled(p, "1", i ? 0 : strlen("NEXT"));
	}
}

static void print_page(struct page *p)
{
	print_what(p);
	print_size(p);
	blank(p);
	if (p->r->breakdown.n) {
		print_where(p);
		blank(p);
	}
	print_verdict(p);
	blank(p);
	print_checks(p);
	print_suspects(p);
	print_types(p);
	print_contents(p);
	print_pools(p);
	print_goroutines(p);
	blank(p);
	print_cycles(p);
	print_problems(p);
	if (p->r->n_next) {
		blank(p);
		print_next(p);
	}
}

/* Lines of the page with no more suspects than the fold is drawn for. */
static unsigned count_lines(const struct page *page)
{
	struct page p = *page;

	p.out = NULL;
	p.top = p.top < SUSPECTS_FOLD ? p.top : SUSPECTS_FOLD;
	p.line = p.scratch = (struct text)TEXT_INIT;
	print_page(&p);
	text_fini(&p.line);
	text_fini(&p.scratch);
	return p.lines;
}

static struct err *text_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	struct page p = {
		.out = out,
		.r = r,
		.width = opt->width ? opt->width : WIDTH_DEFAULT,
		.top = opt->top ? opt->top : 3,
		.color = opt->color,
		.line = TEXT_INIT,
		.scratch = TEXT_INIT,
	};
	bool bad;

	if (p.width < WIDTH_MIN)
		p.width = WIDTH_MIN;
	p.fit = fits;
	while (p.fit < fits + ARRAY_SIZE(fits) - 1 && count_lines(&p) > FOLD)
		p.fit++;
	print_page(&p);
	bad = p.line.bad || p.scratch.bad;
	text_fini(&p.line);
	text_fini(&p.scratch);
	if (bad)
		return &err_nomem;
	fflush(out);
	return ferror(out) ? err_os(errno, "writing text") : NULL;
}

const struct writer_ops text_writer = { .name = "text", .extension = "txt", .write = text_write };
