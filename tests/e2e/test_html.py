"""The page in a real browser: it opens without a request or an error, and its charts can be used."""
import json
import re

import pytest

import chromium
from common import dump_of, heapfx_ok, report_of
from go_corpus import go_dump
from grows import series	# noqa: F401

NAMES = ["leakzoo.bookworm", "slack.1.27"]


def arguments(name):
	return go_dump(name).arguments if name.startswith("slack") else (dump_of(name).core,)


@pytest.fixture(scope="module")
def browser():
	with chromium.browser() as it:
		yield it.new_context(viewport={"width": 1200, "height": 1400}, reduced_motion="reduce")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
	home, made = tmp_path_factory.mktemp("html"), {}

	def page(name):
		if name not in made:
			made[name] = home / f"{name}.html"
			heapfx_ok("analyze", *arguments(name), "-o", f"html={made[name]}", timeout=120)
		return made[name]
	return page


@pytest.fixture
def tab(browser):
	"""A tab that ends with neither an error nor a request of the page's own."""
	tab, wrong, asked = browser.new_page(), [], []
	tab.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
	tab.on("pageerror", lambda e: wrong.append(str(e)))
	tab.on("request", lambda r: asked.append(r.url))
	yield tab
	opened = tab.url
	tab.close()
	assert wrong == [] and set(asked) <= {opened.partition("#")[0]}


def opened(tab, path):
	tab.goto(path.as_uri())
	tab.wait_for_selector("body[data-ready=yes]", timeout=60000)


def drawn(tab, chart):
	place = tab.locator(f"#{chart}")
	place.scroll_into_view_if_needed()
	place.locator(".cell, canvas").first.wait_for()
	settle(tab)
	return place


def settle(tab):
	"""Boxes get their places and names by timers that come with frames, even where nothing is to move."""
	tab.evaluate("""() => new Promise(done => {
		let frames = 10;
		const step = () => frames-- ? requestAnimationFrame(step) : done();
		step();
	})""")


def cells(tab, chart="paths"):
	"""[(name, bytes as shown, share of all, left, top, width)] of what is drawn"""
	rows = drawn(tab, chart).locator(".cell").evaluate_all(
		"all => all.map(e => [e.getAttribute('aria-label'), e.getBoundingClientRect()])"
		".map(([label, at]) => [label, at.x, at.y, at.width])")
	return [(*label(text), x, y, width) for text, x, y, width in rows]


def label(text):
	name, _colon, rest = text.rpartition(": ")
	size, share = rest.split(", ")
	return name, size, float(share.split("%")[0].removeprefix("<"))


def names(tab, chart="paths"):
	return {name for name, *_ in cells(tab, chart)}


def focused(tab):
	settle(tab)
	text = tab.evaluate("document.activeElement.getAttribute('aria-label')")
	return *label(text), tab.evaluate("document.activeElement.getBoundingClientRect().width")


@pytest.mark.parametrize("name", NAMES)
def test_opens_alone(tab, pages, name):
	opened(tab, pages(name))
	for chart in ("paths", "type-tree", "dominator-tree", "heap-boxes", "heap-map"):
		drawn(tab, chart)
	assert pages(name).stat().st_size < 5 << 20


@pytest.mark.parametrize("name", NAMES)
def test_says_what_the_report_says(tab, pages, name):
	report = json.loads(heapfx_ok("analyze", *arguments(name), "--format", "json", timeout=120).out)
	opened(tab, pages(name))
	assert tab.inner_text(".verdict") == report["verdict"]
	assert tab.locator("details .title").all_inner_texts() == [s["title"] for s in report["suspects"]]
	parts = tab.locator(".stacked span").evaluate_all("all => all.map(e => e.getBoundingClientRect().width)")
	lines = [b for b in report["memory"]["breakdown"] if b["category"] != "mapping/untouched" and b["bytes"]]
	whole = sum(b["bytes"] for b in lines)
	width = tab.locator(".stacked").evaluate("e => e.clientWidth")
	assert len(parts) == len(lines)
	for part, line in zip(parts, lines):
		assert abs(part - width * line["bytes"] / whole) < 2.5
	first = tab.locator("details.suspect").first.inner_text()
	hops = report["suspects"][0].get("chain", {}).get("hops", [])
	assert all(hop["address"] in first for hop in hops)
	assert tab.locator("table.types tbody tr").count() == min(len(report["types"]), 2000)
	# all of the live heap, in the first box of the flame graph
	assert [c for c in cells(tab) if c[0] == "all"][0][2] == 100.0


@pytest.mark.parametrize("name", NAMES)
def test_first_screen_has_the_worst(tab, pages, name):
	"""The verdict, and the three worst with what to do, before anything is scrolled; each leads to all that is known of it."""
	suspects = json.loads(heapfx_ok("analyze", *arguments(name), "--format", "json", timeout=120).out)["suspects"][:3]
	opened(tab, pages(name))
	worst = tab.locator(".worst li")
	assert worst.count() == len(suspects) > 0
	for i, suspect in enumerate(suspects):
		one = worst.nth(i)
		assert one.locator(".title").inner_text() == suspect["title"]
		assert one.locator("p").inner_text() == suspect["advice"]
		assert one.bounding_box()["y"] + one.bounding_box()["height"] < 700
	worst.nth(0).locator("a").click()
	at = tab.locator("details.suspect").first.bounding_box()
	assert 0 <= at["y"] < 1000 and tab.url.endswith("#" + suspects[0]["id"])


def test_flame_graph(tab, pages):
	opened(tab, pages("leakzoo.bookworm"))
	before = cells(tab)
	name, *_, width = next(c for c in before if c[0].startswith("global "))
	inner = tab.locator("#paths").get_by_label(name).first
	inner.click()
	assert focused(tab)[0] == name and focused(tab)[-1] > max(width, 1000)
	assert names(tab) != {c[0] for c in before}
	tab.keyboard.press("Escape")
	assert names(tab) == {c[0] for c in before}
	assert focused(tab)[0] == "all"
	tab.keyboard.press("ArrowDown")
	below = focused(tab)
	assert below[0] != "all"
	tip = tab.locator("#tip")
	assert tip.is_visible() and tip.inner_text().splitlines()[0] == below[0] and "% of all" in tip.inner_text()
	tab.keyboard.press("Enter")
	assert focused(tab)[0] == below[0] and focused(tab)[-1] > 1000
	tab.keyboard.press("Backspace")
	assert names(tab) == {c[0] for c in before}
	tab.keyboard.press("/")
	tab.keyboard.type("80-byte")
	hits = tab.locator("#paths .hit")
	assert hits.count() and all("80-byte" in hit.get_attribute("aria-label") for hit in hits.all())
	assert re.fullmatch(r"[\d.]+ [KMG]?i?B, [\d.]+%", tab.inner_text("#paths .tools .found"))
	choice = tab.locator("#paths select")
	for i in range(choice.locator("option").count()):
		choice.select_option(index=i)
		assert cells(tab)


def test_flame_graph_is_the_library_s(tab, pages):
	if "d3-flame-graph:" not in pages("leakzoo.bookworm").read_text("utf-8"):
		pytest.skip("npm gave this build no d3-flame-graph")
	opened(tab, pages("leakzoo.bookworm"))
	for chart in ("paths", "type-tree", "dominator-tree"):
		assert drawn(tab, chart).locator("svg.d3-flame-graph g.frame").count() > 3


def test_flame_graph_fits_its_place(tab, pages):
	"""It follows the window, and keeps its zoom."""
	opened(tab, pages("leakzoo.bookworm"))
	name = next(c for c in cells(tab) if c[0].startswith("global "))[0]
	tab.locator("#paths").get_by_label(name).first.click()
	tab.set_viewport_size({"width": 700, "height": 900})
	settle(tab)
	widths = [c[-1] for c in cells(tab)]
	assert 600 < max(widths) <= 700 and focused(tab)[0] == name and focused(tab)[-1] >= max(widths) - 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours(tab, pages, scheme):
	"""Words stand out from what is behind them, by day and by night: WCAG's measure, 4.5 for text."""
	tab.emulate_media(color_scheme=scheme)
	opened(tab, pages("leakzoo.bookworm"))
	pairs = drawn(tab, "paths").locator(".cell").evaluate_all("""all => all.filter(e => e.textContent).map(e => {
		const box = e.querySelector("rect"), text = e.querySelector(".d3-flame-graph-label") ?? e;
		return [getComputedStyle(text).color, box ? getComputedStyle(box).fill : getComputedStyle(e).backgroundColor];
	})""")
	pairs.append(tab.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"))
	assert len(pairs) > 3
	light = [[sum(weight * (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4) for weight, v in zip(
		(0.2126, 0.7152, 0.0722), [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]])) for colour in pair] for pair in pairs]
	assert min((max(pair) + 0.05) / (min(pair) + 0.05) for pair in light) >= 4.5
	assert (light[-1][1] > 0.5) == (scheme == "light")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_moves_once_the_page_is_ready(tab, pages, name):
	"""What a reader is about to click stays under the pointer."""
	opened(tab, pages(name))
	where = lambda: tab.locator("section, table, .picture").evaluate_all(  # noqa: E731
		"all => all.map(e => [e.id, e.getBoundingClientRect().top, e.getBoundingClientRect().height])")
	before = where()
	tab.wait_for_timeout(1500)
	assert len(before) > 5 and where() == before


def test_tables_sort_and_filter(tab, pages):
	opened(tab, pages("slack.1.27"))
	table = tab.locator("table.types")
	count = lambda: [int(v) for v in table.locator("tbody tr td:nth-child(5)").evaluate_all(  # noqa: E731
		"all => all.map(e => e.dataset.v)")]
	button = table.locator("thead button").nth(3)
	button.click()
	assert count() == sorted(count(), reverse=True) and len(count()) > 5
	button.click()
	assert count() == sorted(count())
	tab.locator("#types ~ .tools input").fill("map[")
	shown = [r for r in table.locator("tbody tr").all() if r.is_visible()]
	assert 0 < len(shown) < len(count()) and all("map[" in r.inner_text().lower() for r in shown)


def shown_bytes(n):
	for unit in ("B", "KiB", "MiB", "GiB"):
		if n < 1024 or unit == "GiB":
			return f"{n} B" if unit == "B" else f"{n:.1f} {unit}"
		n /= 1024


def test_largest_holders(tab, pages):
	"""The dominator tree has what the report says, and a chain leads into it."""
	report = report_of("leakzoo.bookworm")
	tops = {(d["name"], shown_bytes(d["retained"])) for d in report["dominators"] if "holder" not in d}
	opened(tab, pages("leakzoo.bookworm"))
	shown = {c[:2] for c in cells(tab, "dominator-tree")}
	assert len(tops & shown) >= 3 and ("(lost)", shown_bytes(126752)) in shown
	step = tab.locator("ol.chain li[data-at]", has=tab.locator("button.follow")).first
	address = step.get_attribute("data-at")
	step.locator("button.follow").first.press("Enter")
	name, size, _share, width = focused(tab)
	node = next(d for d in report["dominators"] if d.get("address") == address)
	assert (name, size) == (node["name"], shown_bytes(node["retained"])) and width > 1000
	assert address in tab.inner_text("#tip")


def test_many_small_holders_are_seen(tab, series, tmp_path):
	"""Thousands that are too narrow each are one box, as wide as all; a chain leads to it from any of them."""
	core, counts = series[2]
	heapfx_ok("analyze", core, "-o", f"html={tmp_path}/page.html")
	opened(tab, tmp_path / "page.html")
	shown = {c[0]: c for c in cells(tab, "dominator-tree")}
	_name, size, share, *_place, width = shown["1008-byte block"]
	assert size == shown_bytes(counts[1000] * 1008) and width > 1100 * share / 100
	tab.locator("ol.chain li[data-at] button.follow").first.press("Enter")
	assert focused(tab)[0] == "1008-byte block"
	assert f"{counts[1000]:,} of them" in tab.inner_text("#tip")


def test_tree_by_type(tab, pages):
	"""What a type holds stands below it: the map of the case holds its groups."""
	opened(tab, pages("slack.1.27"))
	boxes = cells(tab, "type-tree")
	outer = next(c for c in boxes if c[0] == "map[int64]int64")
	inner = next(c for c in boxes if c[0].startswith("map[int64]int64 (") and c[4] > outer[4])
	assert inner[2] <= outer[2] and inner[3] >= outer[3] - 1
	field = tab.locator("#type-tree input[type=search]")
	field.fill("map[int64]int64")
	assert outer[2] <= float(tab.inner_text("#type-tree .found").split(", ")[1][:-1])
	field.press("Enter")
	settle(tab)
	hits = tab.locator("#type-tree .hit").evaluate_all("all => all.map(e => e.getBoundingClientRect().width)")
	assert max(hits) > 1000


def test_boxes_of_heaps(tab, pages):
	opened(tab, pages("leakzoo.bookworm"))
	heap = report_of("leakzoo.bookworm")["heaps"][0]
	whole = heap["used"]["bytes"] + heap["free"]["bytes"] + heap["overhead"]
	boxes = {c[0]: c for c in cells(tab, "heap-boxes")}
	assert abs(boxes["top"][2] - 100 * heap["free"]["by_where"]["top"]["bytes"] / whole) < 0.06
	assert abs(boxes["used"][2] - 100 * heap["used"]["bytes"] / whole) < 0.06
	tab.locator("#heap-boxes").get_by_label("top: ").click()
	assert names(tab, "heap-boxes") == {"top"}
	tab.keyboard.press("Escape")
	assert names(tab, "heap-boxes") == set(boxes)


def test_heap_map(tab, pages):
	opened(tab, pages("leakzoo.bookworm"))
	place = drawn(tab, "heap-map")
	heaps = [s for s in report_of("leakzoo.bookworm")["space"] if s["kind"] == "heap"]
	assert place.locator("canvas").count() == len(heaps)
	for text, space in zip(place.locator(".range p").all_inner_texts(), heaps):
		assert space["start"] in text and f"{shown_bytes(space['free'])} free" in text
	place.locator("canvas").first.press("ArrowRight")
	found = place.locator(".found")
	assert found.inner_text().startswith(heaps[0]["start"] + " to ")
	last = int(heaps[0]["end"], 16) - 1
	place.locator("input").fill(hex(last))
	place.locator("input").press("Enter")
	start, _to, end = found.inner_text().split(": ")[0].split()
	assert int(start, 16) <= last < int(end, 16)


def test_suspect_as_markdown(tab, pages):
	opened(tab, pages("leakzoo.bookworm"))
	tab.locator("details.suspect").first.locator("button.copy").click()
	# what was copied comes back by pasting
	tab.evaluate("const t = document.createElement('textarea'); t.id = 'paste'; document.body.append(t)")
	tab.locator("#paste").press("Control+v")
	tab.wait_for_function("document.getElementById('paste').value")
	title = report_of("leakzoo.bookworm")["suspects"][0]["title"]
	assert tab.input_value("#paste").startswith(f"### {title}: ")


def test_reads_without_javascript(browser, pages):
	"""Everything but charts is in the page itself."""
	context = browser.browser.new_context(java_script_enabled=False)
	tab = context.new_page()
	tab.goto(pages("leakzoo.bookworm").as_uri())
	text = tab.inner_text("main")
	for suspect in report_of("leakzoo.bookworm")["suspects"]:
		assert suspect["title"] in text
	assert tab.locator("noscript").first.is_visible()
	context.close()


def test_nothing_of_a_name_is_markup(tab, tmp_path):
	evil = tmp_path / "<img src=x onerror=alert(1)>&<script>alert(2)<!--.core"
	evil.symlink_to(dump_of("leakzoo.bookworm").core)
	page = tmp_path / "x.html"
	heapfx_ok("analyze", evil, "-o", f"html={page}")
	opened(tab, page)
	assert tab.locator("img").count() == 0
	assert evil.name in tab.inner_text("h1")


def test_very_long_titles(browser, pages):
	"""A name of 600 characters takes two lines until its suspect is opened or has the focus."""
	tab = browser.new_page()
	opened(tab, pages(NAMES[0]))
	tab.mouse.move(0, 0)
	tab.evaluate("""() => document.querySelectorAll('.title').forEach(
		title => { title.textContent = 'std::map<int, std::pair<long, long>>'.repeat(17); })""")
	lines = lambda which: tab.locator(which).evaluate(  # noqa: E731
		"e => Math.round(e.clientHeight / parseFloat(getComputedStyle(e).lineHeight))")
	closed = "details.suspect:not([open])"
	for title, focus in [(".worst .title >> nth=0", ".worst a >> nth=0"),
			(closed + " .title >> nth=0", closed + " summary >> nth=0")]:
		assert lines(title) == 2
		tab.keyboard.press("Tab")  # what has the focus now has it by the keyboard
		tab.locator(focus).focus()
		assert lines(title) > 3
	assert lines("details.suspect[open] .title >> nth=0") > 3
	tab.close()


def test_on_a_small_screen(browser, pages, tmp_path):
	"""400 pixels: nothing is wider than the page, heads stand over their columns, names are words."""
	core = dump_of(NAMES[0]).core
	compared = tmp_path / "diff.html"
	heapfx_ok("diff", core, dump_of("demo").core, "--format", "html", "-o", compared)
	tab = browser.new_page()
	tab.set_viewport_size({"width": 400, "height": 800})
	for page in (pages(NAMES[0]), compared):
		tab.goto(page.as_uri())
		assert tab.evaluate("document.documentElement.scrollWidth") <= 400, page
		off = tab.evaluate("""() => [...document.querySelectorAll('table')].flatMap(table => {
			const last = row => [...row.cells].filter(cell => cell.offsetWidth)
				.findLastIndex(cell => cell.innerText.trim());
			const head = table.tHead && table.tHead.rows[0], row = table.tBodies[0].rows[0];
			return head && row && head.offsetWidth && last(head) < last(row) ? [head.innerText] : [];
		})""")
		assert off == [], page
		broken = tab.evaluate("""() => [...document.querySelectorAll('td > code, tbody td:first-child')].flatMap(name => {
			const text = name.firstChild, range = document.createRange();
			if (!name.innerText || text.nodeType != Node.TEXT_NODE) return [];
			return [...text.data.matchAll(/\\w+/g)].filter(word => {
				range.setStart(text, word.index);
				range.setEnd(text, word.index + word[0].length);
				const tops = [...range.getClientRects()].map(line => Math.round(line.top));
				return word[0].length <= 12 && new Set(tops).size > 1;
			}).map(word => word[0]);
		})""")
		assert broken == [], page
	tab.close()
