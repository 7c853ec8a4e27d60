/**
 * The answer to an exchange, as it stands inside its sealed box: `vault.formats.v1.ExchangedCode`
 * (protos/vault/formats/v1/exchanged_code.proto).
 *
 *     field   1   0x0a the code, 0x12 its serial, 0x1a the request that it answers
 *     size    1   of the content; nothing here is longer than 36 bytes
 *     content     ASCII
 *
 * Each field stands there once, in any order, with content of its own form; any other byte refuses the whole.
 */

const NAMES = new Map([
  [0x0a, "code"],
  [0x12, "serial"],
  [0x1a, "requestId"],
]);
const FORMS = Object.freeze({
  code: /^[0-9]{8,19}$/,
  serial: /^[A-Z][0-9A-Z]{12}$/,
  requestId: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
});
const HEAD_SIZE = 2;

/** What was answered is not the vault's answer to this claim. Nothing of it is repeated. */
export class AnswerRefused extends Error {
  constructor() {
    super("the sealed answer is not one to this claim");
    this.name = "AnswerRefused";
  }
}

/**
 * Decode an ExchangedCode.
 *
 * @param {Uint8Array} message The sealed box's content. It is not overwritten here.
 * @returns {{code: string, serial: string, requestId: string}}
 * @throws {AnswerRefused} It is not exactly that.
 */
export function decodeExchangedCode(message) {
  const found = {};
  for (let place = 0; place < message.length; ) {
    const name = NAMES.get(message[place]);
    const begin = place + HEAD_SIZE;
    // Without a size this is no number, and compares with nothing.
    const end = begin + message[place + 1];
    if (name === undefined || Object.hasOwn(found, name) || !(end <= message.length)) throw new AnswerRefused();
    found[name] = String.fromCharCode(...message.subarray(begin, end));
    // A size of 128 or more would go on in a second byte; no form is that long.
    if (!FORMS[name].test(found[name])) throw new AnswerRefused();
    place = end;
  }
  if (Object.keys(found).length < NAMES.size) throw new AnswerRefused();
  return found;
}
