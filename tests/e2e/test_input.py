"""However a core is packed, named or brought, it is the same core; cut ones are used to the cut."""
import json
import os
import re
import shutil
import struct
import subprocess
import tarfile

import pytest

from common import (SLOW, Core, blocks_of, dump_of, heapfx, heapfx_ok, parse_blocks, problems_of,
	truth_of, used_of)

NAME = "leakzoo.bookworm"
PACKERS = {
	"zst": ["zstd", "-qcf"], "xz": ["xz", "-0c"], "gz": ["gzip", "-1c"], "bz2": ["bzip2", "-1c"],
	"lz4": ["lz4", "-qc"],
}


@pytest.fixture(scope="module")
def plain():
	return without_input(heapfx_ok("analyze", dump_of(NAME).core, "--format", "json").out)


def without_input(out):
	"""A report less what names the file itself."""
	report = json.loads(out)
	for key in ("path", "bytes"):
		report["input"].pop(key, None)
	return report


def pack(kind, core, folder):
	to = folder / f"core.{kind}"
	if kind == "zip":
		subprocess.run(["zip", "-q1j", to, core], check=True)
	elif kind == "tar":
		with tarfile.open(to, "w") as tar:
			tar.add(core, "dump/core")
	elif kind.startswith("tar."):
		inner = pack("tar", core, folder)
		pack_stream(kind[4:], inner, to)
		inner.unlink()
	else:
		pack_stream(kind, core, to)
	return to


def pack_stream(kind, source, to):
	with open(source, "rb") as stdin, open(to, "wb") as stdout:
		subprocess.run(PACKERS[kind], stdin=stdin, stdout=stdout, check=True)


@pytest.mark.parametrize("kind", [*PACKERS, "zip", "tar", "tar.zst", "tar.gz"])
def test_packed(kind, plain, tmp_path):
	packed = pack(kind, dump_of(NAME).core, tmp_path)
	assert without_input(heapfx_ok("analyze", packed, "--format", "json").out) == plain
	packed.unlink()


def zstd(data, *options):
	return subprocess.run(["zstd", "-qc", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def frames():
	"""The core in frames that each say what they unpack to."""
	core = dump_of(NAME).core.read_bytes()
	pieces = [core[at:at + (1 << 18)] for at in range(0, len(core), 1 << 18)]
	return [zstd(piece, f"--stream-size={len(piece)}") for piece in pieces]


def analyzed(tmp_path, data, *options):
	packed = tmp_path / "frames.zst"
	packed.write_bytes(data)
	return heapfx_ok("analyze", packed, "--format", "json", *options)


SKIPPABLE = struct.pack("<II5s", 0x184d2a5e, 5, b"seek?")


@pytest.mark.parametrize("threads", (1, 2, 5))
def test_frames_of_zstd(frames, plain, threads, tmp_path):
	"""As capture writes them, and pzstd: several threads unpack them, and it is the same core."""
	data = b"".join(frames[:3]) + SKIPPABLE + b"".join(frames[3:]) + SKIPPABLE
	assert without_input(analyzed(tmp_path, data, "--threads", threads).out) == plain


def lying(frame):
	"""It says that it unpacks to one byte more: a field of two to eight bytes behind the descriptor."""
	shift = {1: 2, 2: 4, 3: 8}[frame[4] >> 6]
	at = 5 + (not frame[4] & 0x20)
	size = int.from_bytes(frame[at:at + shift], "little") + 1
	return frame[:at] + size.to_bytes(shift, "little") + frame[at + shift:]


@pytest.mark.parametrize("harm", ("cut", "damaged", "noise behind"))
def test_damaged_frames_are_read_to_the_damage(frames, harm, tmp_path):
	"""What comes before it, as from one frame; nothing that lies behind it stands in another place."""
	half = len(frames) // 2
	bad = frames[half]
	bad = {"cut": bad[:len(bad) // 2], "noise behind": bad + b"noise",
		"damaged": bad[:9] + bytes(byte ^ 0x55 for byte in bad[9:40]) + bad[40:]}[harm]
	rest = b"" if harm == "cut" else b"".join(frames[half + 1:])
	report = json.loads(analyzed(tmp_path, b"".join(frames[:half]) + bad + rest).out)
	assert "input/damaged" in {p["code"] for p in problems_of(report)}
	used = used_of(parse_blocks(heapfx_ok("blocks", tmp_path / "frames.zst").out))
	assert used.keys() <= truth_of(NAME)[0].keys() | used_of(blocks_of(NAME)).keys()
	cut = tmp_path / "cut"
	cut.write_bytes(dump_of(NAME).core.read_bytes()[:half << 18])
	assert used_of(parse_blocks(heapfx_ok("blocks", cut).out)).keys() <= used.keys()


def test_frames_of_something_else(frames, plain, tmp_path):
	"""A tar file in frames, frames of no size (made from a pipe) or a wrong one: read in order, with the same result."""
	inner = pack("tar", dump_of(NAME).core, tmp_path).read_bytes()
	half = len(inner) // 2
	assert without_input(analyzed(tmp_path, zstd(inner[:half]) + zstd(inner[half:])).out) == plain
	unsized = zstd(dump_of(NAME).core.read_bytes()[:1 << 18])
	assert without_input(analyzed(tmp_path, unsized + b"".join(frames[1:])).out) == plain
	lies = b"".join(frames[:2]) + lying(frames[2]) + b"".join(frames[3:])
	assert without_input(analyzed(tmp_path, lies).out) == plain


def test_frames_keep_to_the_disk_budget(frames, tmp_path):
	packed = tmp_path / "frames.zst"
	packed.write_bytes(b"".join(frames))
	run = heapfx("analyze", packed, "--disk", "1M")
	assert run.status == 4 and "1 MiB" in run.err


def test_committed_long_window(plain):
	"""The committed dump itself: zstd with a long window."""
	from common import ROOT
	packed = ROOT / "corpus/elf" / NAME / "dump.zst"
	assert without_input(heapfx_ok("analyze", packed, "--format", "json").out) == plain


def test_as_systemd_coredump_stores_it(tmp_path):
	"""The file as it lies in /var/lib/systemd/coredump, with no option; its name tells the pid."""
	from common import ROOT
	home = ROOT / "corpus/elf/leakzoo.systemd"
	name = re.search(r"stored by systemd-coredump as ([^,]*)", (home / "README").read_text("ascii"))[1]
	os.symlink(home / "dump.zst", tmp_path / name)
	out = heapfx_ok("info", tmp_path / name).out
	command, _uid, _boot, pid, _time, _kind = name.removeprefix("core.").rsplit(".", 5)
	assert f"{command.replace(chr(92) + 'x2e', '.')}, pid {pid}, signal 6" in out
	assert "complete" in out
	truth, _totals = truth_of("leakzoo.systemd")
	assert truth.keys() <= used_of(parse_blocks(heapfx_ok("blocks", tmp_path / name).out)).keys()


def test_standard_input_from_a_file(plain):
	with open(dump_of(NAME).core, "rb") as core:
		assert without_input(heapfx_ok("analyze", "-", "--format", "json", stdin=core).out) == plain


@pytest.mark.parametrize("packer", [["cat"], ["zstd", "-qc"]])
def test_standard_input_from_a_pipe(packer, plain):
	with subprocess.Popen([*packer, dump_of(NAME).core], stdout=subprocess.PIPE) as feed:
		out = heapfx_ok("analyze", "-", "--format", "json", stdin=feed.stdout).out
	assert without_input(out) == plain


@pytest.mark.parametrize("name", ["core.zst", "notes.txt", "a b 'c' é.json", "-core"])
def test_its_name_means_nothing(name, plain, tmp_path):
	os.symlink(dump_of(NAME).core, tmp_path / name)
	out = heapfx_ok("analyze", f"./{name}", "--format", "json", cwd=tmp_path).out
	assert without_input(out) == plain


def test_no_temporary_file_is_left(tmp_path):
	spill = tmp_path / "spill"
	spill.mkdir()
	packed = pack("zst", dump_of(NAME).core, tmp_path)
	heapfx_ok("analyze", packed, "--tmp", spill)
	assert not list(spill.iterdir())


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_core_is_used_to_the_cut(share, tmp_path):
	"""Blocks before the cut are still found, none is invented, and the report says what is missing."""
	whole = dump_of(NAME).core
	core = Core(whole)
	cut = int(len(core.file) * share)
	path = tmp_path / "cut"
	path.write_bytes(core.file[:cut])
	report = json.loads(heapfx_ok("analyze", path, "--format", "json").out)
	assert report["input"]["complete"] is False
	assert any(p["code"].startswith("core/") for p in problems_of(report)), problems_of(report)
	used = used_of(parse_blocks(heapfx_ok("blocks", path).out))
	truth, _totals = truth_of(NAME)
	assert used.keys() <= truth.keys() | used_of(blocks_of(NAME)).keys()


def test_strict_refuses_a_cut_core(tmp_path):
	core = dump_of(NAME).core
	path = tmp_path / "cut"
	shutil.copyfile(core, path)
	os.truncate(path, core.stat().st_size * 2 // 3)
	run = heapfx("analyze", path, "--strict")
	assert run.status == 3 and run.err


@pytest.mark.parametrize("kind", ["zst", "gz", "xz", "zip"])
def test_cut_packed_core(kind, tmp_path):
	"""What was unpacked before the damage is used; if that is nothing, one error says so."""
	packed = pack(kind, dump_of(NAME).core, tmp_path)
	os.truncate(packed, packed.stat().st_size // 2)
	run = heapfx("analyze", packed, "--format", "json")
	assert run.status in (0, 3)
	if run.status == 3:
		assert len(run.err.strip().splitlines()) == 1
	else:
		report = json.loads(run.out)
		assert report["input"]["complete"] is False and problems_of(report)


def test_bundle_brings_the_executable(tmp_path):
	"""A tar with core and executable, of a program whose file is nowhere else."""
	dump = dump_of("leakzoo")
	moved = tmp_path / "elsewhere"
	exe = dump.core.with_suffix("")
	bundle = tmp_path / "bundle.tar"
	with tarfile.open(bundle, "w") as tar:
		tar.add(dump.core, "core")
		tar.add(exe, "files/leakzoo")
	moved.mkdir()
	exe.rename(moved / "leakzoo")
	try:
		report = json.loads(heapfx_ok("analyze", bundle, "--format", "json").out)
	finally:
		(moved / "leakzoo").rename(exe)
	module, = [m for m in report["modules"] if m["path"].endswith("/leakzoo")]
	assert module["symbols"] == "dwarf"


def giant(core, to, segments=400, room=100 << 30, readable=2 << 30):
	"""The core with 100 GB of mappings more, all of them holes; most may not be touched, as reservations."""
	data = bytearray(core.read_bytes())
	table, = struct.unpack_from("<Q", data, 32)
	entry, count = struct.unpack_from("<HH", data, 54)
	headers = bytes(data[table:table + entry * count])
	each, at = room // segments & -4096, len(data) + -len(data) % 4096
	for i in range(segments):
		flags = 6 if i * room // segments < readable else 0
		headers += struct.pack("<IIQQQQQQ", 1, flags, at + i * each, 0x100000000000 + 2 * i * each, 0,
			each, each, 4096)
	struct.pack_into("<Q", data, 32, at + segments * each)
	struct.pack_into("<H", data, 56, count + segments)
	with open(to, "wb") as file:
		file.write(data)
		file.seek(at + segments * each)
		file.write(headers)
	return to


def test_a_core_of_a_hundred_gigabytes(tmp_path, plain):
	"""Its heap is the one that is in it, by the process's own truth, at the cost of that and no more."""
	core = giant(dump_of(NAME).core, tmp_path / "giant.core")
	truth, _totals = truth_of(NAME)
	assert core.stat().st_size > 100 << 30
	run = heapfx_ok("blocks", core)
	used = used_of(parse_blocks(run.out))
	assert used.keys() == truth.keys()
	assert run.rss < (400 << 20) * SLOW
	report = json.loads(heapfx_ok("analyze", core, "--format", "json").out)
	assert report["reachability"] == plain["reachability"]
