// Where the states of a drawing come from: the pages of a server, or the data in a file.

import type { Box } from "./drawing";
import { show, withParameters } from "./page";

export interface Action {
  readonly name: string;
  /** A link to a page. */
  readonly href?: string;
  /** A state of the drawing, for `show`. */
  readonly to?: string;
}

export interface Site {
  /** Draw this state; whether it was drawn. */
  show(state: string, isNew?: boolean): Promise<boolean>;
  /** The state that a click on this element leads to; null where it leads elsewhere or nowhere. */
  target(element: Element): string | null;
  actions(box: Box): readonly Action[];
  /** Have the URL name this box. */
  remember(token: string): void;
  remembered(): string;
  /** The URL of the drawing as SVG, without what moves. */
  picture(): string;
  /** More buttons above the drawing. */
  readonly tools: Readonly<Record<string, () => void>>;
}

/** The pages of a server: each state is a URL. */
export class ServerSite implements Site {
  readonly tools = {};
  readonly show = show;

  constructor() {
    addEventListener("popstate", () => void show(location.pathname + location.search, false));
  }

  target(element: Element): string | null {
    const link = element.closest("a");
    const url = new URL(link?.getAttribute("href") ?? "", location.href);
    if (!link || url.origin !== location.origin || url.pathname !== location.pathname || url.hash) return null;
    return url.pathname + url.search;
  }

  actions(box: Box): Action[] {
    const row = document.querySelector(`tr[data-group="${CSS.escape(box.token)}"]`);
    const links = row ? [...row.querySelectorAll<HTMLAnchorElement>("[data-actions] > a")] : [];
    const page = row?.querySelector("[data-page]")?.getAttribute("href") ?? box.link?.getAttribute("href") ?? "";
    return [{ name: "open", href: page }, ...links.map((link) => ({ name: link.textContent ?? "", href: link.getAttribute("href") ?? "" }))];
  }

  remember(token: string): void {
    history.replaceState(null, "", `#${encodeURIComponent(token)}`);
  }

  remembered(): string {
    return decodeURIComponent(location.hash.slice(1));
  }

  picture(): string {
    return withParameters({}).replace(/^[^?]*/, (path) => `${path}.svg`);
  }
}
