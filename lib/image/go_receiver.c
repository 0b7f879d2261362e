/*
 * image/go_receiver.c - packages and types out of the names of functions (cmd/internal/objabi, PathToPrefix()).
 */
#include "image/go_type.h"

#include <stdio.h>
#include <string.h>

size_t go_package_bytes(const char *function)
{
	size_t n = strcspn(function, "[("), slash = 0; /* arguments of types have paths of their own */

	for (size_t i = 0; i < n; i++)
		if (function[i] == '/')
			slash = i;
	n = slash + strcspn(function + slash, ".[(");
	return function[n] == '.' ? n : 0;
}

void go_path_add(struct text *ret, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned c;

		if (s[i] == '%' && n - i > 2 && sscanf(s + i + 1, "%2x", &c) == 1 && c > ' ' && c < 0x7f) {
			text_printf(ret, "%c", (int)c);
			i += 2;
		} else {
			text_add_n(ret, s + i, 1);
		}
	}
}

const struct go_type *go_receiver(const struct go *go, const struct go_func *f)
{
	struct text name = TEXT_INIT, pkg = TEXT_INIT, type = TEXT_INIT;
	const struct go_type *t = NULL;
	const char *open, *close;
	size_t n;

	go_func_name(go, f, &name);
	n = go_package_bytes(text_str(&name));
	open = text_str(&name) + n;
	close = n && !strncmp(open, ".(*", 3) ? strchr(open, ')') : NULL;
	if (close && close[1] == '.' && !memchr(open, '[', (size_t)(close - open)) && !strpbrk(close + 2, ".-")) {
		go_path_add(&pkg, text_str(&name), n);
		text_add_n(&type, open + 3, (size_t)(close - open - 3));
		t = go_type_in_package(go, text_str(&pkg), text_str(&type));
	}
	text_fini(&name);
	text_fini(&pkg);
	text_fini(&type);
	return t;
}
