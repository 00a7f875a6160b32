"""What can be changed in the dashboard: an alert is taken on, a check silenced and heard again; by keyboard, and with every refusal told."""
import json

import pytest
from browser import CHROMIUM
from conftest import rows_of
from looking import SCREENSHOTS, browser_fixture, open_page  # pylint: disable=unused-import # a fixture
from serving import FLOW, Server, data

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian's chromium): the dashboard is not looked at")
WRITE = "staple writes here too"
CHECKS = "checks:\n  every: 1s\n  named: {sql: SELECT id FROM events, counts: rows}\n  many: {sql: SELECT id FROM events WHERE id > 1, counts: rows}\n"
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


def start(plumb, directory, **environment):
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW + CHECKS)
    (directory / "data/a.jsonl").write_text(data(3))
    return Server(plumb, directory, env=environment)


@pytest.fixture(name="writable")
def writable_fixture(plumb, tmp_path):
    server = start(plumb, tmp_path, PLUMB_WRITE_TOKEN=WRITE)
    yield server
    assert server.stop() == 0


def press(page, key, text=None):
    page.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key, code=key, windowsVirtualKeyCode=KEYS[key], **({"text": text} if text else {}))
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=KEYS[key])


def write(page, text):
    page.call("Input.insertText", text=text)


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def tab_to(page, wanted):
    for _ in range(60):
        if focused(page) == wanted:
            return
        press(page, "Tab")
    raise AssertionError(f"{wanted} is not reached by keyboard")


def shot(page, name):
    if SCREENSHOTS:
        page.screenshot(SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("width, dark", [(1400, True), (390, False)])
def test_an_alert_is_taken_on_by_keyboard_alone(browser, writable, width, dark):
    page = open_page(browser, writable, "#/alerts", width=width, dark=dark)
    page.wait("document.querySelectorAll('button[id^=ack-]').length === 2")
    number = page.evaluate("document.querySelector('button[id^=ack-]').id").split("-")[1]
    tab_to(page, f"ack-{number}")
    press(page, "Enter", "\r")
    page.wait("document.querySelector('dialog[open]')")
    shot(page, f"{width}-{'dark' if dark else 'light'}-dialog")
    assert focused(page) == "field-by" and page.evaluate("document.querySelector('dialog').getBoundingClientRect().right") <= width
    write(page, "Ada <b>")
    tab_to(page, "field-note")
    write(page, "on it")
    tab_to(page, "field-write-token")
    write(page, "wrong token, this one")
    press(page, "Enter", "\r")
    page.wait("document.querySelector('dialog [role=alert]').textContent === 'That is not the write token.'")
    assert focused(page) == "field-write-token" and page.evaluate("sessionStorage.getItem('write-token')") is None
    assert page.evaluate("document.getElementById('field-note').value") == "on it"  # what was typed stays
    page.evaluate("document.activeElement.select()")
    write(page, WRITE)
    press(page, "Enter", "\r")
    page.wait("!document.querySelector('dialog')")
    page.wait("document.querySelector('main').innerText.includes('Ada <b>: on it')")
    assert (int(number), "acknowledged", "Ada <b>", "on it") in rows_of(writable.directory / "served.db", "SELECT id, state, acknowledged_by, note FROM _plumb_alerts")
    # The token is kept for this tab only, and nothing else in the browser.
    assert page.evaluate("[localStorage.length, document.cookie, Object.keys(sessionStorage).sort().join()]") == [0, "", "by,write-token"]
    assert [one for one in page.problems if "401" not in one] == []


def test_a_check_is_silenced_and_heard_again(browser, plumb, writable):
    page = open_page(browser, writable, "#/alerts")
    page.wait("document.querySelectorAll('button[id^=silence-]').length === 2")
    page.evaluate("document.querySelector('button[id^=silence-]').click()")
    page.wait("document.querySelector('dialog[open]')")
    page.evaluate(f"""for (const [name, value] of Object.entries({json.dumps({"check": "m*", "for": "8h", "because": "<img src=x onerror=document.title='owned'>", "by": "Ada", "write-token": WRITE})})) document.getElementById('field-' + name).value = value;
        document.querySelector('dialog form').requestSubmit()""")
    page.wait("document.querySelector('.pill.quiet')")
    page.wait("document.querySelector('button[id^=end-]')")
    shot(page, "1400-light-silenced")
    assert "onerror" in page.text() and page.evaluate("document.title") != "owned"
    listed = json.loads(plumb.ok("alerts", writable.directory, "--json").stdout)
    assert [(s["matcher"], s["author"]) for s in listed["silences"]] == [("m*", "Ada")] and {a["check"]: a["silenced"] for a in listed["alerts"]} == {"many": True, "named": False}
    # One of two alerts is quiet: every page says one.
    page.wait("document.querySelector('#pulse a.pill')?.textContent === '1 alert'")
    page.evaluate("document.querySelector('button[id^=end-]').click()")
    page.wait("document.querySelector('dialog[open]')")
    assert page.evaluate("document.getElementById('field-write-token')") is None  # it was given
    page.evaluate("document.querySelector('dialog form').requestSubmit()")
    page.wait("!document.querySelector('button[id^=end-]')")
    assert json.loads(plumb.ok("alerts", writable.directory, "--json").stdout)["silences"] == []
    assert page.problems == []


def test_a_refusal_is_told_and_leaving_changes_nothing(browser, writable):
    page = open_page(browser, writable, "#/alerts")
    page.wait("document.querySelectorAll('button[id^=silence-]').length === 2")
    opener = page.evaluate("document.querySelector('button[id^=silence-]').id")
    page.evaluate(f"document.getElementById('{opener}').focus(); document.activeElement.click()")
    page.wait("document.querySelector('dialog[open]')")
    page.evaluate(f"""for (const [name, value] of Object.entries({json.dumps({"check": "nothing", "because": "x", "by": "Ada", "write-token": WRITE})})) document.getElementById('field-' + name).value = value;
        document.querySelector('dialog form').requestSubmit()""")
    page.wait("document.querySelector('dialog [role=alert]').textContent.includes(\"no check is called 'nothing'\")")
    shot(page, "1400-light-refused")
    press(page, "Escape")
    page.wait("!document.querySelector('dialog')")
    assert focused(page) == opener
    assert rows_of(writable.directory / "served.db", "SELECT count(*) FROM _plumb_silences") == [(0,)]


def test_a_page_that_only_reads_says_how_it_is_done(browser, plumb, tmp_path):
    server = start(plumb, tmp_path)
    try:
        page = open_page(browser, server, "#/alerts")
        page.wait("document.querySelector('main').innerText.includes('plumb alerts ack')")
        assert "--write-token-file" in page.text() and page.evaluate("document.querySelectorAll('button[id^=ack-], button[id^=silence-]').length") == 0
    finally:
        assert server.stop() == 0


def test_a_redraw_leaves_the_reader_where_they_were(browser, writable):
    """Checks are judged every second; what is focused stays so."""
    page = open_page(browser, writable, "#/alerts")
    page.wait("document.querySelectorAll('button[id^=ack-]').length === 2")
    page.evaluate("document.querySelector('button[id^=ack-]').focus(); window.drawn = document.querySelector('main section')")
    page.wait("!window.drawn.isConnected", 30)
    assert focused(page).startswith("ack-")
