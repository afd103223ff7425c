// Package shim holds the JavaScript of the adapter on Workers: two hand-written modules, embedded as they are.
package shim

import "embed"

// Files are the modules that stand beside the generated worker.mjs.
//
//go:embed runtime.mjs value.mjs kv.mjs
var Files embed.FS

// Names of the files, in the order of their import.
var Names = []string{"runtime.mjs", "value.mjs"}

// KV is the module of the local KV service, which only workerd.capnp uses.
const KV = "kv.mjs"
