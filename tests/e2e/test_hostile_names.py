"""Names that lie, in a dump: each format goes through a reader of its own, and none is misled.

A program has types, fields, variables, functions, threads, files and a library with names of one kind of
lie each.  Names that no compiler takes are put into its debug information and symbols afterwards, in
place of others of the same length.
"""
import collections
import csv
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from common import HEAPFX, ROOT, SLOW, heapfx, heapfx_ok, make_cores
from profiles import Profile, go_tool_pprof
from test_sql_shell import PROMPT, Terminal

LONG = 1_000_000
LIES = {
	"escape": b"\x1b[31mred\x1b]0;title\x07\x08\x7f",
	"lines": b"one\r\n::error::two\n\t\x0b\x0cthree",
	"markup": b"</script><script>alert(1)</script><!--&amp;]]><img src=x onerror=alert(2)>",
	"quotes": b"\"'`\\\"); drop table blocks; --,=1+1",
	"actions": b"%0A::error file=a,line=1::x%25%0D::stop-commands::b",
	"markdown": b"|`**b**`|[x](javascript:alert(1))<b>_a_ ![i](http://x/y)",
	"folded": b"a;b c 12;d 99",
	"bidi": "\u202eabc\u202c\u2066d\u2069\u200f\u061c".encode(),
	"unseen": "\u200b\u200d\ufeff\u00ad\u2060\u2028\u2029\u0085\u009b31m\U000e0041".encode(),
	"broken": b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf8\xf5",
	"long": b"L" * LONG,
}
FILES = [name for name in LIES if name != "long"]	# a file's name has 255 bytes and no slash
ROOM = 120
# Controls but ends of lines; what turns text around or is not seen.
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
	"\U000e0000-\U000e0fff]")

LIBRARY = """
#include <stdlib.h>
static void *kept[4000];
void lib_fill(void) { for (int i = 0; i < 4000; i++) kept[i] = calloc(1, 208); }
void **lib_kept(void) { return kept; }
"""
HEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
static pthread_barrier_t ready;
static void dirty(char *p, size_t n) { memset(p, 'x', n); }
static void map_file(const char *path)
{
	int fd = open(path, O_RDWR);
	char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		abort();
	dirty(p, 1 << 16);
	close(fd);
}
"""
# A list that grows, one that is dropped, one that a thread's stack holds, and the same text many times.
ONE = """
struct @T { struct @T *@F; char room[@N]; };
struct @T *@G;
static struct @T *make_@I(int n)
{
	struct @T *first = NULL;

	while (n--) {
		struct @T *node = calloc(1, sizeof(*node));

		node->@F = first;
		first = node;
		dirty(node->room, 8);
	}
	return first;
}
__attribute__((noinline)) void @S(struct @T *volatile *own)
{
	pthread_barrier_wait(&ready);
	pause();
	asm volatile("" : : "r"(own) : "memory");
}
static void *run_@I(void *name)
{
	struct @T *volatile own = make_@I(500);

	prctl(PR_SET_NAME, name);
	@S(&own);
	return own;
}
static void start_@I(const char *name)
{
	pthread_t t;
	struct @T *volatile lost = make_@I(60);

	@G = make_@I(6000);
	lost = NULL;
	(void)lost;
	for (int i = 0; i < 100; i++) {
		char *text = malloc(2048);
		memset(text, 0, 2048);
		strncpy(text, name, 2047);
		((void **)@G->room)[1] = text;
		*(void **)(@G->room + 16 + 8 * (i % 8)) = text;
	}
	pthread_create(&t, NULL, run_@I, (void *)name);
}
"""
TAIL = """
int main(int argc, char **argv)
{
	void *library = dlopen(argv[1], RTLD_NOW);
	void (*fill)(void) = library ? (void (*)(void))dlsym(library, "lib_fill") : NULL;

	if (!fill)
		return 1;
	fill();
	pthread_barrier_init(&ready, NULL, @COUNT + 1);
	for (int i = 2; i < argc; i++)
		map_file(argv[i]);
@STARTS
	pthread_barrier_wait(&ready);
	puts("ready");
	fflush(stdout);
	getchar();
	return 0;
}
"""


def stand_in(kind, number, size):
	"""What the compiler is told in place of a name."""
	return f"{kind}{number:02}_".ljust(size, "z")


def literal(data):
	return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


def source_of():
	parts, starts = [HEAD], []
	for i, (lie, name) in enumerate(LIES.items()):
		size = max(ROOM, len(name))
		words = {"@T": stand_in("t", i, size), "@F": stand_in("f", i, size), "@G": stand_in("g", i, size),
			"@S": stand_in("s", i, size), "@N": str(200 + 16 * i), "@I": lie}
		one = ONE
		for word, to in words.items():
			one = one.replace(word, to)
		parts.append(one)
		starts.append(f"\tstart_{lie}({literal(name[:1000])});")
	return "".join(parts) + TAIL.replace("@COUNT", str(len(LIES))).replace("@STARTS", "\n".join(starts))


def spoil(program):
	"""Names in place of those that stand for them, as long as they are."""
	data = bytearray(program.read_bytes())
	for i, name in enumerate(LIES.values()):
		size = max(ROOM, len(name))
		for kind in "tfgs":
			word, by = stand_in(kind, i, size).encode(), (kind.encode() + name).ljust(size, b"z")[:size]
			assert word in data, word[:20]
			data = data.replace(word, by)
	program.write_bytes(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
	"""The core."""
	home = tmp_path_factory.mktemp("names")
	folder = home / os.fsdecode(LIES["lines"] + LIES["escape"] + LIES["bidi"])
	folder.mkdir()
	files = [os.fsencode(folder) + b"/" + LIES[lie].replace(b"/", b"\\") for lie in FILES]
	for path in files:
		pathlib.Path(os.fsdecode(path)).write_bytes(bytes(1 << 16))
	(home / "library.c").write_text(LIBRARY)
	(home / "main.c").write_text(source_of())
	library = os.fsencode(folder) + b"/" + LIES["markup"].replace(b"/", b"\\") + b".so"
	subprocess.run(["gcc", "-shared", "-fPIC", "-s", "-o", home / "library.so", home / "library.c"], check=True)
	shutil.move(home / "library.so", os.fsdecode(library))
	program = folder / os.fsdecode(LIES["markdown"].replace(b"/", b"\\") + b".exe")
	subprocess.run(["gcc", "-g", "-O0", "-gno-column-info", "-pthread", "-o", home / "main", home / "main.c"], check=True)
	spoil(home / "main")
	shutil.move(home / "main", program)
	core = folder / "core"
	with subprocess.Popen([program, library, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
		assert child.stdout.readline() == b"ready\n"
		make_cores.wait_until_at_rest(child.pid)
		heapfx_ok("capture", child.pid, "--mode", "stop", "-o", core, "--pack", "none")
		child.stdin.close()
	yield core
	core.unlink()


def clean(text):
	found = BAD.search(text)
	assert not found, repr(text[max(0, found.start() - 80):found.end() + 20])


def strings_of(value):
	if isinstance(value, str):
		yield value
	elif isinstance(value, dict):
		for key, inner in value.items():
			yield key
			yield from strings_of(inner)
	elif isinstance(value, list):
		for inner in value:
			yield from strings_of(inner)


def clean_json(text):
	value = json.loads(text)
	for s in strings_of(value):
		clean(s.replace("\n", "").replace("\t", ""))
	return value


class Page(html.parser.HTMLParser):
	"""Elements of a page, and where links go."""
	def __init__(self, text):
		super().__init__()
		self.tags, self.attributes, self.words = collections.Counter(), set(), []
		self.feed(text)
		self.close()

	def handle_starttag(self, tag, attrs):
		self.tags[tag] += 1
		self.attributes |= {key for key, _value in attrs}
		for key, value in attrs:
			assert key not in ("href", "src") or not (value or "").lower().startswith("javascript"), value

	def handle_data(self, data):
		self.words.append(data)


def check_page(text):
	clean(text.replace("\t", ""))
	page = Page(text)
	assert not {"img", "b", "iframe", "em", "strong"} & page.tags.keys(), page.tags
	assert not [a for a in page.attributes if a.startswith("on")]
	return page


def check_text(text):
	clean(text)


def check_html(text):
	page = check_page(text)
	plain = Page(heapfx_ok("analyze", dump_for_comparison(), "--format", "html").out)
	assert page.tags["script"] == plain.tags["script"]
	assert any("alert(1)" in words for words in page.words)
	assert len(text) < 5_000_000


def dump_for_comparison():
	from common import dump_of  # pylint: disable=import-outside-toplevel
	return dump_of("leakzoo.bookworm").core


def check_json(text):
	clean_json(text)


def check_sarif(text):
	sarif = clean_json(text)
	jsonschema.validate(sarif, json.loads((ROOT / "docs/schema/sarif-2.1.0.schema.json").read_text()),
		format_checker=jsonschema.FormatChecker())
	for result in sarif["runs"][0]["results"]:
		for place in result["locations"]:
			uri = place.get("physicalLocation", {}).get("artifactLocation", {}).get("uri", "")
			assert re.fullmatch(r"[\w:/.~%+@=,!$&'()*;-]*", uri), uri


def check_gitlab(text):
	issues = clean_json(text)
	assert len({issue["fingerprint"] for issue in issues}) == len(issues) > 3


def check_junit(text):
	clean(text.replace("\t", ""))
	suites = junitparser.JUnitXml.fromstring(text.encode())
	assert sum(1 for suite in suites for _case in suite) > 3


def check_github(text):
	clean(text)
	for line in text.splitlines():
		command, properties, _message = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line).groups()
		assert command and all(re.fullmatch(r"\w+=[^,:]*", p) for p in properties.split(",")), line[:200]


def check_markdown(text):
	clean(text)
	rendered = MarkdownIt("commonmark").enable("table").render(text)
	page = check_page_of_markdown(rendered)
	assert page.tags["a"] == 0
	rows = re.findall(r"<tr>(.*?)</tr>", rendered, re.S)
	tables = [len(re.findall("<t[hd]", row)) for row in rows]
	assert tables and min(tables) > 1


def check_page_of_markdown(rendered):
	page = Page(rendered)
	assert not {"img", "script", "iframe"} & page.tags.keys(), page.tags
	assert not any("javascript" in words and "](" not in words and "x" not in words for words in page.words)
	return page


def check_openmetrics(text):
	clean(text)
	families = list(text_string_to_metric_families(text))
	for family in families:
		for sample in family.samples:
			for value in sample.labels.values():
				clean(value)
	assert families


def check_folded(text):
	clean(text)
	for line in text.splitlines():
		names, number = line.rsplit(" ", 1)
		assert number.isdigit() and all(names.split(";")), line[:200]
	# one that lies is one frame, not three
	assert not [line for line in text.splitlines() if re.search(r"(^|;)b c 12(;|$)", line)]


def check_speedscope(text):
	value = clean_json(text)
	jsonschema.validate(value, json.loads((ROOT / "docs/schema/speedscope-1.25.schema.json").read_text("utf-8")))


def check_svg(text):
	clean(text.replace("\t", ""))
	root = ElementTree.fromstring(text)
	tags = collections.Counter(element.tag.rsplit("}", 1)[-1] for element in root.iter())
	assert not {"script", "image", "a", "img", "foreignObject"} & tags.keys(), tags


def check_snapshot(text):
	snapshot = clean_json(text)
	assert len(snapshot["nodes"]) == 7 * snapshot["snapshot"]["node_count"] or snapshot["nodes"]


def check_jsonl(text):
	for line in text.splitlines():
		clean_json(line)


def check_csv(text):
	clean(text.replace("\r\n", "\n"))
	rows = list(csv.reader(io.StringIO(text), strict=True))
	assert len({len(row) for row in rows}) == 1 and len(rows) > 1


READERS = {"text": check_text, "json": check_json, "html": check_html, "sarif": check_sarif, "gitlab": check_gitlab,
	"junit": check_junit, "github": check_github, "markdown": check_markdown, "openmetrics": check_openmetrics,
	"folded": check_folded, "speedscope": check_speedscope, "svg": check_svg, "heapsnapshot": check_snapshot,
	"jsonl": check_jsonl, "csv": check_csv}


def test_the_lies_are_in_the_dump(hostile):
	"""What follows would say nothing if the names did not get that far."""
	report = json.loads(heapfx_ok("analyze", hostile, "--format", "json", "--top", "50", timeout=120).out)
	words = "\n".join(strings_of(report))
	for seen in (r"\x1b[31mred\x1b]0;", r"one\x0d\x0a::error", "</script><script>alert(1)", "\"'`\\\\\"); drop", "%0A::error", "|`**b**`|",
			"a;b c 12", r"\u{202e}abc\u{202c}", r"\u{200b}\u{200d}", r"\xff\xfe\xc0", "L" * 1000):
		# once escaped, however many readers and writers it has passed
		for kind in "tg":
			assert f"{kind}{seen}" in words, kind + seen
	assert all(len(s) < 2 * LONG for s in strings_of(report))


@pytest.mark.parametrize("word", [w for w in READERS if w not in ("jsonl", "csv")])
def test_analyze(hostile, tmp_path, word):
	run = heapfx("analyze", hostile, "--top", "50", "--strings", "preview", "-o", f"{word}={tmp_path / 'out'}", timeout=120)
	assert run.status == 0, run.err
	check_text(run.err)
	READERS[word]((tmp_path / "out").read_bytes().decode("utf-8", "strict"))


def test_pprof(hostile, tmp_path):
	out = tmp_path / "out.pb.gz"
	heapfx_ok("analyze", hostile, "-o", f"pprof={out}", timeout=120)
	p = Profile(out)
	for names, _values, labels in p.samples:
		for s in (*names, *map(str, labels.values())):
			clean(s.replace("\n", " "))
	if shutil.which("go"):
		check_text(go_tool_pprof(out, "-top"))


def test_database(hostile, tmp_path):
	for command in (("analyze", hostile, "-o", f"sqlite={tmp_path / 'a'}"), ("sql", hostile, "select * from types", "--format",
			"sqlite", "-o", tmp_path / "b")):
		heapfx_ok(*command, timeout=120)
	for path in (tmp_path / "a", tmp_path / "b"):
		with sqlite3.connect(path) as db:
			for table, in db.execute("select name from sqlite_master where type = 'table'").fetchall():
				for row in db.execute(f'select * from "{table}"'):
					for cell in row:
						assert not isinstance(cell, bytes)
						if isinstance(cell, str):
							clean(cell.replace("\n", "").replace("\t", ""))


def test_result(hostile, tmp_path):
	heapfx_ok("analyze", hostile, "-o", f"result={tmp_path / 'r'}", timeout=120)
	for word in ("text", "json", "html", "markdown", "github", "folded"):
		READERS[word](heapfx_ok("analyze", tmp_path / "r", "--top", "50", "--format", word, timeout=120).out)


TABLES = ("types", "threads", "modules", "segments", "frames", "roots", "suspects", "strings", "blocks limit 50", "input")


@pytest.mark.parametrize("word", ["text", "json", "jsonl", "csv"])
def test_sql(hostile, word):
	known = heapfx_ok("sql", hostile, "select name from sqlite_master", "--format", "csv").out.split()
	for table in TABLES:
		if table.split()[0] not in known:
			continue
		run = heapfx("sql", hostile, f"select * from {table}", "--format", word, timeout=120)
		assert run.status == 0, run.err
		if word == "json":
			clean_json(run.out)
		elif run.out.count("\n") > 1:
			READERS[word](run.out)


def test_formulas_stay_what_they_are(hostile):
	"""CSV is for programs: a cell that a spreadsheet would take for a formula is neither marked nor changed."""
	cells = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/c calc'!A1"]
	query = "select " + ", ".join("'" + cell.replace("'", "\'\'") + f"' as c{i}" for i, cell in enumerate(cells))
	out = heapfx_ok("sql", hostile, query, "--format", "csv").out
	assert list(csv.reader(io.StringIO(out), strict=True))[1] == cells


@pytest.mark.parametrize("command", ["analyze", "info"])
@pytest.mark.parametrize("has_core", [True, False])
def test_members_of_a_bundle(hostile, tmp_path, command, has_core):
	"""Names of members: of the core, of programs that are whole, that are cut, that are none, and that leave the folder."""
	program = next(hostile.parent.glob("*.exe")).read_bytes()
	bundle = tmp_path / "bundle.tar"
	with tarfile.open(bundle, "w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
		if has_core:
			tar.add(hostile, os.fsdecode(LIES["escape"] + LIES["lines"]) + ".core")
		for lie in LIES.values():
			for before, data in [("", program), ("../", program[:5000]), ("/", b"\x7fELF\2\1\1" + bytes(9)), ("x/", b"maps")]:
				member = tarfile.TarInfo(before + os.fsdecode(lie))
				member.size = len(data)
				tar.addfile(member, io.BytesIO(data))
	for word in ("text", "json"):
		run = heapfx(command, bundle, "--top", "50", "--format", word, timeout=120) if command == "analyze" else \
			heapfx(command, bundle, "--format", word, timeout=120)
		assert run.status == (0 if has_core else 3), run.err
		clean(run.err)
		if has_core:
			(check_json if command == "analyze" and word == "json" else clean_json if word == "json" else check_text)(run.out)


def test_shell(hostile):
	"""What the shell prints on a terminal; what is typed comes back as the terminal has it."""
	address = json.loads(heapfx_ok("analyze", hostile, "--format", "json", timeout=120).out)["suspects"][0]["chain"]["hops"][0]["address"]
	shell = Terminal(hostile, "--no-progress", HOME="/nowhere", PAGER="cat", TERM="xterm-256color")
	try:
		shell.until(re.escape(PROMPT))
		for mode in ("text", "json", "csv"):
			shell.ask(f".mode {mode}")
			for line in ("select * from types;", "select * from threads;", "select * from modules;", "select path from input;",
					f".explain {address}", f".path {address}", "select nothing_such from types;"):
				out = shell.ask(line)
				assert "red" in out or "nothing_such" in line or line[0] == ".", (line, out[:300])
				check_text(out)
	finally:
		shell.close()


def test_other_commands(hostile):
	check_text(heapfx_ok("info", hostile).out)
	clean_json(heapfx_ok("info", hostile, "--format", "json").out)
	check_jsonl(heapfx_ok("blocks", hostile).out)
	check_csv(heapfx_ok("blocks", hostile, "--format", "csv").out)


def test_explain(hostile):
	report = json.loads(heapfx_ok("analyze", hostile, "--format", "json", "--top", "50", timeout=120).out)
	addresses = {a for s in report["suspects"] for a in s.get("addresses", [])[:1]}
	assert len(addresses) > 5
	for address in sorted(addresses)[:12]:
		check_text(heapfx_ok("explain", hostile, address, timeout=120).out)
		clean_json(heapfx_ok("explain", hostile, address, "--format", "json", timeout=120).out)


@pytest.mark.parametrize("word", ["text", "json", "html", "pprof"])
def test_diff(hostile, tmp_path, word):
	out = tmp_path / "out"
	run = heapfx("diff", dump_for_comparison(), hostile, "--top", "50", "--format", word, "-o", out, timeout=120)
	assert run.status == 0, run.err
	check_text(run.err)
	if word == "pprof":
		for names, _values, labels in Profile(out).samples:
			for s in (*names, *map(str, labels.values())):
				clean(s.replace("\n", " "))
	elif word == "html":
		assert not check_page(out.read_text("utf-8")).tags["script"]
	elif word == "json":
		clean_json(out.read_text("utf-8"))
	else:
		check_text(out.read_text("utf-8"))


def test_on_a_terminal(hostile):
	"""Where it is coloured: heapfx's own sequences, and no others."""
	run = subprocess.run(["script", "-qec", f"{HEAPFX} analyze --no-progress --top 50 \"$CORE\"", "/dev/null"],
		env={**os.environ, "CORE": os.fspath(hostile), "TERM": "xterm-256color"}, capture_output=True, timeout=120 * SLOW,
		check=True, stdin=subprocess.DEVNULL)
	text = run.stdout.decode("utf-8", "strict").replace("\r\n", "\n")
	check_text(re.sub("\x1b\\[[0-9;]*m", "", text))
	assert "\x1b[31mred" not in text

PYTHON = """
import sys, time, types
kept = []
for lie in eval(sys.argv[1]):
	module = sys.modules[lie] = types.ModuleType(lie)
	kind = type(lie, (), {"__module__": lie, "__qualname__": lie})
	things = [kind() for _ in range(3000)]
	for i, thing in enumerate(things):
		thing.__dict__[lie] = bytearray(200 + 16 * len(kept))
	module.__dict__[lie] = {lie: {lie: things}}
	ring = kind()
	ring.__dict__[lie] = ring
	del ring
	kept.append(lie)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
	"""A dump of a Python program whose modules, classes, attributes and keys have these names."""
	if not (3, 7) <= sys.version_info < (3, 14):
		pytest.skip("a CPython that is not read")
	core = tmp_path_factory.mktemp("python") / "core"
	lies = [lie.decode("utf-8") for name, lie in LIES.items() if name != "broken"]	# CPython's names are valid
	with subprocess.Popen([sys.executable, "-I", "-c", PYTHON, ascii(lies).replace("L" * LONG, f"' + 'L' * {LONG} + '")],
			stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
		assert child.stdout.readline() == b"ready\n"
		make_cores.wait_until_at_rest(child.pid)
		heapfx_ok("capture", child.pid, "--mode", "stop", "-o", core, "--pack", "none")
		child.stdin.close()
	yield core
	core.unlink()


def test_names_of_python(python, tmp_path):
	"""Every format of one run, and the tables."""
	words = [w for w in READERS if w not in ("jsonl", "csv", "gitlab")]
	run = heapfx("analyze", python, "--top", "60", "--strings", "preview", "-o", f"result={tmp_path}/result",
		*(option for word in words for option in ("-o", f"{word}={tmp_path}/{word}")), timeout=120)
	assert run.status == 0, run.err
	check_text(run.err)
	for word in words:
		READERS[word]((tmp_path / word).read_bytes().decode("utf-8", "strict"))
	report = json.loads((tmp_path / "json").read_text("utf-8"))
	names = [row["name"] for row in report["types"]]
	# with controls in it nothing is taken for a class's name
	for seen in ("</script><script>alert(1)", "%0A::error", "a;b c 12", "; drop table"):
		assert any(seen in name for name in names), seen
	assert max(map(len, strings_of(report))) < 10_000
	for table in ("types", "suspects", "roots", "chains", "problems"):
		clean(heapfx_ok("sql", tmp_path / "result", f"select * from {table}", timeout=120).out)
	for address in [row["addresses"][0] for row in report["suspects"] if row["addresses"]]:
		clean(heapfx_ok("explain", python, address, timeout=120).out)
