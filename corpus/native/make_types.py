#!/usr/bin/python3
"""make_types.py - build, run and dump the programs that say what their blocks are.

	make_types.py make OUTDIR [CASE...]
	make_types.py pack OUTDIR CASE...	into ../types

A case is PROGRAM.COMPILER.BUILD: classes.gcc.O2.stripped.  Each leaves NAME.core, NAME.types and
its executable NAME in OUTDIR.  From pytest: make_types.make_case(name, outdir).

A row of the truth, tab-separated: address (hex), size asked for, form (value, array, counted, trap),
type (as typeid() has it in C++), 1 for a class with a vtable, the path that leads to it or "-".
"""
import argparse
import dataclasses
import pathlib
import shutil
import subprocess
import sys

import make_cores

HERE = pathlib.Path(__file__).resolve().parent
TYPES_CORPUS = HERE.parent / "types"
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
# What the parts of a name after the compiler stand for.
FLAGS = {
	"O0": ("-O0",), "O2": ("-O2",), "g": ("-g",), "g4": ("-g", "-gdwarf-4"),
	"split": ("-g", "-gsplit-dwarf"), "split4": ("-g", "-gdwarf-4", "-gsplit-dwarf"), "units": ("-fdebug-types-section",),
	"names": ("-g", "-gdwarf-5", "-gpubnames"), "gdbindex": ("-g", "-ggnu-pubnames"), "stripped": (), "dwp": (), "dwz": (),
	"twice": (),	# linked behind itself under other names: a package has each type once, from the one that nobody calls
	"static": ("-static",), "nopie": ("-no-pie",), "nortti": ("-fno-rtti",), "libcxx": ("-stdlib=libc++",),
	"slices": (),	# of GLib, which programs of PACKAGES run without
}
UNITS = {"apart": 2}	# what is built so many times, with UNIT 1 and on
GLOBALS = ("lists", "apart")	# of containers.cpp
# What a program is built and run with besides.  GLib before 2.76 has slices: small objects are then no blocks.
PACKAGES = {"gobjects": "gobject-2.0", "glibs": "glib-2.0", "glib_spares": "glib-2.0"}
LIBRARIES = {"gobjects": ("libgobject-2.0.so.0",)}	# that a packed case takes along
ENVIRONMENT = dict.fromkeys(PACKAGES, {"G_SLICE": "always-malloc"})


@dataclasses.dataclass(frozen=True)
class Made:
	name: str
	core: pathlib.Path
	types: pathlib.Path
	exe: pathlib.Path


def source_of(program):
	return next(p for p in (make_cores.SRC / f"{program}{end}" for end in (".c", ".cpp", ".rs")) if p.exists())


OLDEST_RUST = 1, 82	# &raw const


def build_rust(parts, source, exe):
	if not shutil.which("rustc"):
		raise make_cores.CannotMake("rustc is not installed")
	version = make_cores.run_tool("rustc", "--version").split()[1]
	if tuple(map(int, version.split(".")[:2])) < OLDEST_RUST:
		raise make_cores.CannotMake(f"rustc is {version}: the program is of 1.{OLDEST_RUST[1]} or later")
	levels = {"O0": ("-Copt-level=0",), "O2": ("-Copt-level=3",), "g": ("-g",), "stripped": ("-Cstrip=symbols",)}
	make_cores.run_tool("rustc", "--edition=2021", "-Dwarnings", f"--remap-path-prefix={make_cores.SRC}=.",
		*(flag for part in parts for flag in levels[part]), "-o", exe, source)


def build(name, exe):
	program, compiler, *parts = name.split(".")
	source = source_of(program)
	if compiler == "rustc":
		build_rust(parts, source, exe)
		return
	tool = COMPILERS[compiler][source.suffix == ".cpp"]
	make_cores.need(tool, "strip")
	if "libcxx" in parts and not any(pathlib.Path("/usr/lib").glob("llvm-*/include/c++/v1/list")):
		raise make_cores.CannotMake("libc++ (libc++-dev) is not installed")
	standard = "-std=c++17" if source.suffix == ".cpp" else "-std=gnu17"
	# Paths of the machine stay out of it.
	common = ["-pthread", "-Wall", "-Wextra", "-Werror", standard, f"-ffile-prefix-map={make_cores.SRC}=.",
		*(flag for part in parts for flag in FLAGS[part])]
	libraries = []
	if program in PACKAGES:
		make_cores.need("pkg-config")
		if subprocess.run(["pkg-config", "--exists", PACKAGES[program]], check=False).returncode:
			raise make_cores.CannotMake(f"{PACKAGES[program]} is not installed")
		libraries = make_cores.run_tool("pkg-config", "--cflags", "--libs",
			*(["--static"] if "static" in parts else []), PACKAGES[program]).split()
	for unit in range(1, UNITS.get(program, 0) + 1):
		libraries.append(exe.with_name(f"{name}.{unit}.o"))
		make_cores.run_tool(tool, *common, f"-DUNIT={unit}", "-c", "-o", libraries[-1], source)
	if {"split", "split4"} & set(parts):	# the other file is beside the object, and has that path
		unit = exe.with_name(name + ".o")
		make_cores.run_tool(tool, *common, "-c", "-o", unit, source)
		source = unit
		if "twice" in parts:
			source = exe.with_name(name + ".other.o")
			libraries.append(unit)
			make_cores.run_tool(tool, *common, "-Dmain=never_called", "-Wno-return-type", *(f"-D{n}=other_{n}" for n in GLOBALS),
				"-c", "-o", source, source_of(program))
	else:
		common.append("-fdebug-prefix-map=/=.")
	sources = [] if program in UNITS else [source]
	make_cores.run_tool(tool, *common, "-o", exe, *sources, *libraries)
	finish(parts, exe)


def finish(parts, exe):
	"""What is done with a program when it is built."""
	if "stripped" in parts:
		make_cores.run_tool("strip", "-s", exe)
	if "gdbindex" in parts:
		make_cores.need("gdb-add-index")
		make_cores.run_tool("gdb-add-index", exe)
	if "dwz" in parts:	# what two files have in common goes to a third one, which is found by its name
		make_cores.need("dwz")
		twin = exe.with_name(exe.name + ".twin")
		shutil.copyfile(exe, twin)
		make_cores.run_tool("dwz", "-m", exe.with_name(exe.name + ".common"), "-r", exe, twin)
	if "dwp" in parts:	# binutils' knows DWARF 4 alone
		tool = "dwp" if "split4" in parts else "llvm-dwp"
		make_cores.need(tool)
		make_cores.run_tool(tool, "-e", exe, "-o", exe.with_name(exe.name + ".dwp"))
		for end in (".dwo", ".other.dwo"):
			exe.with_name(exe.name + end).unlink(missing_ok=True)


def make_case(name, outdir):
	outdir = pathlib.Path(outdir)
	made = Made(name, outdir / f"{name}.core", outdir / f"{name}.types", outdir / name)
	newest = max(p.stat().st_mtime for p in (source_of(name.split(".")[0]), make_cores.SRC / "types.h"))
	if all(p.exists() and p.stat().st_mtime >= newest for p in (made.core, made.types)):
		return made
	outdir.mkdir(parents=True, exist_ok=True)
	cwd = made.core.with_name(name + ".run")
	shutil.rmtree(cwd, ignore_errors=True)
	cwd.mkdir()
	build(name, made.exe)
	case = make_cores.Case(name, capture="kernel", stack_kib=256, record=False)
	make_cores.check_core_pattern()
	process = make_cores.Process(case, [str(made.exe), str(cwd / "types")], 
		{"PATH": "/usr/bin:/bin", **({} if "slices" in name.split(".") else ENVIRONMENT.get(name.split(".")[0], {}))}, cwd)
	try:
		process.wait_until_ready()
		make_cores.dump(case, process, made.core, cwd)
	finally:
		process.close()
	shutil.copyfile(cwd / "types", made.types)
	shutil.rmtree(cwd)
	return made


def read_types(path):
	"""[(address, size, form, type, polymorphic, holder or None)]"""
	rows = []
	with open(path, encoding="ascii") as lines:
		for line in lines:
			address, size, form, kind, polymorphic, holder = line.rstrip("\n").split("\t")
			rows.append((int(address, 16), int(size), form, kind, polymorphic == "1",
				None if holder == "-" else holder))
	return rows


def pack(name, outdir):
	"""Core, executable and libraries that are needed in one archive, the truth beside it."""
	made = make_case(name, outdir)
	home = TYPES_CORPUS / name
	home.mkdir(parents=True, exist_ok=True)
	tar = made.core.with_suffix(".tar")
	places = dict(line.split()[0:3:2] for line in make_cores.run_tool("ldd", made.exe).splitlines() if "=>" in line) \
		if name.split(".")[0] in LIBRARIES else {}
	libraries = []
	for library in LIBRARIES.get(name.split(".")[0], ()):
		shutil.copyfile(places[library], made.core.parent / library)
		libraries.append(library)
	make_cores.run_tool("tar", "-C", made.core.parent, "--owner=0", "--group=0", "--sort=name", "--mtime=@0",
		"--mode=u=rw,go=r", "-cf", tar, made.core.name, made.exe.name, *libraries)
	make_cores.run_tool("zstd", "-q", "-f", "-19", "--long", "--rm", tar, "-o", home / "dump.tar.zst")
	shutil.copyfile(made.types, home / "types.tsv")
	return home


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
	parser.add_argument("what", choices=("make", "pack"))
	parser.add_argument("outdir")
	parser.add_argument("cases", nargs="+")
	args = parser.parse_args()
	for name in args.cases:
		try:
			print((pack if args.what == "pack" else make_case)(name, args.outdir))
		except make_cores.CannotMake as reason:
			print(f"{name}: skipped: {reason}", file=sys.stderr)
	return 0


if __name__ == "__main__":
	sys.exit(main())
