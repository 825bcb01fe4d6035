// The state of the page is its URL: a change fetches the page of another URL and puts its parts in place.

const PARTS = "[data-live], #lineage-form";

let current = 0;

/** Show the page of this URL without loading it anew; of several that are called for, the last. */
export async function show(url: string, isNew = true): Promise<boolean> {
  const call = ++current;
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (call !== current) return false;
  if (!answer.ok || answer.redirected) {
    location.assign(url);
    return false;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (call !== current) return false;
  if (isNew) history.pushState(null, "", url);
  replaceParts(page);
  return true;
}

function replaceParts(page: Document): void {
  const open = new Set([...document.querySelectorAll("main details[open] > summary")].map((summary) => summary.textContent));
  const renewed = [...page.querySelectorAll(PARTS)];
  for (const [index, part] of [...document.querySelectorAll(PARTS)].entries()) {
    const other = renewed[index];
    if (!other) continue;
    for (const summary of other.querySelectorAll("summary")) {
      if (summary.parentElement instanceof HTMLDetailsElement) summary.parentElement.open = open.has(summary.textContent);
    }
    part.replaceWith(other);
    document.dispatchEvent(new CustomEvent("lamin:part", { detail: other }));
  }
}

/** This URL with other parameters; what is empty is left out. */
export function withParameters(changes: Readonly<Record<string, string>>): string {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  url.hash = "";
  return url.pathname + url.search;
}

/** The URL of a form as a browser would send it, without empty fields. */
export function formUrl(form: HTMLFormElement): string {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string" && value) query.set(name, value);
  return `${location.pathname}?${query.toString()}`;
}
