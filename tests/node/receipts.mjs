// Verifies receipts with jose, by a JWK set: another reading of what the vault signs.
//
//   node receipts.mjs FILE
//
// FILE holds {jwks, issuer, audience, now, receipts}; written is a JSON list, for each receipt its claims, or why not.
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const { jwks, issuer, audience, now, receipts } = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const keys = createLocalJWKSet(jwks);
const rules = {
  algorithms: ["EdDSA"],
  typ: "vault-receipt+jwt",
  issuer,
  audience,
  currentDate: new Date(now * 1000),
  requiredClaims: ["iat", "nbf", "exp", "jti", "use"],
};
const verified = receipts.map((receipt) =>
  jwtVerify(receipt, keys, rules).then(
    ({ payload }) => payload,
    ({ code, claim }) => [code, claim].join(" ").trim(),
  ),
);
console.log(JSON.stringify(await Promise.all(verified)));
