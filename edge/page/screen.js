/** What the page shows: a form, or what became of it; and that it does one thing at a time. */

export const byId = (id) => document.getElementById(id);

const NOTHING = () => {};

export class Screen {
  constructor() {
    byId("pay").addEventListener("click", () => void this.#offers.pay());
    byId("retry").addEventListener("click", () => void this.#offers.retry());
    byId("another").addEventListener("click", () => this.whenIdle(() => this.#startOver()));
  }

  #busy = false;
  #offers = { pay: NOTHING, retry: NOTHING };
  #next = NOTHING;
  #secret = false;

  /** Do what takes no time, unless something else is being done. */
  whenIdle(act) {
    if (!this.#busy) act();
  }

  /** Do something, and nothing else at the same time, saying in text that it is being done. */
  async doing(progress, work) {
    if (this.#busy) return;
    this.#busy = true;
    for (const input of document.querySelectorAll("input")) input.readOnly = true;
    byId("progress").textContent = progress;
    for (const button of document.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    try {
      await work();
    } finally {
      this.#busy = false;
      for (const input of document.querySelectorAll("input")) input.readOnly = false;
      byId("progress").textContent = "";
      for (const button of document.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  }

  /**
   * Show what became of it, in place of the form.
   *
   * @param {[string, string]} texts Title, and what to do.
   * @param {object} more
   * @param {() => void} more.next Shows the form for another card.
   * @param {Record<string, string>} [more.facts] Texts by the id of the element that shows each.
   * @param {boolean} [more.secret] Whether they are for this moment's reader alone.
   * @param {boolean} [more.good] Whether it is what the customer wanted.
   * @param {() => Promise<void>} [more.pay] What "Pay" does; there is none without it.
   * @param {() => Promise<void>} [more.retry] What "Try again" does; there is none without it.
   * @param {boolean} [more.mayLeave] Whether another card may be used now.
   */
  show([title, text], { next, facts = {}, secret = false, good = false, pay, retry, mayLeave = true }) {
    this.#empty();
    byId("result-title").textContent = title;
    byId("result-title").className = good ? "good" : "bad";
    byId("result-text").textContent = text;
    for (const [id, fact] of Object.entries(facts)) {
      byId(id).textContent = fact;
      byId(id).closest("dl").hidden = false;
    }
    this.#next = next;
    this.#secret = secret;
    this.#offers = { pay: pay ?? NOTHING, retry: retry ?? NOTHING };
    byId("pay").hidden = pay === undefined;
    byId("retry").hidden = retry === undefined;
    byId("another").hidden = !mayLeave;
    byId("result").hidden = false;
    byId("result-title").focus();
  }

  /** Show the form again in place of what is for this moment's reader alone. */
  hideSecret() {
    if (this.#secret) this.#startOver();
  }

  #startOver() {
    this.#empty();
    byId("result").hidden = true;
    this.#next();
  }

  /** Empty what was shown of a card, and forget what could be done with it. */
  #empty() {
    this.#offers = { pay: NOTHING, retry: NOTHING };
    this.#secret = false;
    for (const list of document.querySelectorAll("#result dl")) {
      list.hidden = true;
      for (const fact of list.querySelectorAll("dd")) fact.textContent = "";
    }
  }
}
