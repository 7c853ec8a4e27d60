/**
 * Cardvault's edge: seals the code of a card in the customer's browser, so that the shop and everybody behind
 * it relay ciphertext and only the vault reads the code; and opens there the code that the vault gives for a
 * superseded one.
 *
 *     import { CodeField, Edge, Purpose } from "./cardvault-edge.js";
 *
 *     const edge = new Edge({ audience, program, fetchKeys });
 *     const field = new CodeField(input, format, (problem) => show(problem));
 *     const [submission] = await edge.seal([Purpose.VALIDATE], () => field.take());
 *     await fetch("/api/validate", { method: "POST", body: JSON.stringify(submission) });
 *
 *     const claim = await edge.claim(() => ({ code: field.take(), serial: serialField.take() }));
 *     const answer = await fetch("/api/exchange", { method: "POST", body: JSON.stringify(claim.submission) });
 *     const { code, serial } = claim.open((await answer.json()).sealedCode);
 *
 * 1. Digits go from the field into a sealed box and nowhere else: nothing stores, logs or sends them, and the
 *    field is emptied. What the browser itself holds in memory is freed in its own time: a script cannot
 *    overwrite a string.
 * 2. A submission is for one audience, program and purpose, for 5 minutes, and is taken once; `requestId` lets
 *    the same one be sent again after a broken connection, for the same answer.
 * 3. The keys are fetched before the digits are taken, so that digits are held only while they are sealed.
 * 4. The answer to an exchange is sealed to a key that is made here for one claim, and told to nobody but the
 *    vault.
 *
 * It does not protect against other scripts in the page, extensions of the browser, or whoever serves the page:
 * serve it under a content security policy that lets in no script but these, as the sample shop does.
 *
 * It needs libsodium-wrappers, by that name: from an import map, or a bundler.
 */

import sodium from "libsodium-wrappers";

import { ExchangeClaim } from "./claim.js";
import { KeySource } from "./keysource.js";
import { Purpose, sealSubmission } from "./submission.js";

export { hasRightCheckDigit } from "./checkdigit.js";
export { ExchangeClaim } from "./claim.js";
export { group, problemOf, readDigits } from "./code.js";
export { AnswerRefused, decodeExchangedCode } from "./exchanged.js";
export { CodeField, SerialField } from "./field.js";
export { KeysRefused, SealingKeys } from "./keys.js";
export { KeySource } from "./keysource.js";
export { problemOfSerial, readSerial } from "./serial.js";
export { encodeSubmission, Purpose, sealSubmission } from "./submission.js";

const NONCE_SIZE = 16;

export class Edge {
  /**
   * @param {object} options
   * @param {string} options.audience The shop's principal, which may present what is sealed.
   * @param {string} options.program The program of the codes.
   * @param {() => Promise<object>} options.fetchKeys Answers ListPublicKeysResponse in protobuf's JSON.
   * @param {number} [options.lowestVersion] Version of the sealing key below which nothing is sealed.
   * @param {string[]} [options.pins] Public keys in base64, to which alone is sealed; empty: to whatever is
   *   answered.
   */
  constructor({ audience, program, fetchKeys, lowestVersion = 1, pins = [] }) {
    this.#audience = audience;
    this.#program = program;
    this.#keys = new KeySource(fetchKeys, { lowestVersion, pins });
  }

  #audience;
  #program;
  #keys;

  /**
   * Seal one code once for each purpose.
   *
   * @param {number[]} purposes Of `Purpose`.
   * @param {() => string} takeDigits Answers the digits, and lets go of them; called once, after everything
   *   else is ready.
   * @returns {Promise<{sealed: string, requestId: string}[]>} In the purposes' order: what to post, `sealed` in
   *   base64.
   * @throws {KeysRefused} There is no key to seal to; the digits were not taken.
   */
  async seal(purposes, takeDigits) {
    const key = await this.#ready();
    const digits = takeDigits();
    return purposes.map((purpose) => this.#sealed(key, { purpose, codes: [digits] }));
  }

  /**
   * Begin to exchange one superseded code, by the serial that is printed beside it.
   *
   * Keep the claim until it is answered: see `ExchangeClaim`.
   *
   * @param {() => {code: string, serial: string}} takeTyped Answers the digits and the serial, and lets go of
   *   them; called once, after everything else is ready.
   * @returns {Promise<ExchangeClaim>}
   * @throws {KeysRefused} There is no key to seal to; nothing was taken.
   */
  async claim(takeTyped) {
    const key = await this.#ready();
    const { code, serial } = takeTyped();
    const fields = { purpose: Purpose.EXCHANGE, codes: [code], serial };
    return new ExchangeClaim(sodium, (publicKey) => this.#sealed(key, { ...fields, publicKey }));
  }

  /** Ask for the vault's keys and clock anew before the next sealing, as after a refused submission. */
  forgetKeys() {
    this.#keys.forget();
  }

  async #ready() {
    const [key] = await Promise.all([this.#keys.current(), sodium.ready]);
    return key;
  }

  #sealed(key, fields) {
    const sealed = sealSubmission(sodium, key, {
      ...fields,
      audience: this.#audience,
      program: this.#program,
      sealTimeMs: key.timeMs(),
      nonce: sodium.randombytes_buf(NONCE_SIZE),
    });
    return {
      sealed: sodium.to_base64(sealed, sodium.base64_variants.ORIGINAL),
      requestId: crypto.randomUUID(),
    };
  }
}
