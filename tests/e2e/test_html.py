"""The page in a real browser: it opens without a request or an error, and its charts can be used."""
import json
import re
import socket

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from common import dump_of, heapfx_ok, report_of
from go_corpus import go_dump

NAMES = ["leakzoo.bookworm", "slack.1.27"]


def arguments(name):
	return go_dump(name).arguments if name.startswith("slack") else (dump_of(name).core,)


@pytest.fixture(scope="module")
def browser():
	try:
		socket.getaddrinfo("localhost", 80)
	except OSError:
		pytest.skip("localhost has no address here: chromedriver cannot reach its browser")
	options = webdriver.ChromeOptions()
	for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1400",
			"--disable-dev-shm-usage"):
		options.add_argument(word)
	options.binary_location = "/usr/bin/chromium"
	options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
	driver = webdriver.Chrome(options=options)
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


def cells(browser):
	return browser.find_elements(By.CSS_SELECTOR, "#paths button.cell")


@pytest.mark.parametrize("name", NAMES)
def test_opens_alone(browser, pages, name):
	path = pages(name)
	opened(browser, path)
	assert [m for m in browser.get_log("browser") if m["level"] in ("SEVERE", "WARNING")] == []
	sent = [json.loads(m["message"])["message"] for m in browser.get_log("performance")]
	urls = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
	assert urls <= {path.as_uri()}
	assert path.stat().st_size < 5 << 20


@pytest.mark.parametrize("name", NAMES)
def test_says_what_the_report_says(browser, pages, name):
	report = json.loads(heapfx_ok("analyze", *arguments(name), "--format", "json", timeout=120).out)
	opened(browser, pages(name))
	assert browser.find_element(By.CLASS_NAME, "verdict").text == report["verdict"]
	titles = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "details .title")]
	assert titles == [s["title"] for s in report["suspects"]]
	first = browser.find_element(By.CSS_SELECTOR, "details.suspect")
	hops = report["suspects"][0].get("chain", {}).get("hops", [])
	assert all(hop["address"] in first.text for hop in hops)
	rows = browser.find_elements(By.CSS_SELECTOR, "#types ~ div table tbody tr")
	assert len(rows) >= min(len(report["types"]), 2000)
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
	assert browser.switch_to.active_element.get_attribute("aria-label") != first.get_attribute("aria-label")
	field = browser.find_element(By.CSS_SELECTOR, "#paths input[type=search]")
	field.send_keys("80-byte")
	hits = browser.find_elements(By.CSS_SELECTOR, "#paths button.hit")
	assert hits and all("80-byte" in h.get_attribute("aria-label") for h in hits)
	found = browser.find_element(By.CSS_SELECTOR, "#paths .tools .small").text
	assert re.fullmatch(r"[\d.]+ [KMG]?i?B, [\d.]+%", found)
	choice = browser.find_element(By.CSS_SELECTOR, "#paths select")
	for option in choice.find_elements(By.TAG_NAME, "option"):
		option.click()
		assert cells(browser)


def test_tables_sort_and_filter(browser, pages):
	opened(browser, pages("slack.1.27"))
	table = browser.find_element(By.CSS_SELECTOR, "#types ~ div table.sort")
	count = lambda: [int(e.get_attribute("data-v"))  # noqa: E731
		for e in table.find_elements(By.CSS_SELECTOR, "tbody tr td:nth-child(3)")]
	button = table.find_elements(By.CSS_SELECTOR, "thead button")[2]
	button.click()
	assert count() == sorted(count(), reverse=True) and len(count()) > 5
	button.click()
	assert count() == sorted(count())
	browser.find_element(By.CSS_SELECTOR, "#types ~ div .tools input").send_keys("map[")
	shown = [r for r in table.find_elements(By.CSS_SELECTOR, "tbody tr") if r.is_displayed()]
	assert 0 < len(shown) < len(count()) and all("map[" in r.text.lower() for r in shown)


def test_suspect_as_markdown(browser, pages):
	opened(browser, pages("leakzoo.bookworm"))
	details = browser.find_element(By.CSS_SELECTOR, "details.suspect")
	details.find_element(By.TAG_NAME, "button").click()
	# what was copied comes back by pasting
	browser.execute_script("document.querySelector('#paths input[type=search]').value = ''")
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
