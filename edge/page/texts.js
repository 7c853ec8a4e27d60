/** What the page says, in one place, so that it can be said in another language. */

/** By what `problemOf` and CodeField say is wrong. */
export const NUMBER_PROBLEMS = {
  "": () => "",
  empty: (format) => `Type the ${format.length} digits of the card's number.`,
  short: (format) => `The card's number has ${format.length} digits; some are missing.`,
  long: (format) => `The card's number has ${format.length} digits; there are too many.`,
  check: () => "A digit seems to be mistyped: please compare with your card.",
  foreign: () => "The card's number has only digits; anything else was left out.",
};

/** By what `problemOfSerial` and SerialField say is wrong. */
export const SERIAL_PROBLEMS = {
  "": "",
  empty: "Type the 13 letters and digits of the card's serial.",
  first: "A serial begins with a letter.",
  short: "The serial has 13 letters and digits; some are missing.",
  long: "The serial has 13 letters and digits; there are too many.",
  check: "A letter or digit seems to be mistyped: please compare with your card.",
  foreign: "The serial has only letters and digits; anything else was left out.",
};

export const PROGRESS = {
  checking: "Checking your card…",
  paying: "Paying…",
  exchanging: "Asking for your new number…",
};

/**
 * By what became of a payment: title, and what to do. A number that is not good gets one answer, whatever the
 * reason.
 */
export const PAYMENT = {
  validated: ["Your card is good", "Nothing has been charged yet."],
  redeemed: ["Paid", "Thank you. Your card is now used up."],
  not_good: ["This card cannot be used", "Compare the number with your card, or ask where you bought it."],
  refused: ["The check was not completed", "Nothing was charged. Please type the number again."],
  unreachable: ["The shop cannot be reached", "Try again in a moment; you will not be charged twice."],
  unsafe: ["This card cannot be checked safely", "The number did not leave this page. Please come back later."],
};

/** By what became of an exchange. A wrong serial gets the same answer as a wrong number. */
export const EXCHANGE = {
  exchanged: ["Here is your new number", "Write it down now: it is shown once. The old number is worth nothing."],
  not_good: [
    "There is no new number for this",
    "Compare the number and the serial with your card, or ask where you bought it.",
  ],
  refused: ["The number was not replaced", "Please type the old number and the serial again."],
  unreachable: ["The shop cannot be reached", "Keep this page open and try again: no other can show your number."],
  changed: ["The answer was damaged", "Keep this page open and try again: no other can show your number."],
  unsafe: ["The number cannot be replaced safely", "It did not leave this page. Please come back later."],
};

/** What the vault's receipt is worth: the shop has verified its signature. */
export function receiptText(receiptId, expires) {
  return `${receiptId}, signed by the card's vault, counts until ${expires.toLocaleTimeString()}`;
}
