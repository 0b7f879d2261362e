/* A C program whose library is of Go: ./host TRUTH */
extern void Begin(char *path);

int main(int argc, char **argv)
{
	if (argc > 1)
		Begin(argv[1]);
	return 0;
}
