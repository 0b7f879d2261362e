/*
 * glibs.c - containers of GLib and what they hold.
 *
 *	glibs TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#include "types.h"

#include <glib.h>

struct order {
	long id;
	char *customer;
	GPtrArray *lines;
};

enum { N = 60 };

GHashTable *orders, *by_number, *names;
GTree *sorted;
GList *queue;
GSList *done;
GQueue *waiting;
GPtrArray *all;
GArray *pairs, *rows, *once;
GByteArray *raw;

struct pair { int id; const char *name; };
struct row { long id; char *text; };
struct late { char *text; };

/* Said to be what it is by a pointer of its own. */
struct late *late;

static void note(const void *p, size_t size, const char *type, const char *holder)
{
	types_note(p, size, VALUE, type, 0, holder);
}

static gint by_text(gconstpointer a, gconstpointer b, gpointer data)
{
	(void)data;
	return g_strcmp0(a, b);
}

static struct order *order_new(int i)
{
	struct order *o = g_new0(struct order, 1);

	o->id = i;
	o->customer = g_strdup_printf("customer number %d", i);
	o->lines = g_ptr_array_new();
	for (int k = 0; k < 5; k++)
		g_ptr_array_add(o->lines, g_strdup_printf("line %d of %d", k, i));
	return o;
}

static NOINLINE void fill(void)
{
	orders = g_hash_table_new(g_str_hash, g_str_equal);
	by_number = g_hash_table_new(NULL, NULL);
	names = g_hash_table_new(g_str_hash, g_str_equal);
	sorted = g_tree_new_full(by_text, NULL, NULL, NULL);
	waiting = g_queue_new();
	all = g_ptr_array_new();
	for (int i = 0; i < N; i++) {
		g_hash_table_insert(orders, g_strdup_printf("order %d", i), order_new(i));
		g_hash_table_insert(by_number, GINT_TO_POINTER(i + 1), order_new(i));
		g_hash_table_add(names, g_strdup_printf("name %d", i));
		g_tree_insert(sorted, g_strdup_printf("key %d", i), order_new(i));
		queue = g_list_prepend(queue, order_new(i));
		done = g_slist_prepend(done, order_new(i));
		g_queue_push_tail(waiting, order_new(i));
		g_ptr_array_add(all, order_new(i));
	}
	pairs = g_array_new(FALSE, FALSE, sizeof(struct pair));
	for (int i = 0; i < N; i++) {
		struct pair pair = { i, "a name" };

		g_array_append_val(pairs, pair);
	}
	rows = g_array_new(FALSE, TRUE, sizeof(struct row));
	once = g_array_new(FALSE, FALSE, sizeof(struct late));
	raw = g_byte_array_new();
	for (int i = 0; i < N; i++) {
		struct row row = { i, g_strdup_printf("what row %d says", i) };
		struct late one = { g_strdup_printf("what is said of %d", i) };

		g_array_append_val(rows, row);
		g_array_append_val(once, one);
		g_byte_array_append(raw, (const guint8 *)"bytes", 5);
	}
	g_array_set_size(rows, N - 2); /* what these had still lies there */
	late = (struct late *)once->data;
	for (int i = 0; i < N / 3; i++)
		g_hash_table_remove(by_number, GINT_TO_POINTER(3 * i + 1));
}

static void note_queue(const GList *l, const char *first, const char *second)
{
	for (int i = 0; l; l = l->next, i++)
		note(l, sizeof(*l), "struct _GList", i == 0 ? first : i == 1 ? second : NULL);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	types_open();
	fill();
	note(orders, 96, "GHashTable", "orders");
	note(by_number, 96, "GHashTable", "by_number");
	note(names, 96, "GHashTable", "names");
	note(g_hash_table_lookup(orders, "order 7"), sizeof(struct order), "-", "orders[\"order 7\"]");
	note(g_hash_table_lookup(by_number, GINT_TO_POINTER(8)), sizeof(struct order), "-", "by_number[8]");
	note(sorted, 48, "GTree", "sorted");
	note(g_tree_lookup(sorted, "key 9"), sizeof(struct order), "-", "sorted[...]");
	note_queue(queue, "queue", "queue->next");
	note_queue(waiting->head, "waiting->head", "waiting->head->next");
	note(waiting, sizeof(*waiting), "struct _GQueue", "waiting");
	note(queue->next->data, sizeof(struct order), "-", "queue->next->data");
	for (GSList *l = done; l; l = l->next)
		note(l, sizeof(*l), "struct _GSList", l == done ? "done" : NULL);
	note(all, 0, "struct _GPtrArray", "all");
	note(pairs->data, N * sizeof(struct pair), "GArray elements", "pairs->data"); /* of what, nothing tells */
	note(rows, 0, "struct _GArray", "rows");
	note(rows->data, N * sizeof(struct row), "GArray elements", "rows->data");
	note(g_array_index(rows, struct row, 7).text, 16, "-", "rows->data[7]+0x8");
	note(((struct row *)rows->data)[N - 1].text, 16, "-", "rows->data[59 unused]+0x8");
	types_note(once->data, N * sizeof(struct late), ARRAY, "struct late", 0, "once->data");
	types_note(late[9].text, 20, ARRAY, "char", 0, "late[9].text");
	note(raw, 0, "struct _GByteArray", "raw");
	types_note(raw->data, 5 * N, ARRAY, "unsigned char", 0, "raw->data");
	types_note(all->pdata, N * sizeof(void *), ARRAY, "void *", 0, "all->pdata");
	note(all->pdata[5], sizeof(struct order), "-", "all->pdata[5]");
	types_close(argv[1]);
	types_ready();
}
