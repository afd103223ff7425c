//go:build !js

package objects

import (
	"fmt"
	"os"

	"durago.example/objects/driver"
)

func run(driver.Program) {
	fmt.Fprintln(os.Stderr, "objects: this program runs as WebAssembly: start it with `durago run`, or build it with `durago build`")
	os.Exit(2)
}
