/**
 * The fields that a code and a serial are typed into: they keep what is typed in its usual form and the caret
 * beside the same character, and are emptied when their text is taken.
 */

import { group, problemOf, readDigits } from "./code.js";
import { problemOfSerial, readSerial } from "./serial.js";

class Field {
  /**
   * @param {HTMLInputElement} input
   * @param {object} kind What is typed.
   * @param {(text: string) => {text: string, foreign: boolean}} kind.read Reduces what was typed.
   * @param {(text: string) => string} kind.shape Answers how that is shown.
   * @param {(text: string) => string} kind.problemOf Says what is wrong with it; "" when nothing is.
   * @param {(problem: string) => void} tell Told after every change what is wrong: what `problemOf` says, or
   *   "foreign" when something that does not belong was typed and left out.
   */
  constructor(input, kind, tell) {
    this.#input = input;
    this.#kind = kind;
    input.addEventListener("input", (event) => {
      if (!event.isComposing) tell(this.#reshape());
    });
    input.addEventListener("compositionend", () => tell(this.#reshape()));
  }

  #input;
  #kind;

  /** What is wrong with what stands in the field now. */
  get problem() {
    return this.#kind.problemOf(this.#kind.read(this.#input.value).text);
  }

  /** Answer what was typed and empty the field, the browser's record for "undo" included. */
  take() {
    const { text } = this.#kind.read(this.#input.value);
    this.clear();
    return text;
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

  #reshape() {
    const { read, shape, problemOf } = this.#kind;
    const input = this.#input;
    const before = read(input.value.slice(0, input.selectionStart ?? input.value.length)).text.length;
    const { text, foreign } = read(input.value);
    const shaped = shape(text);
    if (shaped !== input.value) {
      input.value = shaped;
      const caret = shape(text.slice(0, before)).length;
      input.setSelectionRange(caret, caret);
    }
    return foreign ? "foreign" : problemOf(text);
  }
}

/** A field for a code, whose digits it groups. */
export class CodeField extends Field {
  /**
   * @param {HTMLInputElement} input
   * @param {{length: number, checkAlgorithm: string}} format The program's.
   * @param {(problem: string) => void} tell Told after every change what is wrong: what `problemOf` says, or
   *   "foreign".
   */
  constructor(input, format, tell) {
    const read = (typed) => {
      const { digits, foreign } = readDigits(typed);
      return { text: digits, foreign };
    };
    super(input, { read, shape: group, problemOf: (digits) => problemOf(digits, format) }, tell);
  }
}

/** A field for a serial, as it is printed on a card. */
export class SerialField extends Field {
  /**
   * @param {HTMLInputElement} input
   * @param {(problem: string) => void} tell Told after every change what is wrong: what `problemOfSerial` says,
   *   or "foreign".
   */
  constructor(input, tell) {
    const read = (typed) => {
      const { serial, foreign } = readSerial(typed);
      return { text: serial, foreign };
    };
    super(input, { read, shape: (serial) => serial, problemOf: problemOfSerial }, tell);
  }
}
