// Package program is what the worker exports: its classes and what answers in front of them. It is apart from the command so
// that a test can run it natively.
package program

import (
	"durago.example/objects"
	"durago.example/objects/ratelimit/ratelimitserver"
	"durago.example/worker/counter"
)

// Program is the worker's program.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{
			counter.Class,
			ratelimitserver.Class("RateLimiterServer", nil),
		},
		Routes: routes,
		Fetch:  front(),
	}
}
