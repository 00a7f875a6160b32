"""What the tests of the laws share: data, a store in which only the reference table is filled, and the clean run."""
import os

import pytest
from laws.lawlib import BATCH_ROWS, copy_place, end_state, new_place, write_data


@pytest.fixture(scope="session")
def slow():
    return os.environ.get("PLUMB_SLOW") == "1"


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("laws") / "data"
    write_data(directory)
    return directory


@pytest.fixture(scope="session")
def blank(plumb, tmp_path_factory, data):  # pylint: disable=redefined-outer-name
    """Before the first record. Copied, never run."""
    return new_place(plumb, tmp_path_factory.mktemp("blank") / "flow", data)


@pytest.fixture(scope="session")
def clean(blank, tmp_path_factory):  # pylint: disable=redefined-outer-name
    """The undisturbed run: what every other run is compared with. Copied, never changed."""
    place = copy_place(blank, tmp_path_factory.mktemp("clean") / "flow")
    place.ok(batch_rows=BATCH_ROWS)
    place.state = end_state(place)
    return place


@pytest.fixture
def fresh(blank, tmp_path):  # pylint: disable=redefined-outer-name
    """fresh("name") -> a blank place of that name for this test."""
    return lambda name: copy_place(blank, tmp_path / name)


@pytest.fixture
def filled(clean, tmp_path):  # pylint: disable=redefined-outer-name
    """filled("name") -> a copy of the clean run."""
    return lambda name: copy_place(clean, tmp_path / name)
