// Package client has the client of rooms for browsers, which needs nothing but WebSocket: room.ts is its source, room.js
// the ES module that it becomes, and room.d.ts that module's types. Copy the source into a project in TypeScript, or the
// other two beside a page. Its tests have it talk to a compiled room, over connections that break.
package client

// The types need TypeScript, which make conformance installs.
//
//go:generate go run durago.example/build/pages/generate room.ts room.js
//go:generate ../../../.tools/node_modules/.bin/tsc --declaration --emitDeclarationOnly --target es2022 --lib es2024,dom --types "" --ignoreConfig room.ts
