// Errors of the page side: the same shape as py_edge.errors on the wire, so both sides say the same sentence.
import type { Problem } from "./protocol.ts";

export class EdgeError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(sentence(problem));
    this.name = "EdgeError";
    this.problem = problem;
  }

  get code(): string {
    return this.problem.code;
  }
}

/** Place, message, what came and was wanted, what to do, and the code: one sentence. */
export function sentence(problem: Problem): string {
  const place = problem.where ? `${problem.where}: ` : "";
  const facts: string[] = [];
  if (problem.got !== undefined) facts.push(`got ${String(problem.got)}`);
  if (problem.want !== undefined) facts.push(`want ${String(problem.want)}`);
  const tail = facts.length ? ` (${facts.join(", ")})` : "";
  const remedy = problem.remedy ? `; ${problem.remedy}` : "";
  return `${place}${problem.message}${tail}${remedy} [${problem.code}]`;
}

/** Any thrown thing as a Problem. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Error && "problem" in thrown) return thrown.problem as Problem; // of whichever module's EdgeError
  if (thrown instanceof DOMException && thrown.name === "AbortError") return { code: "E_ABORTED", message: "stopped" };
  if (thrown instanceof DOMException && thrown.name === "QuotaExceededError")
    return { code: "E_STORAGE", message: "the browser's storage is full", remedy: "free space, or Erase everything" };
  return { code: "E_INTERNAL", message: thrown instanceof Error ? thrown.message : String(thrown) };
}
