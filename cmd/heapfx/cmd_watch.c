/*
 * cmd_watch.c - waits beside a process until its memory nears its limit, and captures it in time.
 *
 * The captures themselves are heapfx run anew: this process stays small, has one thread, and
 * outlives whatever happens to them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "base/guard.h"
#include "base/text.h"
#include "capture/caps.h"
#include "capture/capture.h"
#include "capture/varlink.h"
#include "capture/watch.h"
#include "capture_name.h"
#include "commands.h"
#include "pipeline.h"
#include "shipping.h"

enum { INTERVAL_MS = 500, DUMPS_MOST = 3, COOL_DOWN_S = 300, THRESHOLD = 90, BAND = 10 };
enum { SHIP_PAUSE_S = 60, SHIP_PAUSE_MAX_S = 900, PEER_SILENT_MS = 1000 };
#define PSI_TRIGGER "some 150000 2000000"

struct watcher {
	struct run run;
	struct watch_rule rule;
	struct watch_state state;
	char *dir; /* of the cgroup; NULL: only --prekill */
	pid_t pid; /* --pid: it alone; else 0 */
	enum watch_pick pick;
	const char *name, *to;
	char *state_path;
	int events, pressure, prekill; /* for poll(); -1 without */
	char *prekill_path; /* a socket of our own making */
	uint64_t hits;	      /* of memory.events, last seen */
	enum watch_verdict said;
	bool is_called; /* somebody is at the socket */
	/* --to: the directory is a spool, which one sender at a time empties */
	pid_t sender;	  /* 0: none */
	bool unsent;	  /* something came since the last one began, or it failed */
	unsigned ship_fails;
	uint64_t ship_at; /* not before; CLOCK_MONOTONIC, ns */
};

/* Set by SIGTERM and SIGINT: a watcher ends between two looks, a capture under way is finished. */
static volatile sig_atomic_t asked_to_end;

static void on_end(int sig)
{
	(void)sig;
	asked_to_end = 1;
}

/* ---- what is told: a line an event */

static void tell(const struct watcher *w, const char *event, unsigned percent, const char *what)
{
	struct text t = TEXT_INIT;
	char when[32];
	time_t now = time(NULL);
	struct tm tm;
	bool json = w->run.opt->format && !strcmp(w->run.opt->format, "json");

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_add_escaped(&t, what, strlen(what));
	if (json) {
		printf("{\"at\":\"%s\",\"event\":\"%s\",\"percent\":%u,\"captures\":%" PRIu64
		       ",\"what\":\"",
		       when, event, percent, w->state.captures);
		for (const char *s = text_str(&t); *s; s++)
			printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
		puts("\"}");
	} else {
		printf("%s %s at %u%%%s%s\n", when, event, percent, *what ? ": " : "",
		       text_str(&t));
	}
	fflush(stdout);
	text_fini(&t);
}

/* ---- the state, which a restart finds again */

static void load_state(struct watcher *w)
{
	_close_ int fd = open(w->state_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return;
	text[n] = 0;
	if (!watch_state_parse(text, &w->state))
		diag(&w->run.env, "watch/state", ERR_NOWHERE,
		     "%s is none of ours, or damaged; it starts anew", w->state_path);
}

static struct err *save_state(const struct watcher *w)
{
	_free_ char *partial = text_format("%s.partial", w->state_path);
	_close_ int fd = -1;
	char text[128];
	int n = snprintf(text, sizeof(text), "heapfx-watch/1 %d %" PRIu64 " %" PRIu64 "\n",
			 w->state.fired, w->state.captures, w->state.last);

	if (!partial)
		return &err_nomem;
	unlink(partial);
	fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n || fsync(fd) ||
	    rename(partial, w->state_path))
		return err_os(errno, "%s", w->state_path);
	return NULL;
}

/* ---- looking */

/* 0: none but the machine's */
static uint64_t own_limit_of(const struct memcg_state *m)
{
	uint64_t limit = m->max;

	/* At v2's high tasks wait until they hardly move: max is never reached. */
	if (!m->v1 && m->high < limit)
		limit = m->high;
	return limit != MEMCG_UNLIMITED ? limit : 0;
}

static uint64_t limit_of(const struct memcg_state *m)
{
	uint64_t own = own_limit_of(m);

	return own ? own : (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct err *look(struct watcher *w, bool pressure, struct watch_sample *ret)
{
	struct watch_sample s = { .pressure = pressure };
	struct err *err = memcg_read(w->dir, &s.memcg);

	if (err)
		return err;
	s.limit = limit_of(&s.memcg);
	s.hit = s.memcg.hits > w->hits;
	w->hits = s.memcg.hits;
	*ret = s;
	return NULL;
}

/* Only what is of a cgroup: a plain file never wakes a poll(), and is not ours to write to. */
static int open_waker(const struct watcher *w, const char *name, int flags)
{
	struct statfs st;
	int fd = memcg_open(w->dir, name, flags);

	if (fd >= 0 && (fstatfs(fd, &st) || st.f_type != CGROUP2_SUPER_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * All of them wake a poll() for POLLPRI.  Who has no limit of its own stands still when the machine
 * does.
 */
static void open_wakers(struct watcher *w, const struct memcg_state *m)
{
	w->events = open_waker(w, "memory.events", O_RDONLY);
	w->pressure = open_waker(w, "memory.pressure", O_RDWR);
	if (w->pressure < 0 && !own_limit_of(m))
		w->pressure = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (w->pressure >= 0 &&
	    write(w->pressure, PSI_TRIGGER, sizeof(PSI_TRIGGER)) != sizeof(PSI_TRIGGER)) {
		close(w->pressure); /* a kernel without triggers for us: the clock must do */
		w->pressure = -1;
	}
}

/* Until something stirs or the interval is over; answers whether tasks stood still meanwhile. */
static bool wait_a_while(struct watcher *w)
{
	struct pollfd fds[] = { { w->events, POLLPRI, 0 },
				{ w->pressure, POLLPRI, 0 },
				{ w->prekill, POLLIN, 0 } };
	uint64_t ms = w->run.opt->interval ? w->run.opt->interval : INTERVAL_MS;

	if (poll(fds, 3, ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0)
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (fds[i].revents & (POLLERR | POLLNVAL)) { /* the cgroup is gone */
			nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
			return false;
		}
	w->is_called = fds[2].revents & POLLIN;
	return fds[1].revents & POLLPRI;
}

/* ---- capturing */

/* Runs a program to its end; answers its status, or -1. Its words are no events of ours. */
static int run_program(const char *path, const char *const *argv, uint32_t caps)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		caps_keep(caps);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(path, (char *const *)argv);
		_exit(127);
	}
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What it writes is ours alone: a report has names and arguments in it. */
static int run_self(const char *const *argv, uint32_t caps)
{
	mode_t was = umask(077);
	int status = run_program("/proc/self/exe", argv, caps);

	umask(was);
	return status;
}

/* --exec: the shell gets the file as $1, never as part of the command. */
static int run_command(const char *command, const char *file)
{
	const char *const argv[] = { "sh", "-c", command, "heapfx", file, NULL };

	return run_program("/bin/sh", argv, CAPS_FILES);
}

/* What all cores in the directory take, bytes. */
static uint64_t spent_bytes(const char *to)
{
	DIR *d = opendir(to);
	struct dirent *e;
	struct stat st;
	uint64_t sum = 0;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "heapfx-", 7) &&
		    !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			sum += (uint64_t)st.st_blocks * 512;
	if (d)
		closedir(d);
	return sum;
}

/* The worst case is memory that does not pack at all. */
static bool fits(const struct watcher *w, pid_t pid)
{
	uint64_t kib = 0, budget = w->run.opt->keep;

	proc_status_number(pid, "RssAnon", &kib);
	return !budget || (spent_bytes(w->to) < budget &&
			   (kib << 10) <= budget - spent_bytes(w->to));
}

static char *core_path(const struct watcher *w, pid_t pid)
{
	struct proc_stat st = { .comm = "unknown" };
	struct err *err = proc_stat(pid, 0, &st);

	err_free(err); /* it has just ended, and the capture will say so */
	return capture_name(w->to, st.comm, pid, capture_ending(w->run.opt->bundle, true, false));
}

static void after_capture(struct watcher *w, const char *file, unsigned percent)
{
	const struct options *opt = w->run.opt;

	if (opt->analyze) {
		size_t n = strlen(file) - strlen(opt->bundle ? ".tar.zst" : ".core.zst");
		_free_ char *report = text_format("json=%.*s.report.json", (int)n, file);
		const char *const argv[] = { "heapfx", "analyze", file, "-o", report, NULL };

		bool done = report && !run_self(argv, CAPS_FILES);

		tell(w, done ? "analyzed" : "not analyzed", percent, file);
	}
	if (opt->exec)
		tell(w, run_command(opt->exec, file) ? "not shipped" : "shipped", percent, file);
}

/* ---- shipping, beside the watching */

static void start_sender(struct watcher *w)
{
	struct err *err = shipping_start(w->run.opt, w->to, NULL, -1, &w->sender);

	w->unsent = false;
	if (err) {
		w->sender = 0;
		w->unsent = true;
		err_free(err); /* the next look tries again */
	}
}

/* The place is away: what is spooled stays, and the pauses between tries grow to a quarter hour. */
static void note_end_of_sender(struct watcher *w, struct err *err, unsigned percent)
{
	uint64_t pause = w->run.opt->retry ? w->run.opt->retry : SHIP_PAUSE_S;

	w->sender = 0;
	tell(w, err ? "not shipped" : "shipped", percent, w->run.opt->to);
	w->ship_fails = err ? w->ship_fails + 1 : 0;
	if (err) {
		pause <<= w->ship_fails < 10 ? w->ship_fails - 1 : 9;
		pause = pause < SHIP_PAUSE_MAX_S ? pause : SHIP_PAUSE_MAX_S;
		w->unsent = true;
		w->ship_at = clock_ns() + pause * 1000000000u;
	}
	err_free(err);
}

static void tend_sender(struct watcher *w, unsigned percent)
{
	siginfo_t si = {};

	if (w->sender && !waitid(P_PID, (id_t)w->sender, &si, WEXITED | WNOHANG | WNOWAIT) &&
	    si.si_pid)
		note_end_of_sender(w, shipping_wait(w->sender), percent);
	if (!w->sender && w->unsent && clock_ns() >= w->ship_at)
		start_sender(w);
}

/* At the end: what can still be sent is, unless we are told to end ourselves. */
static void finish_sender(struct watcher *w)
{
	if (!w->run.opt->to)
		return;
	if (w->sender && asked_to_end)
		kill(w->sender, SIGTERM);
	if (w->sender)
		note_end_of_sender(w, shipping_wait(w->sender), 0);
	if (!w->unsent || asked_to_end || w->ship_fails)
		return;
	start_sender(w);
	if (w->sender)
		note_end_of_sender(w, shipping_wait(w->sender), 0);
}

static bool capture_one(struct watcher *w, pid_t pid, unsigned percent)
{
	const struct options *opt = w->run.opt;
	_free_ char *file = core_path(w, pid);
	char number[16];
	const char *argv[12] = { "heapfx", "capture", number, "-o", file, "--mode",
				 opt->mode ? opt->mode : "auto" };
	unsigned n = 7;

	if (!file)
		return false;
	snprintf(number, sizeof(number), "%d", (int)pid);
	if (opt->bundle)
		argv[n++] = "--bundle";
	if (opt->only) {
		argv[n++] = "--only";
		argv[n++] = opt->only;
	}
	if (run_self(argv, CAPS_TRACE | CAPS_FILES)) {
		tell(w, "not captured", percent, file);
		return false;
	}
	tell(w, "captured", percent, file);
	after_capture(w, file, percent);
	w->unsent = opt->to != NULL;
	return true;
}

/* `pid`, or one of the cgroup `dir` when it is 0. */
static struct err *fire(struct watcher *w, pid_t pid, const char *dir, unsigned percent)
{
	struct err *err, *why;
	bool done = false;

	watch_captured(&w->state, (uint64_t)time(NULL));
	err = save_state(w);
	if (err)
		return err;
	why = pid ? NULL : watch_choose(dir, w->pick, w->name, &pid);
	if (why)
		tell(w, "nothing to capture", percent, why->message);
	else if (!fits(w, pid))
		tell(w, "no room", percent, "--max-bytes is spent");
	else
		done = capture_one(w, pid, percent);
	err_free(why);
	if (done)
		return NULL;
	watch_failed(&w->state);
	return save_state(w);
}

/* ---- the killer's own word */

static const char *cgroup_root(const struct options *opt)
{
	return opt->cgroup_root ? opt->cgroup_root : "/sys/fs/cgroup";
}

/*
 * It is too late for thresholds, and a cool-down would leave the next one without a core: only the
 * number of captures and the disk's budget hold.
 */
static void on_prekill(void *arg, const char *cgroup)
{
	struct watcher *w = arg;
	_free_ char *dir = text_format("%s%s", cgroup_root(w->run.opt), cgroup);
	struct watch_sample s = {};
	unsigned percent;
	struct err *err;

	if (!dir)
		return;
	err = memcg_read(dir, &s.memcg);
	s.limit = err ? 0 : limit_of(&s.memcg);
	percent = err ? 0 : watch_percent(&s);
	err_free(err); /* then nobody knows how full it is */
	tell(w, "prekill", percent, cgroup);
	if (w->state.captures >= w->rule.most) {
		tell(w, watch_verdict_name(WATCH_SPENT), percent, "");
		return;
	}
	err = fire(w, 0, dir, percent);
	if (err)
		diag_err(&w->run.env, "watch/state", err);
}

/* As sd_listen_fds(3): what systemd listens at for us. */
static bool is_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

	return pid && n && strtol(pid, NULL, 10) == getpid() && strtol(n, NULL, 10) >= 1;
}

static struct err *open_prekill(struct watcher *w)
{
	const char *path = w->run.opt->prekill;
	struct err *err;

	if (!path)
		return NULL;
	if (is_passed()) {
		w->prekill = VARLINK_FIRST_FD;
		fcntl(w->prekill, F_SETFD, FD_CLOEXEC);
		return NULL;
	}
	err = varlink_listen(path, &w->prekill);
	if (!err)
		w->prekill_path = strdup(path);
	return err;
}

static void answer_prekill(struct watcher *w)
{
	_close_ int peer = accept4(w->prekill, NULL, NULL, SOCK_CLOEXEC);

	if (peer >= 0)
		varlink_serve(peer, PEER_SILENT_MS, on_prekill, w);
}

static bool target_is_gone(const struct watcher *w)
{
	_close_ int dir = -1;

	if (!w->dir)
		return false;
	if (w->pid && kill(w->pid, 0) && errno == ESRCH)
		return true;
	dir = proc_open_dir(w->dir);
	return dir < 0 && errno == ENOENT;
}

static struct err *step(struct watcher *w, bool pressure)
{
	struct watch_state before = w->state;
	struct watch_sample s;
	struct err *err = look(w, pressure, &s);
	enum watch_verdict v;

	if (err)
		return err;
	v = watch_decide(&w->rule, &s, (uint64_t)time(NULL), &w->state);
	tend_sender(w, watch_percent(&s));
	if (v != w->said)
		tell(w, watch_verdict_name(v), watch_percent(&s), "");
	w->said = v;
	if (v == WATCH_ABOVE || v == WATCH_EVENTS || v == WATCH_PRESSURE) {
		err = fire(w, w->pid, w->dir, watch_percent(&s));
		w->said = WATCH_COOLING;
		return err;
	}
	return w->state.fired != before.fired ? save_state(w) : NULL;
}

/* ---- setting up */

/* Code and constants of libraries that only captures and analyses need come back when they do. */
static void drop_pages(void)
{
	struct maps maps = {};
	struct err *err = proc_maps(getpid(), "smaps", &maps);

	for (size_t i = 0; i < maps.n; i++)
		if (maps.v[i].inode && !(maps.v[i].flags & VMA_W) && !maps.v[i].anonymous)
			madvise((void *)(uintptr_t)maps.v[i].start,
				maps.v[i].end - maps.v[i].start, MADV_DONTNEED);
	err_free(err); /* then it is a few megabytes larger */
	maps_fini(&maps);
}

static struct err *find_cgroup(struct watcher *w)
{
	const struct options *opt = w->run.opt;
	const char *root = cgroup_root(opt);

	if (!opt->cgroup && !opt->pid && opt->prekill)
		return NULL;
	if (!opt->cgroup && !opt->pid)
		return err_new(ERR_USAGE, "--cgroup, --pid or --prekill says what is watched");
	if (opt->pid > INT32_MAX)
		return err_new(ERR_USAGE, "--pid is no process number");
	w->pid = (pid_t)opt->pid;
	w->dir = !opt->cgroup	      ? memcg_dir_of(w->pid, root) :
		 *opt->cgroup == '/'  ? strdup(opt->cgroup) :
					text_format("%s/%s", root, opt->cgroup);
	if (!w->dir)
		return err_os(ESRCH, "process %d has no memory cgroup under %s", (int)w->pid, root);
	return NULL;
}

static struct err *set_up(struct watcher *w)
{
	const struct options *opt = w->run.opt;
	struct err *err = find_cgroup(w);
	struct stat st;

	if (err)
		return err;
	w->rule = (struct watch_rule){
		.threshold = opt->threshold ? (unsigned)opt->threshold : THRESHOLD,
		.cool_down_s = opt->cool_down ? opt->cool_down : COOL_DOWN_S,
		.most = opt->most ? opt->most : DUMPS_MOST,
	};
	w->rule.rearm = opt->rearm		   ? (unsigned)opt->rearm :
			w->rule.threshold > BAND ? w->rule.threshold - BAND :
						     0;
	if (opt->threshold > 100 || opt->rearm > w->rule.threshold)
		return err_new(ERR_USAGE, "--threshold is at most 100, --rearm at most as much");
	w->to = opt->outputs.n ? opt->outputs.v[0] : ".";
	if (lstat(w->to, &st) || !S_ISDIR(st.st_mode))
		return err_os(ENOTDIR, "%s", w->to);
	w->pick = !opt->process || !strcmp(opt->process, "largest") ? WATCH_LARGEST :
		  !strcmp(opt->process, "init")			    ? WATCH_INIT :
								      WATCH_NAMED;
	w->name = opt->process;
	w->state_path = opt->state ? strdup(opt->state) :
				     text_format("%s/heapfx-watch.state", w->to);
	return w->state_path ? NULL : &err_nomem;
}

/* false: there is nothing more to watch */
static bool look_once(struct watcher *w, bool pressure, struct err **ret)
{
	if (w->is_called)
		answer_prekill(w);
	w->is_called = false;
	if (!w->dir)
		tend_sender(w, 0);
	else if (!target_is_gone(w))
		*ret = step(w, pressure);
	if (target_is_gone(w)) { /* perhaps while it was looked at */
		err_free(*ret);
		*ret = NULL;
		tell(w, "ended", 0, "");
		return false;
	}
	return !*ret && !(w->run.opt->once && w->state.captures);
}

static struct err *watch(struct watcher *w)
{
	struct watch_sample s = {};
	struct err *err = set_up(w);

	if (!err && w->dir)
		err = look(w, false, &s); /* events of before are no news */
	if (!err)
		err = open_prekill(w);
	if (err)
		return err;
	caps_keep(CAPS_TRACE | CAPS_FILES); /* what captures need, which are made by children */
	load_state(w);
	w->unsent = w->run.opt->to && shipping_has_spooled(w->to);
	if (w->dir)
		open_wakers(w, &s.memcg);
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	print_problems(&w->run);
	tell(w, "watching", w->dir ? watch_percent(&s) : 0, w->dir ? w->dir : w->run.opt->prekill);
	drop_pages();
	for (bool pressure = false; !asked_to_end && look_once(w, pressure, &err);)
		pressure = wait_a_while(w);
	return err;
}

enum exit_status cmd_watch(const struct options *opt)
{
	struct watcher w = { .events = -1, .pressure = -1, .prekill = -1 };
	struct err *err;

	run_start(&w.run, opt);
	err = watch(&w);
	finish_sender(&w);
	guard_close(&w.events);
	guard_close(&w.pressure);
	guard_close(&w.prekill);
	if (w.prekill_path)
		unlink(w.prekill_path);
	free(w.prekill_path);
	free(w.dir);
	free(w.state_path);
	return run_end_capture(&w.run, err);
}
