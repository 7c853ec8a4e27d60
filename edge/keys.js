/**
 * What an edge seals codes to: the rules, without any input or output. `vault/client/sealing.py` has the same
 * ones.
 *
 * 1. The key sealed to is active in the last answer that was taken, and of the active ones the highest version.
 * 2. There is no going back: an answer whose active version is lower than one seen before or than what the page
 *    was deployed with, in which a key has gone back in its life (such as from compromised to active), or has
 *    become another key, is refused as a whole, and what was known stays.
 * 3. A key that an answer calls deactivated or compromised is sealed to no more, even where that leaves none.
 * 4. Where keys are pinned, others do not exist.
 *
 * An answer that comes through others is only as honest as they are: a backend may replace the keys by its own
 * and read what is sealed to them. Where the page is deployed apart from its backend, pin the vault's keys in
 * the page.
 */

const KEY_ID = /^sealing-([1-9][0-9]{0,9})$/;
const KEY_SIZE = 32;
const LARGEST_VERSION = 0xffffffff;
const LIFE = ["STATE_PRE_ACTIVE", "STATE_ACTIVE", "STATE_DEACTIVATED", "STATE_COMPROMISED"];

/** The keys that came are not sealed to; `reason` says why: "none", "malformed" or "downgrade". */
export class KeysRefused extends Error {
  constructor(reason, message) {
    super(message);
    this.name = "KeysRefused";
    this.reason = reason;
  }
}

export class SealingKeys {
  /**
   * @param {object} [options]
   * @param {number} [options.lowestVersion] The version below which nothing is sealed.
   * @param {string[]} [options.pins] Public keys in base64, to which alone is sealed; empty: to whatever is
   *   answered.
   */
  constructor({ lowestVersion = 1, pins = [] } = {}) {
    this.#highest = lowestVersion;
    this.#pins = pins;
  }

  #highest;
  #pins;
  #known = new Map();
  #active = null;

  /**
   * Take an answer of ListPublicKeys, in protobuf's JSON.
   *
   * @throws {KeysRefused} It goes back behind what is known, or is malformed; it is passed over.
   */
  accept(answer) {
    if (!Array.isArray(answer?.keys)) throw new KeysRefused("malformed", "this is no answer of ListPublicKeys");
    const found = new Map();
    for (const key of answer.keys) {
      if (key?.purpose !== "PURPOSE_SEALING") continue;
      if (this.#pins.length > 0 && !this.#pins.includes(key.publicKey)) continue;
      const read = readKey(key);
      if (found.has(read.version)) throw new KeysRefused("malformed", "a sealing key is answered twice");
      found.set(read.version, read);
    }
    const active = Math.max(0, ...[...found.values()].filter(isActive).map((key) => key.version));
    const back = [...found.values()].some((key) => goesBack(this.#known.get(key.version), key));
    if (back || (active > 0 && active < this.#highest)) {
      throw new KeysRefused("downgrade", "the sealing keys answered go back behind those known");
    }
    for (const [version, key] of found) this.#known.set(version, key);
    this.#highest = Math.max(this.#highest, active);
    this.#active = found.get(active) ?? null;
  }

  /**
   * @returns {{version: number, publicKey: Uint8Array}} The key to seal to.
   * @throws {KeysRefused} None is active, or none of those that are pinned.
   */
  current() {
    if (this.#active === null) throw new KeysRefused("none", "no sealing key is active");
    return this.#active;
  }
}

const isActive = (key) => key.life === LIFE.indexOf("STATE_ACTIVE");

function goesBack(known, key) {
  return known !== undefined && (known.text !== key.text || known.life > key.life);
}

function readKey({ keyId, state, publicKey }) {
  const version = Number(KEY_ID.exec(keyId ?? "")?.[1]);
  const life = LIFE.indexOf(state);
  if (!(version <= LARGEST_VERSION) || life < 0) {
    throw new KeysRefused("malformed", "a sealing key is of another kind");
  }
  return { version, life, text: publicKey, publicKey: bytesOf(publicKey) };
}

function bytesOf(base64) {
  const malformed = () => new KeysRefused("malformed", "a sealing key is not 32 bytes in base64");
  let letters;
  try {
    letters = atob(base64);
  } catch {
    throw malformed();
  }
  if (letters.length !== KEY_SIZE) throw malformed();
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}
