// The messages of one room, as the reader sees them.
import { make, setChildren, setText } from "./dom.js";
import { clock, list } from "./words.js";

/** If the reader is this near to the end, the log follows new messages. Pixels. */
const NEAR = 48;
/** Screen readers do not read out the history that comes at the start. Milliseconds. */
const QUIET = 1500;

const STATES = { sending: "sending…", sent: "sent", refused: "" };

export class Log {
  /** New messages below the part that the reader sees. */
  fresh = 0;
  #room;
  #actions;
  #rowOf = new WeakMap();
  #rows = make("ol");
  #atEnd = true;

  constructor(room, actions) {
    this.#room = room;
    this.#actions = actions;
    const log = (this.element = make("div", "log", this.#rows));
    log.tabIndex = 0;
    log.setAttribute("role", "log");
    log.setAttribute("aria-label", `Messages in ${room.name}`);
    log.setAttribute("aria-live", "off");
    setTimeout(() => log.setAttribute("aria-live", "polite"), QUIET);
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#keepEnd()).observe(log);
  }

  show(visible) {
    this.element.hidden = !visible;
    if (visible) this.#keepEnd();
  }

  toEnd() {
    this.#atEnd = true;
    this.fresh = 0;
    this.#keepEnd();
  }

  remove() {
    this.element.remove();
  }

  /** Draws what has changed. `me`: the name of the user. */
  draw(me) {
    const rows = [];
    for (const item of this.#room.shown()) {
      let row = this.#rowOf.get(item);
      if (!row)
        this.#rowOf.set(item, (row = item.kind === "message" ? new MessageRow(item, this.#actions) : noteRow(item)));
      row.update?.(item, me);
      rows.push(row.element);
    }
    const added = setChildren(this.#rows, rows);
    if (!this.#atEnd) this.fresh += added.filter((row) => row.matches(".message")).length;
    this.#keepEnd();
  }

  #keepEnd() {
    if (this.#atEnd && !this.element.hidden) this.element.scrollTop = this.element.scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (!this.#atEnd || this.fresh === 0) return;
    this.fresh = 0;
    this.#actions.scrolled();
  }
}

class MessageRow {
  #time = make("time");
  #who = make("bdi", "who");
  #state = make("span", "state");
  #refusal = make("div");
  #shown = "";
  #actions;

  constructor(item, actions) {
    this.#actions = actions;
    const text = make("p", "text", item.text);
    text.dir = "auto";
    this.element = make(
      "li",
      "message",
      make("p", "head", this.#who, " ", this.#time, " ", this.#state),
      text,
      this.#refusal,
    );
    this.element.dataset.id = item.id;
  }

  update(item, me) {
    const mine = item.from === me;
    const shown = `${item.state} ${item.at} ${mine} ${item.from}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    setText(this.#who, item.from);
    setText(this.#time, clock(item.at));
    this.#time.dateTime = new Date(item.at).toISOString();
    setText(this.#state, mine ? STATES[item.state] : "");
    this.element.dataset.state = item.state;
    this.element.classList.toggle("mine", mine);
    this.#refusal.replaceChildren(...(item.state === "refused" ? this.#offer(item) : []));
  }

  #offer(item) {
    const edit = make("button", "plain", "Edit");
    edit.onclick = () => this.#actions.edit(item);
    const discard = make("button", "plain", "Discard");
    discard.onclick = () => this.#actions.discard(item);
    return [make("p", "reason", `Not sent: ${item.reason}`), edit, " ", discard];
  }
}

function noteRow(item) {
  if (item.kind === "note") return { element: make("li", "note", item.text) };
  const parts = [];
  if (item.joined.size > 0) parts.push(`${list([...item.joined])} joined`);
  if (item.left.size > 0) parts.push(`${list([...item.left])} left`);
  return { element: make("li", "note", parts.join(", ")) };
}
