package objects

import "durago.example/objects/driver"

// Erase is what a runtime gets of a program.
func Erase(p Program) driver.Program { return p.erase() }
