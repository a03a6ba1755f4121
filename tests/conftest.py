"""Fixtures that several files of tests use."""

import pytest


@pytest.fixture
def table(tmp_path):
    """Writes lines to a CSV file and returns its path."""

    def write(*lines):
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
