/* sql_tables.c - tables that only `sql` shows, in the report's memory: segments, frames, pools. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/go.h"
#include "image/go_sched.h"
#include "sql.h"

/* A table that grows by rows. */
struct rows {
	struct report *r;
	struct rp_table table;
	struct {
		struct rp_cell *v;
		size_t n, cap;
	} cells;
};

/* The next n_columns cells, zeroed; NULL: out of memory. */
static struct rp_cell *add_row(struct rows *rows)
{
	size_t n = rows->table.n_columns;
	struct rp_cell *row;

	if (!vec_grow((void **)&rows->cells.v, &rows->cells.cap, rows->cells.n + n,
		      sizeof(*rows->cells.v)))
		return NULL;
	row = rows->cells.v + rows->cells.n;
	memset(row, 0, n * sizeof(*row));
	rows->cells.n += n;
	rows->table.n_rows++;
	return row;
}

static uint64_t known(uint64_t n) /* 0: unknown */
{
	return n ? n : CELL_UNKNOWN;
}

/* The rows go to the report's memory, the table to its list. */
static struct err *add_table(struct rows *rows)
{
	size_t bytes = rows->cells.n * sizeof(*rows->cells.v);

	rows->table.rows = arena_alloc(&rows->r->mem, bytes + 1);
	if (!rows->table.rows || !vec_push(&rows->r->tables, &rows->table))
		return &err_nomem;
	if (bytes)
		memcpy(rows->table.rows, rows->cells.v, bytes);
	return NULL;
}

/* ---- segments */

static const char *access_text(unsigned flags)
{
	static const char *const text[] = { "---", "--x", "-w-", "-wx",
					    "r--", "r-x", "rw-", "rwx" };

	return text[flags & (SEG_R | SEG_W | SEG_X)];
}

static const char *origin_text(const struct segment *s)
{
	if (s->zero_reserve)
		return "reserve";
	return s->origin == SEG_CORE ? "core" : s->origin == SEG_FILE ? "file" : "absent";
}

struct err *sql_add_segments(struct run *run)
{
	static const struct rp_column columns[] = {
		{ "start", CELL_ADDR },	  { "end", CELL_ADDR },		{ "access", CELL_TEXT },
		{ "file", CELL_TEXT },	  { "file_offset", CELL_BYTES }, { "origin", CELL_TEXT },
		{ "dumped", CELL_BYTES },
	};
	struct rows rows = { .r = &run->report,
			     .table = { "segments", "", columns, ARRAY_SIZE(columns) } };
	struct err *err = NULL;

	for (size_t i = 0; i < run->image->n_segments && !err; i++) {
		const struct segment *s = &run->image->segments[i];
		struct rp_cell *row = add_row(&rows);

		if (!row) {
			err = &err_nomem;
			break;
		}
		row[0].u = s->start;
		row[1].u = s->end;
		row[2].text = access_text(s->flags);
		row[3].text = s->file;
		row[4].u = s->file ? s->file_offset : CELL_UNKNOWN;
		row[5].text = origin_text(s);
		row[6].u = s->origin == SEG_CORE ? s->end - s->start : 0;
	}
	if (!err)
		err = add_table(&rows);
	free(rows.cells.v);
	return err;
}

/* ---- frames, of threads and of goroutines */

enum { F_TID, F_GOROUTINE, F_LEVEL, F_PC, F_SP, F_FUNCTION, F_FILE, F_LINE, F_MODULE };

/* One frame of a goroutine is a row for each call that was inlined into it. */
struct levels {
	struct rows *rows;
	const struct goroutine *g;
	const struct go_frame *frame;
	uint64_t level;
	bool failed;
};

static void add_level(void *arg, const char *function, const char *file, unsigned line)
{
	struct levels *l = arg;
	struct rp_cell *row = l->failed ? NULL : add_row(l->rows);
	struct arena *mem = &l->rows->r->mem;

	l->failed = !row;
	if (!row)
		return;
	row[F_TID].u = CELL_UNKNOWN;
	row[F_GOROUTINE].u = l->g->id;
	row[F_LEVEL].u = l->level++;
	row[F_PC].u = l->frame->pc;
	row[F_SP].u = known(l->frame->sp);
	row[F_FUNCTION].text = arena_strdup(mem, function);
	row[F_FILE].text = arena_strdup(mem, file);
	row[F_LINE].u = known(line);
}

static struct err *goroutine_frames(struct run *run, struct rows *rows)
{
	const struct go *go = run->image->go;

	for (size_t i = 0; go && i < go->n_goroutines; i++) {
		struct levels l = { .rows = rows, .g = &go->goroutines[i] };

		for (size_t k = 0; k < l.g->n_frames && !l.failed; k++) {
			l.frame = &l.g->frames[k];
			go_source(go, l.frame->pc - (k && l.frame->pc ? 1 : 0), add_level, &l);
		}
		if (l.failed)
			return &err_nomem;
	}
	return NULL;
}

static struct err *thread_frames(struct run *run, struct rows *rows)
{
	const struct image *img = run->image;
	struct text name = TEXT_INIT;

	for (size_t i = 0; i < img->n_threads; i++) {
		const struct thread *t = &img->threads[i];

		for (size_t k = 0; k < t->n_frames; k++) {
			const struct frame *f = &t->frames[k];
			taddr pc = k && !f->is_signal ? f->pc - 1 : f->pc;
			const struct module *m = image_module_at(img, pc);
			struct source_place place = {};
			struct rp_cell *row = add_row(rows);

			if (!row)
				return &err_nomem;
			text_reset(&name);
			image_describe(img, pc, &name);
			image_source_of(img, pc, &place);
			row[F_TID].u = t->tid;
			row[F_GOROUTINE].u = CELL_UNKNOWN;
			row[F_LEVEL].u = k;
			row[F_PC].u = f->pc;
			row[F_SP].u = known(f->sp);
			row[F_FUNCTION].text = arena_strdup(&run->report.mem, text_str(&name));
			row[F_FILE].text = place.file;
			row[F_LINE].u = known(place.line);
			row[F_MODULE].text = m ? m->path : NULL;
		}
	}
	text_fini(&name);
	return NULL;
}

struct err *sql_add_frames(struct run *run)
{
	static const struct rp_column columns[] = {
		[F_TID] = { "tid", CELL_COUNT },
		[F_GOROUTINE] = { "goroutine", CELL_COUNT },
		[F_LEVEL] = { "level", CELL_COUNT },
		[F_PC] = { "pc", CELL_ADDR },
		[F_SP] = { "sp", CELL_ADDR },
		[F_FUNCTION] = { "function", CELL_TEXT },
		[F_FILE] = { "file", CELL_TEXT },
		[F_LINE] = { "line", CELL_COUNT },
		[F_MODULE] = { "module", CELL_TEXT },
	};
	struct rows rows = { .r = &run->report,
			     .table = { "frames", "", columns, ARRAY_SIZE(columns) } };
	struct err *err = thread_frames(run, &rows);

	if (!err)
		err = goroutine_frames(run, &rows);
	if (!err)
		err = add_table(&rows);
	free(rows.cells.v);
	return err;
}

/* ---- pools */

struct err *sql_add_pools(struct run *run)
{
	static const struct rp_column columns[] = {
		{ "address", CELL_ADDR },  { "kind", CELL_TEXT },    { "name", CELL_TEXT },
		{ "path", CELL_TEXT },	   { "parent", CELL_ADDR },  { "blocks", CELL_COUNT },
		{ "bytes", CELL_BYTES },   { "free", CELL_BYTES },
	};
	struct rows rows = { .r = &run->report,
			     .table = { "pools", "", columns, ARRAY_SIZE(columns) } };
	const struct pools *pools = &run->pools;
	struct text path = TEXT_INIT;
	struct err *err = NULL;

	for (uint32_t i = 0; i < pools->n && !err; i++) {
		const struct pool *pool = &pools->v[i];
		struct rp_cell *row = add_row(&rows);

		if (!row) {
			err = &err_nomem;
			break;
		}
		text_reset(&path);
		pools_path(pools, i, &path);
		row[0].u = pool->addr;
		row[1].text = pool->kind;
		row[2].text = pool->name;
		row[3].text = arena_strdup(&run->report.mem, text_str(&path));
		row[4].u = pool->parent == POOL_NONE ? CELL_UNKNOWN : pools->v[pool->parent].addr;
		row[5].u = pool->n_blocks;
		row[6].u = pool->bytes;
		row[7].u = pool->free; /* UINT64_MAX is CELL_UNKNOWN */
	}
	text_fini(&path);
	if (!err)
		err = add_table(&rows);
	free(rows.cells.v);
	return err;
}
