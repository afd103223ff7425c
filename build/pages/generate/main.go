// Command generate makes what browsers load: go run durago.example/build/pages/generate SOURCE OUT.
package main

import (
	"fmt"
	"os"

	"durago.example/build/pages"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate SOURCE OUT, of which SOURCE is a .ts or an .html file")
		os.Exit(2)
	}
	b, err := pages.Build(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], b, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
