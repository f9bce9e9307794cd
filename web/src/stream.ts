// Server-sent events over fetch: as much of EventSource as this product uses, for what EventSource cannot do: bring a
// token, or come from a node in this tab.

/** The most text of one event; what is longer is no answer of ours. */
const EVENT_CHARS = 4 << 20;

export class FetchStream extends EventTarget {
  readyState = 0;
  readonly #stop = new AbortController();

  /** open: begins the request; a response that is not ok ends the stream. */
  constructor(open: (init: RequestInit) => Promise<Response>) {
    super();
    this.#run(open).catch(() => this.close());
  }

  close(): void {
    this.readyState = 2;
    this.#stop.abort();
  }

  async #run(open: (init: RequestInit) => Promise<Response>): Promise<void> {
    try {
      const response = await open({ headers: { accept: "text/event-stream" }, signal: this.#stop.signal });
      if (response.ok) await this.#read(response);
    } catch {
      // Ended below like every stream that ends.
    }
    if (this.readyState === 2) return;
    this.close();
    this.dispatchEvent(new Event("error"));
  }

  async #read(response: Response): Promise<void> {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
    const reader = response.body!.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value.replaceAll("\r\n", "\n");
      const parts = text.split("\n\n");
      text = parts.pop()!;
      for (const part of parts) this.#tell(part);
      if (text.length > EVENT_CHARS) return;
    }
  }

  #tell(part: string): void {
    const fields: Record<string, string> = {};
    for (const row of part.split("\n")) {
      const at = row.indexOf(":");
      if (at > 0) fields[row.slice(0, at)] = row.slice(at + 1).trimStart();
    }
    if (fields["data"] !== undefined) this.dispatchEvent(new MessageEvent(fields["event"] ?? "message", { data: fields["data"], lastEventId: fields["id"] ?? "" }));
  }
}
