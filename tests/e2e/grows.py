"""Three dumps of one process as it grows, and what it says that it holds at each."""
import os
import subprocess
import types

import pytest

import make_cores
from common import CORPUS, ROOT


@pytest.fixture(scope="module")
def series():
	"""Three dumps of one process, and its counts at each: [(core, {size: count})]."""
	home = CORPUS / f"grows.{os.getpid()}"
	home.mkdir(parents=True, exist_ok=True)
	made = []
	subprocess.run(["gcc", "-O1", "-o", home / "grows", ROOT / "corpus/native/src/grows.c"], check=True)
	child = subprocess.Popen([home / "grows"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
	try:
		for step in range(3):
			child.stdin.write("\n")
			child.stdin.flush()
			counts = dict(map(int, pair.split(":")) for pair in child.stdout.readline().split())
			make_cores.dump_gcore(types.SimpleNamespace(pid=child.pid), home / f"core.{step}")
			made.append((home / f"core.{step}", counts))
		yield made
	except make_cores.CannotMake as reason:
		pytest.skip(str(reason))
	finally:
		child.kill()
		child.wait()
		for path in home.iterdir():
			path.unlink()
		home.rmdir()
