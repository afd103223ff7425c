// Command worker is the program that becomes app.wasm: it exports the classes and injects their configuration.
package main

import (
	"durago.example/objects"
	"durago.example/objects/ratelimit/ratelimitserver"
	"durago.example/worker/counter"
)

func main() {
	objects.Run(objects.Program{
		Classes: []*objects.Class{
			counter.Class,
			ratelimitserver.Class("RateLimiterServer", nil),
		},
		Routes: routes,
		Fetch:  front(),
	})
}
