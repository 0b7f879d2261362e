/*
 * grows.c - keeps more and more of one thing, less and less of another, and as much as ever of a
 * third; for comparing dumps.  A line of input is the next step, answered by what it holds now:
 * "1000:COUNT 2000:COUNT 300:COUNT".
 */
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 3, MANY = 4000 };

static void *growing[MANY], *shrinking[MANY], *steady[MANY];

static size_t keep(void **v, size_t have, size_t want, size_t size)
{
	for (; have < want; have++)
		v[have] = calloc(1, size);
	while (have > want)
		free(v[--have]);
	return have;
}

int main(void)
{
	static const size_t grow[STEPS] = { 500, 1200, 3000 }, shrink[STEPS] = { 400, 300, 100 };
	size_t a = 0, b = 0, c = 0;
	char line[16];

	for (unsigned step = 0; step < STEPS && fgets(line, sizeof(line), stdin); step++) {
		a = keep(growing, a, grow[step], 1000);
		b = keep(shrinking, b, shrink[step], 2000);
		c = keep(steady, c, 700, 300);
		printf("1000:%zu 2000:%zu 300:%zu\n", a, b, c);
		fflush(stdout);
	}
	return fgets(line, sizeof(line), stdin) != NULL;
}
