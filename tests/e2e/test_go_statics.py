"""Objects that Go's linker lays out have no symbol: the variable that points to one names it."""
import json
import os
import shutil
import subprocess

import pytest

from common import ROOT, heapfx_ok, make_cores


@pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain is installed")
@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_holders(flags, tmp_path):
	subprocess.run(["go", "build", "-ldflags", flags, "-o", tmp_path / "statics", ROOT / "tests/live/statics.go"], check=True,
		env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"})
	with subprocess.Popen([tmp_path / "statics"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
		assert child.stdout.readline() == b"ready\n"
		make_cores.wait_until_at_rest(child.pid)
		heapfx_ok("capture", child.pid, "--mode", "stop", "-o", tmp_path / "core", "--pack", "none")
		child.stdin.close()
	rows = json.loads(heapfx_ok("sql", tmp_path / "core", "select r.name as name, b.type as type from roots r "
		"join blocks b on b.id = r.block where r.kind = 'global'", "--format", "json").out)
	holders = sorted(row["name"] for row in rows if row["type"] == "[]*main.item")
	ours = [name for name in holders if not name.startswith("statics+0x")]
	if flags:	# nothing says how a variable is called
		assert not [name for name in ours if name.startswith("main.") and "0x" not in name], ours
		return
	assert ours == ["*main.list", "main.back.rows", "main.conf.items", "main.conf.sub.queue", "main.self.many"]
	assert len(holders) == len(ours) + 1	# two variables point to the sixth
