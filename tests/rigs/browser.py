"""A real browser: Debian's chromium without a window, and what it saw."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service


@contextmanager
def open_browser(folder: Path) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile in a folder, that can reach nothing but 127.0.0.1."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail("chromium and chromedriver are missing: .ci/install-system test")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *("disable-dev-shm-usage", f"user-data-dir={folder / 'profile'}"),
        # Whatever a page names elsewhere does not exist.
        "host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def responses(browser: webdriver.Chrome) -> list[tuple[str, int]]:
    """Every response that came over the network since the last question, as (address, status)."""
    found = []
    for entry in _log(browser, "performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.responseReceived":
            response = message["params"]["response"]
            if response["url"].startswith("http"):
                found.append((response["url"], response["status"]))
    return found


def complaints(browser: webdriver.Chrome, origin: str) -> list[str]:
    """Errors of the console that name this origin, since the last question."""
    return [
        entry["message"]
        for entry in _log(browser, "browser")
        if entry["level"] == "SEVERE" and origin in entry["message"]
    ]


def _log(browser: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's
    return entries
