/**
 * A code as a customer types it: what counts as a digit, how digits are grouped, and what is wrong so far.
 *
 * Nothing here says what the digits were: a problem is a word, for the page to put into the customer's
 * language.
 */

import { hasRightCheckDigit } from "./checkdigit.js";

const GROUP = 4;
/** Spaces, hyphens, the ideographic space and what looks like a hyphen, as `vault/codes/format.py` has them. */
const SEPARATORS = /[ \u3000\u2010\u2011\u2212\uff0d-]/g;
/** By how much a full-width character's number is higher than that of the ASCII one. */
const WIDER = 0xfee0;

/** Leave separators out of typed text, and make full-width digits and letters ASCII. */
export function withoutSeparators(text) {
  const narrow = (wide) => String.fromCharCode(wide.charCodeAt(0) - WIDER);
  return text.replace(SEPARATORS, "").replace(/[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]/g, narrow);
}

/**
 * Reduce typed text to ASCII digits: separators are left out, full-width digits become ASCII.
 *
 * @param {string} text
 * @returns {{digits: string, foreign: boolean}} The digits, and whether there was anything else, which is left
 *   out.
 */
export function readDigits(text) {
  const narrow = withoutSeparators(text);
  const digits = narrow.replace(/[^0-9]/g, "");
  return { digits, foreign: digits.length < narrow.length };
}

/** Put a space after every fourth digit that another one follows. */
export function group(digits) {
  return digits.match(new RegExp(`[0-9]{1,${GROUP}}`, "g"))?.join(" ") ?? "";
}

/**
 * Say what is wrong with digits.
 *
 * @param {string} digits ASCII digits.
 * @param {{length: number, checkAlgorithm: string}} format The program's.
 * @returns {""|"empty"|"short"|"long"|"check"} "" when nothing is; "check" for a wrong check digit.
 */
export function problemOf(digits, format) {
  if (digits.length === 0) return "empty";
  if (digits.length < format.length) return "short";
  if (digits.length > format.length) return "long";
  return hasRightCheckDigit(digits, format.checkAlgorithm) ? "" : "check";
}
