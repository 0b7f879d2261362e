"""A core with its contents blanked: nothing of them is in it, and the analysis tells what it told before.

docs/shrink.md says what may differ; every other line of the report has to be the same.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import stat
import string
import struct
import subprocess

import pytest

from common import ALLOCATORS, COMMITTED, Core, HEAPFX, ROOT, dump_of, heapfx, heapfx_ok
from go_corpus import CASES, go_dump
import make_types
from types_corpus import made_case

GO = ("zoo.1.19", "zoo.1.21.pie-stripped", "zoo.1.25.noswissmap", "zoo.1.26.arm64-stripped", "zoo.1.27.stripped", "slack.1.22",
	"shapes.1.23.arenas.marks")
SECRETS = 10000
WINDOW = 8


def shrunk(core, out, *options):
	run = heapfx_ok("shrink", core, "-o", out, *options, timeout=300)
	assert stat.S_IMODE(out.stat().st_mode) == 0o600
	return run


def plain(path):
	if path.suffix != ".zst":
		return path.read_bytes()
	return subprocess.run(["zstd", "-dqc", path], check=True, capture_output=True).stdout


def report(core, *options):
	return json.loads(heapfx_ok("analyze", core, "-f", "json", *options, timeout=120).out)


def comparable(told, duplicates=False):
	"""Without what docs/shrink.md says is gone: names of the process and its threads, the file's own size."""
	told["input"] = {key: value for key, value in told["input"].items()
		if key not in ("path", "bytes", "command", "args", "captured_at")}
	for thread in told.get("threads", []):
		thread.pop("name", None)
	if not duplicates:
		told["categories"].pop("duplicate", None)
	told.get("tables", {}).pop("contents", None)
	for key in ("suspects", "findings"):
		told[key] = [{name: value for name, value in row.items() if name not in ("id", "rank", "suspect")}
			for row in told[key] if duplicates or row["rule"] != "duplicate/content"]
	modules = {module["path"] for module in told["modules"]}
	for row in told.get("space", []):
		if row["kind"] == "module" and row.get("name", "").startswith("/") and row["name"] not in modules:
			row["name"] = "/" + "*" * (len(row["name"]) - 1)
	return told


def same_blocks(*cores_and_options):
	"""A plain answer: pytest would look for the difference in megabytes for hours."""
	after, before, *options = cores_and_options
	told = [re.sub(r',"looks":"[^"]*"', "", heapfx_ok("blocks", core, *options).out) for core in (after, before)]
	return told[0] == told[1]


def test_of_same_blocks():
	assert not same_blocks(dump_of("leakzoo.sid").core, dump_of("leakzoo.bookworm").core)


def test_what_ended_threads_left_stays_lost(tmp_path):
	small = tmp_path / "small.core"
	heapfx_ok("shrink", dump_of("endings").core, "-o", small)
	assert same_blocks(small, dump_of("endings").core)


@pytest.mark.parametrize("name", [name for name in COMMITTED + ALLOCATORS if name in ("leakzoo.2.28", "leakzoo.sid",
	"leakzoo.aarch64", "leakzoo.static-small", "leakzoo.sid.gcore", "leakzoo.systemd", "vectors.kernel", "heapshapes.sid",
	"heapshapes.bullseye.foreign", "jemalloc.bookworm", "tcmalloc.bookworm", "mimalloc.bookworm", "musl.bookworm", "musl.1.2.5.aarch64",
	"musl.rust", "musl.1.2.0.static", "google-tcmalloc.sampled", "google-tcmalloc.static-stripped", "google-tcmalloc.2026-08.sampled",
	"google-tcmalloc.2026-08.static-stripped", "jemalloc.prof.sid",
	"jemalloc.static-stripped", "jemalloc.rust", "mimalloc.2.2.7", "mimalloc.3.3.2.aarch64", "mimalloc.3.4.3",
	"mimalloc.static-stripped", "tcmalloc.trixie", "tcmalloc.sampled.sid", "tcmalloc.profiled.sid", "tcmalloc.static-stripped", "tcmalloc.cgo")])
def test_the_analysis_stays(name, tmp_path):
	the_same_of(dump_of(name).core, tmp_path)


@pytest.mark.parametrize("name", ("aprs", "nginx", "obstacks", "protos", "slices"))
def test_pools_stay(name, tmp_path):
	assert any(pool["blocks"] for pool in the_same_of(dump_of(name).core, tmp_path)["pools"]["list"])


def test_pools_stay_where_their_padding_is_no_zero(tmp_path):
	"""Behind the 32 bits of a slab's n_allocated lies whatever malloc's memory had before."""
	memory, data = Core(dump_of("slices").core), bytearray(dump_of("slices").core.read_bytes())
	for slab in heapfx_ok("sql", dump_of("slices").core, "--format", "json",
			"select address from blocks where type = 'GSlice 48'").out.split('"address"')[1:]:
		address = int(re.search(r"0x[0-9a-f]+", slab)[0], 16)
		info = address + 512 - 48	# chunks, n_allocated
		at = next(offset + info - vaddr for vaddr, _m, offset, size in memory.loads if vaddr <= info < vaddr + size)
		assert data[at + 12:at + 16] == bytes(4)
		data[at + 12:at + 16] = b"\x5a\xf1\x55\xee"
	(tmp_path / "core").write_bytes(data)
	assert any(pool["blocks"] for pool in the_same_of(tmp_path / "core", tmp_path)["pools"]["list"])


def the_same_of(core, tmp_path):
	shrunk(core, tmp_path / "core.zst")
	told = comparable(report(core))
	assert comparable(report(tmp_path / "core.zst")) == told
	assert same_blocks(tmp_path / "core.zst", core)
	return told


@pytest.mark.parametrize("name", [name for name in GO if name in CASES])
def test_the_analysis_of_go_stays(name, tmp_path):
	dump = go_dump(name)
	options = dump.arguments[1:]
	shrunk(dump.core, tmp_path / "core.zst", *options)
	after, before = (comparable(report(core, *options)) for core in (tmp_path / "core.zst", dump.core))
	if name.startswith("slack"):	# equal contents are joined with what else is told of their holder
		for told in (after, before):
			del told["suspects"], told["findings"], told["verdict"]
	assert after == before
	assert same_blocks(tmp_path / "core.zst", dump.core, *options)


# ---- equal contents

DIGESTS = (0xf5a5, 0xf6a6)


@pytest.fixture
def salt(tmp_path):
	(tmp_path / "salt").write_bytes(random.Random(23).randbytes(32))
	return tmp_path / "salt"


def digests(contents):
	"""How many words of it are digests, by docs/shrink.md."""
	tops = memoryview(contents[:len(contents) // 8 * 8]).cast("H")[3::4]
	return sum(top in DIGESTS for top in tops if top)


def case_with_copies(name):
	if name.startswith("slack"):
		if name not in CASES:
			pytest.skip(f"{name} is no case of this corpus")
		dump = go_dump(name)
		return dump.core, dump.arguments[1:], 3000
	if name.startswith("contents"):
		made = made_case(name)
		return made.core, ("--exe", made.exe), 600
	return dump_of(name).core, (), 400


@pytest.mark.parametrize("name", ("contents.gcc.O2", "heapshapes.sid", "slack.1.22"))
def test_with_a_salt_duplicates_are_told_the_same(name, salt, tmp_path):
	core, options, copies = case_with_copies(name)
	shrunk(core, tmp_path / "core", *options, "--salt", salt)
	after, before = (comparable(report(which, *options), duplicates=True) for which in (tmp_path / "core", core))
	assert after == before
	assert max(row["count"] for row in before["suspects"] if row["rule"] == "duplicate/content") >= copies
	assert digests(plain(tmp_path / "core")) > copies
	assert "--salt" in heapfx_ok("info", tmp_path / "core").out


def test_digests_are_the_salts(salt, tmp_path):
	core = dump_of("heapshapes.sid").core
	other = tmp_path / "other-salt"
	other.write_bytes(random.Random(24).randbytes(32))
	for name, options in (("one", ("--salt", salt)), ("again", ("--salt", salt)), ("two", ("--salt", other)), ("none", ())):
		shrunk(core, tmp_path / name, *options)
	one, again, two, none = ((tmp_path / name).read_bytes() for name in ("one", "again", "two", "none"))
	assert one == again and one != two
	assert digests(one) == digests(two) > 1000 and not digests(none)
	# blanked a second time, with another salt: what was the same still is
	shrunk(tmp_path / "one", tmp_path / "twice", "--salt", other)
	assert comparable(report(tmp_path / "twice"), duplicates=True) == comparable(report(core), duplicates=True)
	shrunk(tmp_path / "one", tmp_path / "gone")
	assert not digests((tmp_path / "gone").read_bytes())


@pytest.mark.parametrize("n, status", ((0, 2), (15, 2), (4097, 2), (None, 3)))
def test_a_salt_has_to_be_one(n, status, tmp_path):
	if n is not None:
		(tmp_path / "salt").write_bytes(b"s" * n)
	run = heapfx("shrink", dump_of("leakzoo.sid").core, "-o", tmp_path / "out", "--salt", tmp_path / "salt")
	assert run.status == status and "salt" in run.err
	assert not (tmp_path / "out").exists()


# ---- contents that are wanted

class Memory:
	def __init__(self, contents):
		self.contents = contents
		table, count = struct.unpack_from("<Q", contents, 32)[0], struct.unpack_from("<H", contents, 56)[0]
		headers = [struct.unpack_from("<IIQQQQ", contents, table + 56 * i) for i in range(count)]
		self.loads = [(start, offset, size) for kind, _flags, offset, start, _paddr, size in headers if kind == 1]

	def __getitem__(self, place):
		at, n = place
		offset = next(offset + at - start for start, offset, size in self.loads if start <= at < start + size)
		return self.contents[offset:offset + n]


@pytest.mark.parametrize("salted", (False, True))
def test_types_that_are_kept_and_no_others(salted, salt, tmp_path):
	made = made_case("records.clang.O0.g")
	options = ("--exe", made.exe, *(("--salt", salt) if salted else ()))
	shrunk(made.core, tmp_path / "core", "--keep", "int[]", "--keep", "struct account", *options)
	before, after = Memory(plain(made.core)), Memory(plain(tmp_path / "core"))
	kept = gone = 0
	for address, size, form, kind, *_rest in make_types.read_types(made.types):
		contents = before[address, size]
		if (form, kind) in (("array", "int"), ("value", "struct account")):
			assert after[address, size] == contents
			kept += len(contents.strip(b"\0")) > WINDOW
		elif (form, kind) == ("array", "char"):
			assert not search(after[address, size], windows(contents.rstrip(b"\0")) - {bytes(WINDOW)})
			gone += len(contents.strip(b"\0")) > WINDOW
	assert kept > 400 and gone > 400
	assert comparable(report(tmp_path / "core", *options[:2]), duplicates=salted) == comparable(
		report(made.core, *options[:2]), duplicates=salted)


@pytest.mark.parametrize("name", ("lists.gcc.O0.g", "containers.gcc.O2.g", "slacks.gcc.O2.g", "glib_spares.gcc.O2.g",
	"spares.rustc.O2.g"))
def test_the_analysis_of_types_stays(name, tmp_path):
	made = made_case(name)
	shrunk(made.core, tmp_path / "core", "--exe", made.exe)
	after, before = (comparable(report(core, "--exe", made.exe)) for core in (tmp_path / "core", made.core))
	assert after == before


def test_a_type_that_is_none(tmp_path):
	made = made_case("records.clang.O0.g")
	run = heapfx("shrink", made.core, "--exe", made.exe, "-o", tmp_path / "out", "--keep", "struct acount")
	assert run.status == 2 and "struct acount" in run.err
	assert not os.listdir(tmp_path)


# ---- secrets

def build_program(compiler, home):
	path = home / "secrets"
	subprocess.run([compiler, "-std=gnu17", "-O1", "-g", "-pthread", "-o", path,
		ROOT / "tests/live/secrets.c"], check=True)
	return path


@pytest.fixture(scope="session")
def program(tmp_path_factory):
	return build_program("gcc", tmp_path_factory.mktemp("secrets"))


def make_secrets(rng, n):
	letters = string.ascii_letters + string.digits

	def word(least, most):
		return "".join(rng.choices(letters, k=rng.randint(least, most)))

	kinds = [
		lambda: "AKIA" + word(16, 16).upper(),
		lambda: "ghp_" + word(36, 36),
		lambda: f"{word(4, 12)}.{word(5, 12)}@{word(6, 10)}.example",
		lambda: "".join(rng.choices("0123456789abcdef", k=64)),
		lambda: word(20, 90) + "==",
		lambda: f"{rng.randrange(10 ** 16):016d}",
	]
	return [kinds[i % len(kinds)]() for i in range(n)]


@contextlib.contextmanager
def running(argv, env):
	process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True, env=env)
	try:
		line = process.stdout.readline().split()
		assert line and line[0] == "ready"
		yield process.pid, line[1:]
	finally:
		process.kill()
		process.communicate()


def windows(secret):
	return {secret[i:i + WINDOW] for i in range(max(len(secret) - WINDOW, 0) + 1)}


def search(contents, wanted):
	"""Those of `wanted` (all of eight bytes) that are anywhere in it."""
	found = set()
	for run in re.finditer(rb"[^\0](?:\0{0,7}[^\0])*", contents):
		start, end = max(run.start() - WINDOW + 1, 0), run.end() + WINDOW - 1
		piece = contents[start:end]
		found.update(w for w in (piece[i:i + WINDOW] for i in range(len(piece) - WINDOW + 1)) if w in wanted)
	return found


PRELOADED = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2")


@pytest.fixture(scope="module", params=("", "musl", *PRELOADED))
def planted(program, tmp_path_factory, request):
	"""(core, windows that must not be in any output, those of made-up pointers, blocks dropped), by allocator"""
	library = pathlib.Path("/usr/lib/x86_64-linux-gnu", request.param)
	home = tmp_path_factory.mktemp("planted")
	if request.param == "musl":
		if not shutil.which("musl-gcc"):
			pytest.skip("musl-gcc is not installed")
		program = build_program("musl-gcc", home)
	elif not library.exists():
		pytest.skip(f"{request.param} is not installed")
	rng = random.Random(20)
	secrets = make_secrets(rng, SECRETS)
	in_arguments, in_environment = secrets[-400:-200], secrets[-200:]
	(home / "in").write_text("\n".join(secrets) + "\n")
	(home / "data").write_bytes(b"\n".join(s.encode() for s in secrets).ljust(1 << 20, b"\0"))
	env = {f"SECRET_{s[:3]}{i}": s for i, s in enumerate(in_environment)}
	if request.param in PRELOADED:
		env["LD_PRELOAD"] = str(library)
	core = home / "core.zst"
	with running([program, home / "in", home / "made", home / "data", *in_arguments], env) as (pid, words):
		heapfx_ok("capture", pid, "--mode", "stop", "-o", core)
	wanted = set()
	for secret in secrets:
		wanted |= windows(secret.encode())
	like_pointers = [int(line, 16).to_bytes(8, "little") for line in (home / "made").read_text().split()]
	assert len(like_pointers) > 1000
	yield core, wanted, set(like_pointers), int(words[0])
	shutil.rmtree(home)


def test_no_secret_is_left(planted, tmp_path):
	core, wanted, like_pointers, lost = planted
	before = search(plain(core), wanted | like_pointers)
	assert len(before & wanted) > len(wanted) * 0.85 and len(before & like_pointers) > 1000, "they were there"
	for name in ("core.zst", "core"):
		out = tmp_path / name
		shrunk(core, out)
		assert not search(plain(out), wanted)
		# one in a million may be where a block happens to begin
		assert not search(plain(out), like_pointers)
		assert not search(out.read_bytes(), wanted)
	told = report(tmp_path / "core")
	assert comparable(told) == comparable(report(core))
	if "glibc" in [heap["allocator"] for heap in told["heaps"]]:	# others hold a few by what lies in their caches
		found = told["reachability"]["definitely-lost"]["count"]
		assert lost * 0.99 <= found <= lost * 1.01


@pytest.mark.parametrize("planted", [""], indirect=True)
def test_no_secret_is_left_in_digests(planted, salt, tmp_path):
	core, wanted, like_pointers, _lost = planted
	shrunk(core, tmp_path / "core", "--salt", salt)
	contents = plain(tmp_path / "core")
	assert not search(contents, wanted | like_pointers)
	assert digests(contents) > 1000 and salt.read_bytes()[:WINDOW] not in contents
	assert comparable(report(tmp_path / "core"), duplicates=True) == comparable(report(core), duplicates=True)


# A library of the program's own, whose data have one.
LIBRARY = """
char data[] = "ghp_in_data_of_a_library_0123456789";
char bss[64];
__attribute__((constructor)) static void fill(void) { __builtin_strcpy(bss, "ghp_in_bss_of_a_library_01234567890"); }
"""


@pytest.mark.parametrize("preloaded", PRELOADED)
def test_a_name_makes_no_library_an_allocators(program, tmp_path, preloaded):
	"""What stays of an allocator's variables is what its walker goes by, not all that is called like it."""
	library = pathlib.Path("/usr/lib/x86_64-linux-gnu", preloaded)
	if not library.exists():
		pytest.skip(f"{preloaded} is not installed")
	own = tmp_path / preloaded.replace(".so", "-shop.so")
	subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", own], input=LIBRARY, text=True, check=True)
	(tmp_path / "in").write_text("nothing to be hidden\n" * 100)	# it takes so many
	(tmp_path / "data").write_bytes(bytes(1 << 20))
	with running([program, tmp_path / "in", tmp_path / "made", tmp_path / "data"],
			{"LD_PRELOAD": f"{library} {own}"}) as (pid, _words):
		heapfx_ok("capture", pid, "--mode", "stop", "-o", tmp_path / "core.zst")
	assert plain(tmp_path / "core.zst").count(b"ghp_in_") == 2
	shrunk(tmp_path / "core.zst", tmp_path / "core")
	assert plain(tmp_path / "core").count(b"ghp_in_") == 0


def test_no_secret_is_left_of_cxx(tmp_path):
	"""Where debug info tells what a container has, what is kept of it is no text."""
	path, core = tmp_path / "secrets", tmp_path / "core.zst"
	subprocess.run(["g++", "-std=gnu++17", "-O1", "-g", "-o", path, ROOT / "tests/live/secrets_cxx.cpp"], check=True)
	secrets = make_secrets(random.Random(22), SECRETS)
	(tmp_path / "in").write_text("\n".join(secrets) + "\n")
	with running([path, tmp_path / "in"], {}) as (pid, _words):
		heapfx_ok("capture", pid, "--mode", "stop", "-o", core)
	wanted = set()
	for secret in secrets:
		wanted |= windows(secret.encode())
	assert len(search(plain(core), wanted)) > len(wanted) * 0.5, "they were there"
	shrunk(core, tmp_path / "out")
	assert not search(plain(tmp_path / "out"), wanted)
	told = report(tmp_path / "out")
	assert comparable(told) == comparable(report(core))
	assert any("Customer" in row["name"] for row in told["types"])


@pytest.fixture(scope="module")
def planted_go(tmp_path_factory):
	"""(core, windows that must not be in any output, goroutines that wait forever)"""
	if not shutil.which("go"):
		pytest.skip("no Go toolchain is installed")
	home = tmp_path_factory.mktemp("planted-go")
	secrets = make_secrets(random.Random(21), SECRETS)
	(home / "in").write_text("\n".join(secrets) + "\n")
	subprocess.run(["go", "build", "-o", home / "secrets", ROOT / "tests/live/secrets.go"], check=True,
		env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GO111MODULE": "off"})
	core = home / "core.zst"
	with running([home / "secrets", home / "in", *secrets[:50]], {"GOMAXPROCS": "2"}) as (pid, words):
		heapfx_ok("capture", pid, "--mode", "stop", "-o", core)
	wanted = set()
	for secret in secrets:
		wanted |= windows(secret.encode())
	yield core, wanted, int(words[0])
	shutil.rmtree(home)


def test_no_secret_is_left_of_go(planted_go, tmp_path):
	core, wanted, stuck = planted_go
	assert len(search(plain(core), wanted)) > len(wanted) * 0.85, "they were there"
	for name in ("core.zst", "core"):
		out = tmp_path / name
		shrunk(core, out)
		assert not search(plain(out), wanted)
		assert not search(out.read_bytes(), wanted)
	told, before = report(tmp_path / "core"), report(core)
	assert comparable(told) == comparable(before)
	assert any(group["count"] == stuck and "main.waits" in json.dumps(group) for group in
		told["go"]["goroutines"]["groups"])


@pytest.mark.parametrize("planted", [""], indirect=True)
def test_it_is_small(planted, tmp_path):
	core, *_ = planted
	shrunk(core, tmp_path / "core.zst")
	size = (tmp_path / "core.zst").stat().st_size
	assert size * 10 <= len(plain(core)) and size * 8 <= core.stat().st_size


@pytest.mark.parametrize("planted", [""], indirect=True)
def test_gdb_and_readelf_take_it(planted, tmp_path):
	core, *_ = planted
	shrunk(core, tmp_path / "core")
	assert "blanked by heapfx shrink" in heapfx_ok("info", tmp_path / "core").out
	for tool, argv in (("eu-readelf", ["-h", "-l", "-n"]), ("gdb", ["-batch", "-nx", "-ex", "info threads", "-c"])):
		if not shutil.which(tool):
			pytest.skip(f"{tool} is not installed")
		run = subprocess.run([tool, *argv, tmp_path / "core"], capture_output=True, text=True)
		assert run.returncode == 0
		assert "invalid" not in run.stderr.lower() and "warning: core" not in run.stderr.lower(), run.stderr
	assert len(re.findall(r"Thread .*LWP|LWP \d+", run.stdout)) >= 5


# ---- what is refused

def test_nothing_is_written_over(tmp_path):
	core = dump_of("leakzoo.sid").core
	(tmp_path / "out").write_text("mine")
	run = heapfx("shrink", core, "-o", tmp_path / "out")
	assert run.status == 3 and "out" in run.err
	assert (tmp_path / "out").read_text() == "mine"
	assert sorted(os.listdir(tmp_path)) == ["out"]


def test_output_is_needed(tmp_path):
	core = dump_of("leakzoo.sid").core
	assert heapfx("shrink", core).status == 2
	assert heapfx("shrink", core, "-o", "-").status == 2


def test_what_is_no_core_leaves_nothing(tmp_path):
	(tmp_path / "in").write_bytes(b"\x7fELF" + bytes(100))
	assert heapfx("shrink", tmp_path / "in", "-o", tmp_path / "out").status == 3
	assert sorted(os.listdir(tmp_path)) == ["in"]


@pytest.mark.parametrize("full, status", (("out", 3), ("tmp", 4)))
@pytest.mark.parametrize("end", ("", ".zst"))
def test_a_full_disk_leaves_nothing(full, status, end, tmp_path):
	for name in ("out", "tmp"):
		(tmp_path / name).mkdir()
	mount = f"mount -t tmpfs -o size={'32k' if full == 'out' else '256k'} none {tmp_path / full}"
	if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
		pytest.skip("mounting a small disk is not allowed here")
	run = subprocess.run(["unshare", "-m", "sh", "-c", mount + ' && { "$@"; echo $?; ls -A out tmp; }', "-",
		HEAPFX, "shrink", dump_of("leakzoo.sid").core, "--tmp", "tmp", "-o", f"out/core{end}"],
		cwd=tmp_path, capture_output=True, text=True)
	assert run.stdout.split() == [str(status), "out:", "tmp:"]
	assert ("No space left" if full == "out" else "--tmp") in run.stderr and len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("gone", (False, True))
def test_nobody_who_listens(gone, tmp_path):
	"""What is told last cannot be; the result is whole, and analysed as any."""
	core, out = dump_of("leakzoo.sid").core, tmp_path / "core"
	read, write = os.pipe()
	os.close(read)
	with open("/dev/full", "w") as full:
		run = subprocess.run([HEAPFX, "shrink", core, "-o", out], stdout=write if gone else full,
			stderr=subprocess.PIPE, text=True)
	os.close(write)
	assert run.returncode in (3, -13) if gone else run.returncode == 3
	assert run.returncode == -13 or ("Broken pipe" if gone else "No space left") in run.stderr
	assert comparable(report(out)) == comparable(report(core))
