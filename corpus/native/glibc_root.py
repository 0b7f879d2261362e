#!/usr/bin/python3
"""glibc_root.py - glibc of other Debian suites, unpacked beside this machine's own.

	glibc_root.py SUITE...		prints each suite's root and version
	glibc_root.py run SUITE PROGRAM [ARG...]	runs a program under that glibc

Packages come from the mirror that this machine's apt uses already, through an apt configuration of
its own: the system's package lists, cache and status are never touched.  Programs that are to run
under every version are linked against the oldest suite's (oldest_sysroot_flags()), because a newer
glibc keeps the old symbols but not the other way round.

Versions that no suite has (RELEASES) are not made here: install what you built from the release's
source as ROOTS/VERSION/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 and so on, and create the file
ROOTS/VERSION/complete.  ROOTS is what HEAPFX_GLIBC_ROOTS names.
"""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SUITES = ("bullseye", "bookworm", "trixie", "forky", "sid")
RELEASES = ("2.28", "2.33", "2.35", "2.38", "2.42")
OLDEST = "bullseye"
LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6", "libcrypt1")
DEVELOPMENT = ("libc6-dev", "linux-libc-dev")
TRIPLET = "x86_64-linux-gnu"


class NoRoot(Exception):
	"""The suite cannot be had here; the message says why."""


def cache_folder():
	return pathlib.Path(os.environ.get("HEAPFX_GLIBC_ROOTS")
		or os.path.join(tempfile.gettempdir(), "heapfx-glibc"))


def path_of(suite):
	return cache_folder() / suite


def debian_mirror():
	"""The URI that this machine's apt uses for Debian itself."""
	done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)",
		"Created-By: Packages"], capture_output=True, text=True, check=False)
	for uri in done.stdout.splitlines():
		if re.search(r"/debian/?$", uri):
			return uri
	raise NoRoot("apt on this machine knows no Debian mirror")


def run(*argv, cwd=None):
	done = subprocess.run([str(a) for a in argv], cwd=cwd, stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT, text=True, check=False)
	if done.returncode:
		raise NoRoot(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}")
	return done.stdout


def private_apt(suite, state):
	"""An apt-get command line whose every file lies under `state`."""
	for folder in ("lists/partial", "cache/archives/partial"):
		(state / folder).mkdir(parents=True, exist_ok=True)
	(state / "status").touch()
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	(state / "sources.list").write_text(
		f"deb [signed-by={keyring}] {debian_mirror()} {suite} main\n", encoding="ascii")
	settings = {
		"Dir::State": state, "Dir::State::lists": state / "lists",
		"Dir::State::status": state / "status", "Dir::Cache": state / "cache",
		"Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "-",
		"Dir::Etc::preferences": "-", "Dir::Etc::preferencesparts": "-",
		"APT::Architecture": "amd64", "APT::Architectures": "amd64",
		"APT::Sandbox::User": "root", "Acquire::Languages": "none",
		"Acquire::Check-Valid-Until": "false", "Acquire::Retries": "5",
	}
	return ["apt-get", "-q", *[f"-o{key}={value}" for key, value in settings.items()]]


def mend_links(root):
	"""Makes the absolute symbolic links of the packages stay inside the root."""
	for link in root.rglob("*"):
		if link.is_symlink() and os.readlink(link).startswith("/"):
			target = os.path.relpath(root / os.readlink(link).lstrip("/"), link.parent)
			link.unlink()
			link.symlink_to(target)


def library_folders(root):
	folders = (root / folder / TRIPLET for folder in ("lib", "usr/lib"))
	return [folder for folder in folders if folder.is_dir()]


def loader_of(root):
	for folder in library_folders(root):
		if (folder / "ld-linux-x86-64.so.2").exists():
			return folder / "ld-linux-x86-64.so.2"
	raise NoRoot(f"{root}: no loader in it")


@functools.cache
def make_root(suite):
	"""Unpacks the suite's C library into its root, once; returns the root."""
	root = path_of(suite)
	if (root / "complete").exists():
		return root
	if suite in RELEASES:
		raise NoRoot(f"no glibc {suite} in {root}: no Debian suite has it, build it yourself")
	shutil.rmtree(root, ignore_errors=True)
	state = cache_folder() / f"{suite}.apt"
	apt = private_apt(suite, state)
	run(*apt, "update")
	root.mkdir(parents=True)
	packages = LIBRARIES + (DEVELOPMENT if suite == OLDEST else ())
	run(*apt, "download", *packages, cwd=root)
	for package in sorted(root.glob("*.deb")):
		run("dpkg-deb", "-x", package, root)
		package.unlink()
	shutil.rmtree(state)
	mend_links(root)
	(root / "complete").touch()
	return root


@functools.cache
def make_package(suite, *names):
	"""Unpacks the first of these packages that the suite has, once, without what it depends on."""
	home = cache_folder() / f"{suite}.packages" / names[0]
	if (home / "complete").exists():
		return home
	shutil.rmtree(home, ignore_errors=True)
	home.mkdir(parents=True)
	state = cache_folder() / f"{suite}.packages" / f"{names[0]}.apt"
	apt = private_apt(suite, state)
	run(*apt, "update")
	for name in names:
		try:
			run(*apt, "download", name, cwd=home)
			break
		except NoRoot:
			if name == names[-1]:
				raise
	package, = home.glob("*.deb")
	run("dpkg-deb", "-x", package, home)
	(home / "version").write_text(package.name.split("_")[1].replace("%3a", ":"), "ascii")
	package.unlink()
	shutil.rmtree(state)
	mend_links(home)
	(home / "complete").touch()
	return home


def package_version(suite, *names):
	"""Like "5.2.1-3 (Debian bullseye)"."""
	return f"{(make_package(suite, *names) / 'version').read_text('ascii')} (Debian {suite})"


def package_file(suite, name, *packages):
	"""One file of a package, wherever in it."""
	found = sorted(make_package(suite, *packages).rglob(name))
	if not found:
		raise NoRoot(f"no {name} in {packages[0]} of {suite}")
	return found[0]


def release_file(release, pattern):
	"""A file of what was built from a release's source."""
	found = sorted(path_of(release).glob(pattern))
	if not found:
		raise NoRoot(f"no {pattern} in {path_of(release)}: build it yourself")
	return found[0]


def musl_loader(suite):
	return package_file(suite, "ld-musl-x86_64.so.1", "musl")


def musl_driver(release=None):
	"""musl's compiler driver: this machine's own, or that of a release, like "1.2.0"."""
	if not release:
		return "musl-gcc"
	driver = path_of(f"musl-{release}") / "bin" / "musl-gcc"
	if not driver.exists():
		raise NoRoot(f"no musl {release} in {driver.parent.parent}: build it yourself")
	return str(driver)


def version_of(suite):
	"""Like "2.41-12 (Debian trixie)": what the library says of itself."""
	root = make_root(suite)
	if suite in RELEASES:
		return f"{suite} (built from its release source)"
	loader = loader_of(root)
	text = run(loader, loader.with_name("libc.so.6"))
	found = re.search(r"\(Debian GLIBC ([^)]*)\)", text)
	return f"{found.group(1) if found else text.splitlines()[0]} (Debian {suite})"


def loader_command(suite):
	"""The start of a command line that runs a program under the suite's glibc."""
	root = make_root(suite)
	path = ":".join(str(folder) for folder in library_folders(root))
	return [str(loader_of(root)), "--library-path", path]


def oldest_sysroot_flags():
	"""Compiler flags that link against the oldest glibc: --sysroot alone finds the host's."""
	root = make_root(OLDEST)
	return [f"--sysroot={root}", f"-B{root}/usr/lib/{TRIPLET}",
		*[f"-L{folder}" for folder in library_folders(root)]]


def main():
	try:
		if sys.argv[1:2] == ["run"] and len(sys.argv) > 3:
			command = [*loader_command(sys.argv[2]), *sys.argv[3:]]
			os.execv(command[0], command)
		if len(sys.argv) < 2 or any(suite not in SUITES + RELEASES for suite in sys.argv[1:]):
			print(f"usage: glibc_root.py [run] SUITE...\nsuites: {' '.join(SUITES + RELEASES)}",
				file=sys.stderr)
			return 2
		for suite in sys.argv[1:]:
			print(f"{make_root(suite)} {version_of(suite)}", flush=True)
	except NoRoot as reason:
		print(reason, file=sys.stderr)
		return 77
	return 0


if __name__ == "__main__":
	sys.exit(main())
