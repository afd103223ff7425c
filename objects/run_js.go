package objects

import (
	"durago.example/objects/driver"
	"durago.example/wasm/guest"
)

func run(p driver.Program) { guest.Run(p) }

// currentScope is the scope that the running goroutine belongs to, or nil.
func currentScope() driver.Scope { return guest.Current() }
