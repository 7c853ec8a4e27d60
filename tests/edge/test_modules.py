"""The edge's modules beside the vault's own: the same check digits, digits, bytes and rules, in a browser."""

import base64
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from playwright.async_api import Browser, Page

from tests.edge.conftest import opened
from tests.vectors import load
from vault.client.sealing import SealingKeys
from vault.codes.checkdigit import check_digit
from vault.codes.format import normalize
from vault.crypto.keyring import Key
from vault.crypto.sealedbox import draw_key, public_half
from vault.crypto.submission import open_submission, sealing_version
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import CheckAlgorithm, KeyPurpose, KeyState
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

pytestmark = pytest.mark.asyncio(loop_scope="package")

CASES: list[dict[str, Any]] = [case for case in load("submission") if case["accepted"]]
PUBLIC_KEYS = [public_half(draw_key()) for _ in range(3)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    async with opened(browser) as tab, tab.at(site) as page:
        yield page


async def run(page: Page, body: str, given: object = None) -> Any:
    """Run the body of an asynchronous function of ``given`` in the page, with ``edge`` and ``sodium``."""
    script = f"""async (given) => {{
        const edge = await import("/edge/cardvault-edge.js");
        const sodium = (await import("libsodium-wrappers")).default;
        await sodium.ready;
        const {{ from_hex, to_hex }} = sodium;
        {body}
    }}"""
    return await page.evaluate(script, given)


def of_javascript(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a vector's fields as the edge takes them, bytes in hexadecimal."""
    names = {"seal_time_ms": "sealTimeMs", "public_key": "publicKey"}
    return {names.get(name, name): value for name, value in fields.items()}


READ_BYTES = """const read = (fields) =>
    ({ ...fields, nonce: from_hex(fields.nonce), publicKey: from_hex(fields.publicKey) });"""


@pytest.mark.parametrize("algorithm", CheckAlgorithm)
async def test_check_digits_are_the_vaults(page: Page, algorithm: CheckAlgorithm) -> None:
    payloads = [f"{number * 7919:0{length}}" for length in (1, 7, 15, 18) for number in range(150)]
    payloads = [payload for payload in payloads if len(payload) < 19]
    asked = [payload + digit for payload in payloads for digit in "0123456789"]
    name = f"CHECK_ALGORITHM_{algorithm.name}"
    body = "return given.asked.map((digits) => edge.hasRightCheckDigit(digits, given.name));"
    answers = await run(page, body, {"asked": asked, "name": name})
    assert answers == [check_digit(code[:-1].encode(), algorithm).decode() == code[-1] for code in asked]


async def test_an_unknown_algorithm_and_what_is_no_digit_are_errors(page: Page) -> None:
    body = """return given.map(([digits, name]) => {
        try { edge.hasRightCheckDigit(digits, name); return ""; } catch (error) { return error.name; }
    });"""
    asked = [["12", "CHECK_ALGORITHM_UNSPECIFIED"], ["12", "toString"], ["1a", "CHECK_ALGORITHM_LUHN"], ["", "x"]]
    assert await run(page, body, asked) == ["RangeError"] * 4


async def test_typed_text_is_read_as_the_vault_reads_it(page: Page) -> None:
    marks = ["", " ", "-", "\u3000", "\u2010", "\u2011", "\u2212", "\uff0d", "x", ".", "\u0661", "\u00a0"]
    typed = [f"1234{mark}5678{mark}\uff19\uff10\uff11\uff12{mark}3456" for mark in marks]
    answers = await run(page, "return given.map(edge.readDigits);", typed)
    for text, answer in zip(typed, answers, strict=True):
        try:
            assert answer == {"digits": normalize(text).decode(), "foreign": False}
        except InvalidInput:
            assert answer == {"digits": "1234567890123456", "foreign": True}


async def test_the_encoder_writes_the_frozen_messages(page: Page) -> None:
    body = READ_BYTES + "return given.map((fields) => to_hex(edge.encodeSubmission(read(fields))));"
    asked = [case for case in CASES if case["fields"]["seal_time_ms"] < 2**53]
    assert len(asked) >= 3
    written = await run(page, body, [of_javascript(case["fields"]) for case in asked])
    assert written == [case["message"] for case in asked]


async def test_the_encoder_writes_what_protobuf_writes_at_the_borders(page: Page) -> None:
    lengths = (1, 127, 128, 2048)
    times = (1, 127, 128, 2**31, 2**32, 2**53 - 1)
    wanted = [
        Submission(
            audience="a" * length,
            program="gift",
            purpose=Submission.PURPOSE_VALIDATE,
            seal_time_ms=time,
            nonce=bytes(16),
            codes=["1234567890123452"] * count,
        )
        for length, time, count in itertools.product(lengths, times, (1, 1000))
    ]
    asked = [{"length": len(one.audience), "time": one.seal_time_ms, "count": len(one.codes)} for one in wanted]
    body = """return given.map(({ length, time, count }) => to_hex(edge.encodeSubmission({
        audience: "a".repeat(length), program: "gift", purpose: 1, sealTimeMs: time, nonce: new Uint8Array(16),
        codes: Array(count).fill("1234567890123452"),
    })));"""
    assert await run(page, body, asked) == [one.SerializeToString().hex() for one in wanted]


async def test_what_the_edge_seals_the_vault_opens(page: Page) -> None:
    private = draw_key()
    body = (
        READ_BYTES
        + """return given.cases.map((fields) => to_hex(edge.sealSubmission(
        sodium, { version: given.version, publicKey: from_hex(given.key) }, read(fields))));"""
    )
    asked = [of_javascript(case["fields"]) for case in CASES if case["fields"]["seal_time_ms"] < 2**53]
    for version in (1, 2**32 - 1):
        key = Key(KeyPurpose.SEALING, "", version, KeyState.ACTIVE, private)
        given = {"cases": asked, "version": version, "key": public_half(private).hex()}
        for fields, sealed in zip(asked, await run(page, body, given), strict=True):
            blob = bytes.fromhex(sealed)
            assert sealing_version(blob) == version
            opened = open_submission(key, blob)
            assert list(opened.codes) == fields["codes"]
            assert opened.seal_time_ms == fields["sealTimeMs"]


async def test_two_sealings_have_nothing_in_common_but_size(page: Page) -> None:
    body = """const options = { audience: "shop.example", program: "gift", fetchKeys: () => given };
        const one = new edge.Edge(options);
        return await one.seal([1, 1, 2], () => "1234567890123452");"""
    sealed = await run(page, body, answer({1: "ACTIVE"}))
    boxes = [base64.b64decode(one["sealed"])[5:] for one in sealed]
    assert {len(box) for box in boxes} == {560}
    assert len({box[:32] for box in boxes}) == len({one["requestId"] for one in sealed}) == 3


async def test_the_time_sealed_is_the_vaults_whatever_the_customers_clock_says(page: Page) -> None:
    body = """let now = 1000;
        const clock = { monotonicMs: () => now, wallMs: () => 5 };
        const fetchKeys = async () => { now += 400; return given; };
        const source = new edge.KeySource(fetchKeys, { clock });
        const key = await source.current();
        now += 90_000;
        return [key.timeMs(), (await source.current()).timeMs(), Date.parse(given.time)];"""
    first, second, told = await run(page, body, answer({1: "ACTIVE"}))
    assert first == second == told + 200 + 90_000


@pytest.mark.parametrize(
    ("monotonic", "wall", "asked"), [(239_000, 0, 1), (241_000, 0, 2), (0, 241_000, 2), (0, -241_000, 2)]
)
async def test_keys_are_asked_for_anew_when_they_are_old_by_either_clock(
    page: Page, monotonic: int, wall: int, asked: int
) -> None:
    body = """let [now, wall, asked] = [0, 0, 0];
        const clock = { monotonicMs: () => now, wallMs: () => wall };
        const source = new edge.KeySource(async () => { asked += 1; return given.answer; }, { clock });
        await source.current();
        [now, wall] = given.clocks;
        await source.current();
        return asked;"""
    given = {"answer": answer({1: "ACTIVE"}), "clocks": [monotonic, wall]}
    assert await run(page, body, given) == asked


def answer(states: Mapping[int, str], keys: Sequence[bytes] = PUBLIC_KEYS) -> dict[str, Any]:
    """Return an answer of ListPublicKeys in JSON: sealing keys by version, with a receipt key beside them."""
    told = ListPublicKeysResponse(issuer="urn:uuid:0")
    told.time.FromMilliseconds(1_700_000_000_000)
    told.keys.add(key_id="receipt-9", purpose=PublicKey.PURPOSE_RECEIPT, state=PublicKey.STATE_ACTIVE)
    for version, state in states.items():
        told.keys.add(
            key_id=f"sealing-{version}",
            purpose=PublicKey.PURPOSE_SEALING,
            state=PublicKey.State.Value(f"STATE_{state}"),
            public_key=keys[version - 1],
        )
    shown: dict[str, Any] = MessageToDict(told)
    return shown


ANSWERS = [
    {},
    {1: "ACTIVE"},
    {1: "ACTIVE", 2: "PRE_ACTIVE"},
    {1: "DEACTIVATED", 2: "ACTIVE"},
    {2: "ACTIVE", 1: "ACTIVE"},
    {1: "COMPROMISED"},
    {1: "COMPROMISED", 2: "ACTIVE", 3: "PRE_ACTIVE"},
    {3: "ACTIVE"},
    {2: "PRE_ACTIVE"},
]


@pytest.mark.parametrize("lowest_version", [1, 2])
@pytest.mark.parametrize("pinned", [0, 1])
async def test_keys_are_chosen_and_downgrades_refused_as_the_python_sealer_does(
    page: Page, lowest_version: int, pinned: int
) -> None:
    answers = [answer(states) for states in ANSWERS]
    answers.append(answer({1: "ACTIVE", 2: "ACTIVE"}, [PUBLIC_KEYS[2], *PUBLIC_KEYS[1:]]))  # another key
    plays = [list(play) for play in itertools.product(range(len(answers)), repeat=3)]
    pins = PUBLIC_KEYS[1 : 1 + pinned]
    body = """return given.plays.map((play) => {
        const keys = new edge.SealingKeys({ lowestVersion: given.lowest, pins: given.pins });
        return play.map((number) => {
            let taken = true;
            try { keys.accept(given.answers[number]); } catch (error) { taken = error.reason; }
            try { return [taken, keys.current().version]; } catch (error) { return [taken, error.reason]; }
        });
    });"""
    given = {
        "answers": answers,
        "plays": plays,
        "lowest": lowest_version,
        "pins": [base64.b64encode(pin).decode() for pin in pins],
    }
    for play, played in zip(plays, await run(page, body, given), strict=True):
        keys = SealingKeys(pins=pins, lowest_version=lowest_version)
        assert played == [_step(keys, answers[number]) for number in play]


def _step(keys: SealingKeys, shown: Mapping[str, Any]) -> list[object]:
    told = ListPublicKeysResponse()
    for key in shown["keys"]:
        told.keys.add(
            key_id=key["keyId"],
            purpose=PublicKey.Purpose.Value(key["purpose"]),
            state=PublicKey.State.Value(key["state"]),
            public_key=base64.b64decode(key.get("publicKey", "")),
        )
    taken: object = True
    try:
        keys.accept(told)
    except IntegrityFailure:
        taken = "downgrade"
    try:
        return [taken, keys.current().version]
    except FailedPrecondition:
        return [taken, "none"]


@pytest.mark.parametrize(
    "key",
    [
        {"keyId": "sealing-0"},
        {"keyId": "sealing-01"},
        {"keyId": "sealing-4294967296"},
        {"keyId": "receipt-1"},
        {"keyId": None},
        {"publicKey": "AAAA"},
        {"publicKey": "?"},
        {"publicKey": None},
        {"state": "STATE_UNSPECIFIED"},
    ],
)
async def test_a_malformed_key_refuses_the_answer(page: Page, key: dict[str, Any]) -> None:
    told = answer({1: "ACTIVE"})
    told["keys"][1] |= key
    body = 'try { new edge.SealingKeys().accept(given); return ""; } catch (error) { return error.reason; }'
    assert await run(page, body, told) == "malformed"
