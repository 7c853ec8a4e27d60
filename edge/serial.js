/**
 * A serial as a customer types it from the card: what counts as one of its characters, and what is wrong so
 * far.
 *
 * The form is that of `vault/codes/serial.py`: a letter and 12 further characters of 0-9A-Z, the last of them a
 * check character after ISO/IEC 7064:2003 Mod 37,36.
 */

import { withoutSeparators } from "./code.js";

const LENGTH = 13;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * Reduce typed text to a serial's characters: separators are left out, the rest becomes ASCII in upper case.
 *
 * @param {string} text
 * @returns {{serial: string, foreign: boolean}} The characters, and whether there was anything else, which is
 *   left out.
 */
export function readSerial(text) {
  const narrow = withoutSeparators(text);
  const serial = narrow.replace(/[^0-9A-Za-z]/g, "").toUpperCase();
  return { serial, foreign: serial.length < narrow.length };
}

/**
 * Say what is wrong with a serial.
 *
 * @param {string} serial Characters of 0-9A-Z.
 * @returns {""|"empty"|"first"|"short"|"long"|"check"} "" when nothing is; "first" when it does not begin with
 *   a letter; "check" for a wrong check character.
 */
export function problemOfSerial(serial) {
  if (serial.length === 0) return "empty";
  if (/^[0-9]/.test(serial)) return "first";
  if (serial.length < LENGTH) return "short";
  if (serial.length > LENGTH) return "long";
  return hasRightCheckCharacter(serial) ? "" : "check";
}

function hasRightCheckCharacter(serial) {
  const product = [...serial.slice(0, -1)].reduce(
    (state, character) => (((state + ALPHABET.indexOf(character)) % 36 || 36) * 2) % 37,
    36,
  );
  return (product + ALPHABET.indexOf(serial.at(-1))) % 36 === 1;
}
