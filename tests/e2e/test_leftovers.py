"""What malloc left in blocks when they were free memory proves no damage (tests/live/leftovers.c)."""
import json
import subprocess

import pytest

from common import ROOT, heapfx_ok, make_cores


@pytest.mark.parametrize("what, told", [("old", 0), ("real", 1)])
def test_links_of_chunks_that_were(what, told, tmp_path):
	subprocess.run(["gcc", "-O1", "-g", "-o", tmp_path / "leftovers", ROOT / "tests/live/leftovers.c"], check=True)
	with subprocess.Popen([tmp_path / "leftovers", what], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
		assert child.stdout.readline() == b"ready\n"
		make_cores.wait_until_at_rest(child.pid)
		heapfx_ok("capture", child.pid, "--mode", "stop", "-o", tmp_path / "core", "--pack", "none")
		child.stdin.close()
	report = json.loads(heapfx_ok("analyze", tmp_path / "core", "--format", "json").out)
	found = [f for f in report["findings"] if f["rule"] == "heap/corrupt"]
	assert len(found) == told, found
	assert not told or "bad size 0x7e0 covers 2 more chunks" in found[0]["message"]
