"""LESSONS.md names tests: each of them exists."""
import re
from pathlib import Path

from conftest import ROOT


def names_of_tests():
    found = set()
    for folder in ("watch", "notify"):
        for path in (ROOT / folder).glob("*_test.c"):
            found.update(re.findall(r"^static void (\w+)\(void \*\*state\)", path.read_text(encoding="utf-8"), re.M))
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            found.update(re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M))
    return found


def test_every_rule_has_tests_that_exist():
    text = (Path(__file__).parent / "LESSONS.md").read_text(encoding="utf-8")
    rules = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| rule", "| ---"))]
    assert len(rules) >= 9
    existing = names_of_tests()
    for rule, tests in rules:
        named = re.findall(r"`(\w+)`", tests)
        assert named, f"no test for: {rule}"
        assert not set(named) - existing, rule
    assert "a_test_that_nobody_wrote" not in existing
