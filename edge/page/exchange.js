/**
 * Exchanging: the holder of a card whose number was replaced types the old number and the card's serial, and is
 * shown the new number, which only this page can open.
 *
 * The number shown is sent nowhere and stored nowhere. A claim that was not answered is kept, and the same one
 * is posted again: a new one for the same card would put it on hold.
 */

import { AnswerRefused, CodeField, group, KeysRefused, SerialField } from "../cardvault-edge.js";
import { ask } from "./asking.js";
import { Form } from "./form.js";
import { EXCHANGE, NUMBER_PROBLEMS, PROGRESS, SERIAL_PROBLEMS } from "./texts.js";

export class Exchange {
  /**
   * @param {{length: number, checkAlgorithm: string}} format The program's.
   * @param {object} edge The page's Edge.
   * @param {object} screen The page's Screen.
   * @param {() => void} pay Shows the form to pay with a card.
   */
  constructor(format, edge, screen, pay) {
    this.#edge = edge;
    this.#screen = screen;
    this.#pay = pay;
    this.form = new Form("replaced", () => void this.#begin());
    this.#code = this.form.add(
      "old-code",
      (input, tell) => new CodeField(input, format, tell),
      (problem) => NUMBER_PROBLEMS[problem](format),
    );
    this.#serial = this.form.add(
      "serial",
      (input, tell) => new SerialField(input, tell),
      (problem) => SERIAL_PROBLEMS[problem],
    );
    // The browser asks before it leaves a page whose claim is not answered.
    window.addEventListener("beforeunload", (event) => {
      if (this.#unanswered) event.preventDefault();
    });
  }

  #edge;
  #screen;
  #pay;
  #code;
  #serial;
  #unanswered = false;

  async #begin() {
    await this.#screen.doing(PROGRESS.exchanging, async () => {
      let claim;
      try {
        claim = await this.#edge.claim(() => ({ code: this.#code.take(), serial: this.#serial.take() }));
      } catch (error) {
        this.form.clear();
        this.#show(error instanceof KeysRefused ? "unsafe" : "refused");
        return;
      }
      await this.#post(claim);
    });
  }

  /** Post a claim, and offer to post the same one again as long as the vault's answer was not heard. */
  async #post(claim) {
    this.#unanswered = true;
    let answer;
    try {
      answer = await ask("/api/exchange", claim.submission);
    } catch {
      this.#showUnanswered("unreachable", claim);
      return;
    }
    if (answer?.outcome === "not_good" || answer?.outcome === "refused") {
      claim.giveUp();
      this.#unanswered = false;
      if (answer.outcome === "refused") this.#edge.forgetKeys();
      this.#show(answer.outcome);
    } else {
      this.#open(claim, answer?.sealedCode);
    }
  }

  #open(claim, sealedCode) {
    try {
      const { code, serial } = claim.open(sealedCode);
      this.#unanswered = false;
      const facts = { "new-code": group(code), "new-serial": serial };
      this.#show("exchanged", { good: true, secret: true, facts, next: this.#pay });
    } catch (error) {
      if (!(error instanceof AnswerRefused)) throw error;
      this.#showUnanswered("changed", claim);
    }
  }

  #showUnanswered(outcome, claim) {
    const retry = () => this.#screen.doing(PROGRESS.exchanging, () => this.#post(claim));
    this.#show(outcome, { retry, mayLeave: false });
  }

  #show(outcome, more = {}) {
    this.form.close();
    this.#screen.show(EXCHANGE[outcome], { next: () => this.form.open(), ...more });
  }
}
