// Frames: what leaves for Go is written here; instance.mjs reads what comes.
export const utf8 = new TextEncoder();
export const text = new TextDecoder("utf-8", { ignoreBOM: true });

// Frames that leave for Go are built here and copied into the inbox when complete.
export const out = {
  u8: new Uint8Array(1 << 16),
  dv: undefined,
  n: 0,
  start() {
    this.n = 0;
    return this;
  },
  room(k) {
    if (this.n + k <= this.u8.length) return;
    const b = new Uint8Array(Math.max(this.u8.length * 2, this.n + k));
    b.set(this.u8.subarray(0, this.n));
    this.u8 = b;
    this.dv = new DataView(b.buffer);
  },
  byte(v) {
    this.room(1);
    this.u8[this.n++] = v;
  },
  u16(v) {
    this.room(2);
    this.dv.setUint16(this.n, v, true);
    this.n += 2;
  },
  u32(v) {
    this.room(4);
    this.dv.setUint32(this.n, v, true);
    this.n += 4;
  },
  f64(v) {
    this.room(8);
    this.dv.setFloat64(this.n, v, true);
    this.n += 8;
  },
  str(s) {
    this.room(4 + s.length * 3);
    const at = this.n + 4;
    let k = 0;
    if (s.length < 48) {
      for (; k < s.length; k++) {
        const c = s.charCodeAt(k);
        if (c > 127) break;
        this.u8[at + k] = c;
      }
    }
    if (k < s.length) k = utf8.encodeInto(s, this.u8.subarray(at)).written;
    this.dv.setUint32(this.n, k, true);
    this.n = at + k;
  },
  bytes(b) {
    this.u32(b.length);
    this.raw(b);
  },
  raw(b) {
    this.room(b.length);
    this.u8.set(b, this.n);
    this.n += b.length;
  },
};
out.dv = new DataView(out.u8.buffer);

export function latin1(u8, from, to) {
  let s = "";
  for (let k = from; k < to; k++) s += String.fromCharCode(u8[k]);
  return s;
}

export function isASCII(u8, from, to) {
  for (let k = from; k < to; k++) if (u8[k] > 127) return false;
  return true;
}

let count = 0; // of the headers that are being put
let bodied = false; // one of them is about a body

function putHeader(value, name) {
  count++;
  if (name === "content-length" || name === "transfer-encoding") bodied = true;
  out.str(name);
  out.str(value);
}

// putHeaders tells whether they say that there is a body, which is cheaper than to look for it.
export function putHeaders(headers) {
  const at = out.n;
  out.u16(0);
  count = 0;
  bodied = false;
  headers.forEach(putHeader);
  out.dv.setUint16(at, count, true);
  return bodied;
}
