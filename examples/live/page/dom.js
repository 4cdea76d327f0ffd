// Helpers for the document. A string becomes a text node, never markup.

/** An element with a class and children. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** Touches the document only if the text is another: screen readers announce what is set. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets the children of an element. Those that are there already are not moved without need. Returns the new ones. */
export function setChildren(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const added = [];
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) {
      next = next.nextElementSibling;
      continue;
    }
    if (child.parentNode !== parent) added.push(child);
    parent.insertBefore(child, next);
  }
  return added;
}

export function onSubmit(form, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}
