// Command worker is the backend worker, which hosts the classes: it runs what package program exports.
package main

import (
	"durago.example/objects"
	"durago.example/worker/program"
)

func main() { objects.Run(program.Program()) }
