"""A headless Chromium for tests that open pages: Debian's, driven by Playwright."""
import contextlib

import pytest


@contextlib.contextmanager
def browser():
	try:
		from playwright.sync_api import sync_playwright
	except ImportError:
		pytest.skip("Playwright is not here: make playwright")
	with sync_playwright() as driver:
		chromium = driver.chromium.launch(executable_path="/usr/bin/chromium",
			args=["--no-sandbox", "--disable-dev-shm-usage"])
		try:
			yield chromium
		finally:
			chromium.close()
