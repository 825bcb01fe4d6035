// The whole drawing in small, with the part that is in the window: for drawings that are much larger than it.

import type { Drawing } from "./drawing";

const WIDTH = 180, HEIGHT = 120, NARROWEST = 48, SMALLEST = 1.5;

/** The part of the drawing that is in the window, in the units of the drawing. */
export interface Part {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class Minimap {
  readonly element = document.createElement("canvas");
  private boxes: ImageData | null = null;
  private across = 1;
  private down = 1;

  constructor(private readonly move: (x: number, y: number) => void) {
    this.element.className = "minimap";
    // Keys move along the boxes themselves, and the window follows them.
    this.element.setAttribute("aria-hidden", "true");
    this.element.hidden = true;
    const follow = (event: PointerEvent): void => {
      if (!event.buttons) return;
      event.preventDefault();
      event.stopPropagation();
      const { left, top } = this.element.getBoundingClientRect();
      this.move((event.clientX - left) / this.across, (event.clientY - top) / this.down);
    };
    this.element.addEventListener("pointerdown", (event) => { this.element.setPointerCapture(event.pointerId); follow(event); });
    this.element.addEventListener("pointermove", follow);
    for (const name of ["mousedown", "touchstart"]) this.element.addEventListener(name, (event) => event.stopPropagation());
  }

  /** Draw the boxes of another drawing. */
  show(drawing: Drawing): void {
    // In proportion, but not narrower than what a pointer hits.
    const scale = Math.min(WIDTH / drawing.width, HEIGHT / drawing.height);
    this.across = Math.max(scale, NARROWEST / drawing.width);
    this.down = Math.max(scale, NARROWEST / drawing.height);
    this.element.width = Math.ceil(drawing.width * this.across);
    this.element.height = Math.ceil(drawing.height * this.down);
    const pen = this.element.getContext("2d", { willReadFrequently: true });
    if (!pen) return;
    const style = getComputedStyle(document.documentElement);
    const [bad, run, file] = ["--bad", "--link", "--quiet"].map((name) => style.getPropertyValue(name));
    for (const box of drawing.boxes.values()) {
      const classes = box.shape.classList;
      pen.fillStyle = (classes.contains("failed") ? bad : classes.contains("run") ? run : file) ?? "";
      pen.fillRect(box.x * this.across, box.y * this.down, Math.max(1, box.width * this.across), Math.max(1, box.height * this.down));
    }
    this.boxes = pen.getImageData(0, 0, this.element.width, this.element.height);
  }

  /** Show which part is in the window; nothing where that is nearly all of it. */
  frame(part: Part, drawing: Drawing): void {
    const share = Math.max(drawing.width / part.width, drawing.height / part.height);
    this.element.hidden = share < SMALLEST;
    const pen = this.element.getContext("2d");
    if (this.element.hidden || !pen || !this.boxes) return;
    pen.putImageData(this.boxes, 0, 0);
    pen.strokeStyle = getComputedStyle(this.element).color;
    pen.lineWidth = 1.5;
    pen.strokeRect(part.x * this.across, part.y * this.down, part.width * this.across, part.height * this.down);
  }
}
