/**
 * Check digits: Luhn, Damm, and ISO/IEC 7064 Mod 11,10, as `vault/codes/checkdigit.py` has them.
 *
 * A check digit finds what was mistyped, before anything is sent. It is no protection against someone who
 * guesses: anybody can compute it.
 *
 * Sources: Luhn, ISO/IEC 7812-1 annex B · Damm, H. M. Damm's thesis of 2004, quasigroup of order 10 · Mod
 * 11,10, ISO/IEC 7064:2003 section 9 (hybrid system).
 */

const DAMM = [
  "0317598642",
  "7092154863",
  "4206871359",
  "1750983426",
  "6123045978",
  "3674209581",
  "5869720134",
  "8945362017",
  "9438617205",
  "2581436790",
];

/** By the names of the protos' CheckAlgorithm: tells whether digits, the check digit last, are right. */
const RIGHT = {
  CHECK_ALGORITHM_LUHN(digits) {
    // The check digit itself counts once, its neighbour twice, and so on to the left.
    const total = [...digits].reverse().reduce((sum, digit, place) => {
      const worth = Number(digit) * (1 + (place % 2));
      return sum + (worth > 9 ? worth - 9 : worth);
    }, 0);
    return total % 10 === 0;
  },
  CHECK_ALGORITHM_DAMM(digits) {
    return [...digits].reduce((state, digit) => Number(DAMM[state][Number(digit)]), 0) === 0;
  },
  CHECK_ALGORITHM_MOD_11_10(digits) {
    const product = [...digits.slice(0, -1)].reduce(
      (state, digit) => (((state + Number(digit)) % 10 || 10) * 2) % 11,
      10,
    );
    return (product + Number(digits.at(-1))) % 10 === 1;
  },
};

/**
 * Tell whether the last digit is the check digit of those before it.
 *
 * @param {string} digits ASCII digits, at least two, the check digit last.
 * @param {string} algorithm Name of a CheckAlgorithm of the protos, such as "CHECK_ALGORITHM_LUHN".
 * @returns {boolean}
 * @throws {RangeError} There is no such algorithm, or these are no digits.
 */
export function hasRightCheckDigit(digits, algorithm) {
  if (!Object.hasOwn(RIGHT, algorithm)) throw new RangeError("there is no such check digit algorithm");
  if (!/^[0-9]{2,}$/.test(digits)) throw new RangeError("a code is made of digits");
  return RIGHT[algorithm](digits);
}
