// Command rooms is the program of package rooms as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/rooms/rooms"
)

func main() { objects.Run(rooms.Program()) }
