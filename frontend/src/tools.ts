// What stands above the drawing: find, zoom, the picture, the time, and what is chosen.

export interface Tools {
  readonly bar: HTMLElement;
  readonly find: HTMLInputElement;
  readonly count: HTMLElement;
  readonly time: HTMLInputElement;
  readonly timeText: HTMLElement;
  readonly panel: HTMLElement;
}

type Action = () => void;

export function makeTools(actions: Readonly<Record<string, Action>>): Tools {
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

/** Show what a box is, and the links of its row in the table below the drawing. */
export function fillPanel(panel: HTMLElement, title: string, row: Element | null, link: string): void {
  const text = document.createElement("pre");
  text.textContent = title;
  text.tabIndex = 0;
  const actions = document.createElement("p");
  const links = row ? [...row.querySelectorAll<HTMLAnchorElement>("[data-actions] > a")] : [];
  const copies = links.map((item) => copied(item.textContent ?? "", item.getAttribute("href") ?? ""));
  const page = row?.querySelector<HTMLAnchorElement>("[data-page]")?.getAttribute("href") ?? link;
  for (const copy of [copied("open", page), ...copies]) actions.append(copy, " ");
  panel.replaceChildren(actions, text);
}

function copied(name: string, url: string): HTMLAnchorElement {
  const link = document.createElement("a");
  link.className = "button";
  link.textContent = name;
  link.href = url;
  return link;
}
