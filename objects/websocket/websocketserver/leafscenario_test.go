//go:build !js

package websocketserver_test

import (
	"testing"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/testdata/guests/rooms/rooms"
)

// forked runs a scenario of the compiled room with leaves, which must see what it sees without.
func forked(t *testing.T, transcript string, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: guest, Native: native.Program(rooms.Program()), Bubble: true, Transcript: transcript}, f)
}

// TestScenario_leaves: the wire and recovery are the same where each object has one socket, or all are but a few on leaves.
func TestScenario_leaves(t *testing.T) {
	t.Run("wire", func(t *testing.T) { forked(t, "TestScenario_wire", wired("/leaves/1/")) })
	t.Run("recovery", func(t *testing.T) { forked(t, "TestScenario_recovery", recovered("/leaves/1/")) })
}

// TestScenario_leafSchedules plays them where each object has one socket.
func TestScenario_leafSchedules(t *testing.T) { playAll(t, "/leaves/1/") }

// TestScenario_leafSchedules_defects: each defect is caught there too.
func TestScenario_leafSchedules_defects(t *testing.T) { playDefects(t, "/leaves/1/") }
