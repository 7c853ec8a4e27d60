/**
 * A claim to exchange a superseded code for its successor, which travels sealed to a key of this page's alone.
 *
 * 1. The key pair is made for this one claim. Its public half stands inside the sealed submission, so only the
 *    vault can have answered to it; its private half stays in this object, and is overwritten once the answer
 *    was opened or the claim is given up.
 * 2. What is opened names the request that it answers: an answer to another one is refused.
 * 3. Where no answer came, or a wrong one, the same submission is posted again under the same request id, and
 *    the vault answers the same code. A claim made anew would be another one: the vault puts the card on hold.
 *
 * What was opened is overwritten, too. Copies in libsodium's own memory (WebAssembly) and the strings that the
 * new code is shown by are not: no script can do that.
 */

import { AnswerRefused, decodeExchangedCode } from "./exchanged.js";

export class ExchangeClaim {
  /**
   * Begin a claim.
   *
   * @param {object} sodium libsodium-wrappers, ready.
   * @param {(publicKey: Uint8Array) => {sealed: string, requestId: string}} seal Seals code, serial and public
   *   key for an exchange.
   */
  constructor(sodium, seal) {
    const { publicKey, privateKey } = sodium.crypto_box_keypair();
    this.#sodium = sodium;
    this.#publicKey = publicKey;
    this.#privateKey = privateKey;
    this.#submission = Object.freeze(seal(publicKey));
  }

  #sodium;
  #publicKey;
  #privateKey;
  #submission;

  /** What to post, and to post again until it is answered: `sealed` in base64, and `requestId`. */
  get submission() {
    return this.#submission;
  }

  /**
   * Open the answer, once.
   *
   * @param {string} sealedCode ExchangeCodeResponse's `sealed_code`, in base64.
   * @returns {{code: string, serial: string}} The new code, and the serial that belongs to it.
   * @throws {AnswerRefused} It was changed, or answers another claim; or this one was answered or given up.
   */
  open(sealedCode) {
    const message = this.#unseal(sealedCode);
    try {
      const { code, serial, requestId } = decodeExchangedCode(message);
      if (requestId !== this.#submission.requestId) throw new AnswerRefused();
      this.giveUp();
      return { code, serial };
    } finally {
      this.#sodium.memzero(message);
    }
  }

  /** Overwrite the private key: no answer to this claim can be opened any more. */
  giveUp() {
    if (this.#privateKey !== null) this.#sodium.memzero(this.#privateKey);
    this.#privateKey = null;
  }

  #unseal(sealedCode) {
    const sodium = this.#sodium;
    try {
      const box = sodium.from_base64(sealedCode, sodium.base64_variants.ORIGINAL);
      return sodium.crypto_box_seal_open(box, this.#publicKey, this.#privateKey);
    } catch {
      // libsodium throws errors of several kinds for what is no base64, no box, not for this key, or no key.
      throw new AnswerRefused();
    }
  }
}
