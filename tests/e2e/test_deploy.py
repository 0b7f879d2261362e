"""What deploy/ ships: units that systemd reads, manifests of the API's own types, options that exist."""
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from common import CORPUS, HEAPFX, ROOT, SANITIZED, environment, heapfx
from test_capture import Target, program, wait_until	# noqa: F401
from test_watch import Cgroup

MANIFESTS = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
UNITS = sorted(path for path in (ROOT / "deploy/systemd").iterdir() if path.suffix != ".conf")


def commands():
	"""Every command line of heapfx in deploy/, with numbers for what a shell or systemd puts in."""
	for path in sorted((ROOT / "deploy").rglob("*.*")):
		lines = [re.sub(r"^\s*#.*", "", line) for line in path.read_text().splitlines()]
		text = (" " if path.suffix == ".yaml" else "\n").join(lines)
		for found in re.findall(r"(?:/usr/bin/|exec )heapfx (.+?)(?=  [a-zA-Z]+:|\n|$)", text):
			yield path.name, shlex.split(found.replace("$pid", "1").replace("%P", "1"))


def test_there_are_some():
	assert len(list(commands())) == 6


@pytest.mark.parametrize("where, words", commands())
def test_options_exist(where, words):
	run = heapfx(*words, "--help")
	assert run.status == 0 and run.out.startswith(f"usage: heapfx {words[0]}"), (where, words, run.err)


def test_units(tmp_path):
	"""All of them at once: a timer, or a socket, and the service that it starts."""
	if not shutil.which("systemd-analyze"):
		pytest.skip("systemd-analyze is not there")
	made = []
	for path in UNITS:
		text = path.read_text().replace("/usr/bin/heapfx", "/bin/true")
		made.append(tmp_path / path.name.replace("@.", "@shop."))
		made[-1].write_text("\n".join(r for r in text.splitlines() if not r.startswith("Documentation")))
	run = subprocess.run(["systemd-analyze", "verify", *made], capture_output=True, text=True)
	ours = [line for line in run.stderr.splitlines() if "heapfx" in line]
	assert not ours and len(made) == 5, ours
	made[0].write_text(made[0].read_text().replace("[Service]", "[Service]\nNoSuchSetting=1"))
	run = subprocess.run(["systemd-analyze", "verify", *made], capture_output=True, text=True)
	assert "NoSuchSetting" in run.stderr


def test_image_has_the_libraries():
	"""The packages of what heapfx is linked with, and what it loads, are those of the image."""
	if not shutil.which("dpkg") or SANITIZED:
		pytest.skip("not Debian's packages, or not the program as it ships")
	text = (ROOT / "deploy/Containerfile").read_text().split("FROM debian:12-slim")[1]
	packages = set(re.search(r"recommends \\\n(.*?)\t&&", text, re.S)[1].replace("\\", "").split())
	needed = re.findall(r"\(NEEDED\).*\[(.*)\]", subprocess.run(["readelf", "-d", HEAPFX], capture_output=True,
		text=True, check=True).stdout)
	for name in [*needed, "libcurl.so.4"]:
		owners = {line.split(":")[0] for line in subprocess.run(["dpkg", "-S", f"*/{name}"],
			capture_output=True, text=True).stdout.splitlines()}
		assert owners & (packages | {"libc6", "libgcc-s1"}), (name, owners)


@pytest.fixture
def agent(tmp_path):
	"""The DaemonSet's script, with a kubectl that answers what the test says."""
	lines = (ROOT / "deploy/kubernetes/daemonset.yaml").read_text().split("  agent.sh: |\n")[1].splitlines()
	script = [line[4:] for line in itertools.takewhile(lambda line: line != "---", lines)]
	(tmp_path / "agent.sh").write_text("\n".join(script) + "\n")
	(tmp_path / "bin").mkdir()
	(tmp_path / "bin/kubectl").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\ncat {tmp_path}/pods\n')
	(tmp_path / "bin/kubectl").chmod(0o755)
	(tmp_path / "bin/heapfx").symlink_to(os.path.realpath(HEAPFX))
	(tmp_path / "pods").write_text("")
	(tmp_path / "cores").mkdir()
	child = subprocess.Popen(["/bin/sh", tmp_path / "agent.sh"], stderr=subprocess.PIPE, text=True,
		stdout=subprocess.DEVNULL, env={**environment(None), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
		"NODE_NAME": "node-7", "CGROUPS": str(tmp_path / "cg"), "CORES": str(tmp_path / "cores"), "PAUSE": "0.1"})
	yield child
	child.terminate()
	assert "Sanitizer" not in child.communicate(timeout=30)[1]


def test_daemonset(agent, program, tmp_path):	# noqa: F811
	"""Who has the annotation is watched, by the cgroup of its UID, and nobody else."""
	target = Target(program, mib=1, threads=1)
	uids = [f"0123abcd-0000-4000-8000-00000000000{i}" for i in range(4)]
	groups = [Cgroup(tmp_path / f"cg/kubepods.slice/kubepods-burstable-pod{uids[0].replace('-', '_')}.slice",
		[target.pid]), Cgroup(tmp_path / f"cg/kubepods/pod{uids[1]}", [target.pid])]
	for group in groups:
		group.use(95)
	(tmp_path / "pods").write_text(f"{uids[0]}\t85\t\t\n{uids[1]}\t\t\t\n{uids[2]}\t85\t2\tjava\n"
		f"{uids[3]}\t85; touch {tmp_path}/bad\t\t\n../../x\t85\t\t\n")
	wait_until(lambda: list(tmp_path.glob("cores/*/*.json")))
	core, = tmp_path.glob("cores/*/*.core.zst")
	assert core.parent.name == uids[0] and f"-pulse-{target.pid}." in core.name
	assert [p.name for p in (tmp_path / "cores").iterdir()] == [uids[0]] and not (tmp_path / "bad").exists()
	assert "spec.nodeName=node-7" in (tmp_path / "asked").read_text()
	watcher = int((core.parent / ".pid").read_text())
	agent.terminate()
	wait_until(lambda: not pathlib.Path(f"/proc/{watcher}").exists())	# it takes its watchers along
	target.process.kill()
	target.process.communicate()


@pytest.fixture(scope="session")
def strict():
	"""The checker, if the modules it is made of are at hand: nothing is fetched here."""
	program = CORPUS / "strict"
	CORPUS.mkdir(parents=True, exist_ok=True)
	if not shutil.which("go"):
		pytest.skip("go is not there")
	made = subprocess.run(["go", "build", "-o", program, "."], cwd=ROOT / "tests/deploy", capture_output=True,
		text=True, env={**environment(None), "GOPROXY": "off", "GOFLAGS": "-mod=readonly"})
	if made.returncode:
		pytest.skip("k8s.io/api is not at hand: make manifests fetches it")
	return program


def test_manifests(strict, tmp_path):
	assert MANIFESTS
	run = subprocess.run([strict, *MANIFESTS], capture_output=True, text=True)
	assert run.returncode == 0, run.stdout
	wrong = tmp_path / "wrong.yaml"
	for name, right, other in (("sidecar", "shareProcessNamespace", "shareProcesNamespace"),
			("daemonset", "hostPID", "hostPIDs"), ("job", "restartPolicy", "restartPolice"),
			("debug", "capabilities", "capability")):
		wrong.write_text((ROOT / f"deploy/kubernetes/{name}.yaml").read_text().replace(right, other))
		assert subprocess.run([strict, wrong], capture_output=True).returncode == 1, name


def test_rights_in_the_manifests():
	"""SYS_PTRACE alone in the side-cars and for kubectl debug; nothing is privileged."""
	for path in MANIFESTS:
		text = path.read_text()
		added, = re.findall(r"add: (\[.*\])", text)
		assert added == ("[SYS_PTRACE, DAC_OVERRIDE]" if path.stem == "daemonset" else "[SYS_PTRACE]"), path
		assert "drop: [ALL]" in text and "privileged" not in text
