// Command divergence writes host/DIVERGENCE.md from testdata/conformance. go generate runs it, in the folder above.
package main

import (
	"fmt"
	"os"

	"durago.example/host/hosttest/conformance"
)

func main() {
	l, err := conformance.Load("../../../testdata/conformance")
	if err == nil {
		err = os.WriteFile("../../DIVERGENCE.md", []byte(l.Divergence()), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
