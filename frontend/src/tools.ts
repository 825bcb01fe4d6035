// What stands above the drawing: find, zoom, the picture, the time, and what is chosen.

import type { Action } from "./site";

export interface Tools {
  readonly bar: HTMLElement;
  readonly find: HTMLInputElement;
  readonly count: HTMLElement;
  readonly time: HTMLInputElement;
  readonly timeText: HTMLElement;
  readonly panel: HTMLElement;
}

export function makeTools(actions: Readonly<Record<string, () => void>>): Tools {
  const bar = element("div", "tools");
  const find = document.createElement("input");
  find.type = "search";
  find.placeholder = "Find in the drawing";
  find.setAttribute("aria-label", "Find in the drawing");
  const count = element("span", "count");
  count.setAttribute("role", "status");
  bar.append(find, count);
  for (const [name, action] of Object.entries(actions)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", action);
    bar.append(button);
  }
  const time = document.createElement("input");
  Object.assign(time, { type: "range", min: "0", max: "1000", value: "1000" });
  time.setAttribute("aria-label", "As of");
  const timeText = element("span", "count");
  const label = document.createElement("label");
  label.append("as of ", time, timeText);
  bar.append(label);
  const panel = element("div", "panel");
  panel.setAttribute("aria-live", "polite");
  return { bar, find, count, time, timeText, panel };
}

function element(name: string, className: string): HTMLElement {
  const made = document.createElement(name);
  made.className = className;
  return made;
}

/** Show what a box is, and what can be done with it. */
export function fillPanel(panel: HTMLElement, title: string, actions: readonly Action[]): void {
  const text = document.createElement("pre");
  text.textContent = title;
  text.tabIndex = 0;
  const line = document.createElement("p");
  for (const action of actions) line.append(control(action), " ");
  panel.replaceChildren(line, text);
}

function control({ name, href, to }: Action): HTMLElement {
  if (to !== undefined) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.dataset["to"] = to;
    return button;
  }
  const link = document.createElement("a");
  link.className = "button";
  link.textContent = name;
  link.href = href ?? "";
  return link;
}
