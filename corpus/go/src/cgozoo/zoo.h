/* What zoo.c does for main.go. */
struct cnode {
	struct cnode *next;
	void *ref;
	long pad[6];
};

struct cnode *cnode_new(struct cnode *next);
void hold_in_c(struct cnode *node);
void refer_in_c(void *ref);
long block_in_c(struct cnode *node, int fd);
void thread_hold(struct cnode *node);
void call_go(int id);
