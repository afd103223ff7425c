// Command storage is the program of package storage as a guest.
package main

import (
	"durago.example/objects"
	"durago.example/testdata/guests/storage/storage"
)

func main() { objects.Run(storage.Program()) }
