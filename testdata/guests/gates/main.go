// Command gates is the program of package gates as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/gates/gates"
)

func main() { objects.Run(gates.Program()) }
