// Takes a card without anybody but the vault seeing its code: seals the code, has the vault validate and redeem
// it, and believes nothing but the vault's signed receipts.
//
//   node till.mjs ADDRESS CERTIFICATES CALLER PROGRAM AUDIENCE <code
//
// CERTIFICATES holds ca.pem, CALLER.pem and CALLER.key; AUDIENCE is whom receipts are made out to. The code is
// read from standard input, so that it stands in no list of processes. What became of it is written as one JSON
// object.

import { randomBytes, randomUUID } from "node:crypto";
import { createInterface } from "node:readline/promises";

import { toJson } from "@bufbuild/protobuf";
import sodium from "libsodium-wrappers";

import { KeySource } from "../../edge/keysource.js";
import { Purpose, sealSubmission } from "../../edge/submission.js";
import { ListPublicKeysResponseSchema, ValidationService } from "./gen/vault/v1/validation_service_pb.js";
import { Verdict, VerdictSchema } from "./gen/vault/v1/resources_pb.js";
import { Vault, refusalOf } from "./calling.mjs";
import { ReceiptVerifier } from "./receipts.mjs";

const NONCE_SIZE = 16;
// What the till tells; it never holds the code.
const NOTHING = {
  validated: "",
  card_id: "",
  receipt_card: "",
  tampered_refused: false,
  replayed: "",
  redeemed: "",
  redemption_id: "",
  receipt_id: "",
  refused_status: "",
  refused_reason: "",
  refused_field: "",
};
const nameOf = (verdict) => VerdictSchema.value[verdict].name;

// One caller of the vault, for one program.
class Till {
  constructor(vault, program, audience) {
    Object.assign(this, { vault, program, audience });
    this.methods = ValidationService.method;
    this.keys = new KeySource(async () => {
      const answer = await this.vault.call(this.methods.listPublicKeys, {});
      this.verifier = new ReceiptVerifier(answer, audience);
      return toJson(ListPublicKeysResponseSchema, answer);
    });
  }

  // Seals the code for one purpose, and asks for a receipt.
  async request(code, purpose) {
    const key = await this.keys.current();
    const sealed = sealSubmission(sodium, key, {
      audience: this.vault.principal,
      program: this.program,
      purpose,
      sealTimeMs: key.timeMs(),
      nonce: randomBytes(NONCE_SIZE),
      codes: [code],
    });
    return {
      requestId: randomUUID(),
      code: { form: { case: "sealed", value: sealed } },
      receipt: { audience: this.audience, nonce: randomBytes(NONCE_SIZE) },
    };
  }

  // Validates a code and spends it; one that is not good ends there. A submission that was used is tried again,
  // and a receipt with a changed character shown, to see both refused.
  async take(code) {
    const programs = [this.program];
    const asked = { programs, ...(await this.request(code, Purpose.VALIDATE)) };
    const validated = await this.vault.call(this.methods.validateCode, asked);
    const { verdict, cardId } = validated.result;
    const told = { ...NOTHING, validated: nameOf(verdict), card_id: cardId };
    if (verdict !== Verdict.GOOD) return told;

    const { nonce } = asked.receipt;
    const now = await this.now();
    const verify = (receipt) => this.verifier.verify(receipt, "validation", nonce, now);
    told.receipt_card = (await verify(validated.receipt)).sub;
    told.tampered_refused = await verify(tampered(validated.receipt)).then(
      () => false,
      () => true,
    );
    const again = { ...asked, requestId: randomUUID() }; // another request with the same submission: a replay
    told.replayed = nameOf((await this.vault.call(this.methods.validateCode, again)).result.verdict);

    Object.assign(told, await this.redeem(code));
    const short = { programs, code: { form: { case: "code", value: "12" } } };
    return this.vault.call(this.methods.validateCode, short).then(
      () => told,
      (error) => Object.assign(told, refusalOf(error)),
    );
  }

  // Spends a code; whoever moves money keeps the receipt's id, and moves it once for each.
  async redeem(code) {
    const asked = { program: this.program, ...(await this.request(code, Purpose.REDEEM)) };
    const { verdict, redemptionId, receipt } = await this.vault.call(this.methods.redeemCode, asked);
    const told = { redeemed: nameOf(verdict), redemption_id: redemptionId };
    if (verdict === Verdict.GOOD) {
      const { nonce } = asked.receipt;
      told.receipt_id = (await this.verifier.verify(receipt, "redemption", nonce, await this.now())).jti;
    }
    return told;
  }

  async now() {
    return new Date((await this.keys.current()).timeMs());
  }
}

// Changes one character of a receipt, in the middle.
function tampered(receipt) {
  const middle = receipt.length >> 1;
  return receipt.slice(0, middle) + (receipt[middle] === "A" ? "B" : "A") + receipt.slice(middle + 1);
}

async function firstLine(stream) {
  for await (const line of createInterface({ input: stream })) return line.trim();
  throw new Error("a code is read from standard input");
}

const given = process.argv.slice(2);
if (given.length !== 5) {
  console.error("usage: node till.mjs ADDRESS CERTIFICATES CALLER PROGRAM AUDIENCE <code");
  process.exit(2);
}
const [address, certificates, caller, program, audience] = given;
await sodium.ready;
const vault = new Vault(address, certificates, caller);
try {
  const till = new Till(vault, program, audience);
  console.log(JSON.stringify(await till.take(await firstLine(process.stdin))));
} finally {
  vault.close();
}
