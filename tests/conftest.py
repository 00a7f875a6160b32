"""What every end-to-end test starts from: the program, a temporary flow, and a look into its store.

The program is $PLUMB, or build/plumb as `make` leaves it. Every run is given a clean environment: no variable of the
developer's reaches a flow unless the test passes it.
"""
import os
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest
from storelib import STORE, Postgres, chosen, store

ROOT = Path(__file__).resolve().parent.parent
RUN_SECONDS_MAX = 120

Result = namedtuple("Result", "code stdout stderr")
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH")


def int256(blob):
    """The integer an int256 cell holds: of a SQLite store bytes (rows/int256.h describes them)."""
    if blob is None or isinstance(blob, int):
        return blob
    length = blob[0] - 0x80
    assert len(blob) == 1 + abs(length), f"malformed int256 {blob.hex()}"
    if length >= 0:
        return int.from_bytes(blob[1:], "big")
    return -int.from_bytes(bytes(byte ^ 0xFF for byte in blob[1:]), "big")


def rows_of(database, sql, *parameters):
    """All rows of a query over a store."""
    return store().rows_of(database, sql, *parameters)


def pytest_addoption(parser):
    parser.addoption("--store", choices=("sqlite", "postgres"), help="what the flows of the tests are run on (storelib.py)")


def pytest_configure(config):
    config.addinivalue_line("markers", "sqlite_only(why): looks at what only a store in SQLite has")


def pytest_collection_modifyitems(config, items):
    if chosen(config) == "sqlite":
        return
    for item in items:
        only = item.get_closest_marker("sqlite_only")
        if only is not None:
            item.add_marker(pytest.mark.skip(reason=f"SQLite only: {only.args[0]}"))


@pytest.fixture(scope="session", autouse=True)
def flows_store(request):
    """The store under all flows of the session."""
    if chosen(request.config) == "sqlite":
        yield
        return
    from postgres import server as postgres  # pylint: disable=import-outside-toplevel # needs psycopg2
    try:
        with postgres.Postgres(max_connections="200") as server:
            STORE[0] = Postgres(server, postgres.connect)
            yield
    except postgres.NoPostgres as error:
        pytest.exit(f"--store postgres: {error}", returncode=2)


class Program:
    """Runs plumb; what it prints comes back as text, and nothing is hidden from a failing test's output."""

    def __init__(self, path):
        self.path = path

    def environment(self, more=None):
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        env.update({name: str(value) for name, value in (more or {}).items()})
        return env

    def run(self, *arguments, env=None, cwd=None, timeout=RUN_SECONDS_MAX, stdin=None):
        environment = store().prepare(arguments, self.environment(env), cwd)
        done = subprocess.run([str(self.path), *map(str, arguments)], env=environment, cwd=cwd, input=stdin,
                              timeout=timeout, capture_output=True, check=False)
        result = Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        for line in [f"$ plumb {' '.join(map(str, arguments))} -> {result.code}", result.stdout, result.stderr]:
            if line:
                print(line.rstrip())
        return result

    def ok(self, *arguments, **options):
        """As run, for a command that must succeed."""
        result = self.run(*arguments, **options)
        assert result.code == 0, f"plumb {arguments[0]} ended with {result.code}: {result.stderr[-2000:]}"
        return result

    def start(self, *arguments, env=None, cwd=None):
        """A running process, for tests that stop or kill it. The caller waits for it."""
        # pylint: disable=consider-using-with # it outlives this function on purpose
        environment = store().prepare(arguments, self.environment(env), cwd)
        return subprocess.Popen([str(self.path), *map(str, arguments)], env=environment, cwd=cwd,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="session")
def plumb():
    path = Path(os.environ.get("PLUMB", ROOT / "build" / "plumb")).absolute()
    if not os.access(path, os.X_OK):
        pytest.exit(f"no program at {path}: run 'make', or set PLUMB", returncode=2)
    return Program(path)


@pytest.fixture
def make_flow(tmp_path):
    """make_flow({"flow.yaml": "...", "data/a.csv": b"..."}, name="flow") -> the flow's directory."""

    def make(files, name="flow"):
        directory = tmp_path / name
        for path, content in files.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return directory

    return make


@pytest.fixture
def query():
    """query(database, sql, *parameters) -> rows"""
    return rows_of


@pytest.fixture
def dump():
    """dump(database) -> {table: sorted rows} of every table of the user's, without lineage columns."""

    def read(database):
        content = {}
        for table in store().tables(database):
            if table.startswith("_plumb"):
                continue
            columns = [name for name in store().columns(database, table) if not name.startswith("_")]
            listed = ", ".join(f'"{column}"' for column in columns)
            content[table] = sorted(rows_of(database, f'SELECT {listed} FROM "{table}"'), key=repr)
        return content

    return read
