// Moving about in the drawing: zoom, the path under the pointer, keys, and find.

import { select } from "d3-selection";
import { type D3ZoomEvent, type ZoomBehavior, zoom, zoomIdentity, type ZoomTransform, zoomTransform } from "d3-zoom";

import { type Box, Drawing } from "./drawing";
import { Minimap } from "./minimap";
import { formUrl, withParameters } from "./page";
import { savePicture } from "./picture";
import type { Site } from "./site";
import { fillPanel, makeTools, type Tools } from "./tools";

const SMALLEST = 0.05, LARGEST = 4, READABLE = 0.7, STEP = 1.3;

interface Anchor {
  readonly token: string;
  readonly x: number;
  readonly y: number;
}

export class View {
  private readonly tools: Tools;
  private readonly minimap = new Minimap((x, y) => this.moveTo(x, y));
  private drawing: Drawing | null = null;
  private behaviour: ZoomBehavior<SVGSVGElement, unknown> | null = null;
  private frame: SVGGElement | null = null;
  private chosen: string | null = null;
  private hits: Box[] = [];
  private hit = -1;
  private lit: Element[] = [];
  private anchor: Anchor | null = null;
  private place: ZoomTransform | null = null;
  private until = 0;

  constructor(private readonly root: HTMLElement, private readonly site: Site) {
    this.tools = makeTools({
      fit: () => this.fit(),
      "+": () => this.scaleBy(STEP),
      "−": () => this.scaleBy(1 / STEP),
      PNG: () => void this.save(),
      ...site.tools,
    });
    root.before(this.tools.bar);
    root.append(this.tools.panel);
    this.listen();
    this.attach();
    new MutationObserver(() => this.attach()).observe(root, { childList: true, subtree: true });
  }

  private listen(): void {
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("focusin", (event) => this.onFocus(event.target));
    this.root.addEventListener("pointerover", (event) => this.light(this.drawing?.boxOf(event.target)?.token ?? this.chosen));
    this.root.addEventListener("pointerleave", () => this.light(this.chosen));
    this.root.addEventListener("dragstart", (event) => event.preventDefault());
    document.addEventListener("click", (event) => this.onClick(event));
    document.addEventListener("submit", (event) => this.onSubmit(event));
    this.tools.find.addEventListener("input", () => this.find());
    this.tools.find.addEventListener("keydown", (event) => { if (event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1); });
    this.tools.time.addEventListener("input", () => this.showTime());
    this.tools.time.addEventListener("change", () => void this.travel());
  }

  /** Take over the drawing that is there, which is another after each change. */
  private attach(): void {
    const svg = this.root.querySelector<SVGSVGElement>(".graph svg");
    if (!svg || svg === this.drawing?.svg) return;
    const drawing = new Drawing(svg);
    const frame = document.createElementNS(svg.namespaceURI, "g") as SVGGElement;
    frame.append(...[...svg.childNodes].filter((node) => node.nodeName !== "defs"));
    svg.append(frame);
    svg.removeAttribute("viewBox");
    svg.setAttribute("width", "100%");
    svg.setAttribute("height", String(Math.max(160, Math.min(drawing.height, innerHeight * 0.75))));
    svg.parentElement?.classList.add("moves");
    svg.parentElement?.append(this.minimap.element);
    this.minimap.show(drawing);
    Object.assign(this, { drawing, frame, lit: [] });
    this.behaviour = zoom<SVGSVGElement, unknown>()
      .scaleExtent([SMALLEST, LARGEST])
      .filter((event: Event) => event instanceof WheelEvent ? event.ctrlKey || event.metaKey : !(event instanceof MouseEvent && event.button))
      .on("zoom", (event: D3ZoomEvent<SVGSVGElement, unknown>) => this.onZoom(event.transform));
    select(svg).call(this.behaviour).on("dblclick.zoom", null);
    this.restore();
    this.find();
    this.showTimes();
    this.root.dataset["ready"] = String(drawing.boxes.size);
  }

  private restore(): void {
    const remembered = this.site.remembered(), token = this.anchor?.token ?? this.chosen ?? remembered;
    const box = this.drawing?.boxes.get(token);
    if (this.anchor && box && this.place) {
      const { k } = this.place;
      this.apply(zoomIdentity.translate(this.anchor.x - box.x * k, this.anchor.y - box.y * k).scale(k));
    } else if (this.place && !this.anchor) {
      this.apply(this.place);
    } else {
      this.fit();
    }
    if (box && (this.anchor || this.chosen === token || remembered)) this.focus(box);
    this.anchor = null;
  }

  private onZoom(transform: ZoomTransform): void {
    this.place = transform;
    this.frame?.setAttribute("transform", transform.toString());
    this.frame?.classList.toggle("far", transform.k < 0.4);
    this.frame?.classList.toggle("farther", transform.k < 0.2);
    if (!this.drawing) return;
    const { width, height } = this.drawing.svg.getBoundingClientRect(), { k, x, y } = transform;
    this.minimap.frame({ x: -x / k, y: -y / k, width: width / k, height: height / k }, this.drawing);
  }

  /** Have this point of the drawing in the middle of the window. */
  private moveTo(x: number, y: number): void {
    if (this.drawing && this.behaviour) select(this.drawing.svg).call(this.behaviour.translateTo, x, y);
  }

  private apply(transform: ZoomTransform): void {
    if (this.drawing && this.behaviour) select(this.drawing.svg).call(this.behaviour.transform, transform);
  }

  private scaleBy(factor: number): void {
    if (this.drawing && this.behaviour) select(this.drawing.svg).call(this.behaviour.scaleBy, factor);
  }

  /** All of it if that can be read, else the part around what the page is about. */
  private fit(): void {
    if (!this.drawing) return;
    const { width, height } = this.drawing.svg.getBoundingClientRect();
    const whole = Math.min(1, width / this.drawing.width, height / this.drawing.height);
    const k = Math.max(whole, READABLE);
    if (k === whole) {
      this.apply(zoomIdentity.translate((width - this.drawing.width * k) / 2, 0).scale(k));
      return;
    }
    const start = this.drawing.svg.querySelector("g.start[data-box]");
    const box = this.drawing.boxOf(start) ?? this.drawing.boxes.values().next().value;
    if (box) this.centre(box, k);
  }

  private centre(box: Box, k: number): void {
    if (!this.drawing) return;
    const { width, height } = this.drawing.svg.getBoundingClientRect();
    const x = within(width / 2 - (box.x + box.width / 2) * k, width - this.drawing.width * k);
    const y = within(height / 2 - (box.y + box.height / 2) * k, height - this.drawing.height * k);
    this.apply(zoomIdentity.translate(x, y).scale(k));
  }

  private onFocus(target: EventTarget | null): void {
    const box = this.drawing?.boxOf(target);
    if (!box) return;
    this.chosen = box.token;
    this.light(box.token);
    this.site.remember(box.token);
    // Not under a pointer that has just pressed the box: what it clicks would be elsewhere.
    if (box.link?.matches(":focus-visible")) this.reveal(box);
  }

  private focus(box: Box): void {
    box.link?.focus({ preventScroll: true });
  }

  /** Move the drawing so that a box is in the window. */
  private reveal(box: Box): void {
    const svg = this.drawing?.svg, holder = svg?.parentElement;
    if (!svg || !holder) return;
    holder.scrollTo(0, 0);
    const window = svg.getBoundingClientRect(), { k, x, y } = zoomTransform(svg);
    const left = box.x * k + x, top = box.y * k + y;
    const isInside = left >= 0 && top >= 0 && left + box.width * k <= window.width && top + box.height * k <= window.height;
    if (!isInside) this.centre(box, k);
  }

  /** Show the path through a box, and what the box is. */
  private light(token: string | null): void {
    for (const element of this.lit) element.classList.remove("on");
    this.lit = [];
    const box = token === null ? undefined : this.drawing?.boxes.get(token);
    this.root.classList.toggle("lit", box !== undefined);
    if (!this.drawing || !box) return;
    const path = this.drawing.pathThrough(box.token);
    for (const part of path) {
      const shape = this.drawing.boxes.get(part)?.shape;
      if (shape) this.lit.push(shape);
    }
    for (const edge of this.drawing.edges) if (path.has(edge.above) && path.has(edge.below)) this.lit.push(edge.path);
    for (const element of this.lit) element.classList.add("on");
    const title = box.shape.querySelector("title")?.textContent ?? "";
    fillPanel(this.tools.panel, title, this.site.actions(box));
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
    const box = this.drawing?.boxOf(event.target);
    const moves: Record<string, () => void> = {
      "+": () => this.scaleBy(STEP),
      "=": () => this.scaleBy(STEP),
      "-": () => this.scaleBy(1 / STEP),
      "0": () => this.fit(),
      f: () => this.tools.find.focus(),
      Escape: () => { this.chosen = null; this.light(null); },
      e: () => this.act(box, ["expand", "fold"]),
      u: () => this.act(box, ["further up"]),
      d: () => this.act(box, ["further down"]),
    };
    const other = box && event.key.startsWith("Arrow") ? this.drawing?.neighbour(box, event.key) : undefined;
    if (event.key === "Enter" && box?.link && !box.link.hasAttribute("href")) moves["Enter"] = () => this.act(box, ["expand", "fold"]);
    const move = other ? () => this.focus(other) : moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  private act(box: Box | undefined, names: readonly string[]): void {
    if (!box) return;
    const action = this.site.actions(box).find((item) => names.includes(item.name));
    if (action) this.follow(action.to ?? action.href ?? "", box.token);
  }

  /** Links to other states of this drawing do not load the page anew. */
  private onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const element = event.target instanceof Element ? event.target : null, state = element && this.site.target(element);
    if (state === null) return;
    event.preventDefault();
    const box = this.drawing?.boxOf(element?.closest("a") ?? null) ?? this.drawing?.boxes.get(this.tools.panel.contains(element) ? this.chosen ?? "" : "");
    this.follow(state, box?.token ?? null);
  }

  private onSubmit(event: SubmitEvent): void {
    if (!(event.target instanceof HTMLFormElement) || event.target.id !== "lineage-form") return;
    event.preventDefault();
    this.follow(formUrl(event.target), null);
  }

  private follow(url: string, token: string | null): void {
    const box = token === null ? undefined : this.drawing?.boxes.get(token);
    if (box && this.place) this.anchor = { token: box.token, x: box.x * this.place.k + this.place.x, y: box.y * this.place.k + this.place.y };
    else this.place = null;
    void this.site.show(url);
  }

  private find(): void {
    const text = this.tools.find.value.trim().toLowerCase();
    for (const box of this.hits) box.shape.classList.remove("hit");
    this.hits = text && this.drawing ? [...this.drawing.boxes.values()].filter((box) => box.text.includes(text)) : [];
    for (const box of this.hits) box.shape.classList.add("hit");
    this.hit = -1;
    this.tools.count.textContent = text ? `${this.hits.length} found` : "";
  }

  private nextHit(step: number): void {
    if (!this.hits.length || !this.drawing) return;
    this.hit = (this.hit + step + this.hits.length) % this.hits.length;
    const box = this.hits[this.hit];
    if (!box) return;
    this.tools.count.textContent = `${this.hit + 1} of ${this.hits.length}`;
    this.centre(box, Math.max(zoomTransform(this.drawing.svg).k, 0.8));
    this.chosen = box.token;
    this.light(box.token);
  }

  private showTimes(): void {
    const part = this.root.querySelector<HTMLElement>("[data-live]");
    const asOf = new URLSearchParams(location.search).get("as_of");
    if (!asOf) this.until = Date.parse(part?.dataset["until"] ?? "") || Date.now();
    else this.until ||= Date.now();
    const since = Date.parse(part?.dataset["since"] ?? "");
    if (since) this.tools.time.dataset["since"] ??= String(since);
    // Before its first run a drawing has no times, and the slider leads back.
    this.tools.bar.classList.toggle("timeless", !(Number(this.tools.time.dataset["since"]) < this.until));
    if (!asOf) this.tools.time.value = this.tools.time.max;
    this.showTime();
  }

  private time(): Date | null {
    const since = Number(this.tools.time.dataset["since"]), share = Number(this.tools.time.value) / Number(this.tools.time.max);
    return share >= 1 ? null : new Date(since + share * (this.until - since));
  }

  private showTime(): void {
    this.tools.timeText.textContent = this.time()?.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) ?? "now";
  }

  private async travel(): Promise<void> {
    await this.site.show(withParameters({ as_of: this.time()?.toISOString() ?? "" }));
  }

  private async save(): Promise<void> {
    await savePicture(this.site.picture(), "lineage.png");
  }
}

/** An offset with which no blank is shown beside the drawing; the middle where the drawing is smaller. */
function within(offset: number, room: number): number {
  return room >= 0 ? room / 2 : Math.min(0, Math.max(room, offset));
}
