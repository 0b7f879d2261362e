/*
 * capture/pack.c - threads take the next frame of the stream, read and compress it, and write in
 * their turn.
 *
 * What is all zeros is no work: a hole in a plain file, one and the same small frame in a packed
 * one.
 */
#include "capture/pack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cursor.h"
#include "base/full_io.h"
#include "base/guard.h"
#include "base/par.h"
#include "base/vec.h"

/*
 * A frame stays in a processor's own cache between the read and the search. The first of a pipe has
 * the program headers of as many mappings as a process may have (vm.max_map_count, 65530).
 */
enum { FRAME = 1 << 20, PIPE_FRAME = 4 << 20, BLOCK = 4096, WRITE_STEP = 4 << 20 };
/*
 * A heap's words are aligned, and so are its repeats: the search goes in steps of eight bytes
 * (targetLength + 1), which finds as much of them as steps of one or two in two thirds of the time;
 * text loses.  With it zstd leaves out the entropy coding of literals, which are pointers here.
 */
enum { LEVEL = 1, TARGET_LENGTH = 7, HASH_LOG = 12 }; /* its table of 16 KiB stays in the first cache */
enum { PENDING = 8 };
enum { SKIPPABLE = 0x184d2a5e };
#define SEEKABLE_MAGIC 0x8f92eab1u

/* A packed frame that waits for those before it. */
struct pending {
	uint8_t *buf;	  /* owned */
	const uint8_t *v; /* NULL: none; in `buf`, or the packer's zeros */
	size_t n;
};

struct packer {
	struct env *env;
	struct stream *s;
	enum pack_kind kind;
	int fd;
	const char *name;
	uint64_t size, n_frames;
	size_t frame; /* bytes; the last one may be shorter */
	uint8_t *zeros; /* a packed frame of nothing */
	size_t n_zeros;
	uint32_t *sizes; /* of packed frames */
	pthread_mutex_t lock;
	pthread_cond_t turn;  /* a frame is written */
	pthread_cond_t wrote; /* for begin_writing(): much is */
	/* under the lock */
	uint64_t next, writing; /* frames */
	uint64_t written;	/* bytes */
	struct pending pending[PENDING]; /* by frame % PENDING, from `writing` on */
	bool busy;			 /* somebody writes */
	bool done;		/* nothing more will be */
	struct err *err;	/* the first one; all stop */
};

struct worker {
	uint8_t *raw, *packed;
	size_t cap;
	ZSTD_CCtx *z;
};

static void worker_fini(struct worker *w)
{
	free(w->raw);
	free(w->packed);
	ZSTD_freeCCtx(w->z);
}

static struct err *worker_init(struct worker *w, enum pack_kind kind, size_t frame)
{
	*w = (struct worker){ .raw = malloc(frame), .cap = ZSTD_compressBound(frame) };
	if (kind == PACK_ZSTD) {
		w->packed = malloc(w->cap);
		w->z = ZSTD_createCCtx();
		if (w->z) {
			ZSTD_CCtx_setParameter(w->z, ZSTD_c_compressionLevel, LEVEL);
			ZSTD_CCtx_setParameter(w->z, ZSTD_c_targetLength, TARGET_LENGTH);
			ZSTD_CCtx_setParameter(w->z, ZSTD_c_hashLog, HASH_LOG);
		}
	}
	return w->raw && (kind == PACK_PLAIN || (w->packed && w->z)) ? NULL : &err_nomem;
}

static struct err *write_all(const struct packer *p, const uint8_t *v, size_t n)
{
	return write_full(p->fd, v, n) ? NULL : err_os(errno, "writing %s", p->name);
}

static struct err *write_at(const struct packer *p, const uint8_t *v, size_t n, uint64_t at)
{
	while (n) {
		ssize_t done = pwrite(p->fd, v, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_os(errno, "writing %s", p->name);
		v += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return NULL;
}

/* Blocks of zeros become holes. */
static struct err *write_sparse(const struct packer *p, const uint8_t *v, size_t n, uint64_t at)
{
	struct err *err = NULL;

	for (size_t i = 0, k; !err && i < n; i = k) {
		bool zero = is_zero(v + i, n - i < BLOCK ? n - i : BLOCK);

		for (k = i + BLOCK; k < n; k += BLOCK)
			if (zero != is_zero(v + k, n - k < BLOCK ? n - k : BLOCK))
				break;
		if (k > n)
			k = n;
		if (!zero)
			err = write_at(p, v + i, k - i, at + i);
	}
	return err;
}

static size_t frame_size(const struct packer *p, uint64_t frame)
{
	uint64_t left = p->size - frame * p->frame;

	return left < p->frame ? (size_t)left : p->frame;
}

static struct err *compress(const struct packer *p, struct worker *w, size_t n, size_t *ret)
{
	size_t got = ZSTD_compress2(w->z, w->packed, w->cap, w->raw, n);

	if (ZSTD_isError(got))
		return err_new(ERR_OS, "packing %s: %s", p->name, ZSTD_getErrorName(got));
	*ret = got;
	return NULL;
}

/* All that is whose turn; the lock is held, but not while it writes. */
static struct err *write_ready(struct packer *p)
{
	struct err *err = NULL;

	p->busy = true;
	while (!err && p->pending[p->writing % PENDING].v) {
		struct pending *f = &p->pending[p->writing % PENDING];

		pthread_mutex_unlock(&p->lock);
		err = write_all(p, f->v, f->n);
		progress(p->env, "capturing", p->writing + 1, p->n_frames);
		pthread_mutex_lock(&p->lock);
		if (p->written / WRITE_STEP != (p->written + f->n) / WRITE_STEP)
			pthread_cond_signal(&p->wrote);
		p->written += f->n;
		f->v = NULL;
		p->writing += !err;
		pthread_cond_broadcast(&p->turn);
	}
	p->busy = false;
	return err;
}

/* Of `w`, which gets another buffer for it; NULL: of the packer's zeros. The lock is held. */
static struct err *put(struct packer *p, uint64_t frame, struct worker *w, size_t n)
{
	struct pending *f = &p->pending[frame % PENDING];
	uint8_t *packed = w ? w->packed : NULL;

	if (w && !f->buf && !(f->buf = malloc(w->cap)))
		return &err_nomem;
	if (w) {
		w->packed = f->buf;
		f->buf = packed;
	}
	p->sizes[frame] = (uint32_t)n;
	f->n = n;
	f->v = w ? packed : p->zeros;
	return p->busy ? NULL : write_ready(p);
}

/*
 * Who is done with a frame goes on with the next: one that the scheduler took the processor from
 * holds up the others only when they are PENDING frames ahead.
 */
static struct err *write_in_turn(struct packer *p, uint64_t frame, struct worker *w, size_t n)
{
	struct err *err;

	pthread_mutex_lock(&p->lock);
	while (frame - p->writing >= PENDING && !p->err)
		pthread_cond_wait(&p->turn, &p->lock);
	err = p->err ? NULL : put(p, frame, w, n);
	pthread_mutex_unlock(&p->lock);
	return err;
}

static struct err *pack_frame(struct packer *p, struct worker *w, uint64_t frame)
{
	size_t n = frame_size(p, frame), packed = 0;
	bool zeros;
	struct err *err = stream_read(p->s, frame * p->frame, w->raw, n, &zeros);

	if (err || (p->kind == PACK_PLAIN && zeros))
		return err;
	if (p->kind == PACK_PLAIN)
		return write_sparse(p, w->raw, n, frame * p->frame);
	if (zeros && n == p->frame)
		return write_in_turn(p, frame, NULL, p->n_zeros);
	if (zeros)
		memset(w->raw, 0, n);
	err = compress(p, w, n, &packed);
	return err ? err : write_in_turn(p, frame, w, packed);
}

static bool next_frame(struct packer *p, uint64_t *ret)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	more = !p->err && p->next < p->n_frames;
	*ret = p->next;
	p->next += more;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static void stop_all(struct packer *p, struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (p->err)
		err_free(err);
	else
		p->err = err;
	pthread_cond_broadcast(&p->turn);
	pthread_mutex_unlock(&p->lock);
}

static struct err *pack_some(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct packer *p = arg;
	_cleanup_(worker_fini) struct worker w;
	struct err *err = worker_init(&w, p->kind, p->frame);
	uint64_t frame;

	(void)index;
	(void)first;
	(void)last;
	while (!err && next_frame(p, &frame))
		err = pack_frame(p, &w, frame);
	if (err)
		stop_all(p, err);
	return NULL; /* the first one is p->err */
}

static struct err *make_zeros(struct packer *p)
{
	_cleanup_(worker_fini) struct worker w;
	struct err *err = worker_init(&w, PACK_ZSTD, p->frame);

	if (err)
		return err;
	memset(w.raw, 0, p->frame);
	err = compress(p, &w, p->frame, &p->n_zeros);
	p->zeros = take(&w.packed);
	return err;
}

/* ---- the disk */

static bool wait_for_more(struct packer *p, uint64_t begun, uint64_t *ret)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	while (!p->done && p->written - begun < WRITE_STEP)
		pthread_cond_wait(&p->wrote, &p->lock);
	more = !p->done;
	*ret = p->written;
	pthread_mutex_unlock(&p->lock);
	return more;
}

/*
 * It begins while frames are packed, so that the fsync at the end has little left to wait for.  That
 * itself may wait for the disk: so it is a thread that nobody waits for before the end.  A pipe cannot.
 */
static void *begin_writing(void *arg)
{
	struct packer *p = arg;
	uint64_t begun = 0, written;

	while (wait_for_more(p, begun, &written) &&
	       !sync_file_range(p->fd, (off_t)begun, (off_t)(written - begun), SYNC_FILE_RANGE_WRITE))
		begun = written;
	return NULL;
}

static void stop_writing(struct packer *p, pthread_t thread)
{
	pthread_mutex_lock(&p->lock);
	p->done = true;
	pthread_cond_signal(&p->wrote);
	pthread_mutex_unlock(&p->lock);
	pthread_join(thread, NULL);
}

static void put32(uint8_t *at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* Rows of packed and unpacked size, then how many, a descriptor of 0 and the magic number. */
static struct err *write_index(const struct packer *p)
{
	size_t n = (size_t)p->n_frames * 8 + 9;
	_free_ uint8_t *table = malloc(8 + n);
	uint8_t *at = table;

	if (!table)
		return &err_nomem;
	put32(at, SKIPPABLE);
	put32(at + 4, (uint32_t)n);
	at += 8;
	for (uint64_t i = 0; i < p->n_frames; i++, at += 8) {
		put32(at, p->sizes[i]);
		put32(at + 4, (uint32_t)frame_size(p, i));
	}
	put32(at, (uint32_t)p->n_frames);
	at[4] = 0;
	put32(at + 5, SEEKABLE_MAGIC);
	return write_all(p, table, 8 + n);
}

struct err *pack_stream(struct env *env, struct stream *s, enum pack_kind kind, int fd,
			const char *name)
{
	struct packer p = {
		.env = env,
		.s = s,
		.kind = kind,
		.fd = fd,
		.name = name,
		.size = s->size,
		.n_frames = (s->size + FRAME - 1) / FRAME,
		.frame = FRAME,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.turn = PTHREAD_COND_INITIALIZER,
		.wrote = PTHREAD_COND_INITIALIZER,
	};
	struct err *err = NULL;
	pthread_t writer;
	bool has_writer;

	if (p.n_frames > (1u << 27)) /* the format's own limit: 128 TiB */
		return err_new(ERR_UNSUPPORTED, "%s: too large to be packed", name);
	p.sizes = malloc((size_t)(p.n_frames ? p.n_frames : 1) * sizeof(*p.sizes));
	if (!p.sizes)
		return &err_nomem;
	if (kind == PACK_ZSTD)
		err = make_zeros(&p);
	has_writer = !err && kind == PACK_ZSTD && !pthread_create(&writer, NULL, begin_writing, &p);
	if (!err)
		err = par_ranges(env, env->threads, 1, pack_some, &p);
	if (has_writer)
		stop_writing(&p, writer);
	if (!err)
		err = p.err;
	if (!err && kind == PACK_ZSTD)
		err = write_index(&p);
	if (!err && kind == PACK_PLAIN && ftruncate(fd, (off_t)s->size))
		err = err_os(errno, "writing %s", name);
	for (unsigned i = 0; i < PENDING; i++)
		free(p.pending[i].buf);
	free(p.sizes);
	free(p.zeros);
	return err;
}

/* ---- from a pipe */

/* Fills the frame, or takes what there is before the end. */
static struct err *read_frame(int in, uint64_t timeout_ms, uint8_t *buf, size_t *ret)
{
	size_t n = 0;

	while (n < PIPE_FRAME) {
		struct pollfd fd = { in, POLLIN, 0 };
		int ready = poll(&fd, 1, timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
		ssize_t got = ready > 0 ? read(in, buf + n, PIPE_FRAME - n) : ready;

		*ret = n; /* what came before a failure, too */
		if (!ready)
			return err_os(ETIMEDOUT, "standard input");
		if (got < 0 && errno != EINTR)
			return err_os(errno, "standard input");
		if (!got)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	*ret = n;
	return NULL;
}

/* Where the last segment of an ELF core ends in its file. */
static uint64_t core_size(const uint8_t *v, size_t n)
{
	uint64_t end = 0;
	struct cursor phdrs;
	Elf64_Ehdr e;

	if (n < sizeof(e) || memcmp(v, ELFMAG, SELFMAG) || v[EI_CLASS] != ELFCLASS64)
		return 0;
	memcpy(&e, v, sizeof(e));
	phdrs = cursor_slice(v, n, e.e_phoff, (uint64_t)e.e_phnum * sizeof(Elf64_Phdr), NULL);
	while (cursor_left(&phdrs) >= sizeof(Elf64_Phdr)) {
		Elf64_Phdr p;

		memcpy(&p, cursor_bytes(&phdrs, sizeof(p)), sizeof(p));
		if (p.p_filesz <= UINT64_MAX - p.p_offset && p.p_offset + p.p_filesz > end)
			end = p.p_offset + p.p_filesz;
	}
	return end;
}

struct err *pack_pipe(int in, uint64_t timeout_ms, int fd, const char *name, uint64_t *ret_n,
		      uint64_t *ret_expected)
{
	struct packer p = { .fd = fd, .name = name, .frame = PIPE_FRAME };
	_cleanup_(worker_fini) struct worker w;
	struct {
		uint32_t *v;
		size_t n, cap;
	} sizes = {};
	struct err *err = worker_init(&w, PACK_ZSTD, PIPE_FRAME), *ended = NULL, *index;
	size_t n = PIPE_FRAME, packed;

	*ret_expected = 0;
	while (!err && !ended && n == PIPE_FRAME) {
		ended = read_frame(in, timeout_ms, w.raw, &n);
		if (!n)
			break;
		if (!p.size)
			*ret_expected = core_size(w.raw, n);
		p.size += n;
		err = compress(&p, &w, n, &packed);
		if (!err)
			err = write_all(&p, w.packed, packed);
		if (!err && !vec_push(&sizes, &(uint32_t){ (uint32_t)packed }))
			err = &err_nomem;
	}
	p.sizes = sizes.v;
	p.n_frames = sizes.n;
	index = err ? NULL : write_index(&p);
	free(sizes.v);
	*ret_n = p.size;
	err = err ? err : index;
	if (err)
		err_free(ended);
	return err ? err : ended;
}
