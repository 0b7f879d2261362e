#!/usr/bin/python3
"""make_memprofiles.py - cores of src/memprofile, and the heap profile that each wrote just before.

	make_memprofiles.py OUTDIR [CASE...]	CASE: MINOR[.stripped][.waits][.RATE], "1.22.stripped.4096"; without: all
	make_memprofiles.py pack OUTDIR CASE...	into memprofile/ beside this file

Each leaves NAME.core, its executable NAME and NAME.pb.gz in OUTDIR; with `waits` its block and mutex profiles too
(NAME.block.pb.gz, NAME.mutex.pb.gz).  Why a folder of their own: their truth is
that profile, and no row of the truth files.
"""
import pathlib
import shutil
import subprocess
import sys
import time

import make_go_cores
from make_cores import dump_gcore, run_tool

HOME = pathlib.Path(__file__).resolve().parent / "memprofile"
CASES = [f"{minor}{kind}" for minor in make_go_cores.RELEASES for kind in ("", ".stripped.4096", ".waits", ".stripped.waits.4096")]
RATES = ("1", "1")	# of the block and the mutex profile: what is sampled there differs from run to run


def make(name, outdir):
	exe, profile = outdir / name, outdir / f"{name}.pb.gz"
	parts = name.split(".")
	rate = parts[-1] if len(parts) > 2 and parts[-1].isdigit() else "0"
	flags = make_go_cores.STRIPPED if "stripped" in parts else ()
	make_go_cores.build(make_go_cores.Case("memprofile", ".".join(parts[:2]), flags), exe)
	profile.unlink(missing_ok=True)
	waits = RATES if "waits" in parts else ()
	with subprocess.Popen([exe, profile, rate, *waits], stdout=subprocess.PIPE, cwd="/",
			env={"PATH": make_go_cores.PATH}) as child:
		try:
			assert child.stdout.readline() == b"ready\n"
			time.sleep(0.3)		# it goes to sleep
			dump_gcore(child, outdir / f"{name}.core")
		finally:
			child.kill()
	for kind in ("block", "mutex") if waits else ():
		pathlib.Path(f"{profile}.{kind}").rename(outdir / f"{name}.{kind}.pb.gz")


def pack(name, outdir):
	home = HOME / name
	home.mkdir(parents=True, exist_ok=True)
	for source, target in ((f"{name}.core", "dump.zst"), (name, "exe.zst")):
		run_tool("zstd", "-q", "-f", "-19", "--long=27", outdir / source, "-o", home / target)
	shutil.copyfile(outdir / f"{name}.pb.gz", home / "heap.pb.gz")
	for kind in ("block", "mutex") if "waits" in name else ():
		shutil.copyfile(outdir / f"{name}.{kind}.pb.gz", home / f"{kind}.pb.gz")
	(home / "README").write_text(f"src/memprofile, Go {name}: make_memprofiles.py OUTDIR {name}\n", "ascii")


def main(args):
	packing = args[:1] == ["pack"]
	outdir = pathlib.Path(args[packing]).resolve()
	outdir.mkdir(parents=True, exist_ok=True)
	for name in args[packing + 1:] or CASES:
		(pack if packing else make)(name, outdir)
		print(name, flush=True)


if __name__ == "__main__":
	main(sys.argv[1:])
