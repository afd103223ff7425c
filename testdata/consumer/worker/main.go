// Command worker is a user's program.
package main

import (
	"consumer.example/program"
	"durago.example/objects"
)

func main() { objects.Run(program.Program()) }
