/**
 * Paying: a card's number is sealed twice when "Check card" is pressed, once to be validated and once to be
 * redeemed, and the field is emptied; "Pay" posts the second submission. Only ciphertext is kept in between.
 */

import { CodeField, KeysRefused, Purpose } from "../cardvault-edge.js";
import { ask } from "./asking.js";
import { Form } from "./form.js";
import { NUMBER_PROBLEMS, PAYMENT, PROGRESS, receiptText } from "./texts.js";

export class Payment {
  /**
   * @param {{length: number, checkAlgorithm: string}} format The program's.
   * @param {object} edge The page's Edge.
   * @param {object} screen The page's Screen.
   */
  constructor(format, edge, screen) {
    this.#edge = edge;
    this.#screen = screen;
    this.form = new Form("card", () => void this.#check());
    this.#field = this.form.add(
      "code",
      (input, tell) => new CodeField(input, format, tell),
      (problem) => NUMBER_PROBLEMS[problem](format),
    );
  }

  #edge;
  #screen;
  #field;

  async #check() {
    await this.#screen.doing(PROGRESS.checking, async () => {
      let submissions;
      try {
        submissions = await this.#edge.seal([Purpose.VALIDATE, Purpose.REDEEM], () => this.#field.take());
      } catch (error) {
        this.form.clear();
        this.#show(error instanceof KeysRefused ? "unsafe" : "refused");
        return;
      }
      const [validation, redemption] = submissions;
      await this.#post("/api/validate", validation, PROGRESS.checking, () => this.#pay(redemption));
    });
  }

  async #pay(redemption) {
    await this.#screen.doing(PROGRESS.paying, () => this.#post("/api/redeem", redemption, PROGRESS.paying));
  }

  /** Post a submission, and offer to post the same one again where no answer came. */
  async #post(path, submission, progress, pay) {
    let answer;
    try {
      answer = await ask(path, submission);
    } catch {
      const retry = () => this.#screen.doing(progress, () => this.#post(path, submission, progress, pay));
      this.#show("unreachable", { retry });
      return;
    }
    if (answer.outcome === "refused") this.#edge.forgetKeys();
    const good = answer.outcome === "validated" || answer.outcome === "redeemed";
    this.#show(answer.outcome, good ? { good, facts: factsOf(answer), pay } : {});
  }

  #show(outcome, more = {}) {
    this.form.close();
    const texts = Object.hasOwn(PAYMENT, outcome) ? PAYMENT[outcome] : PAYMENT.refused;
    this.#screen.show(texts, { next: () => this.form.open(), ...more });
  }
}

function factsOf(answer) {
  return {
    "card-id": answer.cardId,
    "card-program": answer.program,
    "card-receipt": receiptText(answer.receiptId, new Date(answer.expireTime)),
  };
}
