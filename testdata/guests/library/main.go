// Command library is the program of package library as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/library/library"
)

func main() { objects.Run(library.Program()) }
