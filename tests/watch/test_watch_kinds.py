"""The example of every kind of check, as the reference prints it, passes `plumb check`."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/reference/checks.md"
FLOW = """\
flow: kinds
store: sqlite:kinds.db
sources:
  orders: {type: file, path: x.jsonl, columns: {id: {type: int64, required: true}}}
  chain:
    type: evm
    rpc: ["http://127.0.0.1:1"]
    from_block: 0
    events: {Transfer: "event Transfer(address indexed a, address indexed b, uint256 c)"}
tables:
  orders: {key: [id], columns: {id: int64, total: int64, customer: text, updated: timestamp}}
  people: {key: [customer], columns: {customer: text, name: text}}
  scores: {key: [customer], columns: {customer: text, name: text}}
transforms:
  orders: {from: sources.orders, into: orders, sql: "SELECT id, id AS total, '' AS customer, 0 AS updated FROM batch"}
  scores: {on: [people], into: scores, derive: "SELECT p.customer, p.name FROM changed k JOIN people p ON p.customer = k.customer"}
checks:
"""


def test_every_example_passes(plumb, make_flow):
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)\n```", page, re.S)
    assert len(examples) == len(re.findall(r"^## (\w+)$", page, re.M)) == 15
    text = "".join(f"  {example}\n" for example in examples)
    plumb.ok("check", make_flow({"flow.yaml": FLOW + text}))
    assert plumb.run("check", make_flow({"flow.yaml": FLOW + text.replace("people.name", "people.nome")}, name="not")).code == 78


def test_the_schema_has_every_kind(plumb):
    schema = plumb.ok("schema").stdout
    for kind in re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.M):
        assert f'"title": "{kind}"' in schema
