"""The edge's own half of an exchange: serials, the decoder of the answer, and the claim that opens it."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.edge.conftest import opened
from tests.edge.test_modules import answer, run
from tests.vectors import load
from vault.codes.serial import parse_serial
from vault.crypto.keyring import Key
from vault.crypto.sealedbox import draw_key, public_half, seal_box
from vault.crypto.submission import open_submission
from vault.errors import InvalidInput
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose, KeyState

pytestmark = pytest.mark.asyncio(loop_scope="package")

SERIALS: list[str] = [serial for case in load("serial") for serial in case["serials"]]
CODE, NEW = "1234567890123452", "1234567890123460"
SERIAL, REQUEST = SERIALS[0], "71e7779a-c8a2-4378-bdeb-9afe95c40457"
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
REFUSED = "AnswerRefused: the sealed answer is not one to this claim"


class Vault:
    """Opens claims and answers them as the vault does, with a sealing key of its own."""

    def __init__(self) -> None:
        private = draw_key()
        self.keys = answer({1: "ACTIVE"}, [public_half(private)])
        self._key = Key(KeyPurpose.SEALING, "", 1, KeyState.ACTIVE, private)

    def open(self, sealed: str) -> Submission:
        """Open what the edge has sealed."""
        return open_submission(self._key, base64.b64decode(sealed))

    def reply(self, sealed: str, request_id: str, code: str) -> str:
        """Seal an answer to the key in a submission."""
        content = message(code, request_id=request_id)
        return base64.b64encode(seal_box(self.open(sealed).public_key, content)).decode()


VAULT = Vault()


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    """Open the page; its scripts can ask for what the vault would reply, and for that without its box."""
    async with opened(browser) as tab, tab.at(site) as page:
        await page.expose_function("reply", VAULT.reply)
        await page.expose_function("written", lambda request_id, code: message(code, request_id=request_id).hex())
        yield page


def right(serial: str) -> bool:
    with suppress(InvalidInput):
        return parse_serial(serial) == serial
    return False


async def test_check_characters_are_the_vaults(page: Page) -> None:
    near = [serial[:-1] + character for serial in SERIALS[:20] for character in CHARACTERS]
    asked = [*SERIALS, *near, *(serial[:5] + serial[6] + serial[5] + serial[7:] for serial in SERIALS)]
    problems = await run(page, "return given.map(edge.problemOfSerial);", asked)
    assert problems == ["" if right(serial) else "check" for serial in asked]
    assert set(problems) == {"", "check"}


@pytest.mark.parametrize(
    ("serial", "problem"),
    [("", "empty"), ("1", "first"), ("1" + SERIAL[1:], "first"), (SERIAL[:-1], "short"), (SERIAL + "0", "long")],
)
async def test_what_is_wrong_with_a_serial_is_a_word(page: Page, serial: str, problem: str) -> None:
    assert await run(page, "return edge.problemOfSerial(given);", serial) == problem


@pytest.mark.parametrize("mark", ["", " ", "-", "\u3000", "\u2212"])
async def test_a_serial_is_read_however_it_is_written(page: Page, mark: str) -> None:
    wide = {ord(character): ord(character) + 0xFEE0 for character in CHARACTERS + CHARACTERS.lower()}
    for typed in (SERIAL, SERIAL.lower(), SERIAL.translate(wide), SERIAL.lower().translate(wide)):
        read = await run(page, "return edge.readSerial(given);", f"{typed[:4]}{mark}{typed[4:]}{mark}")
        assert read == {"serial": SERIAL, "foreign": False}


@pytest.mark.parametrize("mark", [".", "\u00df", "\u0131", "\u017f", "\u0391", "\u0661"])
async def test_what_is_none_of_its_characters_is_left_out_and_told(page: Page, mark: str) -> None:
    read = await run(page, "return edge.readSerial(given);", SERIAL[:3] + mark + SERIAL[3:])
    assert read == {"serial": SERIAL, "foreign": True}


def message(code: str = CODE, serial: str = SERIAL, request_id: str = REQUEST) -> bytes:
    return ExchangedCode(code=code, serial=serial, request_id=request_id).SerializeToString()


def field(head: int, content: bytes) -> bytes:
    return bytes([head, len(content)]) + content


async def decoded(page: Page, content: bytes) -> Any:
    body = """try { return edge.decodeExchangedCode(from_hex(given)); } catch (error) { return String(error); }"""
    return await run(page, body, content.hex())


@pytest.mark.parametrize("code", ["12345678", CODE, "1234567890123456789"])
async def test_the_decoder_reads_what_protobuf_writes(page: Page, code: str) -> None:
    wanted = {"code": code, "serial": SERIAL, "requestId": REQUEST}
    assert await decoded(page, message(code)) == wanted
    parts = [field(0x1A, REQUEST.encode()), field(0x0A, code.encode()), field(0x12, SERIAL.encode())]
    assert ExchangedCode.FromString(b"".join(parts)) == ExchangedCode.FromString(message(code))
    assert await decoded(page, b"".join(parts)) == wanted


async def test_a_message_that_is_cut_anywhere_is_refused(page: Page) -> None:
    whole = message()
    body = """return given.map((hex) => {
        try { return edge.decodeExchangedCode(from_hex(hex)); } catch (error) { return String(error); }
    });"""
    cut = [whole[:size].hex() for size in range(len(whole))] + [whole[size:].hex() for size in range(1, len(whole))]
    assert set(await run(page, body, cut)) == {REFUSED}


@pytest.mark.parametrize(
    "content",
    [
        message() + field(0x22, b"x"),  # a field 4
        message() + b"\x20\x01",
        message() + b"\x0a",
        message() + b"\0",
        message() + field(0x0A, CODE.encode()),  # twice
        message() + field(0x1A, REQUEST.encode()),
        message().replace(b"\x0a\x10", b"\x0a\x90\x00"),  # its size spelled at length
        message().replace(b"\x0a\x10", b"\x8a\x00\x10"),  # its number spelled at length
        message().replace(b"\x12\x0d", b"\x12\xff"),  # longer than what is there
        message(code=""),
        message(serial=""),
        message(request_id=""),
        message(code="1234567"),
        message(code="1" * 20),
        message(code="1" * 200),
        message(code="123456789012345x"),
        message(code="\u0661" * 16),
        message(serial=SERIAL.lower()),
        message(serial=CODE[:13]),
        message(request_id=REQUEST.upper()),
        message(request_id=REQUEST + "\n"),
    ],
)
async def test_what_is_no_answer_of_the_vaults_is_refused_without_repeating_it(page: Page, content: bytes) -> None:
    assert await decoded(page, content) == REFUSED


async def claimed(page: Page, play: str) -> Any:
    """Run a play with a ``claim``, whose answers ``reply`` makes, and ``opened``, what it made of an answer."""
    body = """const options = { audience: "shop.example", program: "gift", fetchKeys: () => given.keys };
        const claim = await new edge.Edge(options).claim(() => ({ code: given.code, serial: given.serial }));
        const { sealed, requestId } = claim.submission;
        const opened = (answer) => {
            try { return claim.open(answer); } catch (error) { return String(error); }
        };
        """
    return await run(page, body + play, {"keys": VAULT.keys, "code": CODE, "serial": SERIAL})


async def test_a_claim_seals_code_serial_and_a_key_of_its_own_for_an_exchange(page: Page) -> None:
    body = "return claim.submission;"
    told = [await claimed(page, body) for _ in range(2)]
    first, second = (VAULT.open(one["sealed"]) for one in told)
    assert (list(first.codes), first.serial, first.purpose) == ([CODE], SERIAL, Submission.PURPOSE_EXCHANGE)
    assert (first.audience, first.program) == ("shop.example", "gift")
    assert len({first.public_key, second.public_key}) == len({one["requestId"] for one in told}) == 2


async def test_the_answer_to_a_claim_is_opened_once(page: Page) -> None:
    play = """const answer = await reply(sealed, requestId, NEW);
        return [opened(answer), opened(answer)];""".replace("NEW", json.dumps(NEW))
    assert await claimed(page, play) == [{"code": NEW, "serial": SERIAL}, REFUSED]


async def test_a_claim_that_was_answered_wrongly_is_open_still(page: Page) -> None:
    play = """const another = await reply(sealed, crypto.randomUUID(), given.code);
        const malformed = await reply(sealed, requestId, "1");
        const other = await new edge.Edge(options).claim(() => given);
        const elsewhere = await reply(other.submission.sealed, requestId, given.code);
        const right = await reply(sealed, requestId, given.code);
        const wrong = [another, malformed, elsewhere, right.slice(4), "?", "", null, undefined, 1];
        return [wrong.map(opened), opened(right)];"""
    wrong, right = await claimed(page, play)
    assert wrong == [REFUSED] * 9
    assert right == {"code": CODE, "serial": SERIAL}


async def test_a_claim_that_was_given_up_opens_nothing(page: Page) -> None:
    play = """const answer = await reply(sealed, requestId, given.code);
        claim.giveUp();
        claim.giveUp();
        return opened(answer);"""
    assert await claimed(page, play) == REFUSED


async def test_the_key_and_what_was_opened_are_overwritten(page: Page) -> None:
    play = """const seen = [];
        const kept = (bytes) => { seen.push(bytes); return bytes; };
        const watching = new Proxy(sodium, { get: (all, name) => ({
            crypto_box_keypair: () => { const pair = all.crypto_box_keypair(); kept(pair.privateKey); return pair; },
            crypto_box_seal_open: (...box) => kept(all.crypto_box_seal_open(...box)),
        })[name] ?? all[name] });
        let publicKey;
        const watched = new edge.ExchangeClaim(watching, (key) => { publicKey = key; return claim.submission; });
        const content = from_hex(await written(requestId, given.code));
        const box = (bytes) => sodium.to_base64(
            sodium.crypto_box_seal(bytes, publicKey), sodium.base64_variants.ORIGINAL);
        const told = () => seen.map((bytes) => bytes.some((byte) => byte !== 0));
        const steps = [told()];
        try { watched.open(box(content.subarray(1))); } catch (error) { steps.push(told()); }
        watched.open(box(content));
        return [...steps, told()];"""
    assert await claimed(page, play) == [[True], [True, False], [False, False, False]]
