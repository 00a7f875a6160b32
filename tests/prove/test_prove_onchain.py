"""`plumb prove` on the largest flow that ships, over logs from files: twenty tables, and nothing to find."""
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "onchain"))
import onchainlib  # noqa: E402 (its folder is not on the path before)


def test_flows_onchain_gives_the_same_tables_in_every_way(plumb, tmp_path):
    rows = onchainlib.launches(random.Random(3), pools=5, blocks=150)
    for number in range(3):
        onchainlib.write_logs(tmp_path / "logs" / f"logs-{number}.csv", rows[number::3])
    flow = onchainlib.make_flow(tmp_path / "flow")
    env = {"ONCHAIN_LOGS": tmp_path / "logs"}
    plumb.ok("run", flow, "--once", "--batch-rows", 100, env=env, cwd=flow)
    result = plumb.run("prove", flow, "--json", "--batches", 100, env=env, cwd=flow, timeout=400)
    report = json.loads(result.stdout)
    assert (result.code, report["findings"]) == (0, []), json.dumps(report["findings"])[:3000]
    assert report["records"] == len(rows) and report["tables"] >= 20
