// Words for names and times.

/** A name that is written from right to left does not turn the words around it. */
export const isolate = (name) => `\u2068${name}\u2069`;

/** "Ann", "Ann and Bob", "Ann, Bob and 3 others". */
export function list(names) {
  const shown = names.slice(0, names.length > 3 ? 2 : 3).map(isolate);
  const rest = names.length - shown.length;
  const last = rest > 0 ? `${rest} others` : shown.pop();
  return shown.length === 0 ? last : `${shown.join(", ")} and ${last}`;
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** The time of day, with the date if it is not today's. `at`: milliseconds since 1970. */
export function clock(at) {
  const date = new Date(at);
  return (date.toDateString() === new Date().toDateString() ? time : dayAndTime).format(date);
}
