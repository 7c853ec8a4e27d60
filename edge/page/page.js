/**
 * The sample shop's page: a card's number is typed, checked and paid with, or a replaced number exchanged for
 * its new one, without the shop ever seeing either.
 */

import { Edge } from "../cardvault-edge.js";
import { ask } from "./asking.js";
import { Exchange } from "./exchange.js";
import { Payment } from "./payment.js";
import { byId, Screen } from "./screen.js";

function start(settings) {
  const format = { length: settings.length, checkAlgorithm: settings.checkAlgorithm };
  const edge = new Edge({ ...settings, fetchKeys: () => ask("/api/keys") });
  const screen = new Screen();
  const payment = new Payment(format, edge, screen);
  const exchange = new Exchange(format, edge, screen, () => payment.form.open());
  changeOnClick("to-exchange", payment.form, exchange.form, screen);
  changeOnClick("to-payment", exchange.form, payment.form, screen);
  // A page that comes back from the browser's memory comes back empty.
  window.addEventListener("pagehide", () => {
    payment.form.clear();
    exchange.form.clear();
    screen.hideSecret();
  });
  byId("card").dataset.ready = "";
}

/** Have a button put one form in another's place. */
function changeOnClick(id, from, to, screen) {
  byId(id).addEventListener("click", () =>
    screen.whenIdle(() => {
      from.clear();
      from.close();
      to.open();
    }),
  );
}

try {
  start(await ask("/api/settings"));
} catch {
  byId("progress").textContent = "The shop cannot be reached. Please load the page again.";
}
