// The layout of lamin_core/render/layout.py, for drawings that change where no server is: columns of boxes, links from
// left to right, few crossings, short links. A test compares both.

export type Link = readonly [number, number];
export type Point = readonly [number, number];

export interface Layout {
  /** The upper left corner of each box. */
  readonly corners: readonly Point[];
  /** The points that each link passes. */
  readonly routes: readonly (readonly Point[])[];
  readonly width: number;
  readonly height: number;
}

export const HEIGHT = 40;
const GAP = 14, AISLE = 48, MARGIN = 12, BEND = 4, SWEEPS = 6;

/** Corners for boxes of these widths; the ends of links are their indices. */
export function layout(widths: readonly number[], links: readonly Link[]): Layout {
  const count = widths.length;
  const forward = acyclic(count, links);
  const columnOf = columnsOf(count, forward);
  const columns: number[][] = Array.from({ length: Math.max(-1, ...columnOf) + 1 }, () => []);
  columnOf.forEach((at, node) => columns[at]?.push(node));
  // Items are boxes, and after them the bends where a link passes a column.
  const items = forward.map(([source, target]) => {
    const route = [source];
    for (let at = (columnOf[source] ?? 0) + 1; at < (columnOf[target] ?? 0); at++) {
      const bend = columnOf.push(at) - 1;
      columns[at]?.push(bend);
      route.push(bend);
    }
    return [...route, target];
  });
  const nearby = neighbours(columnOf.length, items);
  for (let sweep = 0; sweep < SWEEPS; sweep++) order(sweep % 2 ? [...columns].reverse() : columns, nearby);
  const middle = heights(columns, nearby, (item) => item < count ? HEIGHT : BEND);
  const { lefts, width } = leftsOf(columns, widths);
  const left = (item: number): number => lefts[columnOf[item] ?? 0] ?? 0;
  const centre = (item: number): number => middle[item] ?? 0;
  const points = (route: readonly number[]): Point[] => route.map((item, index): Point =>
    [left(item) + (index ? 0 : widths[item] ?? 0), centre(item)]);
  const routeOf = new Map(forward.map(([source, target], index) => [source * count + target, points(items[index] ?? [])]));
  return {
    corners: widths.map((_, node) => [left(node), centre(node) - HEIGHT / 2]),
    routes: links.map(([source, target]) =>
      routeOf.get(source * count + target) ?? [...routeOf.get(target * count + source) ?? []].reverse()),
    width,
    height: widths.reduce((most, _, node) => Math.max(most, centre(node)), 0) + HEIGHT / 2 + MARGIN,
  };
}

/** The links, with those that close a cycle turned round. */
function acyclic(count: number, links: readonly Link[]): Link[] {
  const onwards: number[][] = Array.from({ length: count }, () => []);
  for (const [source, target] of links) onwards[source]?.push(target);
  const entered = new Set(links.map(([, target]) => target));
  const nodes = onwards.map((_, node) => node);
  const forward = new Map<number, Link>(), done = new Set<number>();
  const add = (source: number, target: number): void => {
    if (!forward.has(source * count + target)) forward.set(source * count + target, [source, target]);
  };
  for (const root of [...nodes.filter((node) => !entered.has(node)), ...nodes.filter((node) => entered.has(node))]) {
    if (done.has(root)) continue;
    const path = [{ node: root, next: 0 }], passed = new Set([root]);
    for (let last = path.at(-1); last; last = path.at(-1)) {
      const step = onwards[last.node]?.[last.next++];
      if (step === undefined) {
        done.add(last.node);
        passed.delete(last.node);
        path.pop();
      } else if (!passed.has(step)) {
        add(last.node, step);
        if (!done.has(step)) {
          path.push({ node: step, next: 0 });
          passed.add(step);
        }
      } else if (step !== last.node) {
        add(step, last.node);
      }
    }
  }
  return [...forward.values()];
}

/** The column of each node: the longest path from a source; a source is one column before its first successor. */
function columnsOf(count: number, links: readonly Link[]): number[] {
  const onwards: number[][] = Array.from({ length: count }, () => []), waiting = new Array<number>(count).fill(0);
  for (const [source, target] of links) {
    onwards[source]?.push(target);
    waiting[target] = (waiting[target] ?? 0) + 1;
  }
  const column = new Array<number>(count).fill(0);
  const sources = column.map((_, node) => node).filter((node) => !waiting[node]), ready = [...sources];
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    for (const target of onwards[node] ?? []) {
      column[target] = Math.max(column[target] ?? 0, (column[node] ?? 0) + 1);
      waiting[target] = (waiting[target] ?? 0) - 1;
      if (!waiting[target]) ready.push(target);
    }
  }
  for (const node of sources) {
    const targets = onwards[node] ?? [];
    column[node] = targets.length ? Math.min(...targets.map((target) => column[target] ?? 0)) - 1 : 0;
  }
  return column;
}

function neighbours(count: number, routes: readonly (readonly number[])[]): number[][] {
  const nearby: number[][] = Array.from({ length: count }, () => []);
  for (const route of routes) {
    route.slice(1).forEach((other, index) => {
      const item = route[index] ?? 0;
      nearby[item]?.push(other);
      nearby[other]?.push(item);
    });
  }
  return nearby;
}

/** Sort each column by the mean position of what its items are linked to in the column before. */
function order(columns: readonly number[][], nearby: readonly (readonly number[])[]): void {
  columns.slice(1).forEach((column, index) => {
    const positions = new Map((columns[index] ?? []).map((item, position) => [item, position]));
    const means = new Map(column.map((item, position) =>
      [item, mean((nearby[item] ?? []).flatMap((other) => positions.get(other) ?? [])) ?? position]));
    column.sort((first, other) => (means.get(first) ?? 0) - (means.get(other) ?? 0));
  });
}

/** The middle of each item: as near to the mean of its neighbours as the order of its column allows. */
function heights(columns: readonly number[][], nearby: readonly (readonly number[])[], heightOf: (item: number) => number): number[] {
  const middle: number[] = [];
  const spread = (column: readonly number[], desired: readonly number[]): void => {
    const offsets: number[] = [];
    column.reduce((end, item, index) => {
      const offset = end + heightOf(item) / 2 + (index ? heightOf(column[index - 1] ?? 0) / 2 + GAP : 0);
      offsets.push(offset);
      return offset;
    }, 0);
    const pools: { mean: number; size: number }[] = [];
    desired.forEach((want, index) => {
      let pool = { mean: want - (offsets[index] ?? 0), size: 1 };
      for (let last = pools.at(-1); last && last.mean > pool.mean; last = pools.at(-1)) {
        pools.pop();
        const size = pool.size + last.size;
        pool = { mean: (pool.mean * pool.size + last.mean * last.size) / size, size };
      }
      pools.push(pool);
    });
    const pooled = pools.flatMap((pool) => new Array<number>(pool.size).fill(pool.mean));
    column.forEach((item, index) => { middle[item] = (pooled[index] ?? 0) + (offsets[index] ?? 0); });
  };
  for (const column of columns) spread(column, column.map(() => 0));
  for (let sweep = 0; sweep < 2 * SWEEPS; sweep++) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      spread(column, column.map((item) => mean((nearby[item] ?? []).map((other) => middle[other] ?? 0)) ?? middle[item] ?? 0));
    }
  }
  const top = middle.reduce((least, centre, item) => Math.min(least, centre - heightOf(item) / 2), Infinity);
  return middle.map((centre) => centre - top + MARGIN);
}

function leftsOf(columns: readonly number[][], widths: readonly number[]): { lefts: number[]; width: number } {
  const lefts: number[] = [];
  const end = columns.reduce((offset, column) => {
    lefts.push(offset);
    return offset + Math.max(0, ...column.map((item) => widths[item] ?? 0)) + AISLE;
  }, MARGIN);
  return { lefts, width: end - AISLE + MARGIN };
}

function mean(numbers: readonly number[]): number | undefined {
  return numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : undefined;
}
