/**
 * The vault's sealing keys and its clock, as the shop's backend hands them on.
 *
 * 1. The time put into a submission is the vault's: the answer's, plus what the browser's monotonic clock
 *    counted since. A wrong or changed clock of the customer's does not matter; an answer that took a while is
 *    taken for half as old.
 * 2. Keys are asked for anew when they are older than 4 minutes by either of the browser's clocks, and after a
 *    refusal. An answer that one asked for later has overtaken is passed over.
 */

import { KeysRefused, SealingKeys } from "./keys.js";

const OLDEST_MS = 4 * 60 * 1000;
const BROWSER_CLOCK = Object.freeze({ monotonicMs: () => performance.now(), wallMs: () => Date.now() });

export class KeySource {
  /**
   * @param {() => Promise<object>} fetchKeys Answers ListPublicKeysResponse in protobuf's JSON.
   * @param {object} [options]
   * @param {number} [options.lowestVersion] As `SealingKeys` takes it.
   * @param {string[]} [options.pins] As `SealingKeys` takes it.
   * @param {{monotonicMs: () => number, wallMs: () => number}} [options.clock] The browser's.
   */
  constructor(fetchKeys, { clock = BROWSER_CLOCK, ...rules } = {}) {
    this.#fetchKeys = fetchKeys;
    this.#clock = clock;
    this.#keys = new SealingKeys(rules);
  }

  #fetchKeys;
  #clock;
  #keys;
  #told = null;
  #asked = 0;

  /**
   * Answer the key to seal to and the vault's clock, asking for them where what is held is too old.
   *
   * @returns {Promise<{version: number, publicKey: Uint8Array, timeMs: () => number}>} `timeMs` counts
   *   milliseconds since 1970.
   * @throws {KeysRefused} The answer has no key to seal to, or goes back behind what was known.
   */
  async current() {
    const fresh = this.#told !== null && this.#ageMs() <= OLDEST_MS;
    const { timeMs, readAt } = fresh ? this.#told : await this.#refresh();
    const clock = this.#clock;
    return { ...this.#current(), timeMs: () => Math.round(timeMs + clock.monotonicMs() - readAt) };
  }

  /** Ask anew before the next sealing; what was seen of keys stays known. */
  forget() {
    this.#told = null;
  }

  #current() {
    try {
      return this.#keys.current();
    } catch (error) {
      this.forget(); // there may be a key when it is asked for again
      throw error;
    }
  }

  async #refresh() {
    this.#asked += 1;
    const turn = this.#asked;
    const asked = this.#clock.monotonicMs();
    const answer = await this.#fetchKeys();
    const answered = this.#clock.monotonicMs();
    if (this.#told !== null && this.#told.turn > turn) return this.#told;
    const timeMs = Date.parse(answer?.time);
    if (Number.isNaN(timeMs)) throw new KeysRefused("malformed", "the vault's time is missing");
    this.#keys.accept(answer);
    this.#told = { turn, timeMs, readAt: (asked + answered) / 2, readAtWall: this.#clock.wallMs() };
    return this.#told;
  }

  #ageMs() {
    const monotonic = this.#clock.monotonicMs() - this.#told.readAt;
    // Some browsers stop the monotonic clock while the machine sleeps.
    return Math.max(monotonic, Math.abs(this.#clock.wallMs() - this.#told.readAtWall));
  }
}
