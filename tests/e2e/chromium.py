"""A headless Chromium for tests that open pages."""
import socket

import pytest
from selenium import webdriver


def start():
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
	return webdriver.Chrome(options=options)
