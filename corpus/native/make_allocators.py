#!/usr/bin/python3
"""make_allocators.py - dumps of programs whose malloc is not glibc's, with their truth.

	make_allocators.py list
	make_allocators.py make OUTDIR [CASE...]	without a case: all that this machine can make
	make_allocators.py pack OUTDIR [CASE...]	into ../allocators; without a case: the committed

All run src/churn.c, recorded and dumped as make_cores.py does it.  The allocators are those of Debian's
suites, unpacked by glibc_root.py; musl is a C library of its own, with its own compiler driver.
"""
import dataclasses
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ALLOCATOR_CORPUS = HERE.parent / "allocators"
sys.path.insert(0, str(HERE))
import glibc_root  # noqa: E402
import make_cores  # noqa: E402
from make_cores import CannotMake, Case  # noqa: E402,F401

# allocator: (the shared library, the packages that may have it)
LIBRARIES = {
	"jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
	"tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", "libtcmalloc-minimal4t64"),
	"mimalloc": ("libmimalloc.so.?", "libmimalloc2.0", "libmimalloc3", "libmimalloc2.1"),
}

ARCHIVES = {
	"jemalloc": ("libjemalloc.a", "libjemalloc-dev"),
	"tcmalloc": ("libtcmalloc_minimal.a", "libgoogle-perftools-dev"),
}

# So that the core itself names the program's variables.
NAMED = ("-rdynamic",)
# What the allocators export is there when one of them is.
UNLINKED = (*NAMED, "-Wl,-z,dynamic-undefined-weak", "-Wl,--unresolved-symbols=ignore-in-shared-libs")
PROFILED = ("libgoogle-perftools4", "libgoogle-perftools4t64")


@dataclasses.dataclass(frozen=True)
class Recipe:
	"""One case: which allocator, from which suite, and how the program comes by it."""
	allocator: str
	suite: str
	how: str = "preload"	# preload | linked | static | static-stripped | plugin | musl | musl-static | musl-cpp | musl-aarch64 | rust
	musl: str = None	# a release of musl that no suite has
	release: str = None	# one of the library, likewise
	program: str = "churn"
	args: tuple = ("TRUTH", "1", "5", "900")	# of churn
	capture: str = "kernel"
	environment: tuple = ()
	sampled: bool = False	# tcmalloc with its profilers, which unwinds by another library
	debug: bool = False	# tcmalloc's debugging allocator
	record: bool = True
	large: bool = False	# made only when asked for by name
	about: str = ""

	def case(self):
		"""The same for make_cores.py; finds the library, which may raise NoRoot."""
		common = {"args": self.args, "capture": self.capture, "stack_kib": 256,
			"environment": self.environment, "foreign_malloc": True, "record": self.record,
			"about": self.about or self.sentence()}
		if self.how == "rust":
			return Case("churn_rust", **{**common, "args": ("TRUTH",), "record": False}, build="rust", features=(self.allocator,),
				musl=self.musl, notes_all=True)
		if self.how == "plugin":
			archive = glibc_root.package_file(self.suite, f"lib{self.allocator}_pic.a", f"lib{self.allocator}-dev")
			return Case("plugins", **{**common, "foreign_malloc": False, "args": ("TRUTH", "PLUGIN")},
				plugin=("plugin_own.c", archive))
		if self.allocator == "musl":
			# What is preloaded makes musl's loader allocate, unseen: without, only the program does.
			if self.how == "musl-cpp":
				return Case(self.program, **common, build=self.how)
			return Case(self.program, **{**common, "record": False}, suite=self.suite, build=self.how, musl=self.musl,
				notes_all=True, flags=NAMED)
		if self.how.startswith("static"):
			archive = (glibc_root.release_file(f"{self.allocator}-{self.release}", f"lib{self.allocator}.a")
				if self.release else glibc_root.package_file(self.suite, *ARCHIVES[self.allocator]))
			return Case("churn", **common, build="static", link=(archive, "-lm", "-lstdc++"),
				flags=("-s",) if self.how == "static-stripped" else ())
		library = (glibc_root.release_file(f"{self.allocator}-{self.release}", f"lib{self.allocator}*.so")
			if self.release else glibc_root.package_file(self.suite, *LIBRARIES[self.allocator]))
		if self.debug:
			library = library.with_name("libtcmalloc_minimal_debug.so.4")
		if self.sampled:
			library = glibc_root.package_file(self.suite, "libtcmalloc.so.4", *PROFILED)
			unwind = glibc_root.package_file(self.suite, "libunwind.so.8", "libunwind8")
			return Case(self.program, **common, suite=self.suite, preload=(unwind, library), flags=UNLINKED)
		where = {"preload": (library,)} if self.how == "preload" else {
			"build": "stripped", "link": (library, f"-Wl,-rpath,{library.parent}")}
		if self.how == "aarch64":
			return Case(self.program, **common, build="aarch64", preload=(library,), flags=UNLINKED)
		if self.allocator == "google-tcmalloc":	# which unwinds by frame pointers
			return Case(self.program, **common, **where, flags=(*UNLINKED, "-fno-omit-frame-pointer"))
		other_language = self.program in ("churn_rust", "cgo_churn")	# built for this machine alone
		return Case(self.program, **common, suite=None if other_language else self.suite, **where,
			flags=UNLINKED)

	def sentence(self):
		if self.how == "rust":
			if self.musl:
				return "a Rust program for the target x86_64-unknown-linux-musl, on the musl that Rust brings along"
			crate = {"jemalloc": "tikv-jemallocator", "mimalloc": "the crate mimalloc"}[self.allocator]
			return f"{self.allocator} of {crate} in a Rust program, beside glibc's malloc"
		if self.allocator == "musl":
			return f"musl {self.musl or 'of Debian'}{' ' if self.suite else ''}{self.suite or ''}, {self.how}"
		if self.how.startswith("static") and not self.release:
			return f"{self.allocator} of {self.suite}, {self.how}"
		if self.release:
			return f"{self.allocator} {self.release} (built from its release source), {self.how}"
		version = glibc_root.package_version(self.suite, *LIBRARIES[self.allocator][1:])
		return f"{self.allocator} {version}, {self.how}"


CASES = {}
for _suite in glibc_root.SUITES:
	if _suite == "forky":	# the same libraries as sid
		continue
	for _allocator in LIBRARIES:
		CASES[f"{_allocator}.{_suite}"] = Recipe(_allocator, _suite)
	CASES[f"musl.{_suite}"] = Recipe("musl", _suite, "musl")
for _allocator in LIBRARIES:
	CASES[f"{_allocator}.gcore"] = Recipe(_allocator, "bookworm", capture="gcore")
	CASES[f"{_allocator}.linked"] = Recipe(_allocator, "bookworm", "linked")
CASES["tcmalloc.decommit"] = Recipe("tcmalloc", "trixie", environment=(
	("TCMALLOC_AGGRESSIVE_DECOMMIT", "1"), ("TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES", "524288")),
	about="tcmalloc that gives free spans back at once and keeps little in thread caches")
CASES["tcmalloc.debug"] = Recipe("tcmalloc", "bookworm", program="sparse", args=("TRUTH",), debug=True, about="tcmalloc's debugging allocator")
for _allocator in ("jemalloc", "tcmalloc", "mimalloc", "musl"):
	CASES[f"{_allocator}.sparse"] = Recipe(_allocator, "bookworm", "musl" if _allocator == "musl" else "preload",
		program="sparse", args=("TRUTH",),
		about=f"{_allocator} of bookworm: blocks left in nearly empty units")
# Not all of an arena in the core: what is never used is not readable either.
SMALL_ARENA = (("MIMALLOC_ARENA_EAGER_COMMIT", "0"),)
CASES["mimalloc.sparse.2.2.7"] = Recipe("mimalloc", None, release="2.2.7", program="sparse", args=("TRUTH",),
	environment=SMALL_ARENA,
	about="mimalloc 2.2.7 (built from its release source), whose mi_collect() gives memory back at once")
for _release in ("3.2.8", "3.4.3"):
	CASES[f"mimalloc.sparse.{_release}"] = Recipe("mimalloc", None, release=_release, program="sparse", args=("TRUTH",),
		environment=SMALL_ARENA, about=f"mimalloc {_release} (built from its release source): blocks left in nearly empty pages")
CASES["mimalloc.sparse.sid"] = Recipe("mimalloc", "sid", program="sparse", args=("TRUTH",), environment=SMALL_ARENA,
	about="mimalloc of sid: blocks left in nearly empty pages")
CASES["mimalloc.sid"] = Recipe("mimalloc", "sid", environment=SMALL_ARENA)
for _release in ("2.0.7", "2.1.2", "2.2.7", "2.4.1", "3.2.8", "3.3.2", "3.4.3"):
	for _build in ("", "-secure"):
		CASES[f"mimalloc.{_release}{_build}"] = Recipe("mimalloc", None, release=_release + _build,
			environment=SMALL_ARENA)
for _name, _conf in {"hpa": "hpa:true", "percpu": "percpu_arena:percpu", "oversize": "oversize_threshold:65536",
		"unretained": "retain:false", "uncached": "tcache:false", "muzzy": "dirty_decay_ms:0,muzzy_decay_ms:10000",
		"huge": "metadata_thp:always,thp:always", "cached": "lg_tcache_max:22"}.items():
	for _suite in ("bookworm", "sid"):
		CASES[f"jemalloc.{_name}.{_suite}"] = Recipe("jemalloc", _suite, environment=(("MALLOC_CONF", _conf),),
			about=f"jemalloc of {_suite} with {_conf}")
CASES["jemalloc.5.2.1.no-stats"] = Recipe("jemalloc", None, release="5.2.1-no-stats",
	about="jemalloc 5.2.1 (built from its release source) with --disable-stats: nothing leads to a thread's cache")
for _suite in ("bookworm", "bullseye", "sid"):
	CASES[f"jemalloc.prof.{_suite}"] = Recipe("jemalloc", _suite, args=("TRUTH", "2", "3", "600"),
		environment=(("MALLOC_CONF", "prof:true,lg_prof_sample:11,prof_unbias:false" if _suite != "bullseye"
			else "prof:true,lg_prof_sample:13"),))
for _suite in ("bookworm", "trixie", "sid"):
	CASES[f"tcmalloc.sampled.{_suite}"] = Recipe("tcmalloc", _suite, args=("TRUTH", "2", "3", "600"), sampled=True,
		environment=(("TCMALLOC_SAMPLE_PARAMETER", "4096"),))
for _suite in ("bookworm", "trixie", "sid"):	# one for each form of its tables
	CASES[f"tcmalloc.profiled.{_suite}"] = Recipe("tcmalloc", _suite, program="profiled", args=("TRUTH",), sampled=True,
		environment=(("HEAPPROFILE", "/nowhere/profile"),),
		about=f"tcmalloc of {_suite} with its heap profiler on")
for _allocator in ("jemalloc", "mimalloc"):
	CASES[f"{_allocator}.rust"] = Recipe(_allocator, None, "rust", environment=SMALL_ARENA)
CASES["musl.cpp"] = Recipe("musl", None, "musl-cpp", program="churn_cpp", args=("TRUTH", "1"),
	about="containers of C++ (libc++) on musl, static, by operator new")
CASES["musl.rust"] = Recipe("musl", None, "rust", musl="Rust's own")
CASES["tcmalloc.rust"] = Recipe("tcmalloc", "bookworm", program="churn_rust", args=("TRUTH",),
	about="a Rust program with tcmalloc preloaded")
for _allocator in LIBRARIES:
	_from = {"release": "2.3.2", "environment": SMALL_ARENA} if _allocator == "mimalloc" else {}
	for _how in ("static", "static-stripped"):
		CASES[f"{_allocator}.{_how}"] = Recipe(_allocator, "bookworm", _how, **_from)
	CASES[f"{_allocator}.cpp"] = Recipe(_allocator, "bookworm", program="churn_cpp", args=("TRUTH", "1"),
		about=f"{_allocator} of bookworm: containers of C++, by operator new")
	CASES[f"{_allocator}.cgo"] = Recipe(_allocator, "bookworm", program="cgo_churn", args=("TRUTH",),
		environment=(("GOTRACEBACK", "crash"),),
		about=f"{_allocator} of bookworm under cgo, beside the heap of Go")
CASES["jemalloc.plugin"] = Recipe("jemalloc", "bookworm", "plugin", environment=(
	("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384"),),
	about="a library opened at run time with a jemalloc of its own, beside glibc's malloc")
# jemalloc 5.3.0 and tcmalloc 2.10 are bookworm's packages for arm64, unpacked where a release is looked for.
for _allocator, _release in (("mimalloc", "2.3.2"), ("mimalloc", "3.3.2"), ("jemalloc", "5.3.0"), ("tcmalloc", "2.10")):
	CASES[f"{_allocator}.{_release}.aarch64"] = Recipe(_allocator, None, "aarch64", release=f"{_release}-aarch64",
		args=("TRUTH", "1", "3", "300"), capture="qemu", environment=SMALL_ARENA)
# The tunable leaves rseq to it: where glibc has it, threads have caches instead.
UNTAKEN_RSEQ = ("GLIBC_TUNABLES", "glibc.pthread.rseq=0")
# That of 2025-06 comes with the crate libtcmalloc-sys; the others are its sources of those months (ab0446c6, fce3f55d).
for _release, _prefix in (("2025-06", "google-tcmalloc."), ("2026-04", "google-tcmalloc.2026-04."),
		("2026-08", "google-tcmalloc.2026-08.")):
	for _name, _how, _conf in (("percpu", "preload", (UNTAKEN_RSEQ,)), ("threads", "preload", ()),
			("static", "static", (UNTAKEN_RSEQ,)), ("static-stripped", "static-stripped", (UNTAKEN_RSEQ,))):
		CASES[_prefix + _name] = Recipe("google-tcmalloc", None, _how, release=_release, environment=_conf)
	CASES[_prefix + "sharded"] = Recipe("google-tcmalloc", None, release=_release,
		environment=(UNTAKEN_RSEQ, ("BORG_EXPERIMENTS", "TEST_ONLY_TCMALLOC_SHARDED_TRANSFER_CACHE")))
	CASES[_prefix + "sparse"] = Recipe("google-tcmalloc", None, release=_release, program="sparse", args=("TRUTH",),
		environment=(UNTAKEN_RSEQ,))
	CASES[_prefix + "sampled"] = Recipe("google-tcmalloc", None, release=_release, args=("TRUTH", "2", "3", "600"),
		environment=(UNTAKEN_RSEQ, ("SAMPLING_INTERVAL", "4096")))
	for _pages in ("32k", "256k", "small"):
		CASES[_prefix + _pages] = Recipe("google-tcmalloc", None, release=f"{_release}-{_pages}", environment=(UNTAKEN_RSEQ,))
CASES["musl.static"] = Recipe("musl", None, "musl-static")
for _release in ("1.1.24", "1.2.0", "1.2.5"):
	CASES[f"musl.{_release}"] = Recipe("musl", None, "musl", musl=_release)
	CASES[f"musl.{_release}.static"] = Recipe("musl", None, "musl-static", musl=_release)
CASES["musl.sparse.1.2.0"] = Recipe("musl", None, "musl", musl="1.2.0", program="sparse", args=("TRUTH",),
	about="musl 1.2.0, which has no groups: blocks left between free ones")
for _release in ("1.2.0", "1.2.5"):
	CASES[f"musl.{_release}.aarch64"] = Recipe("musl", None, "musl-aarch64", capture="qemu",
		musl=f"{_release}-aarch64")


# For `make bench`: 1 GiB each.
for _name, _recipe in {
		"jemalloc": {"suite": "bookworm"}, "tcmalloc": {"suite": "bookworm"}, "mimalloc": {"suite": "bookworm"},
		"mimalloc3": {"allocator": "mimalloc", "suite": None, "release": "3.4.3", "environment": SMALL_ARENA},
		"google-tcmalloc": {"suite": None, "release": "2025-06", "environment": (UNTAKEN_RSEQ,)},
		"musl": {"suite": None, "how": "musl"}, "oldmalloc": {"allocator": "musl", "suite": None, "how": "musl", "musl": "1.2.0"},
	}.items():
	CASES[f"{_name}.hundred"] = Recipe(**{"allocator": _name, **_recipe}, program="hundred", args=("TRUTH",),
		record=False, large=True)


def case_of(name):
	try:
		return CASES[name].case()
	except glibc_root.NoRoot as reason:
		raise CannotMake(str(reason)) from reason


def make_case(name, outdir):
	return make_cores.make_case(name, outdir, case_of(name))


def pack(name, outdir):
	return make_cores.pack(name, outdir, case_of(name), ALLOCATOR_CORPUS, "make_allocators.py")


def default_cases(what):
	if what == "pack":
		return [path.parent.name for path in sorted(ALLOCATOR_CORPUS.glob("*/dump.zst"))]
	return [name for name, recipe in CASES.items() if not recipe.large]


def main():
	return make_cores.run_command(__doc__, CASES, lambda recipe: f"{recipe.allocator}, {recipe.suite}, {recipe.how}",
		default_cases, make_case, pack)


if __name__ == "__main__":
	sys.exit(main())
