// Bodies and streams that Go writes.

// Outgoing is a body that Go writes. A write is answered when the reader has asked for it.
export class Outgoing {
  constructor(context, id) {
    this.context = context;
    this.id = id;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => {
          this.wanted = true;
          this.flow();
          if (!this.wanted) return undefined;
          return new Promise((resolve) => (this.pulled = resolve));
        },
        cancel: (reason) => {
          this.broken = new Error(`the reader of the body went away: ${reason?.message ?? reason ?? "closed"}`);
          this.flow();
        },
      },
      { highWaterMark: 0 },
    );
  }
  write(token, chunk) {
    this.chunk = chunk;
    this.token = token;
    this.flow();
  }
  end(error) {
    this.ended = true;
    this.context.streams.delete(this.id);
    if (this.broken) return;
    try {
      if (error) this.controller.error(error);
      else this.controller.close();
    } catch {
      // The reader has gone.
    }
    this.release();
  }
  flow() {
    if (this.chunk === undefined) return;
    if (this.broken) {
      this.chunk = undefined;
      const e = this.broken;
      this.context.later(this.token, () => Promise.reject(e));
      return;
    }
    if (!this.wanted) return;
    this.wanted = false;
    this.controller.enqueue(this.chunk);
    this.chunk = undefined;
    this.release();
    this.context.later(this.token, () => Promise.resolve());
  }
  release() {
    const f = this.pulled;
    this.pulled = undefined;
    if (f) f();
  }
}
