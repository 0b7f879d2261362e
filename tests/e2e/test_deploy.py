"""What deploy/ ships: units that systemd reads, manifests of the API's own types, options that exist."""
import re
import shlex
import shutil
import subprocess

import pytest

from common import CORPUS, ROOT, environment, heapfx

MANIFESTS = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
UNIT = ROOT / "deploy/systemd/heapfx-watch@.service"


def commands():
	"""Every command line of heapfx in deploy/, with numbers for what a shell or systemd puts in."""
	for path in sorted((ROOT / "deploy").rglob("*.*")):
		lines = [re.sub(r"^\s*#.*", "", line) for line in path.read_text().splitlines()]
		text = (" " if path.suffix == ".yaml" else "\n").join(lines)
		for found in re.findall(r"(?:/usr/bin/|exec )heapfx (.+?)(?=  [a-zA-Z]+:|\n|$)", text):
			yield path.name, shlex.split(found.replace("$pid", "1").replace("%P", "1"))


def test_there_are_some():
	assert len(list(commands())) == 4


@pytest.mark.parametrize("where, words", commands())
def test_options_exist(where, words):
	run = heapfx(*words, "--help")
	assert run.status == 0 and run.out.startswith(f"usage: heapfx {words[0]}"), (where, words, run.err)


def test_unit(tmp_path):
	if not shutil.which("systemd-analyze"):
		pytest.skip("systemd-analyze is not there")
	text = UNIT.read_text().replace("/usr/bin/heapfx", "/bin/true").replace("man:heapfx(1)", "man:true(1)")
	unit = tmp_path / "heapfx-watch@shop.service"
	unit.write_text("\n".join(line for line in text.splitlines() if not line.startswith("Documentation")))
	run = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
	assert "heapfx-watch" not in run.stderr, run.stderr


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
	wrong.write_text(MANIFESTS[-1].read_text().replace("shareProcessNamespace", "shareProcesNamespace"))
	assert subprocess.run([strict, wrong], capture_output=True).returncode == 1
