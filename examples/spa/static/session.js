// Who is signed in, as the program behind the page says. There are no tokens
// here, and nothing to store: the browser has a cookie that scripts cannot
// read, and sends it along by itself.

/** What /auth/me answers, or null: {iss, sub, name, roles, claims, expires_in, logout, …} */
export let user = null;

/** "unknown" until the first answer, then "in" or "out"; "ended" if it was "in" and nobody signed out. */
export let state = "unknown";

/** Hears "change" whenever state or user did. */
export const changes = new EventTarget();

/** Thrown where an answer was 401: the page has been told by "change". */
export class SignedOut extends Error {}

/** Thrown where an answer was any other failure, with its status. */
export class Failed extends Error {
  constructor(status) {
    super(`answered ${status}`);
    this.status = status;
  }
}

let login = "";
let alarm;

/**
 * Asks who is signed in. Call it when the page opens, and when it is looked at
 * again: meanwhile somebody may have signed out in another tab or at the
 * provider. A failure, such as 503, is thrown and signs nobody out.
 */
export async function check() {
  const res = await fetch("/auth/me", { cache: "no-store" });
  if (res.status === 401) return signedOut(await res.json());
  if (!res.ok) throw new Failed(res.status);
  become("in", await res.json());
}

/** Where signing in is, and comes back to the address the page shows now. */
export function signInURL() {
  const url = new URL(login, location.origin);
  url.searchParams.set("return_to", location.pathname + location.search);
  return url.href;
}

/** Leaves the page to sign in. */
export function signIn() {
  location.assign(signInURL());
}

/** Signs out, here and then at the provider, for which the page is left. */
export async function signOut() {
  const res = await fetch(user.logout, { method: "POST" });
  if (!res.ok) throw new Failed(res.status);
  const { location: next } = await res.json();
  location.assign(next);
}

/**
 * Calls the program's API and returns what its JSON says. A background call
 * does not count as the visitor's doing, so that an open page does not keep a
 * session alive.
 */
export async function call(method, path, { body, background = false } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (background) headers["X-Background"] = "1";
  const res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  if (res.status === 401) {
    signedOut(await res.json());
    throw new SignedOut();
  }
  if (!res.ok) throw new Failed(res.status);
  return res.status === 204 ? null : res.json();
}

// A 401 has a problem document (RFC 9457) that says where to sign in.
function signedOut(problem) {
  login = problem.login;
  become(state === "in" || state === "ended" ? "ended" : "out", null);
}

function become(next, who) {
  const changed = next !== state || who?.sub !== user?.sub || who?.iss !== user?.iss;
  state = next;
  user = who;
  clearTimeout(alarm);
  if (who) alarm = setTimeout(() => check().catch(() => {}), Math.min(who.expires_in + 1, 86400) * 1000);
  if (changed) changes.dispatchEvent(new Event("change"));
}
