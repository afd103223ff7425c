// Command worker is the program that becomes app.wasm: it runs what package program exports.
package main

import (
	"durago.example/objects"
	"durago.example/worker/program"
)

func main() { objects.Run(program.Program()) }
