// Receipts, verified without asking the vault by a library for JOSE: compact JWS (RFC 7515), EdDSA alone (RFC
// 8037).

import { createLocalJWKSet, jwtVerify } from "jose";

import { PublicKey_Purpose as Purpose, PublicKey_State as State } from "./gen/vault/v1/resources_pb.js";

const TYPE = "vault-receipt+jwt";
const LEEWAY_SECONDS = 30;
const OUTCOMES = { validation: "GOOD", redemption: "REDEEMED" };

export const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

export class ReceiptVerifier {
  // Takes an answer of ListPublicKeys that came from the vault itself, and whom the receipts are for.
  constructor({ keys, issuer }, audience) {
    const trusted = keys.filter(({ purpose, state }) => purpose === Purpose.RECEIPT && state !== State.COMPROMISED);
    const set = trusted.map(({ keyId, publicKey }) => ({
      kty: "OKP",
      crv: "Ed25519",
      alg: "EdDSA",
      use: "sig",
      kid: keyId,
      x: base64url(publicKey),
    }));
    this.keys = createLocalJWKSet({ keys: set });
    this.rules = {
      algorithms: ["EdDSA"],
      typ: TYPE,
      issuer,
      audience,
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ["sub", "iat", "nbf", "exp", "jti", "generation"],
    };
  }

  // Answers what a receipt of one good code claims, and throws where it does not count, by `now`, a Date.
  // Whoever moves money on a redemption's keeps its `jti`, and moves it once for each.
  async verify(receipt, use, nonce, now) {
    if (respelled(receipt) !== receipt) throw new Error("this receipt is spelled otherwise than the vault does");
    const { payload } = await jwtVerify(receipt, this.keys, { ...this.rules, currentDate: now });
    const spelled = nonce.length ? base64url(nonce) : undefined;
    if (payload.use !== use || payload.outcome !== OUTCOMES[use] || payload.nonce !== spelled) {
      throw new Error("this receipt is for another request");
    }
    return payload;
  }
}

// The library passes over padding and spare bits; without them whoever files receipts can compare their bytes.
function respelled(receipt) {
  const parts = receipt.split(".").map((part) => base64url(Buffer.from(part, "base64url")));
  return parts.join(".");
}
