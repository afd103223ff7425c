package hosttest_test

import (
	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects"
	gatesguest "durago.example/testdata/guests/gates/gates"
	libraryguest "durago.example/testdata/guests/library/library"
	scenarioguest "durago.example/testdata/guests/scenario/scenario"
)

// natively is o with the program that its configuration is of, which runs in a bubble then: in no time.
func natively(o hosttest.Options, p objects.Program) hosttest.Options {
	o.Native, o.Bubble = native.Program(p), true
	return o
}

// connected has o run natively in no bubble: for scenarios with connections of their own.
func connected(o hosttest.Options) hosttest.Options {
	o.Bubble = false
	return o
}

// everyGates, everyLibrary and everyScenario are the options of scenarios that run natively too.
func everyGates() hosttest.Options { return natively(gates(), gatesguest.Program()) }

func everyLibrary() hosttest.Options { return natively(library(), libraryguest.Program()) }

func everyScenario() hosttest.Options {
	return natively(hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1}, scenarioguest.Program())
}
