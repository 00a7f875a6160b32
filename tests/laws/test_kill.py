"""Laws 1 to 3: killed anywhere, the next run ends where an undisturbed run ends.

The comparison itself is shown able to fail by test_split.py::test_another_input_gives_another_state; that kills happen
is counted here; that a store which lost a batch does not pass is test_a_lost_batch_would_be_noticed."""
import random
import re
import time

import pytest
from laws.lawlib import BATCH_ROWS, SIGKILLED, copy_place, end_state, fewer, in_parallel, new_place, spread, write_data
from storelib import remove_tree


def counts_of(result):
    line = re.findall(r"^fault: .*$", result.stderr, re.MULTILINE)[-1]
    return {kind: int(number) for kind, number in re.findall(r"(\w+)=(\d+)", line)}


def test_killed_at_every_durable_step_the_next_run_ends_the_same(blank, clean, tmp_path, slow):
    steps = counts_of(copy_place(blank, tmp_path / "count").ok(batch_rows=BATCH_ROWS, fault="count"))["step"]
    assert steps > 100, "the kill points are gone"

    def kill_at(step):
        place = copy_place(blank, tmp_path / f"kill-{step}")
        killed = place.run(batch_rows=BATCH_ROWS, fault=f"kill:{step}")
        # How many batches share a turn changes from run to run, so the last steps may not be reached.
        assert killed.code == SIGKILLED or (killed.code == 0 and step > steps * 0.5), (step, killed.code)
        place.ok(batch_rows=BATCH_ROWS)
        assert end_state(place) == clean.state, f"killed at step {step} of {steps}"
        remove_tree(place.directory)
        return killed.code == SIGKILLED

    tried = in_parallel(kill_at, spread(1, steps, steps if slow else fewer(200)))
    assert sum(tried) > 0.7 * len(tried)


def test_killed_while_recovering_and_while_replaying_it_still_ends_the_same(blank, clean, tmp_path, slow):
    """A second kill hits the run that mends the first; a third the replay."""
    def kill_thrice(step):
        place = copy_place(blank, tmp_path / f"thrice-{step}")
        assert place.run(batch_rows=BATCH_ROWS, fault=f"kill:{step}").code == SIGKILLED
        place.run(batch_rows=BATCH_ROWS, fault=f"kill:{1 + step // 2}")
        place.run(command="replay", fault=f"kill:{step}")
        place.ok(batch_rows=BATCH_ROWS)
        assert end_state(place) == clean.state, f"killed at step {step}"
        remove_tree(place.directory)

    in_parallel(kill_thrice, spread(1, 150, 150 if slow else fewer(24)))


KILLS = 500
KILLS_A_ROUND = 12


@pytest.fixture(scope="module")
def busy(plumb, tmp_path_factory):
    """Enough data that a run takes long enough to be killed in the middle several times."""
    data = tmp_path_factory.mktemp("busy") / "data"
    write_data(data, seed=2, orders=(5000, 5000, 5000), people=2000, hits=4000)
    return new_place(plumb, tmp_path_factory.mktemp("busy-blank") / "flow", data)


def test_five_hundred_kills_at_random_moments_change_nothing(busy, tmp_path):
    undisturbed = copy_place(busy, tmp_path / "undisturbed")
    started = time.monotonic()
    undisturbed.ok(batch_rows=250)
    seconds = time.monotonic() - started
    state = end_state(undisturbed)
    rng = random.Random(500)
    kills = 0
    rounds = 0
    reached = set()  # how far the killed runs had come
    while kills < fewer(KILLS):
        rounds += 1
        place = copy_place(busy, tmp_path / f"round-{rounds}")
        # Again and again on the same store, until it ends by itself before its moment comes, or is let.
        for _ in range(KILLS_A_ROUND):
            if not kill_after(place, rng.uniform(0, seconds / rng.choice((1, 2, 4)))):
                break
            kills += 1
            reached.add(place.value("SELECT count(*) FROM _plumb_batches"))
        place.ok(batch_rows=250)
        assert end_state(place) == state, f"round {rounds}"
        remove_tree(place.directory)
    print(f"{kills} kills in {rounds} rounds, with {sorted(reached)} batches")
    assert len(reached) >= fewer(5), "the kills came always at the same place"


def kill_after(place, seconds):
    """True when the process was killed before it ended by itself."""
    process = place.plumb.start("run", place.directory, "--once", "--batch-rows", 250, env=place.env,
                                cwd=place.directory)
    try:
        process.wait(seconds)
    except Exception:  # pylint: disable=broad-except # TimeoutExpired: it is still at work
        process.kill()
    process.communicate()
    assert process.returncode in (0, SIGKILLED)
    return process.returncode == SIGKILLED


def test_a_lost_batch_would_be_noticed(filled):
    """The negative twin: what the comparison is there to find."""
    place = filled("lost")
    before = place.query("SELECT max(id) FROM _plumb_batches")
    place.sql(f"DELETE FROM _plumb_batches WHERE id = {before[0][0]}")
    with pytest.raises(AssertionError):
        end_state(place)
