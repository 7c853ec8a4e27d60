/** What the page says, in one place, so that it can be said in another language. */

/** By what `problemOf` and CodeField say is wrong. */
export const PROBLEMS = {
  "": () => "",
  empty: (format) => `Type the ${format.length} digits of the card's number.`,
  short: (format) => `The card's number has ${format.length} digits; some are missing.`,
  long: (format) => `The card's number has ${format.length} digits; there are too many.`,
  check: () => "A digit seems to be mistyped: please compare with your card.",
  foreign: () => "The card's number has only digits; anything else was left out.",
};

export const PROGRESS = {
  checking: "Checking your card…",
  paying: "Paying…",
};

/** By what became of it: title, and what to do. A number that is not good gets one answer, whatever the reason. */
export const RESULTS = {
  validated: ["Your card is good", "Nothing has been charged yet."],
  redeemed: ["Paid", "Thank you. Your card is now used up."],
  not_good: ["This card cannot be used", "Compare the number with your card, or ask where you bought it."],
  refused: ["The check was not completed", "Nothing was charged. Please type the number again."],
  unreachable: ["The shop cannot be reached", "Try again in a moment; you will not be charged twice."],
  unsafe: ["This card cannot be checked safely", "The number did not leave this page. Please come back later."],
};

/** What the vault's receipt is worth: the shop has verified its signature. */
export function receiptText(receiptId, expires) {
  return `${receiptId}, signed by the card's vault, counts until ${expires.toLocaleTimeString()}`;
}
