// Errors as they cross.
import { encode } from "./value.mjs";
import { out } from "./frame.mjs";

export const FLAGS = [["remote", 1], ["retryable", 2], ["overloaded", 4], ["durableObjectReset", 8]];
const CLASSES = { TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError };
const HIDDEN = ["cause", "errors"]; // own properties of an error that are not enumerable
const EXCEPTIONS = new Set(["AbortError", "DataCloneError", "InvalidStateError", "NotSupportedError", "QuotaExceededError", "TimeoutError"]);
const KNOWN = new Set(["name", "message", "stack", "durableObjectId", ...FLAGS.map(([name]) => name)]);

// given tells of properties that an error of its class has by itself.
function given(e, k) {
  return (k === "code" && e instanceof DOMException) || (k === "errors" && e.errors?.length === 0);
}

export function putError(e) {
  const o = e !== null && typeof e === "object" ? e : { name: "Error", message: String(e) };
  let flags = 0;
  for (const [name, bit] of FLAGS) if (o[name] === true) flags |= bit;
  out.byte(flags);
  out.str(String(o.name ?? "Error"));
  out.str(String(o.message ?? ""));
  out.str(String(o.durableObjectId ?? ""));
  out.str("");
  const props = {};
  let some = false;
  for (const k of Object.keys(o)) {
    if (!KNOWN.has(k) && !given(e, k)) {
      props[k] = o[k];
      some = true;
    }
  }
  for (const k of HIDDEN) {
    if (e instanceof Error && Object.hasOwn(e, k) && !given(e, k)) {
      props[k] = e[k];
      some = true;
    }
  }
  if (!some) return;
  try {
    out.raw(encode(props));
  } catch {
    // A property that cannot cross is dropped; the error is not.
  }
}

export function makeError(name, message, props) {
  if (EXCEPTIONS.has(name)) return Object.assign(new DOMException(message, name), props);
  const e = name === "AggregateError" ? new AggregateError([], message) : new (CLASSES[name] ?? Error)(message);
  if (name !== e.name) Object.defineProperty(e, "name", { value: name, enumerable: true, writable: true });
  for (const k of HIDDEN) {
    if (Object.hasOwn(props, k)) Object.defineProperty(e, k, { value: props[k], writable: true, configurable: true });
    delete props[k];
  }
  return Object.assign(e, props);
}

// Failure is the outcome of an event that failed.
export class Failure {
  constructor(error) {
    this.error = error;
  }
}

// named has a remote error name the object that was called: the platform's names the caller where that is an object, and
// nobody where the platform itself refuses.
export function named(e, stub) {
  if (typeof stub !== "function" && e?.remote === true) e.durableObjectId = Object.hasOwn(stub, "id") ? stub.id.toString() : "";
  return e;
}
