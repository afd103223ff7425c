// Every kind of value that storage takes, put by workerd: TestCorpus keeps what it wrote. A row is a key and a function
// that makes the value; "value:" and the key keep what the shim's codec makes of it.
import { DurableObject } from "cloudflare:workers";
import { encode } from "./value.mjs";

const buffer = new ArrayBuffer(8);
new Uint8Array(buffer).set([1, 2, 3, 4, 5, 6, 7, 8]);
const growing = new ArrayBuffer(4, { maxByteLength: 16 });
const cycle = {};
Object.assign(cycle, { self: cycle, list: [cycle] });
const map = new Map();
map.set(map, 1).set({ a: 1 }, [map]);
const shared = { once: true };
const holder = [1];
holder.hidden = shared;
const named = [1, 2];
named.foo = "bar";
const namedHoles = [1, , 2];
namedHoles.foo = "bar";
const longer = [1, 2, 3];
longer.length = 5;
const pushed = [];
pushed.push(1);
pushed.push(2.5);
const filled = new Array(2);
filled[0] = 1;
filled[1] = 2;
const own = Object.assign(new Error("own"), { code: 42 });
own.name = "MyError";
const cause = { deep: [1] };
const withoutStack = new Error("s");
delete withoutStack.stack;
const nested = (depth) => {
  let v = 0;
  for (let i = 0; i < depth; i++) v = [v];
  return v;
};

const rows = {
  undefined: undefined, null: null, true: true, false: false,
  zero: 0, one: 1, "minus one": -1, "negative zero": -0, "greatest smi": 2 ** 30 - 1, "past the greatest smi": 2 ** 30,
  "least smi": -(2 ** 30), "below the least smi": -(2 ** 30) - 1, "greatest int32": 2 ** 31 - 1, "uint32": 2 ** 32 - 1, "safe": 2 ** 53 - 1,
  "unsafe": 2 ** 60, fraction: 1.5, NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity, tiny: 5e-324,
  "empty string": "", ascii: "reset", latin: "\u00e9\u00ff", "two-byte": "\u00e9\u20ac", "two-byte odd": "a\u20ac", emoji: "😀", "lone surrogate": "x\ud800",
  "long ascii": "a".repeat(200), "long two-byte": "\u20ac".repeat(100), "NUL": "\0", "BOM": "\ufeffx",
  "cut string": "\u20acabcdefghijklmnopqrstuvwxyz".slice(1),
  "bigint 0": 0n, "bigint -5": -5n, "bigint 2^64": 2n ** 64n, "bigint word": 2n ** 64n - 1n, "bigint long": -(3n ** 200n),
  date: new Date(1234567890123), "date before": new Date(-5), "invalid date": new Date(NaN), "greatest date": new Date(8.64e15),
  regexp: /a\/\u20ac/dgimsuy, "regexp v": /x/v, "regexp empty": new RegExp(""), "regexp latin": /\u00e9/,
  boxed: [Object("s"), Object("é€"), Object(""), Object(1), Object(1.5), Object(-0), Object(true), Object(false), Object(7n)],
  "empty array": [], array: [1, "a", null, true, undefined], ints: [1, 2, 3], doubles: [0.5, 1, 2], "int then double": [1, 2.5], mixed: [1, 2.5, "x"],
  "big ints": [2 ** 31, 1], pushed, holes: [1, , 3], "only holes": new Array(3), "filled holes": filled, "filled": new Array(3).fill(0), longer, "undefined elements": [undefined, 1],
  named, "named holes": namedHoles, "far element": Object.assign([], { 4294967290: "far" }), "hidden object": [holder, shared, shared],
  "empty object": {}, object: { a: 1, b: "x" }, "undefined property": { a: undefined }, "empty key": { "": 1 }, "null prototype": Object.assign(Object.create(null), { a: 1 }),
  class: new (class A { x = 1; #y = 2; get z() { return 3; } })(), getter: { get g() { return 9; } }, frozen: Object.freeze({ a: 1 }), symbol: { [Symbol("z")]: 1, a: 2 },
  "integer keys": { b: 1, 2: 2, 1: 3, a: 4, 4294967294: 5, 4294967295: 6, "-1": 7, "01": 8, 9007199254740991: 9, 1073741823: 10, 1073741824: 11 },
  "two-byte keys": { "\u20ac": 1, "a\u20ac": "b\u20ac", x: "abc\u20ac", "\u00e9": 1 }, "proto key": JSON.parse('{"__proto__":1}'),
  "many keys": Object.fromEntries(Array.from({ length: 200 }, (_, i) => ["k" + i, i])),
  nested: { a: { b: { c: [{ d: [] }] } } }, "same object twice": [shared, shared], cycle, deep: nested(254),
  "empty map": new Map(), map, "map of everything": new Map([[1, 2], ["a", { b: 1 }], [null, undefined], [NaN, -0]]),
  "empty set": new Set(), set: new Set([1, "a", {}, map]), "map subclass": new (class W extends Map {})([[1, 2]]),
  buffer: new ArrayBuffer(3), "empty buffer": new ArrayBuffer(0), bytes: new Uint8Array([1, 2, 3]), "empty bytes": new Uint8Array(0), "long bytes": new Uint8Array(300).fill(7),
  int8: new Int8Array([-1]), clamped: new Uint8ClampedArray([255]), int16: new Int16Array([-1]), uint16: new Uint16Array([1]), int32: new Int32Array([-1]), uint32s: new Uint32Array([1]),
  float16: new Float16Array([1, 2]), float32: new Float32Array([1.5]), float64: new Float64Array([1.5]), bigint64: new BigInt64Array([-1n]), biguint64: new BigUint64Array([1n]),
  dataview: new DataView(buffer.slice(0)), "part of a buffer": new Uint8Array(buffer, 1, 2), "views of a buffer": { a: new Uint8Array(buffer, 1, 2), b: new DataView(buffer, 2), c: buffer, d: new Float32Array(buffer), e: buffer },
  "buffer then view": [buffer, new Uint16Array(buffer)], "same view twice": (() => { const v = new Uint8Array([9]); return [v, v]; })(),
  "growing buffer": growing, "views of a growing buffer": { t: new Uint8Array(growing), s: new Uint8Array(growing, 0, 2), d: new DataView(growing, 1) },
  "error": new Error("plain"), "error TypeError": new TypeError("boom", { cause: { a: 1 } }), "error RangeError": new RangeError("r"), "error SyntaxError": new SyntaxError("s"),
  "error EvalError": new EvalError("e"), "error URIError": new URIError("u"), "error ReferenceError": new ReferenceError("f"), "error AggregateError": new AggregateError([new Error("x")], "many"),
  "error own": own, "error two-byte": new Error("\u20ac"), "error without message": new Error(), "error without stack": withoutStack, "error cause twice": [new Error("x", { cause }), cause],
  "error DOMException": new DOMException("dm", "AbortError"),
  "no Blob": new Blob(["hi"], { type: "text/x" }), "no Headers": new Headers({ a: "b" }), "no Request": new Request("http://x/"), "no SharedArrayBuffer": new SharedArrayBuffer(2), "no deep": nested(300),
};

export class Corpus extends DurableObject {
  write() {
    const { kv } = this.ctx.storage;
    for (const [key, v] of Object.entries(rows)) {
      kv.put(key, v);
      if (!key.startsWith("no ")) kv.put("value:" + key, encode(kv.get(key)));
    }
    return Object.keys(rows).length;
  }
}

export default {
  async test(_, env) {
    console.log("rows", await env.OBJECT.getByName("http://foo/").write());
  },
};
