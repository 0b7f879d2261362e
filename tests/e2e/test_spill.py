"""Past --memory columns lie in files without a name: the same results, byte for byte, or a clear end."""
import subprocess

import pytest

from common import HEAPFX, SANITIZED, dump_of, environment, heapfx, heapfx_ok, report_text


@pytest.mark.parametrize("name,limit,threads", [
	("leakzoo.kernel", "1K", 1), ("heapshapes.kernel", "1M", 2), ("zoo_cpp", "1K", 2),
	("arenas64", "1K", 1), ("arenas64", "8M", 2), ("arenas64", "24M", 2)])
def test_results_are_the_same(name, limit, threads, tmp_path):
	spilled = heapfx_ok("analyze", dump_of(name).core, "--format", "json", "--memory", limit, "--threads", threads, "--tmp", tmp_path)
	assert spilled.out == report_text(name)
	assert not list(tmp_path.iterdir())	# nothing stays behind


def test_a_saved_result_is_the_same(tmp_path):
	core = dump_of("heapshapes.kernel").core
	heapfx_ok("analyze", core, "-o", f"result={tmp_path}/plain")
	heapfx_ok("analyze", core, "-o", f"result={tmp_path}/spilled", "--memory", "1M")
	assert (tmp_path / "plain").read_bytes() == (tmp_path / "spilled").read_bytes()


def test_a_limit_of_both_is_named():
	run = heapfx("analyze", dump_of("arenas64").core, "--memory", "1M", "--disk", "2M")
	assert run.status == 4 and "--memory" in run.err and "--disk" in run.err and run.out == ""


def test_a_disk_without_room_is_named(tmp_path):
	# No file may be larger than 4 MiB: what a full disk answers, but for its name.
	limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 8192; exec "$@"', "sh", HEAPFX, "analyze",
		str(dump_of("arenas64").core), "--memory", "1M", "--tmp", str(tmp_path)]
	run = subprocess.run(limited, capture_output=True, text=True, env=environment(None), timeout=120)
	assert run.returncode == 4 and "--tmp" in run.stderr and run.stdout == ""
	assert not list(tmp_path.iterdir())


def test_a_directory_that_is_not_there_is_named():
	run = heapfx("analyze", dump_of("arenas64").core, "--memory", "1M", "--tmp", "/no/such/folder")
	assert run.status != 0 and "/no/such/folder" in run.err and run.out == ""


# The program and its libraries take 200 MB of it before they open anything, sanitizers a part of all there is.
@pytest.mark.skipif(SANITIZED, reason="sanitizers reserve terabytes")
@pytest.mark.parametrize("name", ["leakzoo.kernel", "arenas64"])
def test_address_space_is_reserved_by_what_the_dump_needs(name, tmp_path):
	limited = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", HEAPFX, "analyze", str(dump_of(name).core),
		"--format", "json", "--threads", "2", "-o", str(tmp_path / "report"), "-o", f"result={tmp_path}/result"]
	run = subprocess.run(limited, capture_output=True, text=True, env=environment(None), timeout=120)
	assert (run.returncode, run.stderr) == (0, "")
	assert (tmp_path / "report").read_text() == report_text(name)
