"""Fixtures that several files of tests use, and an environment that binds git to no repository."""

import os

import pytest

from qinn_bench import repository

for bound in set(os.environ) - set(repository.environment()):
    del os.environ[bound]  # In a hook, the repositories that tests make would be that of the user.


@pytest.fixture
def table(tmp_path):
    """Writes lines to a CSV file and returns its path."""

    def write(*lines):
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
