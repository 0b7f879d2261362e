/*
 * image/go_build.c - which Go built a program: its build information, or runtime.buildVersion.
 *
 * Source of truth: debug/buildinfo (the blob's format since 1.18), cmd/internal/objabi.Version for
 * how experiments are appended: " X:a,b" to 1.25, "-X:a,b" since 1.26.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "image/elf.h"
#include "image/go_build.h"
#include "image/shadow.h"

enum {
	BLOB_ALIGN = 16,
	BLOB_HEADER = 32,
	FLAG_INLINE = 2,     /* strings follow the header */
	VERSION_MAX = 256,
	MOD_MAX = 1 << 20,   /* bytes of the module information */
	SENTINEL = 16,	     /* bytes before and after it */
	SCAN_MAX = 64 << 20, /* bytes of a segment that are searched */
};

static const uint8_t magic[14] = "\xff Go buildinf:";

/* ---- texts */

static void copy_text(char *to, size_t max, const char *from, size_t n)
{
	if (n >= max)
		n = max - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

static bool has_word(const char *list, const char *word, size_t n)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		if (len == n && !memcmp(p, word, n))
			return true;
		p += len + (p[len] == ',');
	}
	return false;
}

static void add_experiments(struct go *go, const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = 0, have = strlen(go->experiments);

		while (i + len < n && text[i + len] != ',')
			len++;
		if (len && have + len + 2 < sizeof(go->experiments) && !has_word(go->experiments, text + i, len)) {
			if (have)
				go->experiments[have++] = ',';
			copy_text(go->experiments + have, sizeof(go->experiments) - have, text + i, len);
		}
		i += len + 1;
	}
}

static const char *find_text(const char *text, size_t n, const char *what)
{
	return memmem(text, n, what, strlen(what));
}

/* "go1.26.8-X:a,b", "go1.25.7 X:a", "devel go1.27-abc Mon ...", "go1.21.5 (vendor)". */
bool go_build_version(struct go *go, const char *text, size_t n)
{
	const char *at = find_text(text, n, "go1."), *x;
	unsigned minor = 0;
	size_t len = 4, left;

	if (!at)
		return false;
	left = n - (size_t)(at - text);
	while (len < left && at[len] >= '0' && at[len] <= '9' && minor < 1000)
		minor = minor * 10 + (unsigned)(at[len++] - '0');
	if (!minor || minor >= 1000)
		return false;
	x = find_text(at, left, "X:");
	while (len < left && at[len] > ' ' && at[len] < 0x7f && at + len + 1 != x)
		len++;
	go->minor = minor;
	copy_text(go->version, sizeof(go->version), at, len);
	if (x) {
		size_t used = (size_t)(x + 2 - at), end = used;

		while (end < left && at[end] > ' ' && at[end] < 0x7f)
			end++;
		add_experiments(go, at + used, end - used);
	}
	return true;
}

/* Lines of "key\tvalue..."; value up to the next tab or newline. */
static void read_mod(struct go *go, const char *text, size_t n)
{
	while (n) {
		const char *nl = memchr(text, '\n', n);
		size_t len = nl ? (size_t)(nl - text) : n, value;
		bool used = true;

		if (len > 5 && !memcmp(text, "path\t", 5)) {
			copy_text(go->path, sizeof(go->path), text + 5, len - 5);
		} else if (len > 4 && !memcmp(text, "mod\t", 4)) {
			const char *tab = memchr(text + 4, '\t', len - 4);

			value = tab ? (size_t)(tab - text) - 4 : len - 4;
			copy_text(go->main_module, sizeof(go->main_module), text + 4, value);
		} else if (len > 19 && !memcmp(text, "build\tGOEXPERIMENT=", 19)) {
			add_experiments(go, text + 19, len - 19);
		} else {
			used = false; /* what the linker was told to set may be anything */
		}
		image_keep_exact(go->img, used ? text : text + len, (used ? len : 0) + (nl != NULL));
		text += len;
		n -= len;
		if (n) {
			text++;
			n--;
		}
	}
}

static bool blob_read(struct go *go, const uint8_t *bytes, uint64_t n)
{
	struct cursor c = cursor_init(bytes, n, "build information", 0);
	const uint8_t *version, *mod;
	uint64_t n_version, n_mod;

	if (n < BLOB_HEADER || memcmp(bytes, magic, sizeof(magic)) || !(bytes[15] & FLAG_INLINE))
		return false;
	cursor_skip(&c, BLOB_HEADER);
	n_version = cursor_uleb(&c);
	if (c.bad || n_version > VERSION_MAX)
		return false;
	version = cursor_bytes(&c, n_version);
	if (!version || !go_build_version(go, (const char *)version, n_version))
		return false;
	n_mod = cursor_uleb(&c);
	if (c.bad || n_mod > MOD_MAX || n_mod < 2 * SENTINEL) {
		image_keep_exact(go->img, bytes, n - cursor_left(&c));
		return true;
	}
	image_keep_exact(go->img, bytes, n - cursor_left(&c));
	mod = cursor_bytes(&c, n_mod);
	if (mod)
		read_mod(go, (const char *)mod + SENTINEL, n_mod - 2 * SENTINEL);
	return true;
}

/* ---- where it is */


static bool blob_in_segment(struct go *go, const struct segment *s)
{
	uint64_t n = s->end - s->start < SCAN_MAX ? s->end - s->start : SCAN_MAX;

	for (uint64_t i = 0; i + BLOB_HEADER <= n; i += BLOB_ALIGN)
		if (s->bytes[i] == magic[0] && !memcmp(s->bytes + i, magic, sizeof(magic)) &&
		    blob_read(go, s->bytes + i, s->end - s->start - i))
			return true;
	return false;
}

/* In data to 1.2x, in read-only data since: what is not code, the writable first. */
static bool blob_in_memory(struct go *go, const struct module *m)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < go->img->n_segments; i++) {
			const struct segment *s = &go->img->segments[i];
			bool writable = s->flags & SEG_W;

			if (!s->bytes || s->flags & SEG_X || s->start < m->start || s->start >= m->end ||
			    writable != !pass)
				continue;
			if (blob_in_segment(go, s))
				return true;
		}
	return false;
}

/* runtime.buildVersion: a string header in data whose text begins as versions do. */
static bool version_in_data(struct go *go)
{
	char text[VERSION_MAX];
	enum shadow_mode mode;
	struct symbol sym;

	if (image_symbol(go->img, go->module, "runtime.buildVersion", &sym) &&
	    go_string(go, sym.addr, text, sizeof(text)) && go_build_version(go, text, strlen(text)))
		return true;
	mode = image_keep_pause(go->img);
	for (size_t k = 0; k < go->n_modules; k++) {
		const struct go_module *m = &go->modules[k];

		for (taddr at = m->data; at < m->edata && m->edata - at >= 16 && at - m->data < SCAN_MAX; at += 8) {
			uint64_t w[2];

			if (image_read(go->img, at, w, sizeof(w)) != MEM_OK)
				break;
			if (w[1] < 6 || w[1] >= sizeof(text) || w[0] < m->rodata || w[0] >= m->etypes + (1ull << 32))
				continue;
			if (image_read(go->img, w[0], text, w[1]) != MEM_OK ||
			    (memcmp(text, "go1.", 4) && memcmp(text, "devel", 5)))
				continue;
			if (go_build_version(go, text, w[1])) {
				image_keep_resume(go->img, mode);
				image_keep(go->img, at, sizeof(w));
				image_keep(go->img, w[0], w[1]);
				return true;
			}
		}
	}
	image_keep_resume(go->img, mode);
	return false;
}

void go_build_read(struct go *go, const struct module *m)
{
	const uint8_t *bytes;
	uint64_t n;

	if (m && m->elf && elf_file_section(m->elf, ".go.buildinfo", &bytes, &n) && blob_read(go, bytes, n))
		return;
	if (m && blob_in_memory(go, m))
		return;
	(void)version_in_data(go); /* without any, moduledata and layouts tell what they can */
}

void go_build_conclude(struct go *go)
{
	bool on_by_choice = has_word(go->experiments, "greenteagc", 10);
	bool off_by_choice = has_word(go->experiments, "nogreenteagc", 12);

	go->is_newer = go->minor > GO_NEWEST;
	go->greentea = go->minor >= 26 ? !off_by_choice : go->minor == 25 && on_by_choice;
	go->swissmap = go->minor >= 24 && !(go->minor < 26 && has_word(go->experiments, "noswissmap", 10));
	go->allocheaders = go->minor >= 22 && !(go->minor == 22 && has_word(go->experiments, "noallocheaders", 14));
}
