/**
 * The sample shop's page: a card's number is typed, checked and paid with, without the shop ever seeing it.
 *
 * The number is sealed twice when "Check card" is pressed, once to be validated and once to be redeemed, and
 * the field is emptied; "Pay" posts the second submission. Only ciphertext is kept in between.
 */

import { CodeField, Edge, KeysRefused, Purpose } from "../cardvault-edge.js";
import { PROBLEMS, PROGRESS, receiptText, RESULTS } from "./texts.js";

const TIMEOUT_MS = 15_000;
const byId = (id) => document.getElementById(id);

async function ask(path, body) {
  const options = { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    Object.assign(options, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }
  const answer = await fetch(path, options);
  if (answer.status === 400) return { outcome: "refused" };
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

class Page {
  constructor(settings) {
    this.#format = { length: settings.length, checkAlgorithm: settings.checkAlgorithm };
    this.#edge = new Edge({ ...settings, fetchKeys: () => ask("/api/keys") });
    this.#field = new CodeField(byId("code"), this.#format, (problem) => this.#whileTyping(problem));
    byId("card").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#check();
    });
    byId("pay").addEventListener("click", () => void this.#pay());
    byId("retry").addEventListener("click", () => void this.#again());
    byId("another").addEventListener("click", () => this.#startOver());
    // A page that comes back from the browser's memory comes back empty.
    window.addEventListener("pagehide", () => this.#field.clear());
    byId("card").dataset.ready = "";
  }

  #format;
  #edge;
  #field;
  #busy = false;
  #redemption = null;
  #again = () => {};

  /** Say at once what cannot become right by typing on; what is only not complete can wait. */
  #whileTyping(problem) {
    this.#showProblem(problem === "short" || problem === "empty" ? "" : problem);
  }

  #showProblem(problem) {
    byId("code-error").textContent = PROBLEMS[problem](this.#format);
    byId("code").setAttribute("aria-invalid", String(problem !== "" && problem !== "foreign"));
  }

  async #check() {
    const { problem } = this.#field;
    this.#showProblem(problem);
    if (problem !== "") {
      byId("code").focus();
      return;
    }
    await this.#doing(PROGRESS.checking, async () => {
      let validation;
      try {
        [validation, this.#redemption] = await this.#edge.seal([Purpose.VALIDATE, Purpose.REDEEM], () =>
          this.#field.take(),
        );
      } catch (error) {
        this.#field.clear();
        this.#show(error instanceof KeysRefused ? "unsafe" : "refused");
        return;
      }
      await this.#post("/api/validate", validation, PROGRESS.checking);
    });
  }

  async #pay() {
    await this.#doing(PROGRESS.paying, () => this.#post("/api/redeem", this.#redemption, PROGRESS.paying));
  }

  /** Post a submission, and offer to post the same one again where no answer came. */
  async #post(path, submission, progress) {
    let answer;
    try {
      answer = await ask(path, submission);
    } catch {
      this.#again = () => this.#doing(progress, () => this.#post(path, submission, progress));
      this.#show("unreachable");
      return;
    }
    if (answer.outcome === "refused") this.#edge.forgetKeys();
    this.#show(Object.hasOwn(RESULTS, answer.outcome) ? answer.outcome : "refused", answer);
  }

  async #doing(progress, work) {
    if (this.#busy) return;
    this.#busy = true;
    byId("code").readOnly = true;
    byId("progress").textContent = progress;
    for (const button of document.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    try {
      await work();
    } finally {
      this.#busy = false;
      byId("code").readOnly = false;
      byId("progress").textContent = "";
      for (const button of document.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  }

  #show(outcome, answer = {}) {
    const [title, text] = RESULTS[outcome];
    const good = outcome === "validated" || outcome === "redeemed";
    byId("result-title").textContent = title;
    byId("result-title").className = good ? "good" : "bad";
    byId("result-text").textContent = text;
    byId("card-id").textContent = answer.cardId ?? "";
    byId("card-program").textContent = answer.program ?? "";
    byId("card-receipt").textContent = good ? receiptText(answer.receiptId, new Date(answer.expireTime)) : "";
    byId("result-card").hidden = !good;
    byId("pay").hidden = outcome !== "validated";
    byId("retry").hidden = outcome !== "unreachable";
    byId("card").hidden = true;
    byId("result").hidden = false;
    byId("result-title").focus();
  }

  #startOver() {
    if (this.#busy) return;
    this.#redemption = null;
    this.#again = () => {};
    this.#field.clear();
    this.#showProblem("");
    byId("result").hidden = true;
    byId("card").hidden = false;
    byId("code").focus();
  }
}

try {
  new Page(await ask("/api/settings"));
} catch {
  byId("progress").textContent = "The shop cannot be reached. Please load the page again.";
}
