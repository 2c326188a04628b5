// The bookstore's page. Everybody sees the books; who is signed in writes notes.
import * as session from "./session.js";
import { language, setLanguage, t } from "./texts.js";

const $ = (id) => document.getElementById(id);
const books = new Map();
let notes = {};

// --- the authorized and the not authorized parts of the page

// data-view says to whom a part is shown, data-role to whom of those. It is a
// courtesy: whoever reads the page's source sees all of it, and the program
// behind it decides what anybody gets.
function showParts() {
  const view = { unknown: "authorizing", in: "authorized", out: "not-authorized", ended: "not-authorized" }[session.state];
  for (const part of document.querySelectorAll("[data-view]")) {
    const role = part.dataset.role;
    part.hidden = part.dataset.view !== view || (role !== undefined && !session.user.roles.includes(role));
  }
  $("name").textContent = session.user?.name ?? "";
  $("ended").hidden = session.state !== "ended";
  if (session.state === "ended") $("again").href = session.signInURL();
}

// --- addresses: the page is the same for all of them

function show() {
  document.documentElement.lang = language();
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
  for (const e of document.querySelectorAll("[data-lang]")) e.setAttribute("aria-pressed", e.dataset.lang === language());

  const id = location.pathname.match(/^\/books\/([^/]+)$/)?.[1];
  const book = books.get(id);
  $("list").hidden = id !== undefined;
  $("book").hidden = book === undefined;
  $("missing").hidden = id === undefined || book !== undefined;
  const heading = book ? book.title : id ? t("missing.title") : t("list.title");
  $("heading").textContent = heading;
  $("heading").lang = book ? book.lang : language();
  document.title = `${heading} · Bookstore`;
  if (book) {
    $("author").textContent = `${book.author}, ${t.year(book.year)}`;
    const draft = sessionStorage.getItem(draftKey(id));
    if (document.activeElement !== $("note")) $("note").value = draft ?? notes[id] ?? "";
    $("drop").hidden = notes[id] === undefined;
  }
  $("books").replaceChildren(...[...books.values()].map(item));
  showParts();
}

function item(book) {
  const li = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/books/${book.id}`;
  link.textContent = book.title;
  link.lang = book.lang;
  const by = document.createElement("span");
  by.textContent = `${book.author}, ${t.year(book.year)}`;
  li.append(link, by);
  if (session.user && notes[book.id]) {
    const note = document.createElement("q");
    note.textContent = notes[book.id];
    li.append(note);
  }
  return li;
}

function go(path) {
  history.pushState(null, "", path);
  say("");
  show();
  $("heading").focus();
}

addEventListener("popstate", show);
document.addEventListener("click", (e) => {
  const link = e.target.closest("a[href^='/']");
  if (!link || link.pathname.startsWith("/auth/") || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  go(link.pathname);
});

// --- what the visitor does

const say = (key) => { $("said").textContent = key && t(key); };

// attempt tells the visitor what became of it. Who was signed out meanwhile has
// been told by then.
async function attempt(work, done = "") {
  say("");
  try {
    await work();
    say(done);
  } catch (err) {
    if (err instanceof session.SignedOut) return;
    say(err.status === 403 ? "failed.forbidden" : err.status === 404 ? "failed.missing" : "failed");
  }
}

for (const button of document.querySelectorAll("[data-lang]")) {
  button.addEventListener("click", () => { setLanguage(button.dataset.lang); say(""); show(); });
}
for (const button of document.querySelectorAll("[data-signin]")) button.addEventListener("click", session.signIn);
$("signout").addEventListener("click", () => attempt(async () => {
  sessionStorage.clear();
  await session.signOut();
}));

// What is being typed outlives signing in again, for the same visitor.
const bookID = () => location.pathname.split("/").pop();
const draftKey = (id) => `draft ${session.user?.iss} ${session.user?.sub} ${id}`;
$("note").addEventListener("input", () => sessionStorage.setItem(draftKey(bookID()), $("note").value));

$("write").addEventListener("submit", (e) => {
  e.preventDefault();
  const id = bookID();
  const key = draftKey(id);
  attempt(async () => {
    await session.call("POST", `/api/notes/${id}`, { body: $("note").value });
    sessionStorage.removeItem(key);
    await refresh();
  }, "saved");
});
$("drop").addEventListener("click", () => {
  const id = bookID();
  const key = draftKey(id);
  attempt(async () => {
    await session.call("DELETE", `/api/notes/${id}`);
    sessionStorage.removeItem(key);
    await refresh();
  }, "dropped");
});
$("elsewhere").addEventListener("click", () => attempt(async () => {
  $("answer").textContent = JSON.stringify(await session.call("GET", "/api/elsewhere"), null, 1);
}));
$("count").addEventListener("click", () => attempt(async () => {
  const left = await session.call("GET", "/api/stock");
  $("stock").replaceChildren(...Object.entries(left).map(([id, n]) => {
    const li = document.createElement("li");
    li.textContent = `${books.get(id)?.title ?? id}: ${n}`;
    return li;
  }));
}));

// --- what happens by itself

async function refresh(options) {
  notes = await session.call("GET", "/api/notes", options);
  show();
}

session.changes.addEventListener("change", () => {
  notes = {};
  $("answer").textContent = "";
  $("stock").replaceChildren();
  show();
  if (session.state === "in") attempt(refresh);
});

// lookAgain finds out what changed elsewhere. It is nobody's doing, so nothing
// is said when it fails, and the next time will tell.
function lookAgain() {
  if (document.visibilityState !== "visible") return;
  session.check().then(() => session.user && refresh({ background: true })).catch(() => {});
}
document.addEventListener("visibilitychange", lookAgain);
addEventListener("pageshow", (e) => e.persisted && lookAgain()); // Back brought the page as it was
setInterval(lookAgain, 20_000);

history.replaceState(null, "", location.pathname); // without the state of a sign-out
$("languages").hidden = false;
show();
attempt(async () => {
  for (const book of await session.call("GET", "/api/books")) books.set(book.id, book);
  show();
  await session.check();
});
