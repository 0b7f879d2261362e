"""Cores to where they are kept: whole, once, signed right, and in spite of what a network does."""
import array
import fcntl
import json
import os
import pathlib
import signal
import stat
import subprocess
import termios
import threading
import time

import pytest

import s3
from common import HEAPFX, environment, heapfx
from test_capture import Target, keepers_of, program, unpacked, wait_until	# noqa: F401
from test_watch import Cgroup, Watcher

MIB = 1 << 20
SMALL = os.urandom(3 * MIB + 7)
LARGE = os.urandom(16 * MIB + 7)	# three parts
STORES = ("faulty", "weed", "minio", "versitygw")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
	"""Each real server, once."""
	made = {}

	def server(kind):
		if kind not in made:
			made[kind] = s3.real_server(kind, tmp_path_factory.mktemp(kind))
		return made[kind]
	yield server
	for one in made.values():
		one.close()


@pytest.fixture
def faulty():
	server = s3.Faulty()
	yield server
	server.close()


@pytest.fixture(params=STORES)
def store(request, servers):
	if request.param == "faulty":
		yield request.getfixturevalue("faulty")
	else:
		yield servers(request.param)


@pytest.fixture
def prefix(request):
	"""A place of its own for each test in a bucket that all share."""
	return request.node.name.replace("[", ".").replace("]", "")


def variables(store, **more):
	return {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{store.port}", "AWS_ACCESS_KEY_ID": s3.KEY,
		"AWS_SECRET_ACCESS_KEY": s3.SECRET, **more}


def ship(store, *args, status=0, stdin=subprocess.DEVNULL, env=None):
	run = heapfx("ship", *args, stdin=stdin, env={**variables(store), **(env or {})})
	assert run.status == status, run.err
	for secret in (s3.SECRET, "Signature=", "role/secret", "role-token"):
		assert secret not in run.out + run.err
	return run


def started(store, *args, **kwargs):
	return subprocess.Popen([HEAPFX, "ship", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
		text=True, env=environment(variables(store)), **kwargs)


def file_of(folder, data, name="heapfx-20260102T030405-000000001-shop-7.core.zst"):
	folder.mkdir(exist_ok=True)
	(folder / name).write_bytes(data)
	return folder / name


# --- whole, and once -----------------------------------------------------------------------------

@pytest.mark.parametrize("data", [b"", SMALL, LARGE[:8 * MIB], LARGE], ids=["none", "small", "part", "large"])
def test_file_arrives(store, prefix, tmp_path, data):
	path = file_of(tmp_path, data)
	ship(store, path, "--to", f"s3://cores/{prefix}")
	assert store.get(f"{prefix}/{path.name}") == data and path.exists()
	again = json.loads(ship(store, path, "--to", f"s3://cores/{prefix}", "--format", "json").out)
	assert again["was_there"] and again["bytes"] == len(data)
	assert not store.uploads()


def test_stream_in_parts(store, prefix, tmp_path):
	reader, writer = os.pipe()
	child = started(store, "-", "--name", "a b", "--to", f"s3://cores/{prefix}/", stdin=reader)
	os.close(reader)
	with open(writer, "wb") as out:
		for at in range(0, len(LARGE), 99999):
			out.write(LARGE[at:at + 99999])
	_, err = child.communicate(timeout=120)
	assert child.returncode == 0, err
	assert store.get(f"{prefix}/a_b") == LARGE and not store.uploads()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_nothing_is_written_over(store, prefix, tmp_path, data):
	path = file_of(tmp_path, data)
	ship(store, path, "--to", f"s3://cores/{prefix}")
	for other in (data[:-1], data[:-1] + bytes([data[-1] ^ 1])):
		path.write_bytes(other)
		run = ship(store, path, "--to", f"s3://cores/{prefix}", status=5)
		assert "is not written over" in run.err
	assert store.get(f"{prefix}/{path.name}") == data and not store.uploads()


def test_keys_of_every_kind(store, tmp_path):
	"""What is signed is what the URL says: the server checks it, each key is another one."""
	path = file_of(tmp_path, b"x", "core")
	odd = ["a b", "a+b", "a=b:c@d", "a!b$c&d'e(f)g*h", "a,b;c", "a[b]{c}", "%2F%20", "ü/雪", "~.-_", "a?b#c"]
	for key in odd:
		ship(store, path, "--to", f"s3://cores/{key}")
		assert store.get(f"{key}/core") == b"x", key


def test_refused(store, tmp_path):
	path = file_of(tmp_path, b"x")
	run = ship(store, path, "--to", "s3://cores/p", status=5, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
	assert "403 SignatureDoesNotMatch" in run.err and path.exists()


# --- what a network does -------------------------------------------------------------------------

FAULTS = {"PutObject": [503, "lost", "lie", "reset"], "Create": [500, "lost"], "Head": [500, "reset"],
	"UploadPart": [503, 500, "reset", "lost", "stall", "error200", "lie"],
	"Complete": [500, "reset", "lost", "error200"]}


def patience(fault):
	"""A busy machine may keep a request waiting, too: its answer is given up only where none comes."""
	return "--retry", 90, *(("--timeout", 1) if fault == "stall" else ())


@pytest.mark.parametrize("operation, fault", [(o, f) for o, faults in FAULTS.items() for f in faults])
def test_faults_pass(faulty, tmp_path, operation, fault):
	path = file_of(tmp_path, SMALL if operation == "PutObject" else LARGE)
	faulty.faults[operation] = [fault]
	run = ship(faulty, path, "--to", "s3://cores/p", *patience(fault))
	assert run.out and faulty.get(f"p/{path.name}") == path.read_bytes()
	assert len(faulty.objects) == 1
	assert len(faulty.open) == (operation == "Create" and fault == "lost")	# whose number nobody has
	assert [o for o, _ in faulty.log].count(operation) >= 2


@pytest.mark.parametrize("fault", [503, "reset", "lie"])
def test_faults_that_last(faulty, tmp_path, fault):
	"""It gives up, takes back what it sent, and keeps the file."""
	path = file_of(tmp_path / "spool", LARGE)
	faulty.faults["UploadPart"] = [None, *[fault] * 100]
	ship(faulty, tmp_path / "spool", "--to", "s3://cores/p", "--retry", 2, status=5)
	assert path.exists() and not faulty.objects and not faulty.open
	faulty.faults.clear()
	ship(faulty, tmp_path / "spool", "--to", "s3://cores/p")
	assert faulty.get(f"p/{path.name}") == LARGE and not list(path.parent.iterdir())


def test_store_that_lies_about_the_whole(faulty, tmp_path):
	path = file_of(tmp_path / "spool", LARGE)
	faulty.faults["Head"] = [None, "lie"]	# the first asks whether it is there
	run = ship(faulty, path.parent, "--to", "s3://cores/p", status=5)
	assert "another checksum" in run.err and path.exists()


@pytest.mark.parametrize("kind", STORES[1:])
def test_server_is_killed_in_the_middle(servers, prefix, tmp_path, kind):
	"""It comes back in time: the upload goes on. It does not: the spool keeps the file for later."""
	store = servers(kind)
	for late in (False, True):
		path = file_of(tmp_path / "spool", LARGE, f"heapfx-{late}.core.zst")
		child = started(store, path.parent, "--to", f"s3://cores/{prefix}", "--retry", 1 if late else 100)
		wait_until(lambda: list(path.parent.glob("*.upload")) or child.poll() is not None)
		os.kill(child.pid, signal.SIGSTOP)
		assert list(path.parent.glob("*.upload")), "it was not caught in the middle"
		store.kill()
		os.kill(child.pid, signal.SIGCONT)
		if late:
			assert child.wait(120) == 5 and path.exists()
		store.start()
		if late:
			ship(store, path.parent, "--to", f"s3://cores/{prefix}")
		else:
			assert child.wait(120) == 0, child.stderr.read()
		child.communicate()
		assert store.get(f"{prefix}/{path.name}") == LARGE
		assert not list(path.parent.iterdir()) and not store.uploads()


def test_sender_is_killed_in_the_middle(store, prefix, tmp_path):
	"""The parts that it left are taken back by the next one."""
	path = file_of(tmp_path / "spool", LARGE)
	child = started(store, path.parent, "--to", f"s3://cores/{prefix}")
	wait_until(lambda: any(p.read_text() for p in path.parent.glob("*.upload")) or child.poll() is not None)
	child.kill()
	child.communicate()
	assert store.uploads() == 1 and path.exists()
	ship(store, path.parent, "--to", f"s3://cores/{prefix}")
	assert store.get(f"{prefix}/{path.name}") == LARGE
	assert not store.uploads() and not list(path.parent.iterdir())


def test_sender_is_asked_to_end(faulty, tmp_path):
	path = file_of(tmp_path / "spool", LARGE)
	faulty.faults["UploadPart"] = [None, "stall"]
	child = started(faulty, path.parent, "--to", "s3://cores/p")
	wait_until(lambda: [o for o, _ in faulty.log].count("UploadPart") == 2)
	child.terminate()
	assert child.wait(120) == 5
	child.communicate()
	assert path.exists() and not faulty.open and not faulty.objects


# --- keys ----------------------------------------------------------------------------------------

def identity(faulty, tmp_path):
	(tmp_path / "token").write_text("token of the pod\n")
	return {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": "arn:aws:iam::1:role/cores",
		"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
		"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{faulty.port}/"}


def test_web_identity(faulty, tmp_path):
	path, env = file_of(tmp_path, LARGE), identity(faulty, tmp_path)
	faulty.faults["AssumeRole"] = [503]
	ship(faulty, path, "--to", "s3://cores/p", env=env)
	assert faulty.get(f"p/{path.name}") == LARGE and faulty.roles == 1
	faulty.expired.add("ROLE2")	# the next ones are refused at once, and others asked for
	ship(faulty, path, "--to", "s3://cores/q", env=env)
	assert faulty.get(f"q/{path.name}") == LARGE and faulty.roles == 3
	(tmp_path / "token").write_text("of somebody else")
	run = ship(faulty, path, "--to", "s3://cores/r", env=env, status=5)
	assert "InvalidIdentityToken" in run.err


def test_session_token_is_sent_and_signed(faulty, tmp_path):
	path = file_of(tmp_path, b"x")
	faulty.tokens[s3.KEY] = "session+/="
	ship(faulty, path, "--to", "s3://cores/p", env={"AWS_SESSION_TOKEN": "session+/="})
	assert ship(faulty, path, "--to", "s3://cores/q", status=5).err


def test_no_keys_and_no_place(tmp_path, faulty):
	path = file_of(tmp_path, b"x")
	run = ship(faulty, path, "--to", "s3://cores/p", status=2, env={"AWS_SECRET_ACCESS_KEY": ""})
	assert "AWS_SECRET_ACCESS_KEY" in run.err
	for where in (["--to", "ftp://x"], ["--to", "s3://id:key@cores/p"], [], ["--to", "s3:///p"],
			["--to", "file:"], ["--to", "s3://cores/p", "--exec", "true"], ["--put-url", "x"]):
		assert heapfx("ship", path, *where, env=variables(faulty)).status == 2


# --- presigned -----------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["argument", "file", "variable"])
def test_presigned_url(store, prefix, tmp_path, how):
	path = file_of(tmp_path, LARGE)
	url = s3.Client.presign(store, f"{prefix}/core")
	(tmp_path / "url").write_text(url + "\n")
	args = {"argument": ["--put-url", url], "file": ["--put-url", f"@{tmp_path}/url"], "variable": []}[how]
	nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
	run = ship(store, path, *args, env={**nobody, "HEAPFX_PUT_URL": url if how == "variable" else ""})
	assert store.get(f"{prefix}/core") == LARGE and s3.KEY not in run.out
	run = ship(store, path, "--put-url", url, env=nobody, status=5)
	assert "not written over" in run.err


def test_url_and_token_come_in_pieces(faulty, tmp_path):
	path, env = file_of(tmp_path, SMALL), identity(faulty, tmp_path)
	url, pipe = faulty.presign("core"), tmp_path / "pipe"
	os.mkfifo(pipe)

	def pieces(text):
		with open(pipe, "w", encoding="ascii") as to:
			for piece in (text[:10], text[10:]):
				to.write(piece)
				to.flush()
				wait_until(lambda: not waiting_in(to))

	def sent(text, *args, **kwargs):
		writer = threading.Thread(target=pieces, args=(text,), daemon=True)
		writer.start()
		ship(faulty, path, *args, **kwargs)
		writer.join(30)
		assert not writer.is_alive()

	sent(url + "\n", "--put-url", f"@{pipe}")
	sent("token of the pod\n", "--to", "s3://cores/p",
		env={**env, "AWS_WEB_IDENTITY_TOKEN_FILE": str(pipe)})
	assert faulty.get("core") == faulty.get(f"p/{path.name}") == SMALL


def waiting_in(pipe):
	"""Bytes that nobody has read yet."""
	n = array.array("i", [0])
	fcntl.ioctl(pipe, termios.FIONREAD, n)
	return n[0]


def test_half_a_url_or_token_is_none(faulty, tmp_path):
	path, env = file_of(tmp_path, SMALL), identity(faulty, tmp_path)
	(tmp_path / "url").write_text(faulty.presign("core").ljust((16 << 10) + 1, "x"))
	assert "longer than 16384 bytes" in ship(faulty, path, "--put-url", f"@{tmp_path}/url", status=2).err
	(tmp_path / "token").write_text("token of the pod".ljust((64 << 10) + 1, "x"))
	run = ship(faulty, path, "--to", "s3://cores/p", env=env, status=5)
	assert "web identity token" in run.err and "longer than 65536 bytes" in run.err
	assert not faulty.objects and not faulty.roles


@pytest.mark.parametrize("fault", [503, "reset", "stall", "lost"])
def test_presigned_url_again(faulty, tmp_path, fault):
	path = file_of(tmp_path, SMALL)
	faulty.faults["PutObject"] = [fault]
	ship(faulty, path, "--put-url", faulty.presign("core"), *patience(fault))
	assert faulty.get("core") == SMALL


def test_url_and_keys_are_not_in_the_arguments(faulty, tmp_path):
	path = file_of(tmp_path, SMALL)
	faulty.faults["PutObject"] = ["stall"]
	child = started(faulty, path, "--put-url", faulty.presign("core"), "--retry", 30)
	wait_until(lambda: faulty.log)
	words = pathlib.Path(f"/proc/{child.pid}/cmdline").read_bytes()
	child.terminate()
	out = "".join(child.communicate())
	assert b"Signature" not in words and b"***" in words
	assert "Signature" not in out and s3.KEY not in out


# --- another directory, a command ----------------------------------------------------------------

def test_another_directory(tmp_path, faulty):
	path, there = file_of(tmp_path / "spool", SMALL), tmp_path / "there"
	there.mkdir()
	os.umask(0)
	ship(faulty, path, "--to", f"file:{there}")
	os.umask(0o22)
	copy = there / path.name
	assert copy.read_bytes() == SMALL and stat.S_IMODE(copy.stat().st_mode) == 0o600
	assert "was there already" in ship(faulty, path.parent, "--to", f"file:{there}").out
	assert not list(path.parent.iterdir())
	file_of(tmp_path / "spool", SMALL[:-1] + b"?")
	ship(faulty, path.parent, "--to", f"file:{there}", status=5)
	assert copy.read_bytes() == SMALL and path.exists()
	(tmp_path / "link").symlink_to(there)
	ship(faulty, path, "--to", f"file:{tmp_path}/link", status=5)
	assert [p.name for p in there.iterdir()] == [path.name]


def test_command(tmp_path, faulty):
	path = file_of(tmp_path / "spool", SMALL)
	ship(faulty, path.parent, "--exec", f'cp "$1" {tmp_path}/half && false', status=5)
	assert path.exists()
	ship(faulty, path.parent, "--exec", f'cp "$1" {tmp_path}/copy')
	assert (tmp_path / "copy").read_bytes() == SMALL and not path.exists()


def test_no_key_is_in_the_arguments_of_a_command(tmp_path, faulty, target):	# noqa: F811
	"""Of a sender's nor of a watcher's: they are in the environment, where a command finds them."""
	note = f"cat /proc/[0-9]*/cmdline >>{tmp_path}/seen; echo \"$AWS_SECRET_ACCESS_KEY\" >>{tmp_path}/env"
	ship(faulty, file_of(tmp_path / "spool", SMALL), "--exec", note)
	group = Cgroup(tmp_path / "g", [target.pid])
	watcher = Watcher(tmp_path / "out", "--cgroup", group.path, "--once", "--exec", note, env=variables(faulty))
	group.use(95)
	watcher.expect("threshold", "captured")
	out = watcher.process.communicate(timeout=120)
	assert watcher.process.returncode == 0
	assert (tmp_path / "env").read_text().split() == [s3.SECRET] * 2
	assert b"--exec" in (tmp_path / "seen").read_bytes()
	for said in ((tmp_path / "seen").read_bytes().decode("utf-8", "replace"), *out, *(path.read_text() for path in
			(tmp_path / "out").iterdir() if not path.name.endswith(".zst"))):
		assert s3.SECRET not in said and s3.KEY not in said


def test_what_a_spool_does_not_send(tmp_path, faulty):
	"""Names of others, what is being written, and what a link leads to."""
	spool, there = tmp_path / "spool", tmp_path / "there"
	there.mkdir()
	kept = ["other", "heapfx-1.core.zst.partial", "heapfx-watch.state", "heapfx-2.core.zst.upload"]
	for name in kept:
		file_of(spool, b"x", name)
	(tmp_path / "secret").write_text("of another user")
	(spool / "heapfx-3.core.zst").symlink_to(tmp_path / "secret")
	os.mkfifo(spool / "heapfx-4.core.zst")
	file_of(spool, b"y", "heapfx-5.json")
	assert heapfx("ship", spool, "--to", f"file:{there}").status != 0
	assert [p.name for p in there.iterdir()] == ["heapfx-5.json"]
	ship(faulty, spool / "heapfx-3.core.zst", "--to", f"file:{there}", status=5)
	assert {p.name for p in spool.iterdir()} >= {*kept, "heapfx-3.core.zst", "heapfx-4.core.zst"}
	assert not any("secret" in p.read_text() or "user" in p.read_text() for p in there.iterdir())


# --- captures ------------------------------------------------------------------------------------

@pytest.fixture
def target(program):	# noqa: F811
	t = Target(program, mib=24, threads=3)
	yield t
	t.process.kill()
	t.process.communicate()


@pytest.mark.parametrize("mode", ["fork", "stop"])
def test_capture_into_a_store(faulty, target, tmp_path, mode):
	env = variables(faulty, TMPDIR=str(tmp_path))
	run = heapfx("capture", target.pid, "--mode", mode, "--to", "s3://cores/p", env=env, cwd=tmp_path)
	assert run.status == 0, run.err
	core, meta = faulty.keys()
	assert meta == core.replace(".core.zst", ".json") and not list(tmp_path.iterdir())
	assert json.loads(faulty.get(meta))["file"] == core.removeprefix("p/")
	(tmp_path / "x.core.zst").write_bytes(faulty.get(core))
	subprocess.run(["zstd", "-tq", tmp_path / "x.core.zst"], check=True)
	assert heapfx("info", tmp_path / "x.core.zst").status == 0
	target.is_well()


def test_capture_when_the_store_is_away(faulty, target, tmp_path):
	"""A stream is lost, and says so; a file stays, and is sent later."""
	env = variables(faulty, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{s3.free_port()}")
	run = heapfx("capture", target.pid, "--to", "s3://cores/p", "--retry", 1, env=env)
	assert run.status == 5 and "the core is lost" in run.err and "-o DIR" in run.err
	(tmp_path / "spool").mkdir()
	run = heapfx("capture", target.pid, "-o", tmp_path / "spool", "--to", "s3://cores/p", "--retry", 1, env=env)
	assert run.status == 5 and "stays where it is" in run.err
	assert len(list((tmp_path / "spool").iterdir())) == 2
	ship(faulty, tmp_path / "spool", "--to", "s3://cores/p")
	assert len(faulty.keys()) == 2 and not list((tmp_path / "spool").iterdir())
	target.is_well()


def test_capture_fails_while_it_is_sent(faulty, target):
	"""A core that is not whole is not in the store, nor its parts."""
	faulty.faults["UploadPart"] = [404] * 9
	faulty.faults["PutObject"] = [403] * 9
	run = heapfx("capture", target.pid, "--mode", "fork", "--to", "s3://cores/p", "--retry", 1,
		env=variables(faulty))
	assert run.status == 5 and not faulty.objects and not faulty.open
	target.is_well()


def test_watcher_ships_after_an_outage(faulty, target, tmp_path):
	group = Cgroup(tmp_path / "g", [target.pid])
	group.use(95)
	faulty.faults["PutObject"] = [503] * 50
	faulty.faults["Create"] = [503] * 50
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g", "--to", "s3://cores/p", "--retry", 1,
		env=variables(faulty))
	watcher.expect("threshold", "captured", "not shipped")
	assert len(watcher.cores()) == 1 and not faulty.objects
	faulty.faults.clear()
	while watcher.event() != "shipped":
		assert watcher.last["event"] == "not shipped"
	assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["heapfx-watch.state"]
	core, meta = faulty.keys()
	assert core.endswith(".core.zst") and meta.endswith(".json")
	watcher.end()
	file_of(tmp_path / "out", b"left", "heapfx-1.core.zst")	# what was there when a watcher begins goes, too
	watcher = Watcher(tmp_path / "out", "--cgroup", tmp_path / "g", "--to", "s3://cores/p", "--cool-down", 900,
		env=variables(faulty))
	while watcher.event() != "shipped":
		assert watcher.last["event"] in ("cooling",)
	watcher.end()
	assert faulty.get("p/heapfx-1.core.zst") == b"left"
