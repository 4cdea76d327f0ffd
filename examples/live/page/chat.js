// The chat: connects the session (rooms over a connection) and the view (the document).
import { Session } from "./session.js";
import { View } from "./view.js";

const STORE = "live-chat";

const session = new Session(location.href, {
  changed: (room) => view.changed(room),
  failed: (reason, room) => view.failed(reason, room),
});
const view = new View(session, { entered: (name) => session.start(name), save });

/** In the storage of this tab: who the user is, the rooms, and what the server does not have yet. */
function save() {
  try {
    if (session.user === "") sessionStorage.removeItem(STORE);
    else sessionStorage.setItem(STORE, JSON.stringify(session.save()));
  } catch {
    // Storage is full or not allowed: a reload begins anew.
  }
}

function restore() {
  try {
    session.restore(JSON.parse(sessionStorage.getItem(STORE)));
    return true;
  } catch {
    return false; // nothing there, or of another version
  }
}

addEventListener("online", () => session.online());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) save();
  else session.hurry();
});

if (restore()) session.start(session.user);
view.start();
