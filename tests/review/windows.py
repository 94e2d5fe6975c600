"""Windows of a browser on the page, which remember what they asked for and what went wrong in them."""

import io
import os
import shutil
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

PATHS = ("chromium", "chromium-browser", "google-chrome")


class Window(NamedTuple):
    """A page of a browser, and the addresses and errors that came up in it."""

    page: object
    addresses: list
    errors: list

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def find(self, selector):
        return self.page.locator(selector)

    def forgive(self, text):
        """Forgets errors that a test has provoked: those with some text."""
        self.errors[:] = [error for error in self.errors if text not in error]

    def flaws(self, url):
        """Errors of its code, and requests to any other server."""
        foreign = [address for address in self.addresses if urlsplit(address).netloc != urlsplit(url).netloc]
        return self.errors + foreign


def launch():
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, PATHS)), None)
    if path is None:
        pytest.skip(f"no browser to open the page with: none of {', '.join(PATHS)} is installed")
    driver = playwright.sync_playwright().start()
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return driver, driver.chromium.launch(executable_path=path, args=arguments)


def open_window(browser, url, *, width=1280, height=900):
    """A window with an empty memory, at an address."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    window = Window(page, [], [])
    page.on("request", lambda request: window.addresses.append(request.url))
    page.on("console", lambda message: message.type == "error" and window.errors.append(message.text))
    page.on("pageerror", lambda error: window.errors.append(str(error)))
    page.on("dialog", lambda dialog: window.errors.append(dialog.message) or dialog.dismiss())
    page.goto(url)
    page.wait_for_selector("#name:not(:empty)")
    return window


def pixels(content, shape=None):
    """(height, width, 3) pixels of a picture's file, in another shape if one is given."""
    with Image.open(io.BytesIO(content)) as file:
        size = file.size if shape is None else (shape[1], shape[0])
        return np.asarray(file.convert("RGB").resize(size), np.float32)
