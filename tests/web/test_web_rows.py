"""A row's page: its values, the record it was made from, what depends on it; and what waits before a stage, on its edge."""
import json
import subprocess
import time

import pytest
from browser import CHROMIUM
from looking import browser_fixture, open_page, served_fixture  # pylint: disable=unused-import # fixtures
from serving import FLOW, HOSTILE, Server, data

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian's chromium): the dashboard is not looked at")


def test_a_row_leads_to_its_record_and_to_what_depends_on_it(browser, served, plumb):
    page = open_page(browser, served, "#/table/events")
    page.wait("document.querySelector('main tbody tr')")
    page.evaluate("document.querySelector('main tbody a').click()")
    page.wait("document.querySelector('main pre')")
    assert page.evaluate("location.hash") == "#/row/events?key=1"
    traced = json.loads(plumb.ok("trace", served.directory, "events", "1", "--json").stdout)
    assert page.evaluate("document.querySelector('main pre').textContent") == traced["rows"][0]["record"]["raw"]
    links = page.evaluate("[...document.querySelectorAll('ul.rows a')].map((a) => a.textContent)")
    assert sorted(links) == sorted(f"{row['table']}  " + ", ".join(f"{k} {v}" for k, v in row["key"].items()) for row in traced["rows"][1:])
    # From there to the sum, and what it was made from.
    page.evaluate("[...document.querySelectorAll('ul.rows a')].find((a) => a.textContent.startsWith('totals')).click()")
    page.wait("document.querySelector('main h1')?.textContent === 'totals' && document.querySelector('details pre')")
    total = json.loads(plumb.ok("trace", served.directory, "totals", "b", "--json").stdout)
    assert f"{total['steps'][0]['rows']} rows of events" in page.text()
    assert page.evaluate("document.querySelectorAll('ul.rows > li > details pre').length") == len(total["steps"][0]["listed"])
    assert page.problems == []


def test_a_row_with_a_hostile_key_is_only_text(browser, served):
    page = open_page(browser, served, "#/table/names?order=name.asc")
    for text in HOSTILE[:4]:
        page.evaluate(f"location.hash = '#/row/names?' + new URLSearchParams([['key', {json.dumps(text)}]])")
        page.wait("document.querySelector('main h1')?.textContent === 'names' && document.querySelector('ul.rows a')")
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0 and "owned" not in page.evaluate("document.title")
        assert "\u202e" not in page.text()
    assert page.problems == []


def test_a_row_that_is_not_there_says_so(browser, served):
    page = open_page(browser, served, "#/row/events?key=999999")
    page.wait("document.querySelector('main').innerText.includes('no row with that key')")
    page = open_page(browser, served, "#/row/nothing?key=1")
    page.wait("document.querySelector('main').innerText.includes('nothing here')")


def test_large_numbers_stay_what_they_are(browser, plumb, make_flow):
    line = json.dumps({"id": 9223372036854775807, "name": 'a 9007199254740993 "\\', "kind": "a", "wei": "1"}) + "\n"
    server = Server(plumb, make_flow({"flow.yaml": FLOW, "data/a.jsonl": line}, name="large"))
    try:
        server.settled(1)
        page = open_page(browser, server, "#/row/totals?key=a")
        page.wait("document.querySelector('ul.rows a')")
        assert page.evaluate("document.querySelector('ul.rows a').textContent") == "events  id 9223372036854775807"
        page.evaluate("document.querySelector('ul.rows a').click()")
        page.wait("document.querySelector('main h1')?.textContent === 'events' && document.querySelector('main pre')")
        assert page.evaluate("document.querySelector('main tbody td:last-child').textContent") == "9223372036854775807"
        assert json.loads(page.evaluate("document.querySelector('main pre').textContent"))["name"] == 'a 9007199254740993 "\\'
    finally:
        assert server.stop() == 0


def test_what_waits_before_a_stage_stands_on_its_edge(browser, plumb, make_flow):
    flow = FLOW.replace("SELECT kind, 1 AS n, wei FROM change", "SELECT kind, 9223372036854775807 AS n, wei FROM change")
    server = Server(plumb, make_flow({"flow.yaml": flow, "data/a.jsonl": data(30)}, name="queued"))
    try:
        server.settled(30)
        page = open_page(browser, server, "")
        page.wait("document.querySelector('.graph .edge-label.warn')", 30)
        waiting = next(t["waiting"] for t in json.loads(plumb.ok("status", server.directory, "--json").stdout)["transforms"] if t["transform"] == "totals")
        assert waiting > 0 and page.evaluate("document.querySelector('.graph .edge-label.warn title').textContent") == f"{waiting} changes wait for totals"
        assert page.evaluate("document.querySelectorAll('.graph .edge-label.warn').length") == 1  # names has taken its own
    finally:
        assert server.stop() == 0


def test_a_filters_rows_are_counted_behind_the_page(browser, served):
    page = open_page(browser, served, "#/table/events?filter.kind=eq.a")
    page.wait("document.body.innerText.includes('1 to 50 of 150')")
    page = open_page(browser, served, "#/table/events?filter.id=lte.5")
    page.wait("document.body.innerText.includes('1 to 5 of 5')")
    assert page.problems == []


def test_a_thousand_gaps_are_no_thousand_elements(browser, served):
    page = open_page(browser, served, "")
    page.evaluate("""import('/draw.js').then(({ ribbon }) => {
        const ranges = Array.from({ length: 20000 }, (_, i) => [i * 100, i * 100 + 90]);
        window.many = ribbon(ranges, 'many'); window.two = ribbon([[0, 99], [200, 299]], 'two'); window.one = ribbon([[0, 9]], 'one'); })""")
    page.wait("window.one")
    assert page.evaluate("window.many.children.length") < 1200
    assert page.evaluate("window.many.querySelector('.gap title').textContent.replaceAll('\u202f', ' ')") == "19 999 gaps from 91 to 1 999 899"
    assert page.evaluate("[...window.two.children].map((n) => n.getAttribute('class')).join()") == "track,cover,cover,gap" and page.evaluate("window.two.querySelector('.gap title').textContent") == "missing 100 to 199"
    assert page.evaluate("[...window.one.children].map((n) => n.getAttribute('class')).join()") == "track,cover"


def test_a_stage_shows_what_status_knows_of_it(browser, plumb, make_flow):
    flow = FLOW.replace("    format: jsonl\n", "    format: jsonl\n    rejects: {max: 100}\n")
    server = Server(plumb, make_flow({"flow.yaml": flow, "data/a.jsonl": data(30)}, name="stages"))
    try:
        server.settled(30)
        # As an evm source would have written it.
        subprocess.run(["sqlite3", "-cmd", ".timeout 20000", server.directory / "served.db", "INSERT INTO _plumb_facts(source, facts, updated_us) VALUES ('events', '{\"endpoint\": \"<b>one</b>\"}', 1)"], check=True)
        page = open_page(browser, server, "#/source/events")
        page.wait("document.body.innerText.includes('3 of 100')")
        until = time.monotonic() + 30
        while not server.json("/api/v1/status")["facts"]:  # it may be a moment old
            assert time.monotonic() < until
        page = open_page(browser, server, "#/source/events")
        page.wait("document.body.innerText.includes('What it says of itself')")
        status = json.loads(plumb.ok("status", server.directory, "--json").stdout)
        assert json.loads(page.evaluate("document.querySelector('main pre').textContent")) == status["facts"][0]["facts"]
        page = open_page(browser, server, "#/transform/events")
        page.wait("document.body.innerText.includes('How far it is')")
        mark = status["marks"][0]
        row = page.evaluate("[...[...document.querySelectorAll('section')].find((s) => s.innerText.startsWith('How far')).querySelectorAll('tbody td')].map((c) => c.innerText)")
        assert row[:5] == [mark["source"], mark["partition"], str(mark["batch"]), str(mark["last_batch"]), "0"]
        assert page.problems == []
    finally:
        assert server.stop() == 0
