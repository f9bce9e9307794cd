// Points of the playground in the square from -1 to 1, ready-made sets of them, and their picture with the net's answers.
export interface Point {
  x: number;
  y: number;
  label: number;
}

export const KINDS = ["circle", "square", "triangle"] as const;
export const COLOURS = ["--device", "--person", "--cloud"] as const;
export const CELLS = 48;

/** Evenly spread numbers 0..1 that are the same on every visit (Park and Miller 1988, the minimal standard generator). */
export function makeRandom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

export const PRESETS: Record<string, () => Point[]> = {
  moons: () => {
    const random = makeRandom(7);
    return Array.from({ length: 80 }, (_, i) => {
      const angle = random() * Math.PI;
      const noise = () => (random() - 0.5) * 0.24;
      return i % 2
        ? { x: 0.55 * Math.cos(angle) - 0.25 + noise(), y: 0.6 * Math.sin(angle) - 0.15 + noise(), label: 0 }
        : { x: -0.55 * Math.cos(angle) + 0.25 + noise(), y: -0.6 * Math.sin(angle) + 0.15 + noise(), label: 1 };
    });
  },
  ring: () => {
    const random = makeRandom(11);
    return Array.from({ length: 80 }, (_, i) => {
      const [angle, radius] = [random() * 2 * Math.PI, i % 2 ? 0.35 * Math.sqrt(random()) : 0.65 + 0.2 * random()];
      return { x: radius * Math.cos(angle), y: radius * Math.sin(angle), label: i % 2 };
    });
  },
  clusters: () => {
    const random = makeRandom(13);
    const spread = () => (random() + random() + random() - 1.5) * 0.45;
    return Array.from({ length: 75 }, (_, i) => ({ x: [-0.5, 0.5, 0][i % 3]! + spread(), y: [-0.4, -0.4, 0.5][i % 3]! + spread(), label: i % 3 }));
  },
};

/** The middles of all cells, row after row from the top: what the net is asked to paint the square. */
export function gridInputs(): Float32Array {
  const inputs = new Float32Array(CELLS * CELLS * 2);
  for (let i = 0; i < CELLS * CELLS; i++) inputs.set([((i % CELLS) + 0.5) * (2 / CELLS) - 1, 1 - (Math.floor(i / CELLS) + 0.5) * (2 / CELLS)], 2 * i);
  return inputs;
}

export interface Scene {
  points: readonly Point[];
  /** Best class and confidence of each cell; null before anything was learnt. */
  answers: readonly [number, number][] | null;
  threshold: number;
  cursor: { x: number; y: number } | null;
}

/** Class colours where the net is sure; stripes on plain ground where it would ask. */
export function paintScene(canvas: HTMLCanvasElement, { points, answers, threshold, cursor }: Scene): void {
  const size = canvas.width;
  const pen = canvas.getContext("2d")!;
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  pen.fillStyle = colour("--card");
  pen.fillRect(0, 0, size, size);
  const cell = size / CELLS;
  answers?.forEach(([label, confidence], i) => {
    const [x, y] = [(i % CELLS) * cell, Math.floor(i / CELLS) * cell];
    const sure = confidence >= threshold;
    pen.globalAlpha = sure ? 0.25 + 0.3 * confidence : 0.1;
    pen.fillStyle = colour(COLOURS[label]!);
    pen.fillRect(x, y, cell, cell);
    if (sure) return;
    pen.globalAlpha = 0.7;
    pen.strokeStyle = colour("--soft");
    pen.beginPath();
    pen.moveTo(x, y + cell);
    pen.lineTo(x + cell, y);
    pen.stroke();
  });
  pen.globalAlpha = 1;
  for (const point of points) drawMark(pen, ((point.x + 1) / 2) * size, ((1 - point.y) / 2) * size, point.label, colour(COLOURS[point.label]!), colour("--card"));
  if (cursor) {
    const [x, y] = [((cursor.x + 1) / 2) * size, ((1 - cursor.y) / 2) * size];
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 2;
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
      pen.moveTo(x + 5 * dx, y + 5 * dy);
      pen.lineTo(x + 16 * dx, y + 16 * dy);
    }
    pen.stroke();
    pen.lineWidth = 1;
  }
}

function drawMark(pen: CanvasRenderingContext2D, x: number, y: number, label: number, fill: string, edge: string): void {
  const r = 7;
  pen.beginPath();
  if (label === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
  else if (label === 1) pen.rect(x - r, y - r, 2 * r, 2 * r);
  else {
    pen.moveTo(x, y - r - 1);
    pen.lineTo(x + r + 1, y + r);
    pen.lineTo(x - r - 1, y + r);
    pen.closePath();
  }
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = edge;
  pen.lineWidth = 2;
  pen.stroke();
  pen.lineWidth = 1;
}
