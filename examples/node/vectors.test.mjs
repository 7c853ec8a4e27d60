// The vectors of tests/vectors: what the vault's own code takes and refuses, beside an independent library for
// JOSE, and the bytes of sealed submissions. Run it with `node --test examples/node`, after buf generate.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { fromBinary } from "@bufbuild/protobuf";
import { jwtVerify } from "jose";
import sodium from "libsodium-wrappers";

import { encodeSubmission, sealSubmission } from "../../edge/submission.js";
import { SubmissionSchema } from "./gen/vault/formats/v1/submission_pb.js";
import { PublicKey_Purpose as Purpose, PublicKey_State as State } from "./gen/vault/v1/resources_pb.js";
import { ReceiptVerifier } from "./receipts.mjs";

const ISSUED = new Date(1_700_000_000_000);
// Rightly signed by the right key, and read alike by every library, though the vault's own verifier compares
// its bytes, too.
const OTHER_SPELLING = "a header of another spelling";

await sodium.ready;
const load = (name) => JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}.json`, import.meta.url))).cases;
const unhex = (text) => sodium.from_hex(text);
const receipts = load("receipt");
// The times of some are beyond what a number of JavaScript's can count.
const submissions = load("submission").filter((one) => Number.isSafeInteger(one.fields?.seal_time_ms));
const [, redemption] = receipts;
const nonceOf = (claims) => Buffer.from(claims.nonce ?? "", "base64url");
const later = (seconds) => new Date(ISSUED.getTime() + seconds * 1000);

function verifierOf(one, { issuer = redemption.claims.iss, audience = "ledger.example", ...key } = {}) {
  const right = { purpose: Purpose.RECEIPT, state: State.ACTIVE, publicKey: unhex(one.public) };
  return new ReceiptVerifier({ keys: [{ keyId: `receipt-${one.version}`, ...right, ...key }], issuer }, audience);
}

for (const one of receipts.filter(({ claims }) => !claims?.results)) {
  test(`receipt: ${one.name}`, async () => {
    const { use = "validation" } = one.claims ?? {};
    const verified = verifierOf(one).verify(one.receipt, use, nonceOf(one.claims ?? {}), ISSUED);
    if (one.accepted) assert.deepEqual(await verified, one.claims);
    else if (one.name === OTHER_SPELLING) assert.equal((await verified).use, "validation");
    else await assert.rejects(verified);
  });
}

test("the library by itself verifies what the vault signs, batches too", async () => {
  const accepted = receipts.filter((one) => one.accepted);
  for (const one of accepted) {
    const { payload } = await jwtVerify(one.receipt, verifierOf(one).keys, { currentDate: ISSUED });
    assert.deepEqual(payload, one.claims);
  }
  assert.ok(accepted.some(({ claims }) => claims.results));
});

test("a receipt counts for its reader, its request and its time alone", async () => {
  const right = { use: "redemption", nonce: nonceOf(redemption.claims), now: ISSUED, receipt: redemption.receipt };
  const verify = (how = {}) => {
    const { use, nonce, now, receipt, ...reader } = { ...right, ...how };
    return verifierOf(redemption, reader).verify(receipt, use, nonce, now);
  };
  assert.equal((await verify()).sub, redemption.claims.sub);
  assert.equal((await verify({ now: later(329) })).sub, redemption.claims.sub);
  await assert.rejects(verify({ issuer: "urn:uuid:other" }));
  await assert.rejects(verify({ audience: "other.example" }));
  await assert.rejects(verify({ use: "validation" }));
  await assert.rejects(verify({ nonce: Buffer.alloc(16) }));
  await assert.rejects(verify({ now: later(-31) }));
  await assert.rejects(verify({ now: later(331) }));
  await assert.rejects(verify({ state: State.COMPROMISED }));
  await assert.rejects(verify({ purpose: Purpose.STATEMENT }));
  for (let place = 0; place < redemption.receipt.length; place += 1) {
    const bytes = Buffer.from(redemption.receipt);
    bytes[place] ^= 1;
    await assert.rejects(verify({ receipt: bytes.toString("latin1") }), `byte ${place}`);
  }
});

for (const one of submissions) {
  test(`submission: ${one.name}`, () => {
    const { seal_time_ms: sealTimeMs, public_key: publicKey, nonce, ...fields } = one.fields;
    const submission = { ...fields, sealTimeMs, nonce: unhex(nonce), publicKey: unhex(publicKey) };
    assert.equal(sodium.to_hex(encodeSubmission(submission)), one.message);
    const key = { version: one.version, publicKey: unhex(one.public) };
    for (const blob of [unhex(one.blob), sealSubmission(sodium, key, submission)]) {
      const padded = sodium.crypto_box_seal_open(blob.subarray(5), unhex(one.public), unhex(one.private));
      const message = sodium.unpad(padded, 512);
      assert.equal(sodium.to_hex(message), one.message);
      assert.deepEqual(fromBinary(SubmissionSchema, message).codes, one.fields.codes);
    }
  });
}
