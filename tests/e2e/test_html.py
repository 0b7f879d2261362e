"""The page in a real browser: it opens without a request or an error, and its charts can be used."""
import json
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import chromium
from common import dump_of, heapfx_ok, report_of
from go_corpus import go_dump

NAMES = ["leakzoo.bookworm", "slack.1.27"]


def arguments(name):
	return go_dump(name).arguments if name.startswith("slack") else (dump_of(name).core,)


@pytest.fixture(scope="module")
def browser():
	driver = chromium.start()
	yield driver
	driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
	home, made = tmp_path_factory.mktemp("html"), {}

	def page(name):
		if name not in made:
			made[name] = home / f"{name}.html"
			heapfx_ok("analyze", *arguments(name), "-o", f"html={made[name]}", timeout=120)
		return made[name]
	return page


def opened(browser, path):
	browser.get_log("performance")
	browser.get_log("browser")
	browser.get(path.as_uri())
	assert browser.find_element(By.TAG_NAME, "body").get_attribute("data-ready") == "yes"


def drawn(browser, chart):
	"""Charts far down the page are drawn when they are seen."""
	place = browser.find_element(By.ID, chart)
	browser.execute_script("arguments[0].scrollIntoView()", place)
	WebDriverWait(browser, 10).until(lambda b: place.find_elements(By.CSS_SELECTOR, "button.cell, canvas"))
	return place


def cells(browser, chart="paths"):
	return drawn(browser, chart).find_elements(By.CSS_SELECTOR, "button.cell")


def label(cell):
	"""(name, bytes as shown, share of all)"""
	name, _colon, rest = cell.get_attribute("aria-label").rpartition(": ")
	size, share = rest.split(", ")
	return name, size, float(share.split("%")[0])


@pytest.mark.parametrize("name", NAMES)
def test_opens_alone(browser, pages, name):
	path = pages(name)
	opened(browser, path)
	assert [m for m in browser.get_log("browser") if m["level"] in ("SEVERE", "WARNING")] == []
	sent = [json.loads(m["message"])["message"] for m in browser.get_log("performance")]
	urls = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
	assert urls <= {path.as_uri()}
	assert path.stat().st_size < 5 << 20


def test_opens_at_once(browser, pages):
	"""Usable within two seconds, by the browser's own clock; the quickest of three, for the machine may be busy."""
	path, took = pages("slack.1.27"), []
	for _ in range(3):
		opened(browser, path)
		took.append(browser.execute_script("return performance.timing.domComplete - performance.timing.navigationStart"))
	assert min(took) < 2000, took


@pytest.mark.parametrize("name", NAMES)
def test_says_what_the_report_says(browser, pages, name):
	report = json.loads(heapfx_ok("analyze", *arguments(name), "--format", "json", timeout=120).out)
	opened(browser, pages(name))
	assert browser.find_element(By.CLASS_NAME, "verdict").text == report["verdict"]
	titles = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "details .title")]
	assert titles == [s["title"] for s in report["suspects"]]
	parts = browser.find_elements(By.CSS_SELECTOR, ".stacked span")
	lines = [b for b in report["memory"]["breakdown"] if b["category"] != "mapping/untouched" and b["bytes"]]
	whole = sum(b["bytes"] for b in lines)
	assert len(parts) == len(lines)
	for part, line in zip(parts, lines):
		assert abs(part.size["width"] - parts[0].parent.execute_script("return arguments[0].clientWidth",
			browser.find_element(By.CLASS_NAME, "stacked")) * line["bytes"] / whole) < 2.5
	first = browser.find_element(By.CSS_SELECTOR, "details.suspect")
	hops = report["suspects"][0].get("chain", {}).get("hops", [])
	assert all(hop["address"] in first.text for hop in hops)
	rows = browser.find_elements(By.CSS_SELECTOR, "table.types tbody tr")
	assert len(rows) == min(len(report["types"]), 2000)
	# all of the live heap, in the first box of the flame graph
	whole = cells(browser)[0].get_attribute("aria-label")
	assert whole.startswith("all: ") and whole.endswith("100.0% of all")


def test_flame_graph(browser, pages):
	opened(browser, pages("leakzoo.bookworm"))
	before = {c.text for c in cells(browser)}
	inner = next(c for c in cells(browser) if c.text.startswith("global "))
	name, width = inner.text, inner.size["width"]
	inner.click()
	focused = next(c for c in cells(browser) if c.text == name)
	assert focused.size["width"] > width and focused.size["width"] > 1000
	assert {c.text for c in cells(browser)} != before
	focused.send_keys(Keys.ESCAPE)
	assert {c.text for c in cells(browser)} == before
	first = cells(browser)[0]
	first.send_keys(Keys.ARROW_DOWN)
	below = browser.switch_to.active_element
	assert below.get_attribute("aria-label") != first.get_attribute("aria-label")
	name = below.get_attribute("aria-label").split(": ")[0]
	tip = browser.find_element(By.ID, "tip")
	assert tip.is_displayed() and tip.text.splitlines()[0] == name and "% of all" in tip.text
	below.send_keys(Keys.ENTER)
	assert browser.switch_to.active_element.size["width"] > 1000
	browser.switch_to.active_element.send_keys(Keys.BACKSPACE)
	assert {c.text for c in cells(browser)} == before
	field = browser.find_element(By.CSS_SELECTOR, "#paths input[type=search]")
	field.send_keys("80-byte")
	hits = browser.find_elements(By.CSS_SELECTOR, "#paths button.hit")
	assert hits and all("80-byte" in h.get_attribute("aria-label") for h in hits)
	found = browser.find_element(By.CSS_SELECTOR, "#paths .tools .found").text
	assert re.fullmatch(r"[\d.]+ [KMG]?i?B, [\d.]+%", found)
	choice = browser.find_element(By.CSS_SELECTOR, "#paths select")
	for option in choice.find_elements(By.TAG_NAME, "option"):
		option.click()
		assert cells(browser)


def test_tables_sort_and_filter(browser, pages):
	opened(browser, pages("slack.1.27"))
	table = browser.find_element(By.CSS_SELECTOR, "table.types")
	count = lambda: [int(e.get_attribute("data-v"))  # noqa: E731
		for e in table.find_elements(By.CSS_SELECTOR, "tbody tr td:nth-child(5)")]
	button = table.find_elements(By.CSS_SELECTOR, "thead button")[3]
	button.click()
	assert count() == sorted(count(), reverse=True) and len(count()) > 5
	button.click()
	assert count() == sorted(count())
	browser.find_element(By.CSS_SELECTOR, "#types ~ .tools input").send_keys("map[")
	shown = [r for r in table.find_elements(By.CSS_SELECTOR, "tbody tr") if r.is_displayed()]
	assert 0 < len(shown) < len(count()) and all("map[" in r.text.lower() for r in shown)


def shown_bytes(n):
	for unit in ("B", "KiB", "MiB", "GiB"):
		if n < 1024 or unit == "GiB":
			return f"{n} B" if unit == "B" else f"{n:.1f} {unit}"
		n /= 1024


def test_largest_holders(browser, pages):
	"""The dominator tree has what the report says, and a chain leads into it."""
	report = report_of("leakzoo.bookworm")
	tops = {(d["name"], shown_bytes(d["retained"])) for d in report["dominators"] if "holder" not in d}
	opened(browser, pages("leakzoo.bookworm"))
	shown = {label(c)[:2] for c in cells(browser, "dominator-tree")}
	assert len(tops & shown) >= 3 and ("(lost)", shown_bytes(126752)) in shown
	for item in browser.find_elements(By.CSS_SELECTOR, "ol.chain li[data-at]"):
		buttons = item.find_elements(By.CSS_SELECTOR, "button.follow")
		if buttons:
			break
	buttons[0].send_keys(Keys.ENTER)
	focused = browser.switch_to.active_element
	node = next(d for d in report["dominators"] if d.get("address") == item.get_attribute("data-at"))
	assert label(focused)[:2] == (node["name"], shown_bytes(node["retained"])) and focused.size["width"] > 1000
	assert item.get_attribute("data-at") in browser.find_element(By.ID, "tip").text


def test_tree_by_type(browser, pages):
	"""What a type holds stands below it: the map of the case holds its groups."""
	opened(browser, pages("slack.1.27"))
	boxes = cells(browser, "type-tree")
	outer = next(c for c in boxes if label(c)[0] == "map[int64]int64")
	inner = next(c for c in boxes if label(c)[0].startswith("map[int64]int64 (") and c.location["y"] > outer.location["y"])
	assert label(inner)[2] <= label(outer)[2] and inner.location["x"] >= outer.location["x"]
	field = browser.find_element(By.CSS_SELECTOR, "#type-tree input[type=search]")
	field.send_keys("map[int64]int64")
	assert label(outer)[2] <= float(browser.find_element(By.CSS_SELECTOR, "#type-tree .found").text.split(", ")[1][:-1])
	field.send_keys(Keys.ENTER)
	assert max(c.size["width"] for c in browser.find_elements(By.CSS_SELECTOR, "#type-tree button.hit")) > 1000


def test_boxes_of_heaps(browser, pages):
	opened(browser, pages("leakzoo.bookworm"))
	heap = report_of("leakzoo.bookworm")["heaps"][0]
	whole = heap["used"]["bytes"] + heap["free"]["bytes"] + heap["overhead"]
	boxes = {label(c)[0]: c for c in cells(browser, "heap-boxes")}
	assert abs(label(boxes["top"])[2] - 100 * heap["free"]["by_where"]["top"]["bytes"] / whole) < 0.06
	assert abs(label(boxes["used"])[2] - 100 * heap["used"]["bytes"] / whole) < 0.06
	boxes["top"].click()
	assert len(cells(browser, "heap-boxes")) == 1
	browser.switch_to.active_element.send_keys(Keys.ESCAPE)
	assert {label(c)[0] for c in cells(browser, "heap-boxes")} == set(boxes)


def test_heap_map(browser, pages):
	opened(browser, pages("leakzoo.bookworm"))
	place = drawn(browser, "heap-map")
	heaps = [s for s in report_of("leakzoo.bookworm")["space"] if s["kind"] == "heap"]
	assert len(place.find_elements(By.TAG_NAME, "canvas")) == len(heaps)
	for text, space in zip([e.text for e in place.find_elements(By.CSS_SELECTOR, ".range p")], heaps):
		assert space["start"] in text and f"{shown_bytes(space['free'])} free" in text
	canvas = place.find_element(By.TAG_NAME, "canvas")
	canvas.send_keys(Keys.ARROW_RIGHT)
	found = place.find_element(By.CLASS_NAME, "found")
	assert found.text.startswith(heaps[0]["start"] + " to ")
	field = place.find_element(By.TAG_NAME, "input")
	last = int(heaps[0]["end"], 16) - 1
	field.send_keys(hex(last), Keys.ENTER)
	start, _to, end = found.text.split(": ")[0].split()
	assert int(start, 16) <= last < int(end, 16)


def test_suspect_as_markdown(browser, pages):
	opened(browser, pages("leakzoo.bookworm"))
	details = browser.find_element(By.CSS_SELECTOR, "details.suspect")
	details.find_element(By.CSS_SELECTOR, "button.copy").click()
	# what was copied comes back by pasting
	browser.execute_script("const t = document.createElement('textarea'); t.id = 'paste'; document.body.append(t)")
	area = browser.find_element(By.ID, "paste")
	area.send_keys(Keys.CONTROL, "v")
	title = report_of("leakzoo.bookworm")["suspects"][0]["title"]
	assert area.get_attribute("value").startswith(f"### {title}: ")


def test_reads_without_javascript(pages):
	"""Everything but charts is in the page itself."""
	text = pages("leakzoo.bookworm").read_text("utf-8")
	body = re.sub(r"<script.*?</script>", "", text, flags=re.S)
	for suspect in report_of("leakzoo.bookworm")["suspects"]:
		assert suspect["title"] in body and suspect["rule"] in body
	assert "<noscript>" in body


def test_nothing_of_a_name_is_markup(browser, tmp_path):
	evil = tmp_path / "<img src=x onerror=alert(1)>&<script>alert(2)<!--.core"
	evil.symlink_to(dump_of("leakzoo.bookworm").core)
	page = tmp_path / "x.html"
	heapfx_ok("analyze", evil, "-o", f"html={page}")
	opened(browser, page)
	assert browser.find_elements(By.TAG_NAME, "img") == []
	assert evil.name in browser.find_element(By.TAG_NAME, "h1").text
	assert [m for m in browser.get_log("browser") if m["level"] == "SEVERE"] == []
