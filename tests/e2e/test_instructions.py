"""Instructions on small cores against those that were counted before (tests/bench/instructions)."""
import subprocess
import sys

import pytest

from common import CORPUS, HEAPFX, ROOT, SANITIZED, dump_of

TOOL = ROOT / "tests/bench/instructions"


@pytest.mark.skipif(SANITIZED, reason="counted without sanitizers")
def test_no_more_instructions_than_before():
	for name in ("leakzoo.bookworm", "heapshapes.bookworm"):
		dump_of(name)	# unpacks it
	run = subprocess.run([sys.executable, TOOL, HEAPFX, CORPUS], capture_output=True, text=True, timeout=600)
	if run.returncode == 77:
		pytest.skip(run.stdout.strip())
	assert run.returncode == 0, run.stdout + run.stderr
