// SHA-256 as hex: the browser's own where the page is a secure context, else ours, fetched when first needed.

/** Where sha256.js lies, as seen from the script that this is bundled into; build.mjs says it. */
declare const SHA256_FILE: string;

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (globalThis.crypto?.subtle) return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  const { sha256Plain } = (await import(new URL(SHA256_FILE, import.meta.url).href)) as { sha256Plain(bytes: Uint8Array): string };
  return sha256Plain(bytes);
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
