/**
 * The field that a code is typed into: keeps its digits in groups of four and the caret beside the same digit.
 */

import { group, problemOf, readDigits } from "./code.js";

export class CodeField {
  /**
   * @param {HTMLInputElement} input
   * @param {{length: number, checkAlgorithm: string}} format The program's.
   * @param {(problem: string) => void} tell Told after every change what is wrong: what `problemOf` says, or
   *   "foreign" when something that is no digit was typed and left out.
   */
  constructor(input, format, tell) {
    this.#input = input;
    this.#format = format;
    input.addEventListener("input", (event) => {
      if (!event.isComposing) tell(this.#regroup());
    });
    input.addEventListener("compositionend", () => tell(this.#regroup()));
  }

  #input;
  #format;

  /** What is wrong with the digits now, as `problemOf` says. */
  get problem() {
    return problemOf(readDigits(this.#input.value).digits, this.#format);
  }

  /** Answer the digits and empty the field, the browser's record for "undo" included. */
  take() {
    const { digits } = readDigits(this.#input.value);
    this.clear();
    return digits;
  }

  /** Empty the field. */
  clear() {
    this.#input.value = "";
    // What script writes is not in the record of what was typed, and in Chromium and Firefox it ends that
    // record. A change of type makes the others let go of it, too.
    const { type } = this.#input;
    this.#input.type = "hidden";
    this.#input.type = type;
  }

  #regroup() {
    const input = this.#input;
    const before = readDigits(input.value.slice(0, input.selectionStart ?? input.value.length)).digits.length;
    const { digits, foreign } = readDigits(input.value);
    const grouped = group(digits);
    if (grouped !== input.value) {
      input.value = grouped;
      const caret = group(digits.slice(0, before)).length;
      input.setSelectionRange(caret, caret);
    }
    return foreign ? "foreign" : problemOf(digits, this.#format);
  }
}
