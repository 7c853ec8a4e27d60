"""Relays hold nothing: of edge, shop, ledger and vault, four processes, only the first and the last hold a code.

That counts for the codes that are validated and redeemed, and for the old and the new ones of an exchange.

The memory of shop and ledger, everything that passed before and between them, their logs, their metrics and
every file of the sample are searched for every code in every form. That a code there would be found is tried by
planting one.
"""

import asyncio
import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.system.images import forms_in, forms_in_files, memory_image
from tests.system.wiretap import Wiretap
from vault.cli.demo.targets import Bytes
from vault.cli.edge.command import deal_in
from vault.cli.edge.listener import Answer, Listener
from vault.cli.edge.running import Part, Sample

CARDS = 20
EXCHANGED = 5
PIECES = 8
RELAYS = ("shop", "ledger")


class Sold(NamedTuple):
    """What the sample has sold: the codes that were taken, given up and given out, and where everything is."""

    sample: Sample
    relays: dict[str, Part]
    codes: list[str]
    folder: Path
    outcomes: list[list[str]]


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sold]:
    """Sell to customers whose codes come from an edge; the traffic is on disk."""
    folder = tmp_path_factory.mktemp("relays")
    with (
        pytest.MonkeyPatch.context() as patch,
        Wiretap(folder / "traffic") as wiretap,
        ExitStack() as started,
    ):
        patch.setenv("MALLOC_ARENA_MAX", "1")  # glibc reserves 64 MB for each other heap, and gcore writes them out
        sample = started.enter_context(Sample(folder / "sample", through=wiretap.through))
        codes, exchangeable = asyncio.run(deal_in(sample, CARDS, EXCHANGED))
        paid = [*codes["good"], *codes["superseded"], *codes["unknown"]]
        typed = [*paid, *(f"{card.code} {card.serial}" for card in exchangeable)]
        edge = [sys.executable, "-m", "tests.system.sealing_edge", sample.url]
        done = subprocess.run(edge, input="\n".join(typed), capture_output=True, text=True, check=True)
        outcomes = [line.split() for line in done.stdout.splitlines()]
        given = [new for _, new in outcomes[len(paid) :]]
        every = [*paid, *(card.code for card in exchangeable), *given]
        relays = dict(zip(RELAYS, (sample.shop, sample.ledger), strict=True))
        for name, part in relays.items():
            (folder / f"{name}.metrics").write_bytes(get(part, "/metrics"))
        yield Sold(sample, relays, every, folder, outcomes)


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


@contextmanager
def half_asked(address: str, request: bytes) -> Iterator[None]:
    """Have a listener hold a request without an end: all of it was read, and more lines come, so that it waits on."""
    over = threading.Event()
    with connected(address) as held:
        held.sendall(request)
        deadline = time.monotonic() + 120
        while unread(held):
            assert time.monotonic() < deadline
            time.sleep(0.02)

        def go_on() -> None:
            while not over.wait(5):
                held.sendall(b"X-More: yes\r\n")

        going_on = threading.Thread(target=go_on)
        going_on.start()
        try:
            yield
        finally:
            over.set()
            going_on.join()


def unread(held: socket.socket) -> bool:
    """Whether the other end of a connection has not read all of what was sent, or not yet taken it at all."""
    ports = [f":{address[1]:04X}" for address in (held.getpeername(), held.getsockname())]
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if [fields[place][-5:] for place in (1, 2)] == ports:
            return int(fields[4].partition(":")[2], 16) > 0
    return True


def get(part: Part, path: str) -> bytes:
    return ask(part, "GET", path, b"")


def post(part: Part, path: str, body: object) -> bytes:
    return ask(part, "POST", path, json.dumps(body).encode())


def ask(part: Part, method: str, path: str, body: bytes) -> bytes:
    connection = HTTPConnection(part.address, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_every_good_card_was_sold_once_and_no_other(sold: Sold) -> None:
    assert sold.outcomes[:-EXCHANGED] == [["validated", "redeemed"]] * CARDS + [["not_good", "not_good"]] * 2
    books = json.loads(get(sold.sample.ledger, "/books"))["entries"]
    assert len({entry["card"] for entry in books}) == len(books) == CARDS


def test_every_code_that_was_replaced_was_exchanged_for_another(sold: Sold) -> None:
    assert {outcome for outcome, _ in sold.outcomes[-EXCHANGED:]} == {"exchanged"}
    assert len(set(sold.codes)) == len(sold.codes) == CARDS + 2 + 2 * EXCHANGED


@pytest.fixture(scope="module")
def images(sold: Sold) -> dict[str, Bytes]:
    """Take the relays' memory images, before anything is planted."""
    return {name: memory_image(part.pid, sold.folder) for name, part in sold.relays.items()}


@pytest.mark.parametrize("name", RELAYS)
def test_a_relays_memory_holds_no_code(sold: Sold, images: dict[str, Bytes], name: str) -> None:
    assert b"/metrics" in images[name].tobytes()  # it is the process's memory
    assert forms_in(images[name], sold.codes) == set()


@pytest.mark.parametrize("name", RELAYS)
@pytest.mark.usefixtures("images")
def test_a_code_that_is_planted_in_a_relays_memory_is_found(sold: Sold, name: str, tmp_path: Path) -> None:
    part = sold.relays[name]
    planted = base64.b64encode(b"x" + sold.codes[0].encode())
    request = b"GET / HTTP/1.1\r\nX-Note: " + planted + b"\r\nX-Other: " + sold.codes[1].encode() + b"\r\n"
    with half_asked(part.address, request):
        image = memory_image(part.pid, tmp_path)
    pieces = np.array_split(image, PIECES)  # one after the other, until it is found
    assert any(forms_in(piece, sold.codes) >= {"ASCII", "base64 of ASCII"} for piece in pieces)


def test_nothing_that_passed_or_was_written_holds_a_code(sold: Sold) -> None:
    files = {path.name.rpartition("-")[0] for path in (sold.folder / "traffic").iterdir()}
    assert files == {f"{way}-{name}" for way in ("to", "from") for name in ("shop", "ledger", "vault")}
    sealed = [path for path in (sold.folder / "traffic").glob("to-shop-*") if b'"sealed"' in path.read_bytes()]
    assert len(sealed) == 2 * (CARDS + 2) + EXCHANGED  # in clear: it is HTTP
    assert all(b"POST" in part.log.read_bytes() for part in sold.relays.values())
    assert b"sample_requests_total" in (sold.folder / "shop.metrics").read_bytes()
    assert forms_in_files(sold.folder, sold.codes) == set()


def test_what_passes_in_clear_would_be_found(sold: Sold, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Wiretap(tmp_path / "traffic") as wiretap:
        address = wiretap.through("shop", "{}:{}".format(*listener.getsockname()))
        with connected(address) as caller:
            caller.sendall(sold.codes[0].encode())
            called, _ = listener.accept()
            with called:
                assert called.recv(16) == sold.codes[0].encode()
    assert ("to-shop-1", "ASCII") in forms_in_files(tmp_path, sold.codes)


def test_a_ledger_that_lies_sells_nothing(sold: Sold) -> None:
    """The shop believes no receipt but the vault's, for this very redemption."""
    traffic = sorted((sold.folder / "traffic").glob("from-ledger-*"))
    genuine = json.loads(traffic[0].read_bytes().rpartition(b"\r\n\r\n")[2])["receipt"]
    assert genuine.count(".") == 2
    head, claims, signature = genuine.split(".")
    lies = [
        {"verdict": "VERDICT_GOOD", "receipt": genuine},  # of another redemption
        {"verdict": "VERDICT_GOOD", "receipt": f"{head}.{claims}.{signature[::-1]}"},
        {"verdict": "VERDICT_GOOD", "receipt": ""},
        {"verdict": "VERDICT_GOOD"},
        {"verdict": "GOOD", "receipt": genuine},
        [],
    ]
    asked = {"sealed": "AAAA", "requestId": "00000000-0000-4000-8000-000000000000"}
    answers = asyncio.run(_answers_to(sold.sample, lies, asked))
    assert answers == [b'{"problem":"RECEIPT"}'] * 3 + [b'{"problem":"LEDGER"}'] * 3


async def _answers_to(sample: Sample, lies: Sequence[object], asked: object) -> list[bytes]:
    turn = iter(lies)

    async def lie(_body: bytes) -> Answer:
        return Answer(HTTPStatus.OK, json.dumps(next(turn)).encode())

    ledger = Listener({("POST", "/redemptions"): lie})
    shop = await asyncio.to_thread(sample.start_shop, ledger.address)
    try:
        return [await asyncio.to_thread(post, shop, "/api/redeem", asked) for _ in lies]
    finally:
        ledger.stop()


@pytest.mark.parametrize(
    ("form", "planted"),
    [
        ("ASCII", lambda code: code.encode()),
        ("ASCII", lambda code: code[::-1].encode()),
        ("digits, spread out or not", lambda code: code.encode("utf-16-le")),
        ("digits, spread out or not", lambda code: code.encode("utf-16-be")),
        ("digits, spread out or not", lambda code: code.encode("utf-32")),
        (
            "digits, spread out or not",
            lambda code: " ".join(code[place : place + 4] for place in range(0, 16, 4)).encode(),
        ),
        (
            "digits, spread out or not",
            lambda code: "-".join(code[place : place + 4] for place in range(0, 16, 4)).encode(),
        ),
        *[("base64 of ASCII", lambda code, at=at: base64.b64encode(b"x" * at + code.encode())) for at in range(3)],
        ("base64 of ASCII", lambda code: base64.urlsafe_b64encode(code.encode())),
        ("hex of ASCII", lambda code: code.encode().hex().encode()),
        ("packed", bytes.fromhex),
        ("reversed packed", lambda code: bytes.fromhex(code)[::-1]),
        ("little-endian integer", lambda code: int(code).to_bytes(8, "little")),
        ("big-endian integer", lambda code: int(code).to_bytes(8, "big")),
        (
            "Python integer",
            lambda code: (int(code) % 2**30).to_bytes(4, "little") + (int(code) >> 30).to_bytes(4, "little"),
        ),
    ],
)
def test_every_form_is_found_wherever_it_stands(form: str, planted: object) -> None:
    assert callable(planted)
    code = "4000001234567899"
    for before in (64, 4096 - 8):  # in the middle, and across the border of what is searched at once
        data = np.frombuffer(b"\x01" * before + planted(code) + b"\x01" * 64, np.uint8)
        assert form in forms_in(data, [code], chunk_bytes=4096)
        assert forms_in(data, ["4000001234567898"], chunk_bytes=4096) == set()
