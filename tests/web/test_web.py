"""The dashboard in headless Chromium: every page says what the command line says, hostile data stays text, and it can be read."""
import json
import re
import subprocess
import time

import pytest
from browser import CHROMIUM
from conftest import ROOT
from looking import SCREENSHOTS, browser_fixture, open_page, served_fixture  # pylint: disable=unused-import # fixtures
from serving import FLOW, HOSTILE, Server, data, serve_fixture  # pylint: disable=unused-import # a fixture

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian's chromium): the dashboard is not looked at")
PAGES = ["#/", "#/source/events", "#/transform/events", "#/transform/totals", "#/tables", "#/table/events", "#/table/totals", "#/row/events?key=7", "#/row/totals?key=a", "#/alerts", "#/rejects", "#/rejects/1", "#/history", "#/coverage", "#/nothing"]


def spaced(number):
    return f"{number:,}".replace(",", "\u202f")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_every_page_loads_clean_and_fits(browser, served, width, dark):
    page = open_page(browser, served, "", width=width, dark=dark)
    for path in PAGES:
        page.evaluate(f"location.hash = {json.dumps(path)}")
        page.wait("document.querySelector('main section')")
        time.sleep(0.15)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the window"
        assert "did not work" not in page.text(), path
        if SCREENSHOTS:
            page.screenshot(SCREENSHOTS / f"{width}-{'dark' if dark else 'light'}-{re.sub('[^a-z0-9]+', '-', path).strip('-') or 'flow'}.png")
    assert page.problems == []
    assert page.requested and all(url.startswith(served.url) for url in page.requested), "a request left the machine"


def test_a_console_error_would_be_seen(browser, served):
    page = open_page(browser, served, "")
    page.evaluate("setTimeout(() => { throw new Error('on purpose') })")
    page.evaluate("fetch('https://example.invalid/').catch(() => 0)")  # refused by the content policy
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    time.sleep(0.3)
    page.evaluate("1")
    assert any("on purpose" in one for one in page.problems) and any("Content Security Policy" in one for one in page.problems)
    assert page.evaluate("document.title") != "1"


def test_the_flow_says_what_status_says(browser, served, plumb):
    status = json.loads(plumb.ok("status", served.directory, "--json").stdout)
    page = open_page(browser, served, "")
    page.wait("document.querySelectorAll('.graph .node').length === 4")
    labels = page.evaluate("[...document.querySelectorAll('.graph .node')].map((n) => n.getAttribute('aria-label'))")
    text = page.text()
    assert spaced(status["sources"][0]["records"]) in text and labels[0].startswith("events, file source, records 303")
    for transform in status["transforms"]:
        assert any(label.startswith(f"{transform['into']}, {transform['kind']}, rows {transform['rows']}") for label in labels), labels
    assert "well" in page.evaluate("document.getElementById('pulse').innerText")
    assert page.evaluate("document.querySelectorAll('.graph .edge').length") == 3
    rejected = sum(one["rows"] for one in status["rejects"])
    assert f"Rejected rows\n{rejected}" in text


def test_a_transform_shows_its_sql_and_its_batches(browser, served):
    page = open_page(browser, served, "#/transform/events")
    text = page.text()
    assert "SELECT id, name, wei, raw, ok, ratio, at, more, kind FROM batch" in text
    assert "How long a batch takes" in text and page.evaluate("document.querySelectorAll('main table tbody tr').length") >= 1
    assert page.evaluate("document.querySelector('main table tbody tr td:nth-child(3)').innerText") == "300"


def test_the_explorer_filters_sorts_and_pages(browser, served):
    page = open_page(browser, served, "#/table/events")
    first = "document.querySelector('main tbody tr td').innerText"
    assert page.evaluate(first) == "1" and "1 to 50 of 300" in page.text()
    page.evaluate("[...document.querySelectorAll('button')].find((b) => b.innerText === 'Next').click()")
    page.wait(f"{first} === '51'")
    page.evaluate("document.querySelector('button[aria-label=\"Sort by ratio\"]').click()")
    page.wait(f"{first} === '1'")
    page.evaluate("document.querySelector('button[aria-label=\"Sort by ratio\"]').click()")
    page.wait(f"{first} === '300'")
    page.evaluate("""(() => { const [column, op] = document.querySelectorAll('form select'); column.value = 'wei'; op.value = 'lte';
        document.querySelector('form input').value = '10000000000000000000000000000000000000005'; document.querySelector('form').requestSubmit(); })()""")
    page.wait(f"{first} === '5'")
    assert "1 to 5 of 5" in page.text()
    page.evaluate("document.querySelector('main tbody tr').click()")
    page.wait("document.body.innerText.includes('The row')")
    assert str(10**40 + 5) in page.text()
    page.evaluate("document.querySelector('.chip button').click()")
    page.wait("document.body.innerText.includes('of 300')")
    assert page.problems == []


def test_the_fault_of_a_reject_is_marked(browser, served):
    malformed = next(r for r in served.json("/api/v1/rejects") if r["reason"] == "malformed")
    page = open_page(browser, served, "#/rejects/" + str(malformed["id"]))
    page.wait("document.querySelector('#raw mark')")
    assert page.evaluate("document.querySelector('#raw mark').innerText") == "]"
    assert page.evaluate("document.getElementById('raw').innerText") == '{"id": 9002, "name": "broken\u27e8U+202E\u27e9", "wei": ]}'
    assert malformed["message"] in page.text()


def test_a_discarded_reject_says_who_and_why(plumb, browser, served):
    one = next(r for r in served.json("/api/v1/rejects") if r["reason"] == "not_allowed")
    plumb.ok("rejects", "discard", served.directory, one["id"], "--because", "a <b>test</b>", "--by", "Ada")
    assert one["id"] not in {r["id"] for r in served.json("/api/v1/rejects")}
    assert [r["id"] for r in served.json("/api/v1/rejects?state=discarded")] == [one["id"]]
    page = open_page(browser, served, "#/rejects?state=discarded")
    page.wait("document.querySelector('main tbody tr')")
    assert page.evaluate("document.querySelectorAll('main tbody tr').length") == 1
    page = open_page(browser, served, "#/rejects/" + str(one["id"]))
    page.wait("document.querySelector('#raw')")
    assert "by Ada: a <b>test</b>" in page.text() and page.problems == []


def test_hostile_names_do_nothing(browser, served):
    page = open_page(browser, served, "#/table/events?order=name.asc")
    pages = ["#/table/names?order=name.asc", "#/table/names?order=name.desc", "#/rejects", "#/table/events?filter.name=eq." + "%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'owned'%22%3E",
             "#/table/events?filter.name=like.%3Cscript", "#/transform/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "#/rejects/%3Cimg%20src=x%20onerror=alert(1)%3E", "#/rejects?source=%3Cb%3E&reason=x"]
    text = ""
    for path in pages:
        page.evaluate(f"location.hash = {json.dumps(path)}")
        time.sleep(0.4)
        text += page.text()
        assert page.evaluate("document.querySelectorAll('main img, main script, main iframe, main [onerror]').length") == 0, path
        assert "owned" not in page.evaluate("document.title")
    assert HOSTILE[0] in text and "\u202e" not in text and "\u27e8U+202E\u27e9gnp.exe" in text and "\u0007" not in text
    assert [one for one in page.problems if "400" not in one and "404" not in one] == []


def test_a_trouble_is_on_the_first_page(browser, plumb, make_flow):
    flow = FLOW.replace("SELECT kind, 1 AS n, wei FROM change", "SELECT kind, 9223372036854775807 AS n, wei FROM change")
    server = Server(plumb, make_flow({"flow.yaml": flow, "data/a.jsonl": data(30)}, name="trouble"))
    try:
        server.settled(30)
        page = open_page(browser, server, "")
        page.wait("document.querySelector('.graph .fails')", 30)
        assert "totals" in page.evaluate("document.querySelector('.graph .fails').getAttribute('aria-label')")
        page.wait("document.getElementById('troubles').innerText.includes('transform totals')")
        assert "well" not in page.evaluate("document.getElementById('pulse').innerText")
        page.go(f"{server.url}/#/transform/totals")
        page.wait("document.body.innerText.includes('its input is kept')")
        assert "does not fit 64 bits" in page.text()
    finally:
        assert server.stop() == 0


def test_an_alert_is_told_on_every_page_and_its_text_stays_text(browser, plumb, make_flow):
    hostile = "<img src=x onerror=document.title='owned'>"
    checks = ("checks:\n  every: 1s\n  named: {sql: \"SELECT id, name FROM events WHERE name LIKE '%<%'\", counts: rows}\n"
              "  arrive: {heartbeat: sources.events, within: 1h}\n")
    flow = make_flow({"flow.yaml": FLOW + checks, "data/a.jsonl": f'{{"id": 1, "name": "{hostile}", "kind": "a"}}\n'}, name="alerting")
    server = Server(plumb, flow)
    try:
        page = open_page(browser, server, "")
        page.wait("document.querySelector('#pulse a.pill.bad')?.textContent === '1 alert'")
        page.evaluate("location.hash = '#/alerts'")
        page.wait("document.querySelectorAll('main table').length === 2")
        text = page.text()
        listed = json.loads(plumb.ok("alerts", flow, "--json", cwd=flow).stdout)
        assert listed["alerts"][0]["summary"] in text and "onerror" in text
        assert {c["check"] for c in listed["checks"]} == {"named", "arrive"} and "heartbeat" in text
        assert page.evaluate("document.title") != "owned" and page.problems == []
        answer = server.json("/api/v1/alerts?state=open")
        assert answer[0]["check"] == "named" and server.json("/api/v1/alerts?state=resolved") == []
        assert [c["check"] for c in server.json("/api/v1/checks?state=error")] == ["named"]
        assert server.json("/api/v1/silences") == [] and server.json("/api/v1/notices") == []
    finally:
        assert server.stop() == 0


def test_gaps_of_history_are_shown(browser, plumb, make_flow):
    server = Server(plumb, make_flow({"flow.yaml": FLOW, "data/a.jsonl": data(3)}, name="gaps"))
    try:
        server.settled(3)
        # As a source that tells what it has read would leave it: 100 to 299, 300 to 499, a gap, 600 to 999.
        subprocess.run(["sqlite3", "-cmd", ".timeout 20000", server.directory / "served.db", "INSERT INTO _plumb_coverage(partition, low, high, records, how, origin, batch_seq, updated_us) "
                        "VALUES (1, 100, 299, 5, 'logs', 'x', 1, 1), (1, 300, 499, 5, 'logs', '<b>', 1, 1), (1, 600, 999, 5, 'logs', 'x', 1, 1)"], check=True)
        page = open_page(browser, server, "#/coverage")
        page.wait("document.querySelector('svg .gap')")
        assert page.evaluate("document.querySelectorAll('svg .gap').length") == 1 and page.evaluate("document.querySelectorAll('svg .cover').length") == 2
        assert page.evaluate("document.querySelector('main tbody tr').innerText").split() == ["500", "599", "100"]
        assert "Missing\n100" in page.text() and page.problems == []
    finally:
        assert server.stop() == 0


def test_the_token_is_asked_for_once(browser, serve):
    token = "correct horse battery"
    server = serve(env={"PLUMB_TOKEN": token})
    server.settled(300, Authorization="Bearer " + token)
    page = browser.page()
    page.go(server.url + "/")
    page.wait("document.querySelector('input[type=password]')")
    assert "events" not in page.text()
    page.evaluate(f"document.querySelector('input').value = {json.dumps(token)}; document.querySelector('form').requestSubmit()")
    page.wait("document.querySelectorAll('.graph .node').length === 4")
    page.go(server.url + "/#/table/events")
    page.wait("document.querySelector('main tbody tr')")


def test_everything_is_reached_by_keyboard(browser, served):
    page = open_page(browser, served, "")
    page.wait("document.querySelectorAll('.graph .node').length === 4")
    seen = []
    for _ in range(20):
        for kind in ("rawKeyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        seen.append(page.evaluate("document.activeElement.getAttribute('href') ?? ''"))
    for href in ("#page", "#/tables", "#/rejects", "#/history", "#/coverage", "#/source/events", "#/transform/events", "#/transform/totals"):
        assert href in seen, f"{href} is not among {seen}"


def luminance(colour):
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_both_palettes():
    assert round(contrast("#000000", "#ffffff"), 3) == 21 and round(contrast("#777777", "#ffffff"), 2) == 4.48
    css = (ROOT / "web/style.css").read_text(encoding="utf-8")
    palettes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)]
    assert len(palettes) == 2 and set(palettes[0]) == set(palettes[1])
    for colours in palettes:
        for ground in ("ground", "surface", "sunken"):
            for text in ("ink", "dim", "accent", "good", "warn", "bad"):
                assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}: {contrast(colours[text], colours[ground]):.2f}"
            for number in range(1, 7):
                assert contrast(colours[f"series-{number}"], colours[ground]) >= 3, f"series {number} on {ground}"
        for tone in ("good", "warn", "bad"):
            assert contrast(colours[tone], colours[f"{tone}-ground"]) >= 4.5, tone
        assert contrast(colours["surface"], colours["bad"]) >= 4.5 and contrast(colours["surface"], colours["accent"]) >= 4.5


def test_the_program_holds_the_files_as_they_are(served):
    for file in (ROOT / "web").iterdir():
        if file.suffix in (".html", ".css", ".js", ".svg"):
            assert served.get("/" + file.name)[2] == file.read_bytes(), f"{file.name}: build again"
            assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", file.read_text(encoding="utf-8")), f"{file.name} names another host"
