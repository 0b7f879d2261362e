#!/usr/bin/python3
"""make_go_cores.py - build, run and dump the Go corpus cases.

	make_go_cores.py list
	make_go_cores.py make OUTDIR [CASE...]	without a case: all that use an installed toolchain
	make_go_cores.py pack OUTDIR [CASE...]	into the folders beside this file; without a case: those there

Each case leaves NAME.core, NAME.truth and its executable NAME in OUTDIR.  A toolchain that is not installed
comes through `go` itself (GOTOOLCHAIN), so it must be allowed to fetch one.

The truth is what the program noted, the runtime's own figures, its own print of every goroutine,
and for some cases the collector's own mark bits, read by gdb: see README.md.
"""
import dataclasses
import functools
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time
import types

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE / "src"
sys.path.insert(0, str(HERE.parent / "native"))
sys.dont_write_bytecode = True
from make_cores import (CannotMake, check_core_pattern, dump_by_abort, dump_gcore,  # noqa: E402
	need, run_command, run_tool)

# The last release of each minor.
RELEASES = {"1.19": "1.19.13", "1.20": "1.20.14", "1.21": "1.21.13", "1.22": "1.22.12",
	"1.23": "1.23.12", "1.24": "1.24.13", "1.25": "1.25.7", "1.26": "1.26.8", "1.27": "1.27.0"}
PATH = "/usr/bin:/bin"


@dataclasses.dataclass(frozen=True)
class Case:
	"""How to build, run and dump one process."""
	program: str			# a folder of src
	go: str				# a key of RELEASES
	flags: tuple = ()		# of go build
	cgo: bool = False
	arch: str = "amd64"
	experiment: str = ""		# GOEXPERIMENT
	args: tuple = ()		# after the truth
	env: tuple = ()			# more NAME=VALUE for the run
	mode: str = ""			# c-archive, c-shared: a library that host.c calls; plugin: the program opens its own
	capture: str = "gcore"		# gcore | kernel | qemu | marks: gcore where marking has just ended | stop: at `stop`
	stop: tuple = ()		# a function of the runtime, and how often it is let through
	about: str = ""

	@property
	def has_library(self):
		"""Beside the program lies NAME.so, without which little of the core can be read."""
		return self.mode in ("plugin", "c-shared")


STRIPPED = ("-ldflags=-s -w",)
PIE = ("-buildmode=pie",)
SPIN_ENV = ("GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")

# A collection that marks, one that sweeps, the world stopped on a system stack.
STOPS = {"marking": ("runtime.markroot", 4), "sweeping": ("runtime.(*sweepLocked).sweep", 40),
	"stopped": ("runtime.readmemstats_m", 0)}

# One leak at its size, and the same repaired.
LARGE = (("million", "a map of a million entries, 1% left"), ("rebuilt", "that map made anew"),
	("crowd", "10,000 goroutines that nobody wakes"), ("pooled", "as many that somebody will wake"),
	("header", "16 bytes of an array of 64 MiB"), ("copied", "those bytes alone"),
	("shared", "pooled buffers that goroutines still have"), ("handed", "buffers that go back when they are done with"),
	("dirty", "pooled rows with all their cells"), ("wiped", "pooled rows without cells"),
	("undrawn", "a pool that nobody draws from"), ("drawn", "a pool that is used"),
	("ring", "a finalizer on a ring"), ("chain", "the same without a ring"))

CASES = {}
for _minor in RELEASES:
	CASES[f"zoo.{_minor}"] = Case("zoo", _minor, about="with DWARF")
	CASES[f"zoo.{_minor}.stripped"] = Case("zoo", _minor, STRIPPED, about="no symbols, no DWARF")
	CASES[f"zoo.{_minor}.pie"] = Case("zoo", _minor, PIE, about="position independent")
	CASES[f"zoo.{_minor}.pie-stripped"] = Case("zoo", _minor, PIE + STRIPPED,
		about="position independent, no symbols")
	CASES[f"zoo.{_minor}.marks"] = Case("zoo", _minor, capture="marks",
		about="stopped at mark termination, with the collector's marks")
	CASES[f"zoo.{_minor}.kernel"] = Case("zoo", _minor, ("-ldflags=-w",), capture="kernel",
		env=("GOTRACEBACK=crash",), about="dumped by the kernel after SIGABRT, symbols, no DWARF")
	CASES[f"zoo.{_minor}.arm64"] = Case("zoo", _minor, arch="arm64", capture="qemu",
		env=("GOTRACEBACK=crash",), about="arm64, written by qemu-user")
	CASES[f"zoo.{_minor}.arm64-stripped"] = Case("zoo", _minor, STRIPPED, arch="arm64", capture="qemu",
		env=("GOTRACEBACK=crash",), about="arm64, written by qemu-user, no symbols")
	CASES[f"cgo.{_minor}"] = Case("cgozoo", _minor, cgo=True, about="C and Go memory that hold each other")
	CASES[f"cgo.{_minor}.stripped"] = Case("cgozoo", _minor, STRIPPED, cgo=True,
		about="the same, no symbols")
	CASES[f"slack.{_minor}"] = Case("slack", _minor,
		about="maps, slices, strings and buffers with room to spare")
	CASES[f"slack.{_minor}.healthy"] = Case("slack", _minor, args=("healthy",), about="the same, repaired")
	CASES[f"slack.{_minor}.healthy-stripped"] = Case("slack", _minor, STRIPPED, args=("healthy",),
		about="the same, repaired, no symbols")
	CASES[f"slack.{_minor}.stripped"] = Case("slack", _minor, STRIPPED, about="the same, no symbols")
	CASES[f"waits.{_minor}"] = Case("waits", _minor,
		about="goroutines that wait for each other for ever, sync.Map")
	CASES[f"waits.{_minor}.stripped"] = Case("waits", _minor, STRIPPED, about="the same, no symbols")
	CASES[f"waits.{_minor}.healthy"] = Case("waits", _minor, args=("healthy",), about="the same, repaired")
	CASES[f"waits.{_minor}.healthy-stripped"] = Case("waits", _minor, STRIPPED, args=("healthy",),
		about="the same, repaired, no symbols")
	for _mode in ("grow", "limit", "sparse", "steady"):
		CASES[f"course.{_minor}.{_mode}"] = Case("course", _minor, args=(_mode,),
			about=f"the collector's course: {_mode}")
		CASES[f"course.{_minor}.{_mode}-stripped"] = Case("course", _minor, STRIPPED, args=(_mode,),
			about=f"the collector's course: {_mode}, no symbols")
	CASES[f"parked.{_minor}"] = Case("parked", _minor,
		about="pools that are misused, finalizers that never run")
	CASES[f"parked.{_minor}.stripped"] = Case("parked", _minor, STRIPPED, about="the same, no symbols")
	CASES[f"parked.{_minor}.healthy"] = Case("parked", _minor, args=("healthy",), about="the same, repaired")
	CASES[f"parked.{_minor}.healthy-stripped"] = Case("parked", _minor, STRIPPED, args=("healthy",),
		about="the same, repaired, no symbols")
	CASES[f"since.{_minor}.stripped"] = Case("since", _minor, STRIPPED,
		about="goroutines that wait since a known time, no symbols")
	for _what, _about in LARGE:
		CASES[f"large.{_minor}.{_what}"] = Case("large", _minor, args=(_what,), about=_about)
		CASES[f"large.{_minor}.{_what}-stripped"] = Case("large", _minor, STRIPPED, args=(_what,),
			about=f"{_about}, no symbols")
	for _kind, _args in (("", ()), (".healthy", ("healthy",))):
		CASES[f"keys.{_minor}{_kind}"] = Case("keys", _minor, args=_args,
			about="maps whose keys keep what they point at")
		CASES[f"keys.{_minor}{_kind or '.'}{'-' if _kind else ''}stripped"] = Case("keys", _minor, STRIPPED,
			args=_args, about="maps whose keys keep what they point at, no symbols")
	CASES[f"boxes.{_minor}"] = Case("boxes", _minor, about="pointers to types, and what lies right behind them")
	CASES[f"boxes.{_minor}.stripped"] = Case("boxes", _minor, STRIPPED,
		about="pointers to types, and what lies right behind them, no symbols")
	CASES[f"mux.{_minor}"] = Case("mux", _minor, about="a closure in http.DefaultServeMux that keeps a buffer")
	CASES[f"mux.{_minor}.stripped"] = Case("mux", _minor, STRIPPED,
		about="a closure in http.DefaultServeMux that keeps a buffer, no symbols")
	CASES[f"spin.{_minor}"] = Case("spin", _minor, STRIPPED, env=SPIN_ENV,
		about="a goroutine that runs, some that cannot, objects in a P's cache, no symbols")
	CASES[f"spin.{_minor}.kernel"] = Case("spin", _minor, STRIPPED, capture="kernel",
		env=(*SPIN_ENV, "GOTRACEBACK=crash"), about="the same, on the signal stack, no symbols")
	CASES[f"shapes.{_minor}.marks"] = Case("shapes", _minor, capture="marks",
		about="types with GC programs, types made by reflect, with the collector's marks")
	CASES[f"shapes.{_minor}.race.marks"] = Case("shapes", _minor, ("-race",), cgo=True, capture="marks",
		about="the same, with the race detector")
	CASES[f"clib.{_minor}.stripped"] = Case("clib", _minor, STRIPPED, cgo=True, mode="c-archive",
		about="a library of Go in a C program, no symbols")
	CASES[f"clib.{_minor}.shared"] = Case("clib", _minor, cgo=True, mode="c-shared",
		about="a shared library of Go in a C program")
	CASES[f"plug.{_minor}"] = Case("plug", _minor, cgo=True, mode="plugin", about="a plugin: two modules")
	for _what, _stop in STOPS.items():
		CASES[f"zoo.{_minor}.{_what}"] = Case("zoo", _minor, ("-ldflags=-w",), capture="stop", stop=_stop,
			about=f"{_what}: stopped in {_stop[0]}")
	if _minor != "1.19":
		CASES[f"shapes.{_minor}.arenas.marks"] = Case("shapes", _minor, experiment="arenas", capture="marks",
			about="the same, and a user arena")
for _minor, _experiment in (("1.25", "greenteagc"), ("1.26", "nogreenteagc"), ("1.24", "noswissmap"),
		("1.25", "noswissmap"), ("1.22", "noallocheaders")):
	CASES[f"slack.{_minor}.{_experiment}"] = Case("slack", _minor, experiment=_experiment,
		about=f"room to spare, GOEXPERIMENT={_experiment}")
	CASES[f"zoo.{_minor}.{_experiment}.marks"] = Case("zoo", _minor, experiment=_experiment, capture="marks",
		about=f"GOEXPERIMENT={_experiment}, with the collector's marks")
	CASES[f"zoo.{_minor}.{_experiment}"] = Case("zoo", _minor, STRIPPED, experiment=_experiment,
		capture="kernel", env=("GOTRACEBACK=crash",),
		about=f"GOEXPERIMENT={_experiment}, dumped by the kernel, no symbols")


@dataclasses.dataclass(frozen=True)
class Made:
	"""The files of one case."""
	name: str
	core: pathlib.Path
	truth: pathlib.Path
	exe: pathlib.Path


# --- building ---------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def toolchain(minor, outdir):
	"""(its go command, its environment) of this minor's last release."""
	need("go")
	release = RELEASES[minor]
	env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "GOFLAGS": "-buildvcs=false"}
	for key in ("GOPROXY", "GOMODCACHE", "GOCACHE", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"):
		if key in os.environ:
			env[key] = os.environ[key]
	if run_tool("go", "env", "GOVERSION", env={**env, "GOTOOLCHAIN": "local"}).strip() == f"go{release}":
		return "go", {**env, "GOTOOLCHAIN": "local"}
	env["GOTOOLCHAIN"] = f"go{release}"
	try:
		root = run_tool("go", "env", "GOROOT", env=env, cwd="/").strip().splitlines()[-1]
	except RuntimeError as reason:
		raise CannotMake(f"no Go {release}: {reason}") from reason
	if minor == "1.19":	# it does not build while its GOROOT is in the module cache
		copy = pathlib.Path(outdir) / f"go{release}"
		if not copy.exists():
			shutil.copytree(root, copy)
			run_tool("chmod", "-R", "u+w", copy)
		env["GOTOOLCHAIN"] = "local"
		return str(copy / "bin/go"), env
	return "go", env


def build(case, exe):
	go, env = toolchain(case.go, str(exe.parent.absolute()))
	work = exe.with_name(exe.name + ".src")
	shutil.rmtree(work, ignore_errors=True)
	shutil.copytree(SRC, work)
	# The line in go.mod chooses the language and the defaults of GODEBUG: a program of that time has its own.
	(work / "go.mod").write_text(f"module corpus\n\ngo {case.go}\n", "ascii")
	env = {**env, "GOARCH": case.arch, "CGO_ENABLED": str(int(case.cgo)), "GOEXPERIMENT": case.experiment}
	if case.cgo:
		need("gcc")
		env["CGO_CFLAGS"] = f"-O1 -g -ffile-prefix-map={work}=."
	out = exe.absolute()

	def build_part(to, part, *flags):
		run_tool(go, "build", "-trimpath", *case.flags, *flags, "-o", to, f"./{part}", env=env, cwd=work)

	def build_host(*libraries):
		symbols = ["-s"] if case.flags == STRIPPED else []
		run_tool("gcc", "-O1", *symbols, f"-ffile-prefix-map={work}=.", "-o", out, work / case.program / "host.c",
			*libraries, "-lpthread")

	library = out.with_name(exe.name + ".so")
	if case.mode == "c-archive":
		build_part(work / "lib.a", case.program, "-buildmode=c-archive")
		build_host(work / "lib.a")
	elif case.mode == "c-shared":
		build_part(work / library.name, case.program, "-buildmode=c-shared")
		shutil.copy(work / library.name, library)
		build_host(f"-L{work}", f"-l:{library.name}", "-Wl,-rpath,$ORIGIN")
	else:
		build_part(out, case.program)
	if case.mode == "plugin":
		build_part(library, f"{case.program}/part", "-buildmode=plugin")
	shutil.rmtree(work)


# --- running and dumping ----------------------------------------------------------------------

class Process:
	"""The program, with a named pipe as its standard input: a line lets it go on."""

	def __init__(self, case, exe, cwd):
		self.fifo = cwd / "fifo"
		os.mkfifo(self.fifo)
		self.input = os.open(self.fifo, os.O_RDWR)
		# Nothing of this machine's environment may end up in a core.
		env = {"PATH": PATH, "GOMAXPROCS": "2", **dict(e.split("=", 1) for e in case.env)}
		argv = [str(exe), "truth", *case.args, *([f"{exe}.so"] if case.mode == "plugin" else [])]
		if case.capture == "qemu":
			need("qemu-aarch64-static")
			argv = ["qemu-aarch64-static", *argv]

		def limits():
			most = resource.RLIM_INFINITY if case.capture in ("kernel", "qemu") else 0
			resource.setrlimit(resource.RLIMIT_CORE, (most, most))

		with open(cwd / "said", "wb") as said:
			self.child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=self.input,
				stdout=subprocess.PIPE, stderr=said, text=True, preexec_fn=limits)
		self.pid = self.child.pid

	def expect(self, word):
		line = self.child.stdout.readline()
		if line != word + "\n":
			self.close()
			raise RuntimeError(f"said {line!r} instead of {word}")

	def go_on(self):
		os.write(self.input, b"\n")

	def close(self):
		if self.child.poll() is None:
			self.child.kill()
		self.child.wait()
		self.child.stdout.close()
		if self.input >= 0:
			os.close(self.input)
			self.input = -1


def dump_at_mark_termination(process, core, marks):
	need("gdb")
	half = core.with_name(core.name + ".tmp")
	run_tool("gdb", "-batch", "-nx", "-p", process.pid, "-ex", "set debuginfod enabled off",
		"-ex", f"python CORE, MARKS, FIFO = {str(half)!r}, {str(marks)!r}, {str(process.fifo)!r}",
		"-x", HERE / "marks.py", env={"PATH": PATH, "HOME": "/nonexistent"})
	if not half.exists() or not marks.exists():
		raise RuntimeError(f"gdb did not stop {process.pid} at mark termination")
	run_tool("fallocate", "-d", half)
	half.rename(core)


def dump_at_stop(process, core, stop):
	need("gdb")
	half = core.with_name(core.name + ".tmp")
	run_tool("gdb", "-batch", "-nx", "-p", process.pid, "-ex", "set debuginfod enabled off",
		"-ex", f"python CORE, FIFO, FUNCTION, IGNORE = {str(half)!r}, {str(process.fifo)!r}, {stop[0]!r}, {stop[1]!r}",
		"-x", HERE / "stops.py", env={"PATH": PATH, "HOME": "/nonexistent"})
	if not half.exists():
		raise RuntimeError(f"gdb did not stop {process.pid} in {stop[0]}")
	run_tool("fallocate", "-d", half)
	half.rename(core)


def dump(case, process, core, cwd):
	"""Takes the core; the collector's marks go to cwd/marks."""
	if case.capture == "qemu":
		dump_by_abort(process, core, cwd, "qemu_*.core")
	elif case.capture == "kernel":
		dump_by_abort(process, core, cwd, check_core_pattern())
	elif case.capture == "marks":
		dump_at_mark_termination(process, core, cwd / "marks")
	elif case.capture == "stop":
		dump_at_stop(process, core, case.stop)
	else:
		dump_gcore(process, core)
		if case.program != "spin":	# which never comes back
			process.go_on()
			process.expect("done")


# --- truth ------------------------------------------------------------------------------------

GOROUTINE = re.compile(r"goroutine (\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[(.*)\]:$")
CREATED = re.compile(r"created by (.*?)(?: in goroutine (\d+))?$")
PLACE = re.compile(r"\t(.*):(\d+)(?: \+0x[0-9a-f]+)?")


def goroutine_rows(text):
	"""The runtime's print of all goroutines: `goroutine id how-it-waits creator creator's-id` and, innermost
	first, `frame id function file:line`."""
	rows = []
	for block in text.strip().split("\n\n"):
		lines = block.splitlines()
		head = GOROUTINE.match(lines[0])
		if not head:
			raise RuntimeError(f"not a goroutine: {lines[0]}")
		frames, creator, parent = [], "-", "-"
		for what, where in zip(lines[1::2], lines[2::2]):
			place = PLACE.match(where)
			created = CREATED.match(what)
			if created:
				creator, parent = created[1], created[2] or "-"
			else:
				name = what[:what.rindex("(")] if what.endswith(")") else what
				frames.append(("frame", head[1], name, f"{place[1].rpartition('/')[2]}:{place[2]}"))
		rows += [("goroutine", head[1], head[2], creator, parent), *frames]
	return rows


def complete_truth(case, cwd, truth, exe):
	with open(truth, "w", encoding="utf-8") as out:
		out.write((cwd / "truth").read_text("utf-8"))
		for row in goroutine_rows((cwd / "truth.stacks").read_text("utf-8")):
			out.write("\t".join(row) + "\n")
		if (cwd / "marks").exists():
			out.write((cwd / "marks").read_text("ascii"))
		out.write(f"#text\tversion\tgo{RELEASES[case.go]}\n#text\tarch\t{case.arch}\n")
		if case.has_library:
			out.write(f"#text\tlibrary\t{exe}.so\n")


def read_truth(path):
	"""A truth file: lists of cells by the first word of the row; totals and texts as dicts."""
	found = types.SimpleNamespace(total={}, text={}, rows={})
	for line in pathlib.Path(path).read_text("utf-8").splitlines():
		what, *cells = line.split("\t")
		if what == "#total":
			found.total[cells[0]] = int(cells[1])
		elif what == "#text":
			found.text[cells[0]] = cells[1]
		else:
			found.rows.setdefault(what, []).append(cells)
	return found


# --- cases ------------------------------------------------------------------------------------

def made_paths(name, outdir):
	outdir = pathlib.Path(outdir).absolute()
	return Made(name, outdir / f"{name}.core", outdir / f"{name}.truth", outdir / name)


def is_fresh(made):
	sources = [HERE / "make_go_cores.py", HERE / "marks.py", HERE / "stops.py", *SRC.glob("truth/*.go"),
		*(SRC / CASES[made.name].program).iterdir()]
	newest = max(path.stat().st_mtime for path in sources)
	return all(p.exists() and p.stat().st_mtime >= newest for p in (made.core, made.truth))


def make_case(name, outdir):
	"""Makes the case unless OUTDIR has it, newer than its sources; returns its paths."""
	made = made_paths(name, outdir)
	if not is_fresh(made):
		make_anew(CASES[name], made)
	return made


def make_anew(case, made):
	made.core.parent.mkdir(parents=True, exist_ok=True)
	if case.capture == "kernel":
		check_core_pattern()
	build(case, made.exe)
	cwd = made.core.with_name(made.name + ".run")
	shutil.rmtree(cwd, ignore_errors=True)
	cwd.mkdir()
	process = Process(case, made.exe, cwd)
	try:
		process.expect("ready")
		time.sleep(0.2)
		shutil.copyfile(f"/proc/{process.pid}/smaps", made.exe.with_name(made.name + ".smaps"))
		dump(case, process, made.core, cwd)
	finally:
		process.close()
	complete_truth(case, cwd, made.truth, made.exe)
	shutil.rmtree(cwd)
	total = read_truth(made.truth).total
	if total.get("after.mallocs"):
		raise RuntimeError(f"{made.name}: {total['after.mallocs']} allocations after the figures")


def described_mode(case):
	return {"": "", "c-archive": " -buildmode=c-archive; gcc host.c", "c-shared": " -buildmode=c-shared; gcc host.c",
		"plugin": "; part: -buildmode=plugin"}[case.mode]


def described_capture(case):
	if case.capture == "marks":
		return "gcore where marking has just ended"
	return f"gcore in {case.stop[0]}, passed {case.stop[1]} times before" if case.stop else case.capture


def pack(name, outdir):
	"""Copies one case, packed, to where the committed ones are."""
	need("zstd")
	made = make_case(name, outdir)
	case = CASES[name]
	home = HERE / name
	home.mkdir(parents=True, exist_ok=True)
	files = [(made.core, "dump.zst"), (made.exe, "exe.zst"), (made.truth, "truth.tsv.zst")]
	if case.has_library:
		files.append((f"{made.exe}.so", "library.zst"))
	for source, target in files:
		run_tool("zstd", "-q", "-f", "-19", "--long=27", source, "-o", home / target)
		(home / target).chmod(0o644)
	settings = [f"GOARCH={case.arch}", f"CGO_ENABLED={int(case.cgo)}"]
	if case.experiment:
		settings.append(f"GOEXPERIMENT={case.experiment}")
	(home / "README").write_text(f"""{name}: {case.about}

program   corpus/go/src/{case.program}{''.join(f' {a}' for a in case.args)}
go        {RELEASES[case.go]} {' '.join(settings)}
build     go build -trimpath {' '.join(f"'{f}'" if ' ' in f else f for f in case.flags)}{described_mode(case)}
run with  {' '.join(('GOMAXPROCS=2', *case.env))}
dumped by {described_capture(case)}
again     corpus/go/make_go_cores.py pack OUTDIR {name}
""", "ascii")
	return home


def default_cases(what):
	if what == "pack":
		return [path.parent.name for path in sorted(HERE.glob("*/dump.zst"))]
	need("go")
	local = run_tool("go", "env", "GOVERSION", env={**os.environ, "GOTOOLCHAIN": "local"}).strip()
	return [name for name, case in CASES.items() if f"go{RELEASES[case.go]}" == local]


def main():
	return run_command(__doc__, CASES, lambda case: case.about, default_cases, make_case, pack)


if __name__ == "__main__":
	sys.exit(main())
