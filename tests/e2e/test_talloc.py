"""talloc's trees: pools, names, sizes as talloc counts them; and nothing that its tree holds is lost."""
import json
import pathlib

import pytest

import make_cores
import make_pools
from common import blocks_of, heapfx_ok, dump_of, made, report_of, truth_of, used_of

pytestmark = pytest.mark.skipif(not pathlib.Path("/usr/include/talloc.h").exists(), reason="no libtalloc-dev")
NAME = "tallocs"


@pytest.mark.parametrize("linked", (False, True))
def test_pools_are_the_trees(linked):
	"""With the library beside the program, or in it and stripped."""
	if linked:
		case = made(make_pools.make_case, f"{NAME}.linked", "pools-made")
		totals = make_cores.read_truth(case.truth)[1]
		pools = json.loads(heapfx_ok("analyze", case.core, "--format", "json").out)["pools"]["list"]
	else:
		totals = truth_of(NAME)[1]
		pools = report_of(NAME)["pools"]["list"]
	by_path = {}
	for pool in pools:
		assert pool["kind"] == "talloc"
		by_path.setdefault(pool["path"], []).append(pool)
	assert set(by_path) == {"server", "server/struct session", "server/?", "struct session"}
	assert len(by_path["server/struct session"]) == totals["talloc.sessions"]
	assert len(by_path["struct session"]) == len(by_path["server"]) == 1
	mine = [pool for pool in pools if pool["path"].startswith("server")]
	assert sum(pool["bytes"] for pool in mine) == totals["talloc.total_size"]
	assert sum(pool["blocks"] for pool in mine) == totals["talloc.total_blocks"] - totals["talloc.cut"]


def test_chunks_are_called_by_their_names():
	_truth, totals = truth_of(NAME)
	types = {t["name"]: t["count"] for t in report_of(NAME)["types"]}
	assert types["talloc struct session"] == totals["talloc.sessions"] + 1
	assert types["talloc char"] == totals["talloc.sessions"] + 1
	assert types["talloc server"] == 1


def test_what_a_string_is_called_by_is_not_shown():
	"""talloc_strdup() names a chunk by its own contents."""
	for more in ((), ("--format", "json")):
		assert "nobody is to see" not in heapfx_ok("analyze", dump_of(NAME).core, *more).out


def test_chunks_are_held_by_their_insides():
	truth, totals = truth_of(NAME)
	assert totals["complete"]
	used = used_of(blocks_of(NAME))
	assert truth.keys() == used.keys()
	wrong = [(hex(a), kind, state, used[a]["reach"]) for a, (_size, kind, state) in truth.items()
		if kind != "OTHER" and used[a]["reach"] != state]
	assert not wrong
