#!/usr/bin/python3
"""A PostgreSQL of one's own for tests, and a pgbouncer before it.

    with Postgres() as server:
        server.connect().cursor().execute("SELECT 1")      # psycopg2, every statement its own transaction
        bouncer = server.bouncer()                         # transaction pooling; bouncer.url
        server.restart()                                   # as after a crash: immediate, nothing is flushed

    tests/postgres/server.py PROGRAM [ARGUMENT...]         runs it with $PLUMB_TEST_POSTGRES naming a fresh server

The server listens on a free port of the loopback address and on a socket in its own directory, lets everybody in as
`plumb` (who is no superuser; `postgres` is), and writes what happens to `server.log`. PostgreSQL refuses to run as root: as root it runs as
the user postgres or nobody. It ends with the process that started it, also when that is killed; the directory goes then,
or when the next server is started.

fsync=False: what was committed survives a crash of the server, not one of the machine. Tests need no more.
"""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
PREFIX = "plumb-postgres-"
SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "60", "shared_buffers": "32MB", "wal_level": "minimal", "max_wal_senders": "0",
            "log_min_messages": "warning", "log_line_prefix": "%m [%p] ", "autovacuum_naptime": "5s", "checkpoint_timeout": "30min",
            "timezone": "UTC", "deadlock_timeout": "200ms"}


class NoPostgres(Exception):
    """PostgreSQL (or pgbouncer) is not there; the text says what was looked for."""


def find_program(name):
    """The path of a server program: the newest of Debian's, or what PATH has."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: float(path.split("/")[4]))
    path = found[-1] if found else shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise NoPostgres(f"no {name}: 'tools/bootstrap test' installs it")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged():
    """The user to run as, or None when we are nobody special."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("root may not run PostgreSQL, and there is neither a user postgres nor nobody")


def as_user(command, user, follow=True):
    """The command run by that user; follow: it is told to end when we do."""
    prefix = ["setpriv", *(["--pdeathsig", "QUIT"] if follow else [])]
    if user is not None:
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*prefix, *map(str, command)] if len(prefix) > 1 else [*map(str, command)]


def room():
    """Where the directory lies: in memory where that is possible, and never below one that the other user may not enter."""
    for place in ("/dev/shm", "/tmp"):
        if os.access(place, os.W_OK):
            return Path(place)
    return Path(tempfile.gettempdir())


def is_alive(pid):
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False


def remove_left_over():
    """Directories of servers whose starter was killed."""
    for path in room().glob(PREFIX + "*"):
        pid = path.name[len(PREFIX):].split("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


class Child:
    """A server program in the background, its output in a file."""

    def __init__(self, command, user, log, directory):
        self.log_path = log
        with open(log, "ab") as out:
            # pylint: disable=consider-using-with # it lives until stop()
            self.process = subprocess.Popen(as_user(command, user), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=directory,
                                            start_new_session=True)

    def wait_until(self, is_ready, what):
        until = time.monotonic() + START_SECONDS_MAX
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                return False, f"{what} did not start: {self.log_path.read_text(errors='replace')[-2000:]}"
            time.sleep(0.02)
        return True, ""

    def end(self, how):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(STOP_SECONDS_MAX)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Postgres:
    """A cluster in a directory of its own, running."""

    def __init__(self, fsync=False, **settings):
        self.user = unprivileged()
        self.postgres, self.initdb = find_program("postgres"), find_program("initdb")
        if shutil.which("setpriv") is None:
            raise NoPostgres("no setpriv: the package util-linux has it")
        remove_left_over()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=room()))
        self.settings = {**SETTINGS, "fsync": "on" if fsync else "off", "unix_socket_directories": str(self.directory), **settings}
        self.child, self.port, self.others = None, None, []
        try:
            self.owned(self.directory)
            self.make()
            self.start()
            self.superuser("CREATE ROLE plumb LOGIN CREATEDB")
            self.superuser("CREATE DATABASE plumb OWNER plumb")
        except BaseException:
            self.close()
            raise

    def owned(self, path):
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def make(self):
        command = [self.initdb, "-D", self.directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync",
                   "--no-instructions"]
        done = subprocess.run(as_user(command, self.user, follow=False), capture_output=True, text=True, check=False, cwd=self.directory)
        if done.returncode != 0:
            raise NoPostgres(f"initdb: {done.stderr[-1000:]}")

    # ---- running ----

    @property
    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def start(self):
        """Starts it, on the port it had before. Whoever takes a port at the same moment is tried again with another."""
        fixed = self.port is not None
        for attempt in range(5):
            self.port = self.port if fixed else free_port()
            command = [self.postgres, "-D", self.directory / "data", "-c", f"port={self.port}"]
            for name, value in self.settings.items():
                command += ["-c", f"{name}={value}"]
            self.child = Child(command, self.user, self.directory / "log", self.directory)
            ok, why = self.child.wait_until(self.is_ready, "PostgreSQL")
            if ok:
                return
            self.child.end(signal.SIGKILL)
            if "Address already in use" not in why and "still in use" not in why or attempt == 4:
                raise NoPostgres(why)
            time.sleep(0.1)  # the old server's backends are about to notice its death

    def is_ready(self):
        lines = []
        with contextlib.suppress(FileNotFoundError):
            lines = (self.directory / "data/postmaster.pid").read_text().split("\n")
        return len(lines) > 7 and lines[0] == str(self.child.process.pid) and lines[7].strip() == "ready"

    def stop(self, how=signal.SIGINT):
        """SIGINT: in order, without waiting for clients. SIGQUIT: at once, recovery at the next start. SIGKILL: as a crash."""
        self.child.end(how)

    def restart(self, how=signal.SIGQUIT):
        self.stop(how)
        self.start()

    def close(self):
        for other in self.others:
            other.close()
        if self.child is not None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- asking it ----

    def url(self, database="plumb", user="plumb"):
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="plumb", user="plumb", autocommit=True):
        return connect(self.url(database, user), autocommit)

    def superuser(self, sql, database="postgres"):
        with contextlib.closing(self.connect(database, "postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def bouncer(self, pool=8, mode="transaction"):
        """A pgbouncer before it; closed with the server."""
        self.others.append(Bouncer(self, pool, mode))
        return self.others[-1]


def connect(url, autocommit=True):
    """A psycopg2 connection."""
    try:
        import psycopg2  # pylint: disable=import-outside-toplevel # a test without it skips
    except ImportError as error:
        raise NoPostgres("no psycopg2 for this Python: 'tools/bootstrap test' installs it") from error
    connection = psycopg2.connect(url)
    connection.autocommit = autocommit
    return connection


class Bouncer:
    """pgbouncer on a port of its own, for every database of the server."""

    def __init__(self, server, pool, mode):
        self.server = server
        program = find_program("pgbouncer")
        self.port = free_port()
        self.conf = server.directory / f"pgbouncer-{self.port}.ini"
        # Several clients share one server connection: what a session keeps is gone or, worse, another's.
        self.conf.write_text(f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
                             f"auth_type = trust\nauth_file = {server.directory}/users\npool_mode = {mode}\ndefault_pool_size = {pool}\nmax_client_conn = 100\n"
                             f"unix_socket_dir =\nlogfile =\nserver_round_robin = 1\nadmin_users = postgres\nquery_wait_timeout = 30\n")
        (server.directory / "users").write_text('"plumb" ""\n"postgres" ""\n')
        self.child = Child([program, self.conf], server.user, server.directory / "pgbouncer.log", server.directory)
        ok, why = self.child.wait_until(lambda: answers(self.port), "pgbouncer")
        if not ok:
            self.close()
            raise NoPostgres(why)

    def url(self, database="plumb", user="plumb"):
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="plumb", user="plumb", autocommit=True):
        return connect(self.url(database, user), autocommit)

    def close(self):
        self.child.end(signal.SIGKILL)


def main(arguments):
    """Runs a program with a server; without PostgreSQL it runs all the same, and its tests skip."""
    environment = dict(os.environ)
    with contextlib.ExitStack() as stack:
        if not environment.get("PLUMB_TEST_POSTGRES"):
            try:
                server = stack.enter_context(Postgres())
                environment["PLUMB_TEST_POSTGRES"] = server.url()
            except NoPostgres as error:
                print(f"server.py: {error}", file=sys.stderr)
        return subprocess.run(arguments, env=environment, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
