"""Copies of the root key, shown and noted."""

import base64
import os
from pathlib import Path

import pytest

from tests.workshop import Workshop
from vault.custody.file import FIRST_LINE, FileCustody
from vault.errors import IntegrityFailure
from vault.service.upkeep.rootcopies import confirm, unconfirmed
from vault.stores.protocol import Transaction


async def missing(shop: Workshop, custody: FileCustody) -> list[int]:
    def look(tx: Transaction) -> list[int]:
        return unconfirmed(tx, shop.recorder.catalogue.at(tx), custody)

    return await shop.store.read(look)


async def test_no_copy_is_confirmed_until_one_is_shown(shop: Workshop, tmp_path: Path) -> None:
    custody = FileCustody(tmp_path / "root.key")
    assert await missing(shop, custody) == [1]
    assert await confirm(shop.recorder, custody, FileCustody(tmp_path / "root.key"), os.urandom) == [1]
    assert await missing(shop, custody) == []
    (event,) = [event for event in await shop.all_events() if event.action == "vault/ConfirmRootCopy"]
    assert event.note == "root versions 1"


async def test_a_file_that_does_not_open_the_keys_is_no_copy(shop: Workshop, tmp_path: Path) -> None:
    custody = FileCustody(tmp_path / "root.key")
    with pytest.raises(IntegrityFailure) as caught:
        await confirm(shop.recorder, custody, FileCustody.create(tmp_path / "other.key"), os.urandom)
    assert caught.value.reason == "ROOT_KEY"
    assert await missing(shop, custody) == [1]


async def test_a_copy_from_before_a_new_root_version_is_no_copy(shop: Workshop, tmp_path: Path) -> None:
    """The old copy opens every key that there is, but not the next one."""
    content = (tmp_path / "root.key").read_bytes()
    newer = tmp_path / "newer.key"
    newer.touch(mode=0o600)
    newer.write_bytes(content + b"2 %s\n" % base64.b64encode(os.urandom(32)))
    assert content.startswith(FIRST_LINE)
    custody, copy = FileCustody(newer), FileCustody(tmp_path / "root.key")
    with pytest.raises(IntegrityFailure):
        await confirm(shop.recorder, custody, copy, os.urandom)
    assert await missing(shop, custody) == [1, 2]
    assert await confirm(shop.recorder, custody, FileCustody(newer), os.urandom) == [1, 2]
    assert await missing(shop, custody) == []
