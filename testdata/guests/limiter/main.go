// Command limiter is the program of package limiter as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/limiter/limiter"
)

func main() { objects.Run(limiter.Program()) }
