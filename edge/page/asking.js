/** What the page asks the shop. */

const TIMEOUT_MS = 15_000;

/**
 * Ask the shop for JSON.
 *
 * @param {string} path
 * @param {object} [body] What to post; without one it is asked for by GET.
 * @returns {Promise<object>} The answer; `{ outcome: "refused" }` where the shop refused what was posted.
 * @throws {Error} There is no answer.
 */
export async function ask(path, body) {
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
