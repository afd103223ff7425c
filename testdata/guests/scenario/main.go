// Command scenario is the program of package scenario as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/scenario/scenario"
)

func main() { objects.Run(scenario.Program()) }
