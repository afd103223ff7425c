// Reads what Go has written and writes it again. Of each number i there are v<i>, a value, and x<i>, the same value in the
// guest's codec, as bytes. It puts y<i>, what it read in the guest's codec, and w<i>, the value that x<i> holds.
import { DurableObject } from "cloudflare:workers";
import { decode, encode } from "./value.mjs";

export class Exchange extends DurableObject {
  run() {
    const { kv } = this.ctx.storage;
    let n = 0;
    for (; kv.get("x" + n) !== undefined; n++) {
      kv.put("y" + n, encode(kv.get("v" + n)));
      kv.put("w" + n, decode(new Uint8Array(kv.get("x" + n)), 0).value);
    }
    return n;
  }
}

export default {
  async test(_, env) {
    console.log("values", await env.OBJECT.getByName("http://foo/").run());
  },
};
