"""The index of debug info that one run keeps for the next: used, believed only when whole, and ours alone."""
import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from common import HEAPFX, SANITIZED, dump_of, heapfx_ok
from types_corpus import case_of


def command_of(name):
	return ("analyze", *case_of(name)[0], "--format", "json")


@pytest.fixture(scope="module")
def command():
	return command_of("containers.gcc.O2.g")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
	"""The same with sections compressed, as Debian's debug files are."""
	command = command_of("containers.gcc.O2.g")
	exe = tmp_path_factory.mktemp("packed") / "containers"
	subprocess.run(["objcopy", "--compress-debug-sections=zlib", command[3], exe], check=True)
	return (*command[:3], exe, "--no-host-files", *command[4:])


def kept(tmp_path):
	return {p.name: (p.stat().st_ino, p.read_bytes()) for p in (tmp_path / "heapfx").glob("*")}


@pytest.mark.parametrize("name", ["containers.gcc.O2.g", "containers.clang.O2.split.dwp", "containers.gcc.O2.g4.units"])
def test_kept_and_used(name, tmp_path):
	command = command_of(name)
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	first = heapfx_ok(*command, env=env).out
	files = kept(tmp_path)
	assert files
	assert stat.S_IMODE((tmp_path / "heapfx").stat().st_mode) == 0o700
	for path in (tmp_path / "heapfx").iterdir():
		assert path.name.startswith("dwarf-") and stat.S_IMODE(path.stat().st_mode) == 0o600
	assert heapfx_ok(*command, env=env).out == first == heapfx_ok(*command, "--no-cache", env=env).out
	assert kept(tmp_path) == files	# read, not written again


def test_offsets_of_fields_are_kept_too(tmp_path):
	"""info asks a libc's debug info, where it is installed, for the offset of the bins, and nothing else."""
	core = dump_of("leakzoo.bookworm").core
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	first = heapfx_ok("info", core, "--format", "json", env=env).out
	files = kept(tmp_path)
	assert heapfx_ok("info", core, "--format", "json", env=env).out == first
	assert heapfx_ok("info", core, "--format", "json", "--no-cache", env=env).out == first
	assert kept(tmp_path) == files
	asked = any("debug-info" in heap["how"] for heap in json.loads(first)["heaps"])
	assert asked == any(name.endswith(".fields") for name in files)


def test_any_number_of_threads_finds_the_same():
	"""Debug info of some 700 KB: it is parted among them."""
	one, more = (heapfx_ok("blocks", *case_of("containers.gcc.O2.g")[0], "--no-cache", "--threads", n).out for n in "15")
	assert one == more and '"type":"shop::Order"' in one


def test_compressed_sections_are_kept_as_they_are_unpacked(packed, tmp_path):
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	first = heapfx_ok(*packed, env=env).out
	assert '"shop::Order"' in first
	files = kept(tmp_path)
	assert [name for name in files if name.endswith(".plain")]
	assert heapfx_ok(*packed, env=env).out == first == heapfx_ok(*packed, "--no-cache", env=env).out
	assert kept(tmp_path) == files
	for path in (tmp_path / "heapfx").iterdir():	# the index is made anew from what was kept
		if not path.name.endswith(".plain"):
			path.unlink()
	assert heapfx_ok(*packed, env=env).out == first
	assert kept(tmp_path).keys() == files.keys()


def test_another_file_of_that_build_id_is_read_itself(packed, tmp_path):
	"""What was kept of a file says nothing of one that is damaged."""
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	heapfx_ok(*packed, env=env)
	sections = subprocess.run(["readelf", "-SW", packed[3]], capture_output=True, text=True, check=True).stdout
	offset, size = (int(word, 16) for word in re.search(r"\.debug_info +PROGBITS +\w+ (\w+) (\w+)", sections).groups())
	exe, data = tmp_path / "exe", bytearray(packed[3].read_bytes())
	data[offset + 24:offset + size] = bytes(size - 24)
	exe.write_bytes(data)
	for path in (tmp_path / "heapfx").iterdir():
		if not path.name.endswith(".plain"):
			path.unlink()
	assert '"shop::Order"' not in heapfx_ok(*packed[:3], exe, *packed[4:], env=env).out


@pytest.mark.skipif(SANITIZED, reason="counted without sanitizers")
@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.parametrize("kind", ["plain", "compressed"])
def test_a_second_run_takes_a_tenth(kind, command, packed, tmp_path):
	"""Instructions to open the debug info of all modules; compressed, they were two fifths."""
	def count():
		run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out",
			"--toggle-collect=dbg_types_open", HEAPFX, *(packed if kind == "compressed" else command), "--threads", "1"],
			capture_output=True, text=True, check=True, timeout=600,
			env={"PATH": os.environ["PATH"], "LC_ALL": "C", "XDG_CACHE_HOME": str(tmp_path)})
		return int(re.search(r"Collected : (\d+)", run.stderr)[1])
	first, second = count(), count()
	assert 0 < second < first / 10


def test_kept_sections_are_bounded(packed, tmp_path):
	"""Those read longest ago go, no others."""
	folder = tmp_path / "heapfx"
	folder.mkdir(mode=0o700)
	for name, when in (("dwarf-00.plain", 1000), ("dwarf-01.plain", 2000), ("dwarf-02.plain", 3000), ("dwarf-03", 10), ("other.plain", 10)):
		with open(folder / name, "wb") as file:
			file.truncate(200 << 20)	# no bytes on the disk
		os.utime(folder / name, (when, when))
	heapfx_ok(*packed, env={"XDG_CACHE_HOME": str(tmp_path)})
	names = {path.name for path in folder.iterdir()}
	assert {"dwarf-01.plain", "dwarf-02.plain", "dwarf-03", "other.plain"} < names and "dwarf-00.plain" not in names
	assert len([name for name in names if name.endswith(".plain")]) == 4


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "writable by others", "a link", "a folder"])
@pytest.mark.parametrize("kind", ["plain", "compressed"])
def test_what_is_not_whole_or_not_ours_is_not_believed(command, packed, kind, damage, tmp_path):
	command = packed if kind == "compressed" else command
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	first = heapfx_ok(*command, env=env).out
	whole = {name: content for name, (_inode, content) in kept(tmp_path).items()}
	for path in list((tmp_path / "heapfx").iterdir()):
		if damage == "cut":
			os.truncate(path, path.stat().st_size - 1)
		elif damage == "flipped":
			path.write_bytes(whole[path.name][:-9] + b"\xff" + whole[path.name][-8:])
		elif damage == "empty":
			os.truncate(path, 0)
		elif damage == "writable by others":
			path.chmod(0o622)
		else:
			path.unlink()
			if damage == "a link":
				path.symlink_to(tmp_path / "elsewhere")
			else:
				path.mkdir()
	assert heapfx_ok(*command, env=env).out == first
	assert not (tmp_path / "elsewhere").exists()
	if damage != "a folder":	# made anew
		assert {name: content for name, (_inode, content) in kept(tmp_path).items()} == whole


def test_no_cache_leaves_nothing(command, tmp_path):
	env = {"XDG_CACHE_HOME": str(tmp_path)}
	heapfx_ok(*command, "--no-cache", env=env)
	assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_no_problem(command, tmp_path):
	(tmp_path / "file").write_text("")
	first = heapfx_ok(*command, "--no-cache").out
	assert heapfx_ok(*command, env={"XDG_CACHE_HOME": str(tmp_path / "file")}).out == first
	assert heapfx_ok(*command, env={"XDG_CACHE_HOME": str(tmp_path / "no/such/folder")}).out == first
	assert not (tmp_path / "no").exists()
