// The drawing that the server sent: its boxes, what is above and below each, and where it lies.

export interface Box {
  readonly token: string;
  readonly shape: SVGGElement;
  readonly link: SVGAElement | null;
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Edge {
  readonly above: string;
  readonly below: string;
  readonly path: SVGPathElement;
}

export class Drawing {
  readonly boxes = new Map<string, Box>();
  readonly edges: Edge[] = [];
  readonly width: number;
  readonly height: number;
  private readonly above = new Map<string, string[]>();
  private readonly below = new Map<string, string[]>();

  constructor(readonly svg: SVGSVGElement) {
    this.width = Number(svg.getAttribute("width"));
    this.height = Number(svg.getAttribute("height"));
    for (const shape of svg.querySelectorAll<SVGGElement>("g[data-box]")) this.addBox(shape);
    for (const path of svg.querySelectorAll<SVGPathElement>("path[data-above]")) this.addEdge(path);
  }

  private addBox(shape: SVGGElement): void {
    const token = shape.dataset["box"], rect = shape.querySelector("rect");
    if (!token || !rect) return;
    const number = (name: string): number => Number(rect.getAttribute(name));
    const parent = shape.parentElement as Element | null;
    this.boxes.set(token, {
      token,
      shape,
      link: parent instanceof SVGAElement ? parent : null,
      text: (shape.textContent ?? "").toLowerCase(),
      x: number("x"),
      y: number("y"),
      width: number("width"),
      height: number("height"),
    });
  }

  private addEdge(path: SVGPathElement): void {
    const above = path.dataset["above"], below = path.dataset["below"];
    if (!above || !below) return;
    this.edges.push({ above, below, path });
    append(this.below, above, below);
    append(this.above, below, above);
  }

  boxOf(element: EventTarget | null): Box | undefined {
    if (!(element instanceof Element)) return undefined;
    const shape = element.closest("g[data-box]") ?? element.querySelector(":scope > g[data-box]");
    return shape instanceof SVGGElement ? this.boxes.get(shape.dataset["box"] ?? "") : undefined;
  }

  /** The boxes on a path through this one: everything above and everything below it. */
  pathThrough(token: string): Set<string> {
    return new Set([...reached(token, this.above), ...reached(token, this.below)]);
  }

  /** The box that an arrow key leads to: along a link to the left or right, else the next in the column. */
  neighbour(box: Box, key: string): Box | undefined {
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const tokens = (key === "ArrowLeft" ? this.above : this.below).get(box.token) ?? [];
      return nearest(box, tokens.flatMap((token) => this.boxes.get(token) ?? []));
    }
    const isUp = key === "ArrowUp";
    const column = [...this.boxes.values()].filter((other) => Math.abs(other.x - box.x) < 1 && (isUp ? other.y < box.y : other.y > box.y));
    return nearest(box, column);
  }
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function reached(start: string, onwards: Map<string, string[]>): Set<string> {
  const seen = new Set([start]);
  for (const token of seen) for (const next of onwards.get(token) ?? []) seen.add(next);
  return seen;
}

function nearest(box: Box, boxes: Box[]): Box | undefined {
  const distance = (other: Box): number => Math.abs(other.y - box.y);
  return boxes.reduce<Box | undefined>((best, other) => (best && distance(best) <= distance(other) ? best : other), undefined);
}
