#!/usr/bin/python3
"""make_pools.py - build, run and dump programs with pools of their own inside malloc or beside it.

	make_pools.py list
	make_pools.py make OUTDIR [CASE...]
	make_pools.py pack OUTDIR [CASE...]	into ../pools; without a case: the committed ones

The totals of a truth file say what each pool is (src/pool_truth.h): counted by the program, or by the
library's own hooks, never read from the structures that heapfx reads.
"""
import dataclasses
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import glibc_root  # noqa: E402
import make_cores  # noqa: E402
from make_cores import Case, CannotMake  # noqa: E402,F401

POOL_CORPUS = make_cores.HERE.parent / "pools"
SMALL = {"capture": "kernel", "stack_kib": 256}
APR = ("-I/usr/include/apr-1.0", "-DLINUX", "-D_REENTRANT")
# That of Debian 11, linked in; modules' files are in the core, which name its functions.
OLD_PROTOS = Case("protos", **SMALL, coredump_filter=0x37, flags=("-Wno-unused-parameter", "-w", "-rdynamic"), about="protobuf's arenas, 3.12 of bullseye")
# Those that no suite has: a folder protobuf-RELEASE of headers and archives, abseil's among them (glibc_root.release_file).
PROTOS = ("22.5", "25.8", "29.5", "36.0")


def with_package(name):
	"""The case with what it is built with: unpacked or looked for only when it is made."""
	case, release = CASES[name], name.removeprefix("protos.")
	try:
		if case is OLD_PROTOS:
			archive = glibc_root.package_file("bullseye", "libprotobuf.a", "libprotobuf-dev")
			include, rest = next(parent for parent in archive.parents if parent.name == "usr") / "include", ("-lz",)
		elif release in PROTOS:
			archive = glibc_root.release_file(f"protobuf-{release}", "libprotobuf-lite.a")
			include = archive.parent / "include"
			rest = ("-Wl,--start-group", *sorted(archive.parent.glob("lib[!p]*.a")), "-Wl,--end-group")
		else:
			return case
	except glibc_root.NoRoot as reason:
		raise make_cores.CannotMake(str(reason)) from reason
	return dataclasses.replace(case, flags=(*case.flags, f"-I{include}"), link=(archive, *rest))


RELEASED_PROTOS = {f"protos.{release}": Case("protos", **SMALL, flags=("-Wno-unused-parameter", "-w", "-fno-access-control"),
	about=f"protobuf's arenas, {release} (built from its release source), linked in; nothing says so") for release in PROTOS}
CASES = {
	**RELEASED_PROTOS,
	"aprs": Case("aprs", **SMALL, coredump_filter=0x37, flags=APR, link=("-lapr-1",),
		about="a tree of APR's pools (libapr1-dev); modules' files are in the core"),
	"obstacks": Case("obstacks", **SMALL, coredump_filter=0x37,
		about="obstacks in a variable, in a block, on the stack; modules' files are in the core"),
	"protos": Case("protos", **SMALL, flags=("-Wno-unused-parameter",), link=("-lprotobuf",),
		about="protobuf's arenas (libprotobuf-dev)"),
	"protos.3.12": OLD_PROTOS,
	"protos.own": Case("own_blocks", **SMALL, flags=("-Wno-unused-parameter",), link=("-lprotobuf",),
		about="protobuf's arenas whose first block is the program's own (libprotobuf-dev)"),
	"ownpools": Case("ownpools", **SMALL, coredump_filter=0x37,
		about="an arena that src/ownpools.layout describes; modules' files are in the core"),
	"luajits": Case("luajits", **SMALL, flags=("-I/usr/include/luajit-2.1",), link=("-lluajit-5.1",),
		about="states of LuaJIT (libluajit-5.1-dev)"),
	"slices": Case("slices", **SMALL, link=("-lglib-2.0",), flags=("-I/usr/include/glib-2.0",
		"-I/usr/lib/x86_64-linux-gnu/glib-2.0/include"), about="GLib's slices, before 2.76 (libglib2.0-dev)"),
	"nginx": Case("nginx_pools", ("FILE",), capture="kernel", stack_kib=256,
		about="Debian's nginx, with requests that it waits for (nginx)"),
	"decoys": Case("decoys", **SMALL, flags=("-rdynamic",), coredump_filter=0x37,
		about="what looks like pools and is none; modules' files are in the core"),
}

# Nothing says what is linked in.
STATIC = {"aprs": ("-luuid", "-lcrypt"), "obstacks": (), "protos": ("-lz",), "luajits": ("-lm",),
	"slices": ("-lpcre2-8", "-lm"), "decoys": ()}
for _name, _more in STATIC.items():
	CASES[f"{_name}.static-stripped"] = dataclasses.replace(CASES[_name], build="static", flags=(*CASES[_name].flags, "-s"),
		coredump_filter=0x33, link=(*CASES[_name].link, *_more), about=f"{CASES[_name].about}, static and without a symbol")

CASES["tallocs"] = make_cores.CASES["tallocs"]
# The library in the program, which is stripped; the C library is not.
LINKED = {"aprs": ("-luuid", "-lcrypt"), "obstacks": (), "protos": ("-lz",), "luajits": (), "slices": ("-lpcre2-8",),
	"tallocs": (), "decoys": ()}
for _name, _more in LINKED.items():
	CASES[f"{_name}.linked"] = dataclasses.replace(CASES[_name], build="stripped", coredump_filter=0x33,
		link=("-Wl,-Bstatic", *CASES[_name].link, *_more, "-Wl,-Bdynamic", "-lm"), about=f"{CASES[_name].about}, linked in, stripped")
del CASES["tallocs"]	# make_cores.py's


NGINX = """daemon off; master_process off; pid {0}/pid; error_log {0}/log crit;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t;
uwsgi_temp_path {0}/t; scgi_temp_path {0}/t; client_body_buffer_size 20k; large_client_header_buffers 4 16k;
server {{ listen unix:{0}/socket; location / {{ root {0}; }} }} }}
"""
# Each is left hanging: headers that go on, headers too long for the first buffer, a body that goes on.
REQUESTS = (b"GET / HTTP/1.1\r\nHost: a\r\nX-", b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\nX-Y: " + b"b" * 2000,
	b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 15000\r\n\r\nabc")
ROW = struct.Struct("<QQQ")


def limits():
	resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
	resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))


class Nginx:
	"""A server of its own in a folder, with connections that it waits for."""

	def __init__(self, folder, preload):
		folder.mkdir(parents=True)
		(folder / "conf").write_text(NGINX.format(folder), encoding="ascii")
		self.child = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "log")],
			cwd=folder, env={"PATH": "/usr/sbin:/usr/bin:/bin", "LD_PRELOAD": str(preload), "POOLS_FILE": str(folder / "rows")},
			preexec_fn=limits)
		self.pid = self.child.pid
		self.folder = folder
		self.clients = []

	def load(self, rounds):
		deadline = time.monotonic() + 20
		while not (self.folder / "socket").exists():
			if self.child.poll() is not None or time.monotonic() > deadline:
				raise RuntimeError((self.folder / "log").read_text())
			time.sleep(0.05)
		for _ in range(rounds):
			for request in REQUESTS:
				self.clients.append(socket.socket(socket.AF_UNIX))
				self.clients[-1].connect(str(self.folder / "socket"))
				self.clients[-1].send(request)
		for client in self.clients[::7]:	# some give up
			client.close()
		make_cores.wait_until_at_rest(self.pid)

	def rows(self):
		"""[(address, size, is a pool's first)] of the live blocks of pools."""
		raw = (self.folder / "rows").read_bytes()
		return [(at ^ make_cores.MASK, size, kind == 1) for at, size, kind in ROW.iter_unpack(raw) if kind]

	def close(self):
		for client in self.clients:
			client.close()
		if self.child.poll() is None:
			self.child.kill()
		self.child.wait()


def make_nginx(case, made):
	"""Blocks of pools are rows of the truth: kind POOL for a first one, BLOCK for another."""
	make_cores.need("nginx", "gcc")
	cwd = made.core.with_name(made.name + ".run")
	shutil.rmtree(cwd, ignore_errors=True)
	made.core.parent.mkdir(parents=True, exist_ok=True)
	preload = made.core.with_name("nginx_pools.so")
	make_cores.run_tool("gcc", *make_cores.COMMON_FLAGS, "-std=gnu17", "-fno-builtin", "-fPIC", "-shared", "-o", preload,
		make_cores.SRC / "nginx_pools.c", "-ldl")
	server = Nginx(cwd, preload)
	try:
		server.load(8)
		rows = server.rows()
		make_cores.dump(case, server, made.core, cwd)
	finally:
		server.close()
	make_cores.write_truth(made.truth, {at: (size, "POOL" if first else "BLOCK", "reachable") for at, size, first in rows},
		{"complete": 0})
	shutil.rmtree(cwd)


def make_case(name, outdir):
	case = CASES[name]
	if name != "nginx":
		return make_cores.make_case(name, outdir, with_package(name))
	made = make_cores.made_paths(name, outdir, None)
	if not make_cores.is_fresh(made, case):
		make_nginx(case, made)
	return made


def pack(name, outdir):
	make_case(name, outdir)
	return make_cores.pack(name, outdir, CASES[name], POOL_CORPUS, "make_pools.py")


def default_cases(what):
	if what == "pack":
		return [path.parent.name for path in sorted(POOL_CORPUS.glob("*/dump.zst"))]
	return list(CASES)


def main():
	return make_cores.run_command(__doc__, CASES, lambda case: case.about, default_cases, make_case, pack)


if __name__ == "__main__":
	sys.exit(main())
