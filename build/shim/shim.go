// Package shim holds the JavaScript of the adapter on Workers: hand-written modules, embedded as they are. runtime.mjs says what
// each has.
package shim

import "embed"

// Files are the modules that stand beside the generated worker.mjs.
//
//go:embed *.mjs
var Files embed.FS

// Names of the files, the one that the worker imports first.
var Names = []string{
	"runtime.mjs", "abi.mjs", "frame.mjs", "value.mjs", "error.mjs", "instance.mjs", "context.mjs", "storage.mjs", "stub.mjs", "link.mjs", "stream.mjs",
	"socket.mjs", "conn.mjs",
}

// KV is the module of the local KV service, which only workerd.capnp uses.
const KV = "kv.mjs"
