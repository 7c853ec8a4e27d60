/** A form of the page: its fields, and what is wrong with them, in text beside each. */

import { byId } from "./screen.js";

export class Form {
  /**
   * @param {string} id The form's.
   * @param {() => void} submit Called when it is submitted and nothing is wrong.
   */
  constructor(id, submit) {
    this.#form = byId(id);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#isRight()) submit();
    });
  }

  #form;
  #entries = [];

  /**
   * Add a field.
   *
   * @param {string} id The input's; what is wrong is said in the element of the same id with "-error".
   * @param {(input: HTMLInputElement, tell: (problem: string) => void) => object} make Makes a CodeField or a
   *   SerialField of it.
   * @param {(problem: string) => string} textOf Says a problem in text.
   * @returns {object} The field.
   */
  add(id, make, textOf) {
    const input = byId(id);
    const show = (problem) => {
      byId(`${id}-error`).textContent = textOf(problem);
      input.setAttribute("aria-invalid", String(problem !== "" && problem !== "foreign"));
    };
    // What cannot become right by typing on is said at once; what is only not complete can wait.
    const field = make(input, (problem) => show(problem === "short" || problem === "empty" ? "" : problem));
    this.#entries.push({ input, field, show });
    return field;
  }

  /** Empty every field. */
  clear() {
    for (const { field, show } of this.#entries) {
      field.clear();
      show("");
    }
  }

  /** Show the form, and have its first field typed into. */
  open() {
    this.#form.hidden = false;
    this.#entries[0].input.focus();
  }

  /** Hide the form. */
  close() {
    this.#form.hidden = true;
  }

  #isRight() {
    const found = this.#entries.map(({ input, field, show }) => {
      const { problem } = field;
      show(problem);
      return problem === "" ? null : input;
    });
    const wrong = found.find((input) => input !== null);
    wrong?.focus();
    return wrong === undefined;
  }
}
