"""Fixtures: a PostgreSQL for the session, a database of its own for each test, a pgbouncer."""
import itertools

import pytest
from postgres.server import NoPostgres, Postgres, connect

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    """The server. Tests that restart or kill it start their own."""
    try:
        with Postgres() as server:
            yield server
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def database(postgres):  # pylint: disable=redefined-outer-name
    """The name of an empty database, dropped after the test."""
    name = f"test_{next(NUMBERS)}"
    postgres.superuser(f"CREATE DATABASE {name} OWNER plumb")
    yield name
    postgres.superuser(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def bouncer(postgres):  # pylint: disable=redefined-outer-name
    """pgbouncer in transaction mode before the server of the session."""
    try:
        return postgres.bouncer()
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def psql(postgres, database):  # pylint: disable=redefined-outer-name
    """psql(sql, *parameters) -> rows, in the test's database."""
    connection = connect(postgres.url(database))

    def ask(sql, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else None

    yield ask
    connection.close()
