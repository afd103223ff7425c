package objects

import (
	"durago.example/objects/driver"
	"durago.example/wasm/guest"
)

func run(p driver.Program) { guest.Run(p) }
