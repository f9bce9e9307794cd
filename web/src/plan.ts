// The plan file on the page side: magic, header, code, blob. The layout is that of py_edge/plan/plan.py.
import { EdgeError } from "./problem.ts";
import type { PlanHeader } from "./protocol.ts";

export interface Plan {
  header: PlanHeader;
  code: Int32Array;
  blob: Uint8Array;
}

const MAGIC = 0x4c504550; // "PEPL"
const FIXED = 16;
const BYTES: Record<string, number> = { float32: 4, int32: 4, bool: 1 };

/** Split a plan file. Throws E_FORMAT if it is not one, is truncated, or points outside of itself. */
export function parsePlan(bytes: Uint8Array): Plan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wrong = (message: string, got?: unknown, want?: unknown): never => {
    throw new EdgeError({ code: "E_FORMAT", where: "plan", message, got, want });
  };
  if (bytes.length < FIXED || view.getUint32(0, true) !== MAGIC) wrong("this is not a plan file");
  const headerBytes = view.getUint32(8, true);
  const words = view.getUint32(12, true);
  const codeAt = FIXED + headerBytes;
  const blobAt = codeAt + Math.ceil((words * 4) / 16) * 16;
  if (codeAt % 16 || blobAt > bytes.length) wrong("the plan is truncated", bytes.length, blobAt);
  let header: PlanHeader;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(FIXED, codeAt))) as PlanHeader;
  } catch {
    return wrong("the header is not JSON");
  }
  if (header.abi !== view.getUint32(4, true)) wrong("the ABI is given twice and differs", header.abi, view.getUint32(4, true));
  if (header.blob_bytes !== bytes.length - blobAt) wrong("the blob has the wrong length", bytes.length - blobAt, header.blob_bytes);
  for (const size of [header.arena_bytes, header.weights_bytes])
    if (!Number.isSafeInteger(size) || size < 0) wrong("a size is not a number of bytes", size);
  for (const slot of [...header.inputs, ...header.outputs]) {
    const width = BYTES[slot.dtype] ?? wrong(`${slot.name} has a type that no kernel takes`, slot.dtype, Object.keys(BYTES));
    const end = slot.offset + count(slot.shape) * width;
    if (!Number.isSafeInteger(end) || slot.offset < 0 || slot.offset % width || slot.shape.some((extent) => extent < 0) || end > header.arena_bytes)
      wrong(`${slot.name} lies outside of the arena`);
  }
  for (const [begin, end] of [header.init, header.run])
    if (begin < 0 || end < begin || end > words) wrong("a step range lies outside of the code", `${begin}-${end}`, words);
  const code = new Int32Array(words);
  new Uint8Array(code.buffer).set(bytes.subarray(codeAt, codeAt + words * 4));
  return { header, code, blob: bytes.subarray(blobAt) };
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
