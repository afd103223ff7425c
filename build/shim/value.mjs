// The codec of package wasm/value in JavaScript: what structured clone holds, as tagged bytes.
const MAX_DEPTH = 256;
const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { ignoreBOM: true });

const T = {
  UNDEFINED: 0x5f, NULL: 0x30, TRUE: 0x54, FALSE: 0x46, INT: 0x49, FLOAT: 0x4e, STRING: 0x53, STRING16: 0x73, BYTES: 0x42,
  VIEW: 0x56, DATE: 0x44, REGEXP: 0x52, ARRAY: 0x41, SPARSE: 0x61, OBJECT: 0x4f, MAP: 0x4d, SET: 0x5a, BIGINT: 0x47,
  ERROR: 0x45, BOXED: 0x58, REF: 0x5e, HANDLE: 0x48, LINKS: 0x4c,
};

// The constructors of views, in the order of the kinds.
const VIEWS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  typeof BigInt64Array === "undefined" ? undefined : BigInt64Array,
  typeof BigUint64Array === "undefined" ? undefined : BigUint64Array,
  DataView,
  typeof Float16Array === "undefined" ? undefined : Float16Array,
];
const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

// ---- encoding -------------------------------------------------------------------------------------------------------

let u8 = new Uint8Array(1 << 12);
let dv = new DataView(u8.buffer);
let n = 0;
let seen; // object → index, for back-references
let count = 0;
let linker; // makes handles of what is no data
let places; // where handles are

function room(k) {
  if (n + k <= u8.length) return;
  const b = new Uint8Array(Math.max(u8.length * 2, n + k));
  b.set(u8.subarray(0, n));
  u8 = b;
  dv = new DataView(b.buffer);
}

function uv(v) {
  room(10);
  while (v >= 128) {
    u8[n++] = (v % 128) | 128;
    v = Math.floor(v / 128);
  }
  u8[n++] = v;
}

// The zigzag of an integer beyond 2^52 is no safe integer itself: its lowest digit goes apart.
function zigzag(v) {
  const m = v < 0 ? -v - 1 : v;
  const low = (m % 64) * 2 + (v < 0 ? 1 : 0);
  tag(m < 64 ? low : low | 128);
  if (m >= 64) uv(Math.floor(m / 64));
}

function float(v) {
  room(8);
  dv.setFloat64(n, v, true);
  n += 8;
}

function str(s) {
  const k = s.length;
  if (k < 64) {
    room(k + 1);
    let i = 0;
    for (; i < k; i++) {
      const c = s.charCodeAt(i);
      if (c > 127) break;
      u8[n + 1 + i] = c;
    }
    if (i === k) {
      u8[n] = k;
      n += 1 + k;
      return;
    }
  }
  bytes(utf8.encode(s));
}

function bytes(b) {
  uv(b.length);
  room(b.length);
  u8.set(b, n);
  n += b.length;
}

function tag(t) {
  room(1);
  u8[n++] = t;
}

function number(v) {
  if (Number.isSafeInteger(v) && !Object.is(v, -0)) {
    tag(T.INT);
    zigzag(v);
  } else {
    tag(T.FLOAT);
    float(v);
  }
}

function wellFormed(s) {
  return s.isWellFormed === undefined ? !/[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/.test(s) : s.isWellFormed();
}

function string(s) {
  if (wellFormed(s)) {
    tag(T.STRING);
    str(s);
    return;
  }
  tag(T.STRING16);
  uv(s.length * 2);
  room(s.length * 2);
  for (let i = 0; i < s.length; i++, n += 2) dv.setUint16(n, s.charCodeAt(i), true);
}

function bigint(v) {
  tag(T.BIGINT);
  tag(v < 0n ? 1 : 0);
  let m = v < 0n ? -v : v;
  const digits = [];
  for (; m > 0n; m >>= 8n) digits.push(Number(m & 255n));
  bytes(Uint8Array.from(digits));
}

function refuse(message) {
  return typeof DOMException === "undefined" ? new Error(message) : new DOMException(message, "DataCloneError");
}

function write(v, depth) {
  switch (typeof v) {
    case "undefined":
      return tag(T.UNDEFINED);
    case "boolean":
      return tag(v ? T.TRUE : T.FALSE);
    case "number":
      return number(v);
    case "string":
      return string(v);
    case "bigint":
      return bigint(v);
    case "function":
      if (handle(v)) {
        count++;
        return undefined;
      }
    // falls through
    case "symbol":
      throw refuse(`${String(v)} could not be cloned.`);
  }
  if (v === null) return tag(T.NULL);
  if (depth >= MAX_DEPTH) throw new RangeError(`the value is nested deeper than ${MAX_DEPTH}`);
  const old = seen.get(v);
  if (old !== undefined) {
    tag(T.REF);
    return uv(old);
  }
  seen.set(v, count++);
  object(v, depth + 1);
}

function object(v, depth) {
  if (Array.isArray(v)) return array(v, depth);
  const proto = Object.getPrototypeOf(v);
  if (proto === Object.prototype || proto === null) {
    tag(T.OBJECT);
    return properties(v, Object.keys(v), depth);
  }
  if (v instanceof ArrayBuffer) {
    tag(T.BYTES);
    return bytes(new Uint8Array(v));
  }
  if (ArrayBuffer.isView(v)) {
    tag(T.VIEW);
    tag(VIEWS.findIndex((c) => c !== undefined && v instanceof c));
    return bytes(new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
  }
  if (v instanceof Date) {
    tag(T.DATE);
    return float(v.getTime());
  }
  if (v instanceof Map) {
    tag(T.MAP);
    uv(v.size);
    for (const [k, e] of v) {
      write(k, depth);
      write(e, depth);
    }
    return undefined;
  }
  if (v instanceof Set) {
    tag(T.SET);
    uv(v.size);
    for (const e of v) write(e, depth);
    return undefined;
  }
  if (v instanceof RegExp) {
    tag(T.REGEXP);
    str(v.source);
    return str(v.flags);
  }
  if (v instanceof Error) return error(v, depth);
  if (v instanceof Boolean || v instanceof Number || v instanceof String || v instanceof BigInt) {
    tag(T.BOXED);
    return write(v.valueOf(), depth);
  }
  if (handle(v)) {
    seen.delete(v); // another one of the same is another handle
    return undefined;
  }
  const name = v.constructor?.name ?? "Object";
  throw refuse(`Could not serialize object of type "${name}". This type does not support serialization.`);
}

function array(v, depth) {
  let indexes = Object.keys(v);
  if (indexes.length !== v.length || (indexes.length > 0 && indexes[v.length - 1] !== String(v.length - 1))) {
    indexes = indexes.filter((k) => String(k >>> 0) === k && k >>> 0 < v.length); // the others are properties with names
  }
  if (indexes.length === v.length) {
    tag(T.ARRAY);
    uv(v.length);
    for (const e of v) write(e, depth);
    return;
  }
  tag(T.SPARSE);
  uv(v.length);
  uv(indexes.length);
  for (const k of indexes) {
    uv(+k);
    write(v[k], depth);
  }
}

function properties(v, keys, depth) {
  uv(keys.length);
  for (const k of keys) {
    str(k);
    write(v[k], depth);
  }
}

function error(v, depth) {
  tag(T.ERROR);
  str(String(v.name));
  str(String(v.message));
  str(Object.prototype.propertyIsEnumerable.call(v, "stack") ? String(v.stack) : ""); // one that storage has kept
  if (v.cause === undefined) tag(0);
  else {
    tag(1);
    write(v.cause, depth);
  }
  count++; // the object of own properties takes an index too
  tag(T.OBJECT);
  const own = Object.keys(v).filter((k) => !["name", "message", "stack", "cause", "errors"].includes(k));
  if (Object.hasOwn(v, "errors")) own.push("errors"); // an AggregateError's is not enumerable
  properties(v, own, depth);
}

// handle writes v as a handle if it is something that has them.
function handle(v) {
  const h = linker?.link(v);
  if (h === undefined) return false;
  places ??= [];
  places.push(n);
  tag(T.HANDLE);
  tag(h[0]);
  room(4);
  dv.setUint32(n, h[1], true);
  n += 4;
  return true;
}

// listed is what was written, with the list of its handles before it.
function listed() {
  const value = u8.slice(0, n);
  n = 0;
  tag(T.LINKS);
  uv(places.length);
  room(4 * places.length + value.length);
  for (const p of places) {
    dv.setUint32(n, p, true);
    n += 4;
  }
  u8.set(value, n);
  return u8.slice(0, n + value.length);
}

// encode returns the bytes of v; they are the caller's. links.link makes kind and id of what is no data, or undefined of
// what cannot cross.
export function encode(v, links) {
  n = 0;
  count = 0;
  linker = links;
  places = undefined;
  seen = typeof v === "object" && v !== null ? new Map() : undefined;
  write(v, 0);
  seen = linker = undefined;
  return places === undefined ? u8.slice(0, n) : listed();
}

// ---- decoding -------------------------------------------------------------------------------------------------------

let src;
let view;
let at = 0;
let objects;
let follower; // of handles

function malformed() {
  return new TypeError("malformed value");
}

function readByte() {
  if (at >= src.length) throw malformed();
  return src[at++];
}

function readUV() {
  let v = 0;
  for (let scale = 1; ; scale *= 128) {
    const c = readByte();
    v += (c & 127) * scale;
    if (c < 128) return v;
    if (scale > 2 ** 56) throw malformed();
  }
}

function readZigzag() {
  const low = readByte();
  const m = ((low & 127) >> 1) + (low < 128 ? 0 : readUV() * 64);
  return low % 2 === 0 ? m : -1 - m;
}

function readCount(size) {
  const k = readUV();
  if (k > (src.length - at) / size) throw malformed();
  return k;
}

function readBytes() {
  const k = readCount(1);
  at += k;
  return src.subarray(at - k, at);
}

function readStr() {
  const b = readBytes();
  if (b.length < 32) {
    let s = "";
    for (let i = 0; i < b.length; i++) {
      if (b[i] > 127) return text.decode(b);
      s += String.fromCharCode(b[i]);
    }
    return s;
  }
  return text.decode(b);
}

function readFloat() {
  if (at + 8 > src.length) throw malformed();
  at += 8;
  return view.getFloat64(at - 8, true);
}

function keep(v) {
  objects.push(v);
  return v;
}

function read(depth) {
  if (depth > MAX_DEPTH) throw new RangeError(`the value is nested deeper than ${MAX_DEPTH}`);
  const t = readByte();
  switch (t) {
    case T.UNDEFINED:
      return undefined;
    case T.NULL:
      return null;
    case T.TRUE:
      return true;
    case T.FALSE:
      return false;
    case T.INT:
      return readZigzag();
    case T.FLOAT:
      return readFloat();
    case T.STRING:
      return readStr();
    case T.STRING16: {
      const b = readBytes();
      let s = "";
      for (let i = 0; i + 1 < b.length; i += 2) s += String.fromCharCode(b[i] | (b[i + 1] << 8));
      return s;
    }
    case T.BIGINT: {
      const negative = readByte() === 1;
      let v = 0n;
      const b = readBytes();
      for (let i = b.length - 1; i >= 0; i--) v = (v << 8n) | BigInt(b[i]);
      return negative ? -v : v;
    }
    case T.BYTES:
      return keep(readBytes().slice().buffer);
    case T.VIEW: {
      const Kind = VIEWS[readByte()];
      if (Kind === undefined) throw malformed();
      return keep(new Kind(readBytes().slice().buffer));
    }
    case T.DATE:
      return keep(new Date(readFloat()));
    case T.REGEXP:
      return keep(new RegExp(readStr(), readStr()));
    case T.ARRAY: {
      const k = readCount(1);
      const a = keep([]);
      for (let i = 0; i < k; i++) a.push(read(depth + 1));
      return a;
    }
    case T.SPARSE: {
      const a = keep([]);
      a.length = readUV();
      for (let k = readCount(2); k > 0; k--) {
        const i = readUV();
        a[i] = read(depth + 1);
      }
      return a;
    }
    case T.OBJECT:
      return readProperties(keep({}), depth);
    case T.MAP: {
      const m = keep(new Map());
      for (let k = readCount(2); k > 0; k--) {
        const key = read(depth + 1);
        m.set(key, read(depth + 1));
      }
      return m;
    }
    case T.SET: {
      const s = keep(new Set());
      for (let k = readCount(1); k > 0; k--) s.add(read(depth + 1));
      return s;
    }
    case T.ERROR: {
      const name = readStr();
      const e = keep(new (ERRORS[name] ?? Error)(readStr()));
      const stack = readStr();
      if (stack !== "") e.stack = stack;
      if (e.name !== name) Object.defineProperty(e, "name", { value: name, configurable: true, writable: true });
      if (readByte() === 1) e.cause = read(depth + 1);
      Object.assign(e, read(depth + 1));
      return e;
    }
    case T.BOXED: {
      const i = objects.length;
      objects.push(undefined);
      return (objects[i] = Object(read(depth + 1)));
    }
    case T.HANDLE: {
      const kind = readByte();
      if (follower === undefined || at + 4 > src.length) throw malformed();
      at += 4;
      return keep(follower.follow(kind, view.getUint32(at - 4, true)));
    }
    case T.REF: {
      const i = readUV();
      if (i >= objects.length) throw malformed();
      return objects[i];
    }
  }
  throw malformed();
}

function readProperties(o, depth) {
  for (let k = readCount(2); k > 0; k--) {
    const key = readStr();
    const v = read(depth + 1);
    if (key === "__proto__") Object.defineProperty(o, key, { value: v, enumerable: true, configurable: true, writable: true });
    else o[key] = v;
  }
  return o;
}

// decode reads the value at offset; offset in the result is where it ends. links.follow makes what a handle of a kind and
// an id names.
export function decode(b, offset, links) {
  src = b;
  view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  at = offset;
  objects = [];
  follower = links;
  if (src[at] === T.LINKS) {
    at++;
    const k = readCount(4);
    at += 4 * k;
  }
  const value = read(0);
  src = view = objects = follower = undefined;
  return { value, offset: at };
}
