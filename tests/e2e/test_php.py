"""PHP's own heap, held to what PHP says of it: memory_get_usage(), of both kinds."""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from common import HEAPFX, heapfx_ok

pytestmark = pytest.mark.skipif(not shutil.which("php"), reason="php is not installed (tools/deps.sh test)")
REQUESTS = (2000, 4000, 500, 3000, 300)

# Arrays, strings, objects, runs of pages and huge blocks, a third of them freed; then both counts, twice: the
# first time there may be room made for what is written.
SCRIPT = """<?php
class Node { public $text; public $numbers; public $before; }
function fill($n) {
	$kept = [];
	for ($i = 0; $i < $n; $i++) {
		$node = new Node;
		$node->text = str_repeat("x", $i % 700);
		$node->numbers = range(0, $i % 40);
		$node->before = $kept[$i - 1] ?? null;
		$kept[] = $node;
		if ($i % 50 == 0)
			$kept["text $i"] = str_repeat("y", 5000 + $i % 60000);
	}
	return $kept;
}
ini_set("memory_limit", -1);
$mode = $argv[1] ?? "";
$kept = fill((int) ($_GET["n"] ?? 12000));
$huge = [str_repeat("a", 3 << 20), str_repeat("b", 5000000), str_repeat("c", 2 << 20)];
unset($huge[1]);
foreach (array_keys($kept) as $i => $key)
	if ($i % 3 == 1)
		unset($kept[$key]);
if ($mode == "cached")
	for ($i = 0; $i < 6; $i++) {
		$more = fill(20000);
		unset($more);
		gc_collect_cycles();
	}
if ($mode == "fibers")
	for ($i = 0; $i < 200; $i++) {
		$fibers[$i] = new Fiber(function () use ($i) {
			$local = fill(20 + $i);
			Fiber::suspend();
			return $local;
		});
		$fibers[$i]->start();
		if ($i % 7 == 3) {
			$fibers[$i]->resume();
			$fibers[$i] = null;
		}
	}
$out = fopen(getenv("OUT") . ".new", "w");
for ($i = 0; $i < 2; $i++) {
	$real = memory_get_usage(true);
	$used = memory_get_usage();
	rewind($out);
	fwrite($out, $real);
	fwrite($out, " ");
	fwrite($out, $used);
}
rename(getenv("OUT") . ".new", getenv("OUT"));
if ($mode || isset($_GET["wait"]))
	sleep(300);
"""


@pytest.fixture(name="home")
def write_script(tmp_path):
	(tmp_path / "fill.php").write_text(SCRIPT)
	return tmp_path


@contextlib.contextmanager
def running(home, *argv, **more):
	with subprocess.Popen(["php", "-n", *map(str, argv)], cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
			env={**os.environ, "OUT": str(home / "usage"), **more}) as child:
		try:
			yield child
		finally:
			child.kill()


def counted(home, child):
	"""(memory_get_usage(true), memory_get_usage())"""
	deadline = time.monotonic() + 60
	while not (home / "usage").exists():
		assert child.poll() is None and time.monotonic() < deadline
		time.sleep(0.05)
	time.sleep(0.2)		# from rename() into sleep()
	return tuple(map(int, (home / "usage").read_text().split()))


def heaps_of(home, child):
	core = home / "php.core"
	subprocess.run([HEAPFX, "capture", str(child.pid), "-o", core], check=True, capture_output=True)
	pools = json.loads(heapfx_ok("analyze", core, "--format", "json").out).get("pools", {}).get("list", [])
	return [pool for pool in pools if pool["kind"] == "zend_mm_heap"]


def check(home, child):
	usage = counted(home, child)
	heap, = heaps_of(home, child)
	assert (heap["bytes"], heap["bytes"] - heap["free"]) == usage
	assert sum(kind["bytes"] for kind in heap["contents"]) == usage[1]
	assert heap["agrees"]


@pytest.mark.parametrize("mode", ("plain", "cached", "fibers"))
def test_usage_is_what_php_counts(home, mode):
	"""Of a script; with chunks kept for later; with the stacks of fibers."""
	with running(home, "fill.php", mode) as child:
		check(home, child)


def ask(port, path, timeout=60):
	connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
	connection.request("GET", path)
	return connection


def test_usage_after_other_requests(home):
	"""A server's chunks from requests that are over are still its own."""
	with socket.socket() as free:
		free.bind(("127.0.0.1", 0))
		port = free.getsockname()[1]
	with running(home, "-S", f"127.0.0.1:{port}", "-t", home) as child:
		deadline = time.monotonic() + 60
		while socket.socket().connect_ex(("127.0.0.1", port)):
			assert child.poll() is None and time.monotonic() < deadline
			time.sleep(0.05)
		for n in REQUESTS:
			assert ask(port, f"/fill.php?n={n}").getresponse().status == 200
		os.remove(home / "usage")
		waiting = ask(port, "/fill.php?n=3000&wait=1")
		check(home, child)
		waiting.close()


def test_blocks_of_malloc_are_no_heap(home):
	with running(home, "fill.php", "plain", USE_ZEND_ALLOC="0") as child:
		counted(home, child)
		assert not heaps_of(home, child)
