/**
 * Sealed submissions: the bytes that carry a code to the vault past everybody else.
 *
 * A sealed submission:
 *     format        1   1
 *     key version   4   of the vault's sealing key, big-endian
 *     box               libsodium's sealed box (`crypto_box_seal`) of the padded message, 48 bytes longer
 * The message is `vault.formats.v1.Submission` (protos/vault/formats/v1/submission.proto), padded to a multiple
 * of 512 bytes as ISO/IEC 7816-4 says (`sodium_pad`), so that the length tells only how many codes it may hold.
 *
 * 1. The encoder writes the fields in the order of their numbers and leaves out what is empty, byte for byte
 *    what protobuf's own writers do.
 * 2. The message's bytes are overwritten once they are sealed. Copies in libsodium's own memory (WebAssembly)
 *    and the strings that the digits came in are not: no script can do that.
 */

const FORMAT = 1;
const HEADER_SIZE = 5;
const PADDED_TO = 512;
const KEY_SIZE = 32;
const NONCE_SIZE = 16;
const VARINT = 0;
const LENGTH_DELIMITED = 2;
const MOST_CODES = 1000;

/** What a submission may be used for. */
export const Purpose = Object.freeze({ VALIDATE: 1, REDEEM: 2, EXCHANGE: 3 });

/**
 * Encode a Submission, unpadded.
 *
 * @param {object} submission
 * @param {string} submission.audience The principal that may present it, or whose relays may.
 * @param {string} submission.program
 * @param {number} submission.purpose One of `Purpose`.
 * @param {number} submission.sealTimeMs By the vault's clock, in milliseconds since 1970.
 * @param {Uint8Array} submission.nonce 16 random bytes.
 * @param {string[]} submission.codes Digits alone; 1 to 1,000.
 * @param {string} [submission.serial] For an exchange by serial.
 * @param {Uint8Array} [submission.publicKey] For an exchange: 32 bytes, X25519.
 * @returns {Uint8Array}
 */
export function encodeSubmission(submission) {
  const utf8 = new TextEncoder();
  const { audience, program, purpose, sealTimeMs, nonce, codes } = submission;
  const { serial = "", publicKey = new Uint8Array() } = submission;
  if (!Object.values(Purpose).includes(purpose)) throw new RangeError("there is no such purpose");
  if (nonce.length !== NONCE_SIZE) throw new RangeError("a nonce has 16 bytes");
  if (codes.length < 1 || codes.length > MOST_CODES) throw new RangeError("1 to 1,000 codes are sealed at once");
  const written = codes.map((code) => utf8.encode(code));
  const parts = [
    bytesField(1, utf8.encode(audience)),
    bytesField(2, utf8.encode(program)),
    numberField(3, purpose),
    numberField(4, sealTimeMs),
    bytesField(5, nonce),
    ...written.map((code) => bytesField(6, code, true)),
    bytesField(7, utf8.encode(serial)),
    bytesField(8, publicKey),
  ];
  const message = joined(parts);
  for (const part of [...written, ...parts]) part.fill(0);
  return message;
}

/**
 * Seal a Submission to one of the vault's keys.
 *
 * @param {object} sodium libsodium-wrappers, ready.
 * @param {{version: number, publicKey: Uint8Array}} key The vault's sealing key.
 * @param {object} submission As `encodeSubmission` takes it.
 * @returns {Uint8Array} What a PresentedCode's `sealed` is.
 */
export function sealSubmission(sodium, key, submission) {
  if (key.publicKey.length !== KEY_SIZE) throw new RangeError("a sealing key has 32 bytes");
  const message = encodeSubmission(submission);
  const padded = sodium.pad(message, PADDED_TO);
  try {
    const box = sodium.crypto_box_seal(padded, key.publicKey);
    const sealed = new Uint8Array(HEADER_SIZE + box.length);
    const header = new DataView(sealed.buffer);
    header.setUint8(0, FORMAT);
    header.setUint32(1, key.version);
    sealed.set(box, HEADER_SIZE);
    return sealed;
  } finally {
    sodium.memzero(message);
    sodium.memzero(padded);
  }
}

function bytesField(number, content, evenEmpty = false) {
  if (content.length === 0 && !evenEmpty) return new Uint8Array();
  return joined([varint(number * 8 + LENGTH_DELIMITED), varint(content.length), content]);
}

function numberField(number, value) {
  return value === 0 ? new Uint8Array() : joined([varint(number * 8 + VARINT), varint(value)]);
}

/** Seven bits a byte, the least first (protobuf's encoding guide); shifting would cut a time off at 32 bits. */
function varint(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("a number is out of bounds");
  const bytes = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Uint8Array.from([...bytes, rest]);
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
