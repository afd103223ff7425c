// What an object stores: SQL, key-value storage, alarms and transactions.
import { decode, encode } from "./value.mjs";
import { CHUNK, CONTROL, OP } from "./abi.mjs";
import { out, text, utf8 } from "./frame.mjs";

export function query(c, i, statement) {
  const flags = i.rbyte();
  const args = [];
  for (let k = i.ru16(); k > 0; k--) {
    switch (i.rbyte()) {
      case 0:
        args.push(null);
        break;
      case 1:
        args.push(i.rf64());
        break;
      case 2:
        args.push(i.rstr());
        break;
      case 3: {
        const n = i.ru32();
        args.push(i.u8.slice(i.p, i.p + n));
        i.p += n;
      }
    }
  }
  const q = i.statements[statement];
  const cursor = args.length === 0 ? c.sql.exec(q) : c.sql.exec(q, ...args);
  if ((flags & 2) === 0) return rows(c, 0, { cursor, raw: cursor.raw() }, flags);
  while (!cursor.next().done);
  out.n = 0;
  out.f64(cursor.rowsRead);
  out.f64(cursor.rowsWritten);
  return undefined;
}

// rows writes the next chunk of a result.
export function rows(c, handle, result, flags) {
  out.n = 0;
  const { cursor, raw } = result;
  let count = 0;
  out.u32(0);
  let next = result.next ?? raw.next();
  const width = flags & 1 || next.done ? cursor.columnNames.length : next.value.length;
  out.u16(width);
  out.byte(flags & 1);
  if (flags & 1) for (const name of cursor.columnNames) out.str(name);
  const at = out.n;
  out.u32(0);
  while (!next.done && out.n < CHUNK) {
    count++;
    for (const v of next.value) {
      if (typeof v === "number") {
        out.byte(1);
        out.f64(v);
      } else if (typeof v === "string") {
        out.byte(2);
        out.str(v);
      } else if (v === null) {
        out.byte(0);
      } else {
        out.byte(3);
        out.bytes(new Uint8Array(v));
      }
    }
    next = raw.next();
  }
  out.dv.setUint32(at, count, true);
  if (next.done) {
    c.cursors.delete(handle);
    handle = 0;
  } else {
    if (handle === 0) handle = ++c.lastHandle;
    result.next = next;
    c.cursors.set(handle, result);
  }
  out.dv.setUint32(0, handle, true);
  return undefined;
}

export function storageOp(c, op, token, i) {
  const { storage } = c;
  switch (op) {
    case OP.KV_GET: {
      const v = storage.kv.get(text.decode(i.rest()));
      out.byte(v === undefined ? 0 : 1);
      if (v !== undefined) out.raw(encode(v));
      return undefined;
    }
    case OP.KV_PUT:
      storage.kv.put(i.rstr(), i.rvalue());
      return 0;
    case OP.KV_DELETE:
      out.byte(storage.kv.delete(text.decode(i.rest())) ? 1 : 0);
      return undefined;
    case OP.KV_LIST:
      return putEntries(storage.kv.list(listOptions(i)));
    case OP.GET: {
      const o = options(i);
      const keys = strings(i);
      return c.later(token, () => storage.get(keys, o), putEntries);
    }
    case OP.PUT: {
      const o = options(i);
      const entries = {};
      for (let k = i.ru32(); k > 0; k--) {
        const key = i.rstr();
        const n = i.ru32();
        entries[key] = decode(i.u8.slice(i.p, i.p + n), 0).value;
        i.p += n;
      }
      return c.later(token, () => storage.put(entries, o));
    }
    case OP.DELETE: {
      const o = options(i);
      const keys = strings(i);
      return c.later(token, () => storage.delete(keys, o), (n) => out.u32(n));
    }
    case OP.LIST: {
      const o = options(i);
      const l = { ...listOptions(i), ...o };
      return c.later(token, () => storage.list(l), putEntries);
    }
    case OP.ALARM_GET:
      return c.later(token, () => storage.getAlarm(), (at) => out.f64(at ?? NaN));
    case OP.ALARM_SET: {
      const at = i.rf64();
      const o = options(i);
      return c.later(token, () => storage.setAlarm(at, o));
    }
    case OP.ALARM_DELETE: {
      const o = options(i);
      return c.later(token, () => storage.deleteAlarm(o));
    }
    case OP.SYNC:
      return c.later(token, () => storage.sync());
    case OP.DELETE_ALL:
      return c.later(token, () => storage.deleteAll());
    case OP.BOOKMARK:
      return c.later(token, () => storage.getCurrentBookmark(), (s) => out.raw(utf8.encode(s)));
    case OP.TRANSACTION:
      return c.inSection(token, (body) => storage.transaction(body));
    case OP.ROLLBACK:
      c.transactions.get(token).rollback();
      return 0;
    case OP.TRANSACTION_SYNC: {
      let rollback = 0;
      try {
        storage.transactionSync(() => {
          i.control[CONTROL.TRANSACTION] = 0;
          rollback = i.x.durago_transaction(token);
          i.views();
          if (i.control[CONTROL.TRANSACTION] !== token) {
            i.fatal(new Error("a TransactionSync body waited"));
            throw i.dead;
          }
          if (rollback) throw ROLLBACK;
        });
      } catch (e) {
        if (e !== ROLLBACK) throw e;
      }
      out.n = 0;
      out.byte(rollback);
      return undefined;
    }
  }
  throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
}

const ROLLBACK = new Error("rollback");

function putEntries(entries) {
  const at = out.n;
  out.u32(0);
  let n = 0;
  for (const [k, v] of entries) {
    n++;
    out.str(k);
    out.bytes(encode(v));
  }
  out.dv.setUint32(at, n, true);
  return undefined;
}

function options(i) {
  const f = i.rbyte();
  return { allowConcurrency: (f & 1) !== 0, allowUnconfirmed: (f & 2) !== 0, noCache: (f & 4) !== 0 };
}

function strings(i) {
  const list = [];
  for (let k = i.ru32(); k > 0; k--) list.push(i.rstr());
  return list;
}

function listOptions(i) {
  const f = i.rbyte();
  const o = {};
  const limit = i.rf64();
  if (f & 1) o.limit = limit;
  for (const [bit, name] of [[2, "prefix"], [4, "start"], [8, "startAfter"], [16, "end"]]) {
    const s = i.rstr();
    if (f & bit) o[name] = s;
  }
  if (f & 32) o.reverse = true;
  return o;
}
