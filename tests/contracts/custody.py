"""What every custody must do, whatever it is."""

import os

import pytest

from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.secret import Secret

CONTEXT = b"vault, purpose, program, version"


class CustodyContract:
    """Run by every kind of custody: a subclass gives the fixtures.

    ``custody`` is one that is ready, ``stranger`` one of the same kind with another root key.
    """

    @pytest.mark.parametrize("size", [16, 24, 32, 48, 64])
    def test_a_key_comes_back_for_its_context(self, custody: Custody, size: int) -> None:
        key = Secret(os.urandom(size))
        assert custody.unwrap(custody.wrap(key, CONTEXT), CONTEXT) == key

    @pytest.mark.parametrize("context", [b"", CONTEXT, bytes(1000)])
    def test_any_context_will_do(self, custody: Custody, context: bytes) -> None:
        key = Secret(os.urandom(32))
        assert custody.unwrap(custody.wrap(key, context), context) == key

    @pytest.mark.parametrize("size", [0, 15, 65])
    def test_a_key_of_another_size_is_refused(self, custody: Custody, size: int) -> None:
        with pytest.raises(ValueError, match="16 to 64"):
            custody.wrap(Secret(bytes(size)), CONTEXT)

    @pytest.mark.parametrize("context", [b"", CONTEXT[:-1], CONTEXT + b"\x00", CONTEXT.upper()])
    def test_another_context_is_refused(self, custody: Custody, context: bytes) -> None:
        wrapped = custody.wrap(Secret(os.urandom(32)), CONTEXT)
        with pytest.raises(IntegrityFailure):
            custody.unwrap(wrapped, context)

    def test_any_changed_byte_is_refused_with_one_message(self, custody: Custody) -> None:
        wrapped = custody.wrap(Secret(os.urandom(32)), CONTEXT)
        messages = set()
        for place in range(len(wrapped)):
            changed = wrapped[:place] + bytes((wrapped[place] ^ 1,)) + wrapped[place + 1 :]
            with pytest.raises(IntegrityFailure) as caught:
                custody.unwrap(changed, CONTEXT)
            messages.add((caught.value.message, caught.value.reason))
        assert len(messages) == 1

    def test_what_is_cut_short_or_goes_on_is_refused(self, custody: Custody) -> None:
        wrapped = custody.wrap(Secret(os.urandom(32)), CONTEXT)
        for blob in (*(wrapped[:end] for end in range(len(wrapped))), wrapped + b"\x00"):
            with pytest.raises(IntegrityFailure):
                custody.unwrap(blob, CONTEXT)

    def test_another_custodys_wrapping_is_refused(self, custody: Custody, stranger: Custody) -> None:
        wrapped = stranger.wrap(Secret(os.urandom(32)), CONTEXT)
        with pytest.raises(IntegrityFailure):
            custody.unwrap(wrapped, CONTEXT)

    def test_the_wrapped_form_begins_with_format_and_root_version(self, custody: Custody) -> None:
        wrapped = custody.wrap(Secret(os.urandom(32)), CONTEXT)
        assert custody.root_version >= 1
        assert wrapped[:1] == b"\x01"
        assert int.from_bytes(wrapped[1:5], "big") == custody.root_version

    def test_the_same_key_is_never_wrapped_the_same_way_twice(self, custody: Custody) -> None:
        key = Secret(os.urandom(32))
        assert len({custody.wrap(key, CONTEXT) for _ in range(50)}) == 50

    def test_neither_custody_nor_what_it_unwraps_shows_a_key(self, custody: Custody) -> None:
        key = Secret(b"a key that must not be seen here")
        unwrapped = custody.unwrap(custody.wrap(key, CONTEXT), CONTEXT)
        assert "seen" not in f"{custody!r} {custody} {unwrapped!r}"

    def test_a_new_root_version_wraps_and_the_older_ones_still_unwrap(self, custody: Custody) -> None:
        key, first = Secret(os.urandom(32)), custody.root_version
        wrapped = custody.wrap(key, CONTEXT)
        second = custody.create_version()
        assert second == custody.root_version > first
        assert custody.versions == {first, second}
        newer = custody.wrap(key, CONTEXT)
        assert int.from_bytes(newer[1:5], "big") == second
        assert custody.unwrap(wrapped, CONTEXT) == custody.unwrap(newer, CONTEXT) == key
        with pytest.raises(IntegrityFailure):
            custody.unwrap(wrapped[:1] + newer[1:5] + wrapped[5:], CONTEXT)

    def test_what_a_destroyed_root_version_wrapped_never_opens_again(self, custody: Custody) -> None:
        key, first = Secret(os.urandom(32)), custody.root_version
        wrapped = custody.wrap(key, CONTEXT)
        custody.create_version()
        newer = custody.wrap(key, CONTEXT)
        words = custody.destroy_version(first)
        assert str(first) in words
        assert custody.destroy_version(first) == words
        assert first not in custody.versions
        with pytest.raises(IntegrityFailure):
            custody.unwrap(wrapped, CONTEXT)
        assert custody.unwrap(newer, CONTEXT) == key

    def test_the_root_version_in_use_is_not_destroyed(self, custody: Custody) -> None:
        for version in (custody.root_version, custody.root_version + 1):
            with pytest.raises(FailedPrecondition) as caught:
                custody.destroy_version(version)
            assert caught.value.reason == "ROOT_VERSION"
        assert custody.versions == {custody.root_version}
