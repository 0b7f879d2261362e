/*
 * gobjects.c - GObjects that keep each other: by fields, by object data, by closures of signals;
 * rings that nobody holds, rings that somebody holds, and healthy twins.
 *
 *	gobjects TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * Rows of the form `value` are objects with their types (the address is what the program holds);
 * those of the form `counted` have leaked, held or healthy in the place of the type, and the ring's name
 * in that of the holder.
 */
#define _GNU_SOURCE
#include "types.h"

#include <glib-object.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct _ShopItem {
	GObject parent;
	GObject *peer;	 /* counted */
	GObject *backer; /* not counted */
} ShopItem;
typedef struct _ShopItemClass {
	GObjectClass parent;
} ShopItemClass;

typedef struct _ShopStorePrivate {
	GPtrArray *items; /* counted */
	long number;
} ShopStorePrivate;
typedef struct _ShopStore {
	ShopItem parent;
	char *label;
} ShopStore;
typedef struct _ShopStoreClass {
	ShopItemClass parent;
} ShopStoreClass;

G_DEFINE_TYPE(ShopItem, shop_item, G_TYPE_OBJECT)
G_DEFINE_TYPE_WITH_PRIVATE(ShopStore, shop_store, shop_item_get_type())

static guint sold;

static void shop_item_class_init(ShopItemClass *c)
{
	sold = g_signal_new("sold", G_TYPE_FROM_CLASS(c), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void shop_item_init(ShopItem *i)
{
	(void)i;
}

static void shop_store_class_init(ShopStoreClass *c)
{
	(void)c;
}

static void shop_store_init(ShopStore *s)
{
	ShopStorePrivate *p = shop_store_get_instance_private(s);

	p->items = g_ptr_array_new();
	p->number = 7;
}

GObject *global_item;
ShopStore *global_store;
GObject *global_listener;
GHashTable *global_table;
GList *global_list;
__thread GObject *thread_item;

static atomic_int n_ready;
static pthread_mutex_t notes = PTHREAD_MUTEX_INITIALIZER;

static void note(void *object, const char *what, const char *ring, int i)
{
	char *name = NULL;

	if (asprintf(&name, "%s#%d", ring, i) < 0)
		exit(3);
	types_note(object, 0, VALUE, G_OBJECT_TYPE_NAME(object), 0, NULL);
	types_note(object, 0, COUNT, what, 0, name);
}

/* Each keeps the next one. */
static ShopItem *new_items(int n, const char *what, int no)
{
	ShopItem *first = g_object_new(shop_item_get_type(), NULL), *at = first;

	note(first, what, "items", no);
	for (int i = 1; i < n; i++) {
		ShopItem *next = g_object_new(shop_item_get_type(), NULL);

		at->peer = G_OBJECT(next); /* the first reference is its own */
		note(next, what, "items", no);
		at = next;
	}
	at->peer = G_OBJECT(first);
	return first;
}

/* The store keeps its items, these the store. */
static ShopStore *new_store(int n, gboolean back, const char *what, int no)
{
	ShopStore *s = g_object_new(shop_store_get_type(), NULL);
	ShopStorePrivate *p = shop_store_get_instance_private(s);

	s->label = g_strdup("a store with its items");
	note(s, what, "store", no);
	for (int i = 0; i < n; i++) {
		ShopItem *item = g_object_new(shop_item_get_type(), NULL);

		g_ptr_array_add(p->items, item);
		if (back)
			item->peer = g_object_ref(G_OBJECT(s));
		note(item, what, "store", no);
	}
	if (back)
		g_object_unref(s); /* the items' references alone remain */
	return s;
}

static void on_sold(ShopItem *item, void *data)
{
	(void)item;
	(void)data;
}

/* What a handler of its own signal keeps. */
static ShopItem *new_listener(gboolean counted, const char *what, int no)
{
	ShopItem *item = g_object_new(shop_item_get_type(), NULL);

	note(item, what, "closure", no);
	if (counted)
		g_signal_connect_data(item, "sold", G_CALLBACK(on_sold), g_object_ref(item),
				      (GClosureNotify)(void (*)(void))g_object_unref, 0);
	else
		g_signal_connect(item, "sold", G_CALLBACK(on_sold), item);
	return item;
}

/* Two that keep each other as each other's data. */
static ShopItem *new_data(const char *what, int no)
{
	ShopItem *a = g_object_new(shop_item_get_type(), NULL), *b = g_object_new(shop_item_get_type(), NULL);

	note(a, what, "data", no);
	note(b, what, "data", no);
	g_object_set_data_full(G_OBJECT(a), "peer", b, g_object_unref);
	g_object_set_data_full(G_OBJECT(b), "peer", g_object_ref(a), g_object_unref);
	return a;
}

enum { THREADS = 4 };

/* In its own arena: rings that nobody holds, and one that the thread itself still does. */
static void *worker(void *arg)
{
	int no = 300 + 10 * (int)(uintptr_t)arg;

	pthread_mutex_lock(&notes);
	new_items(2, "leaked", no);
	new_items(4, "leaked", no + 1);
	new_store(2, TRUE, "leaked", no);
	g_object_unref(new_listener(TRUE, "leaked", no));
	g_object_unref(new_data("leaked", no));
	new_store(2, FALSE, "healthy", no + 1);
	thread_item = g_object_ref(G_OBJECT(new_items(3, "held", no + 2)));
	types_wipe_stack();
	n_ready++;
	pthread_mutex_unlock(&notes);
	for (;;)
		pause();
	return NULL;
}

static NOINLINE void make_in_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, worker, (void *)(uintptr_t)i);
	while (n_ready < THREADS)
		usleep(1000);
}

static NOINLINE void make(void)
{
	make_in_threads();
	for (int i = 0; i < 6; i++)
		new_items(2 + i % 2, "leaked", i);
	for (int i = 0; i < 5; i++)
		new_store(3, TRUE, "leaked", i);
	for (int i = 0; i < 4; i++)
		g_object_unref(new_listener(TRUE, "leaked", i));
	for (int i = 0; i < 3; i++)
		g_object_unref(new_data("leaked", i));
	global_item = g_object_ref(G_OBJECT(new_items(3, "held", 100)));
	global_store = g_object_ref(new_store(2, TRUE, "held", 100));
	global_listener = G_OBJECT(new_listener(TRUE, "held", 100));
	/* Nobody's, without a ring of references. */
	for (int i = 0; i < 3; i++) {
		new_store(2, FALSE, "healthy", 200 + i);
		new_listener(FALSE, "healthy", 200 + i);
	}
	global_table = g_hash_table_new(g_str_hash, g_str_equal);
	for (int i = 0; i < 3; i++) {
		ShopItem *item = g_object_new(shop_item_get_type(), NULL);

		item->backer = global_item;
		note(item, "healthy", "table", i);
		g_hash_table_insert(global_table, g_strdup_printf("key %d", i), item);
		global_list = g_list_append(global_list, g_object_ref(item));
	}
}

int main(int argc, char **argv)
{
	return types_run(argc, argv, make);
}
