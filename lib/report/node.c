/* report/node.c - the trees that language runtimes add to a report. */
#include "report/report.h"

#include <string.h>

bool report_nodes_failed(const struct report *r)
{
	return r->nodes_failed;
}

static struct rp_node *add(struct report *r, struct rp_node *parent, const char *key,
			   enum node_kind kind)
{
	struct rp_node *node = r->nodes_failed ? NULL : arena_alloc(&r->mem, sizeof(*node));

	if (!node) {
		r->nodes_failed = true;
		return NULL;
	}
	*node = (struct rp_node){ .key = key, .kind = kind };
	if (!parent)
		return node;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

struct rp_node *node_map(struct report *r, struct rp_node *parent, const char *key)
{
	return add(r, parent, key, NODE_MAP);
}

struct rp_node *node_list(struct report *r, struct rp_node *parent, const char *key)
{
	return add(r, parent, key, NODE_LIST);
}

void node_uint(struct report *r, struct rp_node *parent, const char *key, enum node_kind kind,
	       uint64_t value)
{
	struct rp_node *node = add(r, parent, key, kind);

	if (node)
		node->u = value;
}

void node_int(struct report *r, struct rp_node *parent, const char *key, int64_t value)
{
	struct rp_node *node = add(r, parent, key, NODE_SIGNED);

	if (node)
		node->i = value;
}

void node_text(struct report *r, struct rp_node *parent, const char *key, const char *value)
{
	struct rp_node *node = value ? add(r, parent, key, NODE_TEXT) : NULL;

	if (!node)
		return;
	node->text = arena_strdup(&r->mem, value);
	r->nodes_failed |= !node->text;
}

const struct rp_node *node_get(const struct rp_node *parent, const char *key)
{
	const struct rp_node *at = parent && parent->kind == NODE_MAP ? parent->first : NULL;

	while (at && strcmp(at->key, key))
		at = at->next;
	return at;
}
