"""plumb docs FLOW: a flow documented from itself. What is drawn and escaped is read back here."""
import re
from html.parser import HTMLParser

import pytest
from conftest import ROOT

SHOP = ROOT / "flows" / "shop"
HOSTILE = """\
# A <b>flow</b> & its | `comment` </style>
flow: hostile
store: sqlite:h.db
sources:
  in:             # "Quoted" <script>alert(1)</script> | a | b
    type: file
    path: ${SECRET_PLACE}/*.jsonl
    columns:
      id: {type: int64, required: true, min: -3}
      note: {type: text, one_of: ["a|b", "`c`", "</td>", "${SECRET_WORD}"], max: 9}
      kind: {type: text, one_of: ["a|b", "`c`", "</td>"]}
tables:
  # Two lines
  # above it.
  rows: {key: [id], lineage: true, columns: {id: int64, note: text}}
  sums: {key: [note], columns: {note: text, ids: int64}, indexes: [[ids]]}
  known: {key: [note], columns: {note: text}}
  log: {key: auto, columns: {note: text}}
transforms:
  rows:
    from: in
    into: rows
    delete_when: note = '</code><script>``` | x'
    sql: |
      SELECT id, note || '</pre><img src=x>' AS note FROM batch
      -- ```` four, and </script>
  hidden: {from: in, into: log, sql: "SELECT '${SECRET_WORD}' AS note FROM batch"}
  sums:
    from: rows
    into: sums
    sum: SELECT r.note, 1 AS ids FROM change r JOIN known k ON k.note = r.note
"""
SECRETS = {"SECRET_PLACE": "/very/private", "SECRET_WORD": "hunter2"}
VOID = {"meta", "br", "img", "rect", "path", "link"}


class Reader(HTMLParser):
    """Tags must close in order; ids and links are gathered."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if "href" in attrs:
            self.links.append(attrs["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def documented(plumb, flow, tmp_path, env=None):
    plumb.ok("docs", flow, "-o", tmp_path / "out", env=env)
    (md,) = (tmp_path / "out").glob("*.md")
    (html,) = (tmp_path / "out").glob("*.html")
    return md.read_text(encoding="utf-8"), html.read_text(encoding="utf-8")


def rectangles(reader):
    return [tuple(int(attrs[k]) for k in ("x", "y", "width", "height")) for tag, attrs in reader.tags if tag == "rect"]


def arrows(reader):
    return [[tuple(map(int, pair)) for pair in re.findall(r"(-?\d+) (-?\d+)", attrs["d"])]
            for tag, attrs in reader.tags if tag == "path" and attrs.get("class") == "arrow"]


def check_picture(reader, nodes, links):
    boxes = rectangles(reader)
    (svg,) = [attrs for tag, attrs in reader.tags if tag == "svg"]
    assert len(boxes) == nodes and len(arrows(reader)) == links
    for i, (x, y, width, height) in enumerate(boxes):
        assert 0 <= x and x + width <= int(svg["width"]) and 0 <= y and y + height <= int(svg["height"])
        for a, b, c, d in boxes[:i]:
            assert x + width <= a or a + c <= x or y + height <= b or b + d <= y, "two nodes overlap"
    for points in arrows(reader):
        assert all(left[0] <= right[0] for left, right in zip(points, points[1:])), "an arrow goes back"
        (x, y), (end, level) = points[0], points[-1]
        assert any(x == a + c and b <= y <= b + d for a, b, c, d in boxes), "an arrow begins nowhere"
        assert any(0 < a - end <= 12 and b <= level <= b + d for a, b, c, d in boxes), "an arrow ends nowhere"


def test_shop_is_documented_with_everything_it_has(plumb, tmp_path):
    md, html = documented(plumb, SHOP, tmp_path)
    reader = read(html)
    names = {"source-orders", "source-people", "transform-orders", "transform-people", "transform-customers",
             "transform-vips", "transform-tiers"}
    names |= {f"table-{name}" for name in ("orders", "people", "customers", "vips", "tiers")}
    assert names <= set(reader.ids) and len(reader.ids) == len(set(reader.ids))
    assert {link[1:] for link in reader.links} <= set(reader.ids) and all(link[0] == "#" for link in reader.links)
    check_picture(reader, nodes=12, links=11)
    for words in ("one row an order, as it is now", "record with the highest `updated` wins", "`status = 'void'`",
                  "One row for each `customer`", "a key without a result is deleted", "SELECT tier, 1 AS members FROM change",
                  "One of `open`, `paid`, `void`", "Raw records are kept for ever", "Both deliver late, twice and broken"):
        assert words in md, words
        assert re.sub(r"`|\s", "", words) in re.sub(r"\s", "", "".join(reader.text)), words


def test_the_same_flow_gives_the_same_bytes_and_another_gives_others(plumb, tmp_path, make_flow):
    first = documented(plumb, SHOP, tmp_path)
    assert documented(plumb, SHOP, tmp_path) == first
    changed = make_flow({"flow.yaml": (SHOP / "flow.yaml").read_text(encoding="utf-8").replace("late, twice", "slowly")})
    assert documented(plumb, changed, tmp_path) != first


def test_it_needs_nothing_from_anywhere_else(plumb, tmp_path):
    _, html = documented(plumb, SHOP, tmp_path)
    assert not re.search(r"<(script|link|img|iframe)|url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    assert "prefers-color-scheme:dark" in html


def test_nothing_of_the_flow_becomes_markup(plumb, tmp_path, make_flow):
    md, html = documented(plumb, make_flow({"flow.yaml": HOSTILE}), tmp_path, env=SECRETS)
    reader = read(html)
    assert {"script", "img", "b"}.isdisjoint(tag for tag, _ in reader.tags)
    text = "".join(reader.text)
    for shown in ("</code><script>``` | x", "</pre><img src=x>", '"Quoted" <script>alert(1)</script> | a | b',
                  "Two lines above it.", "A <b>flow</b> & its | `comment` </style>"):
        assert shown in text, shown
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$|(`+)(?!`).*?(?<!`)\2(?!`)", "", md)
    assert "<script" not in re.sub(r"\\.", "", outside) and "<b>" not in re.sub(r"\\.", "", outside)
    for line in outside.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 5), line


def test_what_came_from_the_environment_is_not_shown(plumb, tmp_path, make_flow):
    md, html = documented(plumb, make_flow({"flow.yaml": HOSTILE}), tmp_path, env=SECRETS)
    assert not any(secret in text for secret in SECRETS.values() for text in (md, html))
    assert md.count("(from the environment)") == 2 and "is not shown" in md
    assert "hunter2" in HOSTILE.replace("${SECRET_WORD}", "hunter2"), "the flow would hold it"


def test_limits_of_rejects_are_said(plumb, tmp_path, make_flow):
    text = """\
flow: l
sources:
  s: {type: file, path: x.jsonl, rejects: {max: 1%, of: 20000}, columns: {id: int64}}
  p: {type: file, path: y.jsonl, rejects: {max: "${MOST:-77}"}, columns: {id: int64}}
tables:
  t: {key: [id], columns: {id: int64}}
  u: {key: [id], columns: {id: int64}}
transforms:
  t: {from: s, into: t, rejects: {max: 5}, sql: SELECT id FROM batch}
  u: {from: p, into: u, sql: SELECT id FROM batch}
"""
    plumb.ok("docs", make_flow({"flow.yaml": text}), "--out", tmp_path / "pages", env={"MOST": "78"})
    page = (tmp_path / "pages" / "l.md").read_text()
    assert "It stops when 200 of them are open among the last 20,000 records" in page and "It stops when 5 of them are open, and" in page
    assert "a number from the environment" in page and "78" not in page and page.count("It stops") == 3


def test_what_is_watched_and_who_is_told(plumb, tmp_path, make_flow):
    text = """\
flow: l
sources:
  s: {type: file, path: x.jsonl, columns: {id: int64}}
tables:
  t: {key: [id], columns: {id: int64}}
transforms:
  t: {from: sources.s, into: t, sql: SELECT id FROM batch}
checks:
  late: {heartbeat: s, warn: 1h, error: 6h, description: "Call | <them>."}
  few: {rejects: s, max: "${MOST:-1%}"}
alerts:
  routes:
    team: {type: slack, url: "${HOOK:-https://hooks.example/secret}", severity: error}
"""
    plumb.ok("docs", make_flow({"flow.yaml": text}), "--out", tmp_path / "pages", env={"MOST": "7%"})
    md, html = ((tmp_path / "pages" / name).read_text() for name in ("l.md", "l.html"))
    assert "| `late` | `s` | 1 h | 6 h |" in md and "Call" in md and "7 %" not in md and "(from the environment)" in md
    assert "| `team` | slack | errors |" in md and "secret" not in md + html and "hooks.example" not in md + html
    reader = read(html)
    assert {"checks", "alerts"} <= set(reader.ids) and "Call | <them>." in "".join(reader.text)


def test_reference_tables_stand_before_what_reads_them(plumb, tmp_path, make_flow):
    md, html = documented(plumb, make_flow({"flow.yaml": HOSTILE}), tmp_path, env=SECRETS)
    check_picture(read(html), nodes=8, links=7)
    assert "A reference table" in md and 'class="node reference"' in html
    assert "known" in re.search(r"n\d+\[\(\"(known)\"\)\]", md).group(1)


def wide(count):
    """Chains that cross and arrows that pass layers: t0 .. tN, each from the one before and from the first."""
    tables = "".join(f"  t{i}: {{key: [id], columns: {{id: int64}}}}\n" for i in range(count))
    derives = "".join(f"  d{i}:\n    on: [t{i - 1}, t{i * 7 // 11 % i}]\n    into: t{i}\n    derive: SELECT k.id FROM changed k "
                      f"JOIN t{i - 1} a ON a.id = k.id JOIN t{i * 7 // 11 % i} b ON b.id = k.id\n"
                      for i in range(2, count) if i * 7 // 11 % i != i - 1)
    return ("flow: wide\nstore: sqlite:w.db\nsources:\n  s: {type: file, path: x.jsonl, columns: {id: int64}}\ntables:\n" + tables
            + "transforms:\n  m: {from: s, into: t0, sql: SELECT id FROM batch}\n"
              "  d1: {on: [t0], into: t1, derive: SELECT k.id FROM changed k JOIN t0 a ON a.id = k.id}\n" + derives)


@pytest.mark.parametrize("count", [3, 30, 120])
def test_large_flows_are_drawn_without_overlaps(plumb, tmp_path, make_flow, count):
    text = wide(count)
    _, html = documented(plumb, make_flow({"flow.yaml": text}), tmp_path)
    transforms = len(re.findall(r"^  (?:d\d+|m):", text, re.MULTILINE))
    links = sum(len(set(names.split(", "))) for names in re.findall(r"on: \[(.*?)\]", text)) + 1 + transforms
    check_picture(read(html), nodes=1 + count + transforms, links=links)


def test_where_the_pages_go(plumb, tmp_path, make_flow):
    flow = make_flow({"flow.yaml": (SHOP / "flow.yaml").read_text(encoding="utf-8")})
    assert plumb.ok("docs", flow).stdout.splitlines() == [str(flow / "docs" / "shop.md"), str(flow / "docs" / "shop.html")]
    assert plumb.ok("docs", flow, "--out", tmp_path / "o").stdout.startswith(str(tmp_path / "o" / "shop.md"))
    assert plumb.run("docs", flow, "--reference", tmp_path / "r").code == 2
    assert plumb.run("docs", flow, "-o").code == 2
    assert plumb.run("docs", tmp_path / "nowhere").code == 78
