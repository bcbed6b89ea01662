"""Where the sites of these tests are made."""

from __future__ import annotations

import os

import pytest

from tests.deploy import archives


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.getbasetemp()
    is_one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    archives.shared_folder[:] = [own.parent if is_one_of_many else own]
