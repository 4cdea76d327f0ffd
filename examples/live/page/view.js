// The document of the chat. Names and texts become text nodes only, never markup.
import { make, onSubmit, setText } from "./dom.js";
import { Log } from "./log.js";
import { list } from "./words.js";

const DEFAULT_ROOM = "lobby";
/** More people are a number. */
const MOST_NAMES = 200;
const AWAY = "The server cannot reach its store of messages. What you write is sent when it is back.";

const byName = new Intl.Collator(undefined, { sensitivity: "base", numeric: true }).compare;

export class View {
  #session;
  #entered;
  #save;
  #dirty = new Set();
  #timer;
  #countdown;
  #active = null;
  /** Room to its Log, and to its entry in the list of rooms. */
  #logs = new Map();
  #entries = new Map();
  /** Why the connection was lost. It is shown until there is another one. */
  #trouble = "";
  #membersShown = "";
  #ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));

  constructor(session, { entered, save }) {
    this.#session = session;
    this.#entered = entered;
    this.#save = save;
    this.#listen();
  }

  start() {
    if (this.#session.user === "") this.#showEntrance();
    else this.#showChat();
  }

  /** The room has changed, or something else if it is null. Changes that come together are drawn together. */
  changed(room) {
    if (room) this.#dirty.add(room);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, 16);
  }

  failed(reason, room) {
    if (room === undefined) {
      this.#ui["text-error"].textContent = reason;
      return;
    }
    this.#ui["room-error"].textContent = `${room}: ${reason}`;
    if (this.#active?.name === room) this.#openAnother();
  }

  #listen() {
    const { enter, name, rename, join, room, say, text, skip, retry, newer } = this.#ui;
    const session = this.#session;
    onSubmit(enter, () => {
      this.#ui["name-error"].textContent = "";
      name.removeAttribute("aria-invalid");
      if (name.value.trim() !== "") this.#entered(name.value.trim());
    });
    rename.onclick = () => this.#leaveAll();
    onSubmit(join, () => {
      this.#ui["room-error"].textContent = "";
      if (room.value.trim() === "") return;
      location.hash = encodeURIComponent(room.value.trim());
      room.value = "";
    });
    onSubmit(say, () => this.#say());
    text.onkeydown = (event) => {
      // Enter also ends the composition of a character.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    };
    text.oninput = () => {
      this.#textError("");
      if (!this.#active) return;
      this.#active.draft = text.value;
      session.typing(this.#active, text.value.trim() === "");
    };
    retry.onclick = () => {
      if (session.connection.state === "stopped") session.start(session.user);
      else session.hurry();
    };
    skip.onclick = (event) => {
      event.preventDefault(); // what is after # is the room
      text.focus();
    };
    newer.onclick = () => {
      this.#logs.get(this.#active)?.toEnd();
      this.changed(this.#active);
      text.focus();
    };
    this.#ui["people-button"].onclick = () => this.#showPeople(!this.#ui.people.classList.contains("open"));
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#showPeople(false);
    });
    addEventListener("hashchange", () => this.#openHash());
    document.addEventListener("visibilitychange", () => this.#look());
  }

  // Entrance

  #showEntrance(error = "") {
    const { enter, chat, connection, name } = this.#ui;
    enter.hidden = false;
    chat.hidden = connection.hidden = this.#ui.notice.hidden = true;
    this.#ui["name-error"].textContent = error;
    if (error !== "") name.setAttribute("aria-invalid", "true");
    document.title = "Chat";
    name.focus();
  }

  #showChat() {
    const { enter, chat, connection } = this.#ui;
    enter.hidden = true;
    chat.hidden = connection.hidden = false;
    this.#openHash();
    this.#focusText();
  }

  #leaveAll() {
    const unsent = [...this.#session.rooms.values()].some((room) => room.pending.length > 0);
    if (unsent && !confirm("Some of your messages were not sent yet. Forget them?")) return;
    for (const log of this.#logs.values()) log.remove();
    this.#logs.clear();
    this.#active = null;
    this.#ui.text.value = "";
    this.#session.stop();
    this.#save();
    this.#showEntrance();
  }

  // Rooms

  #openHash() {
    if (this.#session.user === "" || this.#ui.chat.hidden) return;
    const [first = { name: DEFAULT_ROOM }] = this.#session.rooms.values();
    this.#open(hashRoom() || first.name);
  }

  #open(name) {
    const { text } = this.#ui;
    this.#active = this.#session.join(name);
    text.value = this.#active.draft;
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    this.#textError("");
    this.#showPeople(false);
    this.#log(this.#active);
    for (const [room, log] of this.#logs) log.show(room === this.#active);
    this.#look();
    this.changed(this.#active);
    this.#save();
  }

  #leave(room) {
    this.#session.leave(room.name);
    this.#logs.get(room)?.remove();
    this.#logs.delete(room);
    if (room === this.#active) this.#openAnother();
    else this.#save();
    this.#focusText();
  }

  #openAnother() {
    this.#logs.get(this.#active)?.remove();
    this.#logs.delete(this.#active);
    this.#active = null;
    this.#ui.text.value = "";
    const [first = { name: DEFAULT_ROOM }] = this.#session.rooms.values();
    this.#open(first.name);
  }

  /** The room that the user sees has no unread messages. */
  #look() {
    for (const room of this.#session.rooms.values()) room.look(room === this.#active && !document.hidden);
    this.changed(null);
  }

  #log(room) {
    let log = this.#logs.get(room);
    if (!log) {
      const edit = (item) => {
        const { text } = this.#ui;
        text.value = room.draft = room.draft === "" ? item.text : `${room.draft} ${item.text}`;
        text.focus();
        discard(item);
      };
      const discard = (item) => {
        room.discard(item);
        this.#save();
        this.changed(room);
      };
      log = new Log(room, { edit, discard, scrolled: () => this.changed(room) });
      this.#logs.set(room, log);
      log.show(room === this.#active);
      this.#ui.logs.prepend(log.element);
    }
    return log;
  }

  // Own messages

  #say() {
    const { text } = this.#ui;
    const message = text.value.trim();
    if (message === "" || !this.#active) return;
    const error = this.#session.say(this.#active, message);
    this.#textError(error);
    if (error !== "") return;
    text.value = this.#active.draft = "";
    this.#logs.get(this.#active).toEnd();
    this.#save();
  }

  #textError(error) {
    const { text } = this.#ui;
    this.#ui["text-error"].textContent = error;
    if (error === "") text.removeAttribute("aria-invalid");
    else text.setAttribute("aria-invalid", "true");
  }

  /** Not on a phone, where it would open a keyboard over half of the screen. */
  #focusText() {
    if (matchMedia("(pointer: fine)").matches) this.#ui.text.focus();
  }

  // Drawing

  #draw() {
    this.#drawEntrance();
    this.#drawConnection();
    if (this.#ui.chat.hidden) return;
    for (const room of this.#dirty)
      if (this.#session.rooms.get(room.name) === room) this.#log(room).draw(this.#session.user);
    this.#drawRooms();
    if (this.#active) this.#drawActive(this.#active, this.#dirty.has(this.#active));
    this.#dirty.clear();
  }

  #drawEntrance() {
    const { enter, chat, "name-error": error } = this.#ui;
    const { state, reason } = this.#session.connection;
    const [, button] = enter.elements;
    button.disabled = state === "connecting";
    setText(button, state === "connecting" ? "Connecting…" : "Enter");
    if (state === "refused" && error.textContent !== reason) this.#showEntrance(reason);
    if (chat.hidden && ["up", "waiting", "stopped"].includes(state)) this.#showChat();
  }

  #drawConnection() {
    const { status } = this.#ui;
    const { connection, node, engineAway } = this.#session;
    const { state, reason } = connection;
    if (state === "up") this.#trouble = "";
    if (state === "waiting" || state === "stopped") this.#trouble = reason;
    const states = {
      up: [engineAway ? "wait" : "good", `Connected to ${node}`],
      stopped: ["bad", "Disconnected"],
    };
    const [colour, words] = states[state] ?? ["wait", this.#trouble === "" ? "Connecting…" : "Reconnecting…"];
    status.dataset.state = colour;
    setText(status, words);
    const away = state === "up" && engineAway ? AWAY : "";
    this.#drawNotice(connection, this.#trouble === "" ? away : `Not connected: ${this.#trouble}.`);
  }

  #drawNotice({ state, until }, words) {
    const { notice, retry, "notice-text": text, "notice-time": time } = this.#ui;
    setText(text, words);
    notice.hidden = words === "";
    notice.classList.toggle("bad", state === "stopped");
    retry.hidden = state !== "waiting" && state !== "stopped";
    setText(retry, state === "stopped" ? "Connect again" : "Connect now");
    const count = () => {
      const seconds = Math.ceil((until - performance.now()) / 1000);
      setText(time, state === "waiting" && seconds > 0 ? `Next try in ${seconds} s.` : "");
    };
    clearInterval(this.#countdown);
    if (state === "waiting") this.#countdown = setInterval(count, 1000);
    count();
  }

  #drawRooms() {
    const rooms = [...this.#session.rooms.values()];
    for (const room of rooms) if (!this.#entries.has(room)) this.#entries.set(room, this.#entry(room));
    for (const [room, entry] of this.#entries) {
      if (this.#session.rooms.get(room.name) !== room) {
        entry.element.remove();
        this.#entries.delete(room);
        continue;
      }
      if (room === this.#active) entry.link.setAttribute("aria-current", "page");
      else entry.link.removeAttribute("aria-current");
      setText(entry.unread, room.unread > 0 ? String(Math.min(room.unread, 999)) : "");
      entry.badge.hidden = room.unread === 0;
    }
    const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${this.#active?.name ?? "Chat"}`;
  }

  #entry(room) {
    const unread = make("span");
    const badge = make("span", "badge", unread, make("span", "visually-hidden", " unread"));
    const link = make("a", "", make("span", "name", room.name), badge);
    link.href = `#${encodeURIComponent(room.name)}`;
    const leave = make("button", "quiet", "×");
    leave.setAttribute("aria-label", `Leave ${room.name}`);
    leave.title = `Leave ${room.name}`;
    leave.onclick = () => this.#leave(room);
    const element = make("li", "", link, leave);
    this.#ui.rooms.append(element);
    return { element, link, unread, badge };
  }

  #drawActive(room, isDirty) {
    const { title, text, newer, typing, members } = this.#ui;
    const log = this.#log(room);
    setText(title, room.name);
    setText(this.#ui["text-label"], `Message to ${room.name}`);
    text.placeholder = `Message to ${room.name}`;
    newer.hidden = log.fresh === 0;
    setText(newer, log.fresh === 1 ? "1 new message ↓" : `${log.fresh} new messages ↓`);
    const typers = [...room.typing.keys()];
    setText(typing, typers.length === 0 ? "" : `${list(typers)} ${typers.length === 1 ? "is" : "are"} typing…`);
    setText(this.#ui["people-button"], `${room.count} here`);
    setText(this.#ui["people-title"], `${room.count} here`);
    if (!isDirty && members.dataset.room === room.name) return;
    const me = this.#session.user;
    const names = firstOf(room.members, MOST_NAMES)
      .filter((name) => name !== me)
      .sort(byName);
    if (room.members.has(me)) names.unshift(me);
    const signature = `${me} ${names.join("\n")} ${room.count}`;
    if (members.dataset.room === room.name && this.#membersShown === signature) return;
    this.#membersShown = signature;
    members.dataset.room = room.name;
    const rows = names.map((name) => make("li", "", make("bdi", "", name), name === me ? " (you)" : ""));
    if (room.count > names.length) rows.push(make("li", "muted", `and ${room.count - names.length} more`));
    members.replaceChildren(...rows);
  }

  #showPeople(open) {
    this.#ui.people.classList.toggle("open", open);
    this.#ui["people-button"].setAttribute("aria-expanded", String(open));
  }
}

/** The room that the address names after #, or "". */
function hashRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function firstOf(set, most) {
  const found = [];
  for (const value of set) {
    if (found.length === most) break;
    found.push(value);
  }
  return found;
}
