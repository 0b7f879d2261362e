"""The shell of `heapfx sql` on a terminal: editing, completion, history, the pager, Ctrl-C."""
import contextlib
import os
import pty
import re
import select
import stat
import termios
import time

import pytest

from common import HEAPFX, SLOW, dump_of, environment, heapfx_ok
from test_sql import stdin_of

CORE = "leakzoo.bookworm"
PROMPT, MORE, CTRL_C, CTRL_D, CTRL_U, UP = "heapfx> ", "   ...> ", "\x03", "\x04", "\x15", "\x1b[A"


class Terminal:
	"""A shell under a terminal of its own."""

	def __init__(self, *args, **env):
		argv = [HEAPFX, "sql", *map(str, args)]
		self.pid, self.fd = pty.fork()
		if not self.pid:
			os.execve(argv[0], argv, environment(env))
		self.out, self.status = "", None

	def read(self):
		"""False at the end."""
		if not select.select([self.fd], [], [], 60 * SLOW)[0]:
			raise AssertionError(f"silent after {self.out[-500:]!r}")
		try:
			more = os.read(self.fd, 1 << 16)
		except OSError:		# how a terminal without processes ends
			more = b""
		self.out += more.decode("utf-8", "replace")
		return bool(more)

	def until(self, pattern):
		"""What it wrote, to the end of the first match."""
		deadline = time.monotonic() + 120 * SLOW
		while not (found := re.search(pattern, self.out)):
			assert time.monotonic() < deadline and self.read(), (pattern, self.out[-2000:])
		taken, self.out = self.out[:found.end()], self.out[found.end():]
		return taken

	def type(self, keys):
		os.write(self.fd, keys.encode())

	def wait_for_editing(self):
		"""Until the shell echoes itself: the prompt is there a moment earlier."""
		while termios.tcgetattr(self.fd)[3] & termios.ECHO:
			time.sleep(0.005)

	def ask(self, line, end=PROMPT):
		"""A line, and what follows it to the next prompt, without the typed one."""
		self.wait_for_editing()
		self.type(line + "\n")
		out = self.until(rf"(?:^|\n){re.escape(end)}$")
		return out.partition("\n")[2].removesuffix(end).replace("\r", "")

	def end(self):
		while self.read():
			pass
		self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
		assert "Sanitizer" not in self.out, self.out
		return self.status

	def close(self):
		os.close(self.fd)	# a hang-up ends it
		if self.status is None:
			os.waitpid(self.pid, 0)


@pytest.fixture
def shell(tmp_path):
	"""Shells that keep their history in one folder; rows are printed as JSON."""
	with contextlib.ExitStack() as stack:
		def start(**env):
			terminal = Terminal(dump_of(CORE).core, "--format", "jsonl",
				**{"XDG_STATE_HOME": str(tmp_path / "state"), "PAGER": "", **env})
			stack.callback(terminal.close)
			terminal.until(PROMPT)
			return terminal
		yield start


def test_names_are_completed(shell):
	s = shell()
	assert '"n":' in s.ask("select count(*) as n from blo\t;")	# not the column `block`
	assert re.search(r'"total":\d', s.ask("select sum(blocks.reta\t) as total from blocks;"))
	assert '"retained"' in s.ask("select id,reta\tfrom suspects limit 1;")
	assert s.ask(".ta\t").splitlines()[0] == "blocks"
	assert s.ask(".schema goro\t").startswith("goroutines(id, ")
	s.wait_for_editing()
	s.type("select blo\t\t")		# neither is meant more: a list
	s.until(r"block +blocks\s+\S*heapfx> select block")
	s.type(CTRL_U)
	s.ask("select count(*) > 0 as some from threads", end=MORE)
	assert s.ask("where ti\t> 0;") == '{"some":1}\n'	# of `threads`: suspects have a title


def test_history_is_kept_between_runs(shell, tmp_path):
	s = shell()
	s.ask("select 6 *", end=MORE)
	assert s.ask("7 as answer;") == '{"answer":42}\n'
	s.ask(".mode csv")
	file = tmp_path / "state/heapfx/sql_history"
	assert stat.S_IMODE(file.stat().st_mode) == 0o600	# there before the end: a terminal may be closed
	assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
	s.wait_for_editing()	# before that, the end is not told from a character
	s.type(CTRL_D)
	assert s.end() == 0
	s = shell()
	assert s.ask(UP + UP) == '{"answer":42}\n'	# the whole statement, as one line


def test_two_shells_keep_one_history(shell, tmp_path):
	"""What one adds stays when the other, which never saw it, adds its own; the file does not grow for ever."""
	file = tmp_path / "state/heapfx/sql_history"
	first = shell()
	assert first.ask("select 1 as a;") == '{"a":1}\n'
	second = shell()
	assert first.ask("select 2 as a;") == '{"a":2}\n'
	assert second.ask("select 3 as a;") == '{"a":3}\n'
	assert first.ask("select 4 as a;") == '{"a":4}\n'
	third = shell()
	assert third.ask(UP * 3) == '{"a":2}\n'	# the second's lies between the first's
	cookie, *lines = file.read_text().splitlines()
	assert cookie == "_HiStOrY_V2_" and lines == [rf"select\040{n}\040as\040a;" for n in (1, 2, 3, 4, 2)]
	file.write_text("\n".join([cookie] + lines * 300) + "\n")
	assert shell().ask(UP) == '{"a":2}\n'
	assert len(file.read_text().splitlines()) <= 1001 and file.read_text().startswith(cookie)


def test_a_home_gets_the_folder_and_none_is_made(shell, tmp_path):
	home = tmp_path / "home"
	home.mkdir()
	for where in (home, tmp_path / "nowhere"):
		s = shell(XDG_STATE_HOME="", HOME=str(where))
		assert s.ask("select 1 as a;") == '{"a":1}\n'
	assert (home / ".local/state/heapfx/sql_history").is_file()
	assert not (tmp_path / "nowhere").exists()


def test_a_command_within_a_statement_is_told(shell):
	s = shell()
	s.ask("select 1 as a", end=MORE)
	out = s.ask(".quit", end=MORE)
	assert ".quit was not run" in out and "; runs it" in out
	assert s.ask(";") == '{"a":1}\n'
	s.ask("select .5 +", end=MORE)
	assert s.ask(".25 as b;") == '{"b":0.75}\n'	# no command: the statement's
	assert s.ask("") == s.ask("  ") == s.ask("-- nothing") == s.ask("/* nothing */") == ""
	assert "blocks\n" in s.ask(".tables")
	assert "no such command: .nope" in s.ask(".nope")
	assert "syntax error" in s.ask("select from;")
	assert "no such table: nope" in s.ask(".schema nope")
	s.type(".quit\n")
	assert s.end() == 0


def test_control_c_gives_up_what_is_typed_and_what_runs(shell):
	s = shell()
	s.ask("select 1 as a", end=MORE)
	s.wait_for_editing()
	s.type("+ 5" + CTRL_C)
	s.until(rf"\n{PROMPT}$")
	assert s.ask("select 2 as b;") == '{"b":2}\n'
	s.type("with recursive c(x) as (select 1 union all select x + 1 from c) select x from c;\n")
	s.until('{"x":1000}')
	s.type(CTRL_C)
	assert "interrupted" in s.until(rf"\n{PROMPT}$")
	assert s.ask("select 3 as c;") == '{"c":3}\n'


def test_an_address_is_explained_in_a_pager(shell):
	address = heapfx_ok("sql", dump_of(CORE).core, "select hex_address(address) from blocks "
		"where parent is not null limit 1", "--format", "csv").out.split()[1].strip('"')
	s = shell(PAGER="sed s/^/paged:/")
	whole, path = s.ask(f".explain {address}"), s.ask(f".path {address};")
	assert "paged:  reachability" in whole and "chain" in whole
	assert "chain" in path and "reachability" not in path
	assert re.search(r"^paged:\{\"a\":1\}$", s.ask("select 1 as a;"), re.M)
	assert "no chain" in s.ask(".path 1") and "not an address" in s.ask(".explain zz")
	s = shell(PAGER="head -n 1")		# left before the last row: no failure
	assert s.ask("select 7 as n from blocks a, blocks b;") == '{"n":7}\n'
	s = shell(PAGER="nothing-such-that-pages")
	assert "not found" in s.ask("select 1 as a;")


def test_comments_of_a_script_begin_no_statement():
	out = heapfx_ok("sql", dump_of(CORE).core, stdin=stdin_of(
		"-- what is there\n\n/* all\nof it */\n.mode csv\nselect 1 +\n.5 as a;\n")).out
	assert out.splitlines() == ['"a"', "1.5"]
