// A drawing in a file or a notebook: its groups and their members are data in the page, and no server is asked.

import type { Box } from "./drawing";
import type { Link } from "./layout";
import { saveFile } from "./picture";
import type { Action, Site } from "./site";
import { draw, type Shape } from "./svg";

interface Facts extends Shape {
  readonly kind: string;
  readonly label: string;
  readonly count: number;
  readonly states: Readonly<Record<string, number>>;
  readonly engine: string | null;
  readonly seconds: number | null;
  readonly size: number | null;
}

/** What lamin_core/render/view_data.py writes. */
export interface ViewData {
  readonly name: string;
  readonly style: string;
  readonly note: string;
  /** For each group its box, and the indices of its members and of the rest of them. */
  readonly groups: readonly { readonly shape: Shape; readonly members: readonly number[] }[];
  readonly members: readonly Facts[];
  /** Between members. */
  readonly links: readonly Link[];
}

export class FileSite implements Site {
  readonly tools = {
    "fold all": () => void this.show(""),
    SVG: () => saveFile(new Blob([this.svg()], { type: "image/svg+xml" }), `${this.data.name}.svg`),
    JSON: () => saveFile(new Blob([this.json()], { type: "application/json" }), `${this.data.name}.json`),
    CSV: () => saveFile(new Blob([this.csv()], { type: "text/csv" }), `${this.data.name}.csv`),
  };
  private expanded = new Set<string>();
  private readonly groupOf = new Map<string, { token: string; members: readonly number[] }>();

  constructor(private readonly holder: Element, private readonly data: ViewData) {
    for (const { shape, members } of data.groups) {
      const group = { token: shape.token, members };
      this.groupOf.set(shape.token, group);
      for (const index of members) this.groupOf.set(data.members[index]?.token ?? "", group);
    }
    void this.show("");
  }

  show(state: string): Promise<boolean> {
    this.expanded = new Set(state.split(",").filter(Boolean));
    const shapes: Shape[] = [], indices = new Map<number, number>();
    for (const { shape, members } of this.data.groups) {
      const isOpen = members.length === 1 || this.expanded.has(shape.token);
      if (!isOpen) shapes.push(shape);
      for (const index of members) {
        const member = this.data.members[index];
        if (isOpen && member) shapes.push(member);
        indices.set(index, shapes.length - 1);
      }
    }
    const links = new Map<string, Link>();
    for (const [above, below] of this.data.links) {
      const ends = [indices.get(above) ?? 0, indices.get(below) ?? 0] as const;
      if (ends[0] !== ends[1]) links.set(ends.join(), ends);
    }
    const svg = draw(shapes, [...links.values()], this.data.note);
    for (const shape of svg.querySelectorAll<SVGElement>("a:has(> .group)")) {
      const [action] = this.actionsOf(shape.querySelector<SVGElement>("[data-box]")?.dataset["box"] ?? "");
      if (action?.name === "expand") shape.dataset["to"] = action.to;
    }
    this.holder.querySelector("svg")?.remove();
    this.holder.prepend(svg);
    return Promise.resolve(true);
  }

  target(element: Element): string | null {
    return element.closest<HTMLElement | SVGElement>("[data-to]")?.dataset["to"] ?? null;
  }

  actions(box: Box): readonly Action[] {
    return this.actionsOf(box.token);
  }

  private actionsOf(token: string): Action[] {
    const group = this.groupOf.get(token);
    if (!group || group.members.length < 2) return [];
    const others = [...this.expanded].filter((other) => other !== group.token);
    if (this.expanded.has(group.token)) return [{ name: "fold", to: others.join() }];
    return [{ name: "expand", to: [...others, group.token].join() }];
  }

  remember(): void {
    // The URL of a file is not changed, and a page in a notebook has none.
  }

  remembered(): string {
    return "";
  }

  picture(): string {
    // Not a blob: a canvas with one cannot be read where the page has no origin of its own.
    return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(this.svg())}`;
  }

  /** The drawing without the view's own changes, with its colours. */
  private svg(): string {
    const shown = this.holder.querySelector("svg");
    if (!shown) return "";
    const svg = shown.cloneNode(true) as SVGSVGElement;
    const frame = svg.querySelector(":scope > g[transform]");
    frame?.replaceWith(...frame.childNodes);
    const { width, height } = shown.dataset;
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) svg.setAttribute(name, value ?? "");
    const style = document.createElementNS(svg.namespaceURI, "style"), back = document.createElementNS(svg.namespaceURI, "rect");
    style.textContent = this.data.style;
    for (const [name, value] of Object.entries({ width, height, style: "fill:#fff;stroke:none" })) back.setAttribute(name, value ?? "");
    svg.prepend(style, back);
    return new XMLSerializer().serializeToString(svg);
  }

  private json(): string {
    const boxes = this.data.members.map(({ token, kind, label, count, states, engine, seconds, size }) =>
      ({ token, kind, name: label, count, states, engine, seconds, size }));
    const links = this.data.links.map(([above, below]) => ({ above: boxes[above]?.token, below: boxes[below]?.token }));
    return JSON.stringify({ groups: boxes, links });
  }

  /** What is downstream of the start, the nearest first. */
  private csv(): string {
    const { members, links } = this.data;
    const steps = new Map<number, number>();
    members.forEach((member, index) => { if (member.classes.split(" ").includes("start")) steps.set(index, 0); });
    for (const [index, depth] of steps) {
      for (const [above, below] of links) if (above === index && !steps.has(below)) steps.set(below, depth + 1);
    }
    const rows: (string | number | null)[][] = [["steps", "kind", "uid", "name", "count", "status", "engine", "size"]];
    for (const [index, depth] of steps) {
      const member = members[index];
      if (member && depth) rows.push([depth, member.kind, member.token, member.label, member.count, Object.keys(member.states).join(" "), member.engine, member.size]);
    }
    return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }
}

function cell(value: string | number | null): string {
  const text = String(value ?? "");
  // A spreadsheet would execute it.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
