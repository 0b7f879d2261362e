#!/usr/bin/python3
"""make_python.py - run and dump programs of CPython, of as many versions as there are.

	make_python.py list
	make_python.py make OUTDIR [CASE...]

A case is objects.VERSION, for the pythonX.Y that is found in PATH, or else is in a suite of Debian's; objects.gdb is run by the CPython inside gdb; few.VERSION
keeps a thirtieth of that. garbage.VERSION drops rings while the collector is off, healthy.VERSION keeps them.
What the allocator counts (sys._debugmallocstats()) goes to CASE.stats.
"""
import dataclasses
import functools
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "native"))
import glibc_root  # noqa: E402
import make_cores  # noqa: E402
from make_cores import CannotMake  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = ("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
SUITES = {"3.9": "bullseye", "3.13": "trixie", "3.14": "sid", "3.15": "sid"}
CASE = make_cores.Case("objects", capture="kernel", record=False)
CASES = [f"objects.{how}" for how in (*VERSIONS, "gdb")]
PARTS = {"objects": "1", "few": "30", "garbage": "dropped", "healthy": "healthy"}
PROGRAMS = {"garbage": "garbage.py", "healthy": "garbage.py"}	# of others: objects.py


@dataclasses.dataclass(frozen=True)
class Made:
	name: str
	core: pathlib.Path
	truth: pathlib.Path
	stats: pathlib.Path


def starts(python):
	"""A command of that name may do no more than say that no such version was chosen."""
	found = shutil.which(python)
	return bool(found) and subprocess.run([found, "-I", "-S", "-c", ""], env={"PATH": "/usr/bin:/bin"},
		stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def of_debian(version):
	"""A command of the suite's CPython, under its own C library: python3.14-minimal and what belongs to it."""
	suite = SUITES[version]
	parts = [glibc_root.make_package(suite, name) for name in (f"python{version}-minimal", f"libpython{version}-minimal",
		f"libpython{version}-stdlib", "libexpat1", "zlib1g")]
	home = glibc_root.path_of(f"{suite}.packages") / f"python{version}"
	if not (home / "complete").exists():
		shutil.rmtree(home, ignore_errors=True)
		for part in parts[:3]:
			shutil.copytree(part / "usr", home, symlinks=True, dirs_exist_ok=True)
		(home / "complete").touch()
	loader, option, path = glibc_root.loader_command(suite)
	path = ":".join([path, *(str(folder) for part in parts[3:] for folder in glibc_root.library_folders(part))])
	command = home / "bin" / "run"
	command.write_text(f'#!/bin/sh\nPYTHONHOME={home} exec {loader} {option} {path} {home}/bin/python{version} "$@"\n', "ascii")
	command.chmod(0o755)
	return str(command)


@functools.cache
def find(version):
	"""A command that is python3.X; CannotMake."""
	if starts(f"python{version}"):
		return shutil.which(f"python{version}")
	try:
		command = of_debian(version) if version in SUITES else None
	except glibc_root.NoRoot as reason:
		raise CannotMake(f"no python{version}: {reason}") from reason
	if not command or not starts(command):
		raise CannotMake(f"no python{version}")
	return command


def command_of(how, program, truth, part):
	if how == "gdb":
		make_cores.need("gdb")
		run = f"import sys; sys.argv = ['objects', {str(truth)!r}, '{part}']; exec(compile(open({str(program)!r}).read(), 'objects', 'exec'), globals())"
		return ["gdb", "-batch", "-nx", "-ex", f"python {run}"]
	return [find(how), "-I", "-S", str(program), str(truth), str(part)]


def make_case(name, outdir):
	made = Made(name, *(outdir / f"{name}.{kind}" for kind in ("core", "truth", "stats")))
	kind, how = name.split(".", 1)
	program = HERE / PROGRAMS.get(kind, "objects.py")
	sources = (pathlib.Path(__file__), program)
	if made.core.exists() and made.core.stat().st_mtime > max(source.stat().st_mtime for source in sources):
		return made
	folder = outdir / f"{name}.run"
	shutil.rmtree(folder, ignore_errors=True)
	folder.mkdir(parents=True)
	argv = command_of(how, program, made.truth, PARTS[kind])
	with open(made.stats, "wb") as stats:
		process = make_cores.Process(CASE, argv, {"PATH": "/usr/bin:/bin", "HOME": str(folder)}, folder,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stats)
	try:
		process.wait_until_ready()
		make_cores.dump(CASE, process, made.core, folder)
	finally:
		process.close()
		shutil.rmtree(folder, ignore_errors=True)
	return made


def read_stats(path):
	"""({size: (pools, used, all blocks)}, bytes of arenas), as the allocator printed them."""
	text = path.read_text(encoding="ascii")
	rows = re.findall(r"^ +\d+ +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.M)
	arenas = re.search(r"^\d+ arenas \* \d+ bytes/arena += +([\d,]+)$", text, re.M)
	return ({int(size): (int(pools), int(used), int(used) + int(free)) for size, pools, used, free in rows},
		int(arenas[1].replace(",", "")))


def read_truth(path):
	"""{id: (bytes, type)}, version"""
	rows, version = {}, ""
	for line in path.read_text(encoding="ascii").splitlines():
		if line.startswith("#version"):
			version = line.split("\t")[1]
			continue
		if line.startswith("#"):
			continue
		at, size, kind = line.split("\t")
		rows[int(at, 16)] = (int(size), kind)
	return rows, version


def read_garbage(path):
	"""{state: {id: (bytes, type)}}"""
	states = {}
	for line in path.read_text(encoding="ascii").splitlines():
		if not line.startswith("#"):
			state, at, size, kind = line.split("\t")
			states.setdefault(state, {})[int(at, 16)] = (int(size), kind)
	return states


def read_collected(path):
	"""Objects that a collection found."""
	return next(int(line.split("\t")[1]) for line in path.read_text(encoding="ascii").splitlines() if line.startswith("#collected"))


def read_edges(path):
	"""[(id, what the program holds it by)]"""
	rows = (line.split("\t") for line in path.read_text(encoding="ascii").splitlines())
	return [(int(row[1], 16), row[2]) for row in rows if row[0] == "#edge"]


def main():
	if sys.argv[1:] == ["list"]:
		print("\n".join(CASES))
	elif len(sys.argv) > 2 and sys.argv[1] == "make":
		for name in sys.argv[3:] or CASES:
			try:
				print(make_case(name, pathlib.Path(sys.argv[2])).core)
			except CannotMake as reason:
				print(f"{name}: {reason}", file=sys.stderr)
	else:
		sys.exit(__doc__)


if __name__ == "__main__":
	main()
