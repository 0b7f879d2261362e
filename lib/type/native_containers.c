/*
 * type/native_containers.c - containers of C++: whose nodes they have, and how a slot is called.
 *
 * Source of truth: libstdc++ of GCC 5 to 14 (bits/stl_tree.h, stl_list.h, forward_list.h,
 * hashtable_policy.h, ext/aligned_buffer.h, basic_string.h).  Its nodes point at each other's first
 * part, which has no value; the node's own type is in the DWARF under a name made of the container's.
 * libc++ of LLVM 14 (__tree, list, forward_list, __hash_table) does the same with templates.
 */
#include <inttypes.h>
#include <string.h>

#include "base/guard.h"
#include "type/native.h"

enum { KEY_BYTES = 40, NAME_BYTES = 1 << 14 };

struct container {
	const char *name; /* what its name begins with */
	unsigned value;	  /* which of its template's arguments a node is made for */
	const char *node; /* what the node's name begins with */
	const char *part; /* the type of pointers to nodes; of a template, how it begins */
	bool is_hash;	  /* whose nodes may keep the hash: so say the container's traits */
};

/* libc++'s nodes are templates of two arguments, whose second is void * with every allocator of C++. */
#define LIBCXX "std::__1::"

static const struct container containers[] = {
	{ "std::_Rb_tree<", 1, "std::_Rb_tree_node<", "std::_Rb_tree_node_base", false },
	{ "std::__cxx11::_List_base<", 0, "std::_List_node<", "std::__detail::_List_node_base", false },
	{ "std::_List_base<", 0, "std::_List_node<", "std::__detail::_List_node_base", false },
	{ "std::_Fwd_list_base<", 0, "std::_Fwd_list_node<", "std::_Fwd_list_node_base", false },
	{ "std::_Hashtable<", 1, "std::__detail::_Hash_node<", "std::__detail::_Hash_node_base", true },
	{ LIBCXX "__tree<", 0, LIBCXX "__tree_node<", LIBCXX "__tree_", false },
	{ LIBCXX "__list_imp<", 0, LIBCXX "__list_node<", LIBCXX "__list_node_base<", false },
	{ LIBCXX "__forward_list_base<", 0, LIBCXX "__forward_list_node<", LIBCXX "__forward_begin_node<", false },
	{ LIBCXX "__hash_table<", 0, LIBCXX "__hash_node<", LIBCXX "__hash_node_base<", false },
};

/* One of the arguments of a template, as its name has them. */
static bool argument(const char *name, unsigned which, const char **ret, size_t *ret_n)
{
	const char *at = strchr(name, '<'), *start = at ? at + 1 : NULL;
	unsigned depth = 0;

	for (at = start; at && *at; at++) {
		if (*at == '<' || *at == '(')
			depth++;
		if ((*at == ',' || *at == '>') && !depth) {
			if (!which--) {
				*ret = start;
				*ret_n = (size_t)(at - start);
				return *ret_n < NAME_BYTES;
			}
			if (*at == '>')
				return false;
			start = at + 1;
		}
		if ((*at == '>' || *at == ')') && depth)
			depth--;
	}
	return false;
}

/* "std::_Rb_tree<K, V, ...>" -> "std::_Rb_tree_node<V>" */
static struct native_type *node_of(struct native *n, const struct container *c, const struct dbg_type *type)
{
	struct text node = TEXT_INIT;
	struct native_type *ret = NULL;
	const char *name = type->name, *value;
	size_t size;

	if (!argument(name, c->value, &value, &size))
		return NULL;
	text_add(&node, c->node);
	text_add_n(&node, value, size);
	if (c->is_hash)
		text_add(&node, strstr(name, "_Hashtable_traits<true") ? ", true" : ", false");
	text_add(&node, native_begins(c->node, LIBCXX) ? ", void *>" : ">");
	if (!node.bad)
		ret = native_type_named(n, text_str(&node), type);
	text_fini(&node);
	return ret;
}

bool native_is_part(const char *name, const char *part)
{
	return native_begins(part, LIBCXX) ? native_begins(name, part) : name && !strcmp(name, part);
}

bool native_nodes_of(struct native *n, const struct dbg_type *type, struct native_nodes *ret)
{
	for (size_t i = 0; type->name && i < ARRAY_SIZE(containers); i++) {
		const struct container *c = &containers[i];

		if (native_begins(type->name, c->node))
			*ret = (struct native_nodes){ c->part, native_type_of(n, type) };
		else if (native_begins(type->name, c->name))
			*ret = (struct native_nodes){ c->part, node_of(n, c, type) };
		else
			continue;
		return true;
	}
	return false;
}

bool native_is_node(const struct dbg_type *type)
{
	for (size_t i = 0; type->name && i < ARRAY_SIZE(containers); i++)
		if (native_begins(type->name, containers[i].node))
			return true;
	return false;
}

bool native_is_ring(const struct dbg_type *type)
{
	return native_begins(type->name, "std::_List_node<") || native_begins(type->name, LIBCXX "__list_node<");
}

/* A node's links; false: of another container. */
static bool find_links(const struct dbg_type *node, unsigned *ret_next)
{
	bool is_ours = native_begins(node->name, "std::_List_node<");

	*ret_next = is_ours ? 0 : 1; /* _M_next, _M_prev; __prev_, __next_ */
	return is_ours || native_begins(node->name, LIBCXX "__list_node<");
}

/* Of the used block that begins there; 0: none does. */
static uint64_t block_size(const struct native *n, taddr at)
{
	struct block b;

	return block_get_at(n->blocks, at, &b) ? b.usable : 0;
}

/*
 * Back to what the ring is held by: not a block like the node's.  Where that is one of such a size
 * (a list of small values by itself on the heap) nothing tells it from a node.
 */
bool native_place_in_list(const struct native *n, const struct dbg_type *node, taddr at, uint64_t *ret)
{
	uint64_t links[2], size = block_size(n, at);
	taddr from = at, last = 0;
	unsigned next;

	if (native_begins(node->name, "std::_Fwd_list_node<"))
		return native_places_find(&n->places, at, ret);
	if (!size || !find_links(node, &next))
		return false;
	for (uint64_t i = 0; *n->steps_left && !image_read(n->img, at, links, sizeof(links)); i++, (*n->steps_left)--) {
		if ((last && links[next] != last) || (last && at == from))
			return false;
		if (block_size(n, at) != size) {
			*ret = i - 1;
			return true;
		}
		last = at;
		at = links[!next];
	}
	return false;
}

bool native_is_link(const struct dbg_type *type)
{
	if (type->kind != DBG_KIND_POINTER)
		return false;
	dbg_type_load((struct dbg_type *)type);
	for (size_t i = 0; type->to && type->to->name && i < ARRAY_SIZE(containers); i++)
		if (native_is_part(type->to->name, containers[i].part))
			return true;
	return false;
}

const struct dbg_type *native_stored(const struct dbg_type *type)
{
	if (!native_begins(type->name, "__gnu_cxx::__aligned_membuf<") && !native_begins(type->name, "__gnu_cxx::__aligned_buffer<"))
		return NULL;
	dbg_type_load((struct dbg_type *)type);
	return type->n_params ? type->params[0].type : NULL;
}

const struct dbg_member *native_member(const struct dbg_type *type, const char *name)
{
	dbg_type_load((struct dbg_type *)type);
	for (uint32_t i = 0; i < type->n_members; i++)
		if (type->members[i].name && !strcmp(type->members[i].name, name))
			return &type->members[i];
	return NULL;
}

/* ---- keys */

static void add_quoted(const struct native *n, taddr at, uint64_t length, struct text *ret)
{
	char bytes[KEY_BYTES];
	uint64_t shown = length < sizeof(bytes) ? length : sizeof(bytes);

	if (shown && image_read(n->img, at, bytes, shown)) {
		text_add(ret, "?");
		return;
	}
	text_add(ret, "\"");
	text_add_escaped(ret, bytes, shown);
	text_add(ret, shown < length ? "...\"" : "\"");
}

static bool is_c_string(const struct dbg_type *key)
{
	if (key->kind != DBG_KIND_POINTER || key->language == DBG_LANG_RUST)
		return false;
	dbg_type_load((struct dbg_type *)key);
	return key->to && key->to->kind == DBG_KIND_BASE && key->to->is_text && key->to->size == 1;
}

static void add_c_string(const struct native *n, taddr at, struct text *ret)
{
	uint64_t length = 0;
	char byte;

	while (length <= KEY_BYTES && !image_read(n->img, at + length, &byte, 1) && byte)
		length++;
	add_quoted(n, at, length, ret);
}

void native_key(const struct native *n, const struct dbg_type *key, taddr at, struct text *ret)
{
	uint64_t words[2], v = 0;
	uint8_t libcxx[24];

	if (!n->env->show_contents) {
		text_add(ret, "...");
	} else if (key->kind == DBG_KIND_BASE && key->size <= 8 && !image_read(n->img, at, &v, key->size)) {
		text_printf(ret, "%" PRIu64, v);
	} else if (native_begins(key->name, "std::__cxx11::basic_string<char,") && key->size == 32 &&
		   !image_read(n->img, at, words, sizeof(words))) {
		add_quoted(n, words[0], words[1], ret);
	} else if (native_begins(key->name, LIBCXX "basic_string<char,") && key->size == sizeof(libcxx) &&
		   !image_read(n->img, at, libcxx, sizeof(libcxx))) {
		if (libcxx[0] & 1) /* long: room, length, where it is */
			add_quoted(n, load_u64(libcxx + 16), load_u64(libcxx + 8), ret);
		else
			add_quoted(n, at + 1, libcxx[0] >> 1, ret);
	} else if (is_c_string(key) && !image_read_u64(n->img, at, &words[0])) {
		add_c_string(n, words[0], ret);
	} else if (native_rust_text(n, key, at, &words[0], &words[1])) {
		add_quoted(n, words[0], words[1], ret);
	} else {
		text_add(ret, "...");
	}
}

/* ---- names */

/* Arguments that a template has by itself. */
static const char *const defaults[] = {
	"std::allocator<", "std::char_traits<", "std::less<", "std::hash<", "std::equal_to<", "std::default_delete<",
	"alloc::alloc::Global", "std::hash::random::RandomState",
};

/* Bytes of ", std::allocator<...>"; 0: something else is there. */
static size_t default_argument(const char *s)
{
	const char *at = s, *start;
	unsigned depth = 0;

	if (*at++ != ',')
		return 0;
	at += *at == ' ';
	start = at;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		const char *name = defaults[i], *space = LIBCXX;
		size_t n;

		if (native_begins(at, space) && native_begins(name, "std::")) {
			at += strlen(space);
			name += strlen("std::");
		}
		n = strlen(name);
		if (strncmp(at, name, n) != 0) {
			at = start;
			continue;
		}
		if (name[n - 1] != '<')
			return at[n] == '>' || at[n] == ',' ? (size_t)(at + n - s) : 0;
		for (at += n, depth = 1; *at && depth; at++)
			depth += (*at == '<') - (*at == '>');
		return depth ? 0 : (size_t)(at - s);
	}
	return 0;
}

void native_pretty(const char *name, struct text *ret)
{
	static const char strings[] = "std::basic_string<char>", inner[] = "__cxx11::";
	static const char theirs[] = "std::__1::"; /* libc++ */
	size_t start = ret->n, n;

	while (*name) {
		n = default_argument(name);
		if (n) {
			name += n;
		} else if (native_begins(name, inner)) {
			name += strlen(inner);
		} else if (native_begins(name, theirs)) {
			text_add(ret, "std::");
			name += strlen(theirs);
		} else if (*name == ' ' && name[1] == '>') {
			name++;
		} else {
			text_add_n(ret, name++, 1);
			n = ret->n - start;
			if (n >= strlen(strings) && !ret->bad &&
			    !strncmp(ret->s + ret->n - strlen(strings), strings, strlen(strings))) {
				text_cut(ret, ret->n - strlen(strings));
				text_add(ret, "std::string");
			}
		}
	}
}
