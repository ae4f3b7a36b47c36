"""A store for each test: SQLite in a fresh folder, or PostgreSQL where LIVEOAK_TEST_POSTGRES names a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from liveoak.experience import Experience


@pytest.fixture
def location(tmp_path: Path) -> Path | str:
    server = os.environ.get("LIVEOAK_TEST_POSTGRES")
    if not server:
        return tmp_path / "experience.db"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def experience(location: Path | str) -> Iterator[Experience]:
    with Experience(location, clock=lambda: 1000.0) as opened:
        yield opened
