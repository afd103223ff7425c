// Package v8 translates stored values between the guest's codec (package wasm/value) and the bytes that V8's serializer
// writes, which are what workerd keeps in _cf_KV: so a data directory moves between workerd and the host, both ways.
//
// # The format
//
// A blob is the bytes FF 0F (the version, 15) and one value: a tag byte and its payload, with varints for lengths.
// Encode writes version 15. Decode reads 13 to 15, and what does not begin with FF as a version 13 without its header,
// as workerd does. What the two codecs do differently:
//
//   - V8 writes the number of an object's, Map's or Set's entries after them, ours before.
//   - V8 writes a property that is an array index as a number, and before the others, in order.
//   - V8 keeps strings as Latin-1 or as UTF-16, which begins at an even offset; ours are UTF-8.
//   - V8 has whole numbers of 31 bits, and an array of numbers that are not all of those holds doubles only.
//   - A view is two objects in V8: its buffer, then a window on it, and several views may share a buffer. Ours are
//     copies: after a translation they share nothing.
//   - An Error is an object of workerd's own: its properties, among them stack and cause, follow as one object.
//   - Arrays of V8's may have named properties, which the guest has no room for: they are left out, as in the shim.
//
// # Back-references
//
// Both codecs number objects in the order in which they begin, and a later occurrence of one is its number. As the
// orders differ, a translation keeps a table of the source's objects, by position, with the number that each was given
// in the result. An object whose first occurrence was left out or comes later is translated where it is first needed,
// by going to its position and back; where it is met again, it is a back-reference and is stepped over.
//
// The translation goes through the bytes once and builds no tree. What it cannot know in time (keys out of V8's order,
// holes in a dense array) has it start again in a careful mode, which looks ahead; the table keeps where objects end, so
// that this costs no more than a second pass.
//
// The package knows neither SQLite nor JavaScript engines, keeps no state, and may be called from any goroutine. See
// https://github.com/v8/v8/blob/main/src/objects/value-serializer.cc and
// https://html.spec.whatwg.org/multipage/structured-data.html.
package v8
