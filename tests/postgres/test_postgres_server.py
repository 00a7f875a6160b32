"""The harness itself: what a test relies on when it starts a server, restarts it, kills it, or puts a pgbouncer before it."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postgres.server import NoPostgres, Postgres, find_program, room

HERE = Path(__file__).resolve().parent


@pytest.fixture(name="own")
def own_server():
    """A server that the test may kill."""
    try:
        with Postgres() as server:
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_a_server_survives_restarts_and_keeps_what_was_committed(own):
    psycopg2 = pytest.importorskip("psycopg2")
    connection = own.connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t(n int); INSERT INTO t VALUES (1)")
    for number, how in enumerate((signal.SIGQUIT, signal.SIGINT, signal.SIGKILL), 2):
        port = own.port
        own.restart(how)
        assert own.port == port
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
        connection = own.connect()
        cursor = connection.cursor()
        cursor.execute("SELECT max(n) FROM t")
        assert cursor.fetchone() == (number - 1,)
        cursor.execute("INSERT INTO t VALUES (%s)", (number,))
    assert "automatic recovery" in own.log


def test_plumb_is_no_superuser(psql):
    assert psql("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user") == [("plumb", False)]


def test_pgbouncer_pools_transactions(postgres):
    """Two clients, one server connection: what the first set for its session, the second meets."""
    try:
        one = postgres.bouncer(pool=1)
    except NoPostgres as error:
        pytest.skip(str(error))
    first, second = one.connect(), one.connect()
    with first.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()
    with second.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() == pid
    first.close()
    second.close()


@pytest.mark.parametrize("how", ["end", "SIGKILL"])
def test_nothing_is_left_behind(how):
    try:
        find_program("initdb")
    except NoPostgres as error:
        pytest.skip(str(error))
    script = f"import sys; sys.path.insert(0, {str(HERE.parent)!r})\nfrom postgres.server import Postgres\n" \
             "with Postgres() as server:\n    print(server.directory, server.child.process.pid, flush=True)\n    sys.stdin.readline()\n"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        directory, pid = starter.stdout.readline().split()
        assert Path(directory).parent == room() and Path(directory).is_dir()
        if how == "SIGKILL":
            starter.kill()
        else:
            starter.communicate("\n", timeout=60)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    if how == "SIGKILL":  # the next one cleans up
        with Postgres():
            pass
    assert not os.path.exists(directory)
