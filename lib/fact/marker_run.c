/*
 * fact/marker_run.c - marks until nothing is left to visit, by several threads once there is much.
 *
 * Each thread has a stack of its own; who has more than enough on it leaves a chunk to those that
 * wait (Ossia et al., "A parallel, incremental and concurrent GC for servers", PLDI 2002).  A mark
 * is set by one thread alone (atomic or), which then visits the node: what is marked in the end
 * does not depend on who came first.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/par.h"
#include "fact/marker.h"

enum {
	ALONE = 1 << 16, /* nodes before others are asked */
	CHUNK = 512,	 /* nodes that go from one thread to another */
	CHUNKS = 16,	 /* that wait to be taken, at most */
};

struct crowd {
	struct env *env;
	struct marker *first; /* whose stack is the beginning */
	uint64_t *late;
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint32_t present, idle; /* threads; nothing is left when all are idle */
	uint32_t wanted;	/* idle ones that no chunk waits for; read without the lock */
	bool done;
	unsigned n_chunks;
	node_id chunks[CHUNKS][CHUNK];
};

static inline bool set_first(uint64_t *set, node_id node)
{
	uint64_t *word = &set[node >> 6], bit = 1ull << (node & 63);

	return !(__atomic_load_n(word, __ATOMIC_RELAXED) & bit) &&
	       !(__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit);
}

static inline void follow_among(struct marker *m, uint64_t *late)
{
	for (unsigned i = 0; i < m->n_nodes; i++)
		for (edge_id e = m->begin[i]; e < m->end[i]; e++) {
			uint32_t target = m->g->dst[e];

			if (late && target & EDGE_INTERIOR) {
				set_first(late, EDGE_NODE(target));
			} else if (set_first(m->set, EDGE_NODE(target))) {
				m->stack[m->n] = EDGE_NODE(target);
				m->n += bit_get(m->inner, EDGE_NODE(target));
			}
		}
}

/* marker_mark() in a loop that has the marker in registers. */
static inline __attribute__((always_inline)) void follow(struct marker *m, uint64_t *late)
{
	const uint32_t *dst = m->g->dst;
	const uint64_t *inner = m->inner;
	uint64_t *set = m->set, n = m->n;
	uint32_t *stack = m->stack;

	for (unsigned i = 0; i < m->n_nodes; i++)
		for (edge_id e = m->begin[i], end = m->end[i]; e < end; e++) {
			node_id node = EDGE_NODE(dst[e]);
			uint64_t w = node >> 6, bit = 1ull << (node & 63), fresh;

			if (late && dst[e] & EDGE_INTERIOR) {
				late[w] |= bit;
				continue;
			}
			fresh = bit & ~set[w];
			set[w] |= bit;
			stack[n] = node;
			n += (fresh & inner[w]) != 0;
		}
	m->n = n;
}

static void follow_alone(struct marker *m, uint64_t *late)
{
	if (late)
		follow(m, late);
	else
		follow(m, NULL);
}

static void count_wanted(struct crowd *c)
{
	uint32_t wanted = c->idle > c->n_chunks ? c->idle - c->n_chunks : 0;

	__atomic_store_n(&c->wanted, wanted, __ATOMIC_RELAXED);
}

/* The oldest: they lead farthest, and who takes them comes back least. */
static void give(struct crowd *c, struct marker *m)
{
	pthread_mutex_lock(&c->lock);
	if (c->n_chunks < CHUNKS) {
		memcpy(c->chunks[c->n_chunks++], m->stack, sizeof(c->chunks[0]));
		m->n -= CHUNK;
		memcpy(m->stack, m->stack + m->n, sizeof(c->chunks[0]));
		count_wanted(c);
		pthread_cond_signal(&c->change);
	}
	pthread_mutex_unlock(&c->lock);
}

/* Waits for a chunk; false: there will be none. */
static bool take_chunk(struct crowd *c, struct marker *m)
{
	bool took = false;

	pthread_mutex_lock(&c->lock);
	c->idle++;
	while (!c->done && !c->n_chunks && c->idle < c->present) {
		count_wanted(c);
		pthread_cond_wait(&c->change, &c->lock);
	}
	if (!c->done && c->n_chunks) {
		memcpy(m->stack, c->chunks[--c->n_chunks], sizeof(c->chunks[0]));
		m->n = CHUNK;
		c->idle--;
		took = true;
	} else {
		c->done = true;
		pthread_cond_broadcast(&c->change);
	}
	count_wanted(c);
	pthread_mutex_unlock(&c->lock);
	return took;
}

static void work(struct crowd *c, struct marker *m)
{
	do {
		while (marker_turn(m)) {
			follow_among(m, c->late);
			if (m->n >= 2 * CHUNK && __atomic_load_n(&c->wanted, __ATOMIC_RELAXED))
				give(c, m);
		}
	} while (!m->err && take_chunk(c, m));
	if (m->err) { /* the others need not go on */
		pthread_mutex_lock(&c->lock);
		c->done = true;
		pthread_cond_broadcast(&c->change);
		pthread_mutex_unlock(&c->lock);
	}
}

/* One thread; the first has been counted already, so that nobody takes its absence for the end. */
static struct err *join_in(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct crowd *c = arg;
	struct marker m = {};
	struct err *err;
	bool late;

	(void)first, (void)last;
	if (!index) {
		work(c, c->first);
		return NULL; /* its error stays where its owner looks */
	}
	pthread_mutex_lock(&c->lock);
	late = c->done;
	c->present += !late;
	pthread_mutex_unlock(&c->lock);
	if (late)
		return NULL;
	err = marker_open(c->env, c->first->g, c->first->inner, c->first->set, CHUNK, &m);
	m.err = err;
	work(c, &m);
	err = take(&m.err);
	marker_close(&m);
	return err;
}

void marker_run(struct env *env, struct marker *m, uint64_t *late)
{
	_free_ struct crowd *c = NULL;
	struct err *err;

	for (unsigned visits = 0; env->threads < 2 || visits < ALONE; visits += m->n_nodes) {
		if (!marker_turn(m))
			return;
		follow_alone(m, late);
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		m->err = &err_nomem;
		return;
	}
	*c = (struct crowd){ .env = env, .first = m, .late = late, .present = 1 };
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->change, NULL);
	err = par_ranges(env, env->threads, 1, join_in, c);
	if (m->err)
		err_free(err);
	else
		m->err = err;
	pthread_cond_destroy(&c->change);
	pthread_mutex_destroy(&c->lock);
}
