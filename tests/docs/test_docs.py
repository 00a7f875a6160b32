"""What the documentation shows works: flows pass check, code runs, links lead somewhere, generated pages are fresh."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "flows").rglob("*.md")])
ALL_PAGES = sorted(path for path in ROOT.rglob("*.md")
                   if not {"build", ".git", "node_modules"} & set(path.relative_to(ROOT).parts))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?:\}|:\?)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def blocks(path, language):
    return [text for kind, text in FENCE.findall(path.read_text(encoding="utf-8")) if kind == language]


def flows(paths):
    found = []
    for path in paths:
        for number, text in enumerate(blocks(path, "yaml")):
            if text.startswith("flow:"):
                found.append(pytest.param(path, text, id=f"{path.relative_to(ROOT)}:{number}"))
    return found


def sql_files(path, text):
    """SQL files a flow names stand beside the page, or are made from the page's sql blocks in order."""
    names = re.findall(r"[\w-]+\.sql\b", text)
    return {name: (path.parent / name).read_text() if (path.parent / name).exists() else block
            for name, block in zip(names, blocks(path, "sql") or ["SELECT 1"] * len(names))}


def check(plumb, directory, text):
    environment = {name: "value" for name in VARIABLE.findall(text)}
    return plumb.run("check", directory, env=environment, cwd=directory)


@pytest.mark.parametrize("path, text", flows(PAGES))
def test_flows_on_pages_pass_check(plumb, make_flow, path, text):
    directory = make_flow({"flow.yaml": text, **sql_files(path, text)})
    result = check(plumb, directory, text)
    assert result.code == 0, result.stderr


def test_there_are_flows_to_check():
    assert len(flows([ROOT / "docs" / "flow-files.md"])) >= 5


def test_a_flow_that_is_wrong_does_not_pass(plumb, make_flow):
    path = ROOT / "docs" / "flow-files.md"
    for param in flows([path]):
        text = param.values[1].replace("columns:", "colums:", 1)
        result = check(plumb, make_flow({"flow.yaml": text}), text)
        assert result.code == 78 and "did you mean 'columns'?" in result.stderr


@pytest.mark.parametrize("directory", sorted(path.parent for path in (ROOT / "flows").rglob("flow.yaml")),
                         ids=lambda path: path.name)
def test_shipped_flows_pass_check(plumb, tmp_path, directory):
    text = (directory / "flow.yaml").read_text()
    result = plumb.run("check", directory, env={name: "value" for name in VARIABLE.findall(text)}, cwd=tmp_path)
    assert result.code == 0, result.stderr


def reference(plumb, directory):
    plumb.ok("docs", "--reference", directory)
    return {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()}


def test_the_reference_is_what_the_program_writes(plumb, tmp_path):
    written = reference(plumb, tmp_path / "reference")
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").iterdir()}
    assert kept == written, "run `make docs`"


def test_examples_of_components_pass_check(plumb, tmp_path, make_flow):
    pages = {name: text for name, text in reference(plumb, tmp_path / "reference").items() if name.startswith("source-")}
    assert pages
    for name, text in pages.items():
        examples = [block for kind, block in FENCE.findall(text) if kind == "yaml" and block.startswith("sources:")]
        assert examples, f"{name} has no example"
        for number, example in enumerate(examples):
            directory = make_flow({"flow.yaml": "flow: example\n" + example}, name=f"{name}-{number}")
            result = check(plumb, directory, example)
            assert result.code == 0, f"{name}: {result.stderr}"


@pytest.fixture
def store(plumb, tmp_path):
    directory = tmp_path / "shop"
    plumb.ok("init", directory)
    plumb.ok("run", directory, "--once", cwd=directory)
    assert (directory / "shop.db").exists()
    return directory


def python(code, directory, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=directory, capture_output=True, text=True,
                          check=False)


def test_the_python_of_the_staging_format_reads_a_store(store):
    pytest.importorskip("zstandard")
    pytest.importorskip("xxhash")
    (code,) = blocks(ROOT / "docs" / "staging-format.md", "python")
    done = python(code + "\n        print(record.decode())\n", store)
    assert done.returncode == 0, done.stderr
    records = "".join(path.read_text() for path in sorted((store / "data").glob("*.jsonl")))
    assert done.stdout == records
    damaged = python(code.replace("raw_bytes, hash, frame", "raw_bytes, zeroblob(16), frame"), store)
    assert damaged.returncode != 0 and "AssertionError" in damaged.stderr


def test_the_python_of_the_digest_agrees_with_the_audit(plumb, store):
    pytest.importorskip("xxhash")
    (code,) = blocks(ROOT / "docs" / "digest.md", "python")
    columns = ["id:int64", "customer:text", "total:int64", "status:text", "updated:timestamp"]
    done = python(code, store, "shop.db", "orders", *columns)
    assert done.returncode == 0, done.stderr
    audit = plumb.ok("audit", store, cwd=store).stdout
    assert done.stdout.strip() in audit
    assert python(code, store, "shop.db", "orders", *columns[1:]).stdout.strip() not in audit


def anchor_of(heading):
    """As Git hosts make it: lower case, without punctuation, spaces as dashes."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or not os.fspath(file).startswith(os.fspath(ROOT)):
            broken.append(link)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            if anchor not in map(anchor_of, headings):
                broken.append(link)
    return broken


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    assert not broken_links(path)


def test_broken_links_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A page: here\n[a](other.md) [b](#a-page-here) [c](#nowhere) [d](https://example.com) [e](page.md)\n")
    assert broken_links(page) == ["other.md", "#nowhere"]
