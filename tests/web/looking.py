"""What every look at the dashboard starts from: a browser, a flow that runs, a page that has come up.

With $PLUMB_SCREENSHOTS set, pictures of every page in both palettes and widths are kept there.
"""
import os
from pathlib import Path

import pytest
from browser import Browser
from serving import FLOW, Server, data

SCREENSHOTS = Path(os.environ["PLUMB_SCREENSHOTS"]) if os.environ.get("PLUMB_SCREENSHOTS") else None
if SCREENSHOTS:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)


@pytest.fixture(name="browser", scope="module")
def browser_fixture():
    with Browser() as browser:
        yield browser


@pytest.fixture(name="served", scope="module")
def served_fixture(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("web")
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW)
    (directory / "data/a.jsonl").write_text(data(300))
    server = Server(plumb, directory)
    server.settled(300)
    yield server
    assert server.stop() == 0


def open_page(browser, server, path, **options):
    """A new tab at that page, when it shows something."""
    page = browser.page(**options)
    page.go(f"{server.url}/{path}")
    page.wait("document.querySelector('main section')")
    page.wait("document.querySelector('#pulse .pill')")
    return page
