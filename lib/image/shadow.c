/*
 * image/shadow.c - what is kept of a dump, byte for byte at its place in the file.
 *
 * The copy is a file without a name, whose room is taken beforehand wherever the dump is not
 * zeros: a page that the disk has no room for would end the process when it is touched.  Only
 * bytes that are not zero are written, so that nothing is, elsewhere.
 */
#include "image/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/search.h"
#include "base/temp_file.h"
#include "base/vec.h"
#include "input/spill.h"

enum { CHUNK = 1 << 20, SMALL = 1 << 16 };

static struct err *take_room(const struct member *core, int fd, const char *dir)
{
	for (uint64_t at = 0; at < core->size; at += CHUNK) {
		uint64_t n = core->size - at < CHUNK ? core->size - at : CHUNK;
		struct err *err;

		if (bytes_are_zero(core->map + at, n))
			continue;
		err = temp_file_room(fd, at, n, dir, "what is kept of the dump");
		if (err)
			return err;
	}
	return NULL;
}

struct err *shadow_open(struct env *env, const struct member *core, struct shadow *ret)
{
	struct shadow s = {
		.env = env, .from = core->map, .size = core->size, .mode = SHADOW_FIRST,
		.salted = ret->salted,
	};
	struct spill file;
	struct err *err = spill_open(env, core->name, &file);
	void *map = MAP_FAILED;

	if (err)
		return err;
	err = env_disk_take(env, core->size, core->name);
	if (!err) {
		s.taken = core->size;
		if (ftruncate(file.fd, (off_t)core->size))
			err = err_os(errno, "%s: making a temporary file", core->name);
	}
	if (!err)
		err = take_room(core, file.fd, env->tmp_dir ? env->tmp_dir : "/tmp");
	if (!err) {
		map = mmap(NULL, core->size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
		if (map == MAP_FAILED)
			err = err_os(errno, "%s: mapping a temporary file", core->name);
	}
	spill_close(&file);
	if (err) {
		env_disk_give(env, s.taken);
		return err;
	}
	s.to = map;
	*ret = s;
	return NULL;
}

void shadow_close(struct shadow *s)
{
	if (s->to)
		munmap(s->to, s->size);
	if (s->env)
		env_disk_give(s->env, s->taken);
	free(s->first.v);
	free(s->compared.v);
	*s = (struct shadow){};
}

uint8_t *shadow_at(const struct image *img, taddr addr, uint64_t *ret_avail)
{
	const struct shadow *s = img->shadow;
	const uint8_t *p = image_view(img, addr, ret_avail);
	uint64_t at = p ? (uint64_t)((uintptr_t)p - (uintptr_t)s->from) : s->size;

	return at < s->size && *ret_avail <= s->size - at ? s->to + at : NULL;
}

bool shadow_word_is_plain(const struct image *img, uint64_t word)
{
	return word <= UINT32_MAX || ((uint32_t)word < SMALL && word >> 32 < SMALL) ||
	       image_segment(img, word) || image_segment(img, word - 1); /* its end, too */
}

/* Of [at, at + n) of the file, what lies in plain words; four bytes are plain by themselves. */
static void copy_words(const struct image *img, uint64_t at, uint64_t n)
{
	const struct shadow *s = img->shadow;

	if (n <= 4) {
		memcpy(s->to + at, s->from + at, n);
		return;
	}
	for (uint64_t end = at + n, next; at < end; at = next) {
		uint64_t word_at = align_down(at, 8);

		next = end - word_at < 8 ? end : word_at + 8;
		if (s->size - word_at >= 8 &&
		    shadow_word_is_plain(img, load_u64(s->from + word_at)))
			memcpy(s->to + at, s->from + at, next - at);
	}
}

/* As it is; of the first readers it comes back when blocks are known. */
static void copy_exact(struct shadow *s, uint64_t at, uint64_t n)
{
	memcpy(s->to + at, s->from + at, n);
	if (s->mode == SHADOW_FIRST && !vec_push(&s->first, &((struct shadow_range){ at, n })))
		s->no_room = true;
}

static void copy(const struct image *img, uint64_t at, uint64_t n, bool is_constant)
{
	struct shadow *s = img->shadow;

	if (bytes_are_zero(s->from + at, n))
		return;
	if (s->mode == SHADOW_WORDS && !is_constant)
		copy_words(img, at, n);
	else
		copy_exact(s, at, n);
}

void shadow_keep(const struct image *img, taddr addr, uint64_t n)
{
	const struct shadow *s = img->shadow;

	size_t i = partition_point(img->n_segments, k, img->segments[k].end <= addr);

	for (; i < img->n_segments && s->mode != SHADOW_OFF; i++) { /* it may begin before what is mapped */
		const struct segment *seg = &img->segments[i];
		taddr from = seg->start > addr ? seg->start : addr;
		uint64_t avail, left = n - (from - addr);
		uint8_t *to;

		if (from - addr >= n)
			return;
		to = shadow_at(img, from, &avail);
		if (to)
			copy(img, (uint64_t)(to - s->to), left < seg->end - from ? left : seg->end - from,
			     shadow_is_constant(seg));
	}
}

void shadow_keep_as(const struct image *img, taddr addr, uint64_t value)
{
	uint64_t avail;
	uint8_t *to = shadow_at(img, addr, &avail);

	if (to && avail >= 8 && img->shadow->mode != SHADOW_OFF)
		memcpy(to, &value, 8);
}

void shadow_keep_no_pointer(const struct image *img, taddr addr)
{
	uint64_t avail;
	uint8_t *to = shadow_at(img, addr, &avail);

	const struct shadow *s = img->shadow;

	if (to && avail >= 8 && !load_u64(to) && load_u64(s->from + (to - s->to)) &&
	    s->mode != SHADOW_OFF)
		*to = SHADOW_NO_POINTER;
}

void shadow_compare(const struct image *img, taddr addr, uint64_t n)
{
	struct shadow *s = img->shadow;
	uint64_t avail;
	uint8_t *to = s->salted ? shadow_at(img, addr, &avail) : NULL;

	if (to && n <= avail &&
	    !vec_push(&s->compared, &((struct shadow_range){ (uint64_t)(to - s->to), n })))
		s->no_room = true;
}

void shadow_keep_exact(const struct image *img, const uint8_t *p, uint64_t n)
{
	struct shadow *s = img->shadow;
	uint64_t at = (uint64_t)((uintptr_t)p - (uintptr_t)s->from);

	if (s->mode != SHADOW_OFF && at < s->size && n <= s->size - at)
		copy_exact(s, at, n);
}

void shadow_keep_bytes(const struct image *img, const uint8_t *p, uint64_t n)
{
	const struct shadow *s = img->shadow;
	uint64_t at = (uint64_t)((uintptr_t)p - (uintptr_t)s->from);

	if (s->mode != SHADOW_OFF && at < s->size && n <= s->size - at)
		copy(img, at, n, false);
}
