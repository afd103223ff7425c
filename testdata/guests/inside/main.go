// Command inside is the program of package inside as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/inside/inside"
)

func main() { objects.Run(inside.Program()) }
