"""Either store under the same tests.

With `--store postgres` (or PLUMB_TEST_STORE=postgres) every flow that says `store: sqlite:NAME.db` is run on a database of its own in a PostgreSQL
of the session: what tests call the file stands for it, in rows_of, execute, exists and copy below. Tests that look into the file itself, or
at what only SQLite has, are marked `sqlite_only("why")`.
"""
import hashlib
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path

STORE_LINE = re.compile(r"^store: *[\"']?(?:\$\{\w+:-)?sqlite:([^\s\"'}]+)\}?[\"']?[^\S\n]*$", re.M)


class Sqlite:
    """Files, as they are."""

    name = "sqlite"

    def prepare(self, arguments, env, cwd):
        """The environment to run with."""
        del self, arguments, cwd
        return env

    def rows_of(self, path, sql, *parameters):
        """Read-only: a test cannot mend what it checks."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def execute(self, path, statements):
        """Done by hand, as with the sqlite3 shell: no functions of ours, triggers fire."""
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.executescript(statements)

    def exists(self, path):
        return Path(path).exists()

    def zeros(self, count):
        """SQL: so many bytes of nothing."""
        return f"zeroblob({count})"

    def tables(self, path):
        return [name for (name,) in self.rows_of(path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite*' ORDER BY name")]

    def columns(self, path, table):
        return [name for (name,) in self.rows_of(path, "SELECT name FROM pragma_table_info(?)", table)]

    def copied(self, source, target):
        """The directory `target` is a copy of `source`, its files are there."""

    def removed(self, directory):
        """The directory was removed, its files with it."""


def plain(value):
    """A cell as sqlite3 would give it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return int(value)
    return bytes(value) if isinstance(value, memoryview) else value


class Postgres:
    """A server of the session; each store a database, made when its file is first named."""

    name = "postgres"

    def __init__(self, server, connect):
        self.server, self.connect = server, connect
        self.made = {}  # path of the file that is not there -> name of the flow, which is the schema
        self.lock = threading.Lock()

    def database(self, path):
        return "t_" + hashlib.sha256(str(Path(path).absolute()).encode()).hexdigest()[:24]

    def url(self, path):
        return self.server.url(self.database(path))

    def make(self, path, schema):
        key = str(Path(path).absolute())
        with self.lock:
            if key not in self.made:
                self.server.superuser(f"CREATE DATABASE {self.database(path)} OWNER plumb")
            self.made[key] = schema
        return self.url(path)

    def prepare(self, arguments, env, cwd):
        for argument in arguments:
            path = Path(cwd or ".") / str(argument)
            path = path / "flow.yaml" if path.is_dir() else path
            if path.suffix in (".yaml", ".yml") and path.is_file():
                env = self.prepare_flow(path, env)
        return env

    def prepare_flow(self, path, env):
        """Rewrites the line in place when it names a file; a variable of the environment, when it names that."""
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        flow = re.search(r"^flow: *(\w+)", text, re.M)
        line = STORE_LINE.search(text)
        if flow is None or line is None:
            return env
        given = env.get("PLUMB_STORE", "")
        if "${PLUMB_STORE" in line[0]:
            file = Path(given[len("sqlite:"):]) if given.startswith("sqlite:") else path.parent / line[1]
            return env if given.startswith("postgres") else {**env, "PLUMB_STORE": self.make(path.parent / file, flow[1])}
        url = self.make(path.parent / line[1], flow[1])
        path.write_text(text[:line.start()] + f"store: {url}" + text[line.end():], encoding="utf-8", errors="surrogateescape")
        return env

    def open(self, path):
        key = str(Path(path).absolute())
        if key not in self.made:
            raise sqlite3.OperationalError(f"there is no store for {path} yet")
        connection = self.connect(self.url(path))
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO \"{self.made[key]}\", plumb, public")
        return connection

    def rows_of(self, path, sql, *parameters):
        import psycopg2  # pylint: disable=import-outside-toplevel
        with closing(self.open(path)) as connection, connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")  # a test cannot mend what it checks
            try:
                cursor.execute(sql.replace("%", "%%").replace("?", "%s") if parameters else sql, parameters or None)
            except psycopg2.errors.UndefinedTable as error:
                raise sqlite3.OperationalError(str(error)) from error
            return [tuple(plain(value) for value in row) for row in cursor.fetchall()]

    def execute(self, path, statements):
        with closing(self.open(path)) as connection, connection.cursor() as cursor:
            cursor.execute(statements)

    def zeros(self, count):
        return f"decode(repeat('00', {count}), 'hex')"

    def exists(self, path):
        key = str(Path(path).absolute())
        return key in self.made and bool(self.rows_of(path, f"SELECT 1 FROM pg_namespace WHERE nspname = '{self.made[key]}'"))

    def tables(self, path):
        return [name for (name,) in self.rows_of(path, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() "
                                                       "ORDER BY table_name COLLATE \"C\"")]

    def columns(self, path, table):
        return [name for (name,) in self.rows_of(path, "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() "
                                                       "AND table_name = ? ORDER BY ordinal_position", table)]

    def copied(self, source, target):
        for key, schema in list(self.made.items()):
            if Path(key).parent == Path(source).absolute():
                path = Path(target).absolute() / Path(key).name
                flow = Path(target) / "flow.yaml"
                self.server.superuser(f"CREATE DATABASE {self.database(path)} TEMPLATE {self.database(key)} OWNER plumb")
                self.made[str(path)] = schema
                flow.write_text(flow.read_text().replace(self.database(key), self.database(path)))

    def removed(self, directory):
        for key in [key for key in self.made if Path(directory).absolute() in Path(key).parents]:
            self.server.superuser(f"DROP DATABASE {self.database(key)} WITH (FORCE)")
            del self.made[key]


STORE = [Sqlite()]


def chosen(config):
    return config.getoption("--store") or os.environ.get("PLUMB_TEST_STORE") or "sqlite"


def store():
    return STORE[0]


def copy_tree(source, target, **options):
    """A flow's directory with its store, which nobody has open."""
    shutil.copytree(source, target, **options)
    store().copied(source, target)


def remove_tree(directory):
    """A flow's directory and its store."""
    shutil.rmtree(directory)
    store().removed(directory)


def is_postgres():
    return store().name == "postgres"
