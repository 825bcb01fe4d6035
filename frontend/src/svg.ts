// Boxes and curves as SVG, in the form of lamin_core/render/svg.py. Names become text, never markup.

import { HEIGHT, layout, type Link, type Point } from "./layout";

const SVG = "http://www.w3.org/2000/svg";
const PADDING = 9, ENTRY = 90;
const LEGEND: Readonly<Record<string, string>> = {
  snakemake: "run snakemake", nextflow: "run nextflow", prefect: "run prefect", python: "run python", shell: "run shell",
  failed: "run failed", outdated: "artifact outdated",
};

/** What is drawn for a group or for one of its members. */
export interface Shape {
  readonly token: string;
  readonly name: string;
  readonly detail: string;
  readonly title: string;
  readonly classes: string;
  readonly width: number;
  readonly bar: readonly (readonly [string, number])[];
}

/** The drawing of these boxes; the ends of links are their indices. */
export function draw(shapes: readonly Shape[], links: readonly Link[], note: string): SVGSVGElement {
  const { corners, routes, width, height } = layout(shapes.map((shape) => shape.width), links);
  const entries = Object.keys(LEGEND).filter((name) => shapes.some((shape) => shape.classes.split(" ").includes(name)));
  const lines: Element[] = [];
  if (entries.length) lines.push(element("g", {}, ...entries.flatMap((name, index) => entry(name, 12 + index * ENTRY, height))));
  if (note) lines.push(text(note, 12, height + 20 * lines.length + 10, "d"));
  const size = { width: Math.ceil(Math.max(width, ENTRY * entries.length + 12, note.length * 6 + 24)), height: Math.ceil(height + 20 * lines.length) };
  const svg = element("svg", { ...size, viewBox: `0 0 ${size.width} ${size.height}`, role: "group", class: "lamin-lineage", "data-width": size.width, "data-height": size.height });
  svg.append(tip());
  links.forEach(([above, below], index) => {
    const ends = [shapes[above], shapes[below]] as const;
    if (ends[0] && ends[1]) svg.append(curve(routes[index] ?? [], ends[0], ends[1]));
  });
  shapes.forEach((shape, index) => svg.append(box(shape, corners[index] ?? [0, 0])));
  svg.append(...lines);
  return svg as SVGSVGElement;
}

function entry(name: string, x: number, top: number): Element[] {
  return [element("g", { class: LEGEND[name] ?? "" }, element("rect", { x, y: top + 2, width: 12, height: 9, rx: 2 }), text(name, x + 17, top + 10, "d"))];
}

function tip(): Element {
  const marker = { id: "lamin-tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" };
  return element("defs", {}, element("marker", marker, element("polygon", { points: "0 0 8 4 0 8", fill: "#8c959f" })));
}

function curve(points: readonly Point[], above: Shape, below: Shape): Element {
  const steps = points.slice(1).map(([x, y], index) => {
    const [left, top] = points[index] ?? [0, 0], middle = (left + x) / 2;
    return `C${[middle, top, middle, y, x, y].map((number) => number.toFixed(1)).join(" ")}`;
  });
  const d = `M${(points[0] ?? [0, 0]).map((number) => number.toFixed(1)).join(" ")}${steps.join("")}`;
  return element("path", { class: kind(above, below), "data-above": above.token, "data-below": below.token, "marker-end": "url(#lamin-tip)", d });
}

/** Solid for reading and writing, dashed where a run waited for a run, dotted for files in a folder. */
function kind(above: Shape, below: Shape): string {
  const runs = [above, below].filter((shape) => isRun(shape)).length;
  return runs === 2 ? "w" : runs ? "e" : "c";
}

function isRun(shape: Shape): boolean {
  return shape.classes.startsWith("run");
}

function box(shape: Shape, [x, y]: Point): Element {
  const group = element("g", { class: shape.classes, "data-box": shape.token });
  const title = element("title", {});
  title.textContent = shape.title;
  group.append(title, element("rect", { x: x.toFixed(1), y: y.toFixed(1), width: shape.width, height: HEIGHT, rx: isRun(shape) ? 3 : 12 }));
  group.append(text(shape.name, x + PADDING, y + 17), text(shape.detail, x + PADDING, y + 31, "d"));
  let start = x + PADDING;
  for (const [state, share] of shape.bar) {
    const width = share * (shape.width - 2 * PADDING);
    group.append(element("rect", { class: `bar ${state}`, x: start, y: y + HEIGHT - 5, width: Math.max(width, 1), height: 3 }));
    start += width;
  }
  return element("a", { tabindex: 0, role: "button", "aria-label": `${shape.name}, ${shape.detail}` }, group);
}

function text(content: string, x: number, y: number, className = ""): Element {
  const node = element("text", className ? { class: className, x, y } : { x, y });
  node.textContent = content;
  return node;
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, ...children: Element[]): SVGElement {
  const node = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}
