"""The search of the demo finds a code in every form, and nothing where there is none."""

import base64
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from vault.cli.demo import search
from vault.cli.demo.search import search_files
from vault.cli.demo.targets import Targets

DIGITS = "0123456789"
Form = Callable[[bytes], bytes]


def ascii_digits(code: bytes) -> bytes:
    return code


def packed(code: bytes) -> bytes:
    return bytes.fromhex(code.decode())


def big_endian(code: bytes) -> bytes:
    return int(code).to_bytes(8, "big")


def little_endian(code: bytes) -> bytes:
    return int(code).to_bytes(8, "little")


PLAIN: tuple[Form, ...] = (ascii_digits, packed, big_endian, little_endian)


def backwards(data: bytes) -> bytes:
    return data[::-1]


def unchanged(data: bytes) -> bytes:
    return data


def hex_lower(data: bytes) -> bytes:
    return data.hex().encode()


def hex_upper(data: bytes) -> bytes:
    return data.hex().upper().encode()


def base64_in_alignment(prefix: int, encode: Callable[[bytes], bytes]) -> Form:
    def form(data: bytes) -> bytes:
        return encode(b"\xd7" * prefix + data)

    form.__name__ = f"{encode.__name__}_{prefix}"
    return form


WRAPPINGS: tuple[Form, ...] = (
    unchanged,
    hex_lower,
    hex_upper,
    *(
        base64_in_alignment(prefix, encode)
        for prefix in range(3)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    ),
)


@pytest.fixture
def generator() -> random.Random:
    return random.Random(20060609)


@pytest.fixture
def codes(generator: random.Random) -> list[bytes]:
    return ["".join(generator.choices(DIGITS, k=16)).encode() for _ in range(5000)]


class Disguise(NamedTuple):
    """How a code is written: a plain form, what that is wrapped in, whether bytes or digits are reversed."""

    plain: Form
    wrapping: Form
    last: Form
    digits: Form


DISGUISES = [
    Disguise(*forms) for forms in itertools.product(PLAIN, WRAPPINGS, (unchanged, backwards), (unchanged, backwards))
]


@pytest.mark.parametrize("disguise", DISGUISES, ids=lambda forms: "-".join(form.__name__ for form in forms))
def test_a_code_in_every_form_is_found_at_any_offset_and_across_chunks(
    disguise: Disguise,
    codes: list[bytes],
    generator: random.Random,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, wrapping, last, digits = disguise
    monkeypatch.setattr(search, "CHUNK_BYTES", 4096)
    targets = Targets(codes)
    number = generator.randrange(len(codes))
    planted = last(wrapping(plain(digits(codes[number]))))
    if wrapping is not unchanged:
        planted = b"\n" + planted + b"\n"  # in life, what stands beside such text is not more of its letters
    path = tmp_path / "data"
    for offset in (0, generator.randrange(9000), 4096 - len(planted) // 2, 8192 - 1, 10_000 - len(planted)):
        content = bytearray(generator.randbytes(10_000))
        content[offset : offset + len(planted)] = planted
        path.write_bytes(content)
        report = search_files([path], targets)
        assert {finding.code_number for finding in report.findings} == {number}, offset


@pytest.mark.parametrize("last", [unchanged, backwards])
@pytest.mark.parametrize("wrapping", [hex_lower, hex_upper, base64_in_alignment(0, base64.b64encode)])
def test_an_integer_without_leading_zeros_is_found_in_hex_and_base64(
    wrapping: Form, last: Form, codes: list[bytes], generator: random.Random, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    for number in range(20):
        planted = last(wrapping(int(codes[number]).to_bytes(7, "big")))
        path.write_bytes(generator.randbytes(100) + b"=" + planted + b"\n" + generator.randbytes(100))
        assert {finding.code_number for finding in search_files([path], Targets(codes)).findings} == {number}


def test_random_bytes_hold_no_code(codes: list[bytes], generator: random.Random, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(generator.randbytes(8_000_000))
    report = search_files([path], Targets(codes))
    assert report.findings == []
    assert (report.files, report.searched_bytes) == (1, 8_000_000)


def test_text_full_of_digits_and_zero_pages_hold_no_code(
    codes: list[bytes], generator: random.Random, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    text = "".join(generator.choices(DIGITS + "ABCDEF-", k=1_000_000)).encode()
    path.write_bytes(text + bytes(1_000_000) + base64.b64encode(generator.randbytes(500_000)))
    assert search_files([path], Targets(codes)).findings == []


def test_the_same_code_in_two_forms_counts_once(codes: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x" + codes[7] + b"\xff\xff" + packed(codes[7]) + b"\xff" + codes[9] + b"y")
    report = search_files([path], Targets(codes))
    assert report.codes_found == 2
    assert {finding.form for finding in report.findings} >= {"ASCII", "packed"}


def test_a_finding_does_not_show_the_code(codes: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(codes[0])
    assert codes[0].decode() not in repr(search_files([path], Targets(codes)))


@pytest.mark.parametrize("code", [b"1234", b"123456789012345x", b"12345678901234567"])
def test_a_code_that_is_not_16_digits_is_refused(code: bytes) -> None:
    with pytest.raises(ValueError, match="16 digits"):
        Targets([code])


def test_no_codes_and_empty_files_are_searched_without_findings(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"")
    assert search_files([path], Targets([])).findings == []
    path.write_bytes(b"1234567890123456")
    assert search_files([path], Targets([])).findings == []
