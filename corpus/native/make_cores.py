#!/usr/bin/python3
"""make_cores.py - build, run and dump the native corpus cases.

	make_cores.py list
	make_cores.py make OUTDIR [CASE...]	without a case: all but the large and foreign ones
	make_cores.py pack OUTDIR [CASE...]	into ../elf; without a case: the committed ones
	make_cores.py record OUTDIR NAME COMMAND...	any program, by gcore, when it has come to rest

Each case leaves NAME.core, NAME.truth, NAME.maps and its executable NAME in OUTDIR.  From pytest:

	import make_cores
	case = make_cores.make_case("leakzoo", outdir)	# remade only when a source is newer

The truth is what the program noted about its blocks, completed by what recorder.c saw of the whole
process: see ../README.md.  A case that this machine cannot make raises CannotMake, with the reason.
"""
import argparse
import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE / "src"
ELF_CORPUS = HERE.parent / "elf"
sys.path.insert(0, str(HERE))
import glibc_root  # noqa: E402
import systemd_core  # noqa: E402

RECORDER_FD = 198		# as in src/recorder.c
MASK = 0xA5A5A5A5A5A5A5A5
EVENT = struct.Struct("<QQ")
OP_ALLOC, OP_FREE, OP_FREE_UNDONE = 1, 2, 3
WRAPPED = ("malloc calloc realloc free memalign aligned_alloc posix_memalign reallocarray "
	"valloc pvalloc").split()


class CannotMake(Exception):
	"""This machine lacks something; the message names it."""


@dataclasses.dataclass(frozen=True)
class Case:
	"""How to build, run and dump one process."""
	program: str			# src/PROGRAM.c or .cpp
	args: tuple = ("TRUTH",)	# TRUTH stands for the file to write
	capture: str = "gcore"		# gcore | kernel | qemu | systemd
	build: str = "dynamic"		# dynamic | static | stripped | aarch64 | musl | musl-static | musl-cpp | rust | musl-aarch64
	flags: tuple = ()		# more compiler flags
	link: tuple = ()		# more for the linker
	preload: tuple = ()		# libraries after the recorder: another allocator
	environment: tuple = ()		# (name, value) pairs
	foreign_malloc: bool = False	# the process's malloc is not glibc's
	suite: str = None		# run under the glibc of this Debian suite, or this release
	coredump_filter: int = 0x33
	stack_kib: int = None		# ulimit -s, which is also the size of thread stacks
	musl: str = None		# build with this release's compiler driver
	record: bool = True		# log every allocation of the process
	notes_all: bool = False		# only the program allocates, and it notes every block
	max_events: int = 1 << 20
	features: tuple = ()		# of the Rust program
	plugin: tuple = ()		# a source and what it is linked with: a library, PLUGIN in args
	about: str = ""			# what the case is for
	large: bool = False		# made only when asked for by name
	wrong_build: bool = False	# the executable beside the core is of another build
	caveat: str = ""		# what the dump lacks, so that the truth cannot all be found


@dataclasses.dataclass(frozen=True)
class Made:
	"""The files of one case."""
	name: str
	core: pathlib.Path
	truth: pathlib.Path
	maps: pathlib.Path
	exe: pathlib.Path
	sysroot: pathlib.Path = None	# the libraries it ran with, unless this machine's


WAIT = ("TRUTH", "wait")
SMALL = {"capture": "kernel", "stack_kib": 256}
STACKLESS = ("gdb 13 leaves the stacks of threads as zeros under glibc 2.42 and later: the blocks "
	"held by TLS, by pthread_setspecific or by those stacks have no holder in this file")
SUITES = ("bullseye", "bookworm", "trixie", "sid")

CASES = {
	"leakzoo": Case("leakzoo", WAIT, about="every leak kind of valgrind, by gcore"),
	"leakzoo.kernel": Case("leakzoo", WAIT, **SMALL, about="the same, dumped by the kernel"),
	"leakzoo.stripped": Case("leakzoo", WAIT, build="stripped", about="no symbols"),
	"leakzoo.static": Case("leakzoo", WAIT, build="static", about="glibc linked in"),
	"leakzoo.static-stripped": Case("leakzoo", WAIT, build="static", flags=("-s",),
		about="glibc linked in, no symbols at all"),
	"leakzoo.wrong-build": Case("leakzoo", WAIT, **SMALL, wrong_build=True,
		about="the executable beside the core has another build id"),
	"leakzoo.static-small": Case("leakzoo", WAIT, build="static", **SMALL,
		about="glibc linked in, dumped by the kernel"),
	"leakzoo.aarch64": Case("leakzoo", WAIT, capture="qemu", build="aarch64", stack_kib=256,
		about="an aarch64 core, written by qemu-user"),
	"zoo_cpp": Case("zoo_cpp", about="C++ shapes: shared_ptr rings, inheritance, new[]"),
	"heapshapes": Case("heapshapes", ("TRUTH", "plain"),
		about="every kind of glibc chunk and bin"),
	"heapshapes.foreign": Case("heapshapes", ("TRUTH", "foreign"),
		about="main arena in pieces, sbrk() of others between them"),
	"heapshapes.noncontig": Case("heapshapes", ("TRUTH", "noncontig"),
		about="main arena in mappings, for brk is blocked"),
	"heapshapes.kernel": Case("heapshapes", ("TRUTH", "plain"), **SMALL,
		about="the same, dumped by the kernel"),
	"leakzoo.systemd": Case("leakzoo", WAIT, **dict(SMALL, capture="systemd"), large=True,
		about="packed and stored by systemd-coredump"),
	"vectors": Case("vectors", about="blocks that vector registers alone hold"),
	"vectors.kernel": Case("vectors", **SMALL, about="the same, dumped by the kernel"),
	"endings": Case("endings", about="what threads leave in stacks and TLS that have ended"),
	"endings.kernel": Case("endings", **SMALL, about="the same, dumped by the kernel"),
	"endings.stripped": Case("endings", build="stripped", about="the same, no symbols"),
	"endings.guardless": Case("endings", ("TRUTH", "guardless"), about="the same, all stacks in one mapping"),
	"endings.static": Case("endings", build="static", about="the same, glibc linked in"),
	"holders": Case("holders", about="one block with several holders and roots"),
	"holders.kernel": Case("holders", **SMALL,
		about="the same, dumped by the kernel"),
	"pins": Case("pins", about="free memory that a few used blocks keep from going back"),
	"sparse": Case("sparse", about="free memory that malloc_trim() would return, and how much"),
	"sparse.fast": Case("sparse", ("TRUTH", "fast"), about="the same, of what fast bins keep apart"),
	"abutting": Case("abutting", about="a thread's stack with other memory right above it, in one mapping"),
	"abutting.kernel": Case("abutting", capture="kernel", about="the same, dumped by the kernel"),
	"inflight.free": Case("inflight", ("TRUTH", "free"), record=False, about="a chunk that free() has in hand"),
	"inflight.killed": Case("inflight", ("TRUTH", "free"), record=False, **SMALL, about="the same, in a process that abort() ended"),
	"inflight.other": Case("inflight", ("TRUTH", "other"), record=False, about="a chunk run over, while free() is at work on another"),
	"inflight.elsewhere": Case("inflight", ("TRUTH", "elsewhere"), record=False, about="a chunk run over that another function has"),
	"inmalloc.static": Case("inmalloc", ("TRUTH", "inside"), build="static", record=False, about="a thread inside malloc() that is linked in"),
	"inmalloc.static-stripped": Case("inmalloc", ("TRUTH", "inside"), build="static", flags=("-s",), record=False, about="the same without symbols"),
	"inmalloc.elsewhere": Case("inmalloc", ("TRUTH", "elsewhere"), build="static", flags=("-s",), record=False,
		about="the same damage, and a thread that is not inside malloc()"),
	"tallocs": Case("tallocs", link=("-ltalloc",), about="trees of talloc's (needs libtalloc-dev)"),
	"fonts": Case("fonts", link=("-lfontconfig",), environment=(("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"),),
		about="patterns of fontconfig's (needs libfontconfig-dev)"),
	"longchain": Case("longchain", max_events=1 << 22,
		about="a million nodes in a chain held, a million in one dropped"),
	"hoards": Case("hoards", record=False, **SMALL,
		about="a million cached entries, a list, a registry with two holders, a tree, a ring"),
	"demo": Case("demo", ("--truth", "TRUTH"), about="the leaking service of make demo"),
	"arenas64": Case("arenas", ("64", "8", "TRUTH"), max_events=1 << 23,
		about="64 MiB of small blocks in 8 threads"),
	"arenas320": Case("arenas", ("320", "16", "TRUTH"), record=False, large=True,
		about="320 MiB in 16 threads: pages of the dump in memory"),
	"arenas1g": Case("arenas", ("1024", "16", "TRUTH"), record=False, large=True,
		about="1 GiB in 16 threads, for the benchmark"),
	"glibc.hundred": Case("hundred", record=False, large=True, **SMALL, about="1 GiB in blocks of 100 bytes, for the benchmark"),
	"arenas8g": Case("arenas", ("8192", "16", "TRUTH"), record=False, large=True,
		about="8 GiB in 16 threads, for the benchmark"),
	"arenas4g": Case("arenas", ("4096", "16", "TRUTH"), record=False, large=True,
		about="4 GiB in 16 threads, for the benchmark"),
}
for _suite in (*SUITES, *glibc_root.RELEASES):
	_foreign = dict(SMALL, suite=_suite, large=True)
	_glibc = f"glibc {_suite}" if _suite in glibc_root.RELEASES else f"the glibc of Debian {_suite}"
	CASES[f"leakzoo.{_suite}"] = Case("leakzoo", WAIT, **_foreign, about=_glibc)
	for _mode in ("plain", "foreign", "noncontig"):
		CASES[f"heapshapes.{_suite}" + ("" if _mode == "plain" else f".{_mode}")] = Case(
			"heapshapes", ("TRUTH", _mode), **_foreign, about=f"{_glibc}, {_mode}")
	CASES[f"leakzoo.{_suite}.gcore"] = Case("leakzoo", WAIT, suite=_suite, stack_kib=256,
		large=True, about=f"{_glibc}, by gcore",
		caveat=STACKLESS if _suite in ("sid", "2.42") else "")
	CASES[f"leakzoo.{_suite}.text"] = Case("leakzoo", WAIT, **_foreign, coredump_filter=0x37,
		about=f"{_glibc}, its code in the core")


def run_tool(*argv, **kwargs):
	done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
	if done.returncode:
		command = " ".join(map(str, argv))
		raise RuntimeError(f"{command}: status {done.returncode}\n{done.stdout}")
	return done.stdout


def need(*tools):
	for tool in tools:
		if not shutil.which(tool):
			raise CannotMake(f"{tool} is not installed (tools/deps.sh test)")


# --- building ---------------------------------------------------------------------------------

def source_of(program):
	for suffix in (".c", ".cpp", ".rs", ".go"):
		path = SRC / (program + suffix)
		if path.exists():
			return path
	raise KeyError(program)


def compiler_for(case, source):
	"""The compiler and the flags that choose its target and its C library."""
	cxx = source.suffix == ".cpp"
	if case.build == "aarch64":
		need("aarch64-linux-gnu-gcc", "qemu-aarch64-static")
		return ["aarch64-linux-gnu-gcc"], []
	need("g++" if cxx else "gcc")
	flags = []
	if case.build.startswith("musl"):
		driver = glibc_root.musl_driver(case.musl)
		need(driver)
		# The compiler's start files are not for musl's position-independent programs.
		return [driver], ["-no-pie"] if case.musl else []
	if case.suite:
		flags = glibc_root.oldest_sysroot_flags()
	return ["g++" if cxx else "gcc"], flags


# Paths of the machine that made a core stay out of it.
COMMON_FLAGS = ["-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror",
	f"-ffile-prefix-map={SRC}=.", "-fdebug-prefix-map=/=."]


def build(case, exe):
	"""Builds the program, and the recorder: returns the library to preload, if any."""
	source = source_of(case.program)
	if source.suffix in (".rs", ".go"):
		(build_rust if source.suffix == ".rs" else build_go)(case, exe)
		return build_recorder(exe, "gcc", [], ["-DRECORDER_NEXT"]) if case.record else None
	if case.build == "musl-cpp":
		return build_musl_cpp(case, source, exe)
	if case.plugin:
		build_plugin(case, exe)
	compiler, target = compiler_for(case, source)
	static = case.build.endswith("static") or case.build == "musl-aarch64"
	common = [*target, *COMMON_FLAGS, f"-I{SRC}", *case.flags]
	objects = []
	for unit in [SRC / "truth.c"] + ([SRC / "recorder.c"] if static and case.record else []):
		obj = exe.with_name(f"{exe.name}.{unit.stem}.o")
		cc = "gcc" if compiler[0] == "g++" else compiler[0]
		run_tool(cc, *common, "-std=gnu17", "-c", "-o", obj, unit,
			*(["-DCORPUS_STATIC", "-DRECORDER_WRAP", "-fno-builtin"] if static else []),
			*(["-DCORPUS_FOREIGN_MALLOC"] if case.foreign_malloc else []))
		objects.append(obj)
	link = ["-ldl"]
	if static:
		link += ["-static"]
		if case.record:
			link += [f"-Wl,--wrap={name}" for name in WRAPPED]
	standard = "-std=c++17" if source.suffix == ".cpp" else "-std=gnu17"
	run_tool(*compiler, *common, standard, "-o", exe, source, *objects, *case.link, *link)
	for obj in objects:
		obj.unlink()
	if case.build == "stripped":
		run_tool("strip", "-s", exe)
	if static or not case.record:
		return None
	return build_recorder(exe, "gcc" if compiler[0] == "g++" else compiler[0], target,
		["-DRECORDER_NEXT"] if case.foreign_malloc else [])


def build_rust(case, exe):
	"""By cargo, which fetches what rust/Cargo.lock names; the program logs what it allocates itself."""
	need("cargo")
	folder = exe.with_name(exe.name + ".target")
	command = ["cargo", "build", "--release", "--locked", "--manifest-path", HERE / "rust/Cargo.toml", "--target-dir", folder]
	if case.musl:	# on the musl that Rust brings along
		target = "x86_64-unknown-linux-musl"
		if not pathlib.Path(run_tool("rustc", "--print", "target-libdir", "--target", target).strip()).is_dir():
			raise CannotMake(f"no Rust for musl (rustup target add {target})")
		run_tool(*command, "--target", target)
		folder /= target
	else:
		run_tool(*command, "--features", ",".join(case.features))
	shutil.copyfile(folder / "release" / case.program, exe)
	exe.chmod(0o755)


def build_musl_cpp(case, source, exe):
	"""
	C++ on this machine's musl: no package has a libstdc++ for it, but zig (PyPI's ziglang) brings libc++ along and
	compiles it for musl.  Its linker has no --wrap, which the recorder needs: musl's own driver links.
	"""
	need("musl-gcc")
	if importlib.util.find_spec("ziglang") is None:
		raise CannotMake("no zig (pip install ziglang==0.13.0)")
	cache = exe.with_name(exe.name + ".zig")
	env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
	zig = [sys.executable, "-m", "ziglang", "c++", "-target", "x86_64-linux-musl", "-static", "-x", "c++"]
	common = [*COMMON_FLAGS, f"-I{SRC}", "-DCORPUS_STATIC", "-DCORPUS_FOREIGN_MALLOC", "-DRECORDER_WRAP", "-fno-builtin"]
	objects = [exe.with_name(f"{exe.name}.{unit}.o") for unit in ("program", "truth", "recorder")]
	run_tool(*zig, *common, "-fno-sanitize=all", "-std=c++17", "-c", "-o", objects[0], source, env=env)
	for obj, unit in zip(objects[1:], ("truth.c", "recorder.c")):
		run_tool("musl-gcc", *common, "-std=gnu17", "-c", "-o", obj, SRC / unit)
	# It compiles its libraries for whatever is linked first.
	run_tool(*zig, "-o", exe, "-", input="int main() { return 0; }", env=env)
	libraries = [next(cache.glob(f"o/*/{name}.a")) for name in ("libc++", "libc++abi", "libunwind", "libcompiler_rt")]
	run_tool("musl-gcc", "-static", "-no-pie", *case.flags, "-o", exe, *objects, "-Wl,--start-group", *libraries, "-lgcc", "-lc", "-Wl,--end-group",
		*[f"-Wl,--wrap={name}" for name in WRAPPED])
	for obj in objects:
		obj.unlink()


def build_go(case, exe):
	need("go", "gcc")
	run_tool("go", "build", "-trimpath", "-o", exe, source_of(case.program), env={**os.environ, "CGO_ENABLED": "1"})


def plugin_of(exe):
	return exe.with_name(exe.name + ".plugin.so")


def build_plugin(case, exe):
	"""What it is linked with stays its own: nobody else sees those symbols."""
	source, *link = case.plugin
	run_tool("gcc", *COMMON_FLAGS, "-fPIC", "-shared", "-o", plugin_of(exe), SRC / source, *link,
		"-Wl,--exclude-libs,ALL", "-Wl,-Bsymbolic", "-lm")


def build_recorder(exe, compiler, target, flags=()):
	preload = exe.with_name(exe.name + ".recorder.so")
	# Some allocators unwind by frame pointers, through it to the program.
	run_tool(compiler, *target, *COMMON_FLAGS, "-O2", "-std=gnu17", "-fno-builtin", "-fno-omit-frame-pointer", "-fPIC",
		*flags, "-shared", "-o", preload, SRC / "recorder.c", "-ldl")
	return preload


# --- running ----------------------------------------------------------------------------------

def command_of(case, exe, preload, raw_truth):
	stands_for = {"TRUTH": raw_truth, "PLUGIN": plugin_of(exe)}
	argv = [str(stands_for.get(a, a)) for a in case.args]
	# Nothing of this machine's environment may end up in a core.
	env = {"PATH": "/usr/bin:/bin", **dict(case.environment)}
	if case.build == "aarch64":
		argv = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", str(exe), *argv]
		libraries = [*([preload] if preload else []), *case.preload]
		if libraries:
			argv[1:1] = ["-E", "LD_PRELOAD=" + " ".join(map(str, libraries))]
		for name, value in case.environment:
			argv[1:1] = ["-E", f"{name}={value}"]
		return argv, env
	if case.build == "musl-aarch64":
		return ["qemu-aarch64-static", str(exe), *argv], env
	libraries = [*([preload] if preload else []), *case.preload]
	if libraries:
		env["LD_PRELOAD"] = " ".join(map(str, libraries))
	if case.suite and case.build == "musl":
		return [str(glibc_root.musl_loader(case.suite)), str(exe), *argv], env
	if case.suite:
		return [*glibc_root.loader_command(case.suite), str(exe), *argv], env
	return [str(exe), *argv], env


def threads_of(pid):
	"""{thread: (does it sleep, how often it went to sleep or was sent, ticks of a processor that it had)}"""
	threads = {}
	for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
		with contextlib.suppress(OSError):	# it may end meanwhile
			fields = (task / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
			switches = re.findall(r"^\w*voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text("utf-8", "replace"), re.M)
			threads[task.name] = fields[0] == "S", sum(map(int, switches)), int(fields[11]) + int(fields[12])
	return threads


def wait_until_at_rest(pid, seconds=20):
	"""
	Until every thread sleeps, and did so at the last look, or has had a twentieth of a second of a processor since: it
	spins.  On a busy machine that may be long after it said that it is ready.  Who never rests is waited for in vain.
	"""
	first = before = threads_of(pid)
	end = time.monotonic() + seconds
	while time.monotonic() < end:
		time.sleep(0.05)
		now = threads_of(pid)
		if all(row[0] and row == before.get(thread) or row[2] - first.setdefault(thread, row)[2] >= 5
				for thread, row in now.items()):
			return
		before = now


class Process:
	"""A running program with the log of its allocations."""

	def __init__(self, case, argv, env, cwd, **streams):
		self.log_fd = -1
		if case.record:
			memfd = os.memfd_create("allocations")
			os.ftruncate(memfd, 16 + case.max_events * EVENT.size)
			self.log_fd = RECORDER_FD
			os.dup2(memfd, RECORDER_FD, inheritable=True)
			os.close(memfd)

		def limits():
			resource.setrlimit(resource.RLIMIT_CORE,
				(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
				if case.capture != "gcore" else (0, 0))
			if case.stack_kib:
				size = case.stack_kib << 10
				resource.setrlimit(resource.RLIMIT_STACK, (size, size))

		streams = streams or {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
		self.child = subprocess.Popen(argv, env=env, cwd=cwd, text=True, preexec_fn=limits,
			pass_fds=[self.log_fd] if case.record else [], **streams)
		self.pid = self.child.pid

	def wait_until_ready(self):
		"""A corpus program says so itself."""
		for line in self.child.stdout:
			if line.startswith("ready "):
				break
		else:
			self.kill()
			raise RuntimeError(f"status {self.child.returncode}, never ready")
		wait_until_at_rest(self.pid)	# the last thread may still be on its way into pause()

	def n_events(self):
		return EVENT.unpack(os.pread(self.log_fd, 16, 0))[0]

	def wait_until_idle(self, seconds=1.0):
		"""Any other program: until it has allocated nothing for a while."""
		before = -1
		while before != self.n_events():
			before = self.n_events()
			time.sleep(seconds)
			if self.child.poll() is not None:
				raise RuntimeError(f"ended with status {self.child.returncode}")

	def events(self):
		"""(address, size, op) of every allocation event, in order."""
		n = self.n_events()
		raw = b""
		while len(raw) < n * EVENT.size:
			piece = os.pread(self.log_fd, n * EVENT.size - len(raw), 16 + len(raw))
			if not piece:
				raise RuntimeError(f"{n} events do not fit: raise max_events")
			raw += piece
		for masked, size_op in EVENT.iter_unpack(raw):
			yield masked ^ MASK, size_op >> 8, size_op & 0xFF

	def kill(self):
		if self.child.poll() is None:
			self.child.kill()
		self.child.wait()
		if self.child.stdout:
			self.child.stdout.close()

	def close(self):
		self.kill()
		if self.log_fd >= 0:
			os.close(self.log_fd)
			self.log_fd = -1


def live_blocks(events):
	"""Replays the recorder's log: {address: size} of what was allocated at the end."""
	live, freed = {}, {}
	for address, size, op in events:
		if op == OP_ALLOC:
			live[address] = size
		elif op == OP_FREE:
			freed[address] = live.pop(address, None)
		elif op == OP_FREE_UNDONE:
			live[address] = freed[address]
	return live


# --- truth ------------------------------------------------------------------------------------

def read_truth(path):
	"""({address: (size, kind, state)}, {total: value}) of a truth file; the last row wins."""
	blocks, totals = {}, {}
	with open(path, encoding="ascii") as rows:
		for row in rows:
			cells = row.rstrip("\n").split("\t")
			if cells[0] == "#total":
				totals[cells[1]] = int(cells[2])
			elif cells[0].startswith("#"):
				continue
			elif cells[2] == "-":
				blocks.pop(int(cells[0], 16), None)
			else:
				blocks[int(cells[0], 16)] = (int(cells[1]), cells[2], cells[3])
	return blocks, totals


def write_truth(path, blocks, totals):
	with open(path, "w", encoding="ascii") as out:
		for address, (size, kind, state) in sorted(blocks.items()):
			out.write(f"{address:x}\t{size}\t{kind}\t{state}\n")
		for key, value in totals.items():
			out.write(f"#total\t{key}\t{value}\n")


def complete_truth(raw_truth, truth, live, notes_all=False):
	"""Merges the program's own notes with every block that the recorder saw alive."""
	noted, totals = read_truth(raw_truth)
	totals["noted_blocks"] = len(noted)
	totals["noted_bytes"] = sum(size for size, _kind, _state in noted.values())
	totals["complete"] = int(live is not None or notes_all)
	if live is not None:
		gone = [a for a, (size, kind, _state) in noted.items() if kind != "PLUGIN" and live.get(a) != size]
		if gone:
			raise RuntimeError(f"{len(gone)} noted blocks not in the log: {gone[0]:#x}")
		for address, size in live.items():
			noted.setdefault(address, (size, "OTHER", "unknown"))
		totals["live_blocks"] = len(live)
		totals["live_bytes"] = sum(live.values())
	write_truth(truth, noted, totals)


# --- dumping ----------------------------------------------------------------------------------

def dump_gcore(process, core):
	need("gdb")
	prefix = core.with_name(core.name + ".tmp")
	run_tool("gdb", "-batch", "-nx", "-p", process.pid, "-ex", "set debuginfod enabled off",
		"-ex", f"gcore {prefix}", env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
	if not prefix.exists():
		raise RuntimeError(f"gdb wrote no core of {process.pid}")
	run_tool("fallocate", "-d", prefix)	# gdb writes reserved memory out as zeros
	prefix.rename(core)


def dump_by_abort(process, core, cwd, pattern):
	"""Kills the process with SIGABRT and takes the core from its directory."""
	os.kill(process.pid, signal.SIGABRT)
	process.child.wait()
	found = list(cwd.glob(pattern))
	if not found:
		raise CannotMake("no core: see ulimit -c and /proc/sys/kernel/core_pattern")
	shutil.move(found[0], core)
	for other in cwd.glob("*core*"):
		other.unlink()


def check_core_pattern():
	with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
		pattern = f.read().strip()
	if pattern.startswith("|") or "/" in pattern:
		raise CannotMake(f"the kernel sends cores elsewhere: core_pattern is {pattern}")
	return pattern.split("%")[0] + "*"


def stored_of(core):
	"""The folder with the file that systemd-coredump wrote, under its own name."""
	return core.with_suffix(".stored")


def dump(case, process, core, cwd):
	if case.capture == "qemu":
		dump_by_abort(process, core, cwd, "qemu_*.core")
		return
	with open(f"/proc/{process.pid}/coredump_filter", "w", encoding="ascii") as f:
		f.write(hex(case.coredump_filter))
	if case.capture == "kernel":
		dump_by_abort(process, core, cwd, check_core_pattern())
	elif case.capture == "systemd":
		systemd_core.dump(process.child, core, cwd, check_core_pattern(), stored_of(core))
	else:
		dump_gcore(process, core)


# --- cases ------------------------------------------------------------------------------------

def made_paths(name, outdir, suite):
	outdir = pathlib.Path(outdir)
	files = [outdir / f"{name}.{what}" for what in ("core", "truth", "maps")]
	return Made(name, *files, outdir / name, glibc_root.path_of(suite) if suite else None)


def is_fresh(made, case):
	sources = [source_of(case.program), HERE / "make_cores.py",
		*(SRC / name for name in ("truth.h", "truth.c", "recorder.c"))]
	newest = max(path.stat().st_mtime for path in sources)
	return all(p.exists() and p.stat().st_mtime >= newest for p in (made.core, made.truth))


def make_case(name, outdir, case=None):
	"""Makes the case unless OUTDIR has it, newer than its sources; returns its paths."""
	case = case or CASES[name]
	made = made_paths(name, outdir, case.suite)
	if not is_fresh(made, case):
		try:
			make_anew(case, made)
		except (glibc_root.NoRoot, systemd_core.NoSystemd) as reason:
			raise CannotMake(str(reason)) from reason
	return made


def make_anew(case, made):
	made.core.parent.mkdir(parents=True, exist_ok=True)
	if case.capture in ("kernel", "systemd"):
		check_core_pattern()
	if case.capture == "systemd":
		systemd_core.root()
	cwd = made.core.with_name(made.name + ".run")
	shutil.rmtree(cwd, ignore_errors=True)
	cwd.mkdir()
	raw_truth = cwd / "truth"
	preload = build(case, made.exe)
	argv, env = command_of(case, made.exe, preload, raw_truth)
	process = Process(case, argv, env, cwd)
	try:
		process.wait_until_ready()
		shutil.copyfile(f"/proc/{process.pid}/maps", made.maps)
		live = live_blocks(process.events()) if case.record else None
		dump(case, process, made.core, cwd)
	finally:
		process.close()
	complete_truth(raw_truth, made.truth, live, case.notes_all)
	profile = raw_truth.with_name("truth.profile")
	if profile.exists():
		shutil.copyfile(profile, made.truth.with_suffix(".profile"))
	shutil.rmtree(cwd)
	if case.wrong_build:
		build(dataclasses.replace(case, flags=(*case.flags, "-O0")), made.exe)


def record(name, outdir, command):
	"""Dumps a program that nobody here wrote; its truth is every block that it holds."""
	outdir = pathlib.Path(outdir).absolute()
	outdir.mkdir(parents=True, exist_ok=True)
	need("gcc", command[0])
	exe = pathlib.Path(shutil.which(command[0])).resolve()
	files = [outdir / f"{name}.{what}" for what in ("core", "truth", "maps")]
	made = Made(name, *files, exe)
	case = Case(name, max_events=1 << 24)
	env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "HOME": str(outdir),
		"LD_PRELOAD": str(build_recorder(outdir / name, "gcc", []))}
	keyboard, terminal = os.openpty()	# vim and its like want one
	process = Process(case, [str(exe), *command[1:]], env, outdir, stdin=terminal,
		stdout=terminal, stderr=terminal)
	try:
		process.wait_until_idle()
		shutil.copyfile(f"/proc/{process.pid}/maps", made.maps)
		n = process.n_events()
		dump(case, process, made.core, outdir)
		if n != process.n_events():
			raise RuntimeError(f"{name} allocated while it was dumped")
		live = live_blocks(process.events())
	finally:
		process.close()
		os.close(keyboard)
		os.close(terminal)
	complete_truth(os.devnull, made.truth, live)
	return made


def pack(name, outdir, case=None, corpus=ELF_CORPUS, maker="make_cores.py"):
	"""Copies one case, packed, to where the committed ones are."""
	need("zstd")
	case = case or CASES[name]
	made = make_case(name, outdir, case)
	home = corpus / name
	home.mkdir(parents=True, exist_ok=True)
	dumped_by = case.capture
	if case.capture == "systemd":	# as it packed it
		stored, = stored_of(made.core).iterdir()
		shutil.copyfile(stored, home / "dump.zst")
		as_name = re.sub(r"\.[0-9a-f]{32}\.", ".BOOT.", stored.name)	# the machine's boot id
		dumped_by = f"kernel, stored by systemd-coredump as {as_name}"
	else:
		run_tool("zstd", "-q", "-f", "-19", "--long", made.core, "-o", home / "dump.zst")
	(home / "dump.zst").chmod(0o644)
	shutil.copyfile(made.truth, home / "truth.tsv")
	profile = made.truth.with_suffix(".profile")
	if profile.exists():
		shutil.copyfile(profile, home / "truth.profile")
	if case.wrong_build:
		run_tool("zstd", "-q", "-f", "-19", made.exe, "-o", home / "wrong-executable.zst")
	musl = case.build.startswith("musl") or case.musl
	glibc = glibc_root.version_of(case.suite) if case.suite and not musl else None
	if case.build == "aarch64":
		glibc = "the cross package's, 2.36"
	glibc = glibc or f"{os.confstr('CS_GNU_LIBC_VERSION').split()[1]} (Debian)"
	with open(home / "README", "w", encoding="ascii") as f:
		glibc = "none: musl" if musl else glibc
		f.write(f"""{name}: {case.about}

program   corpus/native/src/{source_of(case.program).name} {' '.join(case.args)}
build     {case.build}{' ' if case.flags else ''}{' '.join(case.flags)}
glibc     {glibc}
dumped by {dumped_by}, coredump_filter {case.coredump_filter:#x}, thread stacks of \
{case.stack_kib or 8192} KiB
again     corpus/native/{maker} pack OUTDIR {name}
""")
		if case.caveat:
			f.write(f"\n{case.caveat[0].upper()}{case.caveat[1:]}.\n")
	return home


def default_cases(what):
	if what == "pack":
		return [path.parent.name for path in sorted(ELF_CORPUS.glob("*/dump.zst"))]
	return [name for name, case in CASES.items() if not case.large]


def run_command(about, cases, line_of, defaults, make, pack_case, others=None):
	"""list; make or pack OUTDIR [CASE...]; others take the parser and its arguments: a maker's command line."""
	others = others or {}
	parser = argparse.ArgumentParser(description=about.split("\n", 1)[0])
	parser.add_argument("what", choices=("list", "make", "pack", *others))
	parser.add_argument("outdir", nargs="?")
	parser.add_argument("cases", nargs=argparse.REMAINDER)
	args = parser.parse_args()
	if args.what == "list":
		for name, case in cases.items():
			print(f"{name:32} {line_of(case)}")
		return 0
	if not args.outdir:
		parser.error("no OUTDIR")
	if args.what in others:
		return others[args.what](parser, args)
	return run_cases(parser, args, cases, defaults, make, pack_case)


def run_cases(parser, args, cases, defaults, make, pack_case):
	"""Makes or packs what the command line names; a case that cannot be made here does not stop the others."""
	unknown = [name for name in args.cases if name not in cases]
	if unknown:
		parser.error(f"no such case: {' '.join(unknown)}")
	status = 0
	for name in args.cases or defaults(args.what):
		try:
			if args.what == "pack":
				print(pack_case(name, args.outdir), flush=True)
			else:
				made = make(name, args.outdir)
				print(f"{made.core} {made.core.stat().st_size}", flush=True)
		except CannotMake as reason:
			print(f"{name}: skipped: {reason}", file=sys.stderr)
			status = 77
		except RuntimeError as reason:
			print(f"{name}: failed: {reason}", file=sys.stderr)
			status = 1
	return status


def run_record(parser, args):
	if len(args.cases) < 2:
		parser.error("no NAME and COMMAND")
	print(record(args.cases[0], args.outdir, args.cases[1:]).core)
	return 0


def main():
	return run_command(__doc__, CASES, lambda case: f"{case.about}{' (only by name)' if case.large else ''}",
		default_cases, make_case, pack, {"record": run_record})


if __name__ == "__main__":
	sys.exit(main())
